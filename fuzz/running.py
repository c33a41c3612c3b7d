"""Runs a target: so many inputs or so long, from a seed; what breaks it is shrunk, saved and told."""

from __future__ import annotations

import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from types import FrameType
from typing import Any

from hypothesis import HealthCheck, Phase, Verbosity, given, settings
from hypothesis import seed as seeded
from hypothesis import strategies as st

from fuzz.target import Target
from ztflow.errors import CompilerError
from ztflow.kernel import warmup as compile_reader
from ztflow.pair.hmm.forward_backward import warmup as compile_lattice

PATIENCE = 20.0
"""Seconds of processor time one input may take: what grows with the square takes longer for some repetition."""


class TooLongError(AssertionError):
    """An input took longer than `PATIENCE`."""


@dataclass(slots=True)
class Told:
    """What came of running a target.

    Attributes:
        inputs: How many inputs were tried.
        seconds: How long that took.
        found: Files with inputs that broke it, each with what happened, by where it happened.
    """

    inputs: int = 0
    seconds: float = 0.0
    found: dict[str, tuple[Path, str]] = field(default_factory=dict)


def run(
    name: str, target: Target, *, seed: int, keep: Path, runs: int | None = None, seconds: float = 0.0,
    tell: Callable[[str], object] = print,
) -> Told:  # fmt: skip
    """Try inputs.

    Args:
        name: What the target is called.
        target: The target.
        seed: Where chance begins; the same seed tries the same inputs.
        keep: Folder for what is found; the input that is being tried is there too, if the process should die of it.
        runs: How many inputs; without it as long as `seconds`.
        seconds: How long.
        tell: Called with a line about each finding.
    """
    with suppress(CompilerError):  # which takes longer than an input may, and is done once a machine
        compile_reader()
        compile_lattice()
    keep.mkdir(parents=True, exist_ok=True)
    trying = keep / f"{name}.trying"
    told = Told()
    began = time.monotonic()
    while (told.inputs < runs) if runs is not None else (time.monotonic() - began < seconds):
        last = b""

        def attempt(data: bytes) -> None:
            nonlocal last
            last = data
            told.inputs += 1
            trying.write_bytes(data)
            with patience(), threads_heard():
                target.check(data)

        count = 100 if runs is None else runs - told.inputs
        error = _round(attempt, target, count, seed)
        if error is not None:
            where = _where(error)
            if where not in told.found:
                path = keep / f"{name}-{sha256(last).hexdigest()[:12]}"
                path.write_bytes(last)
                told.found[where] = path, "".join(traceback.format_exception(error))
                tell(f"{name}: {type(error).__name__}: {error}\n  at {where}\n  python -m fuzz {name} --replay {path}")
        seed += 1
    trying.unlink(missing_ok=True)
    told.seconds = time.monotonic() - began
    return told


def _round(attempt: Callable[[bytes], None], target: Target, count: int, seed: int) -> BaseException | None:
    """Some inputs; the error of the smallest that broke it."""
    inputs = st.deferred(
        lambda: target.inputs
    )  # not given itself: hypothesis describes what it is given, seeds and all
    tried = settings(
        max_examples=max(count, 1), deadline=None, database=None, derandomize=False, print_blob=False,
        phases=(Phase.generate, Phase.shrink), suppress_health_check=list(HealthCheck),
        verbosity=Verbosity.quiet, report_multiple_bugs=False,
    )(given(inputs)(attempt))  # fmt: skip
    test: Any = seeded(seed)(tried)
    try:
        test()
    except (KeyboardInterrupt, MemoryError):
        raise
    except BaseException as error:  # noqa: BLE001 - also SystemExit: nothing may leave a target
        return error
    return None


def _where(error: BaseException) -> str:
    """The kind of an error: what it is, and the innermost line of ours it came through."""
    while isinstance(error, BaseExceptionGroup):  # what fails only now and then comes wrapped
        error = error.exceptions[0]
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if "/ztflow/" in frame.filename]
    ours = frames[-1:] or traceback.extract_tb(error.__traceback__)[-1:]
    return f"{type(error).__name__} {Path(ours[0].filename).name}:{ours[0].lineno}" if ours else type(error).__name__


@contextmanager
def patience() -> Iterator[None]:
    """While it is open, more than `PATIENCE` of processor time is an error; only in the main thread, as signals are."""

    def late(_number: int, _frame: FrameType | None) -> None:
        raise TooLongError(f"more than {PATIENCE:g} s of processor time")

    before = signal.signal(signal.SIGVTALRM, late)
    signal.setitimer(signal.ITIMER_VIRTUAL, PATIENCE)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)


@contextmanager
def threads_heard() -> Iterator[None]:
    """While it is open, what a thread dies of is an error here, too."""
    died: list[BaseException] = []
    before = threading.excepthook
    threading.excepthook = lambda about: died.append(about.exc_value or RuntimeError("a thread died"))
    try:
        yield
    finally:
        threading.excepthook = before
    if died:
        raise died[0]


def replay(target: Target, path: Path) -> None:
    """Try one saved input; whatever it raises leaves."""
    sys.tracebacklimit = 100
    target.check(path.read_bytes())
