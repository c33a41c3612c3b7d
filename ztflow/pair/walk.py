"""A walk through the ways to pair, each visited as often as it is likely (Metropolis).

Every way it comes to after settling is noted down, with all that `trellis` has to know to put them together anew.

A step exchanges two partners, or moves one and lets those between close up; among late ends next to each other in time,
or among early ends: so a run that lies between the ends of another one moves, too. Only what lies between is weighed
again, and most steps are given up as soon as it is clear that the dice say no; the outcome is the same as if
everything had been weighed. Steps begin oftener where walkers disagree; where is fixed during a walk, so a step back is
as likely as the step.

Plain Python like `ends`; the random numbers are computed with whole numbers (xorshift and a counter, Marsaglia 2003),
so compiled or not and wherever it runs a walk is the same.
"""

from __future__ import annotations

import math

from ztflow.pair.ends import CAUTION, COLD, Burst, Way, set_all, set_bounds, set_factor, set_holders, situation
from ztflow.pair.outline import FloatArray, IntArray

REACH, SWAP_REACH = math.log(48.0), math.log(8.0)
"""Logarithm of how far a step reaches at most; short ones are the most frequent."""
ASIDE = 40
"""By how many late ends more a step among early ends may reach."""
STEPS = 4
"""Steps tried for each late end in a sweep."""
SPARE_STEPS, MOST_SPARE_STEPS = 4, 12
"""Steps tried in a sweep for each early end that is left over, and for all: each weighs everything again."""
NEARBY = 3
"""A left-over early end changes places with one so near."""


def drawn(random: IntArray) -> float:
    """A new random number between 0 and 1, both excluded."""
    bits = int(random[0])
    bits ^= (bits << 13) & 0xFFFFFFFF
    bits ^= bits >> 17
    bits ^= (bits << 5) & 0xFFFFFFFF
    random[0] = bits
    random[1] = (random[1] + 362437) & 0xFFFFFFFF
    return (float((bits + random[1]) & 0xFFFFFFFF) + 0.5) / 4294967296.0


def source(kind: int, low: int, high: int, k: int) -> int:
    """Whose place `k` takes when the outermost from low to high are exchanged (0) or all are rotated (1, 2)."""
    if kind == 0:
        return high if k == low else low if k == high else k
    if kind == 1:
        return k + 1 if k < high else low
    return k - 1 if k > low else high


def try_step(
    burst: Burst, way: Way, trial: Way, kept: IntArray, random: IntArray, late_spots: IntArray, early_spots: IntArray
) -> None:
    """Try one step; `kept` holds the partners as they are, `trial` shares partners and holders with the way."""
    outs = burst.sizes[0]
    cold = burst.numbers[COLD]
    move = int(drawn(random) * 6.0)
    among = outs if move < 3 else burst.sizes[1]
    place = drawn(random)
    low = late_spots[int(place * len(late_spots))] if move < 3 else early_spots[int(place * len(early_spots))]
    high = low + int(math.exp(drawn(random) * (SWAP_REACH if move % 3 == 0 else REACH)))
    needed = math.log(drawn(random)) / cold
    if high >= among:
        return
    first, last = low, high
    if move >= 3:
        first, last = outs, -1
        for j in range(low, high + 1):
            first = min(first, way.holder[j])
            last = max(last, way.holder[j])
        if first < 0 or last - first > high - low + ASIDE:
            return
    touched = min(outs - 1, last + 2)  # two more: a step depends on the two before it
    gain = 0.0  # no logarithm here is above 0, so the gain only falls from what would be saved
    for k in range(first, touched + 1):
        gain -= way.factor[k]
    for k in range(low, high + 1):
        gain -= way.fit[k if move < 3 else way.holder[k]]
    for k in range(low, high + 1):
        of = source(move % 3, low, high, k)
        gain += burst.fit[k, kept[of]] if move < 3 else burst.fit[way.holder[of], k]
        if gain < needed:
            return
    for k in range(low, high + 1):
        of = source(move % 3, low, high, k)
        if move < 3:
            way.partner[k] = kept[of]
        else:
            way.partner[way.holder[of]] = k
    gain, touched = weighed(burst, way, trial, first, last, touched, gain, needed)
    if gain >= needed:
        for k in range(first, touched + 1):
            way.lowest[k] = trial.lowest[k]
            way.highest[k] = trial.highest[k]
            way.kind[k] = trial.kind[k]
            way.factor[k] = trial.factor[k]
        for k in range(first, last + 1):
            kept[k] = way.partner[k]
            way.fit[k] = burst.fit[k, kept[k]]
    else:
        for k in range(first, last + 1):
            way.partner[k] = kept[k]
            way.holder[kept[k]] = k


