"""Chains: which lines could, one after the other, be everything that went over one connection.

A chain fits when its lines follow each other in time, and bodies and heads add up to what ztunnel counted both ways.
All chains that fit are found, by meeting in the middle: chains of the first half of the lines in order of time, chains
of the second half, and of their pairs those whose bytes add up.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ztflow.columns.dtypes import BoolArray, FloatArray, Index
from ztflow.waypoint.lines import FEWEST_SIGMAS, Connection, Lines

MOST_PARTS = 30_000
"""Chains of one half that are followed up; with more the connection is left undecided."""

_MOST_PAIRS = 20 * MOST_PARTS
_MOST_CELLS = 50 * MOST_PARTS
_MOST_CHAINS = 20_000


class TooManyError(Exception):
    """More chains than are looked at."""


@dataclass(frozen=True, slots=True)
class Chain:
    """Lines that fit a connection.

    Attributes:
        lines: Indexes, in order of time.
        up_off: Bytes that the connection had more than expected, client → waypoint.
        up_variance: Of the expectation.
        down_off: Likewise, waypoint → client.
        down_variance: Likewise.
        open_ended: `up_off` says little: one of the lines counts less than was sent.
    """

    lines: Index
    up_off: float
    up_variance: float
    down_off: float
    down_variance: float
    open_ended: bool


@dataclass(frozen=True, slots=True)
class Ends:
    """Which lines a connection may begin and end with; `everything` where that is not limited."""

    first: BoolArray
    last: BoolArray


@dataclass(slots=True)
class _Parts:
    """Chains of equal length, a row each."""

    path: Index
    up: FloatArray
    down: FloatArray
    up_variance: FloatArray
    down_variance: FloatArray
    open_ended: BoolArray

    def take(self, which: Index | BoolArray) -> _Parts:
        return _Parts(
            self.path[which], self.up[which], self.down[which], self.up_variance[which], self.down_variance[which],
            self.open_ended[which],
        )  # fmt: skip


def allowed(variance: FloatArray) -> FloatArray:
    """How many bytes a sum may be off."""
    return FEWEST_SIGMAS * np.sqrt(variance) + 1


def candidates(connection: Connection, lines: Lines) -> Index:
    """The lines that lie within a connection's time."""
    start = np.searchsorted(lines.start, connection.earliest)
    stop = np.searchsorted(lines.start, connection.latest, side="right")
    found = np.arange(start, stop)
    return found[lines.end[found] <= connection.latest]


def chains_of(connection: Connection, among: Index, lines: Lines, ends: Ends | None = None) -> list[Chain]:
    """All chains that fit.

    Args:
        connection: What is to be explained.
        among: Candidates, ascending.
        lines: All lines.
        ends: Limits of what it begins and ends with.

    Raises:
        TooManyError: There are more than are looked at.

    Cost: up to some 50 ms where there are nearly too many.
    """
    found: list[Chain] = []
    for lane in np.unique(lines.lane[among]).tolist():
        found += _in_lane(connection, among[lines.lane[among] == lane], lines, ends)
    return found


def _in_lane(connection: Connection, among: Index, lines: Lines, ends: Ends | None) -> list[Chain]:
    if not len(among):
        return []
    if lines.alone[among[0]]:
        single = _single(among, lines)
        return _made(single.take(_fits(single, connection)), connection)
    middle = len(among) // 2
    before = _grown(connection, among[:middle], lines, ends.first if ends else None, forward=True)
    behind = _grown(connection, among[middle:], lines, ends.last if ends else None, forward=False)
    found: list[Chain] = []
    before = [_begun(parts, lines) for parts in before]
    for parts in before:
        whole = _fits(parts, connection) & (True if ends is None else ends.last[parts.path[:, -1]])
        found += _made(parts.take(whole), connection)
    for plain in behind:
        parts = _begun(plain, lines)
        whole = _fits(parts, connection) & (True if ends is None else ends.first[parts.path[:, 0]])
        found += _made(parts.take(whole), connection)
    pairs = 0
    for one in before:
        for other in behind:
            joined, tried = _joined(one, other, connection, lines)
            pairs += tried
            found += _made(joined, connection)
            if pairs > _MOST_PAIRS or len(found) > _MOST_CHAINS:
                raise TooManyError
    return found


