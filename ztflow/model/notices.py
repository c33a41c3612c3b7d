"""What makes shares and totals of a log doubtful: it was silenced, holds only failures, or a ztunnel began anew.

A log never says what is missing. What it does say of itself is told here, once, for every report to print on its top.

Source: istio/ztunnel 1.31.0-rc.0 `src/telemetry.rs`: `new log filter is` is written when the filter is changed at run
time and the old one lets it through; a filter of the start leaves no line. A good end is written at info.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from ztflow.columns.dtypes import AFTER_ALL
from ztflow.model.provenance import Fact, ReadReport, Writer, Written, time_from_micros
from ztflow.model.vocabulary import LogLevel, NoticeKind, Producer
from ztflow.text.format import counted, time_text

LEAST_REFUSED = 5
"""Fewer lines than this, all of refused connections, are no sign of a filter: somebody pasted what went wrong."""

NOTICES_TOLD = 3
"""Notices of one kind that are told one by one; all are in JSON."""

_QUIET = frozenset({"off", LogLevel.WARN.value, LogLevel.ERROR.value})
"""Levels at which no connection that ended well is written."""
_LEVELS = _QUIET | {level.value for level in LogLevel}


@dataclass(frozen=True, slots=True)
class Notice:
    """Why shares and totals of a log are doubtful.

    Attributes:
        kind: What it is.
        ztunnel: The ztunnel's pod; None where no line names it.
        begin: From when on; None for unknown.
        end: Until when; None for the end of the log.
        text: The notice in a sentence.
    """

    kind: NoticeKind
    ztunnel: str | None
    begin: datetime | None
    end: datetime | None
    text: str


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


def silences(events: Iterable[Fact]) -> list[Silence]:
    """The stretches in which one ztunnel's filter silenced access lines.

    Args:
        events: Facts of kind `version`, which begins anew with the filter of the start, and `log_filter`.
    """
    found: list[Silence] = []
    since: tuple[int, str] | None = None
    for time, fact in _in_order(events):
        level = access_level(str(fact.values.get("filter", ""))) if fact.kind == "log_filter" else None
        if since is not None and level != since[1]:
            found.append(Silence(since[0], time, since[1]))
            since = None
        if since is None and level in _QUIET:
            since = (time, level)
    if since is not None:
        found.append(Silence(since[0], None, since[1]))
    return found


def notices_of(report: ReadReport) -> list[Notice]:
    """What a reading says of its own completeness, by kind, each in order of the ztunnels' names.

    Args:
        report: Of a session, which counts what each ztunnel wrote. Filters do not change it.
    """
    events: defaultdict[Writer, list[Fact]] = defaultdict(list)
    for fact in report.events:
        pod = fact.origin.pod
        events[pod, fact.source_file if pod is None else None].append(fact)
    written = report.written
    everywhere = not any(one.ended_well for one in written.values())
    together = sum(one.refused for one in written.values()) if everywhere else 0
    least = 1 if together >= LEAST_REFUSED else LEAST_REFUSED
    found: dict[NoticeKind, list[Notice]] = {kind: [] for kind in NoticeKind}
    for writer in sorted({*events, *written}, key=lambda one: (one[0] is None, *map(str, one))):
        for notice in _of_one(writer[0], written.get(writer, Written()), events[writer], least):
            found[notice.kind].append(notice)
    return [notice for kind in NoticeKind for notice in found[kind]]


def notice_lines(notices: Sequence[Notice]) -> list[str]:
    """The notices as sentences; of many of one kind the first."""
    lines: list[str] = []
    for kind in NoticeKind:
        some = [notice for notice in notices if notice.kind is kind]
        if kind is NoticeKind.ONLY_REFUSED and len(some) > 1:
            names = ", ".join(notice.ztunnel or _NO_NAME for notice in some[:NOTICES_TOLD])
            more = f" and {len(some) - NOTICES_TOLD:,} more" if len(some) > NOTICES_TOLD else ""
            lines.append(f"{names}{more} {_ONLY_REFUSED.format('have')}")
            continue
        lines += [notice.text for notice in some[:NOTICES_TOLD]]
        if len(some) > NOTICES_TOLD:
            lines.append(f"{len(some) - NOTICES_TOLD:,} more like this one: {kind.meaning}")
    return lines


_USE = {
    Producer.SOLO_HTTP: "counted, not used: requests, not connections",
    Producer.AGENTGATEWAY: "counted, not used: each names the client (src.addr) and the server chosen (endpoint)",
    Producer.KMESH: "counted, not used: both ends print the same addresses and ports, so equal ones are one connection",
    Producer.ENVOY: "a waypoint's tell who is behind it: give its log with --waypoint",
}
"""What can be done with a program's lines."""

