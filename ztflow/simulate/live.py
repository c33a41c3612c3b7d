"""A capture played at the speed of the clock, for demonstrations."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

from ztflow.simulate.capture import Capture


def play(
    capture: Capture,
    *,
    speed: float = 1.0,
    now: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Iterator[list[bytes]]:
    """Lines when they are due, together what is due at once. The start-up lines are due at the beginning.

    Args:
        capture: What to play; simulate it with `begin` = now, so that its times are those of the clock.
        speed: Seconds of the capture a second.
        now: Seconds, by any clock that does not jump.
        sleep: Waits for seconds.
    """
    begin = now()
    due: list[bytes] = []
    for second, _, text in capture.arriving():
        wait = second / speed - (now() - begin)
        if wait > 0:
            if due:
                yield due
                due = []
                wait = second / speed - (now() - begin)
            sleep(max(0.0, wait))
        due.append(text)
    if due:
        yield due
