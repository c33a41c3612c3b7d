"""The steps of pairing, each deciding what it can be sure of and leaving the rest to the next."""
