"""One pair of a live summary: its sums, its latest connections, what was refused, and its last lines."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from io import BytesIO

import numpy as np
import pyarrow as pa

from ztflow.aggregate import Measures, View, vertices
from ztflow.cli.live_rows import rates_text
from ztflow.cli.output import Paper
from ztflow.cli.screen import node_cell, refusals_table
from ztflow.model.tables import Flows
from ztflow.reports.recent import NO_SUMS, Pair, Window
from ztflow.reports.summary import Summary
from ztflow.text.escapes import visible
from ztflow.text.format import bytes_text, short_duration
from ztflow.writers import open_writer
from ztflow.writers.text import PADDED, fit_end
from ztflow.writers.text_columns import BOLD, DIM, RED, YELLOW

SHOWN = 100
"""Connections of the pair that are looked at, the latest."""


def rows_of_pair(tables: Sequence[Flows], pair: Pair) -> Flows:
    """The latest connections of a pair, in the order they were decided. Cost: names each distinct end anew."""
    found: list[Flows] = []
    count = 0
    for flows in reversed(tables):
        ends = vertices(View(flows.to_arrow()), "workload", flows.owners)
        names = [vertex.id for vertex in ends.all]
        if count >= SHOWN or pair[0] not in names or pair[1] not in names:
            continue
        both = (ends.source == names.index(pair[0])) & (ends.target == names.index(pair[1]))
        rows = np.flatnonzero(both)[count - SHOWN :]
        found.append(flows.with_rows(flows.to_arrow().take(pa.array(rows))))
        count += len(rows)
    return Flows.concat(reversed(found))


@dataclass(frozen=True, slots=True)
class OpenedPair:
    """What is shown of one pair.

    Attributes:
        pair: Source and destination.
        flows: Its latest connections, as far as they are kept.
        logged: The lines of these, as far as they are kept.
        summary: Of the whole input.
        window: The last seconds.
    """

    pair: Pair
    flows: Flows
    logged: Sequence[str]
    summary: Summary
    window: Window

    def lines(self, paper: Paper, room: int, *, held: bool) -> list[str]:
        """The pair as lines.

        Args:
            paper: What is written on; it has a width.
            room: Lines there are: one for each section at least, the latest connections get what the others leave.
            held: Whether the picture is held.
        """
        head = self._facts(paper, held=held)
        of_pair = replace(
            self.summary,
            denied=tuple(row for row in self.summary.denied if (row.source, row.target) == self.pair),
            failed=tuple(row for row in self.summary.failed if (row.source, row.target) == self.pair),
            bounds=None,
        )
        left = max(0, room - len(head))
        refused = refusals_table(of_pair, paper, left)[: left // 3]
        left -= len(refused)
        logged = [] if left < 6 else self._lines(paper, left // 2)
        return [*head, *self._latest(paper, left - len(logged)), *refused, *logged]

    def _lines(self, paper: Paper, room: int) -> list[str]:
        """The last lines, whole where they fit: what refused a connection stands at their end."""
        shown: list[str] = []
        for line in reversed(self.logged):
            text, width = visible(line.replace("\t", "  ")), paper.width or PADDED
            rows = [text[at : at + width] for at in range(0, len(text), width)][: max(1, room - 2)]
            if len(shown) + len(rows) > room - 2:
                break
            shown = [*rows, *shown]
        return ["", paper.styled("LAST LINES", BOLD), *(shown or [paper.styled("none kept", DIM)])]

    def _facts(self, paper: Paper, *, held: bool) -> list[str]:
        source, target = self.pair
        lines = [paper.fact("pair", f"{source} → {target}" + (" (held)" if held else ""), YELLOW if held else BOLD)]
        sums = self.window.pairs.get(self.pair, NO_SUMS)
        trend = self.window.trends.get(self.pair, ())
        lines.append(paper.fact("rate", rates_text(self.window, sums, trend)))
        row = next((row for row in self.summary.pairs if (row.source, row.target) == self.pair), None)
        if row is None:
            return [*lines, paper.fact("all", "too few connections for sums of its own", DIM)]
        of: Measures = row.measures
        refused = of.denied + of.failed
        lines.append(
            paper.fact(
                "all",
                f"{of.flows:,} connections, {bytes_text(of.request_bytes)} out, {bytes_text(of.response_bytes)} back"
                f"{_life(of)}; {node_cell(row)}",
            )
        )
        if refused:
            lines.append(paper.fact("refused", f"{of.denied:,} denied, {of.failed:,} failed", RED))
        return lines

    def _latest(self, paper: Paper, room: int) -> list[str]:
        """The latest connections, the newest last."""
        if room < 3:
            return []
        if not len(self.flows):
            return ["", paper.styled(fit_end("none of its connections is among the latest", paper.width), DIM)]
        table = self.flows.to_arrow()
        for count in range(min(room - 2, len(table)), 0, -1):  # days that change take lines too
            stream = BytesIO()
            writer = open_writer("table", stream, Flows.schema, width=paper.width, color=paper.color)
            writer.write(table.slice(len(table) - count))
            lines = stream.getvalue().decode().splitlines()
            if len(lines) <= room - 1:
                return ["", *lines]
        return []


def _life(of: Measures) -> str:
    named = (("median", of.duration_p50_ms), ("p95", of.duration_p95_ms), ("longest", of.duration_max_ms))
    told = [f"{word} {short_duration(value)}" for word, value in named if value is not None]
    return f"; life {', '.join(told)}" if told else ""
