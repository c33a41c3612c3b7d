"""The field table, closed vocabularies, tables and objects. Loads nothing heavy by itself."""
