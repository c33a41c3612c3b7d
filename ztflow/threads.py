"""How many processors this process may use, and work that is done ahead of where it is asked for."""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from functools import cache
from pathlib import Path
from typing import Final, TypeVar

_QUOTA: Final = Path("/sys/fs/cgroup/cpu.max")
"""Where the kernel says what share of the processors a container may use (cgroup v2): microseconds, of how many."""

Part = TypeVar("Part")


@cache
def processors() -> int:
    """How many processors this process may use: those it may be scheduled on, or fewer where a container has a quota."""
    count = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    with suppress(OSError, ValueError):  # no such file, or "max"
        quota, period = map(int, _QUOTA.read_text().split())
        count = min(count, max(1, -(-quota // period)))
    return count


def one_ahead(parts: Iterator[Part], name: str) -> Iterator[Part]:
    """What an iterator gives, each made on another thread while the one before is worked on.

    With one processor it is the iterator itself. An error comes in its place. Where the caller stops early, the part
    that is being made is waited for, so nothing of it runs on behind.

    Args:
        parts: It makes the parts, one at a time; closed at the end if it is a generator.
        name: Of the thread.

    Memory: one part more.
    """
    if processors() < 2:
        yield from parts
        return
    end = object()
    with closing(parts) if hasattr(parts, "close") else suppress(), ThreadPoolExecutor(1, name) as thread:
        coming = thread.submit(next, parts, end)
        while (part := coming.result()) is not end:
            coming = thread.submit(next, parts, end)
            yield part  # type: ignore[misc]
            del part
