"""Logs of waypoints beside ztunnel's: read as all inputs are, joined to the flows of a whole capture."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from ztflow.columns.dictionaries import coded
from ztflow.errors import SourceError
from ztflow.model.provenance import ReadReport
from ztflow.model.tables import Flows
from ztflow.model.vocabulary import RequestFate
from ztflow.parse.classify import host_port
from ztflow.place import Topology
from ztflow.place.names import qualified
from ztflow.read import read_inputs
from ztflow.read.sources.files import Input

if TYPE_CHECKING:
    from ztflow.waypoint.formats import Layout

OnError = Callable[[SourceError], None]


def layouts_of(envoy_format: str | None) -> tuple[Layout, ...]:
    """How the lines of logs that are said to be waypoints' may be written.

    Args:
        envoy_format: Envoy's format string, or a JSON object of them; None for what Istio sets.

    Raises:
        UsageError: The format is not usable.
    """
    from ztflow.waypoint.formats import default_layouts, layout_of

    return default_layouts() if envoy_format is None else (layout_of(envoy_format),)


def read_waypoint_logs(
    inputs: Sequence[Input], layouts: Sequence[Layout], report: ReadReport, on_error: OnError | None = None
) -> list[pa.Table]:
    """The lines of inputs that the user says are logs of waypoints.

    Args:
        inputs: As for `read.read_inputs`.
        layouts: How their lines may be written.
        report: Takes the counts: all lines are `not_ours`, those of a waypoint's log are `waypoint` as well.
        on_error: Called with an input that cannot be read; without it the error is raised.

    Returns:
        Tables (`waypoint.requests.REQUESTS_SCHEMA`).

    Raises:
        SourceError: An input cannot be read, has no line of a waypoint's log, or has access lines of ztunnel.
    """
    before = len(report.inputs)
    found = [
        batch.requests
        for batch in read_inputs(inputs, report=report, on_error=on_error, layouts=layouts)
        if batch.requests is not None
    ]
    names = {name for table in found for name in table["file"].unique().to_pylist()}
    for name, stats in report.inputs[before:]:
        if stats.access:
            error = SourceError(name, "holds access lines of ztunnel, not of a waypoint", hint="give it as an input")
        elif name not in names:
            error = SourceError(
                name, f"holds no line of a waypoint's access log ({stats.lines:,} lines)",
                hint="say how its lines are written: --envoy-format",
            )  # fmt: skip
        else:
            continue
        if on_error is None:
            raise error
        on_error(error)
    return found


def with_requests(
    tables: Iterator[Flows], requests: Sequence[pa.Table], report: ReadReport, topology: Topology
) -> Flows:
    """All flows of a capture as one table, each with the lines of the waypoint's log that are of it.

    Args:
        tables: The flows.
        requests: The lines (`waypoint.requests.REQUESTS_SCHEMA`).
        report: Gets the requests, with whom they were from and to, and what became of them.
        topology: Whose pods the addresses are.
    """
    from ztflow.aggregate.requests import served, with_words
    from ztflow.waypoint.join import IN_NONE, UNDECIDED, join

    flows = Flows.concat(tables)
    lines = pa.concat_tables(requests).unify_dictionaries()
    table, flow_of, joined = join(flows.to_arrow().unify_dictionaries(), lines)
    report.waypoints.append(joined)
    other = {UNDECIDED: RequestFate.MAYBE.value, IN_NONE: RequestFate.STRAY.value}
    rows = with_words(served(lines), "fate", [other.get(row, RequestFate.JOINED.value) for row in flow_of.tolist()])
    joined_rows = np.flatnonzero(flow_of >= 0)
    ends = [coded(table, name).texts(flow_of[joined_rows]) for name in ("src_pod", "src_namespace", "src_name")]
    clients: list[str | None] = [None] * len(flow_of)
    for row, pod, namespace, name in zip(joined_rows.tolist(), *ends, strict=True):
        clients[row] = pod or qualified(namespace, name)
    report.requests.append(named(with_words(rows, "client_pod", clients), topology))
    return flows.with_rows(table)


def named(rows: pa.Table, topology: Topology) -> pa.Table:
    """Requests (`aggregate.requests.SERVED`) with the pods that have their addresses, where those are of one pod."""
    from ztflow.aggregate.requests import with_words

    for address, name in (("client_ip", "client_pod"), ("upstream", "server_pod")):
        column = coded(rows, address)
        ips = [word if address == "client_ip" else host_port(word)[0] for word in column.words]
        topology.look_up([], [ip for ip in ips if ip])
        pods = [_pod_at(ip, topology) for ip in ips]
        known = coded(rows, name).texts()
        rows = with_words(
            rows,
            name,
            [one or (pods[code] if code >= 0 else None) for one, code in zip(known, column.codes, strict=True)],
        )
    return rows


def _pod_at(ip: str | None, topology: Topology) -> str | None:
    placed = None if ip is None else topology.at(ip)
    return None if placed is None else qualified(placed.namespace, placed.pod)
