"""Bursts of equal connections as two ztunnels would write them: made by queues, with known partners."""

from __future__ import annotations

import numpy as np

from ztflow.pair.assignment.batches import Segment


def burst(count: int, seed: int, *, spread_us: float = 40_000, start: int = 1_700_000_000_000_000) -> Segment:
    """A burst through one tunnel. The inbound halves are in order of end, and so are the outbound ones.

    Ends reach the outbound side in batches, most of them worked off last first; starts lag as queues make them.
    """
    rng = np.random.default_rng(seed)
    begun = np.sort(rng.uniform(0, spread_us, count))
    arrived = _queue(begun + 150, rng, spread=300)
    ended = np.sort(arrived + rng.uniform(3_000, 25_000, count))
    noticed = in_batches(ended, rng)
    out_order = np.argsort(noticed, kind="stable")
    return Segment(
        (noticed[out_order] + start).astype(np.int64),
        ((noticed - begun)[out_order] // 1000).astype(np.int64),
        (33_000 + 2 * np.arange(count))[out_order],
        (ended + start).astype(np.int64),
        ((ended - arrived) // 1000).astype(np.int64),
    )


def true_partners(count: int, seed: int) -> np.ndarray:
    """Position of the inbound half that belongs to each outbound one of `burst(count, seed)`."""
    rng = np.random.default_rng(seed)
    begun = np.sort(rng.uniform(0, 40_000, count))
    arrived = _queue(begun + 150, rng, spread=300)
    ended = np.sort(arrived + rng.uniform(3_000, 25_000, count))
    return np.argsort(in_batches(ended, rng), kind="stable")


def in_batches(
    ended: np.ndarray, rng: np.random.Generator, *, last_first: float = 0.65, scale: float = 1
) -> np.ndarray:
    """When the other side is done with each of these ends, which rise: what has come is read in one go.

    Args:
        ended: Ends in µs, rising.
        rng: Source of randomness.
        last_first: Share of batches whose last is worked off first.
        scale: How much slower everything is.
    """
    done = np.empty(len(ended))
    first, free = 0, 0.0
    while first < len(ended):
        away = rng.exponential(700) if rng.random() < 0.5 else 0.0
        read = max(free, ended[first] + 40 * scale) + away * scale
        last = max(first + 1, int(np.searchsorted(ended, read - 40 * scale, side="right")))
        turn = [last - 1, *range(first, last - 1)] if rng.random() < last_first else range(first, last)
        for k, at in enumerate(turn):
            done[at] = read + 30 * scale + (18 * k + rng.uniform(-2, 2)) * scale
        first, free = last, done[first:last].max()
    return done


def _queue(ready: np.ndarray, rng: np.random.Generator, spread: float) -> np.ndarray:
    """When each is done by one of two threads that take 20 µs a piece and stall now and then."""
    free = [0.0, 0.0]
    done = np.empty(len(ready))
    for at in np.argsort(ready, kind="stable"):
        thread = int(rng.random() < 0.3)
        stall = rng.exponential(1500) if rng.random() < 0.05 else 0.0
        free[thread] = max(ready[at] + rng.exponential(spread) * (rng.random() < 0.2), free[thread]) + 20 + stall
        done[at] = free[thread]
    return done
