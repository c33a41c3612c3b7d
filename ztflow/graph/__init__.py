"""Room `graph`."""
