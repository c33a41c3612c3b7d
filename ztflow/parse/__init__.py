"""Room `parse`."""
