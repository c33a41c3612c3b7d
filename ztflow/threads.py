"""How many processors this process may use, and work that is done ahead of where it is asked for."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Final, TypeVar

from ztflow.memory import plenty

_QUOTA: Final = Path("/sys/fs/cgroup/cpu.max")
"""Where the kernel says what share of the processors a container may use (cgroup v2): microseconds, of how many."""

LEFT_TO_FINISH: Final = 0.5
"""Seconds work on another thread may go on when nobody wants it any more. A signal is to end a run within a second."""

Part = TypeVar("Part")


@cache
def processors() -> int:
    """How many processors this process may use: those it may be scheduled on, or what a container's quota gives."""
    count = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    with suppress(OSError, ValueError):  # no such file, or "max"
        quota, period = map(int, _QUOTA.read_text().split())
        count = min(count, max(1, -(-quota // period)))
    return count


def one_ahead(parts: Generator[Part, None, None], name: str) -> Iterator[Part]:
    """What a generator gives, each made on another thread while the one before is worked on.

    With one processor, or while memory is short (`memory.plenty`), all is done where it is asked for. An error comes in
    its place. Where the caller stops early, or a signal ends it, the part that is being made is waited for, but no
    longer than `LEFT_TO_FINISH`.

    Args:
        parts: Makes the parts; closed at the end, unless it is still at work by then.
        name: Of the thread.

    Memory: one part more, and what it takes to make it, where there is plenty.
    """
    if processors() < 2:
        yield from parts
        return
    end = object()
    thread = ThreadPoolExecutor(1, name)
    coming = thread.submit(next, parts, end)
    try:
        while (part := coming.result()) is not end:
            if ahead := plenty():
                coming = thread.submit(next, parts, end)
            yield part  # type: ignore[misc]
            del part
            if not ahead:
                coming = thread.submit(next, parts, end)
    finally:
        thread.shutdown(wait=False, cancel_futures=True)
        if wait([coming], LEFT_TO_FINISH).done:
            parts.close()


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


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_helpers.cache_clear)  # a fork has no threads but the one that made it
