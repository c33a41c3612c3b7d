"""Logs of waypoints beside ztunnel's: read as all inputs are, joined to the flows of a whole capture."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import pyarrow as pa

from ztflow.errors import SourceError
from ztflow.model.provenance import ReadReport
from ztflow.model.tables import Flows
from ztflow.read import read_inputs
from ztflow.read.sources.files import Input

OnError = Callable[[SourceError], None]


def read_waypoint_logs(
    inputs: Sequence[Input], envoy_format: str | None, report: ReadReport, on_error: OnError | None = None
) -> list[pa.Table]:
    """The lines of inputs that the user says are logs of waypoints.

    Args:
        inputs: As for `read.read_inputs`.
        envoy_format: How their lines are written, beside what Istio sets: a format string, or a JSON object of them.
        report: Takes the counts: all lines are `not_ours`, those of a waypoint's log are `waypoint` as well.
        on_error: Called with an input that cannot be read; without it the error is raised.

    Returns:
        Tables (`waypoint.requests.REQUESTS_SCHEMA`).

    Raises:
        UsageError: The format is not usable.
        SourceError: An input cannot be read, has no line of a waypoint's log, or has access lines of ztunnel.
    """
    from ztflow.waypoint.formats import default_layouts, layout_of

    layouts = default_layouts() if envoy_format is None else (layout_of(envoy_format),)
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


def with_requests(tables: Iterator[Flows], requests: Sequence[pa.Table], report: ReadReport) -> Flows:
    """All flows of a capture as one table, each with the lines of the waypoint's log that are of it."""
    from ztflow.waypoint.join import join

    flows = Flows.concat(tables)
    table, joined = join(flows.to_arrow().unify_dictionaries(), pa.concat_tables(requests).unify_dictionaries())
    report.waypoints.append(joined)
    return flows.with_rows(table)
