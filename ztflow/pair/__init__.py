"""Room `pair`."""
