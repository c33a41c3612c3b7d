"""Conditions on ends and words, on Arrow tables: one boolean a row.

Names repeat, so tests written in Python run once per distinct combination of the columns they look at; rows only carry
numbers. Flows and halves differ in what they know of an end, which `_END_COLUMNS` says.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ztflow.columns.dictionaries import combinations, per_combination
from ztflow.columns.dtypes import BoolArray
from ztflow.filters.asked import Asked
from ztflow.filters.conditions import EndCondition, WordCondition
from ztflow.filters.grid import End, Kind, Side, names_of, value_test
from ztflow.model.error_classes import verdict_of
from ztflow.model.schema import logged_name

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

_INVENTORY = "; --inventory tells it, with `kubectl get pods -A -o wide`"


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
        asked: The names each condition asks for, and those there are.
        behind: Rows that have a port or address behind their tunnel, by the column that holds what was dialled.
    """

    owners: Mapping[str, str] = field(default_factory=dict)
    services: dict[tuple[str | None, str], set[str]] = field(default_factory=dict)
    passed: bool = False
    former: dict[str, str] = field(default_factory=dict)
    asked: dict[Any, Asked[Any]] = field(default_factory=dict)
    behind: dict[str, int] = field(default_factory=dict)

    def learn(self, table: pa.Table) -> None:
        """Remember which workloads served which services in this table."""
        columns = (table["dst_namespace"], table[logged_name(table.column_names, "dst")], table["dst_service"])
        for namespace, name, service in combinations(columns)[0]:
            if name is not None and service is not None:
                self.services.setdefault((namespace, name), set()).add(service)

    def remarks(self) -> Iterator[str]:
        """What a reader has to know of the rows that passed, and of those that did not; a line each."""
        for column, rows in self.behind.items():
            option = {"dst_port": "to_port", "dst_ip": "to_ip"}[column]
            if rows:
                yield (
                    f"{column} is what the client's side dialled, which in a tunnel is the tunnel's end: {rows:,} more "
                    f"rows have it behind the tunnel; {option}, as --{option.replace('_', '-')}, means both"
                )
        for condition, asked in self.asked.items():
            if getattr(condition, "column", None) not in self.former:
                yield from asked.remarks()


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


def _shown(kind: Kind, end: End) -> str | None:
    """What a person is told an end is called: with its namespace, an identity in short."""
    names = list(names_of(kind, end))
    if kind in {Kind.POD, Kind.WORKLOAD}:
        names = [name for name in names if "/" in name] or names
        return names[-1] if names else None
    return None if not names else names[-1 if kind in {Kind.IDENTITY, Kind.PORT, Kind.IP} else 0]


def _side_mask(table: pa.Table, prefix: str, condition: EndCondition, known: Known) -> BoolArray:
    kind, asked = condition.kind, known.asked[condition]

    def passes(end: End) -> bool:
        return asked.passes(end, _shown(kind, end))

    columns = _columns(table, prefix, kind)
    if kind is Kind.SERVICE and prefix == "src":
        return per_combination(
            columns,
            lambda namespace, name: any(
                [passes(End(service=service)) for service in known.services.get((namespace, name), ())]
                or [passes(End())]
            ),
        )
    mask = per_combination(columns, lambda *facts: passes(_end(kind, facts, known)))
    if kind is Kind.NODE and "paired" not in table.column_names:
        # A half knows one node, that of the ztunnel that wrote it: the source's when outbound, else the destination's.
        mine = "outbound" if prefix == "src" else "inbound"
        mask &= per_combination([table["direction"]], lambda direction: bool(direction == mine))
    return mask


def end_mask(table: pa.Table, condition: EndCondition, known: Known) -> BoolArray:
    """The rows one of whose ends, or the one that is meant, has one of the values."""
    kind = condition.kind
    if condition not in known.asked:
        ends = {Side.FROM: "source ", Side.TO: "destination ", Side.EITHER: ""}[condition.side]
        lacking = _INVENTORY if kind in {Kind.NODE, Kind.POD} else ""
        known.asked[condition] = Asked(
            f"{ends}{kind}", condition.values, lambda value: value_test(kind, value, condition.operator), lacking
        )
    prefixes = {Side.FROM: ("src",), Side.TO: ("dst",), Side.EITHER: ("src", "dst")}[condition.side]
    mask = np.zeros(table.num_rows, np.bool_)
    for prefix in prefixes:
        mask |= _side_mask(table, prefix, condition, known)
    if condition.side is not Side.EITHER and not known.passed and not known.asked[condition].complete:
        _look_across(table, condition, known)
    return mask


def _look_across(table: pa.Table, condition: EndCondition, known: Known) -> None:
    """Note which values the other ends have, where nothing has passed yet."""
    kind, asked = condition.kind, known.asked[condition]
    prefix, side = ("dst", "to") if condition.side is Side.FROM else ("src", "from")
    if kind is Kind.SERVICE and prefix == "src":
        return
    for facts in combinations(_columns(table, prefix, kind))[0]:
        asked.across(_end(kind, facts, known), f"--{side}-{kind}")


def word_mask(table: pa.Table, condition: WordCondition) -> BoolArray:
    """The rows whose verdict or direction is one of the values."""
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
