"""Which group each connection belongs to, and the sum of what is asked for in each group."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple, TypeAlias

import numpy as np

from ztflow.aggregate import LEVELS, UNKNOWN, View, ends_columns, vertices
from ztflow.aggregate.matrix import column_labels
from ztflow.aggregate.measures import MEASURED, sums, tally
from ztflow.columns.dtypes import IntArray, Integers
from ztflow.errors import UsageError
from ztflow.model.vocabulary import GraphLevel, unknown_word
from ztflow.text.format import ALL_OTHERS, Unit

End: TypeAlias = Literal["source", "destination"]

ValueWord: TypeAlias = Literal["bytes", "flows", "request_bytes", "response_bytes", "denied", "failed"]

VALUES: dict[str, tuple[str, Unit]] = {
    "bytes": ("payload both ways", Unit.BYTES),
    "flows": ("connections", Unit.COUNT),
    "request_bytes": ("payload to the server", Unit.BYTES),
    "response_bytes": ("payload to the client", Unit.BYTES),
    "denied": ("connections refused by policy", Unit.COUNT),
    "failed": ("connections that failed otherwise", Unit.COUNT),
}
"""What can be plotted: in words, and its unit."""


class Grouped(NamedTuple):
    """Connections by group.

    Attributes:
        codes: Group of each.
        names: Groups in the order they are shown; the last may be all others.
        rest: Whether it is.
    """

    codes: IntArray
    names: tuple[str, ...]
    rest: bool


def value_words(value: str) -> tuple[str, Unit]:
    """What a value is called, and its unit.

    Raises:
        UsageError: There is no such value.
    """
    if value not in VALUES:
        raise UsageError(f"value cannot be {value!r}; choose one of {', '.join(VALUES)}")
    return VALUES[value]


def byte_columns(value: str) -> tuple[str, ...]:
    """The columns a value sums up; none where it counts connections."""
    return ("request_bytes", "response_bytes") if value == "bytes" else (value,) if value.endswith("_bytes") else ()


def amounts(view: View, value: str, codes: Integers, groups: int) -> list[int]:
    """The value of each group, exact."""
    if names := byte_columns(value):
        parts = [sums(view, name, codes, groups) for name in names]
        return [sum(each) for each in zip(*parts, strict=True)]
    counts: list[int] = tally(codes, groups, None if value == "flows" else view.equals("verdict", value)).tolist()
    return counts


def columns_of(by: str | None) -> list[str]:
    """The columns plots by a level or column are made of: flows kept for nothing else need hold no others."""
    names = ends_columns(by) if by in LEVELS else () if by is None else (by,)
    return list(dict.fromkeys((*MEASURED, *names)))


def named(view: View, owners: Mapping[str, str], by: str, end: End) -> tuple[Integers, Sequence[str]]:
    """The name of each connection: of one end at a level, or of any column.

    Raises:
        UsageError: `by` is neither a level nor a column that can name groups, or there is no such end.
    """
    if end not in {"source", "destination"}:
        raise UsageError(f"end cannot be {end!r}; choose source or destination")
    if by in LEVELS:
        ends = vertices(view, by, owners)
        return ends.source if end == "source" else ends.target, [vertex.id for vertex in ends.all]
    if not view.has(by):
        raise UsageError(f"{unknown_word(GraphLevel, 'by', by)}; a column of flows such as locality does as well")
    return column_labels(view.table, by)


def grouped(view: View, owners: Mapping[str, str], by: str | None, end: End, *, value: str, top: int) -> Grouped:
    """Connections by name: those that have most of a value, and all others together.

    Names without anything have no group of their own unless nothing has any.

    Raises:
        UsageError: As `named`, or `top` is less than 1.
    """
    if by is None:
        return Grouped(np.zeros(len(view), np.int64), ("all",), False)
    codes, names = named(view, owners, by, end)
    return leading(codes.astype(np.int64), names, amounts(view, value, codes, len(names)), top)


def leading(codes: IntArray, names: Sequence[str], sizes: Sequence[int], top: int) -> Grouped:
    """The biggest of some groups, most first, unknown after those with a name, and the others as one."""
    place, kept, rest = order_of(names, sizes, top)
    return Grouped(place[codes] if len(names) else codes, kept, rest)


def order_of(names: Sequence[str], sizes: Sequence[int], top: int) -> tuple[IntArray, tuple[str, ...], bool]:
    """The place of each name among the biggest; their names; and whether the last stands for all others.

    Raises:
        UsageError: `top` is less than 1.
    """
    if top < 1:
        raise UsageError(f"top cannot be {top}; it is how many names are shown, 1 or more")
    order = sorted(range(len(names)), key=lambda at: (-sizes[at], names[at] == UNKNOWN, names[at]))
    some = [at for at in order if sizes[at]] or order
    kept = some if len(some) <= top + 1 else some[:top]  # one more is shown by its name as well
    kept.sort(key=lambda at: names[at] == UNKNOWN)
    place = np.full(len(names), len(kept), np.int64)
    place[kept] = np.arange(len(kept))
    rest = len(kept) < len(some)
    shown = (*(names[at] for at in kept), *([ALL_OTHERS] if rest else []))
    if not rest and len(kept) < len(names):
        place[place == len(kept)] = 0  # they have nothing to add, wherever they are put
    return place, shown, rest
