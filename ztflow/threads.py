"""How many processors this process may use, and threads for work that lets Python's lock go."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Final, TypeVar

_QUOTA: Final = Path("/sys/fs/cgroup/cpu.max")
"""Where the kernel says what share of the processors a container may use (cgroup v2): microseconds, of how many."""

Part = TypeVar("Part")


@cache
def processors() -> int:
    """How many processors this process may use: those it may be scheduled on, or what a container's quota gives."""
    count = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    with suppress(OSError, ValueError):  # no such file, or "max"
        quota, period = map(int, _QUOTA.read_text().split())
        count = min(count, max(1, -(-quota // period)))
    return count


def at_once(work: Callable[[Part], None], parts: Sequence[Part]) -> None:
    """Do work that lets the GIL go on several parts at the same time, the first of them on this thread.

    The threads stay for the next time, with what they keep (`threading.local`). Where a part fails, or a signal ends
    the wait, those not begun are dropped and those at work waited for: what they work on is the caller's.

    Args:
        work: What is done.
        parts: What it is done on; no more of them than there are `processors`.
    """
    others = [_helpers().submit(work, part) for part in parts[1:]]
    try:
        for part in parts[:1]:
            work(part)
        for other in others:
            other.result()
    finally:
        wait([other for other in others if not other.cancel()])


@cache
def _helpers() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(max(1, processors() - 1), "ztflow-help")


@cache
def beside() -> ThreadPoolExecutor:
    """A thread that does one thing after the other, in the order they are given; only waits when there is nothing."""
    return ThreadPoolExecutor(1, "ztflow-beside")


def _forget() -> None:
    """A fork has no threads but the one that made it."""
    _helpers.cache_clear()
    beside.cache_clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
