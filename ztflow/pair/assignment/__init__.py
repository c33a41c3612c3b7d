"""Assigning partners among equal halves that ended close together: segments, then the best one-to-one assignment."""
