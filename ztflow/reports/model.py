"""Base class of reports: a typed result and its basis, as a dictionary, as tables and as text (`render`)."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, ClassVar

from ztflow.aggregate import View
from ztflow.aggregate.measures import tally
from ztflow.errors import UsageError
from ztflow.model.notices import Notice, notice_lines
from ztflow.model.tables import Flows
from ztflow.model.vocabulary import BOTH_HALVES, NODES_KNOWN, WITHOUT_PARTNER, Paired, Producer, Verdict
from ztflow.plot.accessor import ChartPlot
from ztflow.plot.charts import Chart
from ztflow.plot.figure import figure
from ztflow.reports.arrange import Arrangement, arranged
from ztflow.reports.charts import chart_of
from ztflow.reports.plain import plain
from ztflow.reports.render import to_csv, to_html, to_jsonl, to_markdown, to_text
from ztflow.reports.request_counts import RequestCounts
from ztflow.reports.tables import Page, TitledTable
from ztflow.text.format import counted, duration_text, json_text, share_text, time_text

if TYPE_CHECKING:
    import pandas as pd
    import plotly.graph_objects as go
    import pyarrow as pa


@dataclass(frozen=True, slots=True)
class Basis:
    """Time window and counts of a report; printed with it.

    Attributes:
        first_seen: Start of the observed window; None when no line carries a time.
        last_seen: Its end.
        flows: Connections.
        paired_flows: Of which both halves were seen.
        ambiguous_flows: Of those, with more than one partner that would have fitted.
        unpaired_halves: Connections of which one half was seen.
        locality_unknown: Connections of which at least one end's node is unknown.
        bytes_unknown: Connections whose payload size is unknown at least one way.
        evicted: Halves given up because a memory bound was hit.
        read: Counts of the reading (`ReadStats`); empty when the flows were not read from logs.
        notices: What makes shares and totals doubtful.
        producers: Lines of other programs among those read, by program.
        open_flows: Connections without a line: a ztunnel's dump shows them open.
        requests: Requests in the logs of waypoints, where such were read.
        apart: Halves whose partner cannot be in this capture, by `unpaired_reason`; see `vocabulary.WITHOUT_PARTNER`.
    """

    first_seen: datetime | None
    last_seen: datetime | None
    flows: int
    paired_flows: int
    ambiguous_flows: int
    unpaired_halves: int
    locality_unknown: int
    bytes_unknown: int
    evicted: int
    read: Mapping[str, int]
    notices: tuple[Notice, ...] = ()
    producers: Mapping[Producer, int] = field(default_factory=dict)
    open_flows: int = 0
    apart: Mapping[str, int] = field(default_factory=dict)
    requests: RequestCounts | None = None

    @property
    def halves(self) -> int:
        """Halves in these flows."""
        return 2 * self.paired_flows + self.unpaired_halves

    @property
    def pairable_halves(self) -> int:
        """Halves whose partner may be in this capture."""
        return self.halves - sum(self.apart.values())

    @property
    def paired_share(self) -> float | None:
        """Which share of those has its partner; None when there are none."""
        return share(2 * self.paired_flows, self.pairable_halves)

    @property
    def window(self) -> timedelta | None:
        """Length of the observed window."""
        return None if self.first_seen is None or self.last_seen is None else self.last_seen - self.first_seen

    @classmethod
    def of(cls, flows: Flows, view: View) -> Basis:
        """The basis of a report on these flows."""
        first, last = view.span()
        paired = view.count(view.equals("paired", *BOTH_HALVES))
        opened = view.count(view.equals("verdict", Verdict.OPEN))
        read = {name: int(getattr(flows.stats, name)) for name in flows.stats.__slots__}
        return cls(
            first,
            last,
            len(flows),
            paired,
            view.count(view.equals("paired", Paired.AMBIGUOUS)),
            len(flows) - paired - opened,
            view.count(~view.equals("locality", *NODES_KNOWN)),
            view.count(~(view.known("request_bytes") & view.known("response_bytes"))),
            flows.evicted,
            read if any(read.values()) else {},
            flows.notices,
            flows.producers,
            opened,
            _apart(view),
            RequestCounts.of([] if flows.requests is None else [flows.requests]),
        )

    def plus(self, later: Basis) -> Basis:
        """The basis of these flows and later ones; the later one's counts of the reading go on from these."""
        firsts = [time for time in (self.first_seen, later.first_seen) if time is not None]
        lasts = [time for time in (self.last_seen, later.last_seen) if time is not None]
        return Basis(
            min(firsts, default=None),
            max(lasts, default=None),
            self.flows + later.flows,
            self.paired_flows + later.paired_flows,
            self.ambiguous_flows + later.ambiguous_flows,
            self.unpaired_halves + later.unpaired_halves,
            self.locality_unknown + later.locality_unknown,
            self.bytes_unknown + later.bytes_unknown,
            later.evicted,
            later.read,
            later.notices,
            later.producers,
            self.open_flows + later.open_flows,
            dict(Counter(self.apart) + Counter(later.apart)),
            later.requests,
        )


