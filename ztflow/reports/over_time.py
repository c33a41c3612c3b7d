"""Traffic over time, step by step: of everything, and by name.

Connections are counted in the step they ended in. Bytes are spread evenly over the life of their connection, because
the log tells only their sum; as whole numbers they add up to it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import numpy as np

from ztflow.aggregate import Vertices, View
from ztflow.aggregate.measures import sums, tally
from ztflow.aggregate.timeline import SPREAD, Timeline, round_step, timeline
from ztflow.columns.dtypes import Integers
from ztflow.filters.quantities import parse_duration
from ztflow.model.provenance import time_from_micros
from ztflow.model.vocabulary import REFUSED
from ztflow.plot.charts import Series, Steps
from ztflow.plot.groups import order_of
from ztflow.reports.tables import Field, TitledTable, titled
from ztflow.text.format import ALL_OTHERS, Spark, Unit, duration_text, time_text

_STEPS_SHOWN = 60
"""Steps at most where no length was asked for: what a screen shows."""

_MOST = 10_000
"""Steps at most of a length that was asked for, a week of minutes, before old connections are put together."""

_CELLS = 1_000_000
"""Names times steps at most; names beyond are put together."""


@dataclass(frozen=True, slots=True)
class Moment:
    """One step of time.

    Attributes:
        start: Its beginning.
        flows: Connections that ended in it.
        request_bytes: Payload client → server that passed in it.
        response_bytes: Payload server → client.
        denied: Of the connections those refused by policy.
        failed: Those that failed otherwise.
    """

    start: datetime
    flows: int
    request_bytes: int
    response_bytes: int
    denied: int
    failed: int

    @property
    def bytes(self) -> int:
        """Payload both ways."""
        return self.request_bytes + self.response_bytes


@dataclass(frozen=True, slots=True)
class NameOverTime:
    """The traffic of one end, step by step, in both roles.

    Attributes:
        name: At the level asked for.
        opened: Connections it opened, by the step they ended in.
        accepted: Connections it accepted, likewise.
        sent: Bytes it sent in each step.
        received: Bytes it received in each step.
    """

    name: str
    opened: tuple[int, ...]
    accepted: tuple[int, ...]
    sent: tuple[int, ...]
    received: tuple[int, ...]


class Course(NamedTuple):
    """Traffic over time.

    Attributes:
        step_seconds: Length of a step; None when no time is known.
        moments: Every step.
        folded: Whether the first holds all that was before its end.
        timeless: Connections that are in no step.
        names: Every name's, most bytes first, where a length was asked for; the last may be that of all others.
    """

    step_seconds: float | None
    moments: tuple[Moment, ...]
    folded: bool
    timeless: int
    names: tuple[NameOverTime, ...]


def over_time(view: View, ends: Vertices, every: str | timedelta | None) -> Course:
    """Spread connections over steps of time.

    Args:
        view: Connections.
        ends: Their ends.
        every: Length of a step; a round one, without names, where it is None.

    Raises:
        UsageError: It is no duration, or so short that there are millions of steps.
    """
    asked = None if every is None else every if isinstance(every, timedelta) else parse_duration(every)
    length, most = (round_step(view, _STEPS_SHOWN), _STEPS_SHOWN) if asked is None else (asked, _MOST)
    nothing = np.zeros(len(view), np.int64)
    made = timeline(view, length, nothing, 1, most, [view.equals("verdict", word) for word in REFUSED])
    steps = made.flows.shape[1]
    if not steps:
        return Course(None, (), False, made.timeless, ())
    refused = [counts[0].tolist() for counts in made.marked]
    columns = zip(made.flows[0].tolist(), *(size[0].tolist() for size in made.sizes.values()), *refused, strict=True)
    moments = tuple(
        Moment(time_from_micros(made.first + number * made.step), *cells) for number, cells in enumerate(columns)
    )
    names = () if asked is None else _names(view, ends, asked, most, steps)
    return Course(length.total_seconds(), moments, made.folded, made.timeless, names)


def _names(view: View, ends: Vertices, length: timedelta, most: int, steps: int) -> tuple[NameOverTime, ...]:
    count = len(ends.all)
    size = np.zeros(count, object)
    for codes in (ends.source, ends.target):
        for name in ("request_bytes", "response_bytes"):
            size += np.array(sums(view, name, codes, count), object)
    opened, accepted = (tally(codes, count, weights=view.weights) for codes in (ends.source, ends.target))
    order = sorted(range(count), key=lambda at: (-size[at], -int(opened[at] + accepted[at]), ends.id(at)))
    room = max(1, _CELLS // steps)
    kept = order if count <= room else order[: room - 1]
    place = np.full(count, len(kept), np.int64)
    place[kept] = np.arange(len(kept))
    groups = len(kept) + (len(kept) < count)

    def along(codes: Integers) -> Timeline:
        return timeline(view, length, place[codes], groups, most)

    client, server = along(ends.source), along(ends.target)
    sent = client.sizes["request_bytes"] + server.sizes["response_bytes"]
    received = client.sizes["response_bytes"] + server.sizes["request_bytes"]
    named = [*(ends.id(at) for at in kept), ALL_OTHERS][:groups]
    rows = zip(named, *map(_tuples, (client.flows, server.flows, sent, received)), strict=True)
    return tuple(NameOverTime(*row) for row in rows)


def _tuples(cells: Any) -> list[tuple[int, ...]]:
    return [tuple(row) for row in cells.tolist()]


_OVER_TIME = (
    Field("name"), Field("opened", Unit.COUNT, adds=True), Field("accepted", Unit.COUNT, adds=True),
    Field("sent", Unit.BYTES, adds=True), Field("received", Unit.BYTES, adds=True),
    Field("bytes over time", Unit.SPARK, adds=True), Field("peak bytes/s", Unit.BYTES_PER_S, spare=True),
    Field("peak from", Unit.TIME, spare=True),
)  # fmt: skip


def over_time_table(
    by: str, names: Sequence[NameOverTime], moments: Sequence[Moment], seconds: float, limit: int | None
) -> TitledTable:
    """Every name's course, as one row with a little chart."""

    def row(name: str, opened: int, accepted: int, sent: Sequence[int], received: Sequence[int]) -> tuple[Any, ...]:
        moved = tuple(one + other for one, other in zip(sent, received, strict=True))
        peak = max(range(len(moved)), key=moved.__getitem__)
        most = moved[peak] / seconds if moved[peak] else None
        return (
            name,
            opened,
            accepted,
            sum(sent),
            sum(received),
            Spark(moved),
            most,
            moments[peak].start if most else None,
        )

    rows = [row(one.name, sum(one.opened), sum(one.accepted), one.sent, one.received) for one in names]
    whole, flows = [moment.bytes for moment in moments], sum(moment.flows for moment in moments)
    nothing = [0] * len(whole)
    every = list(row("(total)", flows, flows, whole, nothing))
    every[4] = every[3]
    title = f"Over time by {by}, {duration_text(seconds * 1000)} a step"
    return titled(title, _OVER_TIME, rows, limit, total=every)


