"""Which chain of lines each connection of a group has, where that can be told."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import numpy as np

from ztflow.columns.dtypes import BoolArray, Index
from ztflow.waypoint.beliefs import Choice, Evidence, tradable, weigh
from ztflow.waypoint.chains import Chain, Ends, TooManyError, candidates, chains_of
from ztflow.waypoint.lines import FEWEST_SIGMAS, Connection, Lines

SURE: Final = 0.9995
"""How likely a chain has to be for it to be called decided."""

_MOST_LINES: Final = 600
"""With more candidates left there are too many chains, and none is looked for."""

_ODD_HEAD: Final = 80.0
"""Bytes that headers which come now and then may add to a head."""

_FEWER: Final = 0.9
"""A connection that had too many chains is tried again when so much of its candidates is left."""


class Decider:
    """Decides the connections of one group, those first that leave no choice.

    Args:
        connections: The connections.
        lines: Their lines.
        stray: Odds that a line is of a connection ztunnel's log does not have.

    Attributes:
        decided: Number of a connection → its chain.
    """

    def __init__(self, connections: list[Connection], lines: Lines, stray: float) -> None:
        self._connections = connections
        self._lines = lines
        self._stray = stray
        self._candidates = [candidates(one, lines) for one in connections]
        self._free: BoolArray = np.ones(len(lines.start), np.bool_)
        self._open = set(range(len(connections)))
        self._chains: dict[int, list[Chain]] = {}
        self._tried: dict[int, tuple[int, bool]] = {}
        self.decided: dict[int, Chain] = {}

    def only_choices(self) -> None:
        """Decide what has one chain, again and again: a line that has an owner is out of the way for the others."""
        while self._only_choices_once(limited=None):
            pass

    def likely_choices(self, evidence: Evidence) -> None:
        """Decide what is likely enough, then take back what could be traded."""
        self.only_choices()
        while True:
            if self._only_choices_once(limited=evidence):
                continue
            if not self._weigh(evidence):
                break
        decided = {name: (self._connections[name], chain) for name, chain in self.decided.items()}
        for name in tradable(decided, self._lines, evidence, float(-np.log(1 - SURE))):
            del self.decided[name]

    @property
    def unexplained(self) -> int:
        """Connections that moved bytes and that no lines explain."""
        return sum(self._lacks_lines(name) for name in self._open if self._chains.get(name) == [])

    def _lacks_lines(self, name: int) -> bool:
        """Whether lines must be missing: none explain it even with heads that are odd one way.

        A line that is missing leaves bytes unexplained both ways, a header that is there now and then only one way.
        """
        connection = self._connections[name]
        if not len(self._candidates[name]) or connection.down <= 0:
            return False
        odd = (_ODD_HEAD / FEWEST_SIGMAS) ** 2
        up = replace(self._lines, up_variance=self._lines.up_variance + odd)
        down = replace(self._lines, down_variance=self._lines.down_variance + odd)
        try:
            return not any(chains_of(connection, self._left(name), some) for some in (up, down))
        except TooManyError:
            return True

    def _left(self, name: int) -> Index:
        found = self._candidates[name]
        left: Index = found[self._free[found]]
        return left

    def _only_choices_once(self, limited: Evidence | None) -> bool:
        before = len(self.decided)
        for name in sorted(self._open, key=lambda one: (len(self._left(one)), one)):
            chains = self._found(name, limited)
            if chains is not None and len(chains) == 1:
                self._decide(name, chains[0])
        return len(self.decided) > before

    def _decide(self, name: int, chain: Chain) -> None:
        self.decided[name] = chain
        self._free[chain.lines] = False
        self._open.discard(name)

    def _found(self, name: int, limited: Evidence | None) -> list[Chain] | None:
        """The chains a connection may have among the lines without an owner; None for too many."""
        known = self._chains.get(name)
        if known is not None:
            left = [chain for chain in known if self._free[chain.lines].all()]
            self._chains[name] = left
            return left
        connection = self._connections[name]
        among = self._left(name)
        if not connection.clear or len(among) > _MOST_LINES:
            return None
        count, was_limited = self._tried.get(name, (0, False))
        if name in self._tried and len(among) > _FEWER * count and was_limited == (limited is not None):
            return None
        self._tried[name] = len(among), limited is not None
        try:
            chains = chains_of(connection, among, self._lines)
        except TooManyError:
            if limited is None:
                return None
            ends = Ends(
                self._lines.start <= connection.start + limited.first.most,
                self._lines.end >= connection.end - limited.last.most,
            )
            try:
                chains = chains_of(connection, among, self._lines, ends)
            except TooManyError:
                return None
        self._chains[name] = chains
        return chains

    def _weigh(self, evidence: Evidence) -> bool:
        """Decide what the beliefs make sure; whether anything was decided."""
        choices: dict[int, Choice] = {}
        unknown: list[Index] = []
        for name in sorted(self._open):
            chains = self._chains.get(name)
            if not chains:
                unknown.append(self._left(name))
                continue
            choices[name] = Choice.of(chains, evidence.of(self._connections[name], chains, self._lines))
        if not choices:
            return False
        weigh(choices, unknown, len(self._free), self._stray)
        before = len(self.decided)
        for name, choice in choices.items():
            best = int(np.argmax(choice.beliefs))
            chain = choice.chains[best]
            if choice.beliefs[best] >= SURE and self._free[chain.lines].all():
                self._decide(name, chain)
        return len(self.decided) > before
