"""Summary: the most important figures of a capture on one screen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from operator import add
from typing import Any, ClassVar, TypeAlias

import numpy as np

from ztflow.aggregate import Measures, View, measure, vertices
from ztflow.aggregate.encryption import mtls_kinds
from ztflow.aggregate.folded_flows import view_of
from ztflow.aggregate.measures import sums, tally
from ztflow.columns.dtypes import BoolArray, Integers
from ztflow.columns.grouping import Groups
from ztflow.model.notices import producer_lines
from ztflow.model.tables import Flows
from ztflow.model.vocabulary import KNOWN_OUTCOME, NODES_KNOWN, ONE_HALF, ZONES_KNOWN, Producer, Verdict
from ztflow.reports.lazy_rows import mapped
from ztflow.reports.model import Basis, Count, Portion, Report, basis_lines, share
from ztflow.reports.pairs import PairRow, Pairs, known_bytes, nodes_split, nodes_text
from ztflow.reports.plain import plain
from ztflow.reports.refusals import Refusal, Refusals
from ztflow.reports.tables import TitledTable, titled
from ztflow.text.format import ALL_OTHERS, Unit, counted, share_text


@dataclass(frozen=True, slots=True)
class Gap:
    """A property that is unknown for so many connections.

    Attributes:
        what: What they are without, to be read after `without`.
        flows: How many.
    """

    what: str
    flows: int


@dataclass(frozen=True, slots=True)
class Bounds:
    """What a summary says of more connections than fit in memory one by one.

    All totals and shares are exact over everything. Bounds are: which pairs have a row, how much a row may lack, and
    medians and 95th percentiles.

    Attributes:
        others: Sums over the connections that are in no row of `pairs`; None when there are none.
        pairs: How many pairs there are.
        pairs_error: Standard error of that number, as a share of it; 0 when it is exact.
        missed: A pair without a row has so many connections at most; a row may lack as many, which are in `others`.
        denied_others: Connections that are in no row of `denied`.
        denied_missed: As `missed`.
        failed_others: Connections that are in no row of `failed`.
        failed_missed: As `missed`.
        duration_error: By which share a median or 95th percentile of a pair may be off.
        total_duration_error: The same, of the totals.
        nodes_kept: Nodes of one end of one row that are told by name, at most.
    """

    others: Measures | None
    pairs: int
    pairs_error: float
    missed: int
    denied_others: int
    denied_missed: int
    failed_others: int
    failed_missed: int
    duration_error: float
    total_duration_error: float
    nodes_kept: int

    def lines(self, rows: int) -> list[str]:
        """What a reader has to know, in short sentences, for so many rows of pairs."""
        said = [f"medians and 95th percentiles of pairs within {share_text(self.duration_error)}"]
        if self.others is not None:
            said.insert(0, f"{rows:,} of about {self.pairs:,} pairs have a row of their own; a row may lack up to "
                           f"{self.missed:,} connections, which are in others")  # fmt: skip
        for word, missed in (("denied", self.denied_missed), ("failed", self.failed_missed)):
            if missed:
                said.append(f"a row of what was {word} may lack up to {missed:,} connections")
        return said


@dataclass(frozen=True)
class Summary(Report):
    """The summary.

    Attributes:
        totals: Sums over all connections; None when there are none.
        nodes: `same_node`, `cross_node` and `unknown` shares.
        zones: `same_zone`, `cross_zone` and `unknown` shares; None when no zone is known at all.
        mtls: Shares of the kinds in `encryption.ENCRYPTION`, and `unknown`.
        paths: Connections by path; None is a path the log does not tell.
        pairs: Who talks to whom, by workload, busiest first. These rows, and those of what was refused, are made when
            they are looked at, and read like a tuple.
        denied: What was refused by policy.
        failed: What failed otherwise.
        unpaired: Halves without a partner, by reason.
        gaps: What is unknown, with counts.
        bounds: What is a bound and not exact, in a summary of more than fits in memory; None when everything is exact.
    """

    name: ClassVar[str] = "summary"
    title: ClassVar[str] = "Summary"
    rows_shown: ClassVar[int] = 10
    basis_in_tables: ClassVar[bool] = True

    totals: Measures | None
    nodes: Mapping[str, Portion]
    zones: Mapping[str, Portion] | None
    mtls: Mapping[str, Portion]
    paths: tuple[Count, ...]
    pairs: Sequence[PairRow]
    denied: Sequence[Refusal]
    failed: Sequence[Refusal]
    unpaired: tuple[Count, ...]
    gaps: tuple[Gap, ...]
    bounds: Bounds | None = None

    def to_dict(self) -> dict[str, Any]:
        """As for every report."""
        values = super().to_dict()
        if self.bounds is not None:  # `others` is no row, whose measures would stand beside its other fields
            values["bounds"] = plain({field.name: getattr(self.bounds, field.name) for field in fields(Bounds)})
        return values

    def notes(self) -> list[str]:
        """What is a bound."""
        return [] if self.bounds is None else [f"{line}." for line in self.bounds.lines(len(self.pairs))]

    def rest(self, rows: int) -> tuple[int, int, int, int] | None:
        """Connections, request and response bytes and refusals of all but the first rows of `pairs`.

        None when there are none, or when each pair has its row and is just not shown.
        """
        if self.bounds is None or self.totals is None:
            return None
        whole = np.array(_sums(self.totals), dtype=object)
        left = whole - sum((np.array(_sums(row.measures), dtype=object) for row in self.pairs[:rows]), whole * 0)
        flows, request, response, refused = left.tolist()
        return (flows, request, response, refused) if flows else None

    @property
    def findings(self) -> int:
        """Connections denied or failed."""
        return (self.totals.denied + self.totals.failed) if self.totals else 0

    def facts(self) -> list[tuple[str, str]]:
        """The capture in short sentences."""
        facts = basis_lines(self.basis)
        facts.insert(-1, ("nodes", _parts_text(self.nodes)))
        if self.zones is not None:
            facts.insert(-1, ("zones", _parts_text(self.zones)))
        facts.insert(-1, ("mesh", _parts_text(self.mtls)))
        facts[2:2] = [("others", line) for line in _others(self.basis, bool(self.totals))]
        if self.totals is not None and self.findings:
            facts.insert(-1, ("refused", f"{self.totals.denied:,} denied, {self.totals.failed:,} failed"))
        unknown = [f"{gap.flows:,} without {gap.what}" for gap in self.gaps]
        if self.basis.evicted:
            unknown.append(f"{counted(self.basis.evicted, 'half', 'halves')} evicted")
        facts[-1] = ("unknown", ", ".join(unknown) or "nothing")
        return facts

    def tables(self, limit: int | None = None) -> list[TitledTable]:
        """The capture, who talks to whom, what was denied, what failed, which halves have no partner."""
        limit = self.cap(limit)
        few = None if limit is None else max(limit // 2, 1)
        found = [
            titled("Capture", (("", Unit.TEXT), ("", Unit.TEXT)), self.facts()),
            self._pairs_table(limit),
        ]
        totals = (0, 0) if self.totals is None else (self.totals.denied, self.totals.failed)
        found += [
            self._refused_table(title, columns, mapped(refused, cells), total, few)
            for title, columns, cells, refused, total in (
                ("Denied", _DENIED, _denied_cells, self.denied, totals[0]),
                ("Failed", _FAILED, _failed_cells, self.failed, totals[1]),
            )
            if refused
        ]
        if self.unpaired:
            rows = [(count.value, count.flows) for count in self.unpaired]
            columns = (("why", Unit.TEXT), ("halves", Unit.COUNT))
            found.append(titled("Halves without a partner", columns, rows, limit))
        return found

    def _refused_table(
        self, title: str, columns: Columns, rows: Sequence[tuple[object, ...]], total: int, limit: int | None
    ) -> TitledTable:
        counted = [name for name, _ in columns].index("conns")
        left = 0 if self.bounds is None else total - sum(int(str(row[counted])) for row in rows[:limit])
        if not left:
            return titled(title, columns, rows, limit)
        others: list[object] = [None] * len(columns)
        others[0], others[counted] = ALL_OTHERS, left
        return titled(title, columns, [*rows[:limit], tuple(others)])

    def _pairs_table(self, limit: int | None) -> TitledTable:
        title, shown = "Who talks to whom", self.pairs[:limit]
        rest = self.rest(len(shown))
        if rest is None:
            return titled(title, _PAIRS, mapped(self.pairs, _pair_cells), limit)
        flows, request, response, refused = rest
        others = (ALL_OTHERS, None, None, None, flows, request + response, None, None, refused or None)
        return titled(title, _PAIRS, [*map(_pair_cells, shown), others])


def _others(basis: Basis, connections: bool) -> list[str]:
    """Whose lines stand among ztunnel's; of a waypoint's the requests are told."""
    left_out = None if basis.requests is None else Producer.ENVOY
    producers = {one: lines for one, lines in basis.producers.items() if one != left_out}
    return producer_lines(producers, connections=connections)


def _sums(measured: Measures) -> tuple[int, int, int, int]:
    return measured.flows, measured.request_bytes, measured.response_bytes, measured.denied + measured.failed


Columns: TypeAlias = tuple[tuple[str, Unit], ...]

_PAIRS: Columns = (
    ("source", Unit.TEXT), ("on", Unit.TEXT), ("destination", Unit.TEXT), ("on", Unit.TEXT), ("conns", Unit.COUNT),
    ("bytes", Unit.BYTES), ("p95", Unit.MS), ("nodes", Unit.TEXT), ("refused", Unit.COUNT),
)  # fmt: skip


def _pair_cells(row: PairRow) -> tuple[object, ...]:
    sums = row.measures
    return (
        row.source, nodes_text(row.source_nodes), row.target, nodes_text(row.target_nodes), sums.flows,
        known_bytes(sums, sums.bytes), sums.duration_p95_ms, nodes_split(sums), sums.denied + sums.failed or None,
    )  # fmt: skip


_DENIED = (
    ("source", Unit.TEXT), ("destination", Unit.TEXT), ("port", Unit.NUMBER), ("policy", Unit.TEXT),
    ("what", Unit.TEXT), ("on", Unit.TEXT), ("conns", Unit.COUNT), ("last", Unit.TIME),
)  # fmt: skip
_FAILED = (
    ("source", Unit.TEXT), ("destination", Unit.TEXT), ("port", Unit.NUMBER), ("what", Unit.TEXT),
    ("on", Unit.TEXT), ("conns", Unit.COUNT), ("last", Unit.TIME),
)  # fmt: skip


def _denied_cells(row: Refusal) -> tuple[object, ...]:
    where = nodes_text(row.target_nodes)
    return row.source, row.target, row.port, row.policy, row.summary, where, row.flows, row.last_seen


def _failed_cells(row: Refusal) -> tuple[object, ...]:
    where = nodes_text(row.target_nodes)
    return row.source, row.target, row.port, row.summary, where, row.flows, row.last_seen


def _parts_text(parts: Mapping[str, Portion]) -> str:
    """`same node 19.0 % (20.1 % of bytes), …`; zero parts are left out, the unknown part never."""
    texts = []
    for name, part in parts.items():
        if part.flows_share is None or not (part.flows or name == "unknown"):
            continue
        text = f"{name.replace('_', ' ')} {share_text(part.flows_share)}"
        if part.bytes_share is not None:
            text += f" ({share_text(part.bytes_share)} of bytes)"
        texts.append(text)
    return ", ".join(texts) or "no connections"


Sizes: TypeAlias = dict[str, tuple[int, int]]
"""Connections and payload by kind."""


def parts_of(view: View, kinds: Mapping[str, BoolArray]) -> dict[str, Portion]:
    """Connections and payload by kind; what is of no kind is `unknown`.

    Args:
        view: Flows.
        kinds: Rows of each kind; a row is of one kind at most.
    """
    return portions(sizes_of(view, kinds))


def sizes_of(view: View, kinds: Mapping[str, BoolArray]) -> Sizes:
    """As `parts_of`, without shares."""
    codes: Integers = np.full(len(view), len(kinds), dtype=np.int64)
    for number, mask in enumerate(kinds.values()):
        codes[mask] = number
    count = len(kinds) + 1
    flows = tally(codes, count, weights=view.weights).tolist()
    request, response = (sums(view, name, codes, count) for name in ("request_bytes", "response_bytes"))
    sizes = map(add, request, response)
    return dict(zip([*kinds, "unknown"], zip(flows, sizes, strict=True), strict=True))


def portions(sizes: Sizes) -> dict[str, Portion]:
    """Kinds with their shares of the whole."""
    flows, whole = (sum(part) for part in zip(*sizes.values(), strict=True))
    return {
        name: Portion(count, size, share(count, flows), share(size, whole)) for name, (count, size) in sizes.items()
    }


def counts_of(view: View, column: str) -> tuple[Count, ...]:
    """Rows by value of a text column, most frequent first; None is null."""
    return in_order(values_of(view, column))


def values_of(view: View, column: str) -> dict[str | None, int]:
    """As `counts_of`, in no order."""
    labels = view.labels(column)
    counts = tally(labels.codes + 1, len(labels.words) + 1, weights=view.weights).tolist()
    return {text: count for text, count in zip([None, *labels.words], counts, strict=True) if count}


def in_order(counts: Mapping[str | None, int]) -> tuple[Count, ...]:
    """Counts, most frequent first."""
    found = [Count(text, count) for text, count in counts.items()]
    return tuple(sorted(found, key=lambda count: (-count.flows, count.value or "")))


def node_kinds(view: View) -> dict[str, BoolArray]:
    """Rows by how far they go between nodes."""
    return {word.value: view.equals("locality", word) for word in NODES_KNOWN}


def zone_kinds(view: View) -> dict[str, BoolArray]:
    """Rows by how far they go between zones."""
    return {word.value: view.equals("zone_locality", word) for word in ZONES_KNOWN}


def summary(flows: Flows) -> Summary:
    """The summary of a capture.

    Args:
        flows: Connections.

    Cost: about 0.5 s for 1 M flows.
    """
    view = view_of(flows)
    ends, nodes = vertices(view, "workload"), vertices(view, "node")
    zones = zone_kinds(view)
    everything = Groups(np.zeros(len(view), dtype=np.int64), np.zeros(1 if len(view) else 0, dtype=np.int64))
    alone = view.where(view.equals("paired", *ONE_HALF))
    return Summary(
        basis=Basis.of(flows, view),
        totals=measure(view, everything)[0] if len(view) else None,
        nodes=parts_of(view, node_kinds(view)),
        zones=parts_of(view, zones) if any(mask.any() for mask in zones.values()) else None,
        mtls=parts_of(view, mtls_kinds(view)),
        paths=counts_of(view, "path"),
        pairs=Pairs(view, ends, nodes).rows(),
        denied=Refusals(view, ends, nodes, np.flatnonzero(view.equals("verdict", Verdict.DENIED))),
        failed=Refusals(view, ends, nodes, np.flatnonzero(view.equals("verdict", Verdict.FAILED))),
        unpaired=counts_of(alone, "unpaired_reason"),
        gaps=tuple(Gap(what, count) for what, count in gaps_of(view).items() if count),
    )


def gaps_of(view: View) -> dict[str, int]:
    """Connections without a property, by what they are without."""
    named = {
        "a time": ~(view.known("end") | view.known("start")),
        "a source name": ~(view.known("src_pod") | view.known("src_name")),
        "a destination name": ~(view.known("dst_pod") | view.known("dst_name") | view.known("dst_service")),
        "both nodes known": ~view.equals("locality", *NODES_KNOWN),
        "both zones known": ~view.equals("zone_locality", *ZONES_KNOWN),
        "a size": ~(view.known("request_bytes") & view.known("response_bytes")),
        "a known outcome": ~view.equals("verdict", *KNOWN_OUTCOME),
        "known encryption": ~view.known("mtls"),
    }
    return {what: view.count(mask) for what, mask in named.items()}
