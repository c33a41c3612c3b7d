"""What the reader produces besides tables: the origin of a line, its row, facts, problems, counts.

The contract between reading and parsing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from ztflow.errors import SourceError
from ztflow.model.schema import RECORD
from ztflow.model.vocabulary import Producer

if TYPE_CHECKING:
    import pyarrow as pa


class Origin(NamedTuple):
    """Which ztunnel wrote a line, as far as its wrapper or file name tells. None is unknown.

    One object is shared by all lines of the same ztunnel; it is hashable, so it also groups them.
    """

    pod: str | None = None
    namespace: str | None = None
    node: str | None = None
    container: str | None = None
    zone: str | None = None


NOBODY = Origin()
"""The origin of a line nothing is known about."""


class LogLine(NamedTuple):
    """One log line as ztunnel wrote it, after unwrapping and after joining what was cut apart.

    Attributes:
        text: ztunnel's own text, without a line end. For a JSON line the JSON text.
        line_number: First physical line in its input, from 1.
        origin: The ztunnel that wrote it.
        fields: The decoded object, where a wrapper delivered ztunnel's JSON as an object or the text is JSON.
        repaired: Whether the reader mended damage in it.
    """

    text: str
    line_number: int
    origin: Origin = NOBODY
    fields: dict[str, Any] | None = None
    repaired: bool = False


@dataclass(slots=True)
class ReadStats:
    """Counts of one or more inputs. `lines == access + other + not_ours + problems` always holds.

    Attributes:
        physical_lines: Lines as the file has them.
        lines: Log lines after unwrapping and joining.
        access: `connection complete` and `connection failed`, read.
        other: Other lines of ztunnel.
        not_ours: Everything else.
        problems: Access lines that could not be read.
        waypoint: Lines among `not_ours` that are of a waypoint's access log.
        waypoint_problems: Those of them that begin as a request's line does and could not be read.
        repaired: Lines among `access` and `other` that needed mending.
        cut_times: Lines among `access` whose time was cut or lost on the way: none, or whole seconds.
        duplicates: Access lines counted in `access` but left out as copies of another input's line.
        joined: Lines put together from the parts a runtime had cut them into.
        came_joined: Lines that their shipper had put together, and that still carry the tag of a part.
        bytes: Bytes read, after decompression.
        slow_lines: Physical lines read one by one; the compiled kernel read the others in bulk. Says how, not what was
            read, so it does not count in comparisons.
    """

    physical_lines: int = 0
    lines: int = 0
    access: int = 0
    other: int = 0
    not_ours: int = 0
    problems: int = 0
    waypoint: int = 0
    waypoint_problems: int = 0
    repaired: int = 0
    cut_times: int = 0
    duplicates: int = 0
    joined: int = 0
    came_joined: int = 0
    bytes: int = 0
    slow_lines: int = field(default=0, compare=False)

    def add(self, more: ReadStats) -> None:
        """Add another input's counts to these."""
        for name in self.__slots__:
            setattr(self, name, getattr(self, name) + getattr(more, name))


class Problem(NamedTuple):
    """An access line that could not be read: kept, with reason and place.

    Attributes:
        source_file: The input it was in.
        line_number: Its first physical line, from 1.
        reason: One of the values of `Reason`.
        detail: What exactly is wrong, in a few words.
        column: Where in the text, from 1; None where no place can be named.
        text: The line after unwrapping, at most 4,096 characters of it.
    """

    source_file: str
    line_number: int
    reason: str
    detail: str
    column: int | None
    text: str


@dataclass(frozen=True, slots=True)
class Fact:
    """Something a non-access line says (docs/reference/ztunnel-log.md#lines-that-carry-facts).

    Attributes:
        kind: What it says; `ztflow.parse.facts` lists the kinds and their values.
        time: Microseconds since 1970 UTC; None when the line has no time.
        origin: Which ztunnel said it.
        source_file: Input it was in.
        line_number: Line it was at.
        values: What it says; keys depend on `kind`.
    """

    kind: str
    time: int | None
    origin: Origin
    source_file: str
    line_number: int
    values: dict[str, Any] = field(default_factory=dict)

    def __reduce__(self) -> tuple[Callable[..., Fact], tuple[Any, ...]]:
        """Pickled in two thirds of the time that frozen dataclasses take: there are as many as pods."""
        return Fact, (self.kind, self.time, self.origin, self.source_file, self.line_number, self.values)


