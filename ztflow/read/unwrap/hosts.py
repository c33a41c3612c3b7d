"""Datadog's hosts: a node's name with the cluster's behind it, and nothing that says where one ends.

An agent that knows its cluster reports `NODE-CLUSTER`. A tag may name the cluster; where none does, two nodes of one
capture that end in the same word tell it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from typing import Generic, TypeVar

T = TypeVar("T")

_CLUSTER = re.compile(r"-[A-Za-z][A-Za-z0-9-]{2,}")
"""A cluster's name has to be a word: node names of one pool share shorter endings and numbers by chance."""

HELD = 1000
"""Rows kept back until a second node shows; an export of one node alone cannot tell, and keeps the whole name."""


def cluster_ending(hosts: Collection[str]) -> str:
    """`-CLUSTER`, when all of at least two hosts end in it; else empty.

    Examples:
        >>> cluster_ending({"ambient-worker-mesh", "ambient-worker2-mesh"})
        '-mesh'
    """
    if len(hosts) < 2:
        return ""
    ending = min(hosts, key=len)
    while ending and not (ending[0] == "-" and all(host.endswith(ending) for host in hosts)):
        ending = ending[1:]
    return ending if _CLUSTER.fullmatch(ending) and all(host != ending for host in hosts) else ""


class HostColumn(Generic[T]):
    """Rows of an export whose hosts carry the cluster's name, until it is known where the node's name ends.

    Args:
        shorten: Gives a row without an ending of its node.

    Attributes:
        hosts: As they stand in the column.

    Memory: `HELD` rows.
    """

    def __init__(self, shorten: Callable[[T, str], T]) -> None:
        self.hosts: set[str] = set()
        self._shorten = shorten
        self._held: list[T] = []
        self._ending: str | None = None

    def settle(self, rows: list[T]) -> list[T]:
        """Rows whose node is sure now, in order."""
        if self._ending is not None:
            return [self._shorten(row, self._ending) for row in rows]
        self._held += rows
        if len(self.hosts) < 2 and len(self._held) < HELD:
            return []
        return self.finish()

    def finish(self) -> list[T]:
        """All rows held; nothing more will tell."""
        if self._ending is None:
            self._ending = cluster_ending(self.hosts)
        held, self._held = self._held, []
        return [self._shorten(row, self._ending) for row in held]

    @property
    def waiting(self) -> bool:
        """Whether rows are held."""
        return bool(self._held)
