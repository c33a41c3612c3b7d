"""`ztflow` without a command: the summary, updated live on a terminal, printed once at the end otherwise."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ztflow.cli.options import (
    REPORT_FORMATS,
    Grid,
    Reading,
    Talk,
    Waypoints,
    filter_options,
    input_arguments,
    message_options,
    reading_options,
    waypoint_options,
)
from ztflow.cli.output_options import ReportOutput, report_output_options
from ztflow.cli.run import Run, run_command

if TYPE_CHECKING:
    from ztflow.cli.output import Paper
    from ztflow.cli.reading import Reader
    from ztflow.cli.rows import Selection
    from ztflow.reports.summary import Summary


@input_arguments
@report_output_options
@reading_options
@waypoint_options
@filter_options
@message_options
def summary(
    inputs: Sequence[str], output: ReportOutput, reading: Reading, waypoints: Waypoints, grid: Grid, talk: Talk
) -> int:
    """Who talks to whom, on one screen. The default command."""

    def body(run: Run) -> None:
        from ztflow.cli.destinations import check_destination, destination
        from ztflow.cli.output import Paper, chosen_format, paper_for
        from ztflow.cli.reading import Reader
        from ztflow.cli.report_output import arrangement_of, write_report
        from ztflow.cli.rows import Selection
        from ztflow.cli.screen import draw
        from ztflow.model.tables import Flows
        from ztflow.reports.folding import SUMMARY
        from ztflow.reports.summary import summary as summarise

        form = chosen_format(output.format, output.output, REPORT_FORMATS)
        selection = Selection(Flows, reading=reading, grid=grid)
        sources = run.sources(inputs)
        read = [*reading.inventory, *waypoints.waypoint]
        check_destination(form, output.output, sources, read, follow=reading.follow)
        reader = Reader(run, reading, waypoints, counts_requests=True)
        paper = paper_for(talk.color, output.output, output.rows)
        dropped = 0
        if reading.follow or (form == "table" and paper.width is not None and sources == ["-"]):
            made, dropped = _live(reader, sources, selection, paper if form == "table" else Paper())
            selection.tell()
        else:
            made = summarise(reader.folded_flows(sources, SUMMARY, selection.choice))
        run.findings |= output.exit_code and made.findings > 0
        if form != "table" or arrangement_of(output):
            write_report(run, made, form, output)
            return
        lines = draw(made, run.reports[-1], paper, dropped=dropped)
        with destination(output.output, run.answers) as stream:
            stream.write("".join(line + "\n" for line in lines).encode(errors="backslashreplace"))

    return run_command(talk, body)


def _live(reader: Reader, sources: list[str], selection: Selection, paper: Paper) -> tuple[Summary, int]:
    """Read to the end or to Ctrl-C, showing the state on a terminal; the last state is the answer.

    Returns:
        The summary, and how many flows of a period that moves on had no room.
    """
    from ztflow import api
    from ztflow.cli.live_lines import LatestLines
    from ztflow.cli.live_screen import LiveScreen
    from ztflow.cli.live_total import LiveTotal
    from ztflow.cli.live_view import LiveView
    from ztflow.columns.gc_pause import gc_rarely
    from ztflow.memory import return_at_once
    from ztflow.model.tables import Flows

    return_at_once()
    latest = LatestLines()
    view = LiveView(latest)
    note = latest.note if paper.width is not None else None
    session, feeding = reader.growing(sources, LiveTotal(selection), note=note, ended=lambda: view.ended)

    def look() -> None:
        view.take(session.total.answer(session.picture()), session.report)

    with session, gc_rarely():
        with LiveScreen(paper, view, look) as screen:
            for news in feeding:
                screen.tick(news=news)
        last = api.whole(Flows, session.finish(), session.report)
        return session.total.summary(last), session.total.dropped
