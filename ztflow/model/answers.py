"""What flows can be asked: summary, reports, graph, matrix, timeline, the flows of an edge, the lines of a flow.

Each method hands on to the room that does the work and loads it when first called.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, Literal, Self, cast, overload

from ztflow.model.table import Table
from ztflow.model.vocabulary import Direction

if TYPE_CHECKING:
    import networkx as nx
    import plotly.graph_objects as go

    from ztflow.graph.traffic import TrafficGraph
    from ztflow.model.objects import Flow
    from ztflow.model.tables import Flows, Halves
    from ztflow.model.vocabulary import GraphLevelWord
    from ztflow.plot import FlowsPlot
    from ztflow.plot.frames import MatrixFrame, TimelineFrame
    from ztflow.reports import (
        Clocks,
        Denied,
        Egress,
        Failures,
        Identities,
        Latency,
        Locality,
        LossReport,
        Mtls,
        Prices,
        Report,
        Summary,
        Top,
        Traffic,
        Tunnels,
        Waypoints,
    )


_LINE_DIGITS = 18
"""Digits a number of a line has at most."""


class Answers(Table):
    """The questions flows answer."""

    def graph(self, by: GraphLevelWord = "pod") -> TrafficGraph:
        """The traffic graph, a `networkx.MultiDiGraph`; see `ztflow.build_graph`.

        Args:
            by: Level of the vertices: `pod`, `workload`, `service`, `namespace`, `identity`, `node`, `zone`, `cluster`.

        Raises:
            UsageError: `by` is no level.
        """
        from ztflow.graph import build_graph

        return build_graph(self._flows(), by=by)

    def of_edge(self, graph: nx.MultiDiGraph[str], source: str, target: str, path: str | None = None) -> Self:
        """The flows of an edge of a graph that was made of these flows.

        Args:
            graph: What `graph` gave, or a part or copy of it.
            source: A vertex.
            target: A vertex.
            path: Key of the edge; all edges between the two unless given.

        Raises:
            UsageError: The graph does not tell its level.

        Examples:
            >>> import ztflow
            >>> flows = ztflow.read_flows("fixtures/seed/same-node.log", "fixtures/seed/cross-node.log")
            >>> graph = flows.graph(by="node")
            >>> [len(flows.of_edge(graph, u, v, key)) for u, v, key in graph.edges(keys=True)]
            [1, 1]
        """
        from ztflow.aggregate.edges import edge_mask

        return self.with_rows(self.to_arrow().filter(edge_mask(self.to_arrow(), graph.graph, source, target, path)))

    def summary(self) -> Summary:
        """Who talks to whom, and what went wrong: what the bare command prints."""
        from ztflow.reports import summary

        return summary(self._flows())

    @overload
    def report(
        self,
        name: Literal["traffic"],
        *,
        by: GraphLevelWord = "workload",
        sort: Literal["bytes", "flows"] = "bytes",
        every: str | timedelta | None = None,
    ) -> Traffic: ...
    @overload
    def report(self, name: Literal["latency"], *, by: GraphLevelWord = "workload") -> Latency: ...
    @overload
    def report(self, name: Literal["locality"], *, prices: Prices | None = None) -> Locality: ...
    @overload
    def report(self, name: Literal["mtls"]) -> Mtls: ...
    @overload
    def report(self, name: Literal["denied"]) -> Denied: ...
    @overload
    def report(self, name: Literal["failures"]) -> Failures: ...
    @overload
    def report(self, name: Literal["egress"]) -> Egress: ...
    @overload
    def report(self, name: Literal["identities"]) -> Identities: ...
    @overload
    def report(self, name: Literal["loss"], **options: Any) -> LossReport: ...
    @overload
    def report(self, name: Literal["tunnels"], *, halves: Halves) -> Tunnels: ...
    @overload
    def report(self, name: Literal["clocks"], *, halves: Halves) -> Clocks: ...
    @overload
    def report(self, name: Literal["waypoints"], **options: Any) -> Waypoints: ...
    @overload
    def report(self, name: str, **options: Any) -> Report: ...
    def report(self, name: str, **options: Any) -> Report:
        """A report by its name; see `ztflow.make_report`.

        Args:
            name: One of `ztflow.reports.REPORTS`.
            options: `halves` for `tunnels` and `clocks`, `prices` for `locality`, `counters` for `loss`, `by`,
                `sort` and `every` for `traffic`, `by` for `latency`, `services` for `waypoints`.

        Raises:
            UsageError: No such report or option.

        Examples:
            >>> import ztflow
            >>> flows = ztflow.read_flows("fixtures/seed/same-node.log", "fixtures/seed/cross-node.log")
            >>> flows.report("mtls").pairs[0].source
            'ambient-demo/doks-debug'
        """
        from ztflow.reports import make_report

        return make_report(name, self._flows(), **options)

    def top(self, by: GraphLevelWord | Literal["pair"] = "workload") -> Top:
        """Who had most traffic, with rates, shares and refusals.

        Args:
            by: A level, as `graph` takes it, or `pair` for pairs of workloads.

        Raises:
            UsageError: `by` is neither.

        Examples:
            >>> import ztflow
            >>> flows = ztflow.read_flows("fixtures/seed/same-node.log", "fixtures/seed/cross-node.log")
            >>> [(end.name, end.bytes_sent) for end in flows.top("namespace").ends]
            [('ambient-demo', 19832)]
        """
        from ztflow.reports import top

        return top(self._flows(), by)

    @property
    def plot(self) -> FlowsPlot[go.Figure]:
        """Plots, as in pandas: `.plot()` is traffic over time, `.plot.heatmap()`, `.hist()`, `.ecdf()`, `.sankey()`.

        They are figures of plotly, which `ztflow[plot]` installs; `.plot.svg()`, `.plot.svg.heatmap()`, … are the same
        as still pictures and need nothing.

        Examples:
            >>> import ztflow
            >>> flows = ztflow.read_flows("fixtures/seed/same-node.log", "fixtures/seed/cross-node.log")
            >>> flows.plot.svg.heatmap(by="node", value="bytes").svg[:4]
            '<svg'
        """
        from ztflow.plot.accessor import flows_plot

        return flows_plot(self.to_arrow(), self.owners)

    def matrix(self, rows: str, columns: str, value: str = "flows") -> MatrixFrame:
        """One number for each pair of values of two columns: who talks to whom as a table.

        Args:
            rows: Column whose values name the rows, such as `src_node`.
            columns: Column whose values name the columns, such as `dst_node`.
            value: A column to sum, such as `request_bytes`, or `flows` to count.

        Returns:
            A DataFrame of whole numbers, both ways in order of name; what is unknown is `(unknown)`, last. Values that
            are unknown add nothing; a pair without flows is 0. Its `.plot()` is a heat map.

        Raises:
            UsageError: There is no such column, or `value` names one without whole numbers.

        Examples:
            >>> import ztflow
            >>> flows = ztflow.read_flows("fixtures/seed/same-node.log", "fixtures/seed/cross-node.log")
            >>> flows.matrix("src_workload", "dst_workload", value="response_bytes").to_dict()
            {'httpbin': {'doks-debug': 19664}}
        """
        import pandas as pd

        from ztflow.aggregate.matrix import matrix
        from ztflow.plot.frames import MatrixFrame

        self._known([rows, columns])
        made = matrix(self.to_arrow(), rows, columns, value)
        frame = MatrixFrame(
            made.cells, index=pd.Index(made.rows, name=rows), columns=pd.Index(made.columns, name=columns)
        )
        frame.attrs["value"] = value
        return frame

    def timeline(self, step: str | timedelta = "1min", by: str | None = None) -> TimelineFrame:
        """Connections and bytes over time.

        A connection is counted in the step it ended in. Its bytes are spread evenly over its life, because the log
        tells only their sum, so they add up but their course is a guess. Steps without traffic are there, with 0.

        Args:
            step: Length of a step: `10s`, `1min`, `1h`, or a `timedelta`.
            by: A column; each of its values gets rows of its own.

        Returns:
            A DataFrame with `time` (beginning of the step, a multiple of it), the column `by` where asked for, `flows`,
            `request_bytes`, `response_bytes`. `attrs["timeless"]` counts flows without a time, which are in no step,
            `attrs["step"]` is the length of one in seconds. Its `.plot()` is the course over time.

        Raises:
            UsageError: No such column, no duration, or more than `aggregate.timeline.MOST_CELLS` rows.

        Examples:
            >>> import ztflow
            >>> flows = ztflow.read_flows("fixtures/seed/same-node.log", "fixtures/seed/cross-node.log")
            >>> flows.timeline("5min")[["flows", "response_bytes"]].to_dict("list")
            {'flows': [1, 1], 'response_bytes': [9832, 9832]}
        """
        from ztflow.aggregate.timeline import timeline_frame
        from ztflow.filters.quantities import parse_duration
        from ztflow.plot.frames import TimelineFrame

        if by is not None:
            self._known([by])
        length = step if isinstance(step, timedelta) else parse_duration(step.replace("min", "m"))
        frame = timeline_frame(self.to_arrow(), length, by)
        made = TimelineFrame(frame)
        made.attrs = frame.attrs
        return made

    def at(self, place: str) -> Flow:
        """The flow that one of its log lines names.

        Args:
            place: `FILE:LINE`, of either half; `Flow.id` and the column `id` of `select` are such places.

        Raises:
            UsageError: No flow has this line, or several have, as with a JSON document on one line.

        Examples:
            >>> import ztflow
            >>> flows = ztflow.read_flows("fixtures/seed/cross-node.log")
            >>> flows.at("fixtures/seed/cross-node.log:3").id
            'fixtures/seed/cross-node.log:4'
        """
        from ztflow.errors import UsageError

        found = self.all_at(place)
        if len(found) == 1:
            return self._flows()[found[0]]
        if found:
            raise UsageError(
                f"{len(found):,} flows have the line {place}, a document of many records; `all_at` gives all"
            )
        raise UsageError(f"no flow has the line {place}; `ztflow explain {place}` says what is in it")

    def all_at(self, place: str) -> list[int]:
        """The rows of the flows that have a log line at a place, as `at` takes it: several where it is a document."""
        import pyarrow.compute as pc

        file, _, number = place.rpartition(":")
        if not (number.isascii() and number.isdecimal() and len(number) <= _LINE_DIGITS):
            return []
        rows, found = self.to_arrow(), set[int]()
        for side in Direction:
            named = pc.equal(rows[f"{side}_file"].cast("string"), file)
            found |= set(pc.indices_nonzero(pc.and_(named, pc.equal(rows[f"{side}_line"], int(number)))).to_pylist())
        return sorted(found)

    def lines(self, flow: Flow) -> list[str]:
        """The raw log lines of a flow, the outbound half's first, read again from the inputs.

        A record that a wrapper cut into several lines gives its first.

        Args:
            flow: One of these flows.

        Raises:
            SourceError: An input was a pipe, is no longer there, or is shorter than it was.

        Examples:
            >>> import ztflow
            >>> flows = ztflow.read_flows("fixtures/seed/cross-node.log")
            >>> [line.split("direction=")[1][:10] for line in flows.lines(flows[0])]
            ['"outbound"', '"inbound" ']
        """
        from ztflow.read.raw_lines import raw_line

        places = ((flow.outbound_file, flow.outbound_line), (flow.inbound_file, flow.inbound_line))
        return [raw_line(file, line) for file, line in places if file is not None and line is not None]

    def _repr_html_(self) -> str:
        if not len(self) or self._table.column_names != self.schema.names:
            return super()._repr_html_()
        from ztflow.writers.notebook import flows_html

        return flows_html(type(self).__name__, self._table)

    def _flows(self) -> Flows:
        """These answers' flows: the table itself, which is of the one class that has them."""
        return cast("Flows", self)
