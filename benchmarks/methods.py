"""Ways to pair the halves of a log: ztflow, simple ones, and one that knows what the traffic is like."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scoring import Pair, Truth, place_of, position

import ztflow
from ztflow.pair.assignment import batches
from ztflow.pair.assignment.batches import Segment
from ztflow.pair.assignment.matching import match_segments, nearest
from ztflow.pair.assignment.matching_parameters import MATCHING
from ztflow.pair.features.full import full_features
from ztflow.pair.hmm.forward_backward import Beam, sum_paths
from ztflow.pair.hmm.posterior import POSTERIOR
from ztflow.pair.hmm.rooms import no_counts
from ztflow.pair.hmm.transition_rates import Pace, TransitionRates, default_rates, gap_classes
from ztflow.pair.hmm.transitions import Burst, reads
from ztflow.pair.hmm.trellis import TransitionCounts
from ztflow.pair.reach import REACH

NEAREST = 80
"""Neighbours on each side that the greedy method looks at."""
SEARCH = 1_000_000
"""Microseconds within which the simple methods look for a partner."""
PAUSE = 250_000
"""Microseconds without an end that separate segments for the oracle, whose clocks are right."""
MORE, MARGIN = 4, 4.0
"""How many times more states than ztflow the oracle keeps, and by how much (logarithm) less likely ones."""
IMPOSSIBLE = -1e9
"""Logarithm of how well halves fit that do not belong together."""
FEWEST = 4
"""Pairs a burst has at least to be counted."""


@dataclass(frozen=True)
class Found:
    """What ztflow made of some logs."""

    pairs: list[Pair]
    flows: list[dict[str, Any]]


def by_ztflow(logs: list[Path], inventory: list[Path]) -> Found:
    columns = [f"{side}_{what}" for side in ("outbound", "inbound", "next_hop") for what in ("file", "line")]
    flows = ztflow.read_flows(*logs, inventory=inventory).to_arrow()
    rows = flows.select([*columns, "paired", "confidence"]).to_pylist()
    pairs = [
        Pair(
            place_of(row, "outbound"),
            place_of(row, "inbound"),
            row["paired"] in {"exact", "unique"},
            1.0 if row["confidence"] is None else row["confidence"],
        )
        for row in rows
        if row["outbound_line"] is not None and row["inbound_line"] is not None
    ]
    return Found(pairs, rows)


@dataclass(frozen=True)
class Group:
    """Halves of one class that ended near each other, with their places."""

    segment: Segment
    outbound: list[str]
    inbound: list[str]


def groups(logs: list[Path], pause: int) -> Iterator[Group]:
    """The candidates all methods get: halves of equal addresses, identity and sizes, cut at pauses."""
    halves = ztflow.read_records(*logs).to_arrow()
    features = full_features(halves)
    names = [
        position(file, line)
        for file, line in zip(
            halves.column("source_file").to_pylist(), halves.column("line_number").to_pylist(), strict=True
        )
    ]
    index = np.flatnonzero(features.pairable)
    keys = features.exact_key[index]
    index = index[np.lexsort((features.time[index], keys))]
    keys, times = features.exact_key[index], features.time[index]
    for part in np.split(index, np.flatnonzero((np.diff(keys) != 0) | (np.diff(times) > pause)) + 1):
        out, inn = part[features.outbound[part]], part[~features.outbound[part]]
        if len(out) and len(inn):
            segment = Segment(
                features.time[out], features.duration[out], features.port[out],
                features.time[inn], features.duration[inn],
            )  # fmt: skip
            yield Group(segment, [names[k] for k in out], [names[k] for k in inn])


def greedy(out_time, out_duration, in_time, in_duration):
    """The nearest ends first, each half once."""
    del out_duration, in_duration
    place = np.searchsorted(in_time, out_time)
    near = place[:, None] + np.arange(-NEAREST, NEAREST)[None, :]
    distance = np.abs(in_time[near.clip(0, len(in_time) - 1)] - out_time[:, None])
    possible = (near >= 0) & (near < len(in_time)) & (distance <= SEARCH)
    rows, columns = np.nonzero(possible)
    partners = near[rows, columns]
    free_out, free_in = np.ones(len(out_time), bool), np.ones(len(in_time), bool)
    chosen = []
    for at in np.argsort(distance[rows, columns], kind="stable").tolist():
        row, partner = rows[at], partners[at]
        if free_out[row] and free_in[partner]:
            free_out[row] = free_in[partner] = False
            chosen.append((row, partner))
    return tuple(np.array(side, int) for side in zip(*chosen, strict=True)) if chosen else (np.zeros(0, int),) * 2


def simple(method: Callable) -> Callable[[list[Path]], Iterator[Pair]]:
    """A baseline: the method on each group of candidates."""

    def pairs(logs: list[Path]) -> Iterator[Pair]:
        for group in groups(logs, SEARCH):
            halves = group.segment
            times = halves.out_time, halves.out_duration, halves.in_time, halves.in_duration
            for a, b in zip(*method(*times), strict=True):
                yield Pair(group.outbound[a], group.inbound[b], sure=True, confidence=1.0)

    return pairs


BASELINES: dict[str, Callable[[list[Path]], Iterable[Pair]]] = {
    "nearest end": simple(greedy),
    "least squares": simple(nearest),
}


# -- the oracle ------------------------------------------------------------------------------------------


def counted(*runs: tuple[list[Path], Truth]) -> TransitionCounts:
    """The steps of the true pairs of all bursts."""
    counts = no_counts()
    for logs, truth in runs:
        partner = dict(truth.pairs)
        for group in groups(logs, PAUSE):
            where = {name: at for at, name in enumerate(group.inbound)}
            known = [(o, where[partner[name]]) for o, name in enumerate(group.outbound) if partner.get(name) in where]
            if len(known) >= FEWEST:
                count(counts, group.segment, *np.array(known).T)
    return counts


def count(counts: TransitionCounts, halves: Segment, rows: np.ndarray, columns: np.ndarray) -> None:
    """Add the steps of these pairs: those of the only way that is possible where no other pairs are."""
    early = np.argsort(np.argsort(columns))
    late_time, early_time = halves.out_time[rows] * 1.0, np.sort(halves.in_time[columns]) * 1.0
    pace = Pace.of(late_time, late_time - halves.in_time[columns], REACH.usual_delay)
    fit = np.full((len(rows), len(rows)), IMPOSSIBLE)
    fit[np.arange(len(rows)), early] = 0.0
    gaps = [gap_classes(late_time, pace.service, back) for back in (1, 2)]
    burst = Burst(
        np.array([len(rows)] * 2), np.array([pace.least, 1.0]), late_time, early_time, fit,
        *reads(late_time, early_time, pace.least, pace.spread), *default_rates().weights(gaps[0]), *gaps,
    )  # fmt: skip
    for total, found in zip(counts, sum_paths(burst, POSTERIOR.beam).counts, strict=True):
        np.add(total, found, out=total)


@contextmanager
def starting_from(rates: TransitionRates) -> Iterator[None]:
    """Let ztflow start from other transition rates than its defaults."""
    defaults = batches.default_rates
    try:
        batches.default_rates = lambda: rates
        yield
    finally:
        batches.default_rates = defaults


def oracle(rates: TransitionRates) -> Callable[[list[Path]], Iterator[Pair]]:
    """The model of ztflow with parameters that are right, keeping more states. It knows no pair."""
    beam = Beam(POSTERIOR.beam.states * MORE, POSTERIOR.beam.within + MARGIN)
    parameters = MATCHING._replace(posterior=POSTERIOR._replace(beam=beam))

    def pairs(logs: list[Path]) -> Iterator[Pair]:
        every = list(groups(logs, PAUSE))
        found = match_segments([group.segment for group in every], parameters, rates=rates)
        for group, match in zip(every, found, strict=True):
            for a, b, confidence in zip(
                match.outbound.tolist(), match.inbound.tolist(), match.confidence.tolist(), strict=True
            ):
                yield Pair(group.outbound[a], group.inbound[b], sure=False, confidence=confidence)

    return pairs
