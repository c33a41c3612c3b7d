"""Many segments of equal halves at once, matched by compiled code."""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from ztflow.columns.dtypes import NO_TIME, FloatArray, Index, IntArray
from ztflow.memory import plenty
from ztflow.pair.assignment.matching_parameters import MatchingParameters
from ztflow.pair.hmm import rooms
from ztflow.pair.hmm.figures import Figures, Segments, Tables, Work
from ztflow.pair.hmm.forward_backward import runner
from ztflow.pair.hmm.start_lags import grid_of
from ztflow.pair.hmm.transition_rates import TransitionRates, default_rates, services
from ztflow.pair.reach import REACH, Reach
from ztflow.threads import at_once, processors

SHARED_FROM = 200
"""Slots from which segments are shared out to threads: some 50 ms of work."""


class Segment(NamedTuple):
    """Halves that could belong together; times in µs with clock offsets taken off, durations in ms.

    Attributes:
        out_time: Ends of the outbound halves, rising.
        out_duration: Their durations.
        out_port: Their source ports, 0 where unknown.
        in_time: Ends of the inbound halves, rising.
        in_duration: Their durations.
        noted: When the server saw the request of each outbound half, by its clock with the offset taken off; `NO_TIME`
            where no line tells. None: nowhere.
        usual_delay: Usual delay between the ends on the two ztunnels, as isolated pairs had it.
    """

    out_time: IntArray
    out_duration: IntArray
    out_port: IntArray
    in_time: IntArray
    in_duration: IntArray
    noted: IntArray | None = None
    usual_delay: float = REACH.usual_delay


def with_room(out_first: IntArray, *columns: Any) -> Segments:
    """Segments, and room for what is found; the columns of `Segments` up to `usual_delay`."""
    count = int(out_first[-1])
    chosen = np.arange(len(out_first) - 1)
    return Segments(
        *(out_first, *columns, chosen, np.empty(count, np.int64), np.empty(count), np.empty(count, np.int64))
    )


def of_segments(segments: Sequence[Segment]) -> Segments:
    """These segments one after the other."""
    nothing = np.zeros(0, np.int64)

    def column(values: Iterable[IntArray]) -> IntArray:
        return np.concatenate([nothing, *values])

    return with_room(
        np.cumsum([0, *(len(one.out_time) for one in segments)]),
        np.cumsum([0, *(len(one.in_time) for one in segments)]),
        column(one.out_time for one in segments),
        column(one.out_duration for one in segments),
        column(one.out_port for one in segments),
        column(np.full(len(one.out_time), NO_TIME) if one.noted is None else one.noted for one in segments),
        column(one.in_time for one in segments),
        column(one.in_duration for one in segments),
        np.array([one.usual_delay for one in segments], np.float64),
    )


def segment_of(segments: Segments, number: int) -> Segment:
    """One of these by itself."""
    out = slice(segments.out_first[number], segments.out_first[number + 1])
    inn = slice(segments.in_first[number], segments.in_first[number + 1])
    return Segment(
        segments.out_time[out], segments.out_duration[out], segments.out_port[out], segments.in_time[inn],
        segments.in_duration[inn], segments.noted[out], float(segments.usual_delay[number]),
    )  # fmt: skip


def put(
    segments: Segments, number: int, out: Index, inn: Index, confidence: FloatArray, alternatives: IntArray
) -> None:
    """Write down what was found for one of these, by positions in it."""
    start, stop = segments.out_first[number], segments.out_first[number + 1]
    segments.partner[start:stop] = -1
    segments.partner[start + out] = inn
    segments.confidence[start + out] = confidence
    segments.alternatives[start + out] = alternatives


def match(segments: Segments, parameters: MatchingParameters, reach: Reach, rates: TransitionRates | None) -> None:
    """Fill in what is found.

    Args:
        segments: One after the other.
        parameters: The figures.
        reach: Time distances.
        rates: Their transition rates where these are known.
    """
    figures = _figures(parameters, reach)._replace(known=rates is not None)
    tables = _tables(parameters, default_rates() if rates is None else rates)
    slots = np.maximum(np.diff(segments.out_first), np.diff(segments.in_first))
    small = slots <= rooms.KEPT_UP_TO
    run = runner()

    def work(chosen: Index) -> None:
        trellis, piece = rooms.for_pieces(int(slots[chosen].max()), figures, len(tables.at))
        run(Work(1, trellis, figures, tables, segments._replace(chosen=chosen), piece))

    for chosen in (np.flatnonzero(small), np.flatnonzero(~small)):
        threads = processors() if slots[chosen].sum() >= SHARED_FROM and plenty() else 1
        largest_first = chosen[np.argsort(-slots[chosen], kind="stable")]
        parts = [largest_first[start::threads].copy() for start in range(min(threads, len(chosen)))]
        at_once(work, parts)


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
        *(one._asdict() for one in (
            parameters, posterior, posterior.rates, posterior.emissions, posterior.emissions.lags
        )),
    )  # fmt: skip
    return Figures(**{name: every[name] for name in Figures._fields})


def _tables(parameters: MatchingParameters, rates: TransitionRates) -> Tables:
    posterior = parameters.posterior
    grid = grid_of(posterior.emissions.lags)
    return Tables(
        grid.edge, grid.at, grid.prior, grid.next, grid.last, *services(posterior.rates),
        rates.follows, rates.gaps, rates.own, rates.batch, np.array(posterior.shifts),
    )  # fmt: skip
