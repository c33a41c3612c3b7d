"""When to use the compiled kernel: never at the price of a wait.

Measured (2-core virtual machine, CPython 3.11, Numba 0.68): linking the compiled code takes less than 0.1 s, compiling
about 10 s. The slow path reads 2 to 4 MB in that tenth of a second, so smaller inputs never load the kernel. When the
compiled code is not there yet, big inputs have it made by another process and go on without it; when it is there they
switch over. Where Numba is missing or fails nothing is said and everything works, only slower.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from enum import Enum
from pathlib import Path
from threading import Lock
from typing import Final

from ztflow.jit.cache import KERNEL

WARM_FROM: Final = 2 << 20
"""Bytes of input from which loading compiled code pays."""
COLD_FROM: Final = 64 << 20
"""Bytes of input from which it is compiled, beside the reading."""

SWITCH: Final = "ZTFLOW_KERNEL"
"""Environment variable: `off` never uses the kernel."""

_COMPILING = "compiling"
_GIVEN_UP_AFTER = 300.0
"""Seconds after which another process's compilation is taken for dead."""

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
                if self._compiler is not None and self._compiler.poll() is None:
                    return False
                if KERNEL.is_warm():
                    self._load()
                elif size >= COLD_FROM and not self._asked:
                    self._asked = True
                    self._compiler = _compile_beside()
            return self._is_ready()

    def _is_ready(self) -> bool:
        return self._state is State.READY

    def warmup(self) -> Path | None:
        """Compile now and wait for it.

        Returns:
            Where the compiled code is kept; None when there is nowhere to keep it.

        Raises:
            ImportError: Numba is not installed.
            RuntimeError: What was compiled does not read as it must.
        """
        with self._lock:
            _prove()
            self._state = State.READY
        return KERNEL.good()

    def _load(self) -> None:
        try:
            _prove()
        except Exception:  # noqa: BLE001  whatever Numba, LLVM or the machine cannot do: the slow path can
            self._state = State.FAILED
        else:
            self._state = State.READY


def _prove() -> None:
    """Load or compile the kernel, and have it read a line whose content is known."""
    if sys.byteorder != "little":
        raise RuntimeError("the kernel needs a little-endian machine")
    from ztflow.kernel.blocks import read_block

    table, slow, _ = read_block(_SAMPLE * 3)
    told = [table.column(name).to_pylist() for name in ("src_ip", "dst_port", "bytes_recv", "duration_ms")]
    if slow or told != [["10.0.0.1"] * 3, [90] * 3, [22] * 3, [333] * 3]:
        raise RuntimeError("the compiled kernel does not read as it must")


def _compile_beside() -> subprocess.Popen[bytes] | None:
    """Start a process that compiles into the cache, unless one is at it; it outlives this one, so the next has it."""
    place = KERNEL.folder()
    if place is None or getattr(sys, "frozen", False) or not Path(sys.executable).name.startswith("python"):
        return None
    if not _claimed(place / _COMPILING):
        return None
    try:
        return subprocess.Popen(
            [sys.executable, "-m", "ztflow.kernel.warmup"], start_new_session=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
    except OSError:
        return None


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
"""That of this process."""


def warmup() -> Path | None:
    """Compile the kernel ahead of its first use; see `Policy.warmup`."""
    return POLICY.warmup()
