"""Charts of connections, from the sums, counts and distributions of `ztflow.aggregate`."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

import numpy as np
import pyarrow as pa

from ztflow.aggregate import LEVELS, UNKNOWN, View, vertices
from ztflow.aggregate.durations import Buckets
from ztflow.aggregate.measures import tally
from ztflow.aggregate.timeline import SPREAD, Timeline, round_step, timeline
from ztflow.columns.dtypes import NO_TIME, FloatArray, IntArray, Integers
from ztflow.errors import UsageError
from ztflow.filters.quantities import parse_duration
from ztflow.model.provenance import time_from_micros
from ztflow.plot.charts import Curve, Ecdf, Heat, Histogram, Link, Sankey, Series, Steps
from ztflow.plot.groups import End, amounts, byte_columns, grouped, order_of, value_words
from ztflow.text.format import ALL_OTHERS, counted

_STEPS = 60
"""Steps at most where no length was asked for: what a screen shows."""
_FINEST = 2000
"""Steps at most of a length that was asked for; no screen shows more."""
_BUCKETS = Buckets(8)
"""Of lives: below 256 ms exact, above to half a per cent."""
_PER_DECADE = 5
"""Bins of a histogram in each power of ten."""


def course(
    table: pa.Table, owners: Mapping[str, str], *, by: str | None, value: str, every: str | timedelta | None, top: int,
    end: End,
) -> Steps:  # fmt: skip
    """Traffic over time; see `FlowsPlot.time`."""
    what, unit = value_words(value)
    view = View(table)
    groups = grouped(view, owners, by, end, value=value, top=top)
    length = round_step(view, _STEPS) if every is None else _asked_step(view, every)
    masks = [] if value == "flows" or byte_columns(value) else [view.equals("verdict", value)]
    most = _STEPS if every is None else _FINEST
    made = timeline(view, length, groups.codes, len(groups.names), most, masks)
    cells = _steps_of(made, value)
    starts = tuple(time_from_micros(made.first + place * made.step) for place in range(made.flows.shape[1]))
    series = tuple(
        Series(name, tuple(cells[place]), groups.rest and place == len(groups.names) - 1)
        for place, name in enumerate(groups.names)
    )
    notes = [SPREAD, *_nothing(view)]
    if made.folded:
        notes.append("The first step is all that was before its end.")
    if made.timeless:
        notes.append(f"Without a time, and in no step: {counted(made.timeless, 'connection')}.")
    title = f"{what} over time{_told(by, end)}"
    return Steps(title, unit, starts, length.total_seconds(), series, tuple(notes))


def _nothing(view: View) -> tuple[str, ...]:
    """What to say where there is nothing to see."""
    return () if len(view) else ("There are no connections.",)


def _asked_step(view: View, every: str | timedelta) -> timedelta:
    """The length of a step that was asked for.

    Raises:
        UsageError: It is no duration, or so short that there would be more than `_FINEST`.
    """
    length = every if isinstance(every, timedelta) else parse_duration(every)
    _, last = view.span()
    ended = view.seen()[1]
    if last is not None and length > timedelta(0):
        first = time_from_micros(int(ended[ended != NO_TIME].min()))
        if (last - first) // length >= _FINEST:
            raise UsageError(f"more than {_FINEST:,} steps of {every}, which no picture shows; choose a longer step")
    return length


def _steps_of(made: Timeline, value: str) -> list[list[int]]:
    """The value of each group in each step."""
    if names := byte_columns(value):
        cells: list[list[int]] = sum(made.sizes[name].astype(object) for name in names).tolist()  # type: ignore[union-attr]
        return cells
    counts = made.flows if value == "flows" else made.marked[0]
    return [list(row) for row in counts.tolist()]


def _told(by: str | None, end: End | None) -> str:
    """What a chart is by, for its title."""
    if by is None:
        return ""
    of = {"source": " of the client", "destination": " of the server"}
    return f", by {by}{of[end] if end is not None and by in LEVELS else ''}"


def heat(table: pa.Table, owners: Mapping[str, str], *, by: str, value: str, top: int) -> Heat:
    """Who talks to whom; see `FlowsPlot.heatmap`."""
    what, unit = value_words(value)
    source, target, names, notes = _ends(View(table), owners, by, value, top)
    order = sorted(range(len(names)), key=lambda at: (names[at] == ALL_OTHERS, names[at] == UNKNOWN, names[at]))
    side = len(names)
    flat = amounts(View(table), value, source * side + target, side * side)
    cells = tuple(tuple(flat[row * side + column] for column in order) for row in order)
    shown = tuple(names[at] for at in order)
    title = f"{what}, {by} to {by}"
    return Heat(title, unit, f"client's {by}", f"server's {by}", shown, shown, cells, notes)


def _ends(
    view: View, owners: Mapping[str, str], by: str, value: str, top: int
) -> tuple[IntArray, IntArray, tuple[str, ...], tuple[str, ...]]:
    """Both ends of each connection as places among the biggest names, these, and what to say about it."""
    ends = vertices(view, by, owners)
    ids = [vertex.id for vertex in ends.all]
    sizes = [
        sum(both)
        for both in zip(*(amounts(view, value, codes, len(ids)) for codes in (ends.source, ends.target)), strict=True)
    ]
    place, names, rest = order_of(ids, sizes, top)
    left = sum(size > 0 for size in sizes) - top
    notes = (*((f"{ALL_OTHERS}: {left:,} more.",) if rest else ()), *_nothing(view))
    source, target = (_placed(place, codes) for codes in (ends.source, ends.target))
    return source, target, names, notes


def _placed(place: IntArray, codes: Integers) -> IntArray:
    found: IntArray = place[codes] if len(place) else codes.astype(np.int64)
    return found


def sankey(table: pa.Table, owners: Mapping[str, str], *, by: str, value: str, top: int) -> Sankey:
    """From whom to whom; see `FlowsPlot.sankey`."""
    what, unit = value_words(value)
    source, target, names, notes = _ends(View(table), owners, by, value, top)
    side = len(names)
    flat = amounts(View(table), value, source * side + target, side * side)
    sent = [sum(flat[at * side : (at + 1) * side]) for at in range(side)]
    received = [sum(flat[at::side]) for at in range(side)] if side else []
    left, right = (
        sorted((at for at in range(side) if sizes[at]), key=lambda at: (names[at] == ALL_OTHERS, -sizes[at], names[at]))
        for sizes in (sent, received)
    )
    links = tuple(
        Link(one, other, flat[source_at * side + target_at])
        for one, source_at in enumerate(left)
        for other, target_at in enumerate(right)
        if flat[source_at * side + target_at]
    )
    title = f"{what}, from {by} to {by}"
    sources, targets = (tuple(names[at] for at in part) for part in (left, right))
    return Sankey(title, unit, sources, targets, links, notes)


def _lives(
    table: pa.Table, owners: Mapping[str, str], by: str | None, end: End, top: int
) -> tuple[IntArray, IntArray, tuple[str, ...], bool, tuple[str, ...]]:
    """Known lives in milliseconds and their groups, the groups' names, whether the last is all others, and notes."""
    view = View(table)
    lives, known = view.numbers("duration_ms")
    groups = grouped(view, owners, by, end, value="flows", top=top)
    missing = len(view) - int(known.sum())
    notes = (*((f"Without a known life: {counted(missing, 'connection')}.",) if missing else ()), *_nothing(view))
    return lives[known].astype(np.int64), groups.codes[known], groups.names, groups.rest, notes


