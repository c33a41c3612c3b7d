"""How far the clock of a client's node is ahead of the waypoint's, by what the difference has to explain.

Every line lies in the time of a connection that moved at least its bodies' bytes, and every connection that got an
answer holds such a line. Counted over all of them that is a sharp peak, however the clocks are set: a difference that
is wrong by a few milliseconds leaves lines outside. Where connections are so long that this says little, it also counts
that a first request usually comes at once, and a connection usually ends after its last.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from ztflow.columns.dtypes import FloatArray, Index
from ztflow.waypoint.lines import SLACK_MS

REACHES_MS: Final = (5_000.0, 120_000.0)
"""Clocks are looked for so far apart; farther only when not half is explained nearer."""

AGREE_MS: Final = (0.0, 1.0)
"""What equal clocks look like: both logs cut to whole milliseconds, a connection's start to a later one."""

_MOST_CONNECTIONS: Final = 1500
_MOST_LINES: Final = 3000
"""So many are looked at, taken evenly."""
_MOST_PAIRS: Final = 3000
"""A connection near which there are more lines says nothing of clocks."""

_FEWEST: Final = 10
"""Lines and connections a difference must explain before clocks are said to differ."""
_NARROW_MS: Final = 50.0
"""How uncertain a difference may be."""
_COINCIDENCE: Final = 0.01
"""Share of all differences that may be possible for no difference to be believed as soon as it is one of them."""
_FEW_LEFT: Final = 0.01
"""Share that may stay without explanation before it is asked whether a clock drifts."""
_MOST_RATE, _MOST_RATES, _SEEN_MS, _WHILE = 300e-6, 60, 2.0, 30
"""Drift that is looked for; steps of that; milliseconds of drift that are seen; connections to begin with."""
_AT_ONCE_MS: Final = 6.0
_APART_MS: Final = 5.0
"""Possible differences nearer than this are one."""
_SURE_AGREED, _SURE_DIFFER = 0.01, 1e-5
"""How likely by chance a peak may be at no difference, and anywhere."""


@dataclass(frozen=True, slots=True)
class Side:
    """Connections, or the lines of the same client and authority; all arrays are as long."""

    start: FloatArray
    end: FloatArray
    up: FloatArray
    down: FloatArray

    def take(self, which: Index) -> Side:
        """Some of them."""
        return Side(self.start[which], self.end[which], self.up[which], self.down[which])


@dataclass(frozen=True, slots=True)
class Ahead:
    """What is known of a difference.

    Attributes:
        least: Milliseconds the connections' clock is ahead at least.
        most: And at most.
        clear: False where that is only what is not impossible.
        held: Lines and connections that it explains.
        rate: How fast it grows, milliseconds a millisecond; `least` and `most` are those at `at`.
        at: Milliseconds, by the connections' clock.
    """

    least: float = 0.0
    most: float = 0.0
    clear: bool = True
    held: int = 0
    rate: float = 0.0
    at: float = 0.0

    @property
    def differ(self) -> bool:
        """Whether the clocks differ."""
        return self.clear and (self.rate != 0 or not _meets((self.least, self.most), AGREE_MS))

    def middle(self, moment: float) -> float:
        """The difference at a moment, in the middle of what is possible."""
        return (self.least + self.most) / 2 + self.rate * (moment - self.at)


def ahead_of(groups: Sequence[tuple[Side, Side]]) -> Ahead:
    """How far the connections' clock is ahead of the lines'.

    Args:
        groups: Connections and lines of each client and authority, lines in order of their start.

    Cost: that of sorting, and of the pairs that are less than the reach apart, of samples.
    """
    best, things = _constant(groups)
    if things - best.held <= _FEW_LEFT * things:
        return best
    found = _drifting(groups)
    return found if found is not None and 2 * (things - found.held) <= things - best.held else best


def _constant(groups: Sequence[tuple[Side, Side]]) -> tuple[Ahead, int]:
    """A difference that stays as it is, and how many lines and connections there are to explain."""
    best, things = Ahead(), 0
    if not groups:
        return best, things
    for reach in REACHES_MS:
        found, things = _within(groups, reach)
        best = max(best, found, key=lambda one: one.held)
        if 2 * found.held >= things:
            break
    return best, things


