"""Charts as still SVG pictures: no library, no script, no browser; in the colours of the map, in light and dark."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from math import floor, log10
from pathlib import Path
from typing import assert_never

from ztflow.plot.charts import (
    Bars,
    Chart,
    Ecdf,
    Heat,
    Histogram,
    Sankey,
    Series,
    Steps,
    bin_marks,
    color,
    life_marks,
    life_scale,
)
from ztflow.plot.svg_kit import Frame, drawn, name_width, rect, text, tooltip
from ztflow.plot.svg_sankey import sankey_shapes
from ztflow.text.format import Unit, cell_text, duration_text, short_size

_WIDTH, _HEIGHT = 760, 300
_CELL_WIDTH, _CELL_HEIGHT = 74, 26
_BAR = 22
_NUMBERS = 56
"""Pixels for the numbers of an axis."""


class Picture:
    """An SVG picture that shows itself in a notebook.

    Attributes:
        svg: The element, a document of its own.
    """

    def __init__(self, svg: str) -> None:
        self.svg = svg

    def __repr__(self) -> str:
        return f"<Picture: {len(self.svg):,} characters of SVG>"

    def _repr_html_(self) -> str:
        # Inside the page it is dark where the page is; an image only where the system is.
        return self.svg

    def _repr_svg_(self) -> str:
        return self.svg

    def save(self, path: str | Path) -> None:
        """Write it to a file.

        Raises:
            OutputError: The file cannot be written; an old one stands as it was.
        """
        from ztflow.files.placing import Placed

        with Placed(str(path)) as placed:
            placed.stream.write(self.svg.encode() + b"\n")


def picture(chart: Chart) -> Picture:
    """A chart as a picture."""
    match chart:
        case Steps():
            made = _course(chart)
        case Heat():
            made = _heat(chart)
        case Histogram():
            made = _histogram(chart)
        case Ecdf():
            made = _ecdf(chart)
        case Bars():
            made = _bars(chart)
        case Sankey():
            made = sankey_shapes(chart, _WIDTH)
        case _:
            assert_never(chart)
    return Picture(drawn(made, chart.title, chart.notes))


def _marks(most: float, unit: Unit, count: int = 5) -> list[tuple[float, str]]:
    """Round numbers from 0 to the first that is not less than the most, with their texts."""
    if most <= 0:
        return [(0, "0"), (1, "")]
    step = most / count
    power = 10.0 ** floor(log10(step))
    step = next(power * factor for factor in (1, 2, 2.5, 5, 10) if power * factor >= step)
    if unit in {Unit.COUNT, Unit.BYTES}:
        step = max(round(step), 1)
    found = [0.0]
    while found[-1] < most:
        found.append(step * len(found))
    return [(mark, _mark_text(mark, unit)) for mark in found]


def _mark_text(mark: float, unit: Unit) -> str:
    if unit is Unit.SHARE:
        return f"{100 * mark:.0f} %"
    if unit in {Unit.BYTES, Unit.BYTES_PER_S}:
        return cell_text(round(mark), Unit.BYTES).replace(".0 ", " ")
    return f"{mark:,.0f}" if mark < 100_000 else short_size(round(mark)).replace(".0", "")


def _plain(width: float, names: list[tuple[str, str]]) -> Frame:
    """A frame with room for numbers on the left, below, and for a legend on the right."""
    legend = max((name_width(name) + 34 for name, _ in names), default=0) if len(names) > 1 else 0
    frame = Frame(
        left=_NUMBERS + 16, top=8, width=width - _NUMBERS - 32 - legend, height=_HEIGHT, right=legend + 16, below=46
    )
    if legend:
        # Reading down, as the series are stacked.
        for place, (name, fill) in enumerate(reversed(names)):
            y = frame.top + 10 + 18 * place
            x = frame.left + frame.width + 14
            frame.shapes.append(rect(x, y - 5, 10, 10, fill))
            frame.shapes.append(text(x + 16, y, name, "start", whole=name))
    return frame


def _value_axis(frame: Frame, marks: list[tuple[float, str]], title: str) -> float:
    """Lines and numbers of a vertical axis; gives the number at its top."""
    top = marks[-1][0]
    for mark, shown in marks:
        y = frame.y(mark / top)
        frame.shapes.append(f'<path class="grid" d="M{frame.left:.1f} {y:.1f}H{frame.left + frame.width:.1f}"/>')
        frame.shapes.append(text(frame.left - 6, y, shown, "end"))
    frame.shapes.append(text(12, frame.top + frame.height / 2, title, "middle", turned=True))
    return top


def _stacked(frame: Frame, series: tuple[Series, ...], top: float, told: list[str], unit: Unit) -> None:
    """Numbers as bars upon bars."""
    count = len(told)
    below = [0.0] * count
    width = frame.width / max(count, 1)
    for place, one in enumerate(series):
        fill = color(place, rest=one.rest)
        for at, value in enumerate(one.values):
            if value:
                height = frame.height * value / top
                y = frame.y((below[at] + value) / top)
                about = f"{told[at]}: {cell_text(value, unit)}"
                frame.shapes.append(rect(frame.left + width * at, y, width, height, fill, one.name, about))
                below[at] += value


def _colors(series: tuple[Series, ...]) -> list[tuple[str, str]]:
    return [(one.name, color(place, rest=one.rest)) for place, one in enumerate(series)]


def _most(series: tuple[Series, ...]) -> float:
    return max((sum(values) for values in zip(*(one.values for one in series), strict=True)), default=0)


def _course(chart: Steps) -> Frame:
    frame = _plain(_WIDTH, _colors(chart.series))
    step = duration_text(chart.seconds * 1000)
    top = _value_axis(frame, _marks(_most(chart.series), chart.unit), f"{chart.unit}, each {step}")
    starts = [start.astimezone(UTC) for start in chart.starts]
    _stacked(frame, chart.series, top, [f"{start:%Y-%m-%d %H:%M:%S} UTC" for start in starts], chart.unit)
    places = _time_marks(starts, chart.seconds, int(frame.width // 90))
    days = len({start.date() for start in starts}) > 1
    for place in places:
        shown = f"{starts[place]:%m-%d %H:%M}" if days else f"{starts[place]:%H:%M:%S}"
        frame.mark_below(place / len(starts), shown)
    title = f"{starts[0]:%Y-%m-%d}, UTC" if starts and not days else "UTC"
    frame.title_below(title if starts else "no connection has a time")
    return frame


def _time_marks(starts: list[datetime], seconds: float, most: int) -> list[int]:
    """The steps whose beginning an axis names: those that are round, so many at most."""
    for length in (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200):
        if length >= seconds:
            since = timedelta(seconds=length)
            found = [place for place, start in enumerate(starts) if not start.timestamp() % since.total_seconds()]
            if found and len(found) <= most:
                return found
    return list(range(0, len(starts), max(1, -(-len(starts) // most))))


def _histogram(chart: Histogram) -> Frame:
    frame = _plain(_WIDTH, _colors(chart.series))
    top = _value_axis(frame, _marks(_most(chart.series), Unit.COUNT), "connections")
    bounds = [duration_text(edge) for edge in chart.edges]
    told = [f"{low} to below {high}" for low, high in pairwise(bounds)]
    _stacked(frame, chart.series, top, told, Unit.COUNT)
    for place, shown in bin_marks(chart.edges):
        frame.mark_below(place / len(told), shown)
    frame.title_below("life")
    return frame


def _ecdf(chart: Ecdf) -> Frame:
    names = [(curve.name, color(place, rest=curve.rest)) for place, curve in enumerate(chart.curves)]
    frame = _plain(_WIDTH, names)
    _value_axis(frame, [(share / 4, f"{25 * share} %") for share in range(5)], "lived no longer")
    longest = max((curve.milliseconds[-1] for curve in chart.curves if curve.milliseconds), default=1)
    end = life_scale(max(longest, 1))
    for (name, stroke), curve in zip(names, chart.curves, strict=True):
        path = [f"M{frame.left:.1f} {frame.y(0):.1f}"]
        for life, share in zip(curve.milliseconds, curve.shares, strict=True):
            path.append(f"H{frame.x(life_scale(life) / end):.1f}V{frame.y(share):.1f}")
        path.append(f"H{frame.left + frame.width:.1f}")
        line = f'<path fill="none" stroke="{stroke}" stroke-width="1.6" d="{"".join(path)}">'
        if curve.milliseconds:
            frame.shapes.append(f"{line}{tooltip(name)}</path>")
    for mark, shown in life_marks(longest):
        frame.mark_below(life_scale(mark) / end, shown)
    frame.title_below("life")
    return frame


def _heat(chart: Heat) -> Frame:
    left = max((name_width(name) for name in chart.rows), default=0) + 42
    tilted = any(name_width(name) > _CELL_WIDTH - 4 for name in chart.columns)
    head = (max((name_width(name) for name in chart.columns), default=0) * 0.72 + 18 if tilted else 26) + 18
    width, height = _CELL_WIDTH * len(chart.columns), _CELL_HEIGHT * len(chart.rows)
    frame = Frame(
        left=left, top=head, width=width, height=height, right=max(20, 300 - left - width) + 60 * tilted, below=8
    )
    frame.shapes.append(text(left + width / 2, 8, chart.across, "middle"))
    frame.shapes.append(text(12, head + height / 2, chart.down, "middle", turned=True))
    for at, name in enumerate(chart.columns):
        x = left + _CELL_WIDTH * (at + 0.5)
        frame.shapes.append(text(x, head - 12, name, "start" if tilted else "middle", tilted=tilted, whole=name))
    most = max((abs(value) for row in chart.cells for value in row), default=0)
    for at, (name, row) in enumerate(zip(chart.rows, chart.cells, strict=True)):
        y = head + _CELL_HEIGHT * at
        frame.shapes.append(text(left - 6, y + _CELL_HEIGHT / 2, name, "end", whole=name))
        for to, value in enumerate(row):
            x = left + _CELL_WIDTH * to
            shade, base = abs(value) / most if most else 0, "accent" if value >= 0 else "bad"
            shown = cell_text(value, chart.unit)
            about = f"{name} → {chart.columns[to]}: {shown}"
            fill = f'var(--{base})" fill-opacity="{0.04 + 0.61 * shade:.3f}'
            frame.shapes.append(rect(x, y, _CELL_WIDTH - 1, _CELL_HEIGHT - 1, fill, about))
            if value:
                frame.shapes.append(text(x + _CELL_WIDTH / 2, y + _CELL_HEIGHT / 2, shown, "middle"))
    return frame


def _bars(chart: Bars) -> Frame:
    left = max((name_width(name) for name in chart.names), default=0) + 16
    height = _BAR * len(chart.names)
    frame = Frame(left=left, top=8, width=_WIDTH - left - 90, height=height, right=90, below=26)
    most = max(chart.values, default=0)
    for at, (name, value) in enumerate(zip(chart.names, chart.values, strict=True)):
        y = frame.top + _BAR * at
        width = frame.width * value / most if most else 0
        frame.shapes.append(text(left - 6, y + _BAR / 2, name, "end", whole=name))
        frame.shapes.append(rect(left, y + 3, width, _BAR - 6, color(0), name))
        frame.shapes.append(text(left + width + 6, y + _BAR / 2, cell_text(value, chart.unit), "start"))
    frame.title_below(chart.what, 14)
    return frame
