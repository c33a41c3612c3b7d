"""Which node an address is on by the ranges nodes give to their pods (`spec.podCIDRs`).

A range is a weak statement: Calico and some clouds give a node's pods addresses of other nodes' ranges. So ranges count
only while no pod whose node is known contradicts them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from functools import lru_cache
from ipaddress import ip_address, ip_network

from ztflow.place.inventory.facts import NodeFact


class Ranges:
    """Nodes by range of addresses.

    Cost: some microseconds for a new address, a dictionary lookup for one of those asked for before.
    """

    def __init__(self, nodes: Sequence[NodeFact]) -> None:
        self._nodes: defaultdict[tuple[int, int], dict[int, str | None]] = defaultdict(dict)
        """By family and length of prefix: network → node, None for a range of several nodes."""
        for node in nodes:
            for text in node.pod_ranges:
                network = ip_network(text)
                known = self._nodes[network.version, network.prefixlen]
                first = int(network.network_address)
                known[first] = node.name if known.get(first, node.name) == node.name else None

        self._find = lru_cache(1 << 18)(self._search)

    def node_of(self, ip: str) -> str | None:
        """The node in whose range an address is, by the longest prefix; None when that is none or not one."""
        return self._find(ip)

    def _search(self, ip: str) -> str | None:
        try:
            address = ip_address(ip)
        except ValueError:
            return None
        number, bits = int(address), address.max_prefixlen
        for version, length in sorted(self._nodes, reverse=True):
            if version == address.version:
                first = number >> (bits - length) << (bits - length)
                known = self._nodes[version, length]
                if first in known:
                    return known[first]
        return None

    def contradicted(self, places: Iterable[tuple[str, str | None]]) -> tuple[str, str, str] | None:
        """The first address (of addresses with their node) that is in the range of another node, with both nodes."""
        for ip, node in places:
            ranged = self.node_of(ip) if node is not None else None
            if node is not None and ranged is not None and ranged != node:
                return ip, node, ranged
        return None
