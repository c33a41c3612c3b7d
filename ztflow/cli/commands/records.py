"""`ztflow records`: access lines as typed rows."""

from __future__ import annotations

from ztflow.cli.options import Grid, Inputs, Reading, Rows, TableOutput, Talk, takes
from ztflow.cli.run import Run, run_command


@takes(Inputs, TableOutput, Reading, Grid, Rows, Talk)
def records(inputs: Inputs, output: TableOutput, reading: Reading, grid: Grid, rows: Rows, talk: Talk) -> int:
    """Access lines as typed records, merged by time."""

    def body(run: Run) -> None:
        from ztflow.cli import reading as read
        from ztflow.cli.row_output import write_rows
        from ztflow.model.tables import Halves

        write_rows(
            run, inputs.inputs, Halves, reading=reading, grid=grid, rows=rows, output=output,
            finished=read.records, live=read.live_records,
        )  # fmt: skip

    return run_command(talk, body)