def _drifting(groups: Sequence[tuple[Side, Side]]) -> Ahead | None:
    """A difference that grows steadily: its rate is found for a short while first, then ever longer; None for too few.

    Twice as long, a rate that is wrong by as much as could not be seen before can be.
    """
    starts = np.sort(np.concatenate([connections.start for connections, _ in groups]))
    if len(starts) < 2 * _WHILE:
        return None
    middle, count, rate = len(starts) // 2, _WHILE, 0.0
    at, reach = float(starts[middle]), _MOST_RATE
    while True:
        span = starts[max(0, middle - count // 2)], starts[min(len(starts) - 1, middle + count // 2)]
        step = max(_SEEN_MS / max(float(span[1] - span[0]), 1.0), reach / _MOST_RATES)
        rates = rate + step * np.arange(-np.ceil(reach / step), np.ceil(reach / step) + 1)
        held = [_within(_steady(groups, float(one), at), REACHES_MS[0], span)[0].held for one in rates]
        rate, reach = float(np.median(rates[np.array(held) == max(held)])), 2 * step
        if count >= 2 * len(starts):
            break
        count *= 2
    found, _ = _constant(_steady(groups, rate, at))
    return replace(found, rate=rate, at=at)


def _steady(groups: Sequence[tuple[Side, Side]], rate: float, at: float) -> list[tuple[Side, Side]]:
    """With connections' times by a clock that does not drift."""
    return [
        (replace(one, start=one.start - rate * (one.start - at), end=one.end - rate * (one.end - at)), lines)
        for one, lines in groups
    ]


def _within(
    groups: Sequence[tuple[Side, Side]], reach: float, span: tuple[float, float] = (-np.inf, np.inf)
) -> tuple[Ahead, int]:
    """The difference within reach that explains most of what begins in a span of time, and how much there is."""
    every_connection = -(-sum(len(one.start) for one, _ in groups) // _MOST_CONNECTIONS) or 1
    every_line = -(-sum(len(lines.start) for _, lines in groups) // _MOST_LINES) or 1
    holds, begins = _Intervals(), _Intervals()
    for connections, lines in groups:
        begins_in = (connections.start >= span[0]) & (connections.start <= span[1])
        some = np.flatnonzero((connections.down > 0) & begins_in)[::every_connection]
        near = _near(connections.take(some), lines, reach)
        few = np.bincount(near[0], minlength=len(some)) <= _MOST_PAIRS
        owner, line = (one[few[near[0]]] for one in near)
        pair = connections.take(some[owner]), lines.take(line)
        fits = (pair[1].up <= pair[0].up) & (pair[1].down <= pair[0].down)
        first, last = pair[0].start - pair[1].start, pair[0].end - pair[1].end
        holds.add(owner[fits], len(some), first[fits] - SLACK_MS, last[fits] + SLACK_MS)
        for off in (first, last - _AT_ONCE_MS):
            begins.add(owner[fits], len(some), off[fits] - SLACK_MS, off[fits] + _AT_ONCE_MS)
        some = np.flatnonzero((lines.start >= span[0]) & (lines.start <= span[1]))[::every_line]
        # The other way round: of each line, the connections.
        order = np.argsort(connections.start, kind="stable")
        near = _around(lines.take(some), connections.take(order), reach)
        line, owner = some[near[0]], order[near[1]]
        fits = (lines.up[line] <= connections.up[owner]) & (lines.down[line] <= connections.down[owner])
        first = connections.start[owner] - lines.start[line]
        last = connections.end[owner] - lines.end[line]
        holds.add(near[0][fits], len(some), first[fits] - SLACK_MS, last[fits] + SLACK_MS)
    return _judged(holds.counted(reach), begins, holds.things, reach), holds.things


def _near(connections: Side, lines: Side, reach: float) -> tuple[Index, Index]:
    """Pairs of a connection and a line that may lie in it."""
    return _pairs(lines.start, connections.start - reach - SLACK_MS, connections.end + reach + SLACK_MS)


def _around(lines: Side, connections: Side, reach: float) -> tuple[Index, Index]:
    """Pairs of a line and a connection, in order of their start, that may hold it."""
    longest = float((connections.end - connections.start).max(initial=0.0))
    first = lines.end - reach - longest - SLACK_MS
    return _pairs(connections.start, first, lines.start + reach + SLACK_MS)


def _pairs(moments: FloatArray, least: FloatArray, most: FloatArray) -> tuple[Index, Index]:
    """Of each range, the moments (in order) inside."""
    first = np.searchsorted(moments, least)
    count = np.maximum(np.searchsorted(moments, most, side="right") - first, 0)
    row = np.repeat(np.arange(len(least)), count)
    return row, np.arange(len(row)) - np.repeat(np.cumsum(count) - count, count) + np.repeat(first, count)


class _Intervals:
    """For things, the differences that explain each: how many does a difference explain?"""

    def __init__(self) -> None:
        self.things = 0
        self._parts: list[tuple[Index, FloatArray, FloatArray]] = []

    def add(self, owner: Index, things: int, least: FloatArray, most: FloatArray) -> None:
        """Intervals of so many more things."""
        real = least <= most
        self._parts.append((owner[real] + self.things, least[real], most[real]))
        self.things += things

    def counted(self, reach: float) -> _Counted:
        """The count at every difference within reach."""
        owner, least, most = (np.concatenate([part[at] for part in self._parts]) for at in range(3))
        inside = (least <= reach) & (most >= -reach)
        owner, least, most = owner[inside], np.maximum(least[inside], -reach), np.minimum(most[inside], reach)
        order = np.lexsort((least, owner))
        owner, least, most = owner[order], least[order], most[order]
        # Intervals of one thing become one where they meet; things are laid one after the other on one line.
        apart = owner * (4.0 * reach)
        until = np.maximum.accumulate(most + apart)
        begins = np.ones(len(least), np.bool_)
        begins[1:] = (least + apart)[1:] > until[:-1]
        first = np.flatnonzero(begins)
        last = np.append(first[1:], len(least))[: len(first)] - 1
        return _Counted(np.sort(least[first]), np.sort(until[last] - apart[last]))


@dataclass(frozen=True, slots=True)
class _Counted:
    """Begins and ends of the intervals, each in order."""

    least: FloatArray
    most: FloatArray

    def at(self, places: FloatArray) -> Index:
        """How many intervals hold each place."""
        counts: Index = np.searchsorted(self.least, places, side="right") - np.searchsorted(self.most, places)
        return counts

    def possible(self, lacking: float) -> tuple[list[tuple[float, float]], int]:
        """The stretches that hold all but so many of what the best place holds, and how many that holds."""
        places = np.unique(np.concatenate([self.least, self.most]))
        counts = self.at(places)
        best = int(counts.max(initial=0))
        if not best:
            return [], 0
        enough = max(best - lacking, best * 2 / 3)
        high = np.flatnonzero(counts >= enough)
        after = counts - np.searchsorted(self.most, places, side="right") + np.searchsorted(self.most, places)
        apart = (after[high[:-1]] < enough) & (np.diff(places[high]) > _APART_MS)
        first, last = high[np.append(True, apart)], high[np.append(apart, True)]
        return list(zip(places[first].tolist(), places[last].tolist(), strict=True)), best


def _meets(one: tuple[float, float], other: tuple[float, float]) -> bool:
    return one[0] <= other[1] and other[0] <= one[1]


def _judged(holds: _Counted, begins: _Intervals, things: int, reach: float) -> Ahead:
    best = int(holds.at(np.concatenate([holds.least, holds.most])).max(initial=0))
    # Lines whose connection is not in the log lie in others by chance, here more of them and there fewer.
    stretches, best = holds.possible(2 + 0.005 * things + 2 * np.sqrt(things - best))
    if not best:
        return Ahead()
    agreeing = next((one for one in stretches if _meets(one, AGREE_MS)), None)
    width = sum(most - least for least, most in stretches)
    if agreeing and width <= _COINCIDENCE * 2 * reach:
        return Ahead(*agreeing, held=best)
    hull = stretches[0][0], stretches[-1][1]
    if hull[1] - hull[0] <= _NARROW_MS and best >= _FEWEST:
        return Ahead(*hull, held=best)
    peak = _peak(begins, stretches, agreeing is not None, reach)
    if peak is not None:
        return Ahead(*peak, held=best)
    return Ahead(min(hull[0], AGREE_MS[0]), max(hull[1], AGREE_MS[1]), clear=False, held=best)


def _peak(
    begins: _Intervals, stretches: Sequence[tuple[float, float]], agreeing: bool, reach: float
) -> tuple[float, float] | None:
    """Where among what is possible connections begin and end with a line; None where that is not clear."""
    counted = begins.counted(reach)
    places = np.concatenate([np.arange(least, most + 1, 1.0) for least, most in stretches])
    counts = counted.at(places)
    usual = (float(counts.mean()) + 0.5) / (begins.things + 1)
    alike = max(1.0, len(places) / _AT_ONCE_MS)
    if agreeing:
        near = (places >= AGREE_MS[0] - _AT_ONCE_MS) & (places <= AGREE_MS[1] + _AT_ONCE_MS)
        at = int(np.argmax(np.where(near, counts, -1)))
        if _chance(int(counts[at]), begins.things, usual) <= _SURE_AGREED:
            return _around_place(AGREE_MS[0], stretches)
    at = int(np.argmax(counts))
    if counts[at] >= _FEWEST and alike * _chance(int(counts[at]), begins.things, usual) <= _SURE_DIFFER:
        return _around_place(float(places[at]), stretches)
    return None


def _around_place(place: float, stretches: Sequence[tuple[float, float]]) -> tuple[float, float]:
    near = place - 2 * _AT_ONCE_MS, place + 2 * _AT_ONCE_MS
    inside = [(max(one[0], near[0]), min(one[1], near[1])) for one in stretches if _meets(one, near)]
    return inside[0][0], inside[-1][1]


def _chance(count: int, things: int, usual: float) -> float:
    """At most how likely it is that of so many things so many agree by chance (Chernoff's bound)."""
    share = count / max(things, 1)
    if share <= usual:
        return 1.0
    usual = min(usual, 1 - 1e-9)
    rest = 0.0 if share >= 1 else (1 - share) * np.log((1 - share) / (1 - usual))
    return float(np.exp(-things * (share * np.log(share / usual) + rest)))
