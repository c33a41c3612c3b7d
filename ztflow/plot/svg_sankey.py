"""A Sankey diagram of two columns as SVG: clients left, servers right, bands between them."""

from __future__ import annotations

from collections.abc import Sequence

from ztflow.plot.charts import Sankey, color
from ztflow.plot.svg_kit import Frame, name_width, rect, text, tooltip
from ztflow.text.format import cell_text

_HEIGHT = 320
_POST, _GAP = 14, 12
_SERVER = "var(--unknown)"


def sankey_shapes(chart: Sankey, width: float) -> Frame:
    """The diagram in a frame."""
    sides = (chart.sources, chart.targets)
    left, right = (max((name_width(name) + 70 for name in names), default=0) for names in sides)
    frame = Frame(left=left, top=8, width=max(width - left - right, 240), height=_HEIGHT, right=right, below=16)
    sent, received = [0.0] * len(chart.sources), [0.0] * len(chart.targets)
    for link in chart.links:
        sent[link.source] += link.value
        received[link.target] += link.value
    # Both sides have one scale, so the side with more gaps sets it.
    room = frame.height - _GAP * (max(len(sent), len(received), 1) - 1)
    scale = max(room, 40) / (sum(sent) or 1)
    from_at, to_at = (_posts(frame, *side, scale, chart) for side in ((chart.sources, sent), (chart.targets, received)))
    start, end = frame.left + _POST, frame.left + frame.width - _POST
    middle = (start + end) / 2
    for link in chart.links:
        size = link.value * scale
        y, to = from_at[link.source], to_at[link.target]
        from_at[link.source] += size
        to_at[link.target] += size
        about = f"{chart.sources[link.source]} → {chart.targets[link.target]}: {cell_text(link.value, chart.unit)}"
        thick = max(size, 0.6)
        band = f"M{start:.1f} {y:.1f}C{middle:.1f} {y:.1f} {middle:.1f} {to:.1f} {end:.1f} {to:.1f}v{thick:.1f}"
        back = f"C{middle:.1f} {to + thick:.1f} {middle:.1f} {y + thick:.1f} {start:.1f} {y + thick:.1f}Z"
        path = f'<path fill="{color(link.source)}" fill-opacity=".42" d="{band}{back}">{tooltip(about)}</path>'
        frame.shapes.append(path)
    return frame


def _posts(frame: Frame, names: Sequence[str], sizes: Sequence[float], scale: float, chart: Sankey) -> list[float]:
    """Draws one side; gives the top of each post."""
    client = names is chart.sources
    taken = sum(sizes) * scale + _GAP * (len(sizes) - 1)
    y, tops = frame.top + (frame.height - taken) / 2, []
    for place, (name, size) in enumerate(zip(names, sizes, strict=True)):
        tops.append(y)
        height = max(size * scale, 1)
        x = frame.left if client else frame.left + frame.width - _POST
        shown = cell_text(round(size), chart.unit)
        fill = color(place) if client else _SERVER
        frame.shapes.append(rect(x, y, _POST, height, fill, f"{name}: {shown}"))
        at, anchor = (x - 6, "end") if client else (x + _POST + 6, "start")
        frame.shapes.append(text(at, y + height / 2, name, anchor, whole=f"{name}: {shown}"))
        y += size * scale + _GAP
    return tops
