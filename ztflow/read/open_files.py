"""Files that are being read as they grow: how far each was read, kept open as far as descriptors go."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from time import monotonic, time_ns
from typing import Final, Protocol, TypeAlias

from ztflow.errors import SourceError
from ztflow.read.rotated import FINGERPRINT, TELLING, content, first_of, looked_through, same_beginning
from ztflow.read.tally import ReadBatch

RESERVE: Final = 48
"""Descriptors left for everything else."""

_MOST: Final = 1 << 16
"""Descriptors that are asked for at most."""

_LOOK: Final = 0.01
"""Seconds between two looks at a folder."""
_TICK: Final = 50_000_000
"""Nanoseconds in which a folder may change twice and have the same time."""

_PIECE: Final = 4 << 20

Identity: TypeAlias = tuple[int, int]
"""Device and inode. The inode of a file that is gone, and not open, may be another's by now."""


class Lines(Protocol):
    """What becomes of a file's bytes."""

    def feed(self, data: bytes, /) -> Iterator[ReadBatch]:
        """Take bytes."""

    def idle(self) -> Iterator[ReadBatch]:
        """Give what has waited long enough for more."""

    def finish(self) -> Iterator[ReadBatch]:
        """Give what waits for more: there will be none."""


class Files:
    """What the followed files have to know of each other.

    Args:
        lines: Makes what takes the bytes of a file, by the name it is followed by.
        stop: Asked between two pieces whether to stop.
        lost: Called with what is known to have been missed.
    """

    def __init__(
        self, lines: Callable[[str], Lines], stop: Callable[[], bool], lost: Callable[[SourceError], None]
    ) -> None:
        self.lines = lines
        self.stop = stop
        self.lost = lost
        self.parts: dict[Identity, Part] = {}
        """Files that are being read."""
        self.open = 0
        self._most = _descriptors(raised=False)
        self._was_read: dict[Identity, bytes] = {}
        """The first bytes of files that are not read, or no longer."""
        self._folders: dict[Path, _Folder] = {}

    def may_open(self) -> bool:
        """Whether one more descriptor may be kept."""
        if self.open >= self._most:
            self._most = _descriptors(raised=True)
        return self.open < self._most

    def is_known(self, about: os.stat_result, path: Path) -> bool:
        """Whether a file is being read, or was, under whatever name."""
        identity = (about.st_dev, about.st_ino)
        part = self.parts.get(identity)
        if part is not None and (part.is_open or len(part.first) < TELLING):
            return True
        return same_beginning(self._was_read.get(identity, b"") if part is None else part.first, first_of(path))

    def has(self, first: bytes) -> bool:
        """Whether a file with this beginning was read: the one they are of is a copy, or compressed."""
        return any(same_beginning(one, first) for one in self._was_read.values()) or any(
            same_beginning(part.first, first) for part in self.parts.values()
        )

    def note(self, about: os.stat_result, first: bytes) -> None:
        """Remember a file as one that is not to be read any more, unless it is being read."""
        if (about.st_dev, about.st_ino) not in self.parts:
            self._was_read[about.st_dev, about.st_ino] = first

    def remember(self, first: bytes) -> None:
        """Remember how a file began that is emptied: a copy of it may be found later."""
        self._was_read[-1, len(self._was_read)] = first

    def beside(self, path: Path, *, anew: bool = False) -> tuple[int, list[tuple[Path, str]]]:
        """What is beside a file and may have had its name, and a number that is another when the folder has changed.

        Args:
            path: The file.
            anew: Look now, however short ago the last look was.
        """
        kept = self._looked(path.parent, anew=anew)
        return (-1, []) if kept is None else (kept.number, kept.rotated.get(path.name, []))

    def named(self, folder: Path, inode: int, *, anew: bool = False) -> Path | None:
        """The file in a folder that had this inode when it was last looked at, or has it now."""
        kept = self._looked(folder, anew=anew)
        return None if kept is None else kept.inodes.get(inode)

    def _looked(self, folder: Path, *, anew: bool) -> _Folder | None:
        kept = self._folders.get(folder)
        if kept is None or anew or monotonic() - kept.looked > _LOOK:
            with suppress(OSError):
                changed = folder.stat().st_mtime_ns
                if kept is None or kept.changed != changed or kept.is_recent:
                    recent = time_ns() - changed < _TICK
                    number = 0 if kept is None else kept.number + 1
                    kept = self._folders[folder] = _Folder(changed, number, recent, *looked_through(folder))
                kept.looked = monotonic()
        return kept


