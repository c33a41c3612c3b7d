"""`ztflow` alone: the first answer, updated while lines come in on a terminal, once at the end otherwise."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ztflow.cli.options import Grid, Inputs, Reading, ReportOutput, Talk, takes
from ztflow.cli.run import Run, run_command

if TYPE_CHECKING:
    from ztflow.cli.paper import Paper
    from ztflow.cli.selection import Selection


@takes(Inputs, ReportOutput, Reading, Grid, Talk)
def summary(inputs: Inputs, output: ReportOutput, reading: Reading, grid: Grid, talk: Talk) -> int:
    """Who talks to whom, on one screen. The default command."""

    def body(run: Run) -> None:
        from ztflow.cli.output import check_destination, chosen_format, destination
        from ztflow.cli.paper import paper_for
        from ztflow.cli.reading import all_flows, owners
        from ztflow.cli.report_output import FORMATS, write_report
        from ztflow.cli.screen import draw
        from ztflow.cli.selection import Selection
        from ztflow.model.schema import FLOWS
        from ztflow.reports.summary import summary as summarise

        form = chosen_format(output.format, output.output, FORMATS)
        selection = Selection(FLOWS, "end", reading=reading, grid=grid)
        sources = run.sources(inputs.inputs)
        check_destination(form, output.output, sources)
        owned = owners(reading)
        selection.know_owners(owned)
        paper = paper_for(talk.color, output.output, output.rows)
        if form == "table" and (reading.follow or (paper.width is not None and sources == ["-"])):
            lines = _live(run, sources, reading, selection, paper, owned)
        else:
            made = summarise(selection.apply(all_flows(run, sources, reading)), owners=owned)
            run.findings |= output.exit_code and made.findings > 0
            if form != "table":
                write_report(run, made, form, output)
                return
            assert run.counts is not None
            lines = draw(made, run.counts, paper)
        with destination(output.output) as stream:
            stream.write("".join(line + "\n" for line in lines).encode(errors="backslashreplace"))

    return run_command(talk, body)


def _live(
    run: Run, sources: list[str], reading: Reading, selection: Selection, paper: Paper, owned: dict[str, str]
) -> list[str]:
    """Read to the end or to Ctrl-C, showing the state on a terminal; the last state is the answer."""
    from ztflow.cli.counting import Counts
    from ztflow.cli.growing import GrowingCapture
    from ztflow.cli.live_screen import LiveScreen
    from ztflow.cli.reading import live_batches
    from ztflow.cli.screen import draw
    from ztflow.reports.summary import summary as summarise

    capture = GrowingCapture(reading.inventory or ())

    def lines(*, live: bool) -> list[str]:
        found = capture.flows()
        counts = run.counts = run.counts or Counts()
        counts.count_flows_anew(found)
        chosen = summarise(selection.apply(found), owners=owned)
        return draw(chosen, counts, paper, live=live, dropped=capture.dropped)

    with LiveScreen(paper, lambda: lines(live=True)) as screen:
        seen = 0
        for halves, facts in live_batches(run, sources, reading):
            capture.add(halves, facts)
            lines_read = run.counts.stats.lines if run.counts else 0
            screen.tick(news=lines_read > seen)
            seen = lines_read
    return lines(live=False)
