"""Runs the forward-backward algorithm on a burst: compiled where possible, on arrays made here."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import cache
from pathlib import Path
from threading import local
from typing import NamedTuple

import numpy as np

from ztflow.columns.dtypes import FloatArray
from ztflow.errors import CompilerError, SlowPathWarning
from ztflow.jit.cache import Cache
from ztflow.jit.link import ArgumentTable, kept_or_made, linked
from ztflow.pair.hmm import rooms
from ztflow.pair.hmm.figures import Work
from ztflow.pair.hmm.rooms import KEPT_UP_TO, no_counts
from ztflow.pair.hmm.segment_matching import work
from ztflow.pair.hmm.transitions import Burst
from ztflow.pair.hmm.trellis import BothWays, TransitionCounts

SLOW_FROM = 100
"""Late ends added up in Python before a warning that this is slow: one to ten seconds of work."""

TRELLIS_CODE = Cache(
    "lattice", "ztflow.columns.dtypes",
    *(
        f"ztflow.pair.hmm.{module}"
        for module in (
            "transitions", "trellis", "forward", "backward", "figures", "ordering", "solver", "start_fits", "learning",
            "segment_matching", "jit", "emissions", "start_lags",
        )
    ),
)  # fmt: skip
"""Where the compiled code is kept."""


class Beam(NamedTuple):
    """How many states of each column are kept.

    Attributes:
        states: How many at most.
        within: How much worse than the best they may be: a logarithm.
    """

    states: int
    within: float


class PathSums(NamedTuple):
    """What all pairing paths together say.

    Attributes:
        posterior: Probability of each early end (column) as the partner of each late end (row).
        counts: Steps, each counted as its probability.
        total: Logarithm of the sum of the likelihoods of all paths.
    """

    posterior: FloatArray
    counts: TransitionCounts
    total: float


def sum_paths(burst: Burst, beam: Beam) -> PathSums:
    """Add up all pairing paths of a burst.

    Cost: 0.1 to 0.3 ms an end, with 400 states; once, 50 ms to load the compiled code, 20 s to make it where it is not
    kept yet. Memory: 24 bytes a transition, some kB an end.
    """
    late, early = (int(size) for size in burst.sizes)
    room = rooms.for_burst(max(late, early), beam.states)
    sums = PathSums(np.zeros((late, early)), no_counts(), 0.0)
    total = np.zeros(1)
    trellis = BothWays(
        burst, room.states, room.transitions, room.scratch, rooms.look_ahead(late, early), sums.counts,
        sums.posterior, room.onward, np.array([beam.states, beam.within]), total,
    )  # fmt: skip
    runner()(Work(0, trellis, *rooms.nothing()))
    return PathSums(sums.posterior, sums.counts, float(total[0]))


def warmup() -> Path | None:
    """Compile ahead, where that was not done: where the code is kept, or None when there is nowhere to.

    Raises:
        CompilerError: It cannot be compiled here.
    """
    _code()
    return TRELLIS_CODE.finished()


def _code() -> tuple[str, bytes]:
    """Symbol and object code, kept or made.

    Raises:
        CompilerError: It cannot be compiled here.
    """

    def make() -> tuple[str, bytes]:
        from ztflow.pair.hmm.jit import object_code

        if (damaged := TRELLIS_CODE.finished()) is not None:
            _say(f"in {damaged} is damaged: it is compiled anew, which takes about 20 s")
        return object_code()

    code = kept_or_made(TRELLIS_CODE, make, "what weighs equal connections (about 20 s)")
    if TRELLIS_CODE.finished() is None and TRELLIS_CODE.good() is None:
        _say(
            "has no private folder it could be kept in: every run compiles it anew, which takes about 20 s (set "
            "XDG_CACHE_HOME to a folder you can write)"
        )
    return code


@cache
def runner() -> Callable[[Work], None]:
    """The function that adds up: compiled, or Python where it cannot be compiled."""
    try:
        call = linked(*_code())
    except CompilerError as error:
        return InPython(str(error))

    kept = local()

    def compiled(arguments: Work) -> None:
        is_large = arguments.trellis.posterior.size > KEPT_UP_TO**2  # and would be held until the next
        table: ArgumentTable = ArgumentTable(Work) if is_large or not hasattr(kept, "table") else kept.table
        table.put(**arguments._asdict())
        call(table)
        if not is_large:
            kept.table = table

    return compiled


class InPython:
    """Adds up without compiled code, and warns once when there is much to do.

    Source: the ratio is what `benchmarks/slow_paths.py` prints for a burst of 60.
    """

    def __init__(self, reason: str) -> None:
        self._reason = reason
        self._ends = 0

    def __call__(self, arguments: Work) -> None:
        """Do the work."""
        before, self._ends = self._ends, self._ends + len(arguments.trellis.burst.late)
        if before < SLOW_FROM <= self._ends:
            _say(f"is not used: {self._reason}; pairing equal connections takes about 100 times as long")
        try:
            work(*arguments)
        except BaseException:  # somebody's Ctrl-C: the room is left as it was found
            arguments.trellis.scratch.slot.fill(-1)
            raise


def _say(what: str) -> None:
    warnings.warn(f"compiled pairing {what}", SlowPathWarning, stacklevel=2)
