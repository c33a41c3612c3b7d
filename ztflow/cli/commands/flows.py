"""`ztflow flows`: connections, one line each."""

from __future__ import annotations

from ztflow.cli.options import Grid, Inputs, Reading, Rows, TableOutput, Talk, takes
from ztflow.cli.run import Run, run_command


@takes(Inputs, TableOutput, Reading, Grid, Rows, Talk)
def flows(inputs: Inputs, output: TableOutput, reading: Reading, grid: Grid, rows: Rows, talk: Talk) -> int:
    """Connections, one line each: both halves joined, both ends placed."""

    def body(run: Run) -> None:
        from ztflow.cli import reading as read
        from ztflow.cli.row_output import write_rows
        from ztflow.model.tables import Flows

        write_rows(
            run, inputs.inputs, Flows, reading=reading, grid=grid, rows=rows, output=output,
            finished=read.flows, live=read.live_flows,
        )  # fmt: skip

    return run_command(talk, body)
