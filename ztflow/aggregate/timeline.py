"""Traffic over time: connections and bytes in equal steps, the empty ones too.

The bytes of a connection are spread evenly over its life, because the log tells only their sum; a connection itself is
counted in the step it ended in.
"""

from __future__ import annotations

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
        at: Step each connection ended in; -1 for one without a time.
    """

    first: int
    step: int
    flows: IntArray
    sizes: dict[str, npt.NDArray[Any]]
    timeless: int
    folded: bool
    at: IntArray


def round_step(view: View, most: int) -> timedelta:
    """A round length with which the time from the first end to the last has at most so many steps."""
    _, ended = view.seen()
    told = ended[ended != NO_TIME]
    seconds = (int(told.max()) - int(told.min())) // 1_000_000 + 1 if len(told) else 1
    # Neither end need be where a step begins.
    whole_days = 86400 * -(-seconds // (86400 * (most - 2)))
    return timedelta(seconds=next((step for step in _LENGTHS if seconds <= step * (most - 2)), whole_days))


def timeline(view: View, step: timedelta, codes: Integers, groups: int, most: int | None = None) -> Timeline:
    """Spread connections over steps of time.

    Args:
        view: Rows of `schema.FLOWS`.
        step: Length of a step.
        codes: Group of each row.
        groups: How many groups there are.
        most: Steps at most, as long as those from the first end on fit: what of older connections passed before is
            put together in the first step then. No bound unless given.

    Raises:
        UsageError: The step is none, or so short that there would be more than `MOST_CELLS` cells.

    Cost: numpy per row, and per cell of the result; a connection costs the same however many steps it spans.
    """
    length = step // timedelta(microseconds=1)
    if length <= 0:
        raise UsageError("a step is longer than nothing")
    began, ended = view.seen()
    timed = ended != NO_TIME
    if not timed.any():
        nothing = np.zeros((groups, 0), np.int64)
        at = np.full(len(view), -1, np.int64)
        return Timeline(0, length, nothing, dict.fromkeys(BYTES, nothing), len(view), False, at)
    began, ended, codes = began[timed], ended[timed], codes[timed]
    began = np.minimum(began, ended)
    first = int(began.min()) // length * length
    folded = most is not None and (int(ended.max()) - first) // length >= most
    if folded:
        first = int(ended.min()) // length * length - length
    steps = (int(ended.max()) - first) // length + 1
    if steps * groups > MOST_CELLS:
        raise UsageError(f"{steps:,} steps of {groups:,} are too many; choose a longer step")
    at = (ended - first) // length
    flows = np.bincount(codes * steps + at, minlength=groups * steps).reshape(groups, steps)
    sizes = {}
    for name in BYTES:
        values, known = view.numbers(name)
        values = np.where(known, values, 0)[timed].astype(np.float64)
        spread = _spread(values, began - first, ended - first, codes, (groups, steps), length)
        sizes[name] = spread.astype(np.int64) if spread.sum(axis=1).max() < _EXACT else spread
    if any(spread.dtype == np.float64 for spread in sizes.values()):
        part, whole = view.where(timed), codes.astype(np.int64)
        sizes = {name: _whole(spread, sums(part, name, whole, groups)) for name, spread in sizes.items()}
    where = np.full(len(view), -1, np.int64)
    where[timed] = at
    return Timeline(first, length, flows.astype(np.int64), sizes, int((~timed).sum()), folded, where)


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


def _spread(
    sizes: FloatArray, began: IntArray, ended: IntArray, codes: Integers, shape: tuple[int, int], length: int
) -> FloatArray:
    """Bytes of each step: differences of what had passed by its two edges, so that nothing is lost or counted twice."""
    groups, steps = shape
    last = ended // length
    # Bytes of connections that were over by an edge, and of those still open the part of their life that had passed.
    over = np.zeros(shape, np.float64)
    np.add.at(over, (codes, last), sizes)
    passed = np.cumsum(over, axis=1)
    first_edge = np.maximum(began // length, 0)
    long: BoolArray = last > first_edge
    if long.any():
        size, start, group = sizes[long], began[long].astype(np.float64), codes[long]
        rate = size / (ended[long] - began[long])
        for edges, sign in ((first_edge[long], 1.0), (last[long], -1.0)):
            slope, offset = np.zeros(shape, np.float64), np.zeros(shape, np.float64)
            np.add.at(slope, (group, edges), sign * rate)
            np.add.at(offset, (group, edges), sign * rate * start)
            edge = (np.arange(1, steps + 1) * length).astype(np.float64)
            passed += np.cumsum(slope, axis=1) * edge - np.cumsum(offset, axis=1)
    totals = np.zeros(groups, np.float64)
    np.add.at(totals, codes, sizes)
    passed = np.clip(np.round(passed), 0, totals[:, None])
    passed[:, -1:] = totals[:, None]
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
