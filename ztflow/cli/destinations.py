"""Where the answer goes: stdout, a file that takes its place when it is whole, or whole files one after the other."""

from __future__ import annotations

import errno
import fnmatch
import io
import os
import stat
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from ztflow.cli.output import Behind, hush, is_terminal, say
from ztflow.cli.signals import Stopped, stuck, waiting
from ztflow.errors import OutputError, UsageError
from ztflow.files.placing import NamedFile, Placed, told
from ztflow.text.format import counted
from ztflow.text.patterns import lazy_pattern

if TYPE_CHECKING:
    from ztflow.writers import TableWriter

STDOUT = "standard output"

_DESCRIPTOR = lazy_pattern(r"/dev/(?:stdout|stderr|fd/(\d+))|/proc/self/fd/(\d+)")
_STANDARD = {"/dev/stdout": 1, "/dev/stderr": 2}


def check_destination(
    form: str, output: str | None, inputs: Sequence[str], others: Sequence[str] = (), *,
    follow: bool = False, series: bool = False,
) -> None:  # fmt: skip
    """Check, before anything is read, that the output can be written and is nothing that will be read.

    Args:
        form: The form of the answer.
        output: `--output`.
        inputs: Inputs as they were named.
        others: Further files that are read: inventories, prices.
        follow: Whether the inputs are followed, so that a file that appears among them is read too.
        series: Whether the output may be a folder, of whole files one after the other.

    Raises:
        UsageError: If binary output would reach a terminal, or the output is one of the files that are read.
        OutputError: If the output cannot be written.
    """
    if output is None or _descriptor(output) == 1:
        if form == "parquet" and is_terminal(sys.stdout):
            raise UsageError("-o parquet is binary and stdout is a terminal; give --output FILE")
        about = _about(1)
        if about is None or not stat.S_ISREG(about.st_mode) or not about.st_size:  # `> file` has emptied it already
            return
        shown = STDOUT
    else:
        about, shown = _about(output), f"--output {output}"
    if about is not None and stat.S_ISREG(about.st_mode) and _among(about, [*inputs, *others]):
        raise UsageError(f"{shown} is one of the inputs and would be overwritten")
    if output is not None and follow and _would_be_read(output, inputs):
        raise UsageError(f"{shown} lies where new files are read, and would be read as an input")
    if output is not None and not _is_special(output):
        _try_out(output, about, series=series)


def _try_out(output: str, about: os.stat_result | None, *, series: bool) -> None:
    """Do what putting a file in its place needs, as far as that goes without one; reading may take an hour."""
    if about is not None and stat.S_ISDIR(about.st_mode) and not series:
        raise OutputError(output, os.strerror(errno.EISDIR))
    if about is not None and not os.access(output, os.W_OK):  # a rename would not mind
        raise OutputError(output, os.strerror(errno.EACCES))
    inside = about is not None and stat.S_ISDIR(about.st_mode)
    with Placed(str(Path(output, "part")) if inside else output) as placed:
        placed.give_up()


def _about(file: str | int) -> os.stat_result | None:
    try:
        return os.stat(file)  # noqa: PTH116 - descriptors too
    except (OSError, ValueError):
        return None


def _among(about: os.stat_result, names: Sequence[str]) -> bool:
    """Whether it is one of these files, by whatever name: found in a folder, by a glob, through a link."""
    from ztflow.read.sources.files import find_inputs
    from ztflow.read.sources.folders import Skipped

    def same(name: str | int) -> bool:
        other = _about(name)
        return other is not None and os.path.samestat(about, other)

    if "-" in names and sys.stdin is not None and same(0):
        return True
    skipped = Skipped()
    files = [name for name in names if name != "-"]
    found = find_inputs(files, on_error=lambda _: None, skipped=skipped)
    if any(one.path is not None and same(one.path) for one in found):
        return True
    if any(map(same, skipped.names)):
        return False
    # What a folder holds and is neither read as a log nor passed over is read for what it says of pods and nodes.
    folders = [name for name in files if Path(name).is_dir()]
    return any(same(f"{parent}/{name}") for folder in folders for parent, _, held in os.walk(folder) for name in held)


def _would_be_read(output: str, inputs: Sequence[str]) -> bool:
    """Whether a followed folder or glob takes in a file of that name; the last words of it may be a series' name."""
    from ztflow.read.following import NEW_FILES

    if not output.endswith(NEW_FILES):
        return False
    place = Path(os.path.realpath(output))
    folders = {Path(os.path.realpath(name)) for name in inputs if Path(name).is_dir()}
    globs = [os.path.realpath(name) for name in inputs if not Path(name).exists()]
    return not folders.isdisjoint(place.parents) or any(fnmatch.fnmatchcase(str(place), one) for one in globs)


