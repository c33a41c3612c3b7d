"""Inputs as a user names them, to named streams of bytes: files, directories, globs, stdin, open files, archives."""

from __future__ import annotations

import glob
import os
import re
import stat
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, TypeAlias

from ztflow.errors import SourceError
from ztflow.read.saved.recognise import first_is_flow
from ztflow.read.sources.archives import Opener, Stream
from ztflow.read.sources.compression import Budget
from ztflow.read.sources.folders import (
    Skipped,
    beside_of,
    files_below,
    is_archive_name,
    is_inventory_name,
    is_log_name,
    may_be_log,
    no_file,
    unreadable,
)
from ztflow.read.sources.naming import KIND_FILES, origin_of_path
from ztflow.read.sources.pipes import PipeReader, open_pipe
from ztflow.text.nearest import nearest

if TYPE_CHECKING:
    from ztflow.read.sources.loki_query import LokiQuery

Input: TypeAlias = "str | Path | BinaryIO | Found"
"""A path, a glob, a directory, `-` for stdin, an open binary file, or one input that was found already."""

CHUNK = 4 << 20
"""Bytes read at once: large enough that the cost of a table a chunk disappears, small enough to stay in memory."""
BIG_CHUNK = 16 << 20
"""Bytes read at once from an input that proved to be big: then the kernel reads, and making a table costs more."""
BIG = 32 << 20
"""Bytes from which an input counts as big."""
WRITER_PATIENCE = 3.0
"""Seconds other inputs wait for somebody to write to a named pipe. Alone it is waited for as long as it takes."""


def is_loki(name: str) -> bool:
    """Whether an input's name is a Loki address."""
    scheme, mark, _ = name.partition("://")
    if not mark:
        return False
    from ztflow.read.sources.loki import SCHEMES

    return scheme.lower() in SCHEMES


@dataclass(slots=True)
class Found:
    """One input that was found.

    Attributes:
        name: As the user named it; a directory's member with the directory in front.
        path: Where it is; None for a stream.
        stream: An open binary file instead.
        query: A question to Loki instead.
        size: Bytes on disk; None when unknown.
        modified: Time of the file, microseconds since 1970; None when unknown.
        inside: Whether it was found in a folder, not named.
        beside: What `naming.origin_of_path` wants to know of a file found in a folder.
        alone: Whether it is all there is to read.
    """

    name: str
    path: str | None = None
    stream: BinaryIO | None = None
    query: LokiQuery | None = None
    size: int | None = None
    modified: int | None = None
    inside: bool = False
    beside: frozenset[str] = frozenset()
    alone: bool = True


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
    fail = _raised if on_error is None else on_error
    for named in inputs:
        try:
            found += _find(named, skipped if skipped is not None else Skipped(), fail)
        except SourceError as error:
            fail(error)
    for one in found:
        one.alone = len(found) == 1
    return found


def _find(one: Input, skipped: Skipped, fail: Callable[[SourceError], None]) -> list[Found]:
    if isinstance(one, Found):
        return [one]
    if not isinstance(one, str | Path):
        name = getattr(one, "name", None)
        return [Found(name if isinstance(name, str) else "-", stream=one)]
    name = str(one)
    if is_loki(name):
        from ztflow.read.sources.loki import parse_loki

        query = parse_loki(name)
        return [Found(query.name, query=query)]
    if name == "-":
        if sys.stdin is None:
            raise SourceError(name, "standard input is closed")
        return [Found("-", stream=sys.stdin.buffer)]
    if re.match(r"[A-Za-z][\w+.-]*://", name) and not Path(name).exists():
        shown = re.sub(r"(?<=://).*@", "", name)  # it may be Loki's, with a password
        raise SourceError(shown, "is no address ztflow can read from", hint="loki://, loki+https:// or a file")
    try:
        return _at(name, skipped, fail)
    except SourceError:
        raise
    except FileNotFoundError as error:
        if Path(name).is_symlink():
            raise unreadable(error, name) from error
        if glob.has_magic(name):
            names = sorted(glob.glob(name, recursive=True))  # noqa: PTH207 - the pattern may be absolute
            if names:
                return [inner for path in names for inner in _matched(path, skipped, fail)]
            raise SourceError(name, "no file matches this pattern") from error
        raise SourceError(name, "no such file or directory", hint=_similar(name)) from error
    except (OSError, ValueError) as error:
        raise _source_error(name, error) from error


def _at(path: str, skipped: Skipped, fail: Callable[[SourceError], None]) -> list[Found]:
    """A file, or what is in a folder."""
    if Path(path).is_dir():
        return _walk(path, skipped, fail)
    return [Found(path, path=path, size=_size(path))]


def _matched(path: str, skipped: Skipped, fail: Callable[[SourceError], None]) -> list[Found]:
    """What a glob found, which may be gone, or no file."""
    try:
        if Path(path).is_dir() or stat.S_ISREG(Path(path).stat().st_mode):
            return _at(path, skipped, fail)
        fail(no_file(path))
    except SourceError as error:
        fail(error)
    except OSError as error:
        fail(unreadable(error, path))
    return []


def _size(path: str) -> int | None:
    return Path(path).stat().st_size or None


def _similar(name: str) -> str:
    path = Path(name)
    try:
        near = nearest(path.name, [one.name for one in path.parent.iterdir()])
    except OSError:
        return f"{path.parent} is not there either"
    return f"did you mean {path.with_name(near)}?" if near else ""


