"""Room `reports`."""
