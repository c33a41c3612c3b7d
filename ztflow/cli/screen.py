"""The summary as text on one screen: window, counts, locality, top connections, denials.

Plain text with a little colour, readable without it. On a terminal everything fits its width and height; elsewhere
nothing is cut.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from datetime import timedelta
from itertools import chain
from typing import TYPE_CHECKING, Any

from ztflow.cli.output import Paper
from ztflow.model.notices import notice_lines, notices_of, producer_lines
from ztflow.model.vocabulary import NodeLocality, Producer, ZoneLocality
from ztflow.text.escapes import visible
from ztflow.text.format import (
    ALL_OTHERS,
    bytes_text,
    duration_text,
    hidden_text,
    share_text,
    short_duration,
    short_size,
)
from ztflow.writers.text import CAUTION, LABEL, grid
from ztflow.writers.text_columns import BOLD, CYAN, DIM, GREEN, RED, YELLOW

if TYPE_CHECKING:
    from ztflow.aggregate import Measures
    from ztflow.read import ReadReport
    from ztflow.reports.model import Basis, Count, Portion
    from ztflow.reports.pairs import PairRow
    from ztflow.reports.refusals import Refusal
    from ztflow.reports.summary import Summary

PAIRS_SHOWN = 20
REFUSALS_SHOWN = 10
"""Rows where no terminal's height decides."""

_BAR: dict[str, tuple[str, str]] = {
    NodeLocality.SAME_NODE: ("█", GREEN),
    NodeLocality.CROSS_NODE: ("▒", CYAN),
    NodeLocality.UNKNOWN: ("·", DIM),
}


def draw(summary: Summary, counts: ReadReport, paper: Paper, *, live: bool = False, dropped: int = 0) -> list[str]:
    """The screen as lines.

    Args:
        summary: The answer.
        counts: What became of the whole input, before filters.
        paper: What is written on.
        live: Whether more is to come.
        dropped: Connections too old to be kept for a period that moves on.
    """
    lines = [line for block in facts(summary, counts, paper, live=live, dropped=dropped) for line in block]
    if not summary.totals:
        return lines
    room = None if paper.height is None or paper.rows is not None else paper.height - 1 - len(lines)
    refused = refusals_table(summary, paper, room)
    lines += ["", *_pairs(summary, paper, None if room is None else room - 3 - len(refused))]
    return lines + refused


def facts(
    summary: Summary, counts: ReadReport, paper: Paper, *, live: bool = False, dropped: int = 0
) -> list[list[str]]:
    """What stands above the tables, in blocks of lines that belong together; the arguments are those of `draw`."""
    lines = [_window(summary.basis, paper, live=live), *_counted(summary, counts, paper, live=live)]
    if dropped:
        lines.append(paper.fact("older", f"{dropped:,} connections are no longer in these numbers", YELLOW))
    blocks = [
        *(paper.said(CAUTION, text, YELLOW) for text in notice_lines(notices_of(counts))),
        *([line] for line in lines),
    ]
    if not summary.totals:
        return blocks
    blocks.append(_nodes(summary, paper))
    blocks += [[line] for line in _mesh(summary, summary.totals, paper)]
    if summary.bounds is not None:
        blocks += [[paper.fact("bounds", line, DIM)] for line in summary.bounds.lines(len(summary.pairs))]
    return blocks


def refusals_table(summary: Summary, paper: Paper, room: int | None) -> list[str]:
    """What was refused, after a blank line; nothing if nothing was.

    Args:
        summary: The answer.
        paper: What is written on.
        room: Lines there are for it and for the pairs; None where that does not matter.
    """
    refused = _refusals((summary.denied, summary.failed))
    most = _rows_for_refused(len(refused), room)
    if not most:
        return []
    every = None if summary.bounds is None else summary.findings
    return ["", *_refused(refused, paper, None if room is None else most - 2, every)]


def _refusals(refused: Sequence[Sequence[Refusal]]) -> list[tuple[list[str], int]]:
    """Source, destination and why of what was refused, with how often, most often first."""
    from ztflow.reports.refusals import briefs

    counts: dict[tuple[str, str, str], int] = {}
    for row in chain.from_iterable(map(briefs, refused)):
        port = "" if row.port is None else f":{row.port}"
        key = (visible(row.source), visible(row.target) + port, visible(row.why))
        counts[key] = counts.get(key, 0) + row.flows
    return [(list(key), count) for key, count in sorted(counts.items(), key=lambda item: (-item[1], item[0]))]


