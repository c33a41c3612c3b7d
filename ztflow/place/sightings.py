"""Evidence about places from the log itself: which ztunnel logged which pod and address, and its start-up lines.

An outbound line's source pod and an inbound line's destination pod are on the node of the ztunnel that wrote it
(docs/reference/ztunnel-log.md#where-a-line-was-written). A ztunnel is known by its pod, else by the node a shipper
named, else by the bare file whose start-up block names its node.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from functools import partial
from itertools import islice
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ztflow.columns.dictionaries import Coded, Spans, coded, joined, spans_of
from ztflow.columns.dtypes import AFTER_ALL, BEFORE_ALL
from ztflow.columns.gc_pause import gc_paused
from ztflow.columns.grouping import group
from ztflow.columns.timestamps import micros_of
from ztflow.memory import DEFAULT
from ztflow.model.provenance import Fact
from ztflow.model.vocabulary import FlowPath
from ztflow.place.ends_on_disk import KEYS, PARTS, SCHEMA, EndsOnDisk, of_bare_files, of_several
from ztflow.place.stays import Span, Stay

_PENDING = 1 << 17
"""Rows of columns added before they are made one: bounds memory, which then is a row a distinct end."""

_LEAST = 4096
"""Ztunnels that are known in any case."""

Ztunnel = tuple[str, str]
"""(`pod`, name), (`node`, name) or (`file`, name)."""

PodName = tuple[str, str]
"""Namespace and name."""

_SPANS: Callable[[], defaultdict[Any, list[Span]]] = partial(defaultdict, list)  # no lambda, which would not be pickled

Stayer = PodName | str
"""A pod by name, or by uid where a line gave one."""


class Sightings:
    """Spans of time in which ztunnels wrote of pods and addresses. Batches may come in any cut and order.

    Batches are kept as columns until a pod or an address is asked for: most captures are placed without. Of more ends
    than fit in memory those of finite input wait on disk, and only those that are asked for (`look_up`) are in the
    dictionaries. Input that goes on is asked all the time; there the ends that were seen first are forgotten.

    Args:
        most: Ends in memory. Of ztunnels a quarter as many (and `_LEAST`) are known; what others wrote tells nothing.
        goes_on: Whether this is input that goes on.

    Attributes:
        forgotten: Ends and ztunnels given up because of `most`.
    """

    def __init__(self, most: int = DEFAULT.ends, *, goes_on: bool = False) -> None:
        self.forgotten = 0
        self._most, self._writers, self._to_disk = most, max(_LEAST, most // 4), 1 << 62 if goes_on else most
        self._away: EndsOnDisk | None = None
        self._held = 0
        self.ztunnels: dict[Ztunnel, Span] = {}
        self.shipped: defaultdict[Ztunnel, set[str]] = defaultdict(set)
        """Nodes that shippers named for a ztunnel."""
        self.started: defaultdict[Ztunnel, set[str]] = defaultdict(set)
        """Nodes that start-up lines named for a ztunnel."""
        self.stays: dict[tuple[Ztunnel, Stayer], Stay] = {}
        """Pods that a ztunnel said it serves, by name or by uid."""
        self.uids: dict[str, PodName] = {}
        """Pods whose uid and name were in one line."""
        self._pods: defaultdict[PodName, dict[tuple[Ztunnel, str | None], Span]] = defaultdict(dict)
        self._addresses: defaultdict[str, dict[tuple[Ztunnel, PodName | None], Span]] = defaultdict(dict)
        self.several: set[PodName] = set()
        """Pods of which more than one ztunnel wrote."""
        self._pods_of: defaultdict[Ztunnel, defaultdict[PodName, list[Span]]] = defaultdict(_SPANS)
        self._addresses_of: defaultdict[Ztunnel, defaultdict[str, list[Span]]] = defaultdict(_SPANS)
        self._pairs_of: defaultdict[Ztunnel, int] = defaultdict(int)
        self._pending: list[Spans] = []
        self._added = 0
        self._asked = False
        self._version = 0
        self._pairs = 0

    @property
    def pods(self) -> Mapping[PodName, Mapping[tuple[Ztunnel, str | None], Span]]:
        """Pods at whose end a ztunnel wrote, with the address the line gave."""
        self._index()
        return self._pods

    @property
    def addresses(self) -> Mapping[str, Mapping[tuple[Ztunnel, PodName | None], Span]]:
        """Addresses at whose end a ztunnel wrote, with the pod the line named, or None."""
        self._index()
        return self._addresses

    @property
    def version(self) -> tuple[int, int]:
        """Changes when a new ztunnel or fact was seen, or, once pods were asked for, a new pod or address."""
        if self._asked:
            self._index()
        return self._version, self._pairs

    def observe(self, halves: pa.Table) -> None:
        """Learn from a table of halves. Cost: about 100 ns a half, and 3 µs a distinct end once pods are asked for."""
        if not halves.num_rows:
            return
        direction = coded(halves, "direction")
        ztunnel = [coded(halves, name) for name in ("ztunnel_pod", "ztunnel_node", "source_file")]
        micros = micros_of(halves.column("time"), AFTER_ALL)
        for side, word in (("src", "outbound"), ("dst", "inbound")):
            rows = np.flatnonzero(direction.mask(word))
            if len(rows):
                ends = [coded(halves, f"{side}_{name}") for name in ("namespace", "workload", "ip")]
                spans = spans_of([column.take(rows) for column in (*ends, *ztunnel)], micros[rows])
                self._add(spans)
        if self._asked and self._away is None:
            self._index()
            self._forget()

    def _add(self, batch: Spans) -> None:
        self._take_ztunnels(batch)
        self._pending.append(batch)
        self._added += len(batch.first)
        if self._added > min(_PENDING, 2 * self._most) + len(self._pending[0].first):
            self._pending, self._added = [joined(self._pending)], 0
            if self._away is not None or (not self._asked and len(self._pending[0].first) > self._to_disk):
                self._put_away()

    def _put_away(self) -> None:
        """Put the batches kept so far on disk."""
        if self._away is None:
            self._away = EndsOnDisk()
        for batch in self._pending:
            columns = [column.array().dictionary_decode().cast(pa.string()) for column in batch.columns]
            self._away.put(pa.Table.from_arrays([*columns, pa.array(batch.first), pa.array(batch.last)], schema=SCHEMA))
        self._pending, self._added = [], 0
        self._pairs += 1

    def look_up(self, names: Collection[str], ips: Collection[str]) -> None:
        """Have what is known of pods of these names and of these addresses at hand, instead of others."""
        self._index()
        if self._away is None:
            return
        self._pods, self._addresses = defaultdict(dict), defaultdict(dict)
        with gc_paused():
            for ends in self._away.named(names, ips):
                self._index_batch(_spans(ends), note=False)

    def survey(self, names: Collection[str], ips: Collection[str]) -> None:
        """Have the pods of which several ztunnels wrote at hand, and what each wrote of these pods and addresses.

        What a bare file says of other pods is one pod without a name.
        """
        self._index()
        if self._away is None:
            return
        self._begin_anew()
        some_names, some_ips = (pa.array([*words], pa.string()) for words in (names, ips))
        with gc_paused():
            for number in range(PARTS):
                ends = self._away.part(number)
                told = pc.or_(pc.is_in(ends.column("workload"), some_names), pc.is_in(ends.column("ip"), some_ips))
                self._index_batch(_spans(ends.filter(pc.or_(told, of_several(ends)))))
                for file in of_bare_files(ends.filter(pc.invert(told))):
                    self._pods_of["file", file]["", ""].append([AFTER_ALL, BEFORE_ALL])

    def in_parts(self) -> Iterator[None]:
        """Have the pods at hand: all of them, or part after part where they do not fit in memory."""
        self._index()
        if self._away is None:
            yield
            return
        for number in range(PARTS):
            self._pods, self._addresses = defaultdict(dict), defaultdict(dict)
            self._index_batch(_spans(self._away.part(number)), note=False)
            yield

    def _begin_anew(self) -> None:
        """No pods and no addresses in the dictionaries."""
        self._pods, self._addresses = defaultdict(dict), defaultdict(dict)
        self._pods_of = defaultdict(_SPANS)
        self._addresses_of = defaultdict(_SPANS)
        self._pairs_of, self.several, self._held = defaultdict(int), set(), 0

    def _forget(self) -> None:
        """Of more ends than may be kept, forget the half that was seen first."""
        if self._held <= self._most:
            return
        before, pods, addresses = self._held, self._pods, self._addresses
        self._begin_anew()
        for pod, spans in islice(pods.items(), len(pods) // 2, None):
            self._pods[pod] = spans
            for (ztunnel, ip), span in spans.items():
                self._note_pair(ztunnel, pod, ip, span)
                if ip is not None:
                    self._addresses[ip][ztunnel, pod] = span
        for ip, others in islice(addresses.items(), len(addresses) // 2, None):
            for (ztunnel, known), span in others.items():
                if known is None:
                    self._addresses[ip][ztunnel, None] = span
                    self._note_pair(ztunnel, None, ip, span)
        self.forgotten += before - self._held

    def _take_ztunnels(self, batch: Spans) -> None:
        columns = batch.columns[3:]
        groups = group([column.part for column in columns], len(batch.first))
        numbers, first = groups.codes, groups.first
        starts, ends = np.full(len(first), AFTER_ALL), np.full(len(first), BEFORE_ALL)
        np.minimum.at(starts, numbers, batch.first)
        np.maximum.at(ends, numbers, batch.last)
        words = [column.texts(first) for column in columns]
        for pod, node, file, start, end in zip(*words, starts.tolist(), ends.tolist(), strict=True):
            ztunnel = ztunnel_of(pod, node, file)
            if ztunnel is None:
                continue
            if len(self.ztunnels) >= self._writers and ztunnel not in self.ztunnels:
                self.forgotten += 1
                continue
            if _widen(self.ztunnels, ztunnel, start, end) is not None:
                self._version += 1
            if pod is not None and node is not None and node not in self.shipped[ztunnel]:
                self.shipped[ztunnel].add(node)
                self._version += 1

    def _index(self) -> None:
        """Sort the batches kept so far into pods and addresses."""
        self._asked = True
        if not self._pending:
            return
        batch = joined(self._pending) if len(self._pending) > 1 else self._pending[0]
        if self._away is not None or (not self._held and len(batch.first) > self._to_disk):
            self._pending = [batch]
            self._put_away()
            return
        with gc_paused():
            self._index_batch(batch)
        self._pending.clear()
        self._added = 0

    def _index_batch(self, batch: Spans, *, note: bool = True) -> None:
        pods, addresses = self._pods, self._addresses
        words = [column.texts() for column in batch.columns]
        ztunnels = {key: ztunnel_of(*key) for key in set(zip(*words[3:], strict=True))}
        for namespace, name, ip, pod, node, file, first, last in zip(
            *words, batch.first.tolist(), batch.last.tolist(), strict=True
        ):
            ztunnel = ztunnels[pod, node, file]
            if ztunnel is None or ztunnel not in self.ztunnels:
                continue
            if namespace is not None and name is not None:
                known = (namespace, name)
                span = _widen(pods[known], (ztunnel, ip), first, last)
                if span is not None:
                    if note:
                        self._note_pair(ztunnel, known, ip, span)
                    if ip is not None:
                        addresses[ip][ztunnel, known] = span
            elif ip is not None:
                span = _widen(addresses[ip], (ztunnel, None), first, last)
                if span is not None and note:
                    self._note_pair(ztunnel, None, ip, span)

    def _note_pair(self, ztunnel: Ztunnel, pod: PodName | None, ip: str | None, span: Span) -> None:
        """Note that a ztunnel wrote of a pod or an address for the first time."""
        self._pairs += 1
        self._held += 1
        self._pairs_of[ztunnel] += 1
        if ip is not None:
            self._addresses_of[ztunnel][ip].append(span)
        if pod is not None:
            self._pods_of[ztunnel][pod].append(span)
            if (
                len(self._pods[pod]) > 1
                and pod not in self.several
                and any(other != ztunnel for other, _ in self._pods[pod])
            ):
                self.several.add(pod)

    def pods_of(self, ztunnel: Ztunnel) -> dict[PodName, int]:
        """Pods of which a ztunnel wrote, with the first time."""
        self._index()
        return {pod: min(span[0] for span in spans) for pod, spans in self._pods_of[ztunnel].items()}

    def addresses_of(self, ztunnel: Ztunnel) -> dict[str, int]:
        """Addresses of which a ztunnel wrote, with the first time."""
        self._index()
        return {ip: min(span[0] for span in spans) for ip, spans in self._addresses_of[ztunnel].items()}

    def pairs_of(self, ztunnel: Ztunnel) -> int:
        """A number that changes when a ztunnel writes of another pod or address."""
        self._index()
        return self._pairs_of[ztunnel]

    @property
    def direct(self) -> int:
        """Changes when a new ztunnel or fact was seen."""
        return self._version

    def introduce(self, flows: pa.Table) -> None:
        """Learn from a table of flows: the ends whose own half was seen, as `observe` does of the halves.

        The far end of double HBONE carries the names of the near side's line and is left out.
        """
        micros = micros_of(pc.coalesce(flows.column("end"), flows.column("start")), AFTER_ALL)
        plain = ~coded(flows, "path").mask(FlowPath.DOUBLE_HBONE)
        for side, half in (("src", "outbound"), ("dst", "inbound")):
            ztunnel = coded(flows, f"{half}_ztunnel")
            rows = np.flatnonzero(ztunnel.known())
            if len(rows):
                ends = [coded(flows, f"{side}_{name}") for name in ("namespace", "name", "ip")]
                ends = [column.where(plain | (side == "src")).take(rows) for column in ends]
                nothing = Coded.nulls(len(rows))
                spans = spans_of([*ends, ztunnel.take(rows), nothing, nothing], micros[rows])
                self._add(spans)

    def note(self, facts: Iterable[Fact]) -> None:
        """Learn from non-access lines: `local_node`, `pod_here`, `pod_kept`, `pod_gone`."""
        for fact in facts:
            ztunnel = _ztunnel_of_fact(fact)
            if ztunnel is None or fact.kind not in {"local_node", "pod_here", "pod_kept", "pod_gone"}:
                continue
            self._version += 1
            if fact.origin.node is not None and ztunnel[0] == "pod":
                self.shipped[ztunnel].add(fact.origin.node)
            if fact.kind == "local_node":
                node = fact.values.get("node")
                if isinstance(node, str) and node:
                    self.started[ztunnel].add(node)
            else:
                self._note_pod(ztunnel, fact)

    def _note_pod(self, ztunnel: Ztunnel, fact: Fact) -> None:
        name, namespace, uid = (fact.values.get(key) or None for key in ("name", "namespace", "uid"))
        pod = (namespace, name) if namespace is not None and name is not None else None
        if pod is not None and uid is not None:
            self.uids[uid] = pod
        who: Stayer | None = uid if uid is not None else pod
        if who is None:
            return
        stay = self.stays.setdefault((ztunnel, who), Stay())
        if fact.kind == "pod_gone":
            stay.gone = max(stay.gone, fact.time if fact.time is not None else BEFORE_ALL)
        else:
            stay.first = min(stay.first, fact.time if fact.time is not None else BEFORE_ALL)
            stay.last = max(stay.last, fact.time if fact.time is not None else BEFORE_ALL)


def _spans(ends: pa.Table) -> Spans:
    """Ends from disk as they are kept in memory."""
    return Spans([coded(ends, name) for name in KEYS], ends.column("first").to_numpy(), ends.column("last").to_numpy())


def ztunnel_of(pod: str | None, node: str | None, file: str | None) -> Ztunnel | None:
    """The ztunnel that wrote a half: by its pod, else by the node a shipper named, else by the file."""
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


def _ztunnel_of_fact(fact: Fact) -> Ztunnel | None:
    if fact.origin.pod is not None:
        return ("pod", fact.origin.pod)
    if fact.origin.node is not None:
        return ("node", fact.origin.node)
    return ("file", fact.source_file) if fact.source_file else None
