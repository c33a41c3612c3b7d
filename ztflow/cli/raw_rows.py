"""The lines of the log behind the rows, as they are in the inputs: `-o raw`."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from tempfile import NamedTemporaryFile
from typing import BinaryIO

import pyarrow as pa

from ztflow.cli.output import is_terminal
from ztflow.read.raw_lines import Place, raw_lines, text_of
from ztflow.text.escapes import visible

_HELD = 500_000
"""Lines that are looked up together: each time every input is read once, and these lines are in memory."""

_PLACES = (("outbound_file", "outbound_line"), ("inbound_file", "inbound_line"), ("source_file", "line_number"))


class RawWriter:
    """Writes the lines of rows, of a flow the client's first; a line that many rows share is written once.

    They are written byte for byte, so that `ztflow` and other tools read them as they do the log. On a terminal what
    could control it is escaped.

    Args:
        stream: Where they go.
        standing_for: As `read.raw_lines.raw_lines` takes it.
        escaped: Whether they go to a terminal.
    """

    def __init__(self, stream: BinaryIO, standing_for: dict[str, str], *, escaped: bool) -> None:
        self._stream = stream
        self._standing_for = standing_for
        self._escaped = escaped
        self._places: dict[Place, None] = {}

    def write(self, table: pa.Table) -> None:
        """Note where the lines of these rows are, and write them when there are many."""
        columns = [
            zip(table[file].to_pylist(), table[line].to_pylist(), strict=True)
            for file, line in _PLACES if file in table.column_names
        ]  # fmt: skip
        for row in zip(*columns, strict=True):
            self._places.update((place, None) for place in row if None not in place)
        if len(self._places) >= _HELD:
            self._flush()

    def _flush(self) -> None:
        found = raw_lines(self._places, self._standing_for)
        for place in self._places:
            line = found[place]
            if self._escaped:
                line = visible(text_of(line).replace("\t", "    ")).encode(errors="backslashreplace")
            self._stream.write(line + b"\n")
        self._places = {}
        self._stream.flush()

    def close(self) -> None:
        """Write what is left; the stream stays open."""
        self._flush()

    def abandon(self) -> None:
        """Nothing is held that would be written."""


@contextmanager
def kept_stdin(inputs: list[str]) -> Iterator[dict[str, str]]:
    """While it is open, standard input is in a file that can be read twice; gives what stands for what."""
    if "-" not in inputs or sys.stdin is None or is_terminal(sys.stdin):
        yield {}
        return
    from shutil import copyfileobj

    from ztflow.files.scratch import temporary_folder

    before = sys.stdin
    with NamedTemporaryFile(dir=temporary_folder(), prefix="ztflow-stdin-") as file:
        copyfileobj(before.buffer, file)
        file.flush()
        with open(file.name, encoding="utf-8", errors="replace") as again:  # noqa: PTH123 - as sys.stdin is one
            sys.stdin = again
            try:
                yield {"-": file.name}
            finally:
                sys.stdin = before
