"""DataFrames of matrices and timelines whose `.plot()` draws what they are; pandas' own kinds of plots stay."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pandas as pd
from pandas.plotting import PlotAccessor

from ztflow.aggregate.timeline import SPREAD
from ztflow.plot.accessor import ChartPlot
from ztflow.plot.charts import Chart, Heat, Series, Steps
from ztflow.plot.figure import figure
from ztflow.plot.groups import VALUES, ValueWord, byte_columns, order_of, value_words
from ztflow.plot.picture import Picture
from ztflow.text.format import Unit


class FramePlot(PlotAccessor):
    """`.plot` of a frame: without a kind the frame's own chart, with one what pandas draws."""

    def __init__(self, data: pd.DataFrame, choose: Callable[..., Chart], own: Callable[[], bool]) -> None:
        super().__init__(data)
        self._choose = choose
        self._own = own

    def __call__(self, *args: Any, **options: Any) -> Any:
        """The frame's own chart as a figure of plotly; with `kind` or columns, pandas' plot of that kind."""
        if args or "kind" in options or not self._own():
            return super().__call__(*args, **options)
        return ChartPlot(self._choose, figure)(**options)

    @property
    def svg(self) -> ChartPlot[Picture]:
        """The frame's own chart as a still SVG picture."""
        return ChartPlot(self._choose, figure).svg


class MatrixFrame(pd.DataFrame):
    """What `Flows.matrix` gives: a DataFrame, plotted as a heat map; so are its parts, and the difference of two."""

    @property
    def _constructor(self) -> type[MatrixFrame]:
        return MatrixFrame  # a part of a matrix is one

    @property
    def plot(self) -> FramePlot:
        """`.plot()` is a heat map; `top` names on each side, the others together."""
        return FramePlot(self, self._heat, lambda: all(map(pd.api.types.is_numeric_dtype, self.dtypes)))

    def _heat(self, *, top: int = 30) -> Heat:
        value = str(self.attrs.get("value", "flows"))
        unit = Unit.BYTES if value.endswith("_bytes") else Unit.COUNT
        if any(map(pd.api.types.is_float_dtype, self.dtypes)):  # shares, means: of another unit
            unit = Unit.NUMBER
        down, across = (str(axis.name or "") for axis in (self.index, self.columns))
        cells = self.fillna(0).to_numpy().tolist()
        cells, rows = _biggest(cells, list(map(str, self.index)), top)
        turned, columns = _biggest(_turned(cells, len(self.columns)), list(map(str, self.columns)), top)
        cells = _turned(turned, len(rows))
        what, _ = VALUES.get(value, (value, unit))
        title = f"{what}, {down} by {across}"
        return Heat(title, unit, down, across, rows, columns, tuple(map(tuple, cells)))


def _turned(cells: Sequence[Sequence[int]], width: int) -> list[list[int]]:
    return [list(column) for column in zip(*cells, strict=True)] if cells else [[] for _ in range(width)]


def _biggest(cells: list[list[int]], names: list[str], top: int) -> tuple[list[list[int]], tuple[str, ...]]:
    """The rows of the biggest sums, in their order, and one of all others."""
    sizes = [sum(map(abs, row)) for row in cells]
    place, shown, rest = order_of(names, sizes, top)
    kept = [at for at in range(len(names)) if not rest or place[at] < len(shown) - 1]
    found = [cells[at] for at in kept]
    if not rest:
        return found, tuple(names)
    others = [row for at, row in enumerate(cells) if at not in set(kept)]
    return [*found, [sum(column) for column in zip(*others, strict=True)]], (*(names[at] for at in kept), shown[-1])


class TimelineFrame(pd.DataFrame):
    """What `Flows.timeline` gives: a DataFrame, plotted over time."""

    @property
    def plot(self) -> FramePlot:
        """`.plot()` is the course over time, `value` as for `Flows.plot.time`, `top` names and the others together."""
        return FramePlot(self, self._course, lambda: True)

    def _course(self, *, value: ValueWord = "bytes", top: int = 8) -> Steps:
        what, unit = value_words(value)
        columns = byte_columns(value) or ("flows",)
        by = next((name for name in map(str, self.columns[1:2]) if name != "flows"), None)
        numbers = [sum(each) for each in zip(*(self[name].tolist() for name in columns), strict=True)]
        names = list(dict.fromkeys(self[by].tolist())) if by else ["all"]
        width = len(names)
        sizes = [sum(numbers[at::width]) for at in range(width)]
        place, shown, rest = order_of(names, sizes, top)
        starts = tuple(time.to_pydatetime() for time in self["time"].iloc[::width])
        made = [[0] * len(starts) for _ in shown]
        for at, number in enumerate(numbers):
            made[int(place[at % width])][at // width] += number
        series = tuple(
            Series(name, tuple(row), rest and at == len(shown) - 1)
            for at, (name, row) in enumerate(zip(shown, made, strict=True))
        )
        notes = (SPREAD, f"Without a time, and in no step: {self.attrs['timeless']:,}.")[
            : 1 + bool(self.attrs["timeless"])
        ]
        title = f"{what} over time{f', by {by}' if by else ''}"
        return Steps(title, unit, starts, self.attrs["step"], series, notes)
