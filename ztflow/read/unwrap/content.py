"""What a wrapper gives back, and the patterns all of them share."""

from __future__ import annotations

import re
from enum import Enum
from typing import Any, NamedTuple

from ztflow.origin import NOBODY, Origin

TIME = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:\d\d)"
"""RFC 3339 as kubelets, runtimes and shippers print it."""

HEAD = (
    r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z[\t \xa0]+"
    r"(?:trace|debug|info|warn|error|TRACE|DEBUG|INFO|WARN|ERROR)(?=[\t \xa0])"
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
