"""Charts as interactive figures of plotly, an optional dependency (`ztflow[plot]`), loaded with the first of them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, timedelta
from html import escape
from itertools import pairwise
from typing import TYPE_CHECKING, Any, assert_never

from ztflow.errors import UsageError
from ztflow.plot.charts import (
    Bars,
    Chart,
    Ecdf,
    Heat,
    Histogram,
    Sankey,
    Steps,
    bin_marks,
    color,
    heading,
    life_marks,
    life_scale,
)
from ztflow.text.escapes import visible
from ztflow.text.format import Unit, cell_text, duration_text
from ztflow.writers.text import fit

if TYPE_CHECKING:
    import plotly.graph_objects as go

_LONGEST = 40
"""Characters of a name on an axis; the whole is told where the mouse points."""
_EXACT = 2**53
_SENDING = ("sendChartToCloud", "sendDataToCloud")
"""Buttons of plotly 7 and of earlier ones that would send the figure to its makers."""
_POLICY = (
    "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data: blob:; "
    "base-uri 'none'; form-action 'none'"
)
_CELLS_NAMED = 400
"""Cells of a heat map at most that have their number written in them."""


def load_plotly() -> Any:
    """The module of plotly that makes figures.

    Raises:
        UsageError: It is not installed.
    """
    try:
        import plotly.graph_objects as go
    except ImportError as error:
        raise UsageError(
            "interactive plots need plotly: pip install 'ztflow[plot]'; still pictures need nothing: .plot.svg, or a "
            "file named .svg"
        ) from error
    return go


def figure(chart: Chart) -> go.Figure:
    """A figure of plotly.

    Raises:
        UsageError: Plotly is not installed.
    """
    go = load_plotly()
    match chart:
        case Steps():
            made = _course(go, chart)
        case Heat():
            made = _heat(go, chart)
        case Histogram():
            made = _histogram(go, chart)
        case Ecdf():
            made = _ecdf(go, chart)
        case Bars():
            made = _bars(go, chart)
        case Sankey():
            made = _sankey(go, chart)
        case _:
            assert_never(chart)
    title = {"text": text_of(heading(chart.title))}
    if chart.notes:
        title["text"] += f"<br><sup>{'<br>'.join(map(text_of, chart.notes))}</sup>"
    made.update_layout(title=title, margin={"t": 70 + 16 * len(chart.notes)}, modebar={"remove": list(_SENDING)})
    return made


def page(chart: Chart) -> str:
    """A figure as an HTML document of its own, with all of plotly in it (some 5 MB): it can make no request.

    Raises:
        UsageError: Plotly is not installed.
    """
    drawn = figure(chart).to_html(full_html=False, include_plotlyjs=True, config={"displaylogo": False})
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
        f"<title>ztflow: {escape(visible(chart.title))}</title></head>\n<body>{drawn}</body></html>\n"
    )


def text_of(name: str, longest: int | None = None) -> str:
    """A name as plotly shows it as it is: it would take `<b>`, `&lt;`, and what stands between `$` for markup."""
    shown = visible(name)
    return escape(shown if longest is None else fit(shown, longest), quote=False).replace("$", "&#36;")


def _numbers(values: Sequence[float]) -> list[float]:
    """Numbers as JSON holds them: sums of bytes may be past 64 bits."""
    return [float(value) if abs(value) >= _EXACT else value for value in values]


def _value_axis(unit: Unit, title: str) -> dict[str, Any]:
    axis: dict[str, Any] = {"title": {"text": text_of(title)}, "rangemode": "tozero"}
    match unit:
        case Unit.BYTES | Unit.BYTES_PER_S:
            return {**axis, "tickformat": "~s", "ticksuffix": "B"}
        case Unit.SHARE:
            return {**axis, "tickformat": ".0%"}
        case Unit.COUNT:
            return {**axis, "tickformat": ",d", "minallowed": 0}
        case _:
            return axis


def _names_axis(names: Sequence[str], **more: Any) -> dict[str, Any]:
    """An axis of names by place: plotly would put equal ones together, and take `2024` for a number or a date."""
    texts = [text_of(name, _LONGEST) for name in names]
    return {"tickmode": "array", "tickvals": list(range(len(names))), "ticktext": texts, "type": "linear", **more}


def _course(go: Any, chart: Steps) -> Any:
    # Plotly drops the zone of a time, so it gets UTC without one and the axis says so. A bar stands on its middle.
    starts = [start.astimezone(UTC).replace(tzinfo=None) for start in chart.starts]
    half = timedelta(seconds=chart.seconds / 2)
    traces = [
        go.Bar(
            x=[start + half for start in starts], y=_numbers(series.values), name=text_of(series.name, _LONGEST),
            width=chart.seconds * 1000, marker={"color": color(place, rest=series.rest), "line": {"width": 0}},
            showlegend=len(chart.series) > 1,
            customdata=[
                f"{start:%Y-%m-%d %H:%M:%S} UTC<br>{cell_text(value, chart.unit)}"
                for start, value in zip(starts, series.values, strict=True)
            ],
            hovertemplate=f"%{{customdata}}<extra>{_template(series.name)}</extra>",
        )
        for place, series in enumerate(chart.series)
    ]  # fmt: skip
    made = go.Figure(traces)
    step = f"{chart.unit}, each {duration_text(chart.seconds * 1000)}"
    made.update_layout(
        barmode="stack", bargap=0, xaxis={"title": {"text": "UTC"}, "type": "date"}, yaxis=_value_axis(chart.unit, step)
    )
    return made


def _template(name: str) -> str:
    """A name inside a template of plotly, which replaces what stands in `%{}`."""
    return text_of(name).replace("%", "&#37;")


def _heat(go: Any, chart: Heat) -> Any:
    texts = [[cell_text(value, chart.unit) if value else "" for value in row] for row in chart.cells]
    whole = [
        [
            f"{text_of(source)} → {text_of(target)}<br>{cell_text(value, chart.unit)}"
            for target, value in zip(chart.columns, row, strict=True)
        ]
        for source, row in zip(chart.rows, chart.cells, strict=True)
    ]
    trace = go.Heatmap(
        z=[_numbers(row) for row in chart.cells], x=list(range(len(chart.columns))), y=list(range(len(chart.rows))),
        **_colors(chart), text=texts, hovertext=whole, hovertemplate="%{hovertext}<extra></extra>",
        texttemplate="%{text}" if len(chart.rows) * len(chart.columns) <= _CELLS_NAMED else None,
        colorbar=_color_bar(chart.unit), xgap=1, ygap=1,
    )  # fmt: skip
    made = go.Figure(trace)
    made.update_layout(
        xaxis=_names_axis(chart.columns, title={"text": text_of(chart.across)}, showgrid=False),
        yaxis=_names_axis(chart.rows, title={"text": text_of(chart.down)}, showgrid=False, autorange="reversed"),
        height=max(450, 240 + 26 * len(chart.rows)),
    )
    return made


def _colors(chart: Heat) -> dict[str, Any]:
    """From nothing on; where there are negative numbers, as in a difference, two colours with nothing between them."""
    numbers = [value for row in chart.cells for value in row]
    if min(numbers, default=0) >= 0:
        return {"zmin": 0, "colorscale": "Blues"}
    return {"zmid": 0, "colorscale": "RdBu"}


def _color_bar(unit: Unit) -> dict[str, Any]:
    axis = _value_axis(unit, "")
    return {name: axis[name] for name in ("tickformat", "ticksuffix") if name in axis}


def _histogram(go: Any, chart: Histogram) -> Any:
    count = len(chart.edges) - 1
    ranges = [f"{duration_text(low)} to below {duration_text(high)}" for low, high in pairwise(chart.edges)]
    traces = [
        go.Bar(
            x=[place + 0.5 for place in range(count)], y=_numbers(series.values), width=1, customdata=ranges,
            name=text_of(series.name, _LONGEST), marker={"color": color(place, rest=series.rest), "line": {"width": 0}},
            showlegend=len(chart.series) > 1,
            hovertemplate=f"%{{customdata}}<br>%{{y:,d}} connections<extra>{_template(series.name)}</extra>",
        )
        for place, series in enumerate(chart.series)
    ]  # fmt: skip
    made = go.Figure(traces)
    marks = bin_marks(chart.edges)
    made.update_layout(
        barmode="stack", bargap=0, yaxis=_value_axis(Unit.COUNT, "connections"),
        xaxis={"tickmode": "array", "tickvals": [place for place, _ in marks], "ticktext": [text for _, text in marks],
               "title": {"text": "life"}, "range": [0, count], "tickangle": 0},
    )  # fmt: skip
    return made


def _ecdf(go: Any, chart: Ecdf) -> Any:
    traces = [
        go.Scatter(
            x=[life_scale(life) for life in curve.milliseconds], y=curve.shares, name=text_of(curve.name, _LONGEST),
            mode="lines", line={"shape": "hv", "color": color(place, rest=curve.rest)},
            showlegend=len(chart.curves) > 1,
            customdata=[duration_text(life) for life in curve.milliseconds],
            hovertemplate=f"%{{y:.1%}} within %{{customdata}}<extra>{_template(curve.name)}</extra>",
        )
        for place, curve in enumerate(chart.curves)
    ]  # fmt: skip
    made = go.Figure(traces)
    marks = life_marks(max((curve.milliseconds[-1] for curve in chart.curves if curve.milliseconds), default=1))
    made.update_layout(
        yaxis=_value_axis(Unit.SHARE, "share of connections that lived no longer") | {"range": [0, 1]},
        xaxis={"tickmode": "array", "tickvals": [life_scale(mark) for mark, _ in marks],
               "ticktext": [text for _, text in marks], "title": {"text": "life"}},
    )  # fmt: skip
    return made


def _bars(go: Any, chart: Bars) -> Any:
    told = [f"{text_of(name)}<br>{cell_text(v, chart.unit)}" for name, v in zip(chart.names, chart.values, strict=True)]
    trace = go.Bar(
        x=_numbers(chart.values), y=list(range(len(chart.names))), orientation="h", marker={"color": color(0)},
        text=[cell_text(value, chart.unit) for value in chart.values], hovertext=told,
        hovertemplate="%{hovertext}<extra></extra>",
    )  # fmt: skip
    made = go.Figure(trace)
    made.update_layout(
        xaxis=_value_axis(chart.unit, chart.what),
        yaxis=_names_axis(chart.names, autorange="reversed", automargin=True),
        height=180 + 26 * len(chart.names),
    )
    return made


def _sankey(go: Any, chart: Sankey) -> Any:
    names = [*chart.sources, *chart.targets]
    colors = [color(at) for at in range(len(chart.sources))] + ["#7b8794"] * len(chart.targets)
    told = [
        f"{text_of(chart.sources[link.source])} → {text_of(chart.targets[link.target])}<br>"
        f"{cell_text(link.value, chart.unit)}"
        for link in chart.links
    ]
    trace = go.Sankey(
        node={"label": [text_of(name, _LONGEST) for name in names], "color": colors, "pad": 14,
              "hovertemplate": "%{label}<extra></extra>"},
        link={"source": [link.source for link in chart.links],
              "target": [len(chart.sources) + link.target for link in chart.links],
              "value": _numbers([link.value for link in chart.links]),
              "color": [f"rgba{(*bytes.fromhex(color(link.source)[1:]), 0.4)}" for link in chart.links],
              "customdata": told, "hovertemplate": "%{customdata}<extra></extra>"},
    )  # fmt: skip
    return go.Figure(trace)
