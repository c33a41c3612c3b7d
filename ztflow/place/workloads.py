"""`with_workloads`: the workload of both ends of every flow, as graphs, reports and filters use it.

The one place where `src_workload` and `dst_workload` of flows are made. Cost: a pass over codes and
rows, and Python once per distinct end.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import pyarrow as pa

from ztflow.columns.dictionaries import NONE, Coded, coded
from ztflow.columns.grouping import group
from ztflow.place.names import workload_of_pod


def with_workloads(flows: pa.Table, owners: Mapping[str, str]) -> pa.Table:
    """Fill `src_workload` and `dst_workload`.

    A stated owner is always taken; else what the column holds; else what the pattern of the name tells.

    Args:
        flows: Columns `schema.FLOWS`, with the pods that are known.
        owners: Pod (`namespace/name`) → the workload that owns it, as an inventory states it.
    """
    for side in ("src", "dst"):
        flows = _fill(flows, side, owners)
    return flows


def _fill(flows: pa.Table, side: str, owners: Mapping[str, str]) -> pa.Table:
    pod, held = coded(flows, f"{side}_pod"), coded(flows, f"{side}_workload")
    parts = [pod, held]
    podless = ~pod.known()
    if podless.any():
        parts += [coded(flows, f"{side}_{name}").where(podless) for name in ("namespace", "name")]
    groups = group([part.part for part in parts], flows.num_rows)
    found = list(_workloads([part.texts(groups.first) for part in parts], owners))
    distinct = {word: code for code, word in enumerate(dict.fromkeys(word for word in found if word is not None))}
    codes = np.array([NONE if word is None else distinct[word] for word in found], np.int32)[groups.codes]
    name = f"{side}_workload"
    filled = Coded(codes, pa.array(list(distinct), pa.string())).array()
    return flows.set_column(flows.schema.get_field_index(name), flows.schema.field(name), filled)


def _workloads(ends: Sequence[list[str | None]], owners: Mapping[str, str]) -> Iterator[str | None]:
    for pod, held, *logged in zip(*ends, strict=True):
        end = pod or (qualified(*logged) if logged else None)
        workload, how = workload_of_pod(end, owners) if end else (None, "as logged")
        yield workload if how == "owner" else held or workload


def qualified(namespace: str | None, name: str | None) -> str | None:
    """`namespace/name`, as far as both are known; None without a name."""
    return f"{namespace}/{name}" if namespace and name else name
