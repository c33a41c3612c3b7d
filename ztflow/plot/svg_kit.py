"""What the still pictures are made of: a frame to draw in, rectangles, texts, and the document around them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape

from ztflow.plot.charts import heading
from ztflow.text.escapes import visible, visible_width
from ztflow.writers.text import fit

_STYLE = """
.ztmap .grid{stroke:var(--line);stroke-opacity:.6;fill:none}.ztmap .quiet{fill:var(--muted)}
.ztmap .title{font-size:14px;font-weight:bold}
"""
_CHARACTER = 6.7
"""Pixels of one character."""
_LONGEST = 34
"""Characters of a name that are written; the whole is told where the mouse points."""
_LINE = 16
_HEAD = 34


@dataclass
class Frame:
    """Where numbers are drawn, and what is drawn, in pixels from the top left corner below the title.

    Attributes:
        left: Room on the left.
        top: Above.
        width: Of the field the numbers are in.
        height: Of it.
        right: Room on the right.
        below: Room below.
        shapes: SVG elements.
    """

    left: float
    top: float
    width: float
    height: float
    right: float
    below: float
    shapes: list[str] = field(default_factory=list)

    def x(self, share: float) -> float:
        """Pixels of a place from left to right."""
        return self.left + self.width * share

    def y(self, share: float) -> float:
        """Pixels of a place from the bottom to the top."""
        return self.top + self.height * (1 - share)

    def mark_below(self, share: float, shown: str) -> None:
        """A mark on the horizontal axis."""
        x, y = self.x(share), self.y(0)
        self.shapes.append(f'<path class="grid" d="M{x:.1f} {y:.1f}v5"/>')
        self.shapes.append(text(x, y + 14, shown, "middle"))

    def title_below(self, shown: str, distance: float = 34) -> None:
        """What the horizontal axis is."""
        self.shapes.append(text(self.left + self.width / 2, self.y(0) + distance, shown, "middle"))


def short(name: str) -> str:
    """A name as it is written."""
    return fit(visible(name), _LONGEST)


def name_width(name: str) -> float:
    """Pixels a name takes."""
    return visible_width(short(name)) * _CHARACTER


def tooltip(*lines: str) -> str:
    """What is told where the mouse points."""
    return "<title>" + "\n".join(escape(visible(line)) for line in lines) + "</title>"


def rect(x: float, y: float, width: float, height: float, fill: str, *about: str) -> str:
    """A rectangle."""
    size = f'x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}"'
    return f'<rect {size} fill="{fill}">{tooltip(*about)}</rect>' if about else f'<rect {size} fill="{fill}"/>'


def text(
    x: float, y: float, words: str, anchor: str, *, whole: str = "", turned: bool = False, tilted: bool = False,
    kind: str = "",
) -> str:  # fmt: skip
    """A line of text; hostile names are escaped, long ones shortened where `whole` is given."""
    turn = f' transform="rotate({-90 if turned else -45} {x:.1f} {y:.1f})"' if turned or tilted else ""
    named = f' class="{kind}"' if kind else ""
    shown = escape(short(words) if whole else visible(words))
    about = tooltip(whole) if whole else ""
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"{named}{turn}>{shown}{about}</text>'


def drawn(frame: Frame, title: str, notes: Sequence[str]) -> str:
    """The document: title, what is in the frame, notes."""
    from ztflow.graph.formats.map.svg import PALETTE

    width = max(frame.left + frame.width + frame.right, (max(map(len, [title, *notes])) + 4) * _CHARACTER)
    body = frame.top + frame.height + frame.below
    height = _HEAD + body + _LINE * len(notes) + 10
    size = f'viewBox="0 0 {width:.0f} {height:.0f}" width="{width:.0f}" height="{height:.0f}"'
    shown = heading(title)
    about = f'class="ztmap" role="img" aria-label="{escape(visible(shown))}"'
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {about} {size}>',
        f"<style>{PALETTE}{_STYLE}</style>",
        '<rect width="100%" height="100%" style="fill:var(--paper)"/>',
        text(12, 18, shown, "start", kind="title"),
        f'<g transform="translate(0 {_HEAD})">',
        *frame.shapes,
        "</g>",
    ]
    first = _HEAD + body + 6
    parts += [text(12, first + _LINE * place, note, "start", kind="quiet") for place, note in enumerate(notes)]
    return "\n".join([*parts, "</svg>"])
