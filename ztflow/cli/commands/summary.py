"""`ztflow` alone: the first answer, updated while lines come in on a terminal, once at the end otherwise."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ztflow.cli.options import Grid, Inputs, Reading, Talk, takes
from ztflow.cli.run import Run, run_command

if TYPE_CHECKING:
    from ztflow.cli.screen import Paper
    from ztflow.cli.selection import Selection


@takes(Inputs, Reading, Grid, Talk)
def summary(inputs: Inputs, reading: Reading, grid: Grid, talk: Talk) -> int:
    """Who talks to whom, on one screen. The default command."""

    def body(run: Run) -> None:
        import shutil
        import sys

        from ztflow.cli.reading import all_flows, owners
        from ztflow.cli.screen import Paper, draw
        from ztflow.cli.selection import Selection
        from ztflow.cli.terminal import is_terminal, wants_color
        from ztflow.reports.summary import summary as summarise
        from ztflow.schema import FLOWS

        selection = Selection(FLOWS, "end", reading=reading, grid=grid)
        sources = run.sources(inputs.inputs)
        color = wants_color(talk.color, sys.stdout)
        to_terminal = is_terminal(sys.stdout)
        size = shutil.get_terminal_size((80, 24))
        paper = Paper(size.columns, size.lines, color) if to_terminal else Paper(color=color)
        owned = owners(reading)
        selection.know_owners(owned)
        if reading.follow or (to_terminal and sources == ["-"]):
            lines = _live(run, sources, reading, selection, paper, owned)
        else:
            found = all_flows(run, sources, reading)
            assert run.counts is not None
            lines = draw(summarise(selection.apply(found), owners=owned), run.counts, paper)
        print("\n".join(lines))
        sys.stdout.flush()

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
        return draw(summarise(selection.apply(found), owners=owned), counts, paper, live=live, dropped=capture.dropped)

    with LiveScreen(paper, lambda: lines(live=True)) as screen:
        seen = 0
        for halves, facts in live_batches(run, sources, reading):
            capture.add(halves, facts)
            lines_read = run.counts.stats.lines if run.counts else 0
            screen.tick(news=lines_read > seen)
            seen = lines_read
    return lines(live=False)
