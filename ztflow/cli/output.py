"""What is said on stderr, the form of the answer, and how wide and high it may be where it goes."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from typing import IO, TYPE_CHECKING, Any, NamedTuple

from ztflow.cli.options import Color
from ztflow.cli.signals import waiting
from ztflow.errors import UsageError
from ztflow.text.escapes import visible

if TYPE_CHECKING:
    from concurrent.futures import Future

    import pyarrow as pa

    from ztflow.writers import TableWriter


def program_name() -> str:
    """What the user typed to get here: `kubectl ztflow` where kubectl runs it as its plugin `kubectl-ztflow`."""
    called = os.path.basename(sys.argv[0]).removesuffix(".exe")  # noqa: PTH119 - pathlib is not loaded yet
    return "kubectl ztflow" if called == "kubectl-ztflow" else "ztflow"


def say(text: str) -> None:
    """Print one line on stderr, `ztflow: …`, made safe to show."""
    tell(f"ztflow: {text}")


def tell(text: str) -> None:
    """Print one line on stderr, made safe to show. That it is closed or full is no error: nobody could be told."""
    if _ASIDE and is_terminal(sys.stderr):
        _ASIDE[-1](visible(text))
    else:
        say_again(visible(text))


def say_again(text: str) -> None:
    """Print a line that is safe to show on stderr."""
    with suppress(OSError, ValueError, AttributeError), waiting():
        sys.stderr.write(text + "\n")
        sys.stderr.flush()


_ASIDE: list[Callable[[str], None]] = []


def is_aside() -> bool:
    """Whether a picture is painted on the terminal, so that nothing else may be."""
    return bool(_ASIDE)


@contextmanager
def aside(hear: Callable[[str], None]) -> Iterator[None]:
    """While it is open, lines for a stderr that is a terminal go to a function: a picture is painted there."""
    _ASIDE.append(hear)
    try:
        yield
    finally:
        _ASIDE.remove(hear)


def hush(stream: IO[Any] | None) -> None:
    """Send what a stream still holds nowhere: Python would complain, or wait, when it flushes it at the end."""
    with suppress(OSError, ValueError, AttributeError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())  # type: ignore[union-attr]  # None: it is closed
        os.close(nowhere)


def is_terminal(stream: IO[Any] | None) -> bool:
    """Whether the stream is one; a closed or missing stream is not."""
    try:
        return stream is not None and stream.isatty()
    except ValueError:
        return False


def wants_color(choice: Color, stream: IO[Any] | None) -> bool:
    """Whether to colour what goes to the stream (https://no-color.org: NO_COLOR set to anything but nothing)."""
    if choice is not Color.AUTO:
        return choice is Color.ALWAYS
    return is_terminal(stream) and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


SUFFIXES = {
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".csv": "csv",
    ".parquet": "parquet",
    ".json": "json",
    ".dot": "dot",
    ".gv": "dot",
    ".mmd": "mermaid",
    ".mermaid": "mermaid",
    ".graphml": "graphml",
    ".gexf": "gexf",
    ".html": "html",
    ".md": "markdown",
    ".svg": "svg",
    ".cyjs": "cytoscape",
    ".txt": "table",
    ".log": "table",
    ".out": "table",
}
"""The form a file's name asks for, where `-o` does not say."""

_OF_GRAPHS = ("svg", "dot", "mermaid", "graphml", "gexf", "cytoscape")


def chosen_format(given: str | None, output: str | None, allowed: Collection[str]) -> str:
    """The form of the answer: what `-o` says, else what the file's name says, else `table`.

    Raises:
        UsageError: If the file's name is a form, or ends like one that this command does not write.
    """
    if output is not None and output in allowed:
        raise UsageError(f"--output names a file; for the form use -o {output} (for a file of that name ./{output})")
    if given is not None:
        return "markdown" if given == "md" else given
    if output is None:
        return "table"
    from pathlib import Path

    suffix = Path(output).suffix
    named = SUFFIXES.get(suffix.lower(), "") if suffix else "table"
    if named not in allowed:
        usual = {form: one for one, form in reversed(SUFFIXES.items()) if form in allowed}
        known = ", ".join(sorted(usual.values()))
        elsewhere = " ('ztflow graph' does)" if named in _OF_GRAPHS else ""
        raise UsageError(f"--output {output}: nothing is written as {suffix} here{elsewhere}, but as {known}; "
                         f"for another name say the form: -o {'|'.join(allowed)}")  # fmt: skip
    return named


class Paper(NamedTuple):
    """What is written on.

    Attributes:
        width: Cells of the terminal; None cuts only the overlong.
        height: Lines of the terminal; None takes the default number of rows.
        color: Whether to style.
        rows: Rows of each table, whatever the height; 0 is all.
    """

    width: int | None = None
    height: int | None = None
    color: bool = False
    rows: int | None = None

    def styled(self, text: str, code: str | None) -> str:
        """The text, in a style where colour is on."""
        from ztflow.writers.text import styled

        return styled(text, code, color=self.color)

    def fact(self, label: str, text: str, code: str | None = None) -> str:
        """A labelled line."""
        from ztflow.writers.text import fact

        return fact(label, text, width=self.width, color=self.color, code=code)

    def said(self, label: str, text: str, code: str | None = None) -> list[str]:
        """A labelled sentence, whole, on as many lines as it takes."""
        from ztflow.writers.text import sentence

        return sentence(label, text, width=self.width, color=self.color, code=code)


def paper_for(color: Color, output: str | None, rows: int | None = None) -> Paper:
    """What the answer is written on.

    Args:
        color: When to colour; a file is never coloured.
        output: The file it goes to; None is stdout, as large as the terminal it is, or endless.
        rows: Rows of each table; 0 is all.
    """
    if output is not None:
        return Paper(rows=rows)
    styled = wants_color(color, sys.stdout)
    if not is_terminal(sys.stdout):
        return Paper(color=styled, rows=rows)
    import shutil

    size = shutil.get_terminal_size((80, 24))
    return Paper(size.columns, size.lines, styled, rows)


class Behind:
    """A writer on a thread of its own, at most one table behind: a live pipe is read while the last batch is written.

    What went wrong with a table is raised at the next call.

    Args:
        writer: Does the writing.
    """

    def __init__(self, writer: TableWriter) -> None:
        from concurrent.futures import ThreadPoolExecutor

        self._writer = writer
        self._thread = ThreadPoolExecutor(1, "ztflow-write")
        self._pending: Future[None] | None = None

    def write(self, table: pa.Table) -> None:
        """Queue a table behind the one being written."""
        self._settle()
        if table.num_rows:
            self._pending = self._thread.submit(self._writer.write, table)

    def close(self) -> None:
        """Finish the output, and wait until everything is written."""
        self._settle()
        self._pending = self._thread.submit(self._writer.close)
        self._settle()
        self._thread.shutdown()

    def abandon(self) -> None:
        """Write nothing more. A table that is being written is not waited for: its reader may never take it."""
        self._thread.shutdown(wait=False)
        self._writer.abandon()

    def _settle(self) -> None:
        pending, self._pending = self._pending, None
        if pending is not None:
            pending.result()
