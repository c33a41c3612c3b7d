"""What the log itself shows of places: who wrote lines of which pod and address, and what start-up lines say.

An outbound line's source pod and an inbound line's destination pod are on the node of the ztunnel that wrote it
(format sheet §4.2). A writer is a ztunnel pod, or the node a shipper named where it named no pod, or a bare file
whose start-up block names its node.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ztflow.origin import Fact
from ztflow.place.codes import Coded, coded, group_spans

NEVER = (1 << 63) - 1
"""A time later than any."""

Span = list[int]
"""First and last time seen, microseconds; (`NEVER`, -`NEVER`) where no line had a time."""

Writer = tuple[str, str]
"""(`pod`, name), (`node`, name) or (`file`, name)."""


class Sightings:
    """Spans in which pods and addresses were seen with their writers. Batches may come in any cut and order."""

    def __init__(self) -> None:
        self.pods: defaultdict[tuple[str, str], dict[Writer, Span]] = defaultdict(dict)
        self.addresses: defaultdict[str, dict[tuple[Writer, tuple[str, str] | None], Span]] = defaultdict(dict)
        self.writers: dict[Writer, Span] = {}
        self.shipped: defaultdict[Writer, set[str]] = defaultdict(set)
        """Nodes that shippers named for a writer."""
        self.started: defaultdict[Writer, set[str]] = defaultdict(set)
        """Nodes that start-up lines named for a writer."""
        self.announced: defaultdict[tuple[str, str], dict[Writer, Span]] = defaultdict(dict)
        """Pods that a ztunnel said it serves: from when, until when (a very late time when it did not end)."""
        self.announced_uids: dict[tuple[Writer, str], Span] = {}
        """The same, where the line had only the pod's uid."""
        self.version = 0
        """Grows when a new pod, address, writer or fact is seen; longer spans alone do not count."""

    def observe(self, halves: pa.Table) -> None:
        """Take in a table of halves. Cost: about 60 ns a half; Python only per distinct place seen."""
        if not halves.num_rows:
            return
        direction = coded(halves, "direction")
        writer = [coded(halves, name) for name in ("ztunnel_pod", "ztunnel_node", "source_file")]
        micros = halves.column("time").combine_chunks().cast(pa.int64())
        for side, word in (("src", "outbound"), ("dst", "inbound")):
            rows = np.flatnonzero(direction.mask(word))
            if len(rows):
                ends = [coded(halves, f"{side}_{name}") for name in ("namespace", "workload", "ip")]
                self._observe_side(ends, writer, rows, micros)

    def _observe_side(
        self, ends: list[Coded], writer: list[Coded], rows: npt.NDArray[np.intp], micros: pa.Array
    ) -> None:
        for (namespace, name, ip, pod, node, file), first, last in group_spans([*ends, *writer], rows, micros):
            key: Writer
            if pod is not None:
                key = ("pod", pod)
                if node is not None and node not in self.shipped[key]:
                    self.shipped[key].add(node)
                    self.version += 1
            elif node is not None:
                key = ("node", node)
            elif file is not None:
                key = ("file", file)
            else:
                continue
            self._widen(self.writers, key, first, last)
            known = (namespace, name) if namespace is not None and name is not None else None
            if known is not None:
                self._widen(self.pods[known], key, first, last)
            if ip is not None:
                self._widen(self.addresses[ip], (key, known), first, last)

    def _widen(self, spans: dict[Any, Span], key: object, first: int | None, last: int | None) -> None:
        span = spans.get(key)
        if span is None:
            span = spans[key] = [NEVER, -NEVER]
            self.version += 1
        if first is not None and last is not None:
            span[0] = min(span[0], first)
            span[1] = max(span[1], last)

    def note(self, facts: Iterable[Fact]) -> None:
        """Take in what non-access lines say: `local_node`, `pod_here`, `pod_gone`."""
        for fact in facts:
            writer = self._writer_of(fact)
            if writer is None:
                continue
            self.version += 1
            if fact.origin.node is not None and writer[0] == "pod":
                self.shipped[writer].add(fact.origin.node)
            if fact.kind == "local_node":
                node = fact.values.get("node")
                if isinstance(node, str) and node:
                    self.started[writer].add(node)
            elif fact.kind in {"pod_here", "pod_gone"}:
                self._note_pod(writer, fact)

    @staticmethod
    def _writer_of(fact: Fact) -> Writer | None:
        if fact.origin.pod is not None:
            return ("pod", fact.origin.pod)
        if fact.origin.node is not None:
            return ("node", fact.origin.node)
        return ("file", fact.source_file) if fact.source_file else None

    def _note_pod(self, writer: Writer, fact: Fact) -> None:
        name, namespace, uid = (fact.values.get(key) or None for key in ("name", "namespace", "uid"))
        time = fact.time
        spans: list[Span] = []
        if uid is not None:
            spans.append(self.announced_uids.setdefault((writer, uid), [time if time is not None else -NEVER, -NEVER]))
        if name is not None and namespace is not None:
            start = time if time is not None else -NEVER
            spans.append(self.announced[namespace, name].setdefault(writer, [start, -NEVER]))
        for span in spans:
            if fact.kind == "pod_here":
                span[0] = min(span[0], time if time is not None else -NEVER)
                span[1] = NEVER if time is None or time >= span[1] else span[1]
            elif time is not None and span[1] in {NEVER, -NEVER}:
                span[1] = time
