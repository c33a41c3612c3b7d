"""Many segments of equal halves at once, matched by compiled code."""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from ztflow.columns.dtypes import NO_TIME, Index, IntArray
from ztflow.pair.hmm import rooms, transition_rates
from ztflow.pair.hmm.figures import Figures, Segments, Tables, Work
from ztflow.pair.hmm.forward_backward import runner
from ztflow.pair.hmm.start_lags import grid_of
from ztflow.pair.hmm.transition_rates import TransitionRates
from ztflow.pair.reach import Reach

if TYPE_CHECKING:
    from ztflow.pair.assignment.matching import MatchingParameters, Segment


def laid_out(
    out: Sequence[Sequence[IntArray]], inn: Sequence[Sequence[IntArray]], usual_delay: Sequence[float]
) -> Segments:
    """Segments one after the other.

    Args:
        out: Of each: ends, durations, ports and noted requests of its outbound halves.
        inn: Of each: ends and durations of its inbound halves.
        usual_delay: Of each.
    """
    sizes = (np.cumsum([0, *(len(one[0]) for one in side)]) for side in (out, inn))
    columns = [
        np.concatenate([*(one[column] for one in side), np.zeros(0, np.int64)]).astype(np.int64, copy=False)
        for side, width in ((out, 4), (inn, 2))
        for column in range(width)
    ]
    return with_room(*sizes, *columns, np.array(usual_delay, np.float64))


def with_room(out_first: IntArray, in_first: IntArray, *columns: Any) -> Segments:
    """Segments, and room for what is found; see `Segments`."""
    count = int(out_first[-1])
    chosen = np.arange(len(out_first) - 1)
    return Segments(
        out_first, in_first, *columns, chosen, np.empty(count, np.int64), np.empty(count), np.empty(count, np.int64)
    )


def of_segments(segments: Sequence[Segment]) -> Segments:
    """These segments one after the other."""
    return laid_out(
        [
            (one.out_time, one.out_duration, one.out_port,
             np.full(len(one.out_time), NO_TIME) if one.noted is None else one.noted)
            for one in segments
        ],
        [(one.in_time, one.in_duration) for one in segments],
        [one.usual_delay for one in segments],
    )  # fmt: skip


def match(segments: Segments, parameters: MatchingParameters, reach: Reach, rates: TransitionRates | None) -> None:
    """Fill in what is found.

    Args:
        segments: One after the other.
        parameters: The figures.
        reach: Time distances.
        rates: Their transition rates where these are known.
    """
    figures = _figures(parameters, reach)._replace(known=rates is not None)
    tables = _tables(parameters, rates or transition_rates.default_rates())
    slots = np.maximum(np.diff(segments.out_first), np.diff(segments.in_first))
    small = slots <= rooms.KEPT_UP_TO
    for chosen in (np.flatnonzero(small), np.flatnonzero(~small)):
        if len(chosen):
            trellis, piece = rooms.for_pieces(int(slots[chosen].max()), figures, len(tables.at))
            runner()(Work(1, trellis, figures, tables, segments._replace(chosen=chosen), piece))


@lru_cache(maxsize=4)
def _figures(parameters: MatchingParameters, reach: Reach) -> Figures:
    posterior = parameters.posterior
    beams = {
        f"{name}_{field}": value
        for name in ("learning", "beam", "crowd_learning", "crowd_beam")
        for field, value in getattr(posterior, name)._asdict().items()
    }
    every: Mapping[str, Any] = ChainMap(
        {"piece_pause": reach.piece_pause, "known": 0}, beams,
        *(vars(one) for one in (
            parameters, posterior, posterior.rates, posterior.emissions, posterior.emissions.lags
        )),
    )  # fmt: skip
    return Figures(**{name: every[name] for name in Figures._fields})


def _tables(parameters: MatchingParameters, rates: TransitionRates) -> Tables:
    posterior = parameters.posterior
    grid = grid_of(posterior.emissions.lags)
    return Tables(
        grid.edge, grid.at, grid.prior, grid.next, grid.last, *transition_rates.services(posterior.rates),
        rates.follows, rates.gaps, rates.own, rates.batch, np.array(posterior.shifts),
    )  # fmt: skip