def _rows_for_refused(count: int, room: int | None) -> int:
    """Lines for what was refused, its heading and the blank before it included: two fifths of the room at most."""
    if not count:
        return 0
    return REFUSALS_SHOWN if room is None else min(count + 2, max(4, room * 2 // 5))


def _window(basis: Basis, paper: Paper, *, live: bool) -> str:
    first, last, window = basis.first_seen, basis.last_seen, basis.window
    more = ", still reading (Ctrl-C ends)" if live else ""
    if not basis.flows:
        return paper.fact("window", "no connection yet" + more if live else "no connection")
    if first is None or last is None or window is None:
        return paper.fact("window", "unknown: no line carries a time" + more)
    until = f"{last:%H:%M:%S}" if first.date() == last.date() else f"{last:%Y-%m-%d %H:%M:%S}"
    length = duration_text(round(window / timedelta(milliseconds=1)))
    return paper.fact("window", f"{first:%Y-%m-%d %H:%M:%S} to {until} UTC, {length}{more}")


def _counted(summary: Summary, counts: ReadReport, paper: Paper, *, live: bool) -> list[str]:
    stats, basis = counts.stats, summary.basis
    problems = f"{stats.problems:,} problem{'' if stats.problems == 1 else 's'}"
    lines = [
        paper.fact(
            "lines",
            f"{stats.lines:,}: {stats.access:,} access, {stats.other:,} other of ztunnel, {stats.not_ours:,} not ours, "
            f"{problems}",
            YELLOW if stats.problems else None,
        )
    ]
    producers = {one: lines for one, lines in counts.producers.items() if not counts.requests or one != Producer.ENVOY}
    for line in producer_lines(producers, connections=True) if stats.access else ():  # else stderr says it
        lines += paper.said("others", line)
    text = f"{basis.flows:,}"
    if basis.paired_share is not None:
        can = f"the {basis.pairable_halves:,} halves that can have a partner here"
        text += f": {share_text(basis.paired_share)} of {can if basis.apart else f'{basis.halves:,} halves'} paired"
    if basis.ambiguous_flows:
        text += f", {basis.ambiguous_flows:,} ambiguous"
    if basis.open_flows:
        text += f", {basis.open_flows:,} still open, without a line"
    whole = (counts.paired_flows or 0) + (counts.unpaired_halves or 0) + counts.open_flows
    if whole != basis.flows:
        text += f" ({basis.flows:,} of {whole:,} flows pass the filters)"
    lines.append(paper.fact("flows", text))
    if counts.requests:
        from ztflow.reports.request_counts import RequestCounts

        if (requests := RequestCounts.of(counts.requests)) is not None:
            lines += paper.said("requests", requests.text())
    alone = [count for count in summary.unpaired if count.value not in basis.apart]
    for label, some in (("alone", alone), ("apart", [one for one in summary.unpaired if one.value in basis.apart])):
        if some:
            lines.append(paper.fact(label, _listed(some, live=live)))
    return lines


def _listed(counts: Sequence[Count], *, live: bool) -> str:
    """`12 other node not collected, 3 still open`; in a live picture halves without a reason wait for their partner."""
    no_reason = "waiting for the other half" if live else "reason unknown"
    return ", ".join(f"{one.flows:,} {(one.value or no_reason).replace('_', ' ')}" for one in counts)


def _nodes(summary: Summary, paper: Paper) -> list[str]:
    parts = summary.nodes
    heads, flows, sizes = [], [], []
    for name, part in parts.items():
        heads.append(name.replace("_", " ") if name != "unknown" else "node unknown")
        flows.append(f"{part.flows:,}  {_share(part.flows_share)}")
        sizes.append(f"{bytes_text(part.bytes)}  {_share(part.bytes_share)}")
    widths = [max(map(len, texts)) + 3 for texts in zip(heads, flows, sizes, strict=True)]
    lines = []
    for label, texts, bar in (
        ("nodes", heads, ""),
        ("  flows", flows, _bar(parts, "flows_share", paper)),
        ("  bytes", sizes, _bar(parts, "bytes_share", paper)),
    ):
        cells = [
            paper.styled(f"{text:<{width}}", _BAR[name][1] if label == "nodes" else None)
            for text, width, name in zip(texts, widths, parts, strict=True)
        ]
        lines.append(paper.styled(f"{label:<{LABEL}}", BOLD) + "".join(cells).rstrip() + _gap(widths, texts, bar))
    return lines


def _gap(widths: Sequence[int], texts: Sequence[str], bar: str) -> str:
    return " " * (widths[-1] - len(texts[-1])) + bar if bar else ""


def _share(part: float | None) -> str:
    return "-" if part is None else share_text(part)


def _bar(parts: Mapping[str, Portion], name: str, paper: Paper, cells: int = 16) -> str:
    """A bar of same, cross and unknown; told apart without colour by how dense it is. Narrow terminals have none."""
    if paper.width is not None and paper.width < 90:
        return ""
    drawn, reached, sum_of = "", 0, 0.0
    for kind, part in parts.items():
        sum_of += getattr(part, name) or 0.0
        until = round(sum_of * cells)
        char, code = _BAR[kind]
        if until > reached:
            drawn += paper.styled(char * (until - reached), code)
        reached = max(reached, until)
    return drawn


def _mesh(summary: Summary, totals: Measures, paper: Paper) -> list[str]:
    parts = summary.mtls
    text = ", ".join(
        f"{'mTLS' if name == 'mtls' else name.replace('_', ' ')} {_share(part.flows_share)}"
        for name, part in parts.items()
        if part.flows or name in {"mtls", "plaintext"}
    )
    lines = [paper.fact("mesh", text)]
    if totals.denied or totals.failed:
        lines.append(paper.fact("refused", f"{totals.denied:,} denied, {totals.failed:,} failed", RED))
    zones_matter = summary.zones is not None and summary.zones[ZoneLocality.CROSS_ZONE].flows > 0
    gaps = [f"{gap.flows:,} without {gap.what}" for gap in summary.gaps if zones_matter or "zone" not in gap.what]
    if gaps:
        lines.append(paper.fact("unknown", ", ".join(gaps), DIM))
    return lines


def node_cell(row: PairRow) -> str:
    """The nodes by name where there is one at each end, else how many connections go how far."""
    source, target, sums = row.source_nodes, row.target_nodes, row.measures
    if len(source) <= 1 and len(target) <= 1 and (source or target) and not (sums.same_node and sums.cross_node):
        left, right = (source or ("?",))[0], (target or ("?",))[0]
        return visible(left if left == right else f"{left} → {right}")
    counts = {"same": sums.same_node, "cross": sums.cross_node, "unknown": sums.locality_unknown}
    known = {name: count for name, count in counts.items() if count}
    if len(known) == 1:
        return next(iter(known))
    return ", ".join(f"{count:,} {name}" for name, count in known.items())


def _table(
    paper: Paper, titles: Sequence[str], rows: Sequence[Sequence[str]], right: Sequence[bool], hidden: int, what: str
) -> list[str]:
    lines = grid(titles, rows, right=right, width=paper.width, color=paper.color)
    return [*lines, paper.styled(hidden_text(hidden, what), DIM)] if hidden else lines


def _pairs(summary: Summary, paper: Paper, room: int | None) -> list[str]:
    pairs = summary.pairs
    most = _many(paper, PAIRS_SHOWN) if room is None else max(1, room)
    shown = _cut(pairs, most if summary.bounds is None or not summary.bounds.others else max(1, most - 1))
    narrow = paper.width is not None
    size = short_size if narrow else bytes_text
    if summary.bounds is None:
        any_refused = bool(summary.findings)
    else:
        any_refused = any(row.measures.denied + row.measures.failed for row in pairs)
    titles = ["SOURCE", "DESTINATION", "NODES", "FLOWS", "REQ", "RESP", "P95", *(["REFUSED"] if any_refused else [])]
    rows = []
    for row in shown:
        sums = row.measures
        refused = sums.denied + sums.failed
        p95 = "-" if sums.duration_p95_ms is None else short_duration(sums.duration_p95_ms)
        cells = [visible(row.source), visible(row.target), node_cell(row), f"{sums.flows:,}"]
        cells += [size(sums.request_bytes), size(sums.response_bytes), p95]
        rows.append([*cells, f"{refused:,}" if refused else ""] if any_refused else cells)
    right = [title not in titles[:3] for title in titles]
    rest = summary.rest(len(shown))
    if rest is None:
        return _table(paper, titles, rows, right, len(pairs) - len(shown), "pairs")
    flows, request, response, refused = rest
    others = [ALL_OTHERS, "", "", f"{flows:,}", size(request), size(response), "-", f"{refused:,}" if refused else ""]
    return _table(paper, titles, [*rows, others[: len(titles)]], right, 0, "pairs")


def _refused(
    refused: Sequence[tuple[list[str], int]], paper: Paper, room: int | None, every: int | None = None
) -> list[str]:
    """What was refused.

    Args:
        refused: Texts of the rows, and connections.
        paper: What is written on.
        room: Lines there are; None where that does not matter.
        every: All connections that were refused, where what is not shown is to be a row.
    """
    shown = _cut(refused, _many(paper, REFUSALS_SHOWN) if room is None else max(1, room))
    rows = [[*texts, f"{count:,}"] for texts, count in shown]
    titles, hidden = ["REFUSED", "DESTINATION", "WHY", "FLOWS"], len(refused) - len(shown)
    if every is not None and (left := every - sum(count for _, count in shown)):
        rows, hidden = [*rows, [ALL_OTHERS, "", "", f"{left:,}"]], 0
    return _table(paper, titles, rows, (False, False, False, True), hidden, "kinds")


def _many(paper: Paper, usual: int) -> int:
    """Rows of a table that no height bounds."""
    return usual if paper.rows is None else paper.rows + 1 if paper.rows else sys.maxsize


def _cut(rows: Sequence[Any], room: int) -> Sequence[Any]:
    """The first rows that fit, one line left for saying how many more there are."""
    return rows if len(rows) <= room else rows[: max(1, room - 1)]
