"""What is to be read, in pieces that workers can read: blocks of plain files, other files whole.

A piece is a stretch of bytes; to it belong the lines that begin in it. Files are local ones, which every worker must
see under the same path, or addresses that fsspec knows (`s3://`, `gs://`, `https://`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any, BinaryIO, Final, TypeGuard

from ztflow.cluster.sizing import Sizes
from ztflow.errors import SourceError
from ztflow.model.provenance import NOBODY, Origin
from ztflow.read.saved.recognise import TABLE_HEAD, is_table
from ztflow.read.sources.archives import is_archive
from ztflow.read.sources.compression import MAGIC_BYTES, compression_of
from ztflow.read.sources.files import Found, Input, find_inputs, is_loki
from ztflow.read.sources.folders import Skipped, is_archive_name, is_log_name
from ztflow.read.sources.given import Given
from ztflow.read.sources.naming import origin_of_path

_LINE_BYTES: Final = 450
"""Bytes of an access line, about, without and with what a shipper puts around it."""
_PACKED: Final = 10
"""How many times as long a compressed log becomes, about."""
_CHUNK: Final = 16 << 20
"""Bytes read at once."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of an input.

    Attributes:
        name: The input as the user named it.
        path: Where it is; None for what only this process can read.
        start: The first byte.
        stop: Behind the last byte in which a line of it may begin.
        size: Bytes of the input.
        last: Whether nothing comes behind it.
        cut: Whether it is a plain file, which is cut; else it is read by one task as a whole.
        origin: Who wrote it, by its path.
        inside: Whether it was found in a folder.
        beside: See `Found`.
        given: What to read in this process.
    """

    name: str
    path: str | None
    start: int = 0
    stop: int = 0
    size: int = 0
    last: bool = True
    cut: bool = False
    origin: Origin = NOBODY
    inside: bool = False
    beside: frozenset[str] = frozenset()
    given: Given | None = None

    def whole(self) -> Piece:
        """The whole input as one piece, to be read in one go."""
        return replace(self, start=0, stop=self.size, last=True, cut=False)


def plan(
    inputs: Sequence[Given], skipped: Skipped, fail: Callable[[SourceError], None], sizes: Sizes
) -> list[list[Piece]]:
    """The pieces of every input, in order.

    Args:
        inputs: As for `read.read_inputs`, and addresses of objects.
        skipped: Filled with files of directories that are not read.
        fail: Called with an input that cannot be read.
        sizes: How large blocks are.
    """
    pieces: list[list[Piece]] = []
    for one in inputs:
        try:
            if is_address(one):
                pieces += [[_whole_or_not(piece)] for piece in _objects(one)]
            elif isinstance(one, str | Path) and str(one) != "-" and not is_loki(str(one)):
                pieces += [[_of_file(file)] for file in find_inputs([one], on_error=fail, skipped=skipped)]
            else:
                name = one if isinstance(one, str) else getattr(one, "name", None)
                pieces.append([Piece(name if isinstance(name, str) else "-", None, given=one)])
        except SourceError as error:
            fail(error)
    left = size = sum(one.size for (one,) in pieces if one.cut)
    cut = []
    for (piece,) in pieces:
        cut.append(_in_blocks(piece, partial(sizes.block_of, size=size), left) if piece.cut else [piece])
        left -= piece.size if piece.cut else 0
    return cut


def expected_lines(piece: Piece) -> int:
    """How many access lines are in a piece, about, at most."""
    return (piece.stop - piece.start) * (1 if piece.cut else _PACKED) // _LINE_BYTES


def is_address(name: Given) -> TypeGuard[str]:
    """Whether an input is the address of an object that fsspec reads."""
    return isinstance(name, str) and "://" in name and not is_loki(name) and not Path(name).exists()


def _objects(address: str) -> Iterator[Piece]:
    """The objects at an address, or below it."""
    system, path = _system(address)
    try:
        if any(sign in path for sign in "*?["):
            paths = [one for one in sorted(system.glob(path)) if system.isfile(one)]
        elif system.isdir(path):
            paths = [one for one in sorted(system.find(path)) if is_log_name(one) or is_archive_name(one)]
        else:
            paths = [path]
        if not paths:
            raise SourceError(address, "no object matches")
        for one in paths:
            size = system.size(one)
            name = address if one == path else str(system.unstrip_protocol(one))
            yield Piece(name, name, stop=size or 0, size=size or 0, origin=origin_of_path(name))
    except (OSError, ValueError) as error:
        raise SourceError(address, _said(error)) from error


def _system(address: str) -> tuple[Any, str]:
    scheme = address.partition("://")[0]
    try:
        from fsspec.core import url_to_fs

        system, path = url_to_fs(address)
    except (ImportError, ValueError) as error:
        hint = f"is fsspec's package for {scheme} installed?"
        raise SourceError(address, f"cannot be read: {error}", hint=hint) from error
    return system, path


def _of_file(found: Found) -> Piece:
    if found.path is None or not Path(found.path).is_file():  # a named pipe
        return Piece(found.name, None, given=found.path)
    path = str(Path(found.path).absolute())
    origin = origin_of_path(found.name, found.beside)
    size = found.size or 0
    whole = Piece(found.name, path, 0, size, size, origin=origin, inside=found.inside, beside=found.beside)
    return _whole_or_not(whole)


def _whole_or_not(piece: Piece) -> Piece:
    """A file with what is to become of it: a plain one is cut, anything else read as a whole."""
    assert piece.path is not None
    with opened(piece.path, piece.name) as file:
        head = file.read(TABLE_HEAD)
    packed = compression_of(head[:MAGIC_BYTES]) is not None or is_archive(head) or is_archive_name(piece.name)
    return piece.whole() if not piece.size or packed or is_table(head) else replace(piece, cut=True)


def _in_blocks(piece: Piece, block_of: Callable[[int], int], left: int) -> list[Piece]:
    """A file in blocks: of so many bytes, when it and what comes behind it are so many."""
    edges = [0]
    while edges[-1] < piece.size:
        edges.append(min(edges[-1] + block_of(left - edges[-1]), piece.size))
    return [replace(piece, start=start, stop=stop, last=stop == piece.size) for start, stop in pairwise(edges)]


def found(piece: Piece) -> Input:
    """A piece as `read_inputs` takes it, under the name the user gave."""
    if piece.path is None:
        assert piece.given is not None
        return piece.given
    if is_address(piece.path):
        return Found(piece.name, stream=opened(piece.path, piece.name), size=piece.size, alone=False)
    return Found(piece.name, piece.path, size=piece.size, inside=piece.inside, beside=piece.beside, alone=False)


def opened(path: str, name: str) -> BinaryIO:
    """A file or an object, open for reading.

    Raises:
        SourceError: It cannot be opened.
    """
    try:
        if not is_address(path):
            return Path(path).open("rb")
        system, inside = _system(path)
        file: BinaryIO = system.open(inside, "rb")
    except OSError as error:
        raise SourceError(name, _said(error)) from error
    return file


def lines_of_piece(piece: Piece) -> Iterator[bytes]:
    """The lines that begin in a piece, in chunks that begin and end anywhere.

    Raises:
        SourceError: It cannot be read.
    """
    assert piece.path is not None
    with opened(piece.path, piece.name) as file:
        try:
            at = file.seek(max(0, piece.start - 1))
            skipping = piece.start > 0
            while chunk := file.read(min(_CHUNK, piece.stop - at) if at < piece.stop else 1 << 16):
                behind = at + len(chunk)
                begin = 0
                if skipping:  # the line before this piece may go on into it
                    begin = chunk.find(b"\n") + 1
                    skipping = not begin
                    if at + (begin or len(chunk)) >= piece.stop:
                        return
                    if skipping:
                        at = behind
                        continue
                if at >= piece.stop:  # the last line goes on
                    end = chunk.find(b"\n") + 1
                    yield chunk[: end or len(chunk)]
                    if end:
                        return
                else:
                    yield chunk[begin:]
                    if behind >= piece.stop and chunk.endswith(b"\n"):
                        return
                at = behind
        except OSError as error:
            raise SourceError(piece.name, _said(error)) from error


def _said(error: Exception) -> str:
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return text[:1].lower() + text[1:]
