"""Decides when big inputs are read by compiled code: reading never waits for it; one warning if it is unusable.

Measured (2-core virtual machine, CPython 3.11, Numba 0.68): linking the compiled code takes less than 0.1 s, compiling
about 15 s. The slow path reads 2 to 4 MB in that tenth of a second, so smaller inputs never load the kernel. When the
compiled code is not there yet, big inputs have it made by another process and go on without it; when it is there they
switch over, and nothing is said. Where it cannot be made or loaded everything works, only slower: an input that is big
enough to want it then gives one `SlowPathWarning`.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
import warnings
from enum import Enum
from importlib.util import find_spec
from pathlib import Path
from threading import Lock
from typing import Final

from ztflow.errors import CompilerError, SlowPathWarning

WARM_FROM: Final = 2 << 20
"""Bytes of input from which loading compiled code pays."""
COLD_FROM: Final = 64 << 20
"""Bytes of input from which it is compiled, beside the reading."""

SWITCH: Final = "ZTFLOW_KERNEL"
"""Environment variable: `off` never uses the kernel."""

_COMPILING = "compiling"
_GIVEN_UP_AFTER = 300.0
"""Seconds after which another process's compilation counts as failed."""

_SAMPLE = (
    b"2024-11-05T12:00:01.013201Z\tinfo\taccess\tconnection complete\tsrc.addr=10.0.0.1:80 dst.addr=10.0.0.2:90 "
    b'direction="inbound" bytes_sent=1 bytes_recv=22 duration="333ms"\n'
)


class State(Enum):
    """What is known about the kernel in this process."""

    UNTRIED = 0
    READY = 1
    FAILED = 2


class Policy:
    """Decides for this process. Thread-safe."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._state = State.UNTRIED
        self._compiler: subprocess.Popen[bytes] | None = None
        self._asked = False

    def ready(self, size: int) -> bool:
        """Whether to use the kernel now.

        Args:
            size: Bytes the input has, or has had so far.

        Cost: nothing once it is decided; loading the code (0.1 s) the first time it pays.
        """
        if self._state is not State.UNTRIED:
            return self._is_ready()
        if size < WARM_FROM or os.environ.get(SWITCH) == "off":
            return False
        with self._lock:
            if self._state is State.UNTRIED:
                try:
                    self._try(size)
                except CompilerError as error:
                    self._state = State.FAILED
                    _say(f"is not used: {error}")
            return self._is_ready()

    def _is_ready(self) -> bool:
        return self._state is State.READY

    def _try(self, size: int) -> None:
        """Load the compiled code if it is there; else have it compiled if that pays.

        Raises:
            CompilerError: This will not work in this process.
        """
        from ztflow.kernel.engine import KERNEL

        ended = None if self._compiler is None else self._compiler.poll()
        if self._compiler is not None and ended is None:
            return
        damaged = None
        if (place := KERNEL.finished()) is not None:
            if KERNEL.kept() is not None:
                _prove()
                self._state = State.READY
                return
            damaged = place
        if ended is not None:
            raise CompilerError("compiling it in the background failed; `ztflow warmup` says why")
        if self._asked or (size < COLD_FROM and damaged is None):
            return
        self._asked = True
        if damaged is not None:
            _say(f"in {damaged} is damaged; it is compiled anew in the background, until then it is not used")
        self._compiler = _compile_beside(KERNEL.folder())

    def warmup(self) -> Path | None:
        """Compile now and wait for it.

        Returns:
            Where the compiled code is kept; None when there is nowhere to keep it.

        Raises:
            CompilerError: It cannot be compiled here, or what was compiled does not read as it must.
        """
        from ztflow.kernel.engine import KERNEL

        with self._lock:
            _prove()
            self._state = State.READY
        return KERNEL.good()


def _say(what: str) -> None:
    """Warn that an input is read the slow way although it is big enough for the compiled reader.

    Source: the ratio is what `benchmarks/slow_paths.py` prints for a whole job.
    """
    warnings.warn(f"the compiled reader {what}; reading takes about 4 times as long", SlowPathWarning, stacklevel=2)


def _prove() -> None:
    """Load or compile the kernel, and have it read a line whose content is known.

    Raises:
        CompilerError: It cannot be loaded or compiled, or reads something else.
    """
    if sys.byteorder != "little":
        raise CompilerError("it needs a little-endian machine")
    from ztflow.kernel.blocks import read_block

    table, slow, _ = read_block(_SAMPLE * 3)
    told = [table.column(name).to_pylist() for name in ("src_ip", "dst_port", "bytes_recv", "duration_ms")]
    if slow or told != [["10.0.0.1"] * 3, [90] * 3, [22] * 3, [333] * 3]:
        raise CompilerError("it does not read a known line as it must")


def _compile_beside(place: Path | None) -> subprocess.Popen[bytes] | None:
    """Start a process that compiles into the cache; it outlives this one, so the next has it.

    Returns:
        The process; None when another one is at it.

    Raises:
        CompilerError: That is not possible here.
    """
    missing = [name for name in ("numba", "llvmlite") if find_spec(name) is None]
    if missing:
        raise CompilerError(f"{' and '.join(missing)} not installed")
    if place is None:
        raise CompilerError("there is no private folder it could be kept in (set XDG_CACHE_HOME to one)")
    if getattr(sys, "frozen", False) or not Path(sys.executable).name.startswith("python"):
        raise CompilerError("it was never compiled on this machine; `ztflow warmup` does that")
    if not _claimed(place / _COMPILING):
        return None
    try:
        return subprocess.Popen(
            [sys.executable, "-m", "ztflow.kernel.warmup"], start_new_session=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
    except OSError as error:
        raise CompilerError(f"the process that would compile it does not start: {error}") from error


def _claimed(mark: Path) -> bool:
    """Whether the mark of a running compilation is ours now."""
    for _ in range(2):
        try:
            mark.touch(exist_ok=False)
        except FileExistsError:
            try:
                if time.time() - mark.stat().st_mtime < _GIVEN_UP_AFTER:
                    return False
                mark.unlink()
            except OSError:
                return False
        except OSError:
            return False
        else:
            return True
    return False


POLICY: Final = Policy()
"""The policy of this process."""


def warmup() -> Path | None:
    """Compile the kernel ahead of its first use; see `Policy.warmup`."""
    return POLICY.warmup()
