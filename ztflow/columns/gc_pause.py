"""Pauses Python's cyclic garbage collector while millions of small containers are made."""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Iterator
from threading import Lock


@contextlib.contextmanager
def gc_paused() -> Iterator[None]:
    """No cyclic garbage collection inside: making many objects at once makes no garbage, only work for the collector.

    It would look through all objects there are again and again while they become more. Measured: reading JSON, indexing
    and placing 50 000 pods take half the time, a graph of 270 000 edges a third.
    """
    global _open, _running  # noqa: PLW0603 - the collector is the process's, and several threads may be inside
    with _LOCK:
        if not _open:
            _running = gc.isenabled()
            gc.disable()
        _open += 1
    try:
        yield
    finally:
        with _LOCK:
            _open -= 1
            if not _open and _running:
                gc.enable()


_LOCK = Lock()
_open = 0
"""How many pauses are open."""
_running = False
"""Whether it ran before the first of them."""


@contextlib.contextmanager
def gc_rarely() -> Iterator[None]:
    """While it is open, cyclic garbage is looked for after many more new objects than usual.

    A live summary keeps tens of thousands of small containers that come and go without a circle; looking through them
    takes a fifth of its time.
    """
    before = gc.get_threshold()
    gc.set_threshold(_RARELY, 20, 20)
    try:
        yield
    finally:
        gc.set_threshold(*before)


_RARELY = 20_000
"""New containers between two looks at the youngest; the usual number is 700."""
