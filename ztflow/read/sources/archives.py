"""What is inside an input: decompressed, and taken out of archives, as deep as they go.

A tar is read as it comes, so it may come through a pipe. A zip has its table of contents at its end: one that comes
through a pipe or out of another archive waits in a temporary file.
"""

from __future__ import annotations

import io
import lzma
import struct
import tarfile
import tempfile
import zipfile
import zlib
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import IO, Any

from ztflow.errors import SourceError
from ztflow.read.limits import ARCHIVE_BYTES, NESTING, TAR_HEADER_BYTES
from ztflow.read.sources.compression import Budget, compression_of, decompressed
from ztflow.read.sources.folders import beside_of, is_archive_name

_HEAD = 512
"""Bytes needed to recognise compression and archives; a tar header is 512 bytes long."""
_PIECE = 1 << 20
_ZIP = b"PK\x03\x04"
_FAULTS = (
    tarfile.TarError, zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error, EOFError, OSError, RuntimeError,
    NotImplementedError, ValueError, OverflowError, KeyError,
)  # fmt: skip
"""What the libraries raise for damaged archives; `RuntimeError` also for encrypted members."""


@dataclass(slots=True)
class Stream:
    """One stream of bytes inside an input.

    Attributes:
        name: The input, with the member's path behind it.
        chunks: Its bytes, decompressed. It must be used up before the next stream is asked for.
        size: Bytes of the file or member, before decompression; None when unknown.
        modified: Its time, microseconds since 1970; None when unknown.
        inside: Whether it was found in a folder or an archive, not named.
        beside: What `naming.origin_of_path` wants to know.
    """

    name: str
    chunks: Iterator[bytes]
    size: int | None = None
    modified: int | None = None
    inside: bool = False
    beside: frozenset[str] = frozenset()


def is_archive(head: bytes) -> bool:
    """Whether a file that begins so is a tar or a zip."""
    return head[257:262] == b"ustar" or head.startswith(_ZIP)


@dataclass(slots=True)
class Opener:
    """Opens one input.

    Attributes:
        wanted: Whether a member is to be read, by its path.
        fail: Called with an archive inside that cannot be read; the others go on.
        budget: Bounds what comes out.
        members: Names of all members so far by folder, of a zip all; kind's layout shows in them.
        failed: Whether `fail` was called.
    """

    wanted: Callable[[str], bool]
    fail: Callable[[SourceError], None]
    budget: Budget
    members: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    failed: bool = False

    def streams(self, about: Stream, file: Any = None, depth: int = 0) -> Iterator[Stream]:
        """The streams in one: itself, or one a wanted member.

        Args:
            about: The stream.
            file: The file its bytes come from, where that can be read from any place.
            depth: How many envelopes were opened already.

        Raises:
            SourceError: It is an archive that is damaged; what came before was given.
        """
        head, chunks = peek(about.chunks)
        compression = compression_of(head)
        if compression is not None and depth < NESTING:
            inner = decompressed(chunks, compression, about.name, self.budget)
            yield from self.streams(replace(about, chunks=inner), depth=depth + 1)
        elif head[257:262] == b"ustar" and depth < NESTING:
            yield from self._tar(replace(about, chunks=chunks), depth)
        elif head.startswith(_ZIP) and depth < NESTING:
            yield from self._zip(replace(about, chunks=chunks), file, depth)
        else:
            yield replace(about, chunks=chunks)

    def _tar(self, about: Stream, depth: int) -> Iterator[Stream]:
        try:
            with tarfile.open(fileobj=ChunkFile(about.chunks), mode="r|", tarinfo=_Member) as archive:
                for member in archive:
                    if not self._is_wanted(about.name, member.name, member.isfile()):
                        continue
                    file = archive.extractfile(member)
                    if file is not None:
                        chunks = _pieces(file, about.name)
                        modified = round(member.mtime * 1_000_000) or None
                        yield from self._member(about.name, member.name, chunks, member.size, modified, depth)
        except SourceError:
            raise
        except _FAULTS as error:
            raise _damaged(about.name, error) from error

    def _zip(self, about: Stream, file: Any, depth: int) -> Iterator[Stream]:
        try:
            with self._seekable(file, about) as whole, zipfile.ZipFile(whole) as archive:
                members = archive.infolist()
                for member in members:
                    self._is_wanted(about.name, member.filename, not member.is_dir())
                for member in members:
                    if self._is_wanted(about.name, member.filename, not member.is_dir()):
                        path = f"{about.name}/{member.filename}"
                        chunks = self._unzipped(archive, member, path)
                        yield from self._member(about.name, member.filename, chunks, member.file_size, None, depth)
        except SourceError:
            raise
        except _FAULTS as error:
            raise _damaged(about.name, error) from error

    def _seekable(self, file: Any, about: Stream) -> IO[bytes]:
        """A zip as a file that can be read from any place."""
        if isinstance(file, io.RawIOBase) and file.seekable():
            self.budget.taken = file.seek(0, io.SEEK_END)
            return io.BufferedReader(_Kept(file))
        waiting = tempfile.TemporaryFile()  # noqa: SIM115 - the caller closes it
        size = 0
        for chunk in about.chunks:
            size += len(chunk)
            if size > ARCHIVE_BYTES:
                waiting.close()
                raise SourceError(about.name, "is too large a zip inside something else", hint="take it out first")
            waiting.write(chunk)
        waiting.seek(0)
        return waiting

    def _unzipped(self, archive: zipfile.ZipFile, member: zipfile.ZipInfo, path: str) -> Iterator[bytes]:
        try:
            with archive.open(member) as inner:
                for piece in _pieces(inner, path):
                    self.budget.gave(piece, path)
                    yield piece
        except SourceError:
            raise
        except _FAULTS as error:
            raise _damaged(path, error) from error

    def _is_wanted(self, archive: str, path: str, is_file: bool) -> bool:
        """Whether to read a member; notes its name."""
        if not is_file:
            return False
        folder, _, name = f"{archive}/{path}".rpartition("/")
        self.members[folder].add(name)
        return self.wanted(path) or is_archive_name(path)

    def _member(
        self, archive: str, path: str, chunks: Iterator[bytes], size: int, modified: int | None, depth: int
    ) -> Iterator[Stream]:
        name = f"{archive}/{path}"
        beside = beside_of(name, self.members)
        inner = self.streams(Stream(name, chunks, size, modified, inside=True, beside=beside), depth=depth + 1)
        try:
            yield from inner
        except SourceError as error:
            if error.source == archive:  # the archive around it breaks off
                raise
            self.failed = True
            self.fail(error)


