"""How long work waits at a simulated node and in which order it leaves: batches, busy threads, work stealing.

Captured storms show the same picture everywhere: nothing happens for a millisecond or more, then everything that has
come meanwhile is read in one go and handled 14 to 22 µs apart, and the other node does the same with what this one
sent. The order is that of ztunnel's runtime, tokio (`runtime/scheduler/multi_thread`): reading wakes a task a stream;
the task woken last sits in a slot of its own and runs first, the others follow in the order in which they were woken.
An idle thread steals the older half of what another has waiting and again runs the last of it first. So a node is a
reader that is away now and then, the more often the more there is to do, and a second thread that helps now and then.
"""

from __future__ import annotations

from bisect import bisect_right
from math import inf

import numpy as np

from ztflow.columns.dtypes import FloatArray, IntArray
from ztflow.simulate.scenario import Delays

NEAR = 0.005
"""Seconds before and after, within which a node's work counts as its load."""
_EVEN = 16.0
"""Shape of the time one task takes: a quarter of the mean is its standard deviation, as captured gaps have it."""


class Congestion:
    """Waiting times at every node.

    Args:
        nodes: How many.
        node: Node of each piece of work.
        moment: Seconds at which it would start if nothing else were there.
        delays: How long work takes, how it is ordered, and how often threads are away.
        rng: Source of randomness.

    Cost: a sort of all pieces; memory 16 bytes a pause.
    """

    def __init__(
        self, nodes: int, node: IntArray, moment: FloatArray, delays: Delays, rng: np.random.Generator
    ) -> None:
        self._delays, self._rng = delays, rng
        self._away: list[list[float]] = []
        self._back: list[list[float]] = []
        last = float(moment.max(initial=0.0)) + 1.0
        for place in range(nodes):
            arrived = np.sort(moment[node == place])
            load = np.searchsorted(arrived, arrived + NEAR) - np.searchsorted(arrived, arrived - NEAR) - 1
            busy = np.maximum(0.0, load - delays.calm)
            likely = delays.crowding * busy / (busy + delays.crowd)
            begins = np.concatenate(
                [arrived[rng.random(len(arrived)) < likely], rng.random(rng.poisson(delays.pauses * last)) * last]
            )
            begins.sort()
            length = delays.pause * np.exp(rng.standard_normal(len(begins)) * delays.pause_spread)
            # A thread that is away cannot go away again.
            away, back = [], [-inf]
            for begin, end in zip(begins.tolist(), (begins + length).tolist(), strict=True):
                if begin >= back[-1]:
                    away.append(begin)
                    back.append(end)
            self._away.append(away)
            self._back.append(back[1:])

    def handled(self, node: IntArray, moment: FloatArray, pool: IntArray | None = None) -> FloatArray:
        """When work that arrives at these moments at these nodes is done.

        Args:
            node: Node of each piece; what is nowhere (negative) is done at once.
            moment: Seconds at which it arrives.
            pool: What arrives in one tunnel and is therefore read together; without it, all there is at a node.

        Returns:
            Seconds, one value a piece, never before its moment.

        Cost: about 1 µs a piece.
        """
        delays, rng, count = self._delays, self._rng, len(node)
        wake = delays.wake * np.exp(rng.standard_normal(count) * delays.wake_spread)
        reading = delays.reading * np.exp(rng.standard_normal(count) * delays.reading_spread)
        settle = delays.settle * np.exp(rng.standard_normal(count) * delays.settle_spread)
        work = rng.gamma(_EVEN, delays.work / _EVEN, count)
        first, stolen = rng.random(count) < delays.last_first, rng.random(count) < delays.stolen
        done = moment.copy()
        order = np.lexsort((moment, node))
        bounds = np.searchsorted(node[order], np.arange(len(self._away) + 1))
        for place, (away, back) in enumerate(zip(self._away, self._back, strict=True)):
            mine = order[bounds[place] : bounds[place + 1]]
            if len(mine):
                draws = (values[mine].tolist() for values in (wake, reading, settle, work, first, stolen))
                run = _Run(moment[mine].tolist(), None if pool is None else pool[mine].tolist(), away, back, *draws)
                done[mine] = run.done()
        again = rng.random(count) < delays.stirred
        return done + np.where(again, rng.exponential(delays.stir, count), 0.0)