@dataclass(frozen=True, slots=True)
class Count:
    """A value of a column with the connections that have it; None is unknown."""

    value: str | None
    flows: int


@dataclass(frozen=True, slots=True)
class Portion:
    """Connections with a property, and their payload.

    Attributes:
        flows: Connections.
        bytes: Payload both ways, where known.
        flows_share: Of all connections; None when there are none.
        bytes_share: Of all payload; None when there is none.
    """

    flows: int
    bytes: int
    flows_share: float | None
    bytes_share: float | None


def share(part: float, whole: float) -> float | None:
    """`part / whole`; None when there is no whole."""
    return part / whole if whole else None


@dataclass(frozen=True)
class Report(ABC):
    """A typed result.

    Attributes:
        name: What the command line calls it.
        title: Heading.
        rows_shown: Rows of a table that suit a screen.
        basis_in_tables: Whether its tables already say what it rests on.
        basis: What it rests on.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    rows_shown: ClassVar[int] = 20
    basis_in_tables: ClassVar[bool] = False

    basis: Basis

    @abstractmethod
    def tables(self, limit: int | None = None) -> list[TitledTable]:
        """The result as tables.

        Args:
            limit: Rows at most in each, the rest is counted in `hidden`; None for what suits a screen, 0 for all.
        """

    def cap(self, limit: int | None) -> int | None:
        """Rows to show for a `limit` as `tables` takes it; None shows all."""
        return self.rows_shown if limit is None else limit or None

    @property
    def findings(self) -> int:
        """How many things may call for action; 0 when all is well."""
        return 0

    def notes(self) -> list[str]:
        """Notes that are needed to read the numbers correctly."""
        return []

    def notices(self) -> list[Notice]:
        """What makes the numbers doubtful: the log was silenced, holds only failures, a ztunnel began anew."""
        return list(self.basis.notices)

    def to_dict(self) -> dict[str, Any]:
        """Everything as plain values: times as RFC 3339 text, unknown as None, shares as fractions of 1."""
        values = {one.name: plain(getattr(self, one.name)) for one in fields(self)}
        del values["basis"]["notices"]
        head = {"report": self.name, "findings": self.findings, "notices": plain(self.notices()), "notes": self.notes()}
        return {**head, **values}

    def page(self, limit: int | None = None, arrangement: Arrangement | None = None) -> Page:
        """The result as it is shown; `limit` as for `tables`.

        Raises:
            UsageError: The arrangement names no table or column of these.
        """
        facts = () if self.basis_in_tables else tuple(basis_lines(self.basis))
        tables = arranged(self.tables(0), arrangement, self.cap(limit)) if arrangement else self.tables(limit)
        notices = tuple(notice_lines(self.notices()))
        return Page(self.title, facts, tuple(tables), tuple(self.notes()), notices)

    def to_arrow(self) -> dict[str, pa.Table]:
        """Its tables in full, by title, as Arrow tables."""
        return {table.title: table.to_arrow() for table in self.tables(0)}

    def to_pandas(self) -> dict[str, pd.DataFrame]:
        """Its tables in full, by title, as DataFrames with nullable dtypes."""
        return {table.title: table.to_pandas() for table in self.tables(0)}

    @property
    def plot(self) -> ChartPlot[go.Figure]:
        """Plots of it, as figures of plotly, which `ztflow[plot]` installs; `.plot.svg()` needs nothing.

        `.plot()` draws the first table that has something to draw, `.plot("node to node")` the one whose title begins
        so, as a heat map where it is places by places, else as bars: of its first column with numbers that can be
        compared, or of `column`. `top` bars at most, 20 unless given.
        """
        return ChartPlot(self._chart, figure)

    def _chart(self, table: str | None = None, *, column: str | None = None, top: int = 20) -> Chart:
        """What `plot` draws, as numbers and names.

        Raises:
            UsageError: There is no such table or column, or it has nothing to draw.
        """
        return chart_of(self.tables(0), table, column, top)

    def _repr_html_(self) -> str:
        return to_html(self.page(), whole=False)


ROW_RENDERERS: Sequence[str] = ("csv", "jsonl")
"""Forms that hold one table of a report."""

RENDERERS: Sequence[str] = ("text", "markdown", "html", "json", *ROW_RENDERERS)


def render(
    report: Report,
    form: str,
    *,
    limit: int | None = None,
    width: int | None = None,
    color: bool = False,
    arrangement: Arrangement | None = None,
) -> str:
    """The report as text.

    Args:
        report: Any.
        form: One of `RENDERERS`. `csv` and `jsonl` hold one table, the first that has rows (`shown_tables`).
        limit: Rows at most in each table, the rest is counted; None for what suits a screen, 0 for all. `json` has all;
            `csv` and `jsonl` have all for None.
        width: For `text`: width of the terminal in cells; None cuts only the overlong.
        color: For `text`: whether to style.
        arrangement: Which table, which columns, in which order; `json` then holds tables as they are shown.

    Raises:
        UsageError: If there is no such form, table or column.
    """
    match form:
        case "text":
            return to_text(report.page(limit, arrangement), width=width, color=color)
        case "markdown":
            return to_markdown(report.page(limit, arrangement))
        case "html":
            return to_html(report.page(limit, arrangement))
        case "json":
            return json_text(_as_tables(report, limit, arrangement) if arrangement else report.to_dict()) + "\n"
        case "csv" | "jsonl":
            found = shown_tables(report, limit or 0, arrangement)
            write = to_csv if form == "csv" else to_jsonl
            return write(found[0]) if found else ""
    raise UsageError(f"no report form {form!r}; choose one of {', '.join(RENDERERS)}")


def shown_tables(report: Report, limit: int | None, arrangement: Arrangement | None) -> list[TitledTable]:
    """The tables that a form of one table can hold, those with rows first."""
    found = [table for table in report.page(limit, arrangement).tables if any(table.names)]
    return sorted(found, key=lambda table: not table.rows)


def _as_tables(report: Report, limit: int | None, arrangement: Arrangement) -> dict[str, Any]:
    page = report.page(limit or 0, arrangement)
    tables = [
        {"title": table.title, "rows": [dict(zip(table.names, plain(row), strict=True)) for row in table.rows]}
        for table in page.tables
    ]
    notices = plain(report.notices())
    notes = list(page.notes)
    return {"report": report.name, "findings": report.findings, "notices": notices, "notes": notes, "tables": tables}


def _apart(view: View) -> dict[str, int]:
    reasons = view.labels("unpaired_reason")
    counts = tally(reasons.codes + 1, len(reasons.words) + 1, weights=view.weights)[1:].tolist()
    return {word: count for word, count in zip(reasons.words, counts, strict=True) if count and word in WITHOUT_PARTNER}


def apart_text(counts: Mapping[str, int]) -> str:
    """`22 plaintext, 2 early denial`: most first."""
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return ", ".join(f"{count:,} {word.replace('_', ' ')}" for word, count in ordered)


def basis_lines(basis: Basis) -> list[tuple[str, str]]:
    """The basis as short sentences, for every output."""
    lines = []
    window = basis.window
    if window is not None and basis.first_seen is not None and basis.last_seen is not None:
        length = duration_text(window / timedelta(milliseconds=1))
        lines.append(("window", f"{time_text(basis.first_seen)} to {time_text(basis.last_seen)} ({length})"))
    else:
        lines.append(("window", "unknown: no line carries a time"))
    if basis.read:
        read = basis.read
        text = (
            f"{read['lines']:,} read: {read['access']:,} access, {read['other']:,} other of ztunnel, "
            f"{read['not_ours']:,} not ours, {counted(read['problems'], 'problem')}"
        )
        for name in ("repaired", "duplicates"):
            if read[name]:
                text += f", {read[name]:,} {name}"
        lines.append(("lines", text))
    text = f"{basis.flows:,} from {counted(basis.halves, 'half', 'halves')}"
    if basis.paired_share is not None:
        those = f"the {basis.pairable_halves:,} that can have a partner here" if basis.apart else "them"
        text += f", {share_text(basis.paired_share)} of {those} paired"
    if basis.ambiguous_flows:
        text += f", {counted(basis.ambiguous_flows, 'flow')} ambiguous"
    alone = basis.pairable_halves - 2 * basis.paired_flows
    if alone:
        text += f", {counted(alone, 'half', 'halves')} alone"
    if basis.open_flows:
        text += f", {basis.open_flows:,} still open, without a line"
    if basis.apart:
        text += f"; apart: {apart_text(basis.apart)}"
    lines.append(("flows", text))
    if basis.requests is not None:
        lines.append(("requests", basis.requests.text()))
    unknown = [
        text
        for count, text in (
            (basis.locality_unknown, f"{counted(basis.locality_unknown, 'flow')} without a known node at an end"),
            (basis.bytes_unknown, f"{counted(basis.bytes_unknown, 'flow')} without a known size"),
            (basis.evicted, f"{counted(basis.evicted, 'half', 'halves')} evicted"),
        )
        if count
    ]
    lines.append(("unknown", ", ".join(unknown) or "nothing"))
    return lines
