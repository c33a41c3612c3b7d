"""Inputs as a user names them, to named streams of bytes: files, directories, globs, stdin, open files, archives."""

from __future__ import annotations

import difflib
import glob
import io
import os
import re
import stat
import sys
import tarfile
import zipfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, TypeAlias

from ztflow.errors import SourceError
from ztflow.read.limits import NESTING
from ztflow.read.sources.compression import compression_of, decompressed
from ztflow.read.sources.loki import SCHEMES, LokiQuery, pages, parse_loki
from ztflow.read.sources.pipes import PipeReader

Input: TypeAlias = str | Path | BinaryIO
"""A path, a glob, a directory, `-` for stdin, or an open binary file."""

CHUNK = 4 << 20
"""Bytes read at once: large enough that the cost of a table a chunk disappears, small enough to stay in memory."""
BIG_CHUNK = 16 << 20
"""Bytes read at once from an input that proved to be big: then the kernel reads, and making a table costs more."""
BIG = 32 << 20
"""Bytes from which an input counts as big."""

_HEAD = 512
"""Bytes needed to recognise compression and archives; a tar header is 512 bytes long."""

_LOG_NAME = re.compile(r"\.(?:log|jsonl|ndjson)(?:[.~-]|$)|(?:^|/)logs\.txt(?:\.|$)", re.IGNORECASE)
_MAYBE_NAME = re.compile(
    r"\.(?:txt|json|csv|tsv|out|tar|tgz|gz|bz2|xz|zst|zstd|lz4|zip)(?:\.|$)|^[^.]+$", re.IGNORECASE
)
_NO_LOG = re.compile(
    r"\.(?:tmp|ya?ml|md|html?|py|sh|pdf|png|jpe?g|pem|crt|key|pb|parquet|sock|pid|lock)$", re.IGNORECASE
)


def is_loki(name: str) -> bool:
    """Whether an input's name is a Loki address."""
    return name.partition("://")[0].lower() in SCHEMES and "://" in name


@dataclass(slots=True)
class Found:
    """One input that was found.

    Attributes:
        name: As the user named it; a directory's member with the directory in front.
        path: Where it is; None for a stream.
        stream: An open binary file instead.
        query: A question to Loki instead.
        size: Bytes on disk; None when unknown.
    """

    name: str
    path: str | None = None
    stream: BinaryIO | None = None
    query: LokiQuery | None = None
    size: int | None = None


@dataclass(slots=True)
class Skipped:
    """Files of a directory that do not look like logs, and so were not read."""

    names: list[str] = field(default_factory=list)


def find_inputs(
    inputs: Sequence[Input], *, on_error: Callable[[SourceError], None] | None = None, skipped: Skipped | None = None
) -> list[Found]:
    """All inputs, directories and globs spread out.

    Args:
        inputs: As the user named them.
        on_error: Called for an input that is not there; the others go on. Without it the error is raised.
        skipped: Filled with files of directories that are not read.

    Raises:
        SourceError: An input is missing, and `on_error` is not given.
    """
    found: list[Found] = []
    for one in inputs:
        try:
            found += _find(one, skipped if skipped is not None else Skipped())
        except SourceError as error:
            if on_error is None:
                raise
            on_error(error)
    return found


def _find(one: Input, skipped: Skipped) -> list[Found]:
    if not isinstance(one, str | Path):
        name = getattr(one, "name", None)
        return [Found(name if isinstance(name, str) else "-", stream=one)]
    name = str(one)
    if is_loki(name):
        query = parse_loki(name)
        return [Found(query.name, query=query)]
    if name == "-":
        if sys.stdin is None:
            raise SourceError(name, "standard input is closed")
        return [Found("-", stream=sys.stdin.buffer)]
    try:
        if Path(name).is_dir():
            return _walk(name, skipped)
        return [Found(name, path=name, size=_size(name))]
    except FileNotFoundError as error:
        if glob.has_magic(name):
            names = sorted(glob.glob(name, recursive=True))  # noqa: PTH207 - the pattern may be absolute
            if names:
                return [inner for path in names for inner in _find(path, skipped)]
            raise SourceError(name, "no file matches this pattern") from error
        raise SourceError(name, "no such file or directory", hint=_similar(name)) from error
    except (OSError, ValueError) as error:
        raise _source_error(name, error) from error


