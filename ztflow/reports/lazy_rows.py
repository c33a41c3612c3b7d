"""`Rows`: the rows of a report, made when they are looked at: a screen shows ten of what may be a hundred thousand."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import Any, TypeVar, overload

Row = TypeVar("Row")
Other = TypeVar("Other")

_AT_ONCE = 1 << 12
"""Rows made together while all are gone through."""
_TOLD = 3
"""Rows that are written out where the object is printed."""


class Rows(Sequence[Row]):
    """Rows that are made of columns: to be read like the tuple of them, and equal to it.

    Args:
        count: How many there are.
        make: Makes those of some places.

    Cost: a row is made each time it is looked at, some microseconds.
    """

    __slots__ = ("_count", "_make")

    def __init__(self, count: int, make: Callable[[range], Iterable[Row]]) -> None:
        self._count, self._make = count, make

    def __len__(self) -> int:
        return self._count

    @overload
    def __getitem__(self, place: int) -> Row: ...
    @overload
    def __getitem__(self, place: slice) -> tuple[Row, ...]: ...

    def __getitem__(self, place: int | slice) -> Row | tuple[Row, ...]:
        if isinstance(place, slice):
            return tuple(self._make(range(self._count)[place]))
        at = range(self._count)[place]
        return next(iter(self._make(range(at, at + 1))))

    def __iter__(self) -> Iterator[Row]:
        for start in range(0, self._count, _AT_ONCE):
            yield from self._make(range(start, min(start + _AT_ONCE, self._count)))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, tuple | Rows):
            return NotImplemented
        return len(self) == len(other) and all(one == another for one, another in zip(self, other, strict=True))

    def __hash__(self) -> int:
        return hash(tuple(self))

    def __reduce__(self) -> tuple[Any, ...]:
        return tuple, (list(self),)

    def __repr__(self) -> str:
        told = [*map(repr, islice(self, _TOLD)), *(["…"] if self._count > _TOLD else [])]
        return f"<{self._count:,} rows: {', '.join(told)}>" if told else "()"


def mapped(rows: Sequence[Row], make: Callable[[Row], Other]) -> Rows[Other]:
    """What is made of each row, as late as the rows."""

    def some(places: range) -> Iterable[Other]:
        at_once = rows[places.start : places.stop] if places.step == 1 else [rows[place] for place in places]
        return map(make, at_once)

    return Rows(len(rows), some)