def _begun(parts: _Parts, lines: Lines) -> _Parts:
    """With what a connection moves besides that begins with their first lines."""
    up, up_variance, down, down_variance = (one[parts.path[:, 0]] for one in lines.begin)
    return _Parts(
        parts.path, parts.up + up, parts.down + down, parts.up_variance + up_variance,
        parts.down_variance + down_variance, parts.open_ended,
    )  # fmt: skip


def _single(among: Index, lines: Lines) -> _Parts:
    return _Parts(
        among[:, None], lines.up[among], lines.down[among], lines.up_variance[among], lines.down_variance[among],
        lines.open_ended[among],
    )  # fmt: skip


def _grown(
    connection: Connection, among: Index, lines: Lines, ends: BoolArray | None, *, forward: bool
) -> list[_Parts]:
    """All chains inside a half that leave no byte too many, by length; from their first line on, or their last."""
    level = _single(among if ends is None else among[ends[among]], lines)
    levels: list[_Parts] = []
    total = 0
    while len(level.up):
        over_up = level.up - 2 * allowed(level.up_variance) > connection.up
        over_down = level.down - 2 * allowed(level.down_variance) > connection.down
        level = level.take(~(over_up | over_down))
        total += len(level.up)
        if total > MOST_PARTS or len(level.up) * len(among) > _MOST_CELLS:
            raise TooManyError
        levels.append(level)
        at = level.path[:, -1 if forward else 0]
        if forward:
            follows = (lines.start[among] >= lines.end[at][:, None] - 1) | lines.shares[at][:, None]
            follows &= among > at[:, None]
        else:
            follows = (lines.end[among] - 1 <= lines.start[at][:, None]) | lines.shares[at][:, None]
            follows &= among < at[:, None]
        rows, columns = np.nonzero(follows)
        if len(rows) > 4 * MOST_PARTS:
            raise TooManyError
        level = _both(level.take(rows), _single(among[columns], lines), forward=forward)
    return levels


def _both(one: _Parts, other: _Parts, *, forward: bool = True) -> _Parts:
    path = [one.path, other.path] if forward else [other.path, one.path]
    return _Parts(
        np.hstack(path), one.up + other.up, one.down + other.down, one.up_variance + other.up_variance,
        one.down_variance + other.down_variance, one.open_ended | other.open_ended,
    )  # fmt: skip


def _joined(one: _Parts, other: _Parts, connection: Connection, lines: Lines) -> tuple[_Parts, int]:
    """The pairs that fit together, and how many were tried."""
    order = np.argsort(other.down, kind="stable")
    other = other.take(order)
    reach = allowed(one.down_variance) + (allowed(other.down_variance).max() if len(order) else 0)
    wanted = connection.down - one.down
    start = np.searchsorted(other.down, wanted - reach)
    count = np.searchsorted(other.down, wanted + reach, side="right") - start
    total = int(count.sum())
    if total > _MOST_PAIRS:
        raise TooManyError
    left = np.repeat(np.arange(len(count)), count)
    right = np.arange(total) - np.repeat(np.cumsum(count) - count, count) + np.repeat(start, count)
    last, first = one.path[left, -1], other.path[right, 0]
    near = (lines.start[first] >= lines.end[last] - 1) | lines.shares[last]
    both = _both(one.take(left[near]), other.take(right[near]))
    return both.take(_fits(both, connection)), total


def _fits(parts: _Parts, connection: Connection) -> BoolArray:
    up, down = connection.up - parts.up, connection.down - parts.down
    reach = allowed(parts.up_variance)
    fits: BoolArray = ((np.abs(up) <= reach) | (parts.open_ended & (up >= -reach))) & (
        np.abs(down) <= allowed(parts.down_variance)
    )
    return fits


def _made(parts: _Parts, connection: Connection) -> list[Chain]:
    up, down = connection.up - parts.up, connection.down - parts.down
    return [
        Chain(
            parts.path[at], float(up[at]), float(parts.up_variance[at]), float(down[at]),
            float(parts.down_variance[at]), bool(parts.open_ended[at]),
        )
        for at in range(len(parts.up))
    ]  # fmt: skip