def _size(path: str) -> int | None:
    return Path(path).stat().st_size or None


def _similar(name: str) -> str:
    path = Path(name)
    try:
        near = difflib.get_close_matches(path.name, [one.name for one in path.parent.iterdir()], n=1)
    except OSError:
        return f"{path.parent} is not there either"
    return f"did you mean {path.with_name(near[0])}?" if near else ""


def is_log_name(name: str) -> bool:
    """Whether a file in a directory or archive is a log by its name."""
    return _LOG_NAME.search(name) is not None and _NO_LOG.search(name) is None


def _walk(folder: str, skipped: Skipped) -> list[Found]:
    """Log files below a directory; other texts only when there is no file that is called a log."""
    logs: list[Found] = []
    others: list[Found] = []
    seen: set[tuple[int, int]] = set()
    for parent, folders, names in os.walk(folder, onerror=_raise_walk):
        folders[:] = sorted(one for one in folders if not one.startswith("."))
        for name in sorted(names):
            path = f"{parent.rstrip('/')}/{name}"
            try:
                about = Path(path).stat()
            except OSError:  # a dangling link
                skipped.names.append(path)
                continue
            identity = (about.st_dev, about.st_ino)
            if name.startswith(".") or identity in seen:  # a link to a file already read
                continue
            seen.add(identity)
            if is_log_name(name):
                logs.append(Found(path, path=path, size=about.st_size))
            elif _MAYBE_NAME.search(name) and not _NO_LOG.search(name):
                others.append(Found(path, path=path, size=about.st_size))
            else:
                skipped.names.append(path)
    if logs:
        skipped.names += [one.name for one in others]
        return logs
    if not others:
        raise SourceError(folder, "is a directory without log files", hint="name the files, or a directory with *.log")
    return others


def _raise_walk(error: OSError) -> None:
    raise error


def open_found(found: Found) -> Iterator[tuple[str, Iterator[bytes]]]:
    """The streams of bytes inside one input: one, or one a member of an archive.

    Each stream must be used up before the next is asked for.

    Raises:
        SourceError: It cannot be opened; while reading: it breaks off or is damaged.
    """
    if found.query is not None:
        yield found.name, pages(found.query)
        return
    if found.stream is not None:
        yield from _streams(_chunks(found.stream, found.name), found.name, found.stream)
        return
    assert found.path is not None
    try:
        file = Path(found.path).open("rb", buffering=0)  # noqa: SIM115 - it stays open while chunks are taken
    except OSError as error:
        raise _source_error(found.name, error) from error
    with file:
        yield from _streams(_chunks(file, found.name), found.name, file)


def _chunks(stream: Any, name: str) -> Iterator[bytes]:
    """Bytes as they come; a pipe gives what it has."""
    fd = _piped(stream)
    if fd is not None:
        reader = PipeReader(fd)
        try:
            while chunk := reader.take():
                yield chunk
        except OSError as error:
            raise _source_error(name, error) from error
        finally:
            reader.close()
        return
    read: Callable[[int], bytes] = getattr(stream, "read1", None) or stream.read
    size = 0
    while True:
        try:
            chunk = read(CHUNK if size < BIG else BIG_CHUNK)
        except (OSError, ValueError) as error:
            raise _source_error(name, error) from error
        if not chunk:
            return
        size += len(chunk)
        yield bytes(chunk)


