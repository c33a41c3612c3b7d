"""How long work waits at a node: one queue a node, first come first served.

Waiting times that follow from one queue have what captured delays have: they grow with the load, neighbours share
them, and nobody overtakes.
"""

from __future__ import annotations

import numpy as np

from ztflow.simulate.scenario import Delays
from ztflow.simulate.traffic import Floats, Ints


class Congestion:
    """Waiting times at every node.

    Args:
        nodes: How many.
        node: Node of each piece of work.
        moment: Seconds at which it would start if nothing else were there.
        delays: How much work it is, and how often nodes pause.
        rng: Source of randomness.

    Cost: a sort of all pieces; memory 16 bytes a piece.
    """

    def __init__(self, nodes: int, node: Ints, moment: Floats, delays: Delays, rng: np.random.Generator) -> None:
        self._arrived: list[Floats] = []
        self._free: list[Floats] = []
        last = float(moment.max(initial=0.0)) + 1.0
        for place in range(nodes):
            arrived = moment[node == place]
            # Little work is usual, much is rare: twice the exponential's spread.
            work = rng.gamma(0.25, delays.work / 0.25, len(arrived))
            pauses = rng.poisson(delays.pauses * last)
            length = delays.pause * np.exp(rng.standard_normal(pauses) * delays.pause_spread)
            arrived = np.concatenate([arrived, rng.random(pauses) * last])
            order = np.argsort(arrived, kind="stable")
            arrived, work = arrived[order], np.concatenate([work, length])[order]
            done = np.cumsum(work)
            # Lindley's recursion in closed form: free(k) = done(k) + max over j <= k of (arrived(j) - done(j-1)).
            self._arrived.append(arrived)
            self._free.append(done + np.maximum.accumulate(arrived - done + work))

    def wait(self, node: Ints, moment: Floats) -> Floats:
        """Seconds that work arriving at these moments at these nodes waits."""
        waits = np.zeros(len(moment))
        for place, (arrived, free) in enumerate(zip(self._arrived, self._free, strict=True)):
            here = np.flatnonzero(node == place)
            if len(arrived) and len(here):
                before = np.searchsorted(arrived, moment[here], side="right") - 1
                waits[here] = np.where(before >= 0, np.maximum(0.0, free[before] - moment[here]), 0.0)
        return waits
