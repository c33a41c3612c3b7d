"""The pairs of a live summary as a table: over the whole input or over its last seconds, with rates and a trend."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from enum import Enum
from operator import sub
from typing import NamedTuple

from ztflow.cli.output import Paper
from ztflow.cli.screen import node_cell
from ztflow.reports.pairs import PairRow
from ztflow.reports.recent import NO_SUMS, Pair, Sums, Window, rates, sum_of
from ztflow.reports.summary import Summary
from ztflow.text.escapes import visible
from ztflow.text.format import ABSENT, ALL_OTHERS, bytes_text, counted, short_duration, short_size
from ztflow.text.sparkline import arrow, sparkline
from ztflow.writers.text import fit_end, grid
from ztflow.writers.text_columns import BOLD, DIM

WIDE = 100
"""Cells from which a trend is a sparkline and nodes have a column; an arrow takes less."""
VERY_WIDE = 140
"""Cells from which sums and rates both fit beside the names."""
_MARK = "▶ "


class Span(Enum):
    """What the table covers."""

    ALL = "all"
    MINUTE = "1 min"
    SECONDS = "10 s"

    @property
    def seconds(self) -> int:
        """Over how many seconds rates are told."""
        return 10 if self is Span.SECONDS else 60

    @property
    def steps(self) -> int:
        """Into how many steps a trend is cut."""
        return 10 if self is Span.SECONDS else 12


WINDOWS = tuple(Span)

_SORTS = ("flows", "bytes", "refused", "p95", "name")


def sorts_of(span: Span) -> tuple[str, ...]:
    """By what the table can be sorted; sums of a window have no durations."""
    return _SORTS if span is Span.ALL else tuple(name for name in _SORTS if name != "p95")


class Row(NamedTuple):
    """One pair.

    Attributes:
        pair: Source and destination.
        sums: Over what the table covers.
        recent: Over the seconds that rates are told of.
        trend: Connections in equal steps of these.
        whole: What the summary says of the pair; None where it has no row of its own.
    """

    pair: Pair
    sums: Sums
    recent: Sums
    trend: Sequence[int]
    whole: PairRow | None


def rows_of(summary: Summary, window: Window, span: Span) -> list[Row]:
    """The pairs that have a row."""
    whole = {(row.source, row.target): row for row in summary.pairs}
    if span is not Span.ALL:
        return [Row(pair, sums, sums, window.trends[pair], whole.get(pair)) for pair, sums in window.pairs.items()]
    rows = []
    for pair, row in whole.items():
        of = row.measures
        sums = Sums(of.flows, of.request_bytes, of.response_bytes, of.denied + of.failed)
        rows.append(Row(pair, sums, window.pairs.get(pair, Sums()), window.trends.get(pair, ()), row))
    return rows


def sorted_by(rows: list[Row], sorts: Sequence[str], pressed: int) -> list[Row]:
    """The rows in the order that was chosen: most first, names from A to Z; equal ones by name."""
    name = sorts[pressed % len(sorts)]

    def key(row: Row) -> tuple[float, float, Pair]:
        sums = row.sums
        size = sums.request_bytes + sums.response_bytes
        p95 = -1 if row.whole is None else row.whole.measures.duration_p95_ms
        first = {"flows": sums.flows, "bytes": size, "refused": sums.refused, "p95": -1 if p95 is None else p95}
        return (-first.get(name, 0), 0 if name == "name" else -sums.flows, row.pair)

    return sorted(rows, key=key)


def rate_text(rate: float) -> str:
    """A number a second in at most five characters: `0.3`, `12`, `9.8k`; blank for nothing."""
    if not rate:
        return ""
    return f"{rate:.2f}" if rate < 0.095 else f"{rate:.1f}" if rate < 9.95 else short_size(round(rate))


def rate_line(window: Window, span: Span, paper: Paper) -> str:
    """How much a second, over the seconds that rates are told of, and where it goes."""
    if not window.whole.flows:
        return paper.fact("rate", f"nothing in the last {'minute' if span.seconds == 60 else '10 s'}", DIM)
    refused = f", {window.whole.refused:,} refused" if window.whole.refused else ""
    return paper.fact("rate", rates_text(window, window.whole, window.trends.get(None, ())) + refused)


def rates_text(window: Window, sums: Sums, trend: Sequence[int]) -> str:
    """Rates of some connections of a window, and their trend."""
    flows, size = rates(sums, window.seconds)
    moved = f"  {sparkline(trend)} {arrow(trend)}" if sums.flows else ""
    return f"{rate_text(flows) or '0'} conn/s, {bytes_text(round(size))}/s, last {window.seconds} s{moved}"


class PairTable:
    """The rows of pairs as a table.

    Args:
        rows: All of them, in order.
        summary: The whole.
        window: The last seconds.
        span: What the rows cover.
        paper: What is written on; it has a width.
    """

    def __init__(self, rows: Sequence[Row], summary: Summary, window: Window, span: Span, paper: Paper) -> None:
        self._rows, self._summary, self._window, self._span, self._paper = rows, summary, window, span, paper
        self._width = paper.width or VERY_WIDE
        names, numbers = self._titles(any(row.sums.refused for row in rows))
        self._all = [*names, *numbers]
        self._right = [title in numbers for title in self._all]

    def _titles(self, refused: bool) -> tuple[list[str], list[str]]:
        names, sums = ["SOURCE", "DESTINATION"], ["FLOWS", "REQ", "RESP"] if self._width >= 72 else ["FLOWS", "BYTES"]
        rate = ["CONN/S", "B/S"]
        if self._span is Span.ALL:
            names += ["NODES"] if self._width >= 80 else []
            numbers = [*sums, "P95", *(rate if self._width >= VERY_WIDE else [])]
        else:
            names += ["NODES"] if self._width >= WIDE else []
            numbers = [*rate, *(sums if self._width >= 72 else ["FLOWS"])]
        return names, [*numbers, *(["REFUSED"] if refused else []), "TREND" if self._width >= WIDE else "T"]

    def lines(self, room: int, chosen: int | None = None) -> tuple[list[str], int]:
        """As many rows as fit, those around the chosen one, and what is left of the others.

        Args:
            room: Lines there are.
            chosen: Number of the row that is marked.

        Returns:
            Lines, and how many rows they show.
        """
        shown = min(len(self._rows), max(1, room - 1))
        while True:
            first = 0 if chosen is None else min(max(0, chosen - shown // 2), len(self._rows) - shown)
            lines = self._with(first, shown, chosen)
            if len(lines) <= room or shown == 1:
                return lines, shown
            shown = max(1, shown - (len(lines) - room))

    def _with(self, first: int, shown: int, chosen: int | None) -> list[str]:
        part = self._rows[first : first + shown]
        cells = [self._cells(row, marked=chosen == first + number) for number, row in enumerate(part)]
        rest = self._rest(part)
        if rest is not None:
            cells.append(self._cells(Row((ALL_OTHERS, ""), rest, NO_SUMS, (), None), marked=False))
        width, color = self._paper.width, self._paper.color
        lines = grid(self._all, cells, right=self._right, width=width, color=color)
        if chosen is not None and color:
            at = len(lines) - len(cells) + chosen - first
            lines[at] = self._paper.styled(lines[at], BOLD)
        if rest is None and shown < len(self._rows):
            more = f"… {counted(len(self._rows) - shown, 'more pair')}"
            lines.append(self._paper.styled(fit_end(more, width), DIM))
        return lines

    def _rest(self, part: Sequence[Row]) -> Sums | None:
        """The sums of what is in no row of the table, where some has no row at all."""
        if self._span is not Span.ALL:
            whole = self._window.whole
            if whole.flows == sum(row.sums.flows for row in self._rows):
                return None
            return Sums(*map(sub, whole, sum_of(row.sums for row in part)))
        rows = tuple(row.whole for row in part if row.whole is not None)
        rest = replace(self._summary, pairs=rows).rest(len(rows))
        return None if rest is None else Sums(*rest)

    def _cells(self, row: Row, *, marked: bool) -> list[str]:
        sums, whole = row.sums, row.whole
        flows, size = rates(row.recent, self._window.seconds)
        p95 = None if whole is None else whole.measures.duration_p95_ms
        texts = {
            "SOURCE": (_MARK if marked else "") + visible(row.pair[0]),
            "DESTINATION": visible(row.pair[1]),
            "NODES": "" if whole is None else node_cell(whole),
            "FLOWS": f"{sums.flows:,}",
            "BYTES": short_size(sums.request_bytes + sums.response_bytes),
            "REQ": short_size(sums.request_bytes),
            "RESP": short_size(sums.response_bytes),
            "P95": ABSENT if p95 is None else short_duration(p95),
            "CONN/S": rate_text(flows),
            "B/S": rate_text(size),
            "REFUSED": f"{sums.refused:,}" if sums.refused else "",
            "TREND": sparkline(row.trend),
            "T": arrow(row.trend),
        }
        return [texts[title] for title in self._all]
