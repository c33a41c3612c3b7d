"""Which ztunnel wrote the lines inside an envelope (the JSON around them), found once per distinct envelope.

The compiled kernel proves what is in the middle and hands over what was around it. Here lines of known content
are put into the middle and read by the slow path; when they come out as they went in, so do all that the kernel proved
there. That what a wrapper means is known in one place only is worth the detour.
"""

from __future__ import annotations

import re
from typing import Any, Final

import orjson

from ztflow.kernel.field_text import IN_STRING, OWN_JSON
from ztflow.model.provenance import LogLine, Origin
from ztflow.read.unwrap.json_text import decoded
from ztflow.read.unwrap.unwrapper import Piece, Unwrapper
from ztflow.text.escapes import may_have_residue

_HEAD: Final = {
    "level": "info",
    "time": "2024-11-05T12:00:01.013201Z",
    "scope": "access",
    "message": "connection complete",
}
_FIELDS: Final[dict[str, Any]] = {
    "src.addr": "10.0.0.1:80", "dst.addr": "[fd00::1]:15008", "direction": "inbound", "bytes_sent": 1,
    "bytes_recv": 22, "duration": "333ms",
}  # fmt: skip
_TAIL: Final = {"error": 'a,Line,Host,message,log: 1 (b/c/d/e) stdout F [0, {"log": 2}] - POD C: x'}
"""A line that holds what wrappers look for, to detect a wrapper that looks inside the line."""

_FIRST, _SECOND = {**_HEAD, **_FIELDS}, {**_HEAD, "level": "error", **_FIELDS, **_TAIL}
_STAMP = re.compile(r"0000-00-00T[0:.,+-]*")
_CLOCK = re.compile(r"(?<=:)( ?)(1{10,}(?:\.1+)?)(?=[,}])")


def _plain(fields: dict[str, Any]) -> str:
    def shown(key: str, value: Any) -> str:
        if isinstance(value, int) or key.endswith("addr"):
            return f"{key}={value}"
        return f"{key}={orjson.dumps(value).decode()}"

    head = "\t".join(str(fields[key]) for key in ("time", "level", "scope", "message"))
    return f"{head}\t{' '.join(shown(key, value) for key, value in fields.items() if key not in _HEAD)}"


def origin_inside(unwrapper: Unwrapper, before: str, kind: str, behind: str) -> Origin | None:
    """Which ztunnel wrote the lines in an envelope, if each of them is one whole record; else None.

    Args:
        unwrapper: What is known so far; not changed.
        before: What is before the middle; the digits of times are zeros, or ones in numbers.
        kind: What is in the middle (`kernel.field_text`).
        behind: What is behind it.

    Cost: about 0.2 ms.
    """
    found: set[Origin | None] = set()
    for fields in (_FIRST, _SECOND):
        for digit in "09":  # an origin told by a time is not the same for all of them
            around = [_at_time(part, digit) for part in (before, behind)]
            found.add(_origin(unwrapper, around[0], kind, around[1], fields))
    return found.pop() if len(found) == 1 else None


def _at_time(part: str, digit: str) -> str:
    """A part of an envelope with other digits in its times."""
    part = _STAMP.sub(lambda stamp: stamp[0].replace("0", digit), part)
    return _CLOCK.sub(lambda clock: clock[0].replace("1", "7"), part) if digit != "0" else part


def _origin(unwrapper: Unwrapper, before: str, kind: str, behind: str, fields: dict[str, Any]) -> Origin | None:
    line = _plain(fields) if kind == IN_STRING else orjson.dumps(fields).decode()
    text = f"{before}{line if kind == OWN_JSON else orjson.dumps(line).decode()[1:-1]}{behind}"
    if may_have_residue(text) or text[-1:] == ")":
        return None
    read = unwrapper.json_line(text, 1) if text[:1] == "{" else None
    if read is None:
        read = _carefully(unwrapper, text)
    if read is None or (read.fields != fields if kind != IN_STRING else read[0] != line or read.fields is not None):
        return None
    return read.origin


def _carefully(unwrapper: Unwrapper, text: str) -> LogLine | None:
    """The one record of a text, if nothing has to be remembered for it."""
    trial = unwrapper.trial()
    if trial is None:
        return None
    opening = trial.document_start(text) if "{" in text or text[0] == "[" else None
    if opening is None:
        pieces = trial.line(text, 1)
    else:
        value = decoded(opening[0])
        pieces = [] if value is None else trial.value(value, text, 1, opening[1])
    if len(pieces) != 1 or trial.memory != unwrapper.memory or trial.waiting or trial.parts.came_joined:
        return None
    piece: Piece = pieces[0]
    if not piece.closed or piece.mended or piece.deep:
        return None
    return LogLine(piece.text, 1, piece.origin, piece.fields)
