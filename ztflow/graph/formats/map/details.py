"""What is behind the edges of a map: connections over time, why some were refused, a few with their lines of the log.

Everything here is bounded, so that the page stays small whatever the capture; what was left out is counted.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ztflow.columns.dtypes import NO_TIME, BoolArray, IntArray, Integers
from ztflow.columns.grouping import Groups, group
from ztflow.graph.formats.map.columns import packed, worded
from ztflow.model.schema import LOG_FIELDS
from ztflow.model.vocabulary import REFUSED
from ztflow.read.raw_lines import readable_lines
from ztflow.text.escapes import visible

if TYPE_CHECKING:
    from ztflow.aggregate import View

DETAIL_COLUMNS = (
    "start", "end", "request_bytes", "response_bytes", "duration_ms", "verdict", "error_class", "policy",
    "outbound_file", "outbound_line", "inbound_file", "inbound_line",
)  # fmt: skip
"""Columns of flows that `details` looks at."""

_STEPS = (60, 30, 15, 6)
"""Into how many steps the capture is cut: the most that `_CELLS` allows."""
_CELLS = 70_000
"""Steps with traffic over all edges: some 400 kB."""
_REFUSALS_KEPT = 5_000
"""Rows of refusals: some 100 kB."""
_SAMPLES = 3_000
"""Connections shown over all edges, some 120 kB; of one edge `_OF_AN_EDGE`."""
_OF_AN_EDGE = 5
_LINE = 1_000
"""Characters of a line."""
_ALWAYS = LOG_FIELDS[0].key
"""A key that every access line has, in every wrapper."""
_ASKED = 2_500
"""Lines looked for: as many as fit if they are short."""
_LINES = 250_000
"""Characters of all lines."""


def details(view: View, groups: Groups) -> dict[str, Any]:
    """The page's columns `time`, `refusals` and `samples`.

    Args:
        view: Rows of `schema.FLOWS` with `DETAIL_COLUMNS`.
        groups: Which edge each is in, in the order of the graph's edges.

    Cost: numpy per row; Python per edge shown; the inputs are read once more for the lines of the samples.
    """
    bad = view.equals("verdict", *REFUSED)
    return {
        "time": _over_time(view, groups, bad),
        "refusals": _refusals(view, groups, bad),
        "samples": _samples(view, groups, bad),
    }


def _over_time(view: View, groups: Groups, bad: BoolArray) -> dict[str, Any]:
    """Connections of each edge in each step (by their end), only where there are some; the refused ones likewise.

    Times are microseconds: a command for some steps is to list just what is in them.
    """
    _, ended = view.seen()
    timed = ended != NO_TIME
    if not timed.any():
        return {"steps": 0, "timeless": len(view)}
    codes, times = groups.codes[timed].astype(np.int64), ended[timed]
    first, last = int(times.min()), int(times.max())

    def cut(steps: int) -> IntArray:
        keys: IntArray = codes * steps + (times - first) * steps // (last - first + 1)
        return keys

    steps = next((some for some in _STEPS if len(np.unique(cut(some))) <= _CELLS), 1)
    keys = cut(steps)
    cells, counts = np.unique(keys, return_counts=True)
    wrong, wrong_counts = np.unique(keys[bad[timed]], return_counts=True)
    # A cell's key is told as the step from the one before: small numbers.
    return {
        "steps": steps,
        "first": first,
        "span": last - first + 1,
        "timeless": int((~timed).sum()),
        "cells": np.diff(cells, prepend=0).tolist(),
        "flows": packed(counts.tolist()),
        "bad_cells": np.diff(wrong, prepend=0).tolist(),
        "bad": packed(wrong_counts.tolist()),
    }


def _refusals(view: View, groups: Groups, bad: BoolArray) -> dict[str, Any]:
    """How many connections of each edge were refused for which class and by which policy, most first."""
    part, rows = view.where(bad), np.flatnonzero(bad)
    kind, policy = part.labels("error_class"), part.labels("policy")
    found = group([(groups.codes[rows], len(groups)), kind.part, policy.part], len(rows))
    counts = np.bincount(found.codes, minlength=len(found))
    order = np.argsort(-counts, kind="stable")[:_REFUSALS_KEPT]
    first = found.first[order]
    return {
        "edge": groups.codes[rows][first].tolist(),
        "error_class": worded(_words(kind.words, kind.codes[first])),
        "policy": worded(_words(policy.words, policy.codes[first])),
        "flows": counts[order].tolist(),
        "left_out": len(found) - len(order),
    }


def _words(words: Sequence[str], codes: Integers) -> list[str | None]:
    return [words[code] if code >= 0 else None for code in codes.tolist()]


def _samples(view: View, groups: Groups, bad: BoolArray) -> dict[str, Any]:
    """A few connections of each edge, the refused and the big ones first, with the lines of the log they are from."""
    rows = _chosen(view, groups, bad)
    names = ("duration_ms", "request_bytes", "response_bytes", *_PLACES)
    values = view.rows(rows, "verdict", "error_class", *names)
    columns: dict[str, list[Any]] = {
        name: list(column)
        for name, column in zip(
            ("verdict", "error_class", *names), zip(*values, strict=True) if values else ((),) * 9, strict=True
        )
    }
    places = [
        [(file, line) for file, line in ((row[5], row[6]), (row[7], row[8])) if file is not None and line is not None]
        for row in values
    ]
    _, ended = view.seen()
    times = ended[rows]
    lines, shown = _lines_of(places)
    return {
        "edge": groups.codes[rows].tolist(),
        "time": [None if time == NO_TIME else time // 1000 for time in times.tolist()],
        **{name: worded(columns[name]) for name in ("verdict", "error_class", "outbound_file", "inbound_file")},
        **{
            name: packed(columns[name])
            for name in ("duration_ms", "request_bytes", "response_bytes", "outbound_line", "inbound_line")
        },
        "lines": lines,
        "shown": shown,
    }


_PLACES = ("outbound_file", "outbound_line", "inbound_file", "inbound_line")


def _chosen(view: View, groups: Groups, bad: BoolArray) -> Integers:
    """Rows to show: of each edge its refused and its biggest connections; first one of each edge, then more."""
    request, response = (view.numbers(name)[0].astype(np.float64) for name in ("request_bytes", "response_bytes"))
    order = np.lexsort((-(request + response), ~bad, groups.codes))
    codes = groups.codes[order]
    starts = np.flatnonzero(np.diff(codes, prepend=-1))
    rank = np.arange(len(order)) - np.repeat(starts, np.diff([*starts.tolist(), len(order)]))
    few = rank < _OF_AN_EDGE
    order, rank = order[few], rank[few]
    edge_bad = np.bincount(groups.codes[bad], minlength=len(groups))[groups.codes[order]]
    size = np.bincount(groups.codes, minlength=len(groups))[groups.codes[order]]
    best = np.lexsort((-size, edge_bad == 0, rank))[:_SAMPLES]
    kept: Integers = order[best]
    return kept


def _lines_of(places: list[list[tuple[str, int]]]) -> tuple[list[str], list[list[int]]]:
    """The lines of some connections as far as they can be read and fit; for each connection the numbers of its own."""
    wanted: list[tuple[str, int]] = [place for some in places for place in some][:_ASKED]
    found = readable_lines(wanted)
    texts: dict[tuple[str, int], int] = {}
    lines: list[str] = []
    room = _LINES
    shown: list[list[int]] = []
    for some in places:
        own = []
        for place in some:
            # A saved table may name any file: what is no line of ztunnel's stays where it is.
            if place not in texts and _ALWAYS in found.get(place, ""):
                text = "\t".join(map(visible, found[place].split("\t")))
                text = text if len(text) <= _LINE else text[: _LINE - 1] + "…"
                if len(text) > room:
                    continue
                room -= len(text)
                texts[place] = len(lines)
                lines.append(text)
            if place in texts:
                own.append(texts[place])
        shown.append(own)
    return lines, shown
