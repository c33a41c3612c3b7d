"""The most frequent of ever new keys in bounded memory: Misra-Gries, merged batch by batch.

Method: J. Misra and D. Gries, "Finding repeated elements", Science of Computer Programming 2 (1982), as a summary that
may be merged any number of times: P. K. Agarwal et al., "Mergeable summaries", PODS 2012, section 3. There a merge adds
the counters, takes the (k+1)-th largest from all and drops those that are not positive; here it is kept in one number,
`missed`, what was taken so far. So a key without a counter was counted `missed` times at most, which is at most
n / (k+1) after n counts, for any order and any cut into batches.
"""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from typing import NamedTuple, Self

import numpy as np

from ztflow.columns.dictionaries import NONE
from ztflow.columns.dtypes import BoolArray, Index, IntArray, Integers
from ztflow.columns.grouping import group

_NEW = -2
"""A word that no counter has."""


class KeyPart(NamedTuple):
    """One part of each key: a text, as a code into words (-1 is null), or without words a number from -1 on."""

    codes: Integers
    words: Sequence[str] | None = None


class Counted(NamedTuple):
    """What became of the groups of a batch.

    Attributes:
        counters: The counter of each group; `capacity` for one that got none.
        given_up: Counters whose key before this batch lost its place; another may have it now.
    """

    counters: Index
    given_up: Index


class HeavyHitters:
    """Counters of the most frequent keys.

    Args:
        capacity: How many keys have a counter (k).
        width: Parts of a key.

    Attributes:
        capacity: As given.
        counts: What each counter counted since its key has it: at most the key's true count.
        short: How much of the key's true count each counter may lack at most: `missed` when the key got it.
        used: Counters that have a key.
        missed: Largest count a key without a counter can have.

    Cost: numpy passes over the groups of a batch; Python once a distinct word of theirs and once a key that gets a
    counter.
    """

    def __init__(self, capacity: int, width: int) -> None:
        self.capacity = capacity
        self.counts: IntArray = np.zeros(capacity, np.int64)
        self.short: IntArray = np.zeros(capacity, np.int64)
        self.used: BoolArray = np.zeros(capacity, np.bool_)
        self.missed = 0
        self._keys: IntArray = np.full((width, capacity), _NEW, np.int64)
        self._words: list[dict[str, int]] = [{} for _ in range(width)]

    def fork(self) -> Self:
        """An independent copy."""
        return deepcopy(self)

    def add(self, parts: Sequence[KeyPart], counts: IntArray) -> Counted:
        """Count the groups of a batch.

        Args:
            parts: The key of each group; no two groups have the same.
            counts: How often each occurs in the batch.
        """
        groups, before = len(counts), self.missed
        numbers = np.array([_numbers(part, words) for part, words in zip(parts, self._words, strict=True)])
        counters = self._find(numbers.reshape(len(parts), groups))
        known = counters < self.capacity
        self.counts[counters[known]] += counts[known]
        held, new = np.flatnonzero(self.used), np.flatnonzero(~known)
        reach = np.concatenate([(self.counts + self.short)[held], counts[new] + before])
        stays = np.ones(len(reach), np.bool_)
        if len(reach) > self.capacity:
            order = np.argsort(-reach, kind="stable")
            stays[order[self.capacity :]] = False
            self.missed = max(before, int(reach[order[self.capacity]]))
        given_up, new = held[~stays[: len(held)]], new[stays[len(held) :]]
        self.used[given_up] = False
        free = np.flatnonzero(~self.used)[: len(new)]
        counters[np.isin(counters, given_up)] = self.capacity
        counters[new] = free
        self.counts[free], self.short[free], self.used[free] = counts[new], before, True
        self._name(free, [KeyPart(part.codes[new], part.words) for part in parts])
        return Counted(counters, given_up)

    def keys(self, counters: Index) -> list[tuple[str | int | None, ...]]:
        """The keys of some counters; null is None."""
        columns: list[list[str | int | None]] = []
        for numbers, words in zip(self._keys, self._words, strict=True):
            texts = {number: word for word, number in words.items()}
            columns.append([None if n == NONE else texts.get(n, n) for n in numbers[counters].tolist()])
        return list(zip(*columns, strict=True))

    def _find(self, numbers: IntArray) -> Index:
        """The counter of each key; `capacity` for one that has none."""
        found = np.full(numbers.shape[1], self.capacity)
        held, asked = np.flatnonzero(self.used), np.flatnonzero((numbers != _NEW).all(axis=0))
        if len(held) and len(asked):
            both = np.concatenate([self._keys[:, held], numbers[:, asked]], axis=1)
            # The keys held come first and differ, so they are the groups 0, 1, ….
            codes = group([(part, int(part.max()) + 1) for part in both], both.shape[1]).codes[len(held) :]
            hit = codes < len(held)
            found[asked[hit]] = held[codes[hit]]
        return found

    def _name(self, counters: Index, parts: Sequence[KeyPart]) -> None:
        """Give counters their keys, and forget words no key has."""
        for place, (part, words) in enumerate(zip(parts, self._words, strict=True)):
            if part.words is None:
                self._keys[place, counters] = part.codes
                continue
            if len(words) > 4 * self.capacity:
                _forget(words, self._keys[place], self.used)
            following = max(words.values(), default=-1) + 1
            for counter, code in zip(counters.tolist(), part.codes.tolist(), strict=True):
                number = NONE
                if code != NONE:
                    number = words.setdefault(part.words[code], following)
                    following = max(following, number + 1)
                self._keys[place, counter] = number


def _numbers(part: KeyPart, words: dict[str, int]) -> IntArray:
    """The number each part of a key has here."""
    if part.words is None:
        return part.codes.astype(np.int64)
    numbers = np.array([*(words.get(word, _NEW) for word in part.words), NONE], np.int64)
    found: IntArray = numbers[part.codes]
    return found


def _forget(words: dict[str, int], keys: IntArray, used: BoolArray) -> None:
    kept = set(keys[used].tolist())
    for word in [word for word, number in words.items() if number not in kept]:
        del words[word]
