"""How long work waits at a node: for its turn, and for a thread that is away.

Captured storms show the same picture everywhere: nothing happens for a millisecond or more, then everything that has
come meanwhile is handled in order, 10 to 20 µs apart, and the other node handles the same batch the same way. So a node
is a few threads; each is away now and then, the more often the more there is to do; what waits for it leaves in the
order it came. Some of the work goes to another thread and overtakes, some is put off and taken up a little later.
"""

from __future__ import annotations

import numpy as np

from ztflow.simulate.scenario import Delays
from ztflow.simulate.traffic import Floats, Ints

NEAR = 0.005
"""Seconds before and after, within which a node's work counts as its load."""


class Congestion:
    """Waiting times at every node.

    Args:
        nodes: How many.
        node: Node of each piece of work.
        moment: Seconds at which it would start if nothing else were there.
        delays: How long work takes, and how often threads are away.
        rng: Source of randomness.

    Cost: a sort of all pieces; memory 16 bytes a pause.
    """

    def __init__(self, nodes: int, node: Ints, moment: Floats, delays: Delays, rng: np.random.Generator) -> None:
        self._delays, self._rng = delays, rng
        self._queues = nodes * 2
        self._away: list[Floats] = []
        self._back: list[Floats] = []
        last = float(moment.max(initial=0.0)) + 1.0
        for place in range(nodes):
            arrived = np.sort(moment[node == place])
            load = np.searchsorted(arrived, arrived + NEAR) - np.searchsorted(arrived, arrived - NEAR) - 1
            busy = np.maximum(0.0, load - delays.calm)
            likely = delays.crowding * busy / (busy + delays.crowd)
            for _ in range(2):
                begins = np.concatenate(
                    [arrived[rng.random(len(arrived)) < likely], rng.random(rng.poisson(delays.pauses * last)) * last]
                )
                begins.sort()
                length = delays.pause * np.exp(rng.standard_normal(len(begins)) * delays.pause_spread)
                self._away.append(begins)
                self._back.append(np.maximum.accumulate(begins + length))

    def handled(self, node: Ints, moment: Floats) -> Floats:
        """When work that arrives at these moments at these nodes is done. Shape: one value a piece of work."""
        queue = node * 2 + (self._rng.random(len(node)) < self._delays.astray)
        work = self._rng.gamma(4.0, self._delays.work / 4.0, len(node))
        done = moment.copy()
        order = np.lexsort((moment, queue))
        bounds = np.searchsorted(queue[order], np.arange(self._queues + 1))
        for place in range(self._queues):
            mine = order[bounds[place] : bounds[place + 1]]
            if len(mine):
                done[mine] = _finished(self._present(place, moment[mine]), work[mine])
        again = self._rng.random(len(node)) < self._delays.stirred
        return done + np.where(again, self._rng.exponential(self._delays.stir, len(node)), 0.0)

    def _present(self, place: int, moment: Floats) -> Floats:
        """The moments, or when the thread is back."""
        away, back = self._away[place], self._back[place]
        if not len(away):
            return moment
        before = np.searchsorted(away, moment, side="right") - 1
        return np.where(before >= 0, np.maximum(moment, back[before]), moment)


def _finished(begins: Floats, length: Floats) -> Floats:
    """When each of some jobs that come in this order is finished, one after the other.

    Lindley's recursion in closed form: finished(k) = done(k) + max over j <= k of (begins(j) - done(j-1)).
    """
    done = np.cumsum(length)
    return np.asarray(done + np.maximum.accumulate(begins - done + length))