def _descriptor(output: str) -> int | None:
    """The descriptor a name stands for, if it is one of those."""
    found = _DESCRIPTOR.fullmatch(output)
    return None if found is None else _STANDARD.get(output) or int(found[1] or found[2] or 0)


def _is_special(output: str) -> bool:
    """Whether it is written directly: a device, a FIFO, a descriptor."""
    about = _about(output)
    kinds = (stat.S_ISREG, stat.S_ISDIR)
    return _descriptor(output) is not None or (about is not None and not any(kind(about.st_mode) for kind in kinds))


def _direct(output: str | None) -> BinaryIO:
    """Standard output, or something else that is written as it comes."""
    number = 1 if output is None else _descriptor(output)
    if number == 1:
        if sys.stdout is None:
            raise OutputError(STDOUT, "it is closed")
        try:
            sys.stdout.flush()
            number = sys.stdout.fileno()
        except io.UnsupportedOperation:  # a stream in memory
            return sys.stdout.buffer
        return NamedFile(number, STDOUT, closefd=False, waiting=waiting).buffered()
    assert output is not None
    with told(output):
        fd = os.open(output, os.O_WRONLY) if number is None else os.dup(number)
    return NamedFile(fd, output, waiting=waiting).buffered()


@contextmanager
def destination(output: str | None, wanted: Callable[[], bool] = lambda: True) -> Iterator[BinaryIO]:
    """The stream the answer goes to.

    A file takes its place when the block ends without an error; a device, a FIFO or stdout is written as it comes.

    Args:
        output: `--output`; None is stdout.
        wanted: Asked at the end; when it says no, a file that is there is left as it is.

    Raises:
        OutputError: If it cannot be written.
    """
    if output is None or _is_special(output):
        stream = _direct(output)
        try:
            yield stream
            stream.flush()
        except BaseException:
            _drop(stream)
            raise
        if output is not None:
            stream.close()
        return
    placed = Placed(output)
    try:
        with placed:
            yield placed.stream
            if not wanted():
                placed.give_up()
    except Stopped:
        _say_unless(placed, output)
        raise
    _say_unless(placed, output)


def _say_unless(placed: Placed, output: str) -> None:
    """Say what became of the output where the answer is not in it."""
    if not placed.done:
        say(f"{output}: {'left as it was' if Path(output).exists() else 'not written'}")


def _drop(stream: BinaryIO) -> None:
    """Have a stream lose what it still holds: its reader has gone, or takes nothing."""
    hush(stream)
    if isinstance(stream, io.BufferedWriter) and not stuck():  # else another thread is inside it
        with suppress(OSError, ValueError):
            stream.close()


@contextmanager
def rows_destination(
    output: str | None, make: Callable[[BinaryIO], TableWriter], *, live: bool, wanted: Callable[[], bool]
) -> Iterator[TableWriter]:
    """A writer of rows; the output is finished when the block ends without an error.

    Args:
        output: As for `destination`. Live rows go there as whole files one after the other (`PartsWriter`).
        make: Makes a writer on a stream.
        live: Whether rows come as long as the program runs.
        wanted: As for `destination`.

    Raises:
        OutputError: As for `destination`.
    """
    if live and output is not None and not _is_special(output):
        from ztflow.writers.parts import PartsWriter

        parts = PartsWriter(output, make)
        try:
            with finished(parts, wanted):
                yield parts
        finally:
            names = parts.written[:: len(parts.written) - 1] if len(parts.written) > 1 else parts.written
            say(f"{output}: {counted(len(parts.written), 'whole file')}, {' … '.join(names) or 'nothing'}")
        return
    with destination(output, wanted) as stream:
        writer = make(stream)
        # Of a file no part is written on another thread: a signal could not end a write that the file's lock guards.
        with finished(Behind(writer) if live else writer) as writing:
            yield writing


@contextmanager
def finished(writer: TableWriter, wanted: Callable[[], bool] = lambda: True) -> Iterator[TableWriter]:
    """A writer that is closed at the end, and abandoned where something went wrong or nothing is wanted."""
    try:
        yield writer
        if wanted():
            writer.close()
        else:
            writer.abandon()
    except BaseException:
        writer.abandon()
        raise
