"""Compressed bytes to bytes: gzip, bzip2, xz, Zstandard, LZ4, recognised by their first bytes, not by name.

Members that are behind each other (`cat a.gz b.gz`, rotated and appended logs) are read as one. A stream that ends
early gives what it holds before the error.
"""

from __future__ import annotations

import bz2
import io
import lzma
import zlib
from collections.abc import Callable, Iterator
from typing import Any, Protocol

from ztflow.errors import SourceError
from ztflow.read.limits import DECOMPRESSION_RATIO, RATIO_FROM

_PIECE = 1 << 20
_ARROW_PIECE = 1 << 15
"""pyarrow loses the piece in which a cut stream breaks off, so pieces are small."""

_MAGIC = (
    (b"\x1f\x8b", "gzip"),
    (b"BZh", "bzip2"),
    (b"\xfd7zXZ\x00", "xz"),
    (b"\x28\xb5\x2f\xfd", "zstd"),
    (b"\x04\x22\x4d\x18", "lz4"),
)
MAGIC_BYTES = 6
"""First bytes needed to recognise a compression."""
LIFT = "if you trust it, unpack it yourself and give what comes out"
"""How to read what the guard refuses: what is not compressed has no bound."""


class _Decompressor(Protocol):
    @property
    def eof(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    @property
    def needs_input(self) -> bool: ...
    def decompress(self, data: bytes, max_length: int = ..., /) -> bytes: ...


class _Gzip:
    """zlib's decompressor with the interface of the other two."""

    def __init__(self) -> None:
        self._inner = zlib.decompressobj(31)

    @property
    def eof(self) -> bool:
        return self._inner.eof

    @property
    def unused_data(self) -> bytes:
        return self._inner.unused_data

    @property
    def needs_input(self) -> bool:
        return not self._inner.unconsumed_tail

    def decompress(self, data: bytes, max_length: int = -1, /) -> bytes:
        return self._inner.decompress(self._inner.unconsumed_tail + data, max_length)


_MAKERS: dict[str, Callable[[], _Decompressor]] = {
    "gzip": _Gzip,
    "bzip2": bz2.BZ2Decompressor,
    "xz": lzma.LZMADecompressor,
}


def compression_of(head: bytes) -> str | None:
    """The compression a stream with these first bytes has, or None."""
    return next((name for magic, name in _MAGIC if head.startswith(magic)), None)


def decompressed(chunks: Iterator[bytes], name: str, source: str, whole: Budget | None = None) -> Iterator[bytes]:
    """The bytes inside a compressed stream.

    Args:
        chunks: The compressed bytes.
        name: What `compression_of` said.
        source: The input as the user named it, for errors.
        whole: Of the file it is in, for what is compressed more than once.

    Raises:
        SourceError: The stream is cut or damaged, or yields more than `limits.DECOMPRESSION_RATIO` times its size.
    """
    guard = Budget()
    pieces = _members(chunks, name, source, guard) if name in _MAKERS else _arrow(chunks, name, source, guard)
    for piece in pieces:
        guard.gave(piece, source)
        if whole is not None:
            whole.gave(piece, source)
        yield piece


class Budget:
    """Limits the ratio of the bytes that come out to those that went in, of one stream or of all inside a file."""

    def __init__(self) -> None:
        self.taken = 0
        self.given = 0

    def took(self, chunks: Iterator[bytes]) -> Iterator[bytes]:
        """Count the bytes that go in."""
        for chunk in chunks:
            self.taken += len(chunk)
            yield chunk

    def gave(self, piece: bytes, source: str) -> None:
        """Count bytes that came out.

        Raises:
            SourceError: They are too many.
        """
        self.given += len(piece)
        if self.given > RATIO_FROM and self.given > DECOMPRESSION_RATIO * self.taken:
            raise SourceError(
                source,
                f"decompresses to more than {DECOMPRESSION_RATIO} times its size",
                hint=f"no log does; {LIFT}",
            )


def _members(chunks: Iterator[bytes], name: str, source: str, guard: Budget) -> Iterator[bytes]:
    make = _MAKERS[name]
    inner = make()
    fresh = True
    for chunk in chunks:
        guard.taken += len(chunk)
        data = chunk
        while data or not (fresh or inner.needs_input):
            if fresh:
                data = data.lstrip(b"\0")  # padding between members
                if not data:
                    break
            try:
                piece = inner.decompress(data, _PIECE)
            except (zlib.error, OSError, lzma.LZMAError, EOFError, ValueError) as fault:
                what = "is followed by something else" if fresh and guard.given else "is damaged"
                hint = "what came before is read"
                raise SourceError(source, f"the {name} data {what}: {fault}", hint=hint) from fault
            fresh = False
            data = b""
            if piece:
                yield piece
            if inner.eof:
                data, inner, fresh = inner.unused_data, make(), True
    if not fresh:
        raise SourceError(source, f"the {name} data ends early", hint="what came before is read; is it still written?")


class _Chunks(io.RawIOBase):
    """An iterator of bytes as a file, for pyarrow."""

    def __init__(self, chunks: Iterator[bytes], guard: Budget) -> None:
        self._chunks = chunks
        self._rest = b""
        self._guard = guard

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1, /) -> bytes:
        while not self._rest:
            self._rest = next(self._chunks, b"")
            self._guard.taken += len(self._rest)
            if not self._rest:
                return b""
        size = len(self._rest) if size < 0 else size
        piece, self._rest = self._rest[:size], self._rest[size:]
        return piece


def _arrow(chunks: Iterator[bytes], name: str, source: str, guard: Budget) -> Iterator[bytes]:
    import pyarrow as pa

    stream: Any = pa.CompressedInputStream(pa.PythonFile(_Chunks(chunks, guard), mode="r"), name)
    while True:
        try:
            piece = stream.read(_ARROW_PIECE)
        except OSError as fault:
            cut = "runcated" in str(fault)
            raise SourceError(
                source,
                f"the {name} data ends early" if cut else f"the {name} data is damaged: {fault}",
                hint="what came before is read",
            ) from fault
        if not piece:
            return
        yield piece