class _Member(tarfile.TarInfo):
    """A tar header whose own data (a long name, pax records), which is read into memory, has a bound."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> _Member:
        """The header in a block."""
        member = super().frombuf(buf, encoding, errors)
        of_headers = not (member.isreg() or member.isdir() or member.issym() or member.islnk() or member.isdev())
        if of_headers and member.size > TAR_HEADER_BYTES:
            raise tarfile.HeaderError(f"a header of {member.size:,} bytes")
        return member


class ChunkFile(io.RawIOBase):
    """An iterator of bytes as a file, for tarfile and Arrow."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self._rest = memoryview(b"")

    def readable(self) -> bool:
        """It is there to be read."""
        return True

    def read(self, size: int = -1, /) -> bytes:
        """So many bytes, fewer only at the end."""
        """So many bytes, fewer only at the end."""
        parts: list[bytes | memoryview] = []
        while size:
            if not self._rest:
                self._rest = memoryview(next(self._chunks, b""))
                if not self._rest:
                    break
            piece = self._rest if size < 0 else self._rest[:size]
            self._rest = self._rest[len(piece) :]
            parts.append(piece)
            size -= len(piece) if size > 0 else 0
        return b"".join(parts)


def peek(chunks: Iterator[bytes]) -> tuple[bytes, Iterator[bytes]]:
    """The first bytes, and all bytes again. A first chunk that is plainly text is not held back for more."""
    first = b""
    for chunk in chunks:
        first += chunk
        packed = compression_of(first) is not None or first.startswith(_ZIP)
        if len(first) >= _HEAD or (first.find(b"\n", 0, _HEAD) >= 0 and not packed):
            break

    def again() -> Iterator[bytes]:
        if first:
            yield first
        yield from chunks

    return first[:_HEAD], again()


def _pieces(file: IO[bytes], name: str) -> Iterator[bytes]:
    """A member's bytes.

    Raises:
        SourceError: Of the name given: the archive breaks off in it.
    """
    try:
        while piece := file.read(_PIECE):
            yield piece
    except SourceError:
        raise
    except _FAULTS as error:
        raise _damaged(name, error) from error


def _damaged(name: str, error: Exception) -> SourceError:
    if isinstance(error, RuntimeError) and "encrypted" in str(error):
        return SourceError(name, "is encrypted", hint="unpack it first")
    return SourceError(name, f"the archive is damaged: {error}", hint="what came before is read")


class _Kept(io.RawIOBase):
    """A file that stays open when what reads it is closed."""

    def __init__(self, file: io.RawIOBase) -> None:
        self._file = file

    def readable(self) -> bool:
        """It is there to be read."""
        return True

    def seekable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int | None:
        return self._file.readinto(buffer)

    def seek(self, offset: int, whence: int = 0, /) -> int:
        return self._file.seek(offset, whence)
