"""What every room speaks of: the words, and later the tables and objects made of them."""
