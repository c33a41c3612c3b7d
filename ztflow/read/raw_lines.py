"""One line of an input as it is in the file, found again by its name and number."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from ztflow.errors import SourceError
from ztflow.read.sources.archives import Stream
from ztflow.read.sources.files import find_inputs, open_found


def raw_line(name: str, number: int) -> str:
    """A physical line of an input, without its end.

    Args:
        name: The input as the tables name it; a member of an archive has the archive's name before its own.
        number: From 1.

    Raises:
        SourceError: It was a pipe, is not there any more, or has fewer lines.

    Cost: the input is read up to the line.
    """
    outer = _outer(name)
    if outer is None:
        gone = "it was read from a pipe" if name == "-" or name.startswith("<") else "it is not there"
        raise SourceError(
            name, f"cannot show line {number}: {gone}", hint="read the flows from a file to see their lines"
        )
    for found in find_inputs([outer]):
        for stream in open_found(found, lambda _: True):
            if stream.name == name:
                for at, line in enumerate(_lines(stream), 1):
                    if at == number:
                        return line.decode("utf-8", "replace").rstrip("\r")
                raise SourceError(name, f"has no line {number}; was it changed since it was read?")
            for _ in stream.chunks:  # each is to be used up before the next
                pass
    raise SourceError(name, f"cannot show line {number}: no such member in {outer}")


def raw_lines(places: Iterable[tuple[str, int]]) -> dict[tuple[str, int], str]:
    """Physical lines of inputs, as far as they can be read again; a pipe, or a file that is gone, gives none.

    Args:
        places: Inputs as the tables name them, and numbers from 1.

    Cost: each input is read once, up to its last line that is wanted.
    """
    wanted: dict[str, set[int]] = {}
    for name, number in places:
        wanted.setdefault(name, set()).add(number)
    inputs = dict.fromkeys(outer for name in wanted if (outer := _outer(name)) is not None)
    found: dict[tuple[str, int], str] = {}
    for outer in inputs:
        try:
            for source in find_inputs([outer]):
                for stream in open_found(source, lambda _: True):
                    found.update(_chosen(stream, wanted.get(stream.name, set())))
                    if stream.name == outer:  # no archive: nothing comes behind what was wanted
                        break
                    for _ in stream.chunks:  # each is to be used up before the next
                        pass
        except (SourceError, OSError):
            continue
    return found


def _chosen(stream: Stream, numbers: set[int]) -> Iterator[tuple[tuple[str, int], str]]:
    """Lines of an input by number; reads no further than the last of them."""
    left = len(numbers)
    if left:
        for at, line in enumerate(_lines(stream), 1):
            if at in numbers:
                yield (stream.name, at), line.decode("utf-8", "replace").rstrip("\r")
                left -= 1
                if not left:
                    break


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


def _outer(name: str) -> str | None:
    """The file a name begins with: itself, or the archive it is in."""
    while name and not _is_file(name):
        name = name.rpartition("/")[0]
    return name or None


def _is_file(name: str) -> bool:
    try:
        return Path(name).is_file()
    except (OSError, ValueError):  # too long for a name, or with a character that none can have
        return False
