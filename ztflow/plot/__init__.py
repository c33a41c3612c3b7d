"""Plots of flows, reports, matrices and timelines: `.plot()` makes a figure of plotly, `.plot.svg()` a still picture.

Three steps, each a module: tables become `charts` (sums, counts, shares; never rows), and a chart becomes a `figure` of
plotly or a `picture` in SVG. `accessor` is what users hold.
"""

from __future__ import annotations

from ztflow.plot.accessor import ChartPlot, FlowsPlot
from ztflow.plot.picture import Picture

__all__ = ["ChartPlot", "FlowsPlot", "Picture"]
