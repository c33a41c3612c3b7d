"""The command line, called in this process: words and standard input in, exit code and what it printed out."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from unittest.mock import patch

from ztflow.cli import main

EXPECTED: Final = frozenset({0, 1, 2, 3})
"""Exit codes of a run that nobody stopped."""


@dataclass(frozen=True, slots=True)
class Ran:
    """What a run gave."""

    code: int
    out: bytes
    talk: str


def ran(words: Sequence[str], stdin: bytes = b"", environ: Mapping[str, str] | None = None) -> Ran:
    """Run the program, and look at what is promised of every run.

    Raises:
        AssertionError: The exit code is a foreign one, or it speaks of a bug, or prints what a terminal obeys.
    """
    out, talk = io.BytesIO(), io.BytesIO()
    streams: dict[str, Any] = {
        "stdin": io.TextIOWrapper(io.BytesIO(stdin)),
        "stdout": io.TextIOWrapper(out, write_through=True),
        "stderr": io.TextIOWrapper(talk, write_through=True),
    }
    with patch.multiple(sys, **streams), patch.dict(os.environ, environ or {}):
        code = main(list(words))
    said = talk.getvalue().decode("utf-8", "replace")
    shown = " ".join(map(repr, words))
    assert code in EXPECTED, f"exit code {code} of {shown}\n{said}"
    assert "a bug in ztflow" not in said, f"{shown}\n{said}"
    assert "Traceback" not in said, f"{shown}\n{said}"
    assert "\x1b" not in said, f"an escape sequence on stderr of {shown}"
    for stream in streams.values():  # what is still in them goes nowhere
        with suppress(ValueError, OSError):
            stream.detach()
    return Ran(code, out.getvalue(), said)


def written(folder: str, name: str, data: bytes) -> str:
    """A file in a folder; its path."""
    path = Path(folder, name)
    path.write_bytes(data)
    return str(path)
