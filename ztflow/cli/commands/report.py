"""`ztflow report NAME`: one report as tables."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ztflow.cli.options import (
    GRAPH_LEVELS,
    OUTPUT,
    REPORT_FORMATS,
    Grid,
    Reading,
    Rows,
    Talk,
    Waypoints,
    Word,
    argument,
    filter_options,
    input_arguments,
    limit_options,
    message_options,
    option,
    reading_options,
    waypoint_options,
)
from ztflow.cli.output_options import ReportOutput, report_output_options
from ztflow.cli.run import Run, run_command

if TYPE_CHECKING:
    from ztflow.counters import Counters
    from ztflow.model.provenance import Fact
    from ztflow.model.tables import Halves
    from ztflow.reports import Prices

REPORT_NAMES = (
    "traffic", "latency", "locality", "mtls", "denied", "failures", "egress", "identities", "loss", "tunnels", "clocks",
    "waypoints",
)  # fmt: skip


@argument("name", metavar="NAME", type=Word(REPORT_NAMES), about=f"{', '.join(REPORT_NAMES)}.")
@input_arguments
@report_output_options
@option(
    OUTPUT,
    "--price",
    metavar="PRICE",
    file=True,
    help="For locality: price of each GB between zones, as 0.01, 0.02:0 (egress:ingress), 0.01 EUR, or a CSV file with "
    "from_zone,to_zone,egress_per_gb.",
)
@option(
    OUTPUT,
    "--metrics",
    metavar="[POD=]FILE[@TIME]",
    multiple=True,
    help="For loss: what each ztunnel counted (its port 15020, /metrics), so that missing lines can be counted. A "
    "file, folder or pattern; repeatable.",
)
@option(
    OUTPUT,
    "--prometheus",
    metavar="URL",
    help="For loss: the same from a Prometheus that scrapes the ztunnels. PROMETHEUS_USERNAME, _PASSWORD and "
    "_BEARER_TOKEN say who asks.",
)
@option(
    OUTPUT,
    "--by",
    metavar="LEVEL",
    type=Word(GRAPH_LEVELS),
    help=f"For traffic and latency: one of {', '.join(GRAPH_LEVELS)}; workload unless given.",
)
@option(
    OUTPUT,
    "--every",
    metavar="DURATION",
    help="For traffic: the course over time, in steps of 10s, 1m, 1h, the empty ones too.",
)
@reading_options
@waypoint_options
@filter_options
@limit_options
@message_options
def report(
    name: str, inputs: Sequence[str], output: ReportOutput, *, price: str | None, metrics: Sequence[str],
    prometheus: str | None, by: str | None, every: str | None, reading: Reading, waypoints: Waypoints,
    grid: Grid, rows: Rows, talk: Talk,
) -> int:  # fmt: skip
    """Answer one question in tables: locality, denied, loss and so on."""

    def body(run: Run) -> None:
        from ztflow.cli.destinations import check_destination
        from ztflow.cli.output import chosen_format
        from ztflow.cli.reading import Reader
        from ztflow.cli.report_output import write_report
        from ztflow.cli.rows import Selection
        from ztflow.errors import UsageError
        from ztflow.model.tables import Flows
        from ztflow.reports import NEEDS_HALVES, make_report
        from ztflow.reports.folding import shape_of

        form = chosen_format(output.format, output.output, REPORT_FORMATS)
        prices = None if price is None else _prices(price)
        counted = "--metrics" if metrics else "--prometheus" if prometheus else ""
        if counted and name != "loss":
            raise UsageError(f"{counted} is for report loss")
        both = name in NEEDS_HALVES or counted
        if both and waypoints.waypoint:
            raise UsageError(f"--waypoint: report {name} is about ztunnel's lines, and has no place for requests")
        sources_of_counters = _Counted(metrics, prometheus) if counted else None
        more: dict[str, object] = {**_more(name, by, every)}
        selection = Selection(Flows, reading=reading, grid=grid, rows=rows)
        sources = run.sources(inputs)
        read = [*reading.inventory, *waypoints.waypoint, *([] if price is None else [price])]
        check_destination(form, output.output, sources, read, follow=reading.follow)
        reader = Reader(run, reading, waypoints, counts_requests=name == "waypoints")
        shape = None if both else shape_of(name, by or "workload")
        halves = None
        if shape is not None:
            found = reader.folded_flows(sources, shape, selection.choice)
        else:
            halves, whole = reader.capture(sources) if both else (None, reader.all_flows(sources))
            found = selection.apply(whole)
        counters = None
        if sources_of_counters is not None and halves is not None:
            counters = sources_of_counters.against(halves, run.reports[-1].events)
        if name == "waypoints" and reader.inventory is not None:
            more["services"] = reader.inventory.services
        made = make_report(name, found, halves=halves, prices=prices, counters=counters, **more)
        run.findings |= output.exit_code and made.findings > 0
        write_report(run, made, form, output)

    return run_command(talk, body)


def _more(name: str, by: str | None, every: str | None) -> dict[str, str]:
    """What only some reports take."""
    from ztflow.errors import UsageError
    from ztflow.filters.quantities import parse_duration

    if by is not None and name not in {"traffic", "latency"}:
        raise UsageError("--by is for reports traffic and latency")
    if every is not None:
        if name != "traffic":
            raise UsageError("--every is for report traffic")
        try:
            parse_duration(every)
        except UsageError as error:
            raise UsageError(f"--every: {error}") from None
    return {option: value for option, value in (("by", by), ("every", every)) if value is not None}


class _Counted:
    """What ztunnels counted: files that are read at once, and a Prometheus that is asked once the log is known."""

    def __init__(self, metrics: Sequence[str], prometheus: str | None) -> None:
        from ztflow.counters import read_scrapes

        self._scrapes = read_scrapes(*metrics)
        self._server = None
        if prometheus is not None:
            from ztflow.counters.prometheus import parse_prometheus

            self._server = parse_prometheus(prometheus)

    def against(self, halves: Halves, events: Sequence[Fact]) -> Counters:
        """The lines against it."""
        from ztflow.counters import reconcile

        if self._server is None:
            return reconcile(halves, self._scrapes, events)
        from ztflow.counters.prometheus import scrapes_for

        found = scrapes_for(self._server, halves, events)
        return reconcile(halves, [*self._scrapes, *found.scrapes], events, found.notes)


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