@dataclass(slots=True)
class _Folder:
    """A folder as it was when it was last looked at."""

    changed: int
    number: int
    is_recent: bool
    """Whether it changed a moment ago: it may change again and get the same time."""
    rotated: dict[str, list[tuple[Path, str]]]
    inodes: dict[int, Path]
    looked: float = 0.0


class Part:
    """One file on the disk, whatever it is called: how far it was read.

    Args:
        path: Where it is now.
        name: The name it is followed by.
        files: All files.
        emptied: Called when it was emptied, with it, before it is read anew.
        identity: Which file it has to be, if one: names change hands.

    Raises:
        FileNotFoundError: It is another file by now.
        OSError: It cannot be opened.
    """

    def __init__(
        self, path: Path, name: str, files: Files, emptied: Callable[[Part], Iterator[ReadBatch]],
        identity: Identity | None = None,
    ) -> None:  # fmt: skip
        self.path, self.name = path, name
        self.lines = files.lines(name)
        self.position = 0
        self.since = monotonic()
        """When it last grew, or lost its name."""
        self._files, self._emptied = files, emptied
        fd = os.open(path, os.O_RDONLY)
        about = os.fstat(fd)
        self.identity: Identity = (about.st_dev, about.st_ino)
        if identity not in {None, self.identity}:
            os.close(fd)
            raise FileNotFoundError
        self.first = os.pread(fd, FINGERPRINT, 0)
        self._fd: int | None = None
        files.parts[self.identity] = self
        if files.may_open():
            self._fd = fd
            files.open += 1
        else:
            os.close(fd)

    @property
    def is_open(self) -> bool:
        """Whether its descriptor is kept."""
        return self._fd is not None

    @property
    def is_deleted(self) -> bool:
        """Whether it has no name any more."""
        return self._fd is not None and os.fstat(self._fd).st_nlink == 0

    def close(self) -> None:
        """Read it no more."""
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None
            self._files.open -= 1
        if self._files.parts.get(self.identity) is self:
            del self._files.parts[self.identity]
            self._files._was_read[self.identity] = self.first  # noqa: SLF001 - the two know each other

    def grown(self) -> Iterator[ReadBatch]:
        """Read what was written since the last look.

        Raises:
            FileNotFoundError: It is not kept open, and gone.
            OSError: It cannot be read.
        """
        if self._fd is not None:
            yield from self._grown(self._fd)
            return
        path = self._found()
        if path.stat().st_size != self.position:
            fd = os.open(path, os.O_RDONLY)
            try:
                yield from self._grown(fd)
            finally:
                os.close(fd)

    def _found(self) -> Path:
        """Where it is now.

        Raises:
            FileNotFoundError: Nowhere.
        """
        if self._is_at(self.path):
            return self.path
        for anew in (False, True):
            path = self._files.named(self.path.parent, self.identity[1], anew=anew)
            if path is not None and self._is_at(path):
                return path
        raise FileNotFoundError

    def _is_at(self, path: Path) -> bool:
        with suppress(OSError):
            about = path.stat()
            if (about.st_dev, about.st_ino) == self.identity:
                return path == self.path or not self.first or first_of(path).startswith(self.first)
        return False

    def _grown(self, fd: int) -> Iterator[ReadBatch]:
        # Between two pieces as much time goes by as what becomes of their lines takes: look each time.
        while not self._files.stop() and (size := os.fstat(fd).st_size) != self.position:
            if size < self.position or os.pread(fd, len(self.first), 0) != self.first:
                self._files.remember(self.first)
                yield from self._emptied(self)
                yield from self.lines.finish()
                self.position, self.first, self.lines = 0, b"", self._files.lines(self.name)
            data = os.pread(fd, _PIECE, self.position)
            if not data:
                break
            if len(self.first) < FINGERPRINT:
                self.first = os.pread(fd, FINGERPRINT, 0)
            self.position += len(data)
            self.since = monotonic()
            yield from self.lines.feed(data)

    def rest_of(self, copy: Path) -> Iterator[ReadBatch]:
        """What a copy of it has more than was read."""
        at = 0
        with suppress(OSError, SourceError):  # a copy that is still being made
            for piece in content(copy):
                at += len(piece)
                if at > self.position:
                    new = piece[len(piece) - (at - self.position) :]
                    self.position = at
                    yield from self.lines.feed(new)


def _descriptors(*, raised: bool) -> int:
    """How many files may be kept open; *raised*: after asking for as many as the system gives."""
    try:
        import resource
    except ImportError:
        return 256
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = _MOST if hard == resource.RLIM_INFINITY else min(hard, _MOST)
    if raised and soft != resource.RLIM_INFINITY and soft < most:
        with suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
            soft = most
    return max(1, (_MOST if soft == resource.RLIM_INFINITY else soft) - RESERVE)
