"""What an answer for people is written on: a terminal of some size, or something endless; coloured or not."""

from __future__ import annotations

import shutil
import sys
from dataclasses import dataclass

from ztflow.cli.options import Color
from ztflow.cli.terminal import is_terminal, wants_color
from ztflow.writers.text import fact, styled


@dataclass(frozen=True, slots=True)
class Paper:
    """What is written on.

    Attributes:
        width: Cells of the terminal; None cuts nothing.
        height: Lines of the terminal; None takes the default number of rows.
        color: Whether to style.
        rows: Rows of each table, whatever the height; 0 is all.
    """

    width: int | None = None
    height: int | None = None
    color: bool = False
    rows: int | None = None

    def styled(self, text: str, code: str | None) -> str:
        """The text, in a style where colour is on."""
        return styled(text, code, color=self.color)

    def fact(self, label: str, text: str, code: str | None = None) -> str:
        """A labelled line."""
        return fact(label, text, width=self.width, color=self.color, code=code)


def paper_for(color: Color, output: str | None, rows: int | None = None) -> Paper:
    """What the answer is written on.

    Args:
        color: When to colour; a file is never coloured.
        output: The file it goes to; None is stdout, as large as the terminal it is, or endless.
        rows: Rows of each table; 0 is all.
    """
    if output is not None:
        return Paper(rows=rows)
    styled = wants_color(color, sys.stdout)
    if not is_terminal(sys.stdout):
        return Paper(color=styled, rows=rows)
    size = shutil.get_terminal_size((80, 24))
    return Paper(size.columns, size.lines, styled, rows)
