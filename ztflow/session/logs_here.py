"""Which nodes' logs are here: counted as flows are placed, so that a missing one is said on top of every answer."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from ztflow.columns.dictionaries import coded
from ztflow.model.provenance import LogsHere
from ztflow.model.vocabulary import Paired, Unpaired
from ztflow.place import Topology

_ZTUNNEL = "ztunnel-"
"""How the names of a DaemonSet's pods begin that Istio's charts make."""


def logs_here(flows: pa.Table) -> LogsHere:
    """What some placed flows say.

    Cost: two groupings by node, some 20 ns a flow.
    """
    found, paired = LogsHere(), coded(flows, "paired")
    both = ~(paired.mask(Paired.OUTBOUND_ONLY) | paired.mask(Paired.INBOUND_ONLY))
    for column, alone in (("src_node", Paired.OUTBOUND_ONLY), ("dst_node", Paired.INBOUND_ONLY)):
        wrote, labels = both | paired.mask(alone), coded(flows, column)
        codes = np.unique(labels.codes[wrote])
        found.nodes.update(labels.words[code] for code in codes.tolist() if code >= 0)
        found.unplaced |= bool(len(codes)) and codes[0] < 0
    target, reason = coded(flows, "dst_node"), coded(flows, "unpaired_reason")
    alone_there = target.codes[reason.mask(Unpaired.DESTINATION_NOT_CAPTURED)]
    names = [*target.words, None]
    for code, count in enumerate(np.bincount(alone_there + 1, minlength=1).tolist()):
        if count:
            found.awaited[names[code - 1]] += count
    return found


def expected(topology: Topology) -> set[str]:
    """The nodes on which an inventory has a ztunnel, and none of them has written a line."""
    wrote = topology.ztunnels()
    running = [
        pod
        for (_, name), pods in topology.register.pods.items()
        if name.startswith(_ZTUNNEL)
        for pod in pods
        if pod.node is not None and not pod.over
    ]
    seen = {pod.node for pod in running if pod.name in wrote} | {node for node, _ in wrote.values()}
    return {pod.node for pod in running if pod.node is not None and pod.node not in seen}
