"""The summary of connections that come and go: everything is added up once, and what is kept does not grow.

Totals, shares and counts are exact. Pairs and causes of refusal are those of `aggregate.heavy_hitters`; what has no row
is summed up as others, so rows and others together are the totals, always.
"""

from __future__ import annotations

from collections import Counter
from copy import deepcopy
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
import pyarrow as pa

from ztflow.aggregate import Vertices, View, vertices
from ztflow.aggregate.distinct import STANDARD_ERROR, DistinctCount, pair_hashes
from ztflow.aggregate.durations import Buckets
from ztflow.aggregate.encryption import mtls_kinds
from ztflow.aggregate.heavy_hitters import HeavyHitters, KeyPart
from ztflow.aggregate.measures import tally
from ztflow.aggregate.running import RunningMeasures
from ztflow.columns.dictionaries import text_hashes
from ztflow.columns.dtypes import Index
from ztflow.columns.grouping import Groups, Members, group
from ztflow.model.tables import Flows
from ztflow.model.vocabulary import ONE_HALF, Verdict
from ztflow.reports.model import Basis
from ztflow.reports.pairs import PairRow, busiest
from ztflow.reports.refusals import NODES_KEPT, Cause, Refusal, causes, group_refused, most_frequent, wanted_port
from ztflow.reports.summary import (
    Bounds,
    Gap,
    Sizes,
    Summary,
    gaps_of,
    in_order,
    node_kinds,
    portions,
    sizes_of,
    summary,
    values_of,
    zone_kinds,
)

PAIRS_KEPT = 1024
"""Pairs with a row of their own: whatever makes up more than 0.1 % of the connections has one."""
CAUSES_KEPT = 512
"""Causes of refusal with a row of their own, of what was denied and of what failed."""
OF_PAIRS, OF_TOTALS = Buckets(5), Buckets(8)
"""Durations within 3.1 % and 0.4 %."""


@dataclass(frozen=True, slots=True)
class BoundedPairRow(PairRow):
    """A pair of which connections may be in others.

    Attributes:
        missed: How many at most.
    """

    missed: int


class _Pairs:
    """The busiest pairs with their measures and nodes."""

    def __init__(self, capacity: int) -> None:
        self.hitters = HeavyHitters(capacity, 2)
        self.others = RunningMeasures(1, OF_PAIRS)
        self._rows = RunningMeasures(capacity + 1, OF_PAIRS)
        """The last one is for what is given to others at once."""
        self._nodes: tuple[dict[int, set[str]], dict[int, set[str]]] = ({}, {})
        self._distinct = DistinctCount()

    def add(self, view: View, ends: Vertices, nodes: Vertices) -> None:
        names, count = [vertex.id for vertex in ends.all], len(ends.all)
        pairs = group([(ends.source, count), (ends.target, count)], len(view))
        source, target = ends.source[pairs.first], ends.target[pairs.first]
        hashes = text_hashes(pa.array(names, pa.string()))
        self._distinct.add(pair_hashes(hashes[source], hashes[target]))
        found = self.hitters.add([KeyPart(source, names), KeyPart(target, names)], tally(pairs.codes, len(pairs)))
        self._rows.give(found.given_up, self.others)
        rows = found.counters[pairs.codes]
        self._rows.add(view, rows)
        self._rows.give(np.array([self.hitters.capacity]), self.others)
        kept = np.flatnonzero(rows < self.hitters.capacity)
        for known, codes in zip(self._nodes, (nodes.source, nodes.target), strict=True):
            for counter in found.given_up.tolist():
                known.pop(counter, None)
            _note_nodes(known, rows[kept], codes[kept], nodes)

    def rows(self) -> list[BoundedPairRow]:
        """Every pair with a counter, busiest first."""
        used = np.flatnonzero(self.hitters.used)
        found = []
        for counter, (source, target), measured, short in zip(
            used.tolist(),
            self.hitters.keys(used),
            self._rows.measures(used),
            self.hitters.short[used].tolist(),
            strict=True,
        ):
            on, at = (tuple(sorted(known.get(counter, ()))) for known in self._nodes)
            found.append(BoundedPairRow(str(source), str(target), on, at, measured, short))
        return sorted(found, key=busiest)

    def distinct(self, rows: int) -> tuple[int, float]:
        """How many pairs there are, and the standard error of that number."""
        return (self._distinct.estimate(), STANDARD_ERROR) if self.hitters.missed else (rows, 0.0)


def _note_nodes(known: dict[int, set[str]], rows: Index, codes: Index, nodes: Vertices) -> None:
    counters, places = np.unique(rows, return_inverse=True)
    groups = Groups(places, counters)
    for counter, found in zip(counters.tolist(), Members(groups, codes, len(nodes.all)), strict=True):
        mine = known.setdefault(counter, set())
        mine.update([name for name in nodes.known(found) if name not in mine][: NODES_KEPT - len(mine)])


