"""Which ztunnel wrote the lines in an envelope (the JSON around them), found once per distinct envelope.

The compiled kernel proves what is in the middle and hands over what was around it. Here lines of known content
are put into the middle and read by the slow path; when they come out as they went in, so do all that the kernel proved
there. That what a wrapper means is known in one place only is worth the detour.

What the kernel takes for one envelope may differ in its times and numbers, in the order of its members, and in what
else is in an array beside the record. So the trial is repeated with all of that changed: it must not change the answer.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from itertools import cycle
from json.encoder import encode_basestring
from typing import Any, Final

import orjson

from ztflow.kernel.field_text import IN_STRING, OWN_JSON
from ztflow.model.provenance import LogLine, Origin
from ztflow.read.framing.margins import margin_of
from ztflow.read.framing.wrecks import is_orphan, row_start
from ztflow.read.unwrap.content import find_head
from ztflow.read.unwrap.json_text import decoded
from ztflow.read.unwrap.marks import mark_count
from ztflow.read.unwrap.unwrapper import Unwrapper
from ztflow.text.escapes import may_have_residue
from ztflow.text.patterns import lazy_pattern

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

_MARK: Final = "\ue000"
"""Stands for the line."""
_VARYING: Final = lazy_pattern(
    r"(?P<time>\d{4}-\d\d-\d\dT[0-9:.,+-]*)|\"(?P<clock>\d{10,})\"|(?<=[:,\[ ])-?\d[\d.eE+-]{2,}(?=[,}\] ]|$)"
)
"""What the kernel takes for the same in all envelopes: times, texts of digits, numbers of three or more characters."""
_STRING: Final = lazy_pattern(rb'(?:[^"\\]|\\.)*+')
_DIGIT, _FRACTION = lazy_pattern(r"\d"), lazy_pattern(r"(?<=\.)\d+")


class _Members(list[tuple[str, Any]]):
    """The members of an object in their order, those of equal names among them."""


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
        before: What is before the middle.
        kind: What is in the middle (`kernel.field_text`).
        behind: What is behind it.

    Cost: about 1 ms; 0.1 ms when the first trial fails.
    """
    text = f'{before}"{_MARK}"{behind}' if kind == OWN_JSON else f"{before}{_MARK}{behind}"
    origin = _origin(unwrapper, text, kind, _FIRST)
    if origin is None:
        return None
    for number, shape in enumerate(_shapes(text)):
        if _origin(unwrapper, shape, kind, (_SECOND, _FIRST)[number % 2]) != origin:
            return None
    for crowd in _crowds(text):
        found = _read(unwrapper, crowd, kind, _FIRST)
        if len(found) != crowd.count(_MARK) or found[0] != origin or found[-1] != origin:
            return None
    return origin


def _shapes(text: str) -> Iterator[str]:
    """The same envelope with other times and numbers, then with its members in another order."""
    yield text
    for digit, longer in (("1", 0), ("7", 4)):
        yield _VARYING.sub(lambda found, digit=digit, longer=longer: _other_digits(found, digit, longer), text)  # type: ignore[misc]
    for digits in "123456789", "987654321":
        numbers = cycle(digits)
        yield _VARYING.sub(lambda found, numbers=numbers: _other_digits(found, next(numbers), 0), text)  # type: ignore[misc]
    head, value, tail = _parsed(text)
    for key in (None, lambda pair: pair[0]):
        yield head + _dumped(_sorted(value, key)) + tail


def _other_digits(found: re.Match[str], digit: str, longer: int) -> str:
    """A time or a number with another digit everywhere, and with more of them, or other fractions of a second."""
    text = _DIGIT.sub(digit, found[0])
    if not longer or found["clock"]:
        return text
    if found["time"]:
        return _FRACTION.sub(digit * (3 if "." in text and len(text.partition(".")[2]) > 4 else 6), text)
    return text + digit * longer


def _crowds(text: str) -> Iterator[str]:
    """The record between others, in each array it is an element of, or part of one."""
    head, value, tail = _parsed(text)
    for path in _arrays(value):
        for other in (lambda text: f"zz-{text}", lambda text: f"zz{text[text.rfind('-') :]}"):
            yield head + _dumped(_crowded(value, path, other)) + tail


def _parsed(text: str) -> tuple[str, Any, str]:
    """The JSON of a text, with what is before and behind it."""
    start = 0 if is_json(text) else text.index("{" if "{" in text else f'"{_MARK}"')
    value, stop = _DECODER.raw_decode(text, start)
    return text[:start], value, text[stop:]


_DECODER: Final = json.JSONDecoder(object_pairs_hook=_Members)


def _dumped(value: Any) -> str:
    """JSON, compact."""
    if isinstance(value, _Members):
        return "{" + ",".join(f"{encode_basestring(key)}:{_dumped(inner)}" for key, inner in value) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(_dumped, value)) + "]"
    return encode_basestring(value) if isinstance(value, str) else json.dumps(value)


def _holds(value: Any) -> bool:
    """Whether the line is in a value."""
    if isinstance(value, _Members):
        return any(_holds(inner) for _, inner in value)
    if isinstance(value, list):
        return any(map(_holds, value))
    return isinstance(value, str) and _MARK in value


