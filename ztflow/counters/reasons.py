"""Why lines are likely missing: what the log says of its own filter, and what the lines that are there look like."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ztflow.columns.dtypes import AFTER_ALL
from ztflow.model.provenance import Fact, time_from_micros
from ztflow.model.vocabulary import LogLevel
from ztflow.text.format import time_text

_QUIET = frozenset({"off", LogLevel.WARN.value, LogLevel.ERROR.value})
"""Levels at which no connection that ended well is written."""
_LEVELS = _QUIET | {level.value for level in LogLevel}


@dataclass(frozen=True, slots=True)
class Silence:
    """A stretch of time in which the filter kept access lines out of the log.

    Attributes:
        begin: When the filter was set, microseconds since 1970 UTC.
        end: When another was; None where none was.
        level: The level it let through for access lines.
    """

    begin: int
    end: int | None
    level: str

    def overlaps(self, begin: int, end: int) -> bool:
        """Whether any of it lies between two times."""
        return self.begin < end and begin < (AFTER_ALL if self.end is None else self.end)

    def __str__(self) -> str:
        until = "to the end" if self.end is None else f"to {time_text(time_from_micros(self.end))}"
        return f"the log filter was access={self.level} from {time_text(time_from_micros(self.begin))} {until}"


def access_level(filter_text: str) -> str | None:
    """The level a log filter lets access lines through at; None where it does not say.

    A directive for `access` holds over the one without a target, whatever their order; source: tokio-rs/tracing
    `EnvFilter`, as used by istio/ztunnel `src/telemetry.rs`.
    """
    whole: str | None = None
    own: str | None = None
    for directive in filter_text.strip().split(","):
        target, equals, level = directive.strip().rpartition("=")
        level = level.strip().lower()
        if level not in _LEVELS:
            continue
        if not equals:
            whole = level
        elif target.strip() == "access":
            own = level
    return own or whole


def silences(events: Sequence[Fact]) -> list[Silence]:
    """The stretches in which one ztunnel's filter silenced access lines.

    Args:
        events: Facts of kind `version`, which begins anew with the filter of the start, and `log_filter`.
    """
    found: list[Silence] = []
    since: tuple[int, str] | None = None
    told = [fact for fact in events if fact.kind in {"version", "log_filter"} and fact.time is not None]
    for fact in sorted(told, key=lambda fact: fact.time or 0):
        assert fact.time is not None
        if since is not None:
            found.append(Silence(since[0], fact.time, since[1]))
        level = access_level(str(fact.values.get("filter", ""))) if fact.kind == "log_filter" else None
        since = (fact.time, level) if level in _QUIET else None
    if since is not None:
        found.append(Silence(since[0], None, since[1]))
    return found


def likely_reason(missing: int, written: int, ended_well: int, *, first: bool, within: Sequence[Silence]) -> str:
    """Why lines of a stretch are missing, in words; empty where none is.

    Args:
        missing: Lines missing in it; less than 0 where there are too many.
        written: Lines that are there.
        ended_well: Those at level info.
        first: Whether the stretch begins with the process, which the log does not show.
        within: Silences in it.
    """
    if not missing:
        return ""
    if missing < 0:
        return "more lines than connections: lines that are there twice, a wrong time, or another pod's counters"
    if within:
        return "; ".join(map(str, within))
    if not written:
        return "no line of this ztunnel in this time: its log is not here, or its filter was off"
    if not ended_well:
        return "only errors were written: its log filter is likely at warn or error"
    if first:
        return "the log begins after this ztunnel did: earlier lines were rotated away or not collected"
    return "lost on the way: rotation or the shipper; no line says that the filter changed"
