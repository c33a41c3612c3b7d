"""Halves in, flows out: which two lines tell of one connection."""

from ztflow.pair.legacy import LegacyPairer
from ztflow.pair.pairer import CAPACITY, WINDOW, Pairer

__all__ = ["CAPACITY", "WINDOW", "LegacyPairer", "Pairer"]
