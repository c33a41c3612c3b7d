"""Shared by all wrappers: what one returns, what earlier lines taught, and common patterns."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Any, Generic, NamedTuple, TypeVar

from ztflow.model.provenance import NOBODY, Origin
from ztflow.model.vocabulary import LogLevel
from ztflow.read.limits import PREFIXES
from ztflow.text.patterns import lazy_pattern

RFC3339_TIME = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:\d\d)"
"""RFC 3339 as kubelets, runtimes and shippers print it."""

HEAD = (
    r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z[\t \xa0]+"
    rf"(?:{'|'.join([*LogLevel, *(level.upper() for level in LogLevel)])})(?=[\t \xa0])"
)
"""How a line of ztunnel begins: its own time (six digits, UTC) and the level."""

find_head = lazy_pattern(HEAD).search

cri_head = lazy_pattern(rf"({RFC3339_TIME}) (stdout|stderr) ([FP])(?::[^ ]*)?(?: |$)").match
"""The head a runtime puts before each line or part of one: time, output, tag."""


class Cut(Enum):
    """Whether a runtime cut the line apart."""

    WHOLE = 0
    MORE = 1
    """The next content of the same ztunnel and output goes on here, without a separator."""
    END = 2
    """Ends a run of `MORE`, if there is one."""


class Content(NamedTuple):
    """What was inside a wrapper.

    Attributes:
        text: The text inside; empty when `value` is the content.
        value: A decoded JSON object that was embedded as such.
        origin: What the wrapper says about the ztunnel.
        part: Whether it is only a part of a line.
        stream: `stdout` or `stderr` where known; parts are joined per ztunnel and stream.
        stamp: The runtime's time of a part, as written; parts of one line mostly share it.
        mended: Whether reading it meant undoing damage, not only taking a wrapper off.
        final: The text is not to be unwrapped again.
        place: Where it was found, when no known reader proposed it.
        problem: Why a line that was here cannot be read, when its shipper left it out.
    """

    text: str = ""
    value: Any = None
    origin: Origin = NOBODY
    part: Cut = Cut.WHOLE
    stream: str = ""
    mended: bool = False
    final: bool = False
    stamp: str = ""
    place: str = ""
    problem: str = ""


def text_of(value: Any) -> str | None:
    """`value` if it is a non-empty text."""
    return value if isinstance(value, str) and value else None


def merged(inner: Origin, outer: Origin) -> Origin:
    """The ztunnel, when both a wrapper (`outer`) and something inside it (`inner`) name one.

    The inner one is nearer to ztunnel. The outer one fills gaps only if it names the same pod: around a
    shipper's own output it describes the shipper.
    """
    if inner is NOBODY or inner == NOBODY:
        return outer
    if outer is NOBODY or outer == NOBODY or (inner.pod and outer.pod and inner.pod != outer.pod):
        return inner
    return Origin(*(a if a is not None else b for a, b in zip(inner, outer, strict=True)))


@dataclass(slots=True)
class Memory:
    """Learned from earlier lines; bounded.

    Attributes:
        prefixes: Wrapper prefix, letter by letter → the ztunnel it names. Only prefixes without a time.
        names: Names before a line (`POD C`, `NS POD C`) → the ztunnel they name; tells continuation lines from noise.
        section: Writer of bare lines from here on: a START marker, `Found 3 pods, using pod/X`.
        common: Labels printed once for all lines of a Loki query.
        columns: Header of the CSV being read.
        hosts: Hosts seen in its `Host` column, when it has one; None otherwise.
        padded: Header of the table padded with blanks that is being read.
        resource: Writer of the records of the OpenTelemetry dump that is being read.
        attributes: Its resource's attributes, while they are being listed.
        changes: How often a prefix or names were learned.
    """

    prefixes: dict[str, Origin] = field(default_factory=dict)
    names: dict[str, Origin] = field(default_factory=dict)
    section: Origin = NOBODY
    common: Origin = NOBODY
    columns: list[str] | None = None
    hosts: set[str] | None = None
    padded: list[str] | None = None
    resource: Origin = NOBODY
    attributes: dict[str, str] | None = None
    changes: int = 0

    def learn_prefix(self, prefix: str, origin: Origin) -> None:
        """Remember a prefix that is the same on every line of its ztunnel."""
        self._learn(self.prefixes, prefix, origin)

    def learn_names(self, names: str, origin: Origin) -> None:
        """Remember names that were seen before a line of ztunnel."""
        self._learn(self.names, names, origin)

    def _learn(self, known: dict[str, Origin], text: str, origin: Origin) -> None:
        if len(known) < PREFIXES and known.get(text) != origin:
            known[text] = origin
            self.changes += 1

    def copy(self) -> Memory:
        """A copy that may be changed apart from this one."""
        return replace(
            self, prefixes=dict(self.prefixes), names=dict(self.names), hosts=self.hosts and set(self.hosts),
            attributes=self.attributes and dict(self.attributes),
        )  # fmt: skip


T = TypeVar("T")

_CLUSTER = lazy_pattern(r"-[A-Za-z][A-Za-z0-9-]{2,}")
"""A cluster's name has to be a word: node names of one pool share shorter endings and numbers by chance."""

HELD = 1000
"""Rows held until a second node is seen; an export of one node alone keeps the whole name."""


def cluster_ending(hosts: Collection[str]) -> str:
    """`-CLUSTER`, when all of at least two hosts end in it; else empty.

    Examples:
        >>> cluster_ending({"ambient-worker-mesh", "ambient-worker2-mesh"})
        '-mesh'
    """
    if len(hosts) < 2:
        return ""
    ending = min(hosts, key=len)
    while ending and not (ending[0] == "-" and all(host.endswith(ending) for host in hosts)):
        ending = ending[1:]
    return ending if _CLUSTER.fullmatch(ending) and all(host != ending for host in hosts) else ""


class HostColumn(Generic[T]):
    """Rows of an export whose hosts carry the cluster's name, until it is known where the node's name ends.

    Args:
        shorten: Gives a row without an ending of its node.

    Attributes:
        hosts: As they are written in the column.

    Memory: `HELD` rows.
    """

    def __init__(self, shorten: Callable[[T, str], T]) -> None:
        self.hosts: set[str] = set()
        self._shorten = shorten
        self._held: list[T] = []
        self._ending: str | None = None

    def settle(self, rows: list[T]) -> list[T]:
        """Rows whose node is sure now, in order."""
        if self._ending is not None:
            return [self._shorten(row, self._ending) for row in rows]
        self._held += rows
        if len(self.hosts) < 2 and len(self._held) < HELD:
            return []
        return self.finish()

    def finish(self) -> list[T]:
        """All rows held, at the end of the input."""
        if self._ending is None:
            self._ending = cluster_ending(self.hosts)
        held, self._held = self._held, []
        return [self._shorten(row, self._ending) for row in held]

    @property
    def waiting(self) -> bool:
        """Whether rows are held."""
        return bool(self._held)