class _Causes:
    """The most frequent causes of refusal of one verdict."""

    def __init__(self, verdict: Verdict, capacity: int) -> None:
        self.verdict = verdict
        self.hitters = HeavyHitters(capacity, 5)
        self._causes: dict[tuple[str | int | None, ...], Cause] = {}

    def add(self, view: View, ends: Vertices, nodes: Vertices) -> None:
        rows = np.flatnonzero(view.equals("verdict", self.verdict))
        if not len(rows):
            return
        part, names = view.take(rows), [vertex.id for vertex in ends.all]
        source, target = ends.source[rows], ends.target[rows]
        groups = group_refused(part, source, target, len(names))
        parts = [KeyPart(labels.codes, labels.words) for labels in map(part.labels, ("error_class", "policy"))]
        parts += [KeyPart(source, names), KeyPart(target, names), KeyPart(wanted_port(part))]
        firsts = [KeyPart(part.codes[groups.first], part.words) for part in parts]
        found = self.hitters.add(firsts, tally(groups.codes, len(groups)))
        if len(found.given_up):
            held = set(self.hitters.keys(np.flatnonzero(self.hitters.used)))
            self._causes = {key: cause for key, cause in self._causes.items() if key in held}
        kept = rows[found.counters[groups.codes] < self.hitters.capacity]
        for cause in causes(view, ends, nodes, kept):
            known = self._causes.get(cause.key)
            if known is None:
                self._causes[cause.key] = cause
            else:
                known.add(cause)

    def rows(self) -> tuple[Refusal, ...]:
        """Every cause with a counter, most frequent first."""
        return tuple(sorted((cause.refusal() for cause in self._causes.values()), key=most_frequent))


class RunningSummary:
    """What `summary` says of all flows added so far, in bounded memory.

    Args:
        pairs: Pairs with a row of their own.
        causes: Causes of refusal with a row of their own.

    Cost: adding flows is what a summary of them costs; `fork` and `summary` cost the same however much was added.
    Memory: about 10 MB.
    """

    def __init__(self, *, pairs: int = PAIRS_KEPT, causes: int = CAUSES_KEPT) -> None:
        self._basis: Basis | None = None
        self._totals = RunningMeasures(1, OF_TOTALS)
        self._parts: dict[str, Sizes] = {}
        self._counts: dict[str, Counter[str | None]] = {"path": Counter(), "unpaired_reason": Counter()}
        self._gaps: Counter[str] = Counter()
        self._pairs = _Pairs(pairs)
        self._causes = {verdict: _Causes(verdict, causes) for verdict in (Verdict.DENIED, Verdict.FAILED)}

    def fork(self) -> Self:
        """An independent copy."""
        return deepcopy(self)

    def add(self, flows: Flows, view: View | None = None, ends: Vertices | None = None) -> None:
        """Take in flows for good.

        Args:
            flows: What is added.
            view: Of these flows, where there is one.
            ends: Their workloads, likewise.
        """
        if not len(flows):
            return
        view = View(flows.to_arrow()) if view is None else view
        ends = vertices(view, "workload", flows.owners) if ends is None else ends
        nodes = vertices(view, "node")
        basis = Basis.of(flows, view)
        self._basis = basis if self._basis is None else self._basis.plus(basis)
        self._totals.add(view, np.zeros(len(view), np.int64))
        for name, kinds in (("nodes", node_kinds), ("zones", zone_kinds), ("mtls", mtls_kinds)):
            self._parts[name] = _added(self._parts.get(name, {}), sizes_of(view, kinds(view)))
        self._counts["path"].update(values_of(view, "path"))
        alone = view.where(view.equals("paired", *ONE_HALF))
        self._counts["unpaired_reason"].update(values_of(alone, "unpaired_reason"))
        self._gaps.update(gaps_of(view))
        self._pairs.add(view, ends, nodes)
        for refused in self._causes.values():
            refused.add(view, ends, nodes)

    def summary(self, rest: Flows, view: View | None = None, ends: Vertices | None = None) -> Summary:
        """The summary of everything added so far and of other flows, which are not added for good.

        It is `reports.summary` of the rest when nothing was added. Arguments are those of `add`.
        """
        if self._basis is None:
            return summary(rest)
        view = View(rest.to_arrow()) if view is None else view
        whole = self
        if len(rest):
            whole = self.fork()
            whole.add(rest, view, ends)
        last = Basis.of(rest, view)
        return whole.so_far(
            evicted=last.evicted, read=last.read, notices=last.notices, producers=last.producers, requests=last.requests
        )

    def so_far(self, **counts: Any) -> Summary:
        """The summary of what was added, with other counts of the reading."""
        assert self._basis is not None
        basis = replace(self._basis, **counts)
        (totals,) = self._totals.measures(np.array([0]))
        pairs = self._pairs.rows()
        known, error = self._pairs.distinct(len(pairs))
        denied, failed = self._causes[Verdict.DENIED], self._causes[Verdict.FAILED]
        made = Summary(
            basis=basis,
            totals=totals,
            nodes=portions(self._parts["nodes"]),
            zones=portions(self._parts["zones"]) if totals.zone_unknown < totals.flows else None,
            mtls=portions(self._parts["mtls"]),
            paths=in_order(self._counts["path"]),
            pairs=tuple(pairs),
            denied=denied.rows(),
            failed=failed.rows(),
            unpaired=in_order(self._counts["unpaired_reason"]),
            gaps=tuple(Gap(what, count) for what, count in self._gaps.items() if count),
        )
        bounds = Bounds(
            others=self._pairs.others.measures(np.array([0]))[0] if self._pairs.hitters.missed else None,
            pairs=known,
            pairs_error=error,
            missed=self._pairs.hitters.missed,
            denied_others=totals.denied - sum(row.flows for row in made.denied),
            denied_missed=denied.hitters.missed,
            failed_others=totals.failed - sum(row.flows for row in made.failed),
            failed_missed=failed.hitters.missed,
            duration_error=OF_PAIRS.error,
            total_duration_error=OF_TOTALS.error,
            nodes_kept=NODES_KEPT,
        )
        return replace(made, bounds=bounds)


def _added(sizes: Sizes, more: Sizes) -> Sizes:
    nothing = (0, 0)
    return {
        name: (sizes.get(name, nothing)[0] + flows, sizes.get(name, nothing)[1] + size)
        for name, (flows, size) in more.items()
    }
