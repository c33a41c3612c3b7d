"""Halves in, flows out: which two lines tell of one connection."""

from ztflow.pair.pairer import CAPACITY, WINDOW, Pairer
from ztflow.pair.trace_id_releases import LegacyPairer

__all__ = ["CAPACITY", "WINDOW", "LegacyPairer", "Pairer"]
