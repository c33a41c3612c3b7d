"""What never ends as whole files: `flows.parquet/flows-00001.parquet`, `…-00002.parquet` and so on.

A folder of such files is what Arrow, pandas, Polars and Spark call a dataset and read by the name of the folder. Each
file is there only when it is whole; the first after a second, the later ones after longer and longer, so that little is
lost when the process is killed and a day still makes few files.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, BinaryIO, Final

from ztflow.files.placing import NewFile, told
from ztflow.files.scratch import Scratch

if TYPE_CHECKING:
    import pyarrow as pa

    from ztflow.writers import TableWriter

FIRST_SPAN: Final = 1.0
"""Seconds after its first row at which the first file is finished; each further one lasts twice as long."""
LONGEST_SPAN: Final = 60.0
"""Seconds no file lasts longer than."""
PART_ROWS: Final = 1 << 20
"""Rows at which a file is finished before its time."""


class PartsWriter:
    """Writes tables as a series of files in a folder.

    Nothing that is there is touched: numbers go on after the highest. Where a file has the name of the folder, the
    series stands beside it.

    Args:
        output: Name of the folder; its stem and suffix are those of the files.
        make: Makes the writer of one file.

    Raises:
        OutputError: The folder cannot be made or written to.
    """

    def __init__(self, output: str, make: Callable[[BinaryIO], TableWriter]) -> None:
        place = Path(os.path.realpath(output))
        self._folder = place.parent if place.is_file() else place
        self._stem, self._suffix = Path(output).stem, Path(output).suffix
        self._shown = Path(output).parent if place.is_file() else Path(output)
        self._make = make
        self._span = FIRST_SPAN
        self._file: NewFile | None = None
        self._writer: TableWriter | None = None
        self._rows = 0
        self._due = 0.0
        self.written: list[str] = []
        """The files that are there now, as the user would name them."""
        with told(output):
            self._folder.mkdir(exist_ok=True)
            self._scratch = _scratch_for(self._folder)
            self._number = self._highest()

    def _highest(self) -> int:
        series = re.compile(re.escape(self._stem) + r"-(\d{5,})" + re.escape(self._suffix))
        return max(
            (int(found[1]) for name in self._folder.iterdir() if (found := series.fullmatch(name.name))), default=0
        )

    def write(self, table: pa.Table) -> None:
        """Take every row, and finish a file whose time has come; so call it also with no rows, now and then."""
        if table.num_rows:
            self._open().write(table)
            self._rows += table.num_rows
        if self._writer is not None and (monotonic() >= self._due or self._rows >= PART_ROWS):
            self._finish()

    def close(self) -> None:
        """Finish the last file; there is at least one, which may have no rows."""
        if self._writer is not None or not self.written:
            self._open()
            self._finish()
        self._scratch.remove()

    def abandon(self) -> None:
        """Forget the last file; those before it are there."""
        if self._writer is not None:
            self._writer.abandon()
        if self._file is not None:
            self._file.drop()
        self._scratch.remove()
        if not self.written:
            with suppress(OSError):  # made for nothing
                self._folder.rmdir()

    def _open(self) -> TableWriter:
        if self._writer is None:
            self._file = NewFile(self._scratch, self._name())
            self._writer = self._make(self._file.stream)
            self._due = monotonic() + self._span
        return self._writer

    def _finish(self) -> None:
        assert self._file is not None
        assert self._writer is not None
        self._writer.close()
        placed = False
        while not placed:
            self._number += 1
            placed = self._file.put(self._folder / Path(self._name()).name, replace=False)
        self.written.append(self._name())
        self._file = self._writer = None
        self._rows = 0
        self._span = min(2 * self._span, LONGEST_SPAN)

    def _name(self) -> str:
        return str(self._shown / f"{self._stem}-{self._number:05}{self._suffix}")


def _scratch_for(folder: Path) -> Scratch:
    """Where unfinished files of a folder wait: beside it, for Polars reads a folder down to its hidden corners.

    Inside where they could not be moved from there: the folder is a mount point, or nothing may be made beside it.
    """
    try:
        beside = Scratch(folder.parent)
        try:
            trial = beside.path / "trial"
            trial.touch()
            trial.rename(folder / beside.path.name).unlink()
        except BaseException:
            beside.remove()
            raise
    except OSError:
        return Scratch(folder)
    return beside
