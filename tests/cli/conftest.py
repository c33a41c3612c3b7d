"""A command line to call: words and stdin in, exit code, stdout and stderr out."""

from __future__ import annotations

import io
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from ztflow.cli import main

FIXTURES = Path(__file__).parents[2] / "fixtures"


@dataclass(frozen=True)
class Result:
    """What a run printed and returned."""

    code: int
    data: bytes
    talk: str

    @property
    def out(self) -> str:
        return self.data.decode()

    @property
    def lines(self) -> list[str]:
        return self.out.splitlines()


class Stream(io.TextIOWrapper):
    """A text stream over bytes in memory, a terminal or not."""

    def __init__(self, data: bytes = b"", *, terminal: bool = False) -> None:
        self.bytes = io.BytesIO(data)
        self.terminal = terminal
        super().__init__(self.bytes, encoding="utf-8", write_through=True)

    def isatty(self) -> bool:
        return self.terminal


@pytest.fixture
def cli(monkeypatch):
    """Call the command line in this process."""

    def call(*words, stdin: bytes | None = b"", terminal: bool = False, size: tuple[int, int] = (80, 24)) -> Result:
        out, err = Stream(terminal=terminal), Stream(terminal=False)
        monkeypatch.setattr(sys, "stdin", Stream(stdin or b"", terminal=stdin is None))
        monkeypatch.setattr(sys, "stdout", out)
        monkeypatch.setattr(sys, "stderr", err)
        monkeypatch.setenv("COLUMNS", str(size[0]))
        monkeypatch.setenv("LINES", str(size[1]))
        monkeypatch.delenv("NO_COLOR", raising=False)
        monkeypatch.setenv("TERM", "xterm")
        code = main([str(word) for word in words])
        return Result(code, out.bytes.getvalue(), err.bytes.getvalue().decode())

    return call


@pytest.fixture(scope="session")
def seed() -> Path:
    """The captures the project started from."""
    return FIXTURES / "seed"


@pytest.fixture(scope="session")
def storm() -> Path:
    """A run of real ztunnels."""
    return FIXTURES / "captured" / "1.29.5-storm"
