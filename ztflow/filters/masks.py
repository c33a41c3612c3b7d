"""Filters on Arrow tables: one boolean a row.

Names repeat, so tests written in Python run once per distinct combination of the columns they look at; rows only carry
numbers. Flows and halves differ in what they know of an end, which `_END_COLUMNS` says.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ztflow.columns.dictionaries import combinations, per_combination
from ztflow.columns.dtypes import BoolArray
from ztflow.filters.former_names import as_it_was, former_columns, warn_of
from ztflow.filters.grid import End, Kind, Side, Test, any_of
from ztflow.model.error_classes import verdict_of
from ztflow.model.schema import logged_name

if TYPE_CHECKING:
    from ztflow.filters import EndCondition, Filter, WordCondition
    from ztflow.model.tables import Flows, Halves

    Tabular = TypeVar("Tabular", Flows, Halves)

_END_COLUMNS = {
    Kind.POD: ("pod", "namespace", "name"),
    Kind.NAMESPACE: ("namespace", "pod"),
    Kind.WORKLOAD: ("pod", "namespace", "name", "workload"),
    Kind.SERVICE: ("service",),
    Kind.IDENTITY: ("identity",),
    Kind.IP: ("ip", "host"),
    Kind.PORT: ("port", "target_port"),
    Kind.NODE: ("node",),
}
"""Facts about an end that a condition looks at."""


@dataclass(slots=True)
class Known:
    """What is known beside the rows.

    The log never says which service a *client* belongs to. It does say which workload answered for a service, so a
    client is of a service when that same workload was seen to serve it. In a stream this is learned as it goes.

    Attributes:
        owners: Pod (`namespace/name`) → owning workload, where an inventory states it.
        services: (namespace, name as logged) → the services it was seen behind.
        passed: Whether any row passed.
        former: Where none did: columns by whose earlier meaning some would have (`former_names`).
    """

    owners: Mapping[str, str] = field(default_factory=dict)
    services: dict[tuple[str | None, str], set[str]] = field(default_factory=dict)
    passed: bool = False
    former: dict[str, str] = field(default_factory=dict)

    def learn(self, table: pa.Table) -> None:
        """Remember which workloads served which services in this table."""
        columns = (table["dst_namespace"], table[logged_name(table.column_names, "dst")], table["dst_service"])
        for namespace, name, service in combinations(columns)[0]:
            if name is not None and service is not None:
                self.services.setdefault((namespace, name), set()).add(service)


def _nulls(table: pa.Table) -> pa.ChunkedArray:
    return pa.chunked_array([pa.nulls(table.num_rows, pa.string())])


def _columns(table: pa.Table, prefix: str, kind: Kind) -> list[pa.ChunkedArray]:
    """The columns with the facts a condition of this kind looks at, for one end."""
    flows = "paired" in table.column_names
    found = []
    for fact in _END_COLUMNS[kind]:
        if fact in ("host", "target_port"):
            name = {"host": "hbone_host", "target_port": "hbone_port"}[fact] if prefix == "dst" else ""
        elif fact == "service" and prefix == "src":
            found += [table["src_namespace"], table[logged_name(table.column_names, "src")]]
            continue
        elif not flows and fact == "node":
            name = "ztunnel_node"
        elif fact == "name":
            name = logged_name(table.column_names, prefix)
        elif not flows and fact in ("pod", "workload"):
            name = ""
        else:
            name = f"{prefix}_{fact}"
        found.append(table[name] if name else _nulls(table))
    return found


def _end(kind: Kind, facts: Sequence[Any], known: Known) -> End:
    if kind is Kind.POD:
        pod, namespace, name = facts
        return End(pod=pod, namespace=namespace, name=name)
    if kind is Kind.WORKLOAD:
        pod, namespace, name, workload = facts
        workload = workload or known.owners.get(pod or f"{namespace}/{name}")
        return End(pod=pod, namespace=namespace, name=name, workload=workload)
    if kind is Kind.NAMESPACE:
        namespace, pod = facts
        return End(namespace=namespace or (pod.partition("/")[0] if pod else None))
    if kind is Kind.IP:
        return End(ips=tuple(ip for ip in facts if ip is not None))
    if kind is Kind.PORT:
        return End(ports=tuple(port for port in facts if port is not None))
    return End(**{kind.value: facts[0]})


def _side_mask(table: pa.Table, prefix: str, kind: Kind, test: Test, known: Known) -> BoolArray:
    columns = _columns(table, prefix, kind)
    if kind is Kind.SERVICE and prefix == "src":
        return per_combination(
            columns,
            lambda namespace, name: any(
                test(End(service=service)) for service in known.services.get((namespace, name), ())
            ),
        )
    mask = per_combination(columns, lambda *facts: test(_end(kind, facts, known)))
    if kind is Kind.NODE and "paired" not in table.column_names:
        # A half knows one node, that of the ztunnel that wrote it: the source's when outbound, else the destination's.
        mine = "outbound" if prefix == "src" else "inbound"
        mask &= per_combination([table["direction"]], lambda direction: bool(direction == mine))
    return mask


def _end_mask(table: pa.Table, condition: EndCondition, known: Known) -> BoolArray:
    test = any_of(condition.kind, condition.values)
    prefixes = {Side.FROM: ("src",), Side.TO: ("dst",), Side.EITHER: ("src", "dst")}[condition.side]
    mask = np.zeros(table.num_rows, np.bool_)
    for prefix in prefixes:
        mask |= _side_mask(table, prefix, condition.kind, test, known)
    return mask


def _word_mask(table: pa.Table, condition: WordCondition) -> BoolArray:
    flows = "paired" in table.column_names
    if condition.column == "verdict" and not flows:
        return per_combination(
            [table["message"], table["error_class"]],
            lambda message, error: verdict_of(error, ended=message != "opened") in condition.values,
        )
    if condition.column == "direction" and flows:
        mask = np.zeros(table.num_rows, np.bool_)
        for value in condition.values:
            mask |= pc.is_valid(table[f"{value}_line"]).to_numpy()
        return mask
    return per_combination([table[condition.column]], lambda value: value in condition.values)


def filter_mask(rows: Filter, table: pa.Table, known: Known | None = None) -> pa.Array:
    """See `Filter.mask`."""
    known = Known() if known is None else known
    mask = _mask(rows, table, known)
    if not known.passed:
        known.passed = bool(mask.any())
        former = former_columns(rows, table)
        if known.passed:
            known.former = {}
        elif former and _mask(rows, as_it_was(table, former), known).any():
            known.former = former
    return pa.array(mask)


def _mask(rows: Filter, table: pa.Table, known: Known) -> BoolArray:
    from ztflow.filters.evaluate import expression_mask

    mask = np.ones(table.num_rows, np.bool_)
    if any(condition.kind is Kind.SERVICE for condition in rows.ends):
        known.learn(table)
    for end in rows.ends:
        mask &= _end_mask(table, end, known) ^ end.exclude
    for word in rows.words:
        mask &= _word_mask(table, word) ^ word.exclude
    for condition in rows.expressions:
        mask &= expression_mask(condition.expression, table) ^ condition.exclude
    return mask


def filtered(rows: Filter, table: Tabular, known: Known | None = None) -> Tabular:
    """See `Filter.apply`."""
    if not rows or not len(table):
        return table
    whole, known = known is None, known or Known()
    known.owners = known.owners or table.owners
    chosen = table.with_rows(table.to_arrow().filter(filter_mask(rows, table.to_arrow(), known)))
    if whole:
        warn_of(known.former)
    return chosen