def histogram(table: pa.Table, owners: Mapping[str, str], *, by: str | None, top: int, end: End) -> Histogram:
    """How long connections lived; see `FlowsPlot.hist`."""
    lives, codes, names, rest, notes = _lives(table, owners, by, end, top)
    edges = life_edges(int(lives.max()) if len(lives) else 1)
    bins = np.searchsorted(np.array(edges), lives, "right") - 1
    width = len(edges) - 1
    counts = tally(codes * width + bins, len(names) * width).reshape(len(names), width).tolist()
    series = tuple(
        Series(name, tuple(counts[place]), rest and place == len(names) - 1) for place, name in enumerate(names)
    )
    return Histogram(f"life of connections{_told(by, end)}", edges, series, notes)


def life_edges(longest: int) -> tuple[int, ...]:
    """Whole milliseconds from 0 to above the longest life, equally far apart on a logarithmic axis from 10 ms on."""
    found = [0, 1]
    power = 1
    while found[-1] <= longest:
        edge = round(10 ** (power / _PER_DECADE))
        power += 1
        if edge > found[-1]:
            found.append(edge)
    return tuple(found)


def ecdf(table: pa.Table, owners: Mapping[str, str], *, by: str | None, top: int, end: End) -> Ecdf:
    """Which share lived no longer; see `FlowsPlot.ecdf`."""
    lives, codes, names, rest, notes = _lives(table, owners, by, end, top)
    buckets = _BUCKETS.of(lives)
    curves = []
    for place, name in enumerate(names):
        used, counts = np.unique(buckets[codes == place], return_counts=True)
        shares: FloatArray = np.cumsum(counts) / counts.sum() if len(counts) else np.zeros(0)
        curves.append(
            Curve(name, tuple(_BUCKETS.value(used).tolist()), tuple(shares.tolist()), rest and place == len(names) - 1)
        )
    return Ecdf(f"life of connections{_told(by, end)}", tuple(curves), notes)
