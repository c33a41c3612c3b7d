"""Compiles the forward-backward algorithm to object code. Importing this module imports Numba."""

from __future__ import annotations

from typing import Any

from numba.extending import register_jitable

from ztflow.jit.build import built
from ztflow.pair.hmm import backward, forward, transitions, trellis

_registered: Any = register_jitable
FUNCTIONS = (
    transitions.row, transitions.of_new_batch, transitions.elsewhere, trellis.word_of,
    trellis.is_taken, trellis.free_after, trellis.place_of, trellis.step_code,
    forward.lead, forward.expand, forward.add_likelihoods, forward.choose, forward.forward,
    backward.count, backward.backward, backward.both_ways,
)  # fmt: skip
for _function in FUNCTIONS:
    _registered(_function)


def object_code() -> tuple[str, bytes]:
    """The symbol of the function that takes an `ArgumentTable` of a `BothWays`, and its object code. Cost: 5 s."""
    return built(backward.both_ways, trellis.BothWays)