def ahead(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """A stream in big chunks; while one is worked on the next is read and decompressed on another thread.

    Not for pipes: they should give what they have, and stopping would still have to wait for their next byte.
    """
    broken: list[SourceError] = []

    def gathered() -> bytes:
        parts: list[bytes] = []
        size = 0
        try:
            while size < BIG_CHUNK // 2 and (part := next(chunks, b"")):
                parts.append(part)
                size += len(part)
        except SourceError as error:  # what came before it is given first
            broken.append(error)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    with ThreadPoolExecutor(1, "ztflow-read") as thread:
        coming = thread.submit(gathered)
        while chunk := coming.result():
            if broken:
                yield chunk
                break
            coming = thread.submit(gathered)
            yield chunk
    if broken:
        raise broken[0]


def _piped(stream: Any) -> int | None:
    """The file descriptor of a pipe or socket; None for anything else."""
    try:
        fd: int = stream.fileno()
        mode = os.fstat(fd).st_mode
    except (OSError, ValueError, AttributeError):
        return None
    return fd if stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode) else None


def _streams(chunks: Iterator[bytes], name: str, file: Any, depth: int = 0) -> Iterator[tuple[str, Iterator[bytes]]]:
    """Decompress and open archives, as deep as they go (a tar inside gzip)."""
    head, chunks = _peek(chunks)
    compression = compression_of(head)
    if compression is not None and depth < NESTING:
        yield from _streams(decompressed(chunks, compression, name), name, None, depth + 1)
    elif head[257:262] == b"ustar" and depth < NESTING:
        yield from _tar(chunks, name, depth)
    elif head.startswith(b"PK\x03\x04") and isinstance(file, io.RawIOBase) and file.seekable():
        yield from _zip(file, name, depth)
    else:
        yield name, chunks


def _peek(chunks: Iterator[bytes]) -> tuple[bytes, Iterator[bytes]]:
    """The first bytes, and all bytes again. A first chunk that is plainly text is not held back for more."""
    first = b""
    for chunk in chunks:
        first += chunk
        if len(first) >= _HEAD or (first.find(b"\n", 0, _HEAD) >= 0 and compression_of(first) is None):
            break

    def again() -> Iterator[bytes]:
        if first:
            yield first
        yield from chunks

    return first[:_HEAD], again()


def _tar(chunks: Iterator[bytes], name: str, depth: int) -> Iterator[tuple[str, Iterator[bytes]]]:
    """Log files in a tar: `istioctl bug-report`, a copied `/var/log/pods`, a cluster-info dump."""
    any_log = False
    try:
        with tarfile.open(fileobj=_Reader(chunks), mode="r|") as archive:
            for member in archive:
                if not member.isfile() or not is_log_name(member.name):
                    continue
                file = archive.extractfile(member)
                if file is None:
                    continue
                any_log = True
                yield from _streams(_chunks(file, name), f"{name}/{member.name}", None, depth + 1)
    except (tarfile.TarError, EOFError, OSError) as error:
        raise SourceError(name, f"the archive is damaged: {error}", hint="what came before is read") from error
    if not any_log:
        raise SourceError(name, "is an archive without log files")


def _zip(file: Any, name: str, depth: int) -> Iterator[tuple[str, Iterator[bytes]]]:
    any_log = False
    try:
        with zipfile.ZipFile(file) as archive:
            for member in archive.infolist():
                if member.is_dir() or not is_log_name(member.filename):
                    continue
                any_log = True
                with archive.open(member) as inner:
                    yield from _streams(_chunks(inner, name), f"{name}/{member.filename}", None, depth + 1)
    except (zipfile.BadZipFile, RuntimeError, NotImplementedError, OSError) as error:
        raise SourceError(name, f"the archive is damaged: {error}") from error
    if not any_log:
        raise SourceError(name, "is an archive without log files")


class _Reader(io.RawIOBase):
    """An iterator of bytes as a file, for tarfile."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self._rest = b""

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1, /) -> bytes:
        parts: list[bytes] = []
        while size:
            if not self._rest:
                self._rest = next(self._chunks, b"")
                if not self._rest:
                    break
            piece = self._rest if size < 0 else self._rest[:size]
            self._rest = self._rest[len(piece) :]
            parts.append(piece)
            size -= len(piece) if size > 0 else 0
        return b"".join(parts)


def _source_error(name: str, error: Exception) -> SourceError:
    hint = ""
    if isinstance(error, PermissionError):
        hint = "are you allowed to read it?"
    text = getattr(error, "strerror", None) or str(error)
    return SourceError(name, text[:1].lower() + text[1:], hint=hint)
