"""Lines of inputs as they are in the files, found again by name and number."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TypeAlias

from ztflow.errors import SourceError
from ztflow.read.sources.archives import Stream
from ztflow.read.sources.files import find_inputs, open_found

Place: TypeAlias = tuple[str, int]
"""An input as the tables name it (a member of an archive has the archive's name before its own), and a line from 1."""


def place_of(text: str) -> Place | None:
    """The input and the line that `FILE:LINE` names; None for anything else, such as a file that is called so."""
    name, colon, number = text.rpartition(":")
    if not (colon and number.isascii() and number.isdecimal() and len(number) < _DIGITS) or Path(text).is_file():
        return None
    return (name, int(number)) if int(number) and (name == "-" or outer_file(name) is not None) else None


_DIGITS = 18
"""More than any line number has."""


def raw_line(name: str, number: int) -> str:
    """A physical line of an input, without its end.

    Args:
        name: The input as the tables name it.
        number: From 1.

    Raises:
        SourceError: It was a pipe, is not there any more, or has fewer lines.

    Cost: the input is read up to the line.
    """
    return text_of(raw_lines([(name, number)])[name, number])


def text_of(line: bytes) -> str:
    """A line as text; what is no UTF-8 is replaced."""
    return line.decode("utf-8", "replace").rstrip("\r")


def raw_lines(places: Iterable[Place], standing_for: Mapping[str, str] | None = None) -> dict[Place, bytes]:
    """Physical lines of inputs, without their ends.

    Args:
        places: Which.
        standing_for: Input that cannot be read again, such as `-` → a file that holds what was read from it.

    Raises:
        SourceError: An input was a pipe, is not there any more, or has fewer lines.

    Cost: each input is read once, up to the last line wanted.
    """
    wanted: dict[str, set[int]] = {}
    for name, number in places:
        wanted.setdefault(name, set()).add(number)
    files: dict[str, dict[str, str]] = {}
    for name, numbers in wanted.items():
        first = min(numbers)
        stored = _stored(name, standing_for or {})
        outer = outer_file(stored)
        if outer is None:
            gone = "it was read from a pipe" if name == "-" or name.startswith("<") else "it is not there"
            raise SourceError(
                name, f"cannot show line {first}: {gone}",
                hint="read the flows from a file to see their lines",
            )  # fmt: skip
        files.setdefault(outer, {})[stored] = name
    found: dict[Place, bytes] = {}
    for outer, members in files.items():
        left = dict(members)
        for one in find_inputs([outer]):
            for stream in open_found(one, lambda _: True):
                name = left.pop(stream.name, "")
                if name:
                    found |= {(name, at): line for at, line in _some(stream, wanted[name], name)}
                if not left:
                    break
                for _ in stream.chunks:  # each is to be used up before the next
                    pass
        for name in left.values():
            raise SourceError(name, f"cannot show line {min(wanted[name])}: no such member in {outer}")
    return found


def _stored(name: str, standing_for: Mapping[str, str]) -> str:
    for one, path in standing_for.items():
        if name == one or name.startswith(f"{one}/"):
            return path + name[len(one) :]
    return name


def _some(stream: Stream, numbers: set[int], name: str) -> Iterator[tuple[int, bytes]]:
    """Some lines of a stream with their numbers."""
    last = max(numbers)
    at = 0
    for at, line in enumerate(_lines(stream), 1):
        if at in numbers:
            yield at, line
        if at == last:
            return
    missing = min(number for number in numbers if number > at)
    raise SourceError(name, f"has no line {missing}; was it changed since it was read?")


def _lines(stream: Stream) -> Iterator[bytes]:
    parts: list[bytes] = []
    for chunk in stream.chunks:
        *whole, rest = chunk.split(b"\n")
        if whole:
            yield b"".join([*parts, whole[0]])
            yield from whole[1:]
            parts = []
        parts.append(rest)
    last = b"".join(parts)
    if last:
        yield last


def outer_file(name: str) -> str | None:
    """The file the name of an input begins with: itself, or the archive it is in."""
    try:
        while name and not Path(name).is_file():
            name = name.rpartition("/")[0]
    except (OSError, ValueError):  # too long for a name, or with a NUL
        return None
    return name or None