EVENTS = frozenset({"version", "log_filter", "kubectl_found"})
"""Kinds of facts that say how whole a log is: a ztunnel began, its filter changed, `kubectl logs` took one of many."""

Writer: TypeAlias = tuple[str | None, str | None]
"""Who wrote lines: the ztunnel's pod; where no line names it, None and the input."""


@dataclass(slots=True)
class Written:
    """What one writer wrote.

    Attributes:
        ended_well: Access lines of connections that ended well: those below level `warn`.
        refused: Access lines at `warn` and `error`.
        first: Time of the first one, microseconds since 1970 UTC; None where none has a time.
    """

    ended_well: int = 0
    refused: int = 0
    first: int | None = None

    def add(self, ended_well: int, refused: int, first: int | None) -> None:
        """Add what it wrote besides."""
        self.ended_well += ended_well
        self.refused += refused
        if first is not None and (self.first is None or first < self.first):
            self.first = first


@dataclass(slots=True)
class LogsHere:
    """Which nodes' logs are here, as far as placed flows and inventories tell.

    Attributes:
        nodes: Nodes whose ztunnel wrote a half.
        unplaced: Whether halves are here whose writer's node is not known.
        expected: Nodes on which an inventory has a ztunnel.
        sources: Nodes of clients, no gateways by their names, whose ztunnel wrote nothing of them.
        awaited: Halves whose partner's ztunnel wrote nothing here, by its node; None where that is not known.
    """

    nodes: set[str] = field(default_factory=set)
    unplaced: bool = False
    expected: set[str] = field(default_factory=set)
    sources: set[str] = field(default_factory=set)
    awaited: Counter[str | None] = field(default_factory=Counter)

    def __add__(self, more: LogsHere) -> LogsHere:
        return LogsHere(
            self.nodes | more.nodes,
            self.unplaced or more.unplaced,
            self.expected | more.expected,
            self.sources | more.sources,
            self.awaited + more.awaited,
        )


Row: TypeAlias = tuple[object, ...]
"""Values of one access line in the order of `schema.RECORD`; `time` is microseconds since 1970 UTC or None."""

RECORD_NAMES: tuple[str, ...] = tuple(column.name for column in RECORD)

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def time_from_micros(micros: int) -> datetime:
    """Microseconds since 1970 as an aware UTC time; exact, unlike going through a float."""
    return _EPOCH + timedelta(microseconds=micros)


def micros_from_time(time: datetime) -> int:
    """The inverse of `time_from_micros`; `time` must be aware."""
    return (time - _EPOCH) // timedelta(microseconds=1)


def join_host_port(host: str | None, port: int | None) -> str | None:
    """`host:port` as ztunnel prints it, IPv6 in brackets; None when the host is unknown."""
    if host is None:
        return None
    shown = f"[{host}]" if ":" in host else host
    return shown if port is None else f"{shown}:{port}"


@dataclass(slots=True)
class WaypointJoin:
    """What became of the lines of waypoints' logs.

    Attributes:
        lines: Requests, and connections of plain TCP.
        decided: Those whose connection is decided.
        connections: Connections that have candidates.
        decided_connections: Those whose lines are decided.
        clocks: Milliseconds a ztunnel's clock is ahead of a waypoint's, where they differ; allowed for in the join.
        unclear: Ztunnels of whose clocks too little is known: none of their connections is decided.
        strays: Lines that lie in no connection of ztunnel's log.
        unplaced: Logs of which it is not clear which waypoint wrote them.
        unexplained: Connections that no lines explain.
        gaps: Whether these are so many that the waypoint's log must lack lines.
        heads: What was learned: bytes of a usual request's and response's head; None when nothing was.
    """

    lines: int = 0
    decided: int = 0
    connections: int = 0
    decided_connections: int = 0
    clocks: dict[str, float] = field(default_factory=dict)
    unclear: list[str] = field(default_factory=list)
    strays: int = 0
    unplaced: list[str] = field(default_factory=list)
    unexplained: int = 0
    gaps: bool = False
    heads: tuple[float, float] | None = None


