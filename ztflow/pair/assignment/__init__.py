"""Who belongs to whom among equal halves that ended close together."""
