"""How large blocks of input and parts of access lines are: bounded by what a worker may take.

A block is read, and a part paired, by one task; the tasks between them are as many as the product of both. So both are
as large as fits, as long as all workers have done about as much at the end. Parts are equally large by themselves;
blocks are the smaller the less is left to read, so that no worker waits long for the last one of another.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from distributed import Client

_PARTS_EACH: Final = 2
"""Parts a worker, where all is small enough for that: while one is paired, the other comes."""
_OF_WHAT_IS_LEFT: Final = 2
"""A block is what is left by so many, and by the workers."""
_LAST: Final = 24
"""The last blocks are all by so many, and by the workers."""
_LEAST_BLOCK, _MOST_BLOCK = 8 << 20, 1 << 30
"""Bytes of a block. Smaller ones cost the work around a task; larger ones save none of it worth mentioning."""
_LEAST_PART: Final = 250_000
"""Access lines of a part, likewise."""

OF_A_BLOCK: Final = 3
"""Bytes that reading a block takes, for each of its own (measured: 1.3 to 2.0, see docs/how-to/many-machines.md)."""
OF_A_LINE: Final = 1_100
"""Bytes that pairing takes, an access line (measured, likewise)."""
_SHARE: Final = 4
"""Part of a worker's memory for the task that runs; the rest is for results that wait, and for Python itself."""
_UNLIMITED: Final = 2 << 30
"""Memory of a worker that says no limit."""


@dataclass(frozen=True, slots=True)
class Sizes:
    """How large blocks and parts are.

    Attributes:
        workers: Threads that run tasks.
        memory: Bytes each may take.
        block: Bytes of a block, if that is given.
        rows: Access lines of a part, if that is given.
    """

    workers: int
    memory: int = _UNLIMITED
    block: int | None = None
    rows: int | None = None

    @classmethod
    def of(cls, client: Client, block: int | None = None, rows: int | None = None) -> Sizes:
        """Those for the workers of a cluster; the one with the least memory counts."""
        threads = client.nthreads().values()  # of all workers; some versions tell the rest of a few only
        about = client.scheduler_info()["workers"].values()
        limits = [one["memory_limit"] // one["nthreads"] for one in about if one["memory_limit"]]
        return cls(max(1, sum(threads)), min(limits, default=_UNLIMITED), block, rows)

    @property
    def most_rows(self) -> int:
        """Access lines of a part at most, about."""
        return self.rows or max(1, self.memory // _SHARE // OF_A_LINE)

    def block_of(self, left: int, size: int) -> int:
        """Bytes of the next block, when so many of plain files are left, of so many in all."""
        if self.block is not None:
            return self.block
        least = max(_LEAST_BLOCK, size // self.workers // _LAST)
        most = max(_LEAST_BLOCK, min(_MOST_BLOCK, self.memory // _SHARE // OF_A_BLOCK))
        return min(most, max(least, left // self.workers // _OF_WHAT_IS_LEFT))

    def parts_of(self, rows: int, pieces: int) -> int:
        """Parts for so many access lines from so many pieces of input; each worker gets as many as any other."""
        least = min(self.workers, pieces)
        wanted = min(_parts(rows, _LEAST_PART), _PARTS_EACH * self.workers) if self.rows is None else 1
        return max(1, _parts(max(wanted, _parts(rows, self.most_rows)), max(1, least)) * least)


def _parts(size: int, part: int) -> int:
    return -(-size // part)