def _sorted(value: Any, key: Callable[[tuple[str, Any]], str] | None) -> Any:
    """Members, and objects in arrays, the other way round; or members by a key."""
    if isinstance(value, _Members):
        pairs = [(name, _sorted(inner, key)) for name, inner in value]
        return _Members(sorted(pairs, key=key) if key else reversed(pairs))
    if isinstance(value, list):
        inner = [_sorted(one, key) for one in value]
        return inner[::-1] if all(isinstance(one, list) for one in value) else inner
    return value


def _arrays(value: Any) -> Iterator[tuple[int, ...]]:
    """Paths to the arrays whose element, an object or array, holds the line."""
    if not isinstance(value, list):
        return
    for place, one in enumerate(value):
        inner = one[1] if isinstance(value, _Members) else one
        if isinstance(inner, list) and _holds(inner):
            if not isinstance(value, _Members):
                yield ()
            yield from ((place, *path) for path in _arrays(inner))


def _crowded(value: Any, path: tuple[int, ...], other: Callable[[str], str]) -> Any:
    """A value in which the array at a path has three elements for the one with the line: it, another, and it."""
    if path:
        place, *rest = path
        inner = [*value]
        if isinstance(value, _Members):
            inner[place] = value[place][0], _crowded(value[place][1], tuple(rest), other)
            return _Members(inner)
        inner[place] = _crowded(value[place], tuple(rest), other)
        return inner
    found: list[Any] = []
    for one in value:
        is_it = isinstance(one, list) and _holds(one)
        found += [one, _other(one, other), one] if is_it else [one]
    return found


def _other(value: Any, other: Callable[[str], str]) -> Any:
    """A value whose texts are others."""
    if isinstance(value, _Members):
        return _Members((name, _other(inner, other)) for name, inner in value)
    if isinstance(value, list):
        return [_other(one, other) for one in value]
    return other(value) if isinstance(value, str) and _MARK not in value else value


def _origin(unwrapper: Unwrapper, shape: str, kind: str, fields: dict[str, Any]) -> Origin | None:
    found = _read(unwrapper, shape, kind, fields)
    return found[0] if len(found) == 1 else None


def _read(unwrapper: Unwrapper, shape: str, kind: str, fields: dict[str, Any]) -> list[Origin]:
    """Who wrote the lines of an envelope, where the mark is; none when it is not read as just them."""
    line = _plain(fields) if kind == IN_STRING else orjson.dumps(fields).decode()
    if kind == OWN_JSON:
        text = shape.replace(f'"{_MARK}"', line)
    else:
        text = shape.replace(_MARK, orjson.dumps(line).decode()[1:-1])
    if may_have_residue(text) or text[-1:] == ")":
        return []
    read = unwrapper.json_line(text, 1) if text[:1] == "{" else None
    records = _carefully(unwrapper, text) if read is None else [read]
    if kind == IN_STRING:
        is_it = all(one.text == line and one.fields is None for one in records)
    else:
        is_it = all(one.fields == fields for one in records)
    return [one.origin for one in records] if is_it else []


def _carefully(unwrapper: Unwrapper, text: str) -> list[LogLine]:
    """The records of a text, if nothing has to be remembered for them."""
    trial = unwrapper.trial()
    if trial is None:
        return []
    if is_orphan(text) or row_start(text) is not None or margin_of(text) is not None:
        return []
    opening = trial.document_start(text) if "{" in text or text[0] == "[" else None
    if opening is None:
        pieces = trial.line(text, 1)
    else:
        value = decoded(opening[0])
        pieces = [] if value is None else trial.value(value, text, 1, opening[1])
    if trial.memory != unwrapper.memory or trial.waiting or trial.parts.joined or trial.parts.came_joined:
        return []
    if not all(piece.closed and not (piece.mended or piece.deep or piece.place or piece.problem) for piece in pieces):
        return []
    return [LogLine(piece.text, 1, piece.origin, piece.fields) for piece in pieces]


def plain_inside(around: str, raw: bytes) -> str | None:
    """The text of a line inside a proved envelope, when nothing else has to be taken off it; None for all other cases.

    Args:
        around: The envelope: the text before, a line end, the kind of the line, the text behind.
        raw: The line as it is in its JSON string.
    """
    if around[around.index("\n") + 1] != IN_STRING:
        return None
    try:
        text = orjson.loads(b'"%b"' % raw)
    except ValueError:
        return None
    assert isinstance(text, str)
    head = find_head(text)
    if head is None or head.start() or text[-1:] in {")", "="} or mark_count(text) > 1:
        return None
    return None if may_have_residue(text) or not text.replace("\t", "").isprintable() else text


def alone(around: str, raw: bytes) -> bytes:
    """A physical line with a line inside a proved envelope, as if no other had been there."""
    before, _, behind = around.partition("\n")
    return b"%b%b%b\n" % (before.encode(), raw, behind[1:].encode())


def is_json(text: str) -> bool:
    """Whether nothing is before the JSON of an envelope."""
    return text.startswith(("{", "[{", "[["))


def is_read_whole(around: str | None) -> bool:
    """Whether a physical line with this envelope has to be read as one when something in it may be damaged."""
    return around is None or not is_json(around) or f"\n{OWN_JSON}" in around


def string_stop(data: memoryview, start: int) -> int:
    """Where the line stops that begins here in a JSON string: before its closing quote, or the line end before that."""
    found = _STRING.match(data, start)
    assert found is not None
    return found.end() - 2 if found[0].endswith(b"\\n") and not found[0].endswith(b"\\\\n") else found.end()
