"""Lines of inputs as they are in the files, found again by name and number."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TypeAlias

from ztflow.errors import SourceError
from ztflow.read.sources.archives import Stream
from ztflow.read.sources.files import find_inputs, open_found

Place: TypeAlias = tuple[str, int]
"""An input as the tables name it (a member of an archive has the archive's name before its own), and a line from 1."""


def place_of(text: str) -> Place | None:
    """The input and the line that `FILE:LINE` names; None for any other text, a file that is called so, an address."""
    name, colon, number = text.rpartition(":")
    if not (colon and number.isascii() and number.isdecimal() and len(number) < _DIGITS and int(number)):
        return None
    return None if not name or "://" in text or "\n" in text or outer_file(text) == text else (name, int(number))


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
    wanted = _by_file(places)
    files = {name: outer_file(_stored(name, standing_for or {})) for name in wanted}
    for name, outer in files.items():
        if outer is None:
            pipe = name == "-" or name.startswith("<")
            gone = "it was read from a pipe" if pipe else "it is not there"
            hint = "read the flows from a file to see their lines" if pipe else ""
            raise SourceError(name, f"cannot show line {min(wanted[name])}: {gone}", hint=hint)
    found: dict[Place, bytes] = {}
    for outer in dict.fromkeys(filter(None, files.values())):
        members = {_stored(name, standing_for or {}): name for name in wanted if files[name] == outer}
        found.update(_in_file(outer, members, wanted))
        for name in members.values():
            missing = min((number for number in wanted[name] if (name, number) not in found), default=None)
            if missing is not None:
                raise SourceError(name, f"has no line {missing}; was it changed since it was read?")
    return found


def readable_lines(places: Iterable[Place]) -> dict[Place, str]:
    """The same as text, as far as it can be read again; a pipe, or a file that is gone, gives none."""
    wanted = _by_file(places)
    found: dict[Place, str] = {}
    for outer in dict.fromkeys(filter(None, map(outer_file, wanted))):
        members = {name: name for name in wanted if outer_file(name) == outer}
        with suppress(SourceError, OSError):
            found.update((place, text_of(line)) for place, line in _in_file(outer, members, wanted))
    return found


def _by_file(places: Iterable[Place]) -> dict[str, set[int]]:
    wanted: dict[str, set[int]] = {}
    for name, number in places:
        wanted.setdefault(name, set()).add(number)
    return wanted


def _in_file(outer: str, members: Mapping[str, str], wanted: Mapping[str, set[int]]) -> Iterator[tuple[Place, bytes]]:
    """The lines that are wanted of a file or of members of an archive.

    Args:
        outer: The file.
        members: Name of an input as it is stored → as the tables name it.
        wanted: Numbers of lines by the latter.
    """
    left = set(members)
    for one in find_inputs([outer]):
        for stream in open_found(one, lambda _: True):
            if stream.name in left:
                left.discard(stream.name)
                name = members[stream.name]
                yield from (((name, at), line) for at, line in _some(stream, wanted[name]))
            if not left:
                return
            for _ in stream.chunks:  # each is to be used up before the next
                pass


def _stored(name: str, standing_for: Mapping[str, str]) -> str:
    for one, path in standing_for.items():
        if name == one or name.startswith(f"{one}/"):
            return path + name[len(one) :]
    return name


def _some(stream: Stream, numbers: set[int]) -> Iterator[tuple[int, bytes]]:
    """Some lines of a stream with their numbers; reads no further than the last of them."""
    last = max(numbers)
    for at, line in enumerate(_lines(stream), 1):
        if at in numbers:
            yield at, line
        if at == last:
            return


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