def weighed(
    burst: Burst, way: Way, trial: Way, first: int, last: int, touched: int, gain: float, needed: float
) -> tuple[float, int]:
    """Weigh a rearrangement into `trial`: what it gains, or less than needed; and up to where factors change."""
    outs = burst.sizes[0]
    for k in range(first, last + 1):
        way.holder[way.partner[k]] = k
    set_bounds(burst, trial, way, first, last)
    for k in range(max(0, first - 2), first):
        trial.kind[k] = way.kind[k]
    k = first
    while k <= touched and gain >= needed:
        if k > last:
            trial.lowest[k] = way.lowest[k]
            trial.highest[k] = way.highest[k]
        set_factor(burst, trial, k)
        gain += trial.factor[k]
        if k == touched and touched < outs - 1 and trial.kind[k] != way.kind[k]:
            touched += 1  # its kind matters to the one behind it
            gain -= way.factor[touched]
        k += 1
    return gain, touched


def try_spare(burst: Burst, way: Way, trial: Way, random: IntArray) -> None:
    """Let an early end that is left over change places with one near it."""
    outs = burst.sizes[0]
    spare = outs + int(drawn(random) * (len(way.partner) - outs))
    free = way.partner[spare]
    wanted = free + int(drawn(random) * (2 * NEARBY + 1)) - NEARBY
    chance = drawn(random)
    if wanted < 0 or wanted >= burst.sizes[1] or wanted == free or way.holder[wanted] < 0:
        return
    holder = way.holder[wanted]
    gain = burst.fit[holder, free] - burst.fit[holder, wanted]
    for k in range(outs):
        gain -= way.factor[k]
    way.partner[holder] = free
    way.partner[spare] = wanted
    gain += set_all(burst, trial)
    if gain >= math.log(chance) / burst.numbers[COLD]:
        for k in range(outs):
            way.lowest[k] = trial.lowest[k]
            way.highest[k] = trial.highest[k]
            way.kind[k] = trial.kind[k]
            way.factor[k] = trial.factor[k]
        way.fit[holder] = burst.fit[holder, free]
    else:
        way.partner[holder] = wanted
        way.partner[spare] = free
        set_holders(burst, way)


def walk(
    burst: Burst, way: Way, trial: Way, kept: IntArray, random: IntArray, settling: int,
    partners: IntArray, situations: IntArray, weights: FloatArray, late_spots: IntArray, early_spots: IntArray,
) -> None:  # fmt: skip
    """Walk; after settling, note down a way after each sweep: a row of `partners`, `situations` and `weights`.

    Steps begin at `late_spots` and `early_spots`: each as often as it stands there.
    """
    outs, spare = burst.sizes[0], len(way.partner) - burst.sizes[0]
    set_all(burst, way)
    for k in range(len(kept)):
        kept[k] = way.partner[k]
        way.fit[k] = burst.fit[k, kept[k]]
    for sweep in range(settling + len(partners)):
        for _ in range(STEPS * outs):
            try_step(burst, way, trial, kept, random, late_spots, early_spots)
        if spare > 0:
            for _ in range(min(SPARE_STEPS * spare, MOST_SPARE_STEPS)):
                try_spare(burst, way, trial, random)
            for k in range(len(kept)):
                kept[k] = way.partner[k]
        if sweep >= settling:
            for k in range(outs):
                partners[sweep - settling, k] = way.partner[k]
                situations[sweep - settling, k] = situation(burst, way, k)
                weights[sweep - settling, k] = CAUTION * way.factor[k] + way.fit[k]
