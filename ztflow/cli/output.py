"""Where the answer goes: stdout or a file, and in which form."""

from __future__ import annotations

import sys
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from ztflow.cli.terminal import is_terminal
from ztflow.errors import UsageError

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
}
"""The form a file's name asks for, where `-o` does not say."""


def chosen_format(given: str | None, output: str | None, allowed: Collection[str]) -> str:
    """The form of the answer: what `-o` says, else what the file's name says, else `table`.

    Raises:
        UsageError: If there is no such form, or the file's name is one.
    """
    if output is not None and output in allowed:
        raise UsageError(f"--output names a file; for the form use -o {output} (for a file of that name ./{output})")
    if given is None:
        named = SUFFIXES.get(Path(output).suffix.lower(), "table") if output is not None else "table"
        return named if named in allowed else "table"
    if given not in allowed:
        raise UsageError(f"-o {given}: there are {', '.join(allowed)}")
    return given


def check_destination(format_name: str, output: str | None, inputs: Sequence[str]) -> None:
    """See that the answer can go where it shall.

    Raises:
        UsageError: If binary output would reach a terminal, or the output file is an input.
    """
    if output is None:
        if format_name == "parquet" and is_terminal(sys.stdout):
            raise UsageError("-o parquet is binary and stdout is a terminal; give --output FILE")
        return
    for name in inputs:
        if name != "-" and Path(name).exists() and Path(output).exists() and Path(output).samefile(name):
            raise UsageError(f"--output {output} is one of the inputs and would be overwritten")


@contextmanager
def destination(output: str | None) -> Iterator[BinaryIO]:
    """The stream the answer goes to; a file is closed at the end, stdout is not.

    Raises:
        UsageError: If the file cannot be written.
    """
    if output is None:
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    try:
        file = Path(output).open("wb")  # noqa: SIM115 - closed below; only opening it may be turned into a UsageError
    except OSError as error:
        raise UsageError(f"cannot write {output}: {error.strerror}") from error
    with file:
        yield file
