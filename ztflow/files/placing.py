"""How a file is put in its place: written beside it, flushed to the disk, and renamed only when it is whole.

Until the rename an old file stands as it was, whatever happens; after it the new one is there for good. Source for the
order (file, rename, folder): rename(2) and fsync(2).
"""

from __future__ import annotations

import errno
import io
import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, BinaryIO, Self

from ztflow.errors import OutputError
from ztflow.files.scratch import Scratch

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

_BUFFER = 1 << 16


@contextmanager
def told(name: str, hint: str = "") -> Iterator[None]:
    """While it is open, an error of the system becomes an `OutputError` that names what could not be written.

    A closed pipe stays what it is: its reader has what it wanted.
    """
    try:
        yield
    except (BrokenPipeError, OutputError):
        raise
    except OSError as error:
        raise OutputError(name, os.strerror(error.errno) if error.errno else str(error), hint=hint) from error


class NamedFile(io.FileIO):
    """A file whose errors say what could not be written.

    Args:
        file: A descriptor.
        name: What to call it.
        closefd: Whether closing this closes the descriptor.
        waiting: Held while writing, which may take as long as another program wants.
    """

    def __init__(
        self, file: int, name: str, *, closefd: bool = True,
        waiting: Callable[[], AbstractContextManager[None]] = nullcontext,
    ) -> None:  # fmt: skip
        super().__init__(file, "wb", closefd=closefd)
        self._called = name
        self._waiting = waiting

    def write(self, data: ReadableBuffer, /) -> int:
        """Write what can be written at once; how many bytes that was."""
        with told(self._called), self._waiting():
            return super().write(data)

    def buffered(self) -> BinaryIO:
        """This, in larger pieces."""
        return io.BufferedWriter(self, _BUFFER)


class NewFile:
    """A file that is being written where nobody sees it, until `put` names it.

    Args:
        folder: Where to write it: on the disk of its place.
        name: What to call it in errors.
        mode: Its permissions, less what the process never gives (umask(2)).
    """

    def __init__(self, folder: Scratch, name: str, mode: int = 0o666) -> None:
        self._path = folder.path / "part"
        self._name = name
        self.named = False
        """Whether it is in its place; from then on it stays there, whatever happens next."""
        with told(name):
            fd = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        self.stream = NamedFile(fd, name).buffered()

    def like(self, old: Path) -> None:
        """Take over mode, owner and extended attributes of an older file.

        Raises:
            OutputError: The owner cannot be kept.
        """
        import shutil

        about = old.stat()
        fd = self.stream.fileno()
        with told(self._name, "it belongs to another user or group, which a new file could not"):
            if (about.st_uid, about.st_gid) != (os.fstat(fd).st_uid, os.fstat(fd).st_gid):
                os.fchown(fd, about.st_uid, about.st_gid)
            shutil.copystat(old, self._path)  # its times change with the next byte

    def put(self, place: Path, *, replace: bool) -> bool:
        """Finish the file and put it in its place.

        Args:
            place: Where to.
            replace: Whether to take the place of a file that is there.

        Returns:
            Whether it is there now; False when the place is taken and `replace` is not set.
        """
        with told(self._name):
            if not self.stream.closed:
                self.stream.flush()
                _to_disk(self.stream.fileno())
                self.stream.close()
            if replace:
                self._path.replace(place)
            elif not _put_anew(self._path, place):
                return False
            self.named = True
            with suppress(OSError):  # a folder one may write to but not read
                fd = os.open(place.parent, os.O_RDONLY)
                try:
                    _to_disk(fd)
                finally:
                    os.close(fd)
        return True

    def drop(self) -> None:
        """Close it without a place; its folder removes it."""
        with suppress(OSError, OutputError):
            self.stream.close()


def _to_disk(fd: int) -> None:
    try:
        os.fsync(fd)
    except OSError as error:
        if error.errno not in {errno.EINVAL, errno.ENOTSUP, errno.ENOSYS}:  # file systems without it
            raise


def _put_anew(path: Path, place: Path) -> bool:
    """Move a file to a place where none is; a hard link tells surely, also when two processes want the same place."""
    try:
        os.link(path, place)
    except FileExistsError:
        return False
    except OSError:  # a file system without hard links
        if os.path.lexists(place):
            return False
        path.replace(place)
    else:
        path.unlink()
    return True


class Placed:
    """Output that takes its place when the `with` block ends without an error, and never otherwise.

    Of a symbolic link the file it points to is replaced, not the link.

    Args:
        path: The place.

    Attributes:
        stream: What to write to, inside the block.
    """

    stream: BinaryIO

    def __init__(self, path: str) -> None:
        self._place = Path(os.path.realpath(path))
        self._name = path
        self._wanted = True
        self._file: NewFile | None = None

    def give_up(self) -> None:
        """Leave the place as it is, although there is no error."""
        self._wanted = False

    @property
    def done(self) -> bool:
        """Whether the new file is in its place."""
        return self._file is not None and self._file.named

    def __enter__(self) -> Self:
        with told(self._name):
            self._folder = Scratch(self._place.parent)
        try:
            self._file = NewFile(self._folder, self._name)
            if self._place.exists():
                self._file.like(self._place)
        except BaseException:
            self._folder.remove()
            raise
        self.stream = self._file.stream
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._file is not None
        try:
            if kind is None and self._wanted:
                self._file.put(self._place, replace=True)
        finally:
            self._file.drop()
            self._folder.remove()
