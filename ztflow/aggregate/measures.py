"""Measures of a group of connections: counts, bytes, durations, times; exact however big the sums."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from operator import add
from typing import Any, overload

import numpy as np
import pyarrow as pa

from ztflow.aggregate.encryption import mtls_kinds
from ztflow.aggregate.percentiles import percentiles_of
from ztflow.aggregate.view import View
from ztflow.columns.dtypes import NO_TIME, BoolArray, IntArray, Integers
from ztflow.columns.grouping import Groups
from ztflow.columns.timestamps import rfc3339, rfc3339_texts
from ztflow.model.provenance import time_from_micros
from ztflow.model.vocabulary import BOTH_HALVES, KNOWN_OUTCOME, NodeLocality, Verdict, ZoneLocality


@dataclass(frozen=True, slots=True)
class Measures:
    """Sums and extremes of a group of connections. Counts of an unknown property are kept beside those of its values.

    Attributes:
        flows: Connections.
        request_bytes: Payload client → server, over the connections where it is known.
        response_bytes: Payload server → client, likewise.
        bytes_unknown: Connections with at least one of the two unknown.
        duration_p50_ms: Median life (nearest rank, an observed value); None where no duration is known.
        duration_p95_ms: 95th percentile, likewise.
        duration_max_ms: Longest.
        denied: Connections refused by policy.
        failed: Connections that failed otherwise.
        verdict_unknown: Connections whose outcome the log does not tell.
        plaintext: Connections that were let in without the mesh's encryption, from or to a workload of the cluster.
        plaintext_refused: Attempts in plaintext that the server's ztunnel refused: nothing was carried.
        left_mesh: Connections to an address that no workload of the cluster is known for.
        mtls_unknown: Connections of which the log does not tell.
        same_node: Both ends on one node.
        cross_node: Ends on two nodes.
        locality_unknown: At least one end's node unknown.
        same_zone: Both ends in one zone.
        cross_zone: Ends in two zones.
        zone_unknown: At least one end's zone unknown.
        paired: Connections of which both halves were seen.
        first_seen: Earliest start (end where the start is unknown).
        last_seen: Latest end.
    """

    flows: int
    request_bytes: int
    response_bytes: int
    bytes_unknown: int
    duration_p50_ms: int | None
    duration_p95_ms: int | None
    duration_max_ms: int | None
    denied: int
    failed: int
    verdict_unknown: int
    plaintext: int
    plaintext_refused: int
    left_mesh: int
    mtls_unknown: int
    same_node: int
    cross_node: int
    locality_unknown: int
    same_zone: int
    cross_zone: int
    zone_unknown: int
    paired: int
    first_seen: datetime | None
    last_seen: datetime | None

    @property
    def bytes(self) -> int:
        """Payload both ways."""
        return self.request_bytes + self.response_bytes


_FITS = 2**63
"""Integers below this are in 64 bits, with a sign."""
_LATE = np.iinfo(np.int64).max

MEASURE_NAMES: tuple[str, ...] = tuple(field.name for field in fields(Measures))
"""Names of all measures, in order."""


DURATIONS = ("duration_p50_ms", "duration_p95_ms", "duration_max_ms")
"""The measures of durations."""

MEASURED = (
    "start", "end", "request_bytes", "response_bytes", "duration_ms", "verdict", "mtls", "locality", "zone_locality",
    "paired", "dst_pod", "dst_name",
)  # fmt: skip
"""The columns of `schema.FLOWS` that are measured."""

TIMES = MEASURE_NAMES[-2:]
"""The measures of time."""

OPTIONAL = (*DURATIONS, *TIMES)
"""Measures that may be unknown."""


def measure(view: View, groups: Groups) -> list[Measures]:
    """One `Measures` a group.

    Args:
        view: Rows of `schema.FLOWS`.
        groups: Their groups.

    Cost: about 0.1 s for 1 M rows, and 5 µs a group.
    """
    return [*measured(view, groups)]


class Measured(Sequence[Measures]):
    """The measures of many groups in columns; those of one group are made when it is looked at.

    Attributes:
        columns: The measures by name, but for the times: an array, or a list where there may be None or 64 bits do not
            hold them.
        times: First and last time of each group, microseconds.
    """

    def __init__(self, columns: dict[str, IntArray | list[Any]], times: tuple[IntArray, IntArray]) -> None:
        self.columns, self.times = columns, times

    @property
    def bytes(self) -> list[int]:
        """Payload both ways."""
        return list(map(add, *(list_of(self.columns[name]) for name in ("request_bytes", "response_bytes"))))

    def __len__(self) -> int:
        return len(self.times[0])

    @overload
    def __getitem__(self, place: int) -> Measures: ...
    @overload
    def __getitem__(self, place: slice) -> list[Measures]: ...

    def __getitem__(self, place: int | slice) -> Measures | list[Measures]:
        if isinstance(place, slice):
            return [*self.of(range(len(self))[place])]
        return next(iter(self.of([place])))

    def __iter__(self) -> Iterator[Measures]:
        return self.of(range(len(self)))

    def of(self, places: Sequence[int]) -> Iterator[Measures]:
        """Those of some groups."""
        columns = (_some(column, places) for column in self.columns.values())
        return map(Measures, *columns, *(moments(_taken(times, places)) for times in self.times))

    def scalars(self, places: Sequence[int], **more: list[str | None]) -> list[dict[str, Any]]:
        """Those of some groups as dictionaries, as a graph edge carries them: times as text, absent rather than None.

        Args:
            places: The groups.
            more: Further values, one a group, that come last.

        Cost: 1.5 µs a group.
        """
        whole = {name: _some(column, places) for name, column in self.columns.items()}
        whole |= {name: _texts(_taken(times, places)) for name, times in zip(TIMES, self.times, strict=True)} | more
        names = tuple(whole)
        rows: list[dict[str, Any]] = [
            dict(zip(names, values, strict=True)) for values in zip(*whole.values(), strict=True)
        ]
        for name in (*OPTIONAL, *more):
            if None in whole[name]:
                for row in rows:
                    if row[name] is None:
                        del row[name]
        return rows

    def arrow(self, places: range) -> Iterator[tuple[str, pa.Array]]:
        """Those of some groups as texts, by name; null where unknown."""
        part = slice(places.start, places.stop)
        for name, column in self.columns.items():
            try:
                yield name, pa.array(column[part], pa.int64()).cast(pa.string())
            except OverflowError:
                yield name, pa.array([None if value is None else str(value) for value in column[part]])
        for name, times in zip(TIMES, self.times, strict=True):
            yield name, rfc3339(times[part], times[part] != NO_TIME)


def _taken(column: IntArray, places: Sequence[int]) -> IntArray:
    """Some places of an array; those of a range are not listed first."""
    if isinstance(places, range):
        return column[places.start : places.stop] if places.step == 1 else column[list(places)]
    return column[places]


def _some(column: IntArray | list[Any], places: Sequence[int]) -> list[Any]:
    if isinstance(column, list):
        return [column[place] for place in places]
    return list(_taken(column, places).tolist())


def measured(view: View, groups: Groups) -> Measured:
    """As `measure`, for many groups of which few are looked at. Cost: about 0.1 s for 1 M rows."""
    codes, count = groups.codes, len(groups)
    began, ended = view.seen()
    found: dict[str, IntArray | list[Any]] = {
        "request_bytes": _sums(view, "request_bytes", codes, count),
        "response_bytes": _sums(view, "response_bytes", codes, count),
        **dict(zip(DURATIONS, _durations(view, codes, count), strict=True)),
        **with_unknown({"flows": tally(codes, count, weights=view.weights), **tallies(view, codes, count)}),
    }
    columns = {name: found[name] for name in MEASURE_NAMES[:-2]}
    return Measured(columns, (earliest(began, codes, count), latest(ended, codes, count)))


def scalars(view: View, groups: Groups, **more: list[str | None]) -> list[dict[str, Any]]:
    """One dictionary a group: `Measured.scalars` of all of them."""
    found = measured(view, groups)
    return found.scalars(range(len(found)), **more)


def _texts(times: IntArray) -> list[str | None]:
    known = times != NO_TIME
    if known.all():
        return [*rfc3339_texts(times)]
    return [text if told else None for text, told in zip(rfc3339_texts(times * known), known.tolist(), strict=True)]


def tallies(view: View, codes: Integers, count: int) -> dict[str, IntArray]:
    """Rows of each group that have a property, by the measure that counts them."""
    sized = view.known("request_bytes") & view.known("response_bytes")
    kinds = mtls_kinds(view)
    masks = {
        "bytes_unknown": ~sized,
        "denied": view.equals("verdict", Verdict.DENIED),
        "failed": view.equals("verdict", Verdict.FAILED),
        "verdict_unknown": ~view.equals("verdict", *KNOWN_OUTCOME),
        **{name: kinds[name] for name in ("plaintext", "plaintext_refused", "left_mesh")},
        "mtls_unknown": ~view.known("mtls"),
        "same_node": view.equals("locality", NodeLocality.SAME_NODE),
        "cross_node": view.equals("locality", NodeLocality.CROSS_NODE),
        "same_zone": view.equals("zone_locality", ZoneLocality.SAME_ZONE),
        "cross_zone": view.equals("zone_locality", ZoneLocality.CROSS_ZONE),
        "paired": view.equals("paired", *BOTH_HALVES),
    }
    weights = view.weights
    return {name: tally(codes, count, mask, weights) for name, mask in masks.items()}


def with_unknown(counts: dict[str, IntArray]) -> dict[str, IntArray]:
    """Counts with those of unknown places, which are the rest of `flows`."""
    flows = counts["flows"]
    return counts | {
        "locality_unknown": flows - counts["same_node"] - counts["cross_node"],
        "zone_unknown": flows - counts["same_zone"] - counts["cross_zone"],
    }


def tally(codes: Integers, count: int, mask: BoolArray | None = None, weights: IntArray | None = None) -> IntArray:
    """Connections of each group, or those of a mask; `View.weights` says how many a row is."""
    if mask is not None:
        chosen = np.count_nonzero(mask)
        if not chosen:
            return np.zeros(count, np.int64)
        if chosen < len(mask):
            codes, weights = codes[mask], None if weights is None else weights[mask]
    if weights is None:
        return np.bincount(codes, minlength=count)
    found = np.zeros(count, np.int64)
    np.add.at(found, codes, weights)
    return found


def sums(view: View, name: str, codes: Integers, count: int) -> list[int]:
    """Exact sums of an unsigned column by group, as Python integers: 64 bits may not hold them."""
    return list_of(_sums(view, name, codes, count))


def list_of(numbers: IntArray | list[int]) -> list[int]:
    """Numbers of an array, or those of a list."""
    return numbers if isinstance(numbers, list) else list(numbers.tolist())


def _sums(view: View, name: str, codes: Integers, count: int) -> IntArray | list[int]:
    values, _ = view.numbers(name)
    values = values.astype(np.uint64, copy=False)
    if not len(values) or int(values.max()) * len(values) < _FITS:
        whole = np.zeros(count, np.uint64)
        np.add.at(whole, codes, values)
        return whole.astype(np.int64)
    halves = []
    for part in (values & np.uint64(0xFFFFFFFF), values >> np.uint64(32)):
        total = np.zeros(count, np.uint64)
        np.add.at(total, codes, part)
        halves.append(total.tolist())
    return [(above << 32) + below for below, above in zip(*halves, strict=True)]


def extremes(times: Integers, codes: Integers, count: int, how: str) -> list[datetime | None]:
    """Earliest (`min`) or latest (`max`) of some times (microseconds, `NO_TIME` for unknown) by group."""
    return moments(latest(times, codes, count) if how == "max" else earliest(times, codes, count))


def latest(times: Integers, codes: Integers, count: int) -> IntArray:
    """The latest time of each group in microseconds; `NO_TIME` for a group without one."""
    found = np.full(count, NO_TIME, np.int64)
    np.maximum.at(found, codes, times)
    return found


def earliest(times: Integers, codes: Integers, count: int) -> IntArray:
    """The earliest, likewise."""
    later = np.full(count, _LATE, np.int64)
    told = times != NO_TIME
    np.minimum.at(later, codes, times if told.all() else np.where(told, times, _LATE))
    return np.where(later == _LATE, NO_TIME, later)


def moments(times: IntArray) -> list[datetime | None]:
    """Times of microseconds; None for `NO_TIME`."""
    return [None if micros == NO_TIME else time_from_micros(micros) for micros in times.tolist()]


def _durations(view: View, codes: Integers, count: int) -> tuple[list[int | None], list[int | None], list[int | None]]:
    """Median, 95th percentile and maximum by nearest rank: values that were observed, not interpolated."""
    known = view.known("duration_ms")
    median, high, longest = percentiles_of(view, ("duration_ms",), codes, count, (50, 95, 100), known)
    return median, high, longest
