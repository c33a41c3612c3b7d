"""The live summary as one looks at it: which window, in which order, which pair, held or going on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from time import monotonic

from ztflow.cli import live_keys as keys
from ztflow.cli.live_lines import LatestLines
from ztflow.cli.live_pair import OpenedPair, rows_of_pair
from ztflow.cli.live_rows import WINDOWS, PairTable, Row, Span, rate_line, rows_of, sorted_by, sorts_of
from ztflow.cli.live_total import Answer
from ztflow.cli.output import Paper
from ztflow.cli.screen import facts, refusals_table
from ztflow.model.tables import Flows
from ztflow.read import ReadReport
from ztflow.reports.recent import Pair, Window
from ztflow.writers.text import fit_end
from ztflow.writers.text_columns import DIM, YELLOW

LEAST_ROWS = 5
"""Lines the table of pairs gets, its heading included, before what stands above it."""

_HELP = (
    "↑ ↓ j k     choose a pair; PgUp PgDn Home End too",
    "Enter       open it: its connections, what was refused, its last lines",
    "Esc         back, and to nothing chosen",
    "w           window: all, the last minute, the last 10 seconds",
    "s           sort by the next column",
    "p           hold the picture; reading goes on",
    "q           end, and print the summary, as Ctrl-C does",
    "",
    "CONN/S B/S  a second, over the window; of all: over the last minute",
    "TREND       connections over the window, the newest at the right",
    "",
    "Time is that of the log. ztunnel logs a connection when it ends, so it counts",
    "with all its bytes in the second it ended in.",
)


@dataclass(frozen=True, slots=True)
class Moment:
    """What the input had given at a moment.

    Attributes:
        answer: What is known of it.
        counts: What became of the lines.
        taken: When that was, by the clock of the machine.
    """

    answer: Answer
    counts: ReadReport
    taken: float

    def second(self, *, quiet: bool) -> int | None:
        """The second of log time it is: it goes on with the clock while nothing comes."""
        newest = self.answer.recent.newest
        return None if newest is None else newest + (int(monotonic() - self.taken) if quiet else 0)


class LiveView:
    """What is on the screen, as lines for any size of it, and what keys change.

    Args:
        lines: The latest access lines.
        with_keys: Whether keys can be pressed, so that they are told.

    Attributes:
        ended: Whether the reader asked for the end.
        held: Whether the picture is not to change.
        quiet: Whether nothing came since the moment that is shown.
    """

    def __init__(self, lines: LatestLines, *, with_keys: bool = True) -> None:
        self.with_keys = with_keys
        self.ended = self.held = False
        self.quiet = True
        self._lines = lines
        self._moment: Moment | None = None
        self._span = Span.ALL
        self._sort = 0
        self._chosen: Pair | None = None
        self._opened = self._help = False
        self._of_pair = Flows()
        self._logged: list[str] = []
        self._order: list[Pair] = []
        """The pairs as they stood on the screen."""
        self._shown = 1
        self._held_at: int | None = None

    def take(self, answer: Answer, counts: ReadReport) -> None:
        """Show another moment from now on."""
        self._moment = Moment(answer, replace(counts, inputs=[("", counts.stats)]), monotonic())
        if self._opened:
            self._look_at_pair()

    def press(self, key: str) -> None:
        """A key was pressed."""
        if key == "q":
            self.ended = True
        elif key in {"?", "h"}:
            self._help = not self._help
        elif self._help:
            self._help = False
        elif key in {"p", " "}:
            self._held_at = None if self._moment is None else self._moment.second(quiet=self.quiet)
            self.held = not self.held
        elif key == "w":
            self._span = WINDOWS[(WINDOWS.index(self._span) + 1) % len(WINDOWS)]
        elif key == "s":
            self._sort += 1
        elif key == keys.BACK:
            self._opened, self._chosen = False, self._chosen if self._opened else None
        elif key == keys.ENTER and self._order:
            self._chosen = self._chosen or self._order[0]
            self._opened = True
            self._look_at_pair()
        else:
            self._move(key)

    def _move(self, key: str) -> None:
        steps = {
            keys.UP: -1, "k": -1, keys.DOWN: 1, "j": 1, keys.PAGE_UP: -self._shown, keys.PAGE_DOWN: self._shown,
            keys.HOME: -len(self._order), keys.END: len(self._order),
        }  # fmt: skip
        if key not in steps or not self._order:
            return
        at = self._order.index(self._chosen) + steps[key] if self._chosen in self._order else 0
        self._chosen = self._order[min(max(at, 0), len(self._order) - 1)]
        if self._opened:
            self._look_at_pair()

    def _look_at_pair(self) -> None:
        if self._moment is not None and self._chosen is not None:
            self._of_pair = rows_of_pair(self._moment.answer.latest, self._chosen)
            self._logged = self._lines.of(self._of_pair)

    def painted(self, paper: Paper, said: Sequence[str] = ()) -> list[str]:
        """The screen as lines: `paper.height` of them at most, none wider than `paper.width`.

        Args:
            paper: What is written on; it has a width and a height.
            said: Messages; the last is shown.
        """
        assert paper.width is not None
        assert paper.height is not None
        foot = [paper.styled(fit_end(said[-1], paper.width), YELLOW)] if said else []
        if self.with_keys:
            foot.append(paper.styled(self._foot(paper.width), DIM))
        room = max(1, paper.height - len(foot))
        body = [fit_end(line, paper.width) for line in _HELP] if self._help else self._body(paper, room)
        return [*body[:room], *[""] * (room - len(body)), *foot][: paper.height]

    def _foot(self, width: int) -> str:
        sorts = sorts_of(self._span)
        what = "p go on" if self.held else "p hold"
        order, span = f"s sort: {sorts[self._sort % len(sorts)]}", f"w window: {self._span.value}"
        back = "Esc back" if self._opened else "Enter open"
        for words in (
            ["↑↓ choose", back, order, span, what, "? help", "q quit"],
            ["↑↓", back, order, span, "p", "?", "q quit"],
            [order.removeprefix("s "), span.removeprefix("w "), "? help"],
        ):
            text = "  ".join(words)
            if len(text) <= width:
                return text
        return fit_end("? help", width)

    def _body(self, paper: Paper, room: int) -> list[str]:
        if self._moment is None:
            return [paper.fact("window", "no line yet")]
        answer, counts = self._moment.answer, self._moment.counts
        now = self._held_at if self.held else self._moment.second(quiet=self.quiet)
        span = self._span
        window = answer.recent.window(span.seconds, span.steps, now)
        above = facts(answer.summary, counts, paper, live=True, dropped=answer.dropped)
        if self.held:
            above[0] = [paper.fact("held", "the picture is held, reading goes on; p lets it go on", YELLOW)]
        above.insert(1, [rate_line(window, span, paper)])
        rows = sorted_by(rows_of(answer.summary, window, span), sorts_of(span), self._sort)
        self._order = [row.pair for row in rows]
        if self._opened and self._chosen is not None:
            return self._pair(paper, room, window, self._chosen)
        head = _what_fits(above, room - LEAST_ROWS - 1 if rows else room)
        if not rows:
            return head
        left = room - len(head)
        below = refusals_table(answer.summary, paper, left) if left >= 2 * LEAST_ROWS else []
        return [*head, "", *self._pairs(paper, left - 1 - len(below), rows, window), *below]

    def _pairs(self, paper: Paper, room: int, rows: list[Row], window: Window) -> list[str]:
        assert self._moment is not None
        chosen = self._order.index(self._chosen) if self._chosen in self._order else None
        table = PairTable(rows, self._moment.answer.summary, window, self._span, paper)
        lines, self._shown = table.lines(room, chosen)
        return lines

    def _pair(self, paper: Paper, room: int, window: Window, pair: Pair) -> list[str]:
        assert self._moment is not None
        opened = OpenedPair(pair, self._of_pair, self._logged, self._moment.answer.summary, window)
        return opened.lines(paper, room, held=self.held)


def _what_fits(blocks: Sequence[Sequence[str]], room: int) -> list[str]:
    """The first blocks that fit whole."""
    lines: list[str] = []
    for block in blocks:
        if len(lines) + len(block) <= room:
            lines += block
    return lines
