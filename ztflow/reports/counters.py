"""The part of the loss report that rests on counters: tables and notes of `counters.Counters`."""

from __future__ import annotations

from ztflow.counters import Counters
from ztflow.reports.tables import TitledTable, titled
from ztflow.text.format import Unit, counted


def counter_tables(counters: Counters, limit: int | None) -> list[TitledTable]:
    """By ztunnel, by stretch between scrapes, and by the names that the missing lines carry."""
    ztunnels: list[tuple[object, ...]] = [
        (
            one.ztunnel,
            one.closed,
            one.lines,
            one.missing,
            one.denied_missing,
            one.uncovered,
            one.open_now,
            one.open_before,
        )
        for one in counters.ztunnels
    ]
    ztunnels.append(
        ("(all)", counters.closed, counters.lines, counters.missing, counters.denied_missing, None, None, None)
    )
    stretches = [
        (one.ztunnel, part.begin, part.end, part.closed, part.lines, part.missing, part.uncertain, part.reason)
        for one in counters.ztunnels
        for part in one.stretches
    ]
    keys = [
        (
            one.ztunnel, lost.missing, lost.closed, lost.key.direction, lost.key.src_namespace, lost.key.src_identity,
            lost.key.dst_namespace, lost.key.dst_service or lost.key.dst_identity,
        )
        for one in counters.ztunnels
        for part in one.stretches
        for lost in part.keys
    ]  # fmt: skip
    keys.sort(key=lambda row: -abs(row[1]))
    return [
        titled("Lines against counters", _ZTUNNELS, ztunnels, limit),
        titled("Between which scrapes", _STRETCHES, stretches, limit),
        *([titled("What the missing lines are of", _KEYS, keys, limit)] if keys else []),
    ]


def counter_notes(counters: Counters) -> list[str]:
    """How scrapes were placed, and what they do not cover."""
    notes = ["One closed connection is one `connection complete` line; `connection failed` lines are in no counter."]
    notes += [f"{one.ztunnel}: {note}." for one in counters.ztunnels for note in one.notes]
    notes += counters.notes
    if counters.without_scrape:
        notes.append(f"No scrape of {', '.join(counters.without_scrape)}.")
    if counters.lines_of_nobody:
        notes.append(
            f"{counted(counters.lines_of_nobody, 'line')} of an unknown ztunnel: no scrape is held against them."
        )
    return notes


_ZTUNNELS = (
    ("ztunnel", Unit.TEXT), ("closed", Unit.COUNT), ("lines", Unit.COUNT), ("missing", Unit.COUNT),
    ("denied missing", Unit.COUNT), ("lines not covered", Unit.COUNT), ("open", Unit.COUNT),
    ("open all along", Unit.COUNT),
)  # fmt: skip
_STRETCHES = (
    ("ztunnel", Unit.TEXT), ("from", Unit.TIME), ("to", Unit.TIME), ("closed", Unit.COUNT), ("lines", Unit.COUNT),
    ("missing", Unit.COUNT), ("±", Unit.COUNT), ("likely reason", Unit.TEXT),
)  # fmt: skip
_KEYS = (
    ("ztunnel", Unit.TEXT), ("missing", Unit.COUNT), ("closed", Unit.COUNT), ("direction", Unit.TEXT),
    ("from namespace", Unit.TEXT), ("from identity", Unit.TEXT), ("to namespace", Unit.TEXT),
    ("to service or identity", Unit.TEXT),
)  # fmt: skip
