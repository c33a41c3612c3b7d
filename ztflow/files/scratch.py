"""Temporary folders that are gone when their process is: removed at its end, or by the next one after a SIGKILL.

Each holds a file with a lock on it (flock(2)), which the system gives up with the process, however that ends. So a
folder whose lock is free belongs to nobody, and process numbers, which are used again and differ between containers,
need not be trusted.
"""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from pathlib import Path
from typing import Final, Self

from ztflow.errors import OutputError

_PREFIX: Final = ".ztflow-"
_LOCK: Final = "lock"
_MARK: Final = b"A temporary folder of ztflow. Nobody needs it when no process holds a lock on this file.\n"
"""What the lock says, written when it is held: a folder without it is not known to be ours and is left alone."""

_ALIVE: Final[set[Scratch]] = set()


class Scratch:
    """A temporary folder for files of this process; used in a `with` statement, which removes it.

    Making one clears what ended processes left in the same place.

    Args:
        parent: Where to make it.

    Raises:
        OSError: That is not possible.
    """

    def __init__(self, parent: Path) -> None:
        clear_stale(parent)
        self.path = parent / f"{_PREFIX}{os.urandom(8).hex()}"
        self._process = os.getpid()
        self._lock: int | None = None
        _ALIVE.add(self)
        try:
            self.path.mkdir(mode=0o700)
            self._lock = os.open(self.path / _LOCK, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
            if _locked(self._lock):
                os.write(self._lock, _MARK)
        except BaseException:
            self.remove()
            raise

    def remove(self) -> None:
        """Remove the folder; more than once is no harm."""
        _ALIVE.discard(self)
        if self._process != os.getpid():  # a forked copy of whom it belongs to
            return
        _remove(self.path)
        lock, self._lock = self._lock, None
        if lock is not None:
            os.close(lock)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.remove()


def temporary_folder() -> Path:
    """Where temporary files go: TMPDIR if it is set, even where that does not work, for so the user wants it.

    Raises:
        OutputError: There is no such place.
    """
    import tempfile

    try:
        return Path(tempfile.tempdir or os.environ.get("TMPDIR") or tempfile.gettempdir())
    except OSError as error:
        raise OutputError("temporary files", error.strerror or str(error), hint="set TMPDIR") from error


def clear_stale(parent: Path) -> None:
    """Remove folders of ours there whose process is gone; what is not surely that is left alone."""
    with suppress(OSError), os.scandir(parent) as entries:
        for entry in entries:
            if entry.name.startswith(_PREFIX) and entry.is_dir(follow_symlinks=False):
                _clear(Path(entry.path))


def remove_all() -> None:
    """Remove every folder this process still has: at its end, if an interrupted `with` statement could not."""
    for scratch in tuple(_ALIVE):
        scratch.remove()


def _clear(folder: Path) -> None:
    try:
        lock = os.open(folder / _LOCK, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return
    try:
        about = os.fstat(lock)
        ours = stat.S_ISREG(about.st_mode) and about.st_uid == folder.lstat().st_uid == os.geteuid()
        if ours and os.read(lock, len(_MARK) + 1) == _MARK and _locked(lock):
            _remove(folder)
    finally:
        os.close(lock)


def _locked(fd: int) -> bool:
    """Take the lock; False when another process has it, or where there are no locks."""
    try:
        import fcntl

        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (ImportError, OSError):
        return False
    return True


def _remove(folder: Path) -> None:
    """Remove a folder of plain files, the lock last: whatever interrupts this, the next run can go on."""
    with suppress(OSError):
        names = os.listdir(folder)  # noqa: PTH208 - names are what is sorted
        for name in sorted(names, key=lambda name: name == _LOCK):
            (folder / name).unlink()
        folder.rmdir()