_TIMELINE = (
    Field("from", Unit.TIME), Field("conns", Unit.COUNT, adds=True), Field("request", Unit.BYTES, adds=True),
    Field("response", Unit.BYTES, adds=True), Field("bytes/s", Unit.BYTES_PER_S), Field("conns/s", Unit.PER_S),
    Field("denied", Unit.COUNT, adds=True), Field("failed", Unit.COUNT, adds=True),
)  # fmt: skip


def timeline_table(moments: Sequence[Moment], seconds: float, limit: int | None, *, folded: bool) -> TitledTable:
    """Every step of time, with rates over the step."""
    rows: list[tuple[Any, ...]] = [
        (one.start, one.flows, one.request_bytes, one.response_bytes, one.bytes / seconds, one.flows / seconds,
         one.denied, one.failed)
        for one in moments
    ]  # fmt: skip
    notes = []
    if folded:
        rows[0] = (*rows[0][:4], None, None, *rows[0][6:])
        end = time_text(moments[0].start + timedelta(seconds=seconds))
        notes.append(f"The first row is all that passed before {end}, of connections that had been open for long.")
    return titled(f"Each {duration_text(seconds * 1000)}", _TIMELINE, rows, limit, notes)


def course_chart(
    by: str, names: Sequence[NameOverTime], moments: Sequence[Moment], seconds: float, top: int, *, folded: bool
) -> Steps:
    """Bytes over time: of each name what it sent, so that no byte is there twice; without names those of each way."""
    starts = tuple(moment.start for moment in moments)
    notes = (SPREAD, "The first step is all that was before its end.")[: 1 + folded]
    if not names:
        ways = (
            Series("to the server", tuple(moment.request_bytes for moment in moments)),
            Series("to the client", tuple(moment.response_bytes for moment in moments)),
        )
        return Steps("payload over time", Unit.BYTES, starts, seconds, ways, notes)
    place, shown, rest = order_of([one.name for one in names], [sum(one.sent) for one in names], top)
    made = [[0] * len(starts) for _ in shown]
    for at, one in zip(place.tolist(), names, strict=True):
        made[at] = [sum(both) for both in zip(made[at], one.sent, strict=True)]
    series = tuple(
        Series(name, tuple(row), rest and at == len(shown) - 1)
        for at, (name, row) in enumerate(zip(shown, made, strict=True))
    )
    return Steps(f"payload sent over time, by {by}", Unit.BYTES, starts, seconds, series, notes)
