"""What pairing knows of each half, as numpy arrays."""
