"""A hidden Markov model of equal connections: which late line continues which early one, with what probability."""
