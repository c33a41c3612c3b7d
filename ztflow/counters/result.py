"""What a comparison of lines with counters finds: by ztunnel, by stretch of time, by the names lines carry."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from ztflow.counters.scrapes import Key


@dataclass(frozen=True, slots=True)
class KeyLoss:
    """Lines missing that would carry the same names.

    Attributes:
        key: The names.
        closed: Connections closed in the stretch.
        lines: Lines of them.
        missing: The difference; less than 0 where there are more lines than connections.
    """

    key: Key
    closed: int
    lines: int
    missing: int


@dataclass(frozen=True, slots=True)
class Stretch:
    """The time between two scrapes of one process, or between its start and a scrape.

    Attributes:
        begin: The earlier moment; None for the start of the process where the log does not show it.
        end: The later one; None for a scrape made after the log's end.
        closed: Connections closed in it, by the counters.
        lines: Lines written in it.
        missing: The difference.
        denied: Connections refused by policy in it, by the counters.
        denied_missing: Those of them without a line.
        uncertain: Lines so near to a scrape that they may belong to the next stretch.
        reason: The likely reason, in words; empty where nothing is missing.
        keys: Where lines are missing, most first.
    """

    begin: datetime | None
    end: datetime | None
    closed: int
    lines: int
    missing: int
    denied: int
    denied_missing: int
    uncertain: int
    reason: str
    keys: tuple[KeyLoss, ...]


@dataclass(frozen=True, slots=True)
class ZtunnelCounters:
    """One ztunnel's lines against its counters.

    Attributes:
        ztunnel: Its pod.
        closed: Connections closed in all stretches.
        lines: Lines in them.
        missing: The difference.
        denied_missing: Refused connections without a line.
        uncovered: Lines that no stretch covers: after the last scrape, or between two processes.
        open_now: Connections open at the last scrape: opened, not closed. From 1.23.0 on; before, those cut by a drain
            are among them.
        open_before: Those of them that were open at the first scrape already, in the same process: open then, less
            those that began before it and ended after it, by their lines; an upper bound where lines are missing. None
            where no scrape is before the last one.
        stretches: The stretches in order of time.
        notes: How its scrapes were placed in time, and which could not be used.
    """

    ztunnel: str
    closed: int
    lines: int
    missing: int
    denied_missing: int
    uncovered: int
    open_now: int
    open_before: int | None
    stretches: tuple[Stretch, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Counters:
    """All ztunnels that were scraped.

    Attributes:
        closed: Connections closed in all stretches.
        lines: Lines in them.
        missing: The difference.
        denied_missing: Refused connections without a line.
        ztunnels: One row each, most missing first.
        without_scrape: ztunnel pods with lines and no scrape.
        lines_of_nobody: Lines whose ztunnel is not known; no scrape can be held against them.
        notes: What else the comparison rests on.
    """

    closed: int
    lines: int
    missing: int
    denied_missing: int
    ztunnels: tuple[ZtunnelCounters, ...]
    without_scrape: tuple[str, ...]
    lines_of_nobody: int
    notes: tuple[str, ...] = ()
