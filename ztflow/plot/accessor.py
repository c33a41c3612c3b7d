"""What `.plot` is: called it draws the usual chart, and each method draws one kind, as in pandas."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from inspect import signature
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from ztflow.errors import UsageError
from ztflow.plot import of_flows
from ztflow.plot.charts import Chart
from ztflow.plot.figure import figure
from ztflow.plot.groups import End, ValueWord, columns_of
from ztflow.plot.picture import Picture, picture

if TYPE_CHECKING:
    import plotly.graph_objects as go
    import pyarrow as pa

    from ztflow.model.vocabulary import GraphLevelWord

Drawn = TypeVar("Drawn")

PLOTS = ("time", "heatmap", "hist", "ecdf", "sankey")
"""Kinds of plots of flows."""

_TOP = 8
"""Names that have a colour of their own."""
_SIDE = 30
"""Names on each side of a heat map."""


class FlowsPlot(Generic[Drawn]):
    """Plots of flows.

    Every plot is made of sums and counts, so a figure is as small for a million flows as for a hundred. `by` is a
    level, as `Flows.graph` takes it, or any column of flows, such as `locality`, `verdict` or `dst_workload`. Names
    beyond `top` are put together as `(others)`; what has no name is `(unknown)`.

    Args:
        table: All columns of flows.
        owners: As `Table.owners`.
        draw: Makes what is returned of a chart.
    """

    def __init__(self, table: pa.Table, owners: Mapping[str, str], draw: Callable[[Chart], Drawn]) -> None:
        self._table = table
        self._owners = owners
        self._draw = draw

    @property
    def svg(self) -> FlowsPlot[Picture]:
        """The same plots as still SVG pictures, without plotly."""
        return FlowsPlot(self._table, self._owners, picture)

    def __call__(self, kind: str = "time", **options: Any) -> Drawn:
        """A plot by its kind.

        Args:
            kind: One of `PLOTS`.
            options: What the method of that name takes.

        Raises:
            UsageError: No such kind or option, or plotly is not installed.
        """
        if kind not in PLOTS:
            raise UsageError(f"no plot {kind!r}; choose one of {', '.join(PLOTS)}")
        plot: Callable[..., Drawn] = getattr(self, kind)
        known = signature(plot).parameters
        unknown = sorted(options.keys() - known.keys())
        if unknown:
            raise UsageError(f"plot {kind} has no option {', '.join(unknown)}; it has {', '.join(known)}")
        return plot(**options)

    def columns(self, kind: str = "time", **options: Any) -> list[str]:
        """The columns of flows that a plot is made of; kind and options as for the plot, and right."""
        by = options.get("by", signature(getattr(self, kind)).parameters["by"].default)
        return columns_of(by)

    def time(
        self,
        by: str | None = "workload",
        *,
        value: ValueWord = "bytes",
        every: str | timedelta | None = None,
        top: int = _TOP,
        end: End = "source",
    ) -> Drawn:
        """Traffic over time, stacked; times are UTC.

        A connection counts in the step it ended in; its bytes are spread evenly over its life.

        Args:
            by: Level or column; None for one series of all.
            value: `bytes`, `flows`, `request_bytes`, `response_bytes`, `denied` or `failed`.
            every: Length of a step, `10s`, `1m`, `1h`; a round one that makes at most 60 steps unless given.
            top: Names shown.
            end: For a level, whose name counts: that of the client (`source`) or the server (`destination`).

        Raises:
            UsageError: A word is none of these, or plotly is not installed.
        """
        return self._draw(of_flows.course(self._table, self._owners, by=by, value=value, every=every, top=top, end=end))

    def heatmap(self, by: GraphLevelWord = "node", *, value: ValueWord = "flows", top: int = _SIDE) -> Drawn:
        """Who talks to whom, places by places: clients down, servers across.

        Args:
            by: Level: `node`, `zone`, `namespace`, `workload`, ….
            value: As for `time`.
            top: Names on each side.

        Raises:
            UsageError: A word is none of these, or plotly is not installed.
        """
        return self._draw(of_flows.heat(self._table, self._owners, by=by, value=value, top=top))

    def hist(self, by: str | None = None, *, top: int = _TOP, end: End = "source") -> Drawn:
        """How long connections lived, in bins that grow by powers of ten.

        Args:
            by: Level or column to stack by; None for all in one.
            top: As for `time`.
            end: As for `time`.

        Raises:
            UsageError: A word is none of these, or plotly is not installed.
        """
        return self._draw(of_flows.histogram(self._table, self._owners, by=by, top=top, end=end))

    def ecdf(self, by: str | None = None, *, top: int = _TOP, end: End = "source") -> Drawn:
        """Which share of connections lived no longer than so long; above 256 ms right to half a per cent of the life.

        Args:
            by: Level or column, a curve each; None for all in one.
            top: As for `time`.
            end: As for `time`.

        Raises:
            UsageError: A word is none of these, or plotly is not installed.
        """
        return self._draw(of_flows.ecdf(self._table, self._owners, by=by, top=top, end=end))

    def sankey(self, by: GraphLevelWord = "namespace", *, value: ValueWord = "bytes", top: int = _TOP) -> Drawn:
        """From whom to whom, as bands from clients to servers.

        Args:
            by: Level.
            value: As for `time`.
            top: Names shown on each side.

        Raises:
            UsageError: A word is none of these, or plotly is not installed.
        """
        return self._draw(of_flows.sankey(self._table, self._owners, by=by, value=value, top=top))


class ChartPlot(Generic[Drawn]):
    """Plots of something that has charts of its own, such as a report.

    Args:
        choose: Gives the chart that some options ask for.
        draw: Makes what is returned of a chart.
    """

    def __init__(self, choose: Callable[..., Chart], draw: Callable[[Chart], Drawn]) -> None:
        self._choose = choose
        self._draw = draw

    @property
    def svg(self) -> ChartPlot[Picture]:
        """The same plots as still SVG pictures, without plotly."""
        return ChartPlot(self._choose, picture)

    def __call__(self, *which: Any, **options: Any) -> Drawn:
        """The plot."""
        return self._draw(self._choose(*which, **options))


def flows_plot(table: pa.Table, owners: Mapping[str, str]) -> FlowsPlot[go.Figure]:
    """Plots of flows as figures of plotly."""
    return FlowsPlot(table, owners, figure)
