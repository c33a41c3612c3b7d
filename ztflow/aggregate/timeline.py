"""Traffic over time: connections and bytes in equal steps, the empty ones too.

The bytes of a connection are spread evenly over its life, because the log tells only their sum; a connection itself is
counted in the step it ended in.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ztflow.aggregate.matrix import column_labels
from ztflow.aggregate.measures import sums
from ztflow.aggregate.view import View
from ztflow.columns.dtypes import NO_TIME, BoolArray, FloatArray, IntArray, Integers
from ztflow.errors import UsageError

if TYPE_CHECKING:
    import pandas as pd

MOST_CELLS = 5_000_000
"""Steps times groups; more would take gigabytes."""

_EXACT = 2**53
"""Whole numbers below are exact as floats."""

BYTES = ("request_bytes", "response_bytes")

SPREAD = "Over time: connections by their end, bytes spread evenly over the life of their connection."
"""What a reader of these numbers needs to know."""

_LENGTHS = (1, 2, 5, 10, 30, 60, 120, 300, 600, 1800, 3600, 7200, 21600, 86400)
"""Lengths of a step in seconds; longer captures use whole days."""


class Timeline(NamedTuple):
    """Sums of each step and group. Shape of the arrays: (groups, steps).

    Attributes:
        first: Beginning of the first step, a multiple of the step since 1970, in microseconds.
        step: Length of a step in microseconds.
        flows: Connections that ended in the step.
        sizes: Bytes by column of `BYTES`, whole numbers; steps add up to the sum of the connections that have a time.
            Python's integers where a sum reaches 2^53.
        timeless: Connections that are in no step, since the log tells no time.
        folded: Whether the first step holds all that was before its end, however long ago.
        marked: Of the rows of each mask the connections that ended in the step.
    """

    first: int
    step: int
    flows: IntArray
    sizes: dict[str, npt.NDArray[Any]]
    timeless: int
    folded: bool
    marked: list[IntArray]


def round_step(view: View, most: int) -> timedelta:
    """A round length with which the time from the first end to the last has at most so many steps."""
    first, last = first_end(view), int(view.seen()[1].max(initial=NO_TIME))
    seconds = 1 if first is None else (last - first) // 1_000_000 + 1
    # Neither end need be where a step begins.
    whole_days = 86400 * -(-seconds // (86400 * (most - 2)))
    return timedelta(seconds=next((step for step in _LENGTHS if seconds <= step * (most - 2)), whole_days))


TIMED = ("start", "end", *BYTES)
"""The columns of numbers that are looked at connection by connection."""


class _Timed(NamedTuple):
    """Connections with a time: the row each is in, when it began and ended, and its bytes."""

    rows: Integers | slice
    began: IntArray
    ended: IntArray
    sizes: dict[str, IntArray]


def _timed(view: View) -> Iterator[_Timed]:
    """All connections with a time, in order, piece by piece."""
    starts, ends = view.known("start"), view.known("end")
    every = bool(starts.all() and ends.all())
    for rows, values in view.pieces(*TIMED):
        began, ended = values["start"], values["end"]
        if every:
            yield _Timed(rows, np.minimum(began, ended), ended, values)
            continue
        started, over = starts[rows], ends[rows]
        timed = started | over
        began, ended = np.where(started, began, ended)[timed], np.where(over, ended, began)[timed]
        here = np.flatnonzero(timed) if isinstance(rows, slice) else rows[timed]
        yield _Timed(here, np.minimum(began, ended), ended, {name: values[name][timed] for name in BYTES})


def first_end(view: View) -> int | None:
    """When the first connection ended, in microseconds; None where no time is known."""
    return min((int(piece.ended.min()) for piece in _timed(view) if len(piece.ended)), default=None)


def timeline(
    view: View,
    step: timedelta,
    codes: Integers,
    groups: int,
    most: int | None = None,
    masks: Sequence[BoolArray] = (),
) -> Timeline:
    """Spread connections over steps of time.

    Args:
        view: Rows of `schema.FLOWS`.
        step: Length of a step.
        codes: Group of each row.
        groups: How many groups there are.
        most: Steps at most, as long as those from the first end on fit: what of older connections passed before is
            put together in the first step then. No bound unless given.
        masks: Rows whose connections are counted by step, each by itself.

    Raises:
        UsageError: The step is none, or so short that there would be more than `MOST_CELLS` cells.

    Cost: numpy per row, and per cell of the result; a connection costs the same however many steps it spans.
    """
    length = step // timedelta(microseconds=1)
    if length <= 0:
        raise UsageError("a step is longer than nothing")
    timed = view.known("start") | view.known("end")
    timeless = view.count(~timed)
    if not timed.any():
        nothing = np.zeros((groups, 0), np.int64)
        return Timeline(0, length, nothing, dict.fromkeys(BYTES, nothing), timeless, False, [nothing for _ in masks])
    began, ended = (times[timed] for times in view.seen())
    first = int(np.minimum(began, ended).min()) // length * length
    latest = int(ended.max())
    folded = most is not None and (latest - first) // length >= most
    if folded:
        first = (first_end(view) or 0) // length * length - length
    steps = (latest - first) // length + 1
    if steps * groups > MOST_CELLS:
        raise UsageError(f"{steps:,} steps of {groups:,} are too many; choose a longer step")
    flows = np.zeros(groups * steps, np.int64)
    marked = [np.zeros(groups * steps, np.int64) for _ in masks]
    spreads = {name: _Spread((groups, steps), length) for name in BYTES}
    for piece in _timed(view):
        at = (piece.ended - first) // length
        group = codes[piece.rows]
        flows += np.bincount(group * steps + at, minlength=groups * steps)
        for number, mask in enumerate(masks):
            here = mask[piece.rows]
            marked[number] += np.bincount((group * steps + at)[here], minlength=groups * steps)
        for name, spread in spreads.items():
            spread.add(piece.sizes[name].astype(np.float64), piece.began - first, piece.ended - first, group)
    sizes: dict[str, npt.NDArray[Any]] = {}
    for name, spread in spreads.items():
        made = spread.steps()
        sizes[name] = made.astype(np.int64) if made.sum(axis=1).max() < _EXACT else made
    if any(spread.dtype == np.float64 for spread in sizes.values()):
        part, whole = view.where(timed), codes[timed].astype(np.int64)
        sizes = {name: _whole(spread, sums(part, name, whole, groups)) for name, spread in sizes.items()}
    shape = groups, steps
    counted = [found.reshape(shape) for found in marked]
    return Timeline(first, length, flows.reshape(shape), sizes, timeless, folded, counted)


def _whole(spread: npt.NDArray[Any], totals: list[int]) -> npt.NDArray[Any]:
    """Steps as whole numbers that add up to the totals, however big; the largest step takes what rounding left."""
    made = np.zeros(spread.shape, object)
    for row, total in enumerate(totals):
        parts = spread[row].tolist()
        whole = sum(parts)
        if total < _EXACT:
            made[row] = list(map(int, parts))
            continue
        cells = [int(part / whole * total) for part in parts]
        cells[max(range(len(parts)), key=parts.__getitem__)] += total - sum(cells)
        made[row] = cells
    return made


class _Spread:
    """Bytes spread over steps: differences of what had passed by each edge, so that nothing is lost or counted twice.

    Args:
        shape: Groups and steps.
        length: Of a step.
    """

    def __init__(self, shape: tuple[int, int], length: int) -> None:
        self._shape, self._length = shape, length
        self._over = np.zeros(shape, np.float64)
        """Bytes of connections that were over by an edge."""
        self._open = [(np.zeros(shape, np.float64), np.zeros(shape, np.float64), sign) for sign in (1.0, -1.0)]
        """Of those still open the part of their life that had passed: what is added and taken away at an edge."""
        self._totals = np.zeros(shape[0], np.float64)

    def add(self, sizes: FloatArray, began: IntArray, ended: IntArray, codes: Integers) -> None:
        """Add connections, in their order: sums of floats depend on it."""
        last = ended // self._length
        np.add.at(self._over, (codes, last), sizes)
        np.add.at(self._totals, codes, sizes)
        first_edge = np.maximum(began // self._length, 0)
        long: BoolArray = last > first_edge
        if not long.any():
            return
        size, start, group = sizes[long], began[long].astype(np.float64), codes[long]
        rate = size / (ended[long] - began[long])
        for (slope, offset, sign), edges in zip(self._open, (first_edge[long], last[long]), strict=True):
            np.add.at(slope, (group, edges), sign * rate)
            np.add.at(offset, (group, edges), sign * rate * start)

    def steps(self) -> FloatArray:
        """Bytes of each group and step."""
        passed = np.cumsum(self._over, axis=1)
        edge = (np.arange(1, self._shape[1] + 1) * self._length).astype(np.float64)
        for slope, offset, _ in self._open:
            passed += np.cumsum(slope, axis=1) * edge - np.cumsum(offset, axis=1)
        passed = np.clip(np.round(passed), 0, self._totals[:, None])
        passed[:, -1:] = self._totals[:, None]
        passed = np.maximum.accumulate(passed, axis=1)
        result: FloatArray = np.diff(passed, axis=1, prepend=0.0)
        return result


def timeline_frame(table: pa.Table, step: timedelta, by: str | None) -> pd.DataFrame:
    """A timeline as a DataFrame, one row a step and value of a column; see `Flows.timeline`.

    Raises:
        UsageError: As `timeline`, or the column cannot name groups.
    """
    import pandas as pd

    codes, names = (np.zeros(table.num_rows, np.int32), [""]) if by is None else column_labels(table, by)
    made = timeline(View(table), step, codes.astype(np.int64), len(names))
    steps = made.flows.shape[1]
    starts = made.first + np.arange(steps, dtype=np.int64) * made.step
    # Step by step, the values of `by` within each.
    columns: dict[str, object] = {"time": pd.to_datetime(np.repeat(starts, len(names)), unit="us", utc=True)}
    if by is not None:
        columns[by] = names * steps
    columns["flows"] = made.flows.T.ravel()
    columns |= {name: sizes.T.ravel() for name, sizes in made.sizes.items()}
    frame = pd.DataFrame(columns)
    frame.attrs |= {"timeless": made.timeless, "step": step.total_seconds()}
    return frame
