"""Fuzzers: inputs of every kind, twisted, and what has to hold for each of them whatever it holds.

    python -m fuzz parser --seconds 600 --seed 7
    python -m fuzz all --seconds 60

One module a target (`TARGETS`): a hypothesis strategy of inputs, made of a corpus and edits to it (`edits`), and a check
that raises when a promise is broken. `running` runs them; what it finds is shrunk, saved and printed with what replays
it. `tests/test_fuzz.py` runs each for a moment. What the long runs found is in docs/reliability.md.
"""

from __future__ import annotations

from importlib import import_module
from typing import Final

from fuzz.target import Target

TARGETS: Final = (
    "parser",
    "envelopes",
    "inventories",
    "archives",
    "loki",
    "filters",
    "policies",
    "saved",
    "commands",
    "values",
)


def load(name: str) -> Target:
    """A target by its name, which is its module's."""
    target = import_module(f"fuzz.{name}").TARGET
    assert isinstance(target, Target)
    return target
