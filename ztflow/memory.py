"""How much memory a run may take, and what each of its parts may hold: the one place where such sizes are derived.

The bound is of what is resident at most. Some of it is there whatever is read: Python and its libraries, the
dictionaries of the compiled reader, the piece of input at hand. The rest is shared out here, by what was measured
(`benchmarks/memory.py`). What does not fit waits on disk.
"""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import Final, NamedTuple

from ztflow.errors import UsageError

MIB: Final = 1 << 20
BASE: Final = 400 * MIB
"""What is there whatever is read, and what grows with the names and the lines a minute, but has bounds of its own."""
LEAST_BOUND: Final = 600 * MIB
"""The least bound that can be kept."""


class Budget(NamedTuple):
    """What each part may hold.

    Attributes:
        bound: Bytes in all.
        halves: Bytes of access lines before they go to disk.
        in_order: The same while they come in order of time: then those on disk do not lie across each other.
        portion: Bytes of access lines, or of flows, that are worked on together.
        flows: Bytes of flows that are held back, because one that ended before them may still come, before they go to
            disk.
        ends: Pods and addresses whose places are known at the same time.
        pending: Bytes of access lines that pairing holds while their partner may come, and of what it keeps of them.
        waiting: The same of input that goes on, as a number of lines.
        addresses: Of input that goes on, the addresses of which pairing remembers on which side they were seen; some 16
            bytes for each side and copy.
    """

    bound: int
    halves: int
    in_order: int
    portion: int
    flows: int
    ends: int
    pending: int
    waiting: int
    addresses: int


_END: Final = 1500
"""Bytes a pod takes with its address, the ztunnels that wrote of it and when."""


_ROW: Final = 400
"""Bytes a line takes at most, about: one with names nobody else has."""
_FEATURES: Final = 700
"""Bytes pairing takes for a line beside the line: what it computes of it, and the flow it becomes."""


def capacity(pending: int, row: float) -> int:
    """Lines pairing can hold in so many bytes, of so many bytes each. Lines are copied when others come."""
    return max(2, int(pending / (2 * row + _FEATURES)))


def budget(bound: int) -> Budget:
    """Share out a bound.

    Args:
        bound: Bytes.

    Raises:
        UsageError: It is less than can be kept.
    """
    if bound < LEAST_BOUND:
        raise UsageError(f"{bound / MIB:,.0f} MiB are too few: the least that can be kept is {LEAST_BOUND // MIB}MiB")
    spare = bound - BASE
    return Budget(
        bound=bound,
        halves=spare * 3 // 8,
        in_order=spare * 3 // 64,
        portion=spare // 32,
        flows=spare // 24,
        ends=spare // 5 // _END,
        pending=spare // 2,
        waiting=capacity(spare // 2, _ROW),
        addresses=spare // 1472,
    )


DEFAULT: Final = budget(768 * MIB)
"""Unless a user says otherwise."""


_STATM: Final = Path("/proc/self/statm")


_SLACK: Final = 48 * MIB
"""By how much memory has to grow before what was freed is looked for again, for that takes some 10 ms; and in a process
that holds much for other reasons (a notebook) there is nothing to find, however often one looks."""

_left = 0
"""Resident bytes when all that was freed had last been returned."""
_enough = 0
"""Resident bytes from which memory is short; 0 while no bound is kept."""


def keep_below(bound: int) -> None:
    """Return what was freed to the system where a good part of a bound is in use; the C library keeps it otherwise.

    Cost: some microseconds, or milliseconds where memory has grown since the last time.
    """
    global _left, _enough  # noqa: PLW0603 - memory is the process's, not a caller's
    _enough = bound * 5 // 8  # beyond it nothing is done ahead
    if sys.platform != "linux":
        return
    with suppress(OSError, ValueError):
        resident = _resident()
        _left = min(_left, resident)
        if resident > max(bound * 15 // 32, _left + _SLACK):
            give_back()
            _left = _resident()


def plenty() -> bool:
    """Whether there is room to work ahead: what was freed has been returned, and less than 5/8 of a bound is in use."""
    with suppress(OSError, ValueError):
        return not _enough or _resident() < _enough
    return True  # nobody can tell


def _resident() -> int:
    with _STATM.open("rb") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGESIZE")


def give_back() -> None:
    """Return what was freed to the system."""
    import ctypes

    with suppress(AttributeError, OSError):  # another C library
        ctypes.CDLL(None).malloc_trim(0)


_MMAP_THRESHOLD: Final = -3
"""`M_MMAP_THRESHOLD` of glibc's mallopt(3)."""


def return_at_once() -> None:
    """Return large arrays to the system as soon as they are freed, for a process that runs beside other work for long.

    Cost: the system clears their pages anew each time, some 0.1 ms a MiB.
    """
    if sys.platform != "linux":
        return
    import ctypes

    with suppress(AttributeError, OSError):  # another C library
        ctypes.CDLL(None).mallopt(_MMAP_THRESHOLD, MIB // 2)
