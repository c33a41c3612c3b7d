"""What a file was called before and after a rotation, and what is in it: renamed, copied or compressed."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

from ztflow.errors import SourceError
from ztflow.read.sources.compression import MAGIC_BYTES, compression_of, decompressed
from ztflow.text.patterns import lazy_pattern

FINGERPRINT: Final = 512
"""First bytes of a file that tell it from others: a line begins with its time."""

TELLING: Final = 64
"""The fewest that do."""

_PIECE: Final = 1 << 20
_WHEN: Final = r"[.\-_](\d[\dTZ.:_\-]*|old|bak|prev)"
_PACKED: Final = r"(?:\.(?:gz|bz2|xz|zst|lz4))?"
_BEHIND: Final = lazy_pattern(_WHEN + _PACKED)
_INSIDE: Final = lazy_pattern(rf"{_WHEN}(\.[A-Za-z]+){_PACKED}")


def looked_through(folder: Path) -> tuple[dict[str, list[tuple[Path, str]]], dict[int, Path]]:
    """The files in a folder.

    Returns:
        By the names they may have had before a rotation, each with the number or date it got; and by inode.
    """
    rotated: dict[str, list[tuple[Path, str]]] = {}
    inodes: dict[int, Path] = {}
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_file(follow_symlinks=False):
                path = folder / entry.name
                inodes[entry.inode()] = path
                for former, when in _former(entry.name):
                    rotated.setdefault(former, []).append((path, when))
    return rotated, inodes


def _former(name: str) -> Iterator[tuple[str, str]]:
    """`a.log.1.gz`, `a.log-20240616`, `a-20240616.log`: all once `a.log`."""
    for at in range(1, len(name)):
        if name[at] in ".-_":
            if (behind := _BEHIND.fullmatch(name, at)) is not None:
                yield name[:at], behind[1]
            if (inside := _INSIDE.fullmatch(name, at)) is not None:
                yield name[:at] + inside[2], inside[1]


def same_beginning(one: bytes, other: bytes) -> bool:
    """Whether two files begin alike, as far as both have enough to tell."""
    length = min(len(one), len(other))
    return length >= TELLING and one[:length] == other[:length]


def content(path: Path) -> Iterator[bytes]:
    """What a file holds, decompressed."""
    with path.open("rb") as file:
        pieces = iter(lambda: file.read(_PIECE), b"")
        first = next(pieces, b"")
        packed = compression_of(first[:MAGIC_BYTES])

        def whole() -> Iterator[bytes]:
            yield first
            yield from pieces

        yield from whole() if packed is None else decompressed(whole(), packed, str(path))


def first_of(path: Path) -> bytes:
    """The first bytes of a file, decompressed; none of one that cannot be read."""
    found = b""
    with suppress(OSError, SourceError):
        for piece in content(path):
            found += piece[:FINGERPRINT]
            if len(found) >= FINGERPRINT:
                break
    return found[:FINGERPRINT]
