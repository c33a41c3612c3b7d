"""Pairing paths of a burst, weighed one by one as `ztflow.pair.hmm.transitions` says."""

from __future__ import annotations

from itertools import permutations

import numpy as np

from ztflow.pair.hmm.transition_rates import Pace, default_rates, gap_classes
from ztflow.pair.hmm.transitions import (
    ELSEWHERE,
    FLOOR,
    LOWEST,
    NEXT,
    NO_PARTNER,
    OTHER_THREAD,
    UNLIKELY,
    Burst,
    elsewhere,
    of_new_batch,
    reads,
    row,
    too_early,
    width_of,
)
from ztflow.pair.reach import REACH


def burst_of(late, early, seed=None, pace=None):
    """Ends and starts: the latter fit anyhow, or not at all where no seed is given."""
    late, early = np.asarray(late, float), np.asarray(early, float)
    pace = pace or Pace.of(late, np.array([200.0]), REACH.usual_delay)
    gap, gap2 = gap_classes(late, pace.service, 1), gap_classes(late, pace.service, 2)
    shape = len(late), len(early)
    fit = np.zeros(shape)
    if seed is not None:
        fit = too_early(late, early, pace.least) - np.random.default_rng(seed).exponential(1, shape)
    return Burst(
        np.array(shape), np.array([pace.least, 1.0]), late, early, fit, *reads(late, early, pace.least, pace.spread),
        *default_rates().weights(gap), gap, gap2,
    )  # fmt: skip


def one_way(burst, partners):
    """Kinds of steps and the logarithm of the likelihood of one path, as `hmm.transitions` says."""
    count = len(burst.early)
    taken, kinds, total = [], [], 0.0
    for k, j in enumerate(partners):
        if j >= count:
            taken.append(None)
            kinds.append(NO_PARTNER)
            continue
        free = [end for end in range(count) if end not in taken]
        lowest, highest = free[0], max((end for end in taken if end is not None), default=-1)
        if highest < lowest:
            kind, weight = NEXT if j == lowest else ELSEWHERE, of_new_batch(burst, k, j, lowest)
        else:
            after, after2 = (following(free, taken, back, count) for back in (1, 2))
            before = kinds[-1] if kinds[-1] != NO_PARTNER else NEXT
            weights = burst.follows[row(before, 1 if after == lowest else 2 if after2 == lowest else 0, burst.gap[k])]
            share = {ELSEWHERE: weights[ELSEWHERE], LOWEST: 0.0 if lowest in {after, after2} else weights[LOWEST]}
            came = [
                end < count and burst.late[k] - burst.early[end] > 0.7 * burst.numbers[0] for end in (after, after2)
            ]
            share[NEXT] = weights[NEXT] if came[0] else 0.0
            share[OTHER_THREAD] = (
                weights[OTHER_THREAD] * burst.own[burst.gap2[k]] if came[1] and after2 != after else 0.0
            )
            kind = NEXT if j == after else OTHER_THREAD if j == after2 else LOWEST if j == lowest else ELSEWHERE
            weight = share[kind] if kind in {LOWEST, ELSEWHERE} else max(share[kind], UNLIKELY)
            weight /= sum(share.values())
            if kind == ELSEWHERE:
                weight *= elsewhere(burst, k, j, lowest, highest, width_of(lowest, highest))
        total += np.log(weight + FLOOR) + burst.emission[k, j]
        taken.append(j)
        kinds.append(kind)
    return kinds, total


def following(free, taken, back, count):
    """The first free end after that of the late end so far back."""
    if len(taken) < back or taken[-back] is None:
        return count
    return next((end for end in free if end > taken[-back]), count)


def one_by_one(burst):
    """Total and posterior of all paths, each weighed alone."""
    late, early = burst.sizes
    partners = [*range(early), *[early] * max(0, late - early)]
    ways = sorted(set(permutations(partners)))
    total = np.array([one_way(burst, way)[1] for way in ways])
    shares = np.zeros((late, early + 1))
    for way, chance in zip(ways, np.exp(total - total.max()), strict=True):
        shares[np.arange(late), way] += chance
    return total.max() + np.log(np.exp(total - total.max()).sum()), shares[:, :early] / np.exp(
        total - total.max()
    ).sum()
