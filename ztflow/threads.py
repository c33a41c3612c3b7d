"""How many processors this process may use, and work that is done ahead of where it is asked for."""

from __future__ import annotations

import os
from collections.abc import Generator, Iterator
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
    """How many processors this process may use: those it may be scheduled on, or what a container's quota gives."""
    count = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    with suppress(OSError, ValueError):  # no such file, or "max"
        quota, period = map(int, _QUOTA.read_text().split())
        count = min(count, max(1, -(-quota // period)))
    return count


def one_ahead(parts: Generator[Part, None, None], name: str) -> Iterator[Part]:
    """What a generator gives, each made on another thread while the one before is worked on.

    With one processor all is done on this one. An error comes in its place. Where the caller stops early, the part
    that is being made is waited for, so nothing of it runs on behind.

    Args:
        parts: Makes the parts; closed at the end.
        name: Of the thread.

    Memory: one part more.
    """
    if processors() < 2:
        yield from parts
        return
    end = object()
    with closing(parts), ThreadPoolExecutor(1, name) as thread:
        coming = thread.submit(next, parts, end)
        while (part := coming.result()) is not end:
            coming = thread.submit(next, parts, end)
            yield part  # type: ignore[misc]
            del part
