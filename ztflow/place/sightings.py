"""What the log itself shows of places: which ztunnel wrote lines of which pod and address, and what start-up lines say.

An outbound line's source pod and an inbound line's destination pod are on the node of the ztunnel that wrote it; see
docs/reference/ztunnel-log.md#where-a-line-was-written. A writer is a ztunnel pod, or the node a shipper named where it
named no pod, or a bare file whose start-up block names its node.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ztflow.columns.gc_pause import gc_paused
from ztflow.model.provenance import Fact
from ztflow.model.vocabulary import FlowPath
from ztflow.place.codes import NEVER, Coded, Spans, coded, combine, joined, micros_of, spans_of

_PENDING = 1 << 17
"""Rows of columns added before they are made one: bounds memory, which then is a row a distinct end."""

Span = list[int]
"""First and last time seen, microseconds; (`NEVER`, -`NEVER`) where no line had a time."""

Writer = tuple[str, str]
"""(`pod`, name), (`node`, name) or (`file`, name)."""

PodName = tuple[str, str]
"""Namespace and name."""

Stayer = PodName | str
"""A pod by name, or by uid where a line gave one."""


@dataclass(slots=True)
class Stay:
    """What start-up lines say of one pod and one ztunnel, whatever order they come in."""

    first: int = NEVER
    """First time it was said to be there."""
    last: int = -NEVER
    """Last time."""
    gone: int = -NEVER
    """When it was said to leave."""

    def span(self) -> Span:
        """From when, until when it was there; `NEVER` while nothing says that it left."""
        first = self.first if self.first != NEVER else -NEVER
        return [first, self.gone if self.gone >= self.last and self.gone != -NEVER else NEVER]


class Sightings:
    """Spans in which pods and addresses were seen with their writers. Batches may come in any cut and order.

    Batches are kept as columns until a pod or an address is asked for: most captures are placed without.
    """

    def __init__(self) -> None:
        self.writers: dict[Writer, Span] = {}
        self.shipped: defaultdict[Writer, set[str]] = defaultdict(set)
        """Nodes that shippers named for a writer."""
        self.started: defaultdict[Writer, set[str]] = defaultdict(set)
        """Nodes that start-up lines named for a writer."""
        self.stays: dict[tuple[Writer, Stayer], Stay] = {}
        """Pods that a ztunnel said it serves, by name or by uid."""
        self.uids: dict[str, PodName] = {}
        """Pods whose uid and name were in one line."""
        self._pods: defaultdict[PodName, dict[tuple[Writer, str | None], Span]] = defaultdict(dict)
        self._addresses: defaultdict[str, dict[tuple[Writer, PodName | None], Span]] = defaultdict(dict)
        self.several: set[PodName] = set()
        """Pods of which more than one writer wrote."""
        self._pods_of: defaultdict[Writer, defaultdict[PodName, list[Span]]] = defaultdict(lambda: defaultdict(list))
        self._addresses_of: defaultdict[Writer, defaultdict[str, list[Span]]] = defaultdict(lambda: defaultdict(list))
        self._pairs_of: defaultdict[Writer, int] = defaultdict(int)
        self._pending: list[Spans] = []
        self._added = 0
        self._asked = False
        self._version = 0
        self._pairs = 0

    @property
    def pods(self) -> Mapping[PodName, Mapping[tuple[Writer, str | None], Span]]:
        """Pods at whose end a writer wrote, with the address the line gave."""
        self._index()
        return self._pods

    @property
    def addresses(self) -> Mapping[str, Mapping[tuple[Writer, PodName | None], Span]]:
        """The same by address; the pod is None where the line named none."""
        self._index()
        return self._addresses

    @property
    def version(self) -> tuple[int, int]:
        """Changes when a new writer or fact was seen, or, once pods were asked for, a new pod or address."""
        if self._asked:
            self._index()
        return self._version, self._pairs

    def observe(self, halves: pa.Table) -> None:
        """Take in a table of halves. Cost: about 100 ns a half, and 3 µs a distinct end once pods are asked for."""
        if not halves.num_rows:
            return
        direction = coded(halves, "direction")
        writer = [coded(halves, name) for name in ("ztunnel_pod", "ztunnel_node", "source_file")]
        micros = micros_of(halves.column("time"), NEVER)
        for side, word in (("src", "outbound"), ("dst", "inbound")):
            rows = np.flatnonzero(direction.mask(word))
            if len(rows):
                ends = [coded(halves, f"{side}_{name}") for name in ("namespace", "workload", "ip")]
                spans = spans_of([column.take(rows) for column in (*ends, *writer)], micros[rows])
                self._add(spans)
        if self._asked:
            self._index()
        elif self._added > _PENDING + len(self._pending[0].first):
            self._pending = [joined(self._pending)]
            self._added = 0

    def _add(self, batch: Spans) -> None:
        self._take_writers(batch)
        self._pending.append(batch)
        self._added += len(batch.first)

    def _take_writers(self, batch: Spans) -> None:
        columns = batch.columns[3:]
        numbers, first = combine([column.codes for column in columns], [column.size + 1 for column in columns])
        starts, ends = np.full(len(first), NEVER), np.full(len(first), -NEVER)
        np.minimum.at(starts, numbers, batch.first)
        np.maximum.at(ends, numbers, batch.last)
        words = [column.texts(first) for column in columns]
        for pod, node, file, start, end in zip(*words, starts.tolist(), ends.tolist(), strict=True):
            writer = _writer(pod, node, file)
            if writer is None:
                continue
            if _widen(self.writers, writer, start, end) is not None:
                self._version += 1
            if pod is not None and node is not None and node not in self.shipped[writer]:
                self.shipped[writer].add(node)
                self._version += 1

    def _index(self) -> None:
        """Sort the batches kept so far into pods and addresses."""
        self._asked = True
        if not self._pending:
            return
        with gc_paused():
            self._index_batch(joined(self._pending) if len(self._pending) > 1 else self._pending[0])
        self._pending.clear()
        self._added = 0

    def _index_batch(self, batch: Spans) -> None:
        pods, addresses = self._pods, self._addresses
        words = [column.texts() for column in batch.columns]
        writers = {key: _writer(*key) for key in set(zip(*words[3:], strict=True))}
        for namespace, name, ip, pod, node, file, first, last in zip(
            *words, batch.first.tolist(), batch.last.tolist(), strict=True
        ):
            writer = writers[pod, node, file]
            if writer is None:
                continue
            if namespace is not None and name is not None:
                known = (namespace, name)
                span = _widen(pods[known], (writer, ip), first, last)
                if span is not None:
                    self._note_pair(writer, known, ip, span)
                    if ip is not None:
                        addresses[ip][writer, known] = span
            elif ip is not None:
                span = _widen(addresses[ip], (writer, None), first, last)
                if span is not None:
                    self._note_pair(writer, None, ip, span)

    def _note_pair(self, writer: Writer, pod: PodName | None, ip: str | None, span: Span) -> None:
        """Take in that a writer wrote of a pod or an address for the first time."""
        self._pairs += 1
        self._pairs_of[writer] += 1
        if ip is not None:
            self._addresses_of[writer][ip].append(span)
        if pod is not None:
            self._pods_of[writer][pod].append(span)
            if pod not in self.several and any(other != writer for other, _ in self._pods[pod]):
                self.several.add(pod)

    def pods_of(self, writer: Writer) -> dict[PodName, int]:
        """Pods of which a writer wrote, with the first time."""
        self._index()
        return {pod: min(span[0] for span in spans) for pod, spans in self._pods_of[writer].items()}

    def addresses_of(self, writer: Writer) -> dict[str, int]:
        """Addresses of which a writer wrote, with the first time."""
        self._index()
        return {ip: min(span[0] for span in spans) for ip, spans in self._addresses_of[writer].items()}

    def pairs_of(self, writer: Writer) -> int:
        """A number that changes when a writer writes of another pod or address."""
        self._index()
        return self._pairs_of[writer]

    @property
    def direct(self) -> int:
        """Changes when a new writer or fact was seen."""
        return self._version

    def introduce(self, flows: pa.Table) -> None:
        """Take in a table of flows: the ends whose own half was seen, as `observe` does of the halves.

        The far end of double HBONE carries the names of the near side's line and is left out.
        """
        micros = micros_of(pc.coalesce(flows.column("end"), flows.column("start")), NEVER)
        plain = ~coded(flows, "path").mask(FlowPath.DOUBLE_HBONE)
        for side, half in (("src", "outbound"), ("dst", "inbound")):
            ztunnel = coded(flows, f"{half}_ztunnel")
            rows = np.flatnonzero(ztunnel.known())
            if len(rows):
                ends = [coded(flows, f"{side}_{name}") for name in ("namespace", "workload", "ip")]
                ends = [column.where(plain | (side == "src")).take(rows) for column in ends]
                nothing = Coded(np.zeros(len(rows), np.int32))
                spans = spans_of([*ends, ztunnel.take(rows), nothing, nothing], micros[rows])
                self._add(spans)

    def note(self, facts: Iterable[Fact]) -> None:
        """Take in what non-access lines say: `local_node`, `pod_here`, `pod_kept`, `pod_gone`."""
        for fact in facts:
            writer = _writer_of(fact)
            if writer is None or fact.kind not in {"local_node", "pod_here", "pod_kept", "pod_gone"}:
                continue
            self._version += 1
            if fact.origin.node is not None and writer[0] == "pod":
                self.shipped[writer].add(fact.origin.node)
            if fact.kind == "local_node":
                node = fact.values.get("node")
                if isinstance(node, str) and node:
                    self.started[writer].add(node)
            else:
                self._note_pod(writer, fact)

    def _note_pod(self, writer: Writer, fact: Fact) -> None:
        name, namespace, uid = (fact.values.get(key) or None for key in ("name", "namespace", "uid"))
        pod = (namespace, name) if namespace is not None and name is not None else None
        if pod is not None and uid is not None:
            self.uids[uid] = pod
        who: Stayer | None = uid if uid is not None else pod
        if who is None:
            return
        stay = self.stays.setdefault((writer, who), Stay())
        if fact.kind == "pod_gone":
            stay.gone = max(stay.gone, fact.time if fact.time is not None else -NEVER)
        else:
            stay.first = min(stay.first, fact.time if fact.time is not None else -NEVER)
            stay.last = max(stay.last, fact.time if fact.time is not None else -NEVER)


def _writer(pod: str | None, node: str | None, file: str | None) -> Writer | None:
    """The writer of halves that name a ztunnel pod, a node, or are only known to be in a file."""
    if pod is not None:
        return ("pod", pod)
    return ("node", node) if node is not None else ("file", file) if file is not None else None


def _widen(spans: dict[Any, Span], key: object, first: int, last: int) -> Span | None:
    """Widen a span; the span if it is new."""
    span = spans.get(key)
    if span is None:
        span = spans[key] = [first, last]
        return span
    span[0] = min(span[0], first)
    span[1] = max(span[1], last)
    return None


def _writer_of(fact: Fact) -> Writer | None:
    if fact.origin.pod is not None:
        return ("pod", fact.origin.pod)
    if fact.origin.node is not None:
        return ("node", fact.origin.node)
    return ("file", fact.source_file) if fact.source_file else None
