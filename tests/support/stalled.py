"""`python stalled.py MOMENT MARK WORDS…`: the command line, standing still at one moment until a signal comes.

It makes the file MARK when it gets there. So a test need not guess how long a machine takes.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

MARK: list[Path] = []


def stall() -> None:
    """Say that the moment is there, and wait."""
    MARK[0].touch()
    time.sleep(60)


def before(function, times: int = 1):
    """The function, with a stall before the call that has this number."""
    count = 0

    def stalled(*args, **named):
        nonlocal count
        count += 1
        if count == times:
            stall()
        return function(*args, **named)

    return stalled


class StallingImport:
    """Stalls when a module is looked for: the program has only begun."""

    def find_spec(self, name, _path=None, _target=None):
        if name == "ztflow.cli.app":
            stall()


def prepare(moment: str) -> None:
    """Put the stall in its place."""
    if moment == "starting":
        sys.meta_path.insert(0, StallingImport())
    elif moment == "reading":
        from ztflow.read.stream import StreamParser

        StreamParser.finish = before(StreamParser.finish)
    elif moment == "pairing":
        from ztflow.pair import Pairer

        Pairer._last = before(Pairer._last)  # at the end of `finish` and `decide`
    elif moment == "writing":
        from ztflow.files.placing import NamedFile

        write = NamedFile.write

        def half(self, data, /):
            NamedFile.write = write
            with memoryview(data) as view:
                write(self, view[: len(view) // 2])
            stall()

        NamedFile.write = half
    elif moment == "flushed":
        os.fsync = before(os.fsync)
    elif moment == "placed":
        os.fsync = before(os.fsync, 2)
    elif moment in {"spilled", "never"}:  # by way of the disk, with and without a stall
        from ztflow import memory
        from ztflow.runs import Runs

        memory.DEFAULT = memory.DEFAULT._replace(halves=1, flows=1)
        if moment == "spilled":
            Runs.write = before(Runs.write, 2)
    else:
        raise ValueError(moment)


if __name__ == "__main__":
    moment, mark = sys.argv[1:3]
    del sys.argv[1:3]
    MARK.append(Path(mark))
    prepare(moment)
    from ztflow.cli import main

    sys.exit(main())
