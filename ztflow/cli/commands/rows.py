"""`ztflow records` and `ztflow flows`: access lines, and the connections they belong to, one row each."""

from __future__ import annotations

from collections.abc import Sequence

from ztflow.cli.options import (
    Grid,
    Reading,
    Rows,
    Talk,
    Waypoints,
    filter_options,
    input_arguments,
    limit_options,
    message_options,
    reading_options,
    waypoint_options,
)
from ztflow.cli.output_options import TableOutput, row_output_options
from ztflow.cli.run import Run, run_command


@input_arguments
@row_output_options
@reading_options
@filter_options
@limit_options
@message_options
def records(inputs: Sequence[str], output: TableOutput, reading: Reading, grid: Grid, rows: Rows, talk: Talk) -> int:
    """Access log lines as typed records, sorted by time."""

    def body(run: Run) -> None:
        from ztflow.cli.rows import write_rows
        from ztflow.model.tables import Halves

        write_rows(run, inputs, Halves, reading=reading, grid=grid, rows=rows, output=output)

    return run_command(talk, body)


@input_arguments
@row_output_options
@reading_options
@waypoint_options
@filter_options
@limit_options
@message_options
def flows(
    inputs: Sequence[str], output: TableOutput, reading: Reading, waypoints: Waypoints, grid: Grid, rows: Rows,
    talk: Talk,
) -> int:  # fmt: skip
    """One row per connection: both log lines joined, nodes looked up."""

    def body(run: Run) -> None:
        from ztflow.cli.rows import write_rows
        from ztflow.model.tables import Flows

        write_rows(run, inputs, Flows, reading=reading, waypoints=waypoints, grid=grid, rows=rows, output=output)

    return run_command(talk, body)
