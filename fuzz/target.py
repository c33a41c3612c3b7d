"""What a target is: inputs, and what must hold for each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from hypothesis import strategies as st


@dataclass(frozen=True, slots=True)
class Target:
    """Something that takes input of others.

    Attributes:
        inputs: What it is given.
        check: Raises anything when a promise is broken; called with one input.
    """

    inputs: st.SearchStrategy[bytes]
    check: Callable[[bytes], None]