@dataclass(slots=True)
class ReadReport:
    """What was read and what became of it: all counts of one reading, kept up to date while it goes on.

    Filters and time limits do not change them. Reading counts lines here, `session.Session` flows.

    Attributes:
        inputs: Counts of each input, by name, in order; an archive's member is an input.
        problems: Access lines that could not be read, the first of each input (`limits.PROBLEMS_KEPT`).
        errors: Inputs that could not be opened or broke off.
        skipped: Files of directories that do not look like logs.
        copies: Files that hold what another file of the same pod holds, byte for byte; they were left out.
        inside: Which of the inputs were found in folders and archives.
        paired_flows: Flows with both halves; None while nothing was paired.
        ambiguous_flows: Those of them whose partner was one of several equal ones.
        unpaired_halves: Flows with one half.
        open_flows: Flows without a half: a ztunnel's dump shows them open.
        open_settled: Connections of dumps that are no such flow: the other half of one, ended, of another time.
        evicted: Halves given up because a memory bound was hit.
        forgotten: Pods, addresses and ztunnels that the log told the place of, given up because a memory bound was hit.
        waypoints: What the logs of waypoints were joined to, where there were any.
        requests: What they say of requests (`aggregate.requests.SERVED`).
        written: What each ztunnel wrote, as far as a session has taken it in.
        logs: Which nodes' logs are here, as far as flows were placed.
    """

    inputs: list[tuple[str, ReadStats]] = field(default_factory=list)
    errors: list[SourceError] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)
    copies: list[str] = field(default_factory=list)
    inside: list[str] = field(default_factory=list)
    paired_flows: int | None = None
    ambiguous_flows: int | None = None
    unpaired_halves: int | None = None
    open_flows: int = 0
    open_settled: int = 0
    evicted: int = 0
    forgotten: int = 0
    waypoints: list[WaypointJoin] = field(default_factory=list)
    requests: list[pa.Table] = field(default_factory=list)
    written: dict[Writer, Written] = field(default_factory=dict)
    logs: LogsHere = field(default_factory=LogsHere)
    _problems: list[list[Problem]] = field(default_factory=list)
    _events: list[list[Fact]] = field(default_factory=list)
    _producers: list[dict[Producer, int]] = field(default_factory=list)

    @property
    def stats(self) -> ReadStats:
        """All inputs together, so far."""
        total = ReadStats()
        for _, one in self.inputs:
            total.add(one)
        return total

    @property
    def problems(self) -> list[Problem]:
        """Problems of all inputs, so far."""
        return [problem for part in self._problems for problem in part]

    @property
    def events(self) -> list[Fact]:
        """Facts of the kinds `EVENTS` of all inputs, so far."""
        return [fact for part in self._events for fact in part]

    @property
    def producers(self) -> dict[Producer, int]:
        """Lines of other programs that are known, by program, so far; they are counted as `other` or `not_ours`."""
        found: dict[Producer, int] = {}
        for part in self._producers:
            for producer, lines in part.items():
                found[producer] = found.get(producer, 0) + lines
        return found

    def singly(self) -> list[tuple[list[Problem], list[Fact], dict[Producer, int]]]:
        """Problems, events and producers of each input."""
        return list(zip(self._problems, self._events, self._producers, strict=True))

    @classmethod
    def of(cls, readings: Sequence[ReadReport]) -> ReadReport:
        """Several readings as one."""
        whole = cls()
        for one in readings:
            for name in cls.__slots__:
                known, more = getattr(whole, name), getattr(one, name)
                if name != "written":
                    setattr(whole, name, more if known is None else known if more is None else known + more)
            for writer, wrote in one.written.items():
                whole.written.setdefault(writer, Written()).add(wrote.ended_well, wrote.refused, wrote.first)
        return whole

    def register(
        self,
        source_file: str,
        stats: ReadStats,
        problems: list[Problem],
        events: list[Fact],
        producers: dict[Producer, int],
        *,
        inside: bool = False,
    ) -> None:
        """Count a stream among the inputs; what it counts is taken as it grows."""
        self._events.append(events)
        self._producers.append(producers)
        if inside:
            self.inside.append(source_file)
        self.inputs.append((source_file, stats))
        self._problems.append(problems)
