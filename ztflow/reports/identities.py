"""Identities: which of them more than one workload uses, so that a policy cannot tell these workloads apart."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ztflow.aggregate import UNKNOWN, View, vertices
from ztflow.aggregate.folded_flows import view_of
from ztflow.aggregate.measures import tally
from ztflow.columns.dictionaries import NONE
from ztflow.columns.grouping import group
from ztflow.model.tables import Flows
from ztflow.reports.model import Basis, Report
from ztflow.reports.tables import TitledTable, titled
from ztflow.text.format import Unit

_DEFAULT = "default"
"""The service account of pods that name none."""


@dataclass(frozen=True, slots=True)
class SharedIdentity:
    """An identity of more than one workload.

    Attributes:
        identity: SPIFFE id.
        service_account: Its last part; None where it has none.
        workloads: The workloads that were seen with it, in order of name.
        flows: Connections with it at an end.
    """

    identity: str
    service_account: str | None
    workloads: tuple[str, ...]
    flows: int


@dataclass(frozen=True)
class Identities(Report):
    """Which identities are used by more than one workload.

    Attributes:
        identities: How many identities were seen.
        shared: Those of more than one workload, the service account `default` first, then by number of workloads.
    """

    name: ClassVar[str] = "identities"
    title: ClassVar[str] = "Identities"

    identities: int
    shared: tuple[SharedIdentity, ...]

    @property
    def findings(self) -> int:
        """Identities of more than one workload."""
        return len(self.shared)

    def tables(self, limit: int | None = None) -> list[TitledTable]:
        """Those of more than one workload."""
        return [shared_table(self.shared, self.cap(limit))]

    def notes(self) -> list[str]:
        """What it means."""
        notes = [f"{self.identities:,} identities seen, {len(self.shared):,} of them of more than one workload."]
        if self.shared:
            notes.append(
                "A policy that names an identity allows or denies all workloads that share it. Give each workload a "
                "service account of its own, first those that run as `default`."
            )
        return notes


def shared_table(shared: tuple[SharedIdentity, ...], limit: int | None) -> TitledTable:
    """Identities of more than one workload, as a table."""
    columns = (
        ("identity", Unit.TEXT), ("workloads", Unit.COUNT), ("which", Unit.TEXT), ("conns", Unit.COUNT),
    )  # fmt: skip
    rows = [(one.identity, len(one.workloads), one.workloads, one.flows) for one in shared]
    return titled("Identities of more than one workload", columns, rows, limit)


def identities(flows: Flows) -> Identities:
    """Which identities are used by more than one workload.

    Args:
        flows: Connections.

    Cost: about 0.2 s for 1 M flows.
    """
    view = view_of(flows)
    seen = {word for name in ("src_identity", "dst_identity") for word in _words(view, name)}
    return Identities(Basis.of(flows, view), len(seen), shared_identities(view))


def _words(view: View, name: str) -> list[str]:
    labels = view.labels(name)
    return [labels.words[code] for code in np.unique(labels.codes).tolist() if code >= 0]


def shared_identities(view: View) -> tuple[SharedIdentity, ...]:
    """Identities of more than one workload; an end whose workload has no name but an address is no workload."""
    ends = vertices(view, "workload", described=True)
    numbers: dict[str, int] = {}
    held, workloads = [], dict[str, set[str]]()
    for end, codes in (("src", ends.source), ("dst", ends.target)):
        labels = view.labels(f"{end}_identity")
        held.append(np.array([*(numbers.setdefault(word, len(numbers)) for word in labels.words), NONE])[labels.codes])
        for row in group([labels.part, (codes, len(ends.all))], len(view)).first.tolist():
            vertex = ends.all[codes[row]]
            if labels.codes[row] >= 0 and vertex.id != UNKNOWN and "address" not in vertex.kinds:
                workloads.setdefault(labels.words[labels.codes[row]], set()).add(vertex.id)
    source, target = held
    clients, servers = source >= 0, (target >= 0) & (target != source)
    flows = tally(source, len(numbers), clients, view.weights) + tally(target, len(numbers), servers, view.weights)
    found = [
        SharedIdentity(name, name.partition("/sa/")[2] or None, tuple(sorted(members)), int(flows[numbers[name]]))
        for name, members in workloads.items()
        if len(members) > 1
    ]
    found.sort(key=lambda one: (one.service_account != _DEFAULT, -len(one.workloads), one.identity))
    return tuple(found)
