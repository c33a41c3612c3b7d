"""Latency: how long clients waited, as far as a log that knows only the lives of connections can tell.

ztunnel writes one line when a connection ends, with how long it lived. That is what a client waited only where it
opened the connection for what it wanted and closed it when that had come. Of a connection that is kept open the life
says how long it was kept, mostly idle, so it is shown apart and not called latency.

What tells the two apart: a connection that is kept for later use outlives its last answer by an idle time-out, and
those in use are longer than `DONE_WITHIN_MS`: 2 s gunicorn, 5 s Node.js, Apache and uvicorn, 75 s nginx, 90 s Go's
client, an hour Envoy. So one that ended sooner ended because it was done. Of a longer one nobody can say from this log
whether the answer was slow or the connection was kept, so its life is no latency. Programs open and close connections
in their way, so a client's connections to a port are judged together: where nine of ten ended sooner, percentiles are
told over all of them, as far as they are within the bound, and how many were longer.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np

from ztflow.aggregate import View, vertices
from ztflow.aggregate.folded_flows import view_of
from ztflow.aggregate.measures import tally
from ztflow.aggregate.percentiles import percentiles_of
from ztflow.columns.dtypes import BoolArray, IntArray
from ztflow.columns.grouping import group
from ztflow.model.tables import Flows
from ztflow.model.vocabulary import REFUSED, FlowPath, GraphLevelWord, Paired, Verdict
from ztflow.reports.model import Basis, Report
from ztflow.reports.refusals import PORT_NUMBERS, wanted_port
from ztflow.reports.tables import Field, TitledTable, titled
from ztflow.text.format import Unit, counted, duration_text

Kind = Literal["exchange", "kept_open", "one_way", "unknown"]

DONE_WITHIN_MS = 1000
"""A pair whose connections mostly ended within this time did not keep them for later use."""

MOSTLY = 90
"""Per cent."""

_PERCENTS = (50, MOSTLY, 99, 100)


@dataclass(frozen=True, slots=True)
class Lives:
    """How long the connections of a client to one port of a server lived.

    Attributes:
        source: Client, at the level asked for.
        target: Server, likewise.
        port: Port; None where it is not known.
        kind: `exchange`: nine of ten ended within a second and carried payload both ways, so that the life is what the
            client waited. `kept_open`: more lived longer. `one_way`: more than one in ten carried nothing one way,
            as probes of a port do, so there was no answer to wait for. `unknown`: no line tells a life.
        flows: Connections.
        measured: Those that ended without an error and of which the life is known: the others are in no percentile.
        refused: Those denied or failed.
        p50_ms: Median life (nearest rank, an observed value); None without any.
        p90_ms: 90th percentile.
        p99_ms: 99th percentile; None for an `exchange` where it is more than `DONE_WITHIN_MS`, and so no latency.
        max_ms: Longest; None likewise.
        longer: Those measured that lived longer than that.
        longest_ms: Longest life, whatever it tells.
        mesh_flows: Of those measured, those whose two log lines were surely paired and that went in a tunnel.
        mesh_p50_ms: Of these the median of what the client's side saw longer than the server's: connecting, TLS
            handshake and the way there and back. A latency, however long the connection lived.
        mesh_p99_ms: 99th percentile of the same.
    """

    source: str
    target: str
    port: int | None
    kind: Kind
    flows: int
    measured: int
    refused: int
    p50_ms: int | None
    p90_ms: int | None
    p99_ms: int | None
    max_ms: int | None
    longer: int
    longest_ms: int | None
    mesh_flows: int
    mesh_p50_ms: int | None
    mesh_p99_ms: int | None


@dataclass(frozen=True)
class Latency(Report):
    """How long clients waited, and how long connections were kept.

    Attributes:
        by: Level of the names.
        pairs: Every client and port of a server, most connections first.
    """

    name: ClassVar[str] = "latency"
    title: ClassVar[str] = "Latency"

    by: str
    pairs: tuple[Lives, ...]

    def tables(self, limit: int | None = None) -> list[TitledTable]:
        """What clients waited, then the lives of connections that tell no latency."""
        limit = self.cap(limit)
        waited = [_cells(row, row.longer, row.longest_ms) for row in self.pairs if row.kind == "exchange"]
        kept = [_cells(row, _WHY[row.kind]) for row in self.pairs if row.kind != "exchange"]
        return [
            titled("Latency: connections that ended when they were done", _LATENCY, waited, limit),
            titled("Life of the others, which is no latency", _LIFE, kept, limit),
        ]

    def notes(self) -> list[str]:
        """On what grounds a life is called a latency, and what was left out."""
        notes = [
            (
                f"Latency is the life of a connection, from its opening to its end, where {MOSTLY} % of a client's "
                f"connections to a port ended within {_BOUND} and carried payload both ways: who keeps connections for "
                "later use keeps them longer. All requests of the connection are in it, so one took no longer."
            ),
            (
                f"longer: connections that lived longer than {_BOUND}. The log does not tell whether the answer "
                "was slow or the connection was kept, so where a percentile falls among them there is none."
            ),
            (
                "mesh: what the client's side saw longer than the server's (connecting, TLS handshake, the way "
                "there and back), in surely paired tunnels; it is a latency for every connection."
            ),
        ]
        refused = sum(row.refused for row in self.pairs)
        if refused:
            notes.append(f"In no percentile: {counted(refused, 'connection')} denied or failed.")
        return notes


_WHY: dict[Kind, str] = {
    "kept_open": "kept open",
    "one_way": "no answer in more than 1 of 10",
    "unknown": "no life known",
}


_BOUND = duration_text(DONE_WITHIN_MS)


def _columns(what: str, more: Field, *last: Field) -> tuple[Field, ...]:
    return (
        Field("source"), Field("destination"), Field("port", Unit.NUMBER), Field("conns", Unit.COUNT),
        Field(f"{what}p50", Unit.MS), Field(f"{what}p90", Unit.MS), Field(f"{what}p99", Unit.MS),
        Field(f"{what}max", Unit.MS), more, Field("mesh p50", Unit.MS, spare=True),
        Field("mesh p99", Unit.MS, spare=True), Field("refused", Unit.COUNT, spare=True), *last,
    )  # fmt: skip


_LATENCY = _columns("", Field("longer", Unit.COUNT), Field("longest life", Unit.MS, spare=True))
_LIFE = _columns("life ", Field("because", spare=True))


def _cells(row: Lives, more: object, *last: object) -> tuple[object, ...]:
    return (
        row.source, row.target, row.port, row.flows, row.p50_ms, row.p90_ms, row.p99_ms, row.max_ms, more,
        row.mesh_p50_ms, row.mesh_p99_ms, row.refused, *last,
    )  # fmt: skip


def latency(flows: Flows, by: GraphLevelWord = "workload") -> Latency:
    """How long clients waited, by client and port of a server.

    Args:
        flows: Connections.
        by: Level of the names; see `graph.build_graph`.

    Raises:
        UsageError: `by` is no level.

    Cost: about 0.5 s for 1 M flows.
    """
    view = view_of(flows)
    ends = vertices(view, by)
    count, port = len(ends.all), wanted_port(view)
    pairs = group([(ends.source, count), (ends.target, count), (port, PORT_NUMBERS)], len(view))
    groups = len(pairs)
    measured = view.known("duration_ms") & view.equals("verdict", Verdict.FORWARDED)
    lives = percentiles_of(view, ("duration_ms",), pairs.codes, groups, _PERCENTS, measured)
    answers = tally(pairs.codes, groups, measured & answered(view), view.weights).tolist()
    meshed = measured & view.known("inbound_duration_ms") & view.equals("paired", Paired.EXACT, Paired.UNIQUE)
    meshed &= view.equals("path", FlowPath.HBONE, FlowPath.DOUBLE_HBONE)
    # Both are cut to whole milliseconds, so that equal ones may differ by one either way.
    mesh = percentiles_of(view, LIVES, pairs.codes, groups, (50, 99), meshed, _longer)
    counts = [
        tally(pairs.codes, groups, mask, view.weights).tolist()
        for mask in (None, measured, view.equals("verdict", *REFUSED), measured & beyond(view), meshed)
    ]
    rows = []
    columns = (pairs.first.tolist(), *counts, answers, *lives, *mesh)
    for row, every, done, refused, longer, tunnels, replied, p50, p90, p99, longest, mesh50, mesh99 in zip(
        *columns, strict=True
    ):
        kind = _kind(done, replied, p90)
        rows.append(
            Lives(
                source=ends.id(int(ends.source[row])), target=ends.id(int(ends.target[row])),
                port=int(port[row]) if port[row] >= 0 else None, kind=kind, flows=every, measured=done, refused=refused,
                p50_ms=p50, p90_ms=p90, p99_ms=_as_latency(kind, p99), max_ms=_as_latency(kind, longest),
                longer=longer, longest_ms=longest, mesh_flows=tunnels, mesh_p50_ms=mesh50, mesh_p99_ms=mesh99,
            )
        )  # fmt: skip
    rows.sort(key=lambda row: (-row.flows, row.source, row.target, -1 if row.port is None else row.port))
    return Latency(Basis.of(flows, view), by, tuple(rows))


LIVES = ("duration_ms", "inbound_duration_ms")
"""What is looked at connection by connection."""


def _longer(lives: Mapping[str, IntArray]) -> IntArray:
    life, inside = (lives[name].astype(np.int64, copy=False) for name in LIVES)
    found: IntArray = np.maximum(life - inside, 0)
    return found


def answered(view: View) -> BoolArray:
    """Connections that carried payload both ways."""
    request, response = (view.numbers(f"{way}_bytes")[0] for way in ("request", "response"))
    found: BoolArray = (request > 0) & (response > 0)
    return found


def beyond(view: View) -> BoolArray:
    """Connections that lived longer than an answer is known to take."""
    found: BoolArray = view.numbers("duration_ms")[0] > DONE_WITHIN_MS
    return found


def _as_latency(kind: Kind, life: int | None) -> int | None:
    """A life as it is told: none that is longer than an answer is known to take is told as a latency."""
    return None if kind == "exchange" and life is not None and life > DONE_WITHIN_MS else life


def _kind(measured: int, answered: int, high: int | None) -> Kind:
    """What the lives of some connections tell, by how many were measured and answered, and their 90th percentile."""
    if high is None:
        return "unknown"
    if high > DONE_WITHIN_MS:
        return "kept_open"
    return "exchange" if 100 * answered >= MOSTLY * measured else "one_way"
