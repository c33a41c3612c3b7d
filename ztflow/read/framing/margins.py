"""Marks at the edges of physical lines: a mail's `>`, a comment's `#` or `//`, a diff's `+`, the frame of a screen.

They stand on every line of what was quoted, so a record that is folded over several lines has them inside. They are
taken off only where what they stand before begins like a record, and then from each line on to its end.
"""

from __future__ import annotations

from typing import NamedTuple

from ztflow.model.schema import ACCESS_SCOPE, LOG_LEVELS
from ztflow.text.patterns import lazy_pattern

BORDER = "│┃║▏▎▍▌▕▐┆┊╎┇┋"
"""Vertical lines that screens are divided with. A plain `|` is one only when it stands at both ends."""

MARKS = frozenset(f"{BORDER}>|#/-;%*!<+: \t")
"""What a line with a margin at its left begins with."""

_LEFT = lazy_pattern(rf"[ \t]{{0,16}}(?:(?:>|\||[{BORDER}]|\#{{1,6}}|//+|--|;+|%+|\*|!|<|\+|:)[ \t]?){{1,12}}")
_LEVELS = "|".join(LOG_LEVELS)
_BEGINS = lazy_pattern(
    rf"[ \t]*(?:\d{{4}}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{{6}}Z[ \t]+(?i:{_LEVELS})(?=[ \t]|\Z)"
    rf"|(?i:{_LEVELS})[ \t]+{ACCESS_SCOPE}:?[ \t]|\{{(?:\s*\"|\s*\Z))"
)
"""How a record begins: time and level, level and scope, or a JSON object."""


class Margin(NamedTuple):
    """What stands at both edges of the lines of a record.

    Attributes:
        left: At the left, without blanks; may be empty.
        pad: Blanks that belong to it on either side of the text.
        right: The border at the right; empty when there is none.
    """

    left: str
    pad: int
    right: str

    def off(self, text: str) -> str:
        """A line of the same record without the margin; a line that does not have it comes back as it is.

        What fills a frame behind a text is no part of it, but for one blank that may have been broken at.
        """
        begin = text.lstrip(" \t")
        if self.left and not begin.startswith(self.left):
            return self._right_off(text)
        if self.left:
            text = begin[len(self.left) :]
            text = text[min(self.pad, len(text) - len(text.lstrip(" "))) :]
        return self._right_off(text)

    def _right_off(self, text: str) -> str:
        end = text.rstrip()
        if not self.right or not end.endswith(self.right):
            return text
        text = end[: -len(self.right)]
        inside = text.rstrip(" ")
        filling = len(text) - len(inside) - self.pad
        return inside + " " * filling if 0 <= filling <= 1 else inside


def margin_of(text: str) -> Margin | None:
    """The margin of a line in which a record begins; None when it has none, or no record begins behind it."""
    left = _LEFT.match(text)
    begin = _BEGINS.match(text, left.end() if left else 0)
    if begin is None:
        return None
    mark = left[0].strip() if left else ""
    end = text.rstrip()[-1:]
    right = end if end and (end in BORDER or (end == "|" and mark == "|")) else ""
    if not mark and not right:
        return None
    pad = left[0][-1:] == " " if left else text.rstrip()[-2:-1] == " "
    return Margin(mark, int(pad), right)


def begins_record(text: str) -> bool:
    """Whether a text begins like a record."""
    return _BEGINS.match(text) is not None


def without_border(text: str) -> str:
    """A text without the border of a frame at its end."""
    return text.rstrip().rstrip(BORDER + "|").rstrip() if text.rstrip()[-1:] in {*BORDER, "|"} else text
