"""`ztflow report NAME`: one question, answered in tables."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from ztflow.cli.options import OUTPUT, Grid, Inputs, Reading, ReportOutput, Rows, Talk, takes
from ztflow.cli.run import Run, run_command

if TYPE_CHECKING:
    from ztflow.reports import Prices

NAMES = ("traffic", "locality", "mtls", "denied", "failures", "egress", "loss", "tunnels", "clocks", "waypoints")


@takes(Inputs, ReportOutput, Reading, Grid, Rows, Talk)
def report(
    name: Annotated[str, typer.Argument(metavar="NAME", help=f"{', '.join(NAMES)}.", show_default=False)],
    inputs: Inputs,
    output: ReportOutput,
    price: Annotated[
        str | None,
        typer.Option(
            "--price",
            metavar="PRICE",
            help="For locality: money for each GB between zones, as 0.01, 0.02:0 (egress:ingress), 0.01 EUR, or a CSV "
            "file with from_zone,to_zone,egress_per_gb.",
            rich_help_panel=OUTPUT,
        ),
    ] = None,
    *,
    reading: Reading,
    grid: Grid,
    rows: Rows,
    talk: Talk,
) -> int:
    """One question answered in tables: locality, denied, loss and others."""

    def body(run: Run) -> None:
        from ztflow.cli.output import check_destination, chosen_format
        from ztflow.cli.reading import all_flows, capture, owners
        from ztflow.cli.report_output import FORMATS, write_report
        from ztflow.cli.selection import Selection
        from ztflow.errors import UsageError
        from ztflow.model.schema import FLOWS
        from ztflow.reports import NEEDS_HALVES, REPORTS, make_report

        if name not in REPORTS:
            raise UsageError(f"no report {name!r}; there are {', '.join(REPORTS)}")
        form = chosen_format(output.format, output.output, FORMATS)
        prices = None if price is None else _prices(price)
        selection = Selection(FLOWS, "end", reading=reading, grid=grid, rows=rows)
        sources = run.sources(inputs.inputs)
        check_destination(form, output.output, sources)
        owned = owners(reading)
        selection.know_owners(owned)
        halves = None
        if name in NEEDS_HALVES:
            halves, found = capture(run, sources, reading)
        else:
            found = all_flows(run, sources, reading)
        made = make_report(name, selection.apply(found), halves=halves, owners=owned, prices=prices)
        run.findings |= output.exit_code and made.findings > 0
        write_report(run, made, form, output)

    return run_command(talk, body)


def _prices(text: str) -> Prices:
    from pathlib import Path

    from ztflow.errors import UsageError
    from ztflow.reports import Prices

    if not Path(text).is_file():
        return Prices.parse(text)
    try:
        return Prices.from_csv(Path(text).read_text(encoding="utf-8-sig"))
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"--price {text}: {error}") from None
