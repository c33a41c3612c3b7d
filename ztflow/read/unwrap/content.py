"""What a wrapper gives back, what earlier lines taught about wrappers, and the patterns all of them share."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Any, NamedTuple

from ztflow.model.provenance import NOBODY, Origin
from ztflow.model.vocabulary import LogLevel
from ztflow.read.limits import PREFIXES

TIME = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:\d\d)"
"""RFC 3339 as kubelets, runtimes and shippers print it."""

HEAD = (
    r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z[\t \xa0]+"
    rf"(?:{'|'.join([*LogLevel, *(level.upper() for level in LogLevel)])})(?=[\t \xa0])"
)
"""How a line of ztunnel begins: its own time (six digits, UTC) and the level."""

find_head = re.compile(HEAD).search


class Part(Enum):
    """Whether a runtime cut the line apart."""

    WHOLE = 0
    MORE = 1
    """The next content of the same writer and output goes on here, without a separator."""
    END = 2
    """Ends a run of `MORE`, if there is one."""


class Content(NamedTuple):
    """What stood inside a wrapper.

    Attributes:
        text: The text inside; empty when `value` is the content.
        value: A decoded JSON object that was embedded as such.
        origin: What the wrapper says about the writer.
        part: Whether it is only a part of a line.
        stream: `stdout` or `stderr` where known; parts are joined per writer and stream.
        mended: Whether reading it meant undoing damage, not only taking a wrapper off.
        final: The text is not to be unwrapped again.
    """

    text: str = ""
    value: Any = None
    origin: Origin = NOBODY
    part: Part = Part.WHOLE
    stream: str = ""
    mended: bool = False
    final: bool = False


def text_of(value: Any) -> str | None:
    """`value` when it is text that says something."""
    return value if isinstance(value, str) and value else None


def merged(inner: Origin, outer: Origin) -> Origin:
    """The writer, when both a wrapper (`outer`) and something inside it (`inner`) say who it is.

    The inner one stands nearer to ztunnel. The outer one fills gaps only while it speaks of the same pod: around a
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
        prefixes: Wrapper prefix, exactly as it stands before the line → who it names. Only prefixes without a time.
        names: Names before a line (`POD C`, `NS POD C`) → who they mean; tells continuation lines from noise.
        section: Writer of bare lines from here on: a START marker, `Found 3 pods, using pod/X`.
        common: Labels printed once for all lines of a Loki query.
        columns: Header of the CSV being read.
        hosts: Hosts seen in its `Host` column, when it has one; None otherwise.
        changes: How often a prefix or names were learned.
    """

    prefixes: dict[str, Origin] = field(default_factory=dict)
    names: dict[str, Origin] = field(default_factory=dict)
    section: Origin = NOBODY
    common: Origin = NOBODY
    columns: list[str] | None = None
    hosts: set[str] | None = None
    changes: int = 0

    def learn_prefix(self, prefix: str, origin: Origin) -> None:
        """Remember a prefix that is the same on every line of its writer."""
        self._learn(self.prefixes, prefix, origin)

    def learn_names(self, names: str, origin: Origin) -> None:
        """Remember names that were seen before a line of ztunnel."""
        self._learn(self.names, names, origin)

    def _learn(self, known: dict[str, Origin], text: str, origin: Origin) -> None:
        if len(known) < PREFIXES and known.get(text) != origin:
            known[text] = origin
            self.changes += 1

    def copy(self) -> Memory:
        """The same memory, to be changed apart from this one."""
        return replace(self, prefixes=dict(self.prefixes), names=dict(self.names), hosts=self.hosts and set(self.hosts))
