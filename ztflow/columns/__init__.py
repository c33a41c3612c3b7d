"""Columns of numbers and dictionary codes: types, dictionaries, orders and statistics of groups."""