_SKIPPED = "no line of a connection is there, as with skipConnectionLog: true, which writes none; set it to false"
"""What it means that Solo's ztunnel wrote nothing but requests; source: ambientmesh.io/docs/observability/http."""


def producer_lines(producers: Mapping[Producer, int], *, connections: bool) -> list[str]:
    """Whose lines stand among ztunnel's, and what can be done with them: one sentence a program.

    Args:
        producers: Lines by program.
        connections: Whether there are access lines.
    """
    lines = []
    for producer in Producer:
        if count := producers.get(producer):
            use = _SKIPPED if producer is Producer.SOLO_HTTP and not connections else _USE[producer]
            lines.append(f"{counted(count, 'line')} of {producer.meaning}: {use}")
    return lines


_NO_NAME = "a ztunnel whose lines name no pod"
_ONLY_REFUSED = (
    "{} no line of a connection that ended well, only of failures: the log filter is likely at warn or error, or the "
    "log was cut down to errors; shares and totals are not meaningful"
)


def _of_one(pod: str | None, wrote: Written, events: Sequence[Fact], least: int) -> Iterator[Notice]:
    who = pod or _NO_NAME
    quiet = silences(events)
    for one in quiet:
        begin, end = time_from_micros(one.begin), None if one.end is None else time_from_micros(one.end)
        what = "no access line" if one.level == "off" else "no line of connections that ended well"
        text = (
            f"{who} wrote {what} {_stretch(begin, end)}: its log filter was {one.level}; shares and totals of that "
            "time are not meaningful"
        )
        yield Notice(NoticeKind.SILENCED, pod, begin, end, text)
    if wrote.refused >= least and not wrote.ended_well and not quiet:
        yield Notice(NoticeKind.ONLY_REFUSED, pod, None, None, f"{who} {_ONLY_REFUSED.format('has')}")
    before = wrote.first
    for time, fact in _in_order(events):
        if fact.kind != "version":
            continue
        if before is not None and before < time:
            begin = time_from_micros(time)
            text = f"{who} began anew at {begin:%Y-%m-%d %H:%M:%S} UTC: connections that were open may have no line"
            yield Notice(NoticeKind.RESTARTED, pod, begin, None, text)
        if pod is not None:  # lines that name no pod may be of several ztunnels, each with its start
            before = time if before is None else min(before, time)


def _stretch(begin: datetime, end: datetime | None) -> str:
    if end is None:
        return f"from {begin:%Y-%m-%d %H:%M:%S} UTC on"
    until = f"{end:%H:%M:%S}" if begin.date() == end.date() else f"{end:%Y-%m-%d %H:%M:%S}"
    return f"from {begin:%Y-%m-%d %H:%M:%S} to {until} UTC"


def _in_order(events: Iterable[Fact]) -> list[tuple[int, Fact]]:
    """Events by time, copies left out; one without a time says nothing of when."""
    told = {(fact.time, fact.kind, str(fact.values.get("filter"))): fact for fact in events if fact.time is not None}
    return [(key[0], fact) for key, fact in sorted(told.items(), key=lambda item: item[0])]