def _walk(folder: str, skipped: Skipped, fail: Callable[[SourceError], None]) -> list[Found]:
    """Log files and archives below a directory; other texts, and flows ztflow saved, only when there is neither.

    Flows beside logs are most likely flows of these logs, and would count twice.
    """
    names: dict[str, set[str]] = {}
    logs: list[Found] = []
    others: list[Found] = []
    faults: list[SourceError] = []
    for file in files_below(folder, names, faults.append, is_log_name):
        found = Found(file.path, path=file.path, size=file.size, modified=file.modified, inside=True)
        if (is_log_name(file.path) and not first_is_flow(file.path)) or is_archive_name(file.path):
            logs.append(found)
        elif may_be_log(file.path) or is_log_name(file.path):
            others.append(found)
        elif not is_inventory_name(file.path):
            skipped.names.append(file.path)
    for fault in faults:
        fail(fault)
    if logs:
        skipped.names += [one.name for one in others if not is_inventory_name(one.name)]
        for found in logs:
            found.beside = beside_of(found.name, names)
        return logs
    if not others and not faults:
        raise SourceError(folder, "is a directory without log files", hint="name the files, or a directory with *.log")
    return others


def open_found(
    found: Found,
    wanted: Callable[[str], bool] = is_log_name,
    fail: Callable[[SourceError], None] | None = None,
) -> Iterator[Stream]:
    """The streams of bytes inside one input: one, or one a member of an archive.

    Each stream must be used up before the next is asked for.

    Args:
        found: The input.
        wanted: Which members of an archive are given, by their path. Where no log is called one, all that may be.
        fail: Called with an archive in the archive that cannot be read; without it the error is raised.

    Raises:
        SourceError: It cannot be opened; while reading: it breaks off or is damaged.
    """
    if found.query is not None:
        from ztflow.read.sources.loki import pages

        yield Stream(found.name, pages(found.query))
        return
    opener = Opener(wanted, _raised if fail is None else fail, Budget())
    if found.stream is not None:
        about = Stream(found.name, opener.budget.took(_chunks(found.stream, found.name)))
        yield from _some(opener.streams(about, found.stream), found.name)
        return
    assert found.path is not None
    given = False
    listed: Mapping[str, set[str]] | None = None
    for stream in _opened(found, opener):
        given = True
        if stream.name != found.name and _is_undecided(stream):
            listed = _listed(found) if listed is None else listed
            stream.beside = beside_of(stream.name, listed)
        yield stream
    if not (given or opener.failed) and wanted is is_log_name:
        yield from _some(_opened(found, Opener(may_be_log, opener.fail, Budget())), found.name)


def _opened(found: Found, opener: Opener) -> Iterator[Stream]:
    assert found.path is not None
    first = b""
    try:
        if stat.S_ISFIFO(Path(found.path).stat().st_mode):
            file, first = open_pipe(found.path, None if found.alone else WRITER_PATIENCE)
        else:
            file = Path(found.path).open("rb", buffering=0)  # noqa: SIM115 - it stays open while chunks are taken
    except OSError as error:
        raise _source_error(found.name, error) from error
    with file:
        chunks = chain((first,) if first else (), _chunks(file, found.name))
        about = Stream(found.name, opener.budget.took(chunks), found.size)
        about.inside, about.beside, about.modified = found.inside, found.beside, found.modified
        yield from opener.streams(about, file)


def _some(streams: Iterator[Stream], name: str) -> Iterator[Stream]:
    """The streams, of which there must be one."""
    given = False
    for stream in streams:
        given = True
        yield stream
    if not given:
        raise SourceError(name, "is an archive without log files")


def _is_undecided(stream: Stream) -> bool:
    """Whether files that come later in an archive can tell the node of this one."""
    return origin_of_path(stream.name, KIND_FILES) != origin_of_path(stream.name, stream.beside)


def _listed(found: Found) -> Mapping[str, set[str]]:
    """Names of all files in an archive, by folder."""
    opener = Opener(lambda _: False, lambda _: None, Budget())
    with suppress(SourceError):
        for _ in _opened(found, opener):
            pass
    return opener.members


def _raised(error: SourceError) -> None:
    raise error


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


def gathered(chunks: Iterator[bytes], least: int | None = None) -> Iterator[bytes]:
    """A stream in chunks of so many bytes at least, but the last: decompressed pieces are small, and a table each.

    Not for pipes: they should give what they have.
    """
    least = CHUNK if least is None else least
    parts: list[bytes] = []
    size = 0
    broken: SourceError | None = None
    try:
        for part in chunks:
            parts.append(part)
            size += len(part)
            if size >= least:
                yield parts[0] if len(parts) == 1 else b"".join(parts)
                parts, size = [], 0
    except SourceError as error:  # what came before it is given first
        broken = error
    if parts:
        yield b"".join(parts)
    if broken is not None:
        raise broken


def ahead(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """A stream in big chunks; while one is worked on the next is read and decompressed on another thread.

    Not for pipes, either: stopping would still have to wait for their next byte.
    """
    big = gathered(chunks, BIG_CHUNK // 2)
    with ThreadPoolExecutor(1, "ztflow-read") as thread:
        coming = thread.submit(next, big, b"")
        while chunk := coming.result():
            coming = thread.submit(next, big, b"")
            yield chunk


def _piped(stream: Any) -> int | None:
    """The file descriptor of a pipe or socket; None for anything else."""
    try:
        fd: int = stream.fileno()
        mode = os.fstat(fd).st_mode
    except (OSError, ValueError, AttributeError):
        return None
    return fd if stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode) else None


def _source_error(name: str, error: Exception) -> SourceError:
    hint = ""
    if isinstance(error, PermissionError):
        hint = "are you allowed to read it?"
    text = getattr(error, "strerror", None) or str(error)
    return SourceError(name, text[:1].lower() + text[1:], hint=hint)