class _Run:
    """One node's work, batch after batch. All lists have one value a piece, in order of arrival."""

    def __init__(
        self, moment: list[float], pool: list[int] | None, away: list[float], back: list[float],
        wake: list[float], reading: list[float], settle: list[float], work: list[float], first: list[bool],
        stolen: list[bool],
    ) -> None:  # fmt: skip
        self._moment, self._pool, self._away, self._back, self._wake = moment, pool, away, back, wake
        self._reading, self._settle, self._work, self._first, self._stolen = reading, settle, work, first, stolen
        self._done = [0.0] * len(moment)

    def done(self) -> list[float]:
        """When each piece is done: whatever has arrived when the reader is there is a batch."""
        moment, wake, reading, done, count = self._moment, self._wake, self._reading, self._done, len(self._moment)
        begin, free, calm_until = 0, -inf, -inf
        while begin < count:
            starts = moment[begin] + wake[begin] if moment[begin] > free else free
            if starts >= calm_until:
                starts, calm_until = self._present(starts)
            end = begin + 1
            while end < count and moment[end] <= starts:
                end += 1
            if end == begin + 1:
                free = starts + reading[begin]
                if free >= calm_until:
                    free, calm_until = self._present(free)
                done[begin] = free
            else:
                free = self._batch(begin, end, starts)
                calm_until = -inf
            begin = end
        return done

    def _present(self, moment: float) -> tuple[float, float]:
        """The moment, or when the thread is back; and when it is away next."""
        place = bisect_right(self._away, moment)
        if place and self._back[place - 1] > moment:
            moment = self._back[place - 1]
        return moment, self._away[place] if place < len(self._away) else inf

    def _batch(self, begin: int, end: int, starts: float) -> float:
        """Handle what is read at one moment; returns when all of it is done."""
        queue, ahead = self._woken(begin, end)
        clock, calm_until = starts + self._reading[begin], -inf
        for place, piece in enumerate(queue):
            if place:
                clock += self._settle[piece] if place <= ahead else self._work[piece]
            if clock >= calm_until:
                clock, calm_until = self._present(clock)
            self._done[piece] = clock
            if self._stolen[piece] and place >= ahead - 1 and place + 2 < len(queue):
                return self._shared(queue[place + 1 :], clock, ahead == place + 1)
        return clock

    def _woken(self, begin: int, end: int) -> tuple[list[int], int]:
        """The order in which a batch's tasks run, and how many of them were woken last and run first.

        Each tunnel's reader wakes its own, so each tunnel has one that was woken last.
        """
        if self._pool is None:
            tunnels = [list(range(begin, end))]
        else:
            by_pool: dict[int, list[int]] = {}
            for piece in range(begin, end):
                by_pool.setdefault(self._pool[piece], []).append(piece)
            tunnels = list(by_pool.values())
        ahead = [some.pop() for some in tunnels if len(some) > 1 and self._first[some[0]]]
        return ahead + [piece for some in tunnels for piece in some], len(ahead)

    def _shared(self, queue: list[int], clock: float, settling: bool) -> float:
        """Handle what waits with two threads; the idle one takes half of the other's work.

        Args:
            queue: What waits, in order.
            clock: When the second thread comes.
            settling: Whether the first one has just handled what was woken last.

        Returns:
            When all is done.
        """
        queues: tuple[list[int], list[int]] = (queue, [])
        clocks = [clock, clock]
        settles = [settling, False]
        while queues[0] or queues[1]:
            # In the pause after what ran first, the thief is there before the next task.
            who = 0 if clocks[0] < clocks[1] else 1
            mine, other = queues[who], queues[1 - who]
            steals = not mine
            if steals:
                half = len(other) - len(other) // 2
                # tokio: the thief runs the last of what it took, and keeps the rest in order.
                mine.append(other[half - 1])
                mine.extend(other[: half - 1])
                del other[:half]
            piece = mine.pop(0)
            taken = self._settle[piece] if settles[who] else self._work[piece]
            settles[who] = steals
            clocks[who], _ = self._present(clocks[who] + taken)
            self._done[piece] = clocks[who]
        return max(clocks)
