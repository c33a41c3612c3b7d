"""The stages of pairing. Each pairs what is certain for it and leaves the rest to the next."""
