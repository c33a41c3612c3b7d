"""Room `place`."""
