"""`Capture`: simulated logs, and the truth about them."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np

from ztflow.columns.dtypes import IntArray
from ztflow.errors import UsageError
from ztflow.files.placing import Placed
from ztflow.model.provenance import join_host_port
from ztflow.simulate.cluster import NO_NODE, Cluster, Role
from ztflow.simulate.delivery import BLOCK, MISSING, File, positions, texts
from ztflow.simulate.kinds import KINDS, Half, Kind
from ztflow.simulate.l7.envoy import RequestLog
from ztflow.simulate.l7.plan import End, path_of
from ztflow.simulate.l7.waypoint import Waypoint
from ztflow.simulate.layout import Layout, Side
from ztflow.simulate.lines import Lines, NodeClocks, speaker_of
from ztflow.simulate.scenario import Scenario
from ztflow.simulate.timing import Course
from ztflow.simulate.traffic import Connections

if TYPE_CHECKING:
    import pyarrow as pa

TRUTH_COLUMNS = (
    "id", "kind", "src_pod", "src_node", "dst_pod", "dst_node", "asked", "client_addr", "outbound", "inbound",
    "next_hop_inbound", "matched_by",
)  # fmt: skip
"""Columns of `truth.tsv`; `-` is nothing."""

WAYPOINT_COLUMNS = ("waypoint_line", "all_next_hops")
"""With a waypoint's log also: its lines of the connection, and those of the connections that carried its requests."""

REQUEST_COLUMNS = (
    "request", "connection", "nth_on_connection", "method", "path", "end", "outbound", "waypoint_line", "server_pod",
    "inbound", "first_inbound",
)  # fmt: skip
"""Columns of `requests.tsv`, a row a request: `connection` is the `id` of `truth.tsv`, `inbound` the line of the
connection to the server that carried it, `first_inbound` that of a first attempt that failed."""

NOTHING = "-"


@dataclass(frozen=True)
class Capture:
    """What a scenario left: logs as a reader finds them, and what really happened.

    Attributes:
        scenario: What was simulated.
        seed: With the scenario it gives the same bytes again (with one release of NumPy).
        begin: Microseconds since 1970 at which the first connection could start.
        cluster: Nodes, pods and services.
        connections: What clients did.
        course: What became of it, by true time.
        clocks: How wrong each node's clock is.
        lines: Every line ztunnels wrote, also those that did not arrive.
        files: Which lines are in which file.
        waypoint: What a waypoint that works on requests did; None where there is none.
        request_log: What it wrote.
    """

    scenario: Scenario
    seed: int
    begin: int
    cluster: Cluster
    connections: Connections
    course: Course
    clocks: NodeClocks
    lines: Lines
    files: tuple[File, ...]
    waypoint: Waypoint | None = None
    request_log: RequestLog | None = None

    @cached_property
    def logs(self) -> MappingProxyType[str, bytes]:
        """File name → content. Memory: some 500 bytes a line; `write` does without."""
        logs = {file.name: b"".join(self.content(file)) for file in self.files}
        if self.request_log is not None:
            logs[self.request_log.name] = b"".join(self.request_log.lines)
        return MappingProxyType(logs)

    def content(self, file: File) -> Iterator[bytes]:
        """The bytes of a file, in pieces of some 16 MB."""
        for block in texts(self.lines, file.order):
            yield "".join(block).encode()

    @property
    def pods_txt(self) -> str:
        """`kubectl get pods -A -o wide`."""
        return self.cluster.pods_txt()

    @property
    def nodes_txt(self) -> str:
        """`kubectl get nodes --show-labels`."""
        return self.cluster.nodes_txt()

    def arriving(self) -> Iterator[tuple[float, str, bytes]]:
        """Lines of all files as they come in: seconds since the beginning, file name, text with its end."""
        arrival = np.concatenate([file.arrival for file in self.files]) if self.files else np.zeros(0)
        order = np.concatenate([file.order for file in self.files]) if self.files else np.zeros(0, dtype=np.int64)
        owner = np.repeat(np.arange(len(self.files)), [len(file.order) for file in self.files])
        merged = np.argsort(arrival, kind="stable")
        at = iter(zip(arrival[merged].tolist(), owner[merged].tolist(), strict=True))
        lines = (
            (second, self.files[place].name, text.encode())
            for block in texts(self.lines, order[merged])
            for text, (second, place) in zip(block, at, strict=False)
        )
        log = self.request_log
        own = () if log is None else ((second, log.name, text) for second, text in
                                      zip(log.arrival.tolist(), log.lines, strict=True))  # fmt: skip
        return heapq.merge(lines, own, key=lambda line: line[0])

    @cached_property
    def access_lines(self) -> int:
        """Access lines in the logs, copies included."""
        return int(sum((self.lines.connection[file.order] != NO_NODE).sum() for file in self.files))

    @cached_property
    def truth(self) -> pa.Table:
        """One row a connection, in the columns of `TRUTH_COLUMNS`, all text."""
        return self._truth_table(0, self.connections.count)

    @cached_property
    def halves(self) -> pa.Table:
        """File and line of each connection's halves and the true time of each: the truth that pairing is scored by.

        Columns: `id` int64; `outbound_file`, `outbound_line`, `inbound_file`, `inbound_line`, `next_hop_file`,
        `next_hop_line` (null where there is none); `outbound_end`, `inbound_end` in true seconds since the beginning,
        by one perfect clock (also where the line is lost or was never written); `tunnel` int64.
        """
        import pyarrow as pa

        columns: dict[str, pa.Array] = {"id": pa.array(np.arange(1, self.connections.count + 1))}
        for side, name in _SIDE_NAMES.items():
            file, line = self._places[side]
            names = np.array([one.name for one in self.files] + [""], dtype=object)
            columns[f"{name}_file"] = pa.array(names[file], mask=line == MISSING, type=pa.string())
            columns[f"{name}_line"] = pa.array(line, mask=line == MISSING)
        columns["outbound_end"] = pa.array(self.course.outbound_end)
        columns["inbound_end"] = pa.array(self.course.inbound_end)
        columns["tunnel"] = pa.array(self.course.tunnel, mask=self.course.tunnel == NO_NODE)
        return pa.table(columns)

    @cached_property
    def _places(self) -> dict[Side, tuple[IntArray, IntArray]]:
        """File and line number of each side's line of every connection."""
        return {side: self._placed(side, 0, self.connections.count) for side in _SIDE_NAMES}

    def _placed(self, side: Side, begin: int, count: int) -> tuple[IntArray, IntArray]:
        file_of, line_of = np.full(count, len(self.files)), np.full(count, MISSING)
        for place, file in enumerate(self.files):
            found = positions(file, self.lines)
            rows = np.flatnonzero((found != MISSING) & (self.lines.side == int(side)))
            file_of[self.lines.connection[rows] - begin] = place
            line_of[self.lines.connection[rows] - begin] = found[rows]
        return file_of, line_of

    @cached_property
    def _hop_places(self) -> list[str]:
        """Line of each connection a waypoint's pool made, and nothing for none."""
        assert self.waypoint is not None
        file, line = self._placed(Side.POOLED, self.connections.count, len(self.waypoint.hops.server))
        return [*map(self._place, file.tolist(), line.tolist()), NOTHING]

    def _place(self, file: int, line: int) -> str:
        return NOTHING if line == MISSING else f"{self.files[file].name}:{line}"

    @cached_property
    def requests(self) -> pa.Table:
        """One row a request, in the columns of `REQUEST_COLUMNS`, all text; no row without a waypoint's log."""
        import pyarrow as pa

        rows = list(self._request_rows())
        return pa.table({name: pa.array([row[at] for row in rows], pa.string()) for at, name in
                         enumerate(REQUEST_COLUMNS)})  # fmt: skip

    def _request_rows(self) -> Iterator[tuple[str, ...]]:
        if self.waypoint is None or self.request_log is None:
            return
        outbound = [*map(self._place, *(values.tolist() for values in self._places[Side.OUTBOUND]))]
        some = self.waypoint.requests
        columns = (some.connection, some.nth, some.post, some.number, some.end, self.waypoint.server, self.waypoint.hop,
                   self.waypoint.first_hop, self.request_log.line_of)  # fmt: skip
        for number, (connection, nth, post, path, end, server, hop, first, line) in enumerate(
            zip(*(values.tolist() for values in columns), strict=True)
        ):
            tcp = end == End.TCP
            yield (
                str(number + 1), str(connection + 1), str(nth + 1), NOTHING if tcp else "POST" if post else "GET",
                NOTHING if tcp else path_of(path, refused=end == End.REFUSED), End(end).name.lower(),
                outbound[connection], f"{self.request_log.name}:{line}",
                NOTHING if hop < 0 else self.cluster.pods[server].name, self._hop_places[hop],
                self._hop_places[first] if first != hop else NOTHING,
            )  # fmt: skip

    @cached_property
    def _of_connections(self) -> dict[int, tuple[list[str], list[str]]]:
        """Lines of a waypoint's log and of its connections to servers, by connection."""
        found: dict[int, tuple[list[str], list[str]]] = {}
        for row in self._request_rows():
            lines, hops = found.setdefault(int(row[1]) - 1, ([], []))
            lines.append(row[7])
            hops += [place for place in (row[10], row[9]) if place not in {*hops, NOTHING}]
        return found

    def _truth_columns(self, begin: int, end: int) -> dict[str, list[str]]:
        """Some rows of the truth; all at once would need some 2 kB a row."""
        made, cluster = self.connections, self.cluster
        some = slice(begin, end)
        nodes = [node.name for node in cluster.nodes]
        names = [NOTHING if pod.role is Role.OUTSIDE else pod.name for pod in cluster.pods] + [NOTHING]
        homes = [NOTHING if pod.node == NO_NODE else nodes[pod.node] for pod in cluster.pods] + [NOTHING]
        through = (made.via != NO_NODE) & ~made.of(Kind.DOUBLE_HBONE)
        seen = np.where(through, made.via, made.server)[some].tolist()
        client = made.client[some].tolist()
        own = zip(
            client, made.ipv6[some].tolist(), self.course.client_port[some].tolist(),
            made.of(Kind.GATEWAY)[some].tolist(), strict=True,
        )  # fmt: skip
        columns: dict[str, list[str]] = {
            "id": [str(number + 1) for number in range(begin, begin + len(client))],
            "kind": [str(KINDS[code]) for code in made.kind[some].tolist()],
            "src_pod": [names[pod] for pod in client],
            "src_node": [homes[pod] for pod in client],
            "dst_pod": [names[pod] for pod in seen],
            "dst_node": [homes[pod] for pod in seen],
            "asked": self._asked(range(begin, begin + len(client))),
            "client_addr": [
                NOTHING if away else str(join_host_port(cluster.pods[pod].ip6 if six else cluster.pods[pod].ip, port))
                for pod, six, port, away in own
            ],
            "matched_by": ["simulated"] * len(client),
        }
        for side, name in _SIDE_NAMES.items():
            file, line = (values[some].tolist() for values in self._places[side])
            columns["next_hop_inbound" if side is Side.HOP else name] = [*map(self._place, file, line)]
        if self.waypoint is not None:
            mine = [self._of_connections.get(row, ([], [])) for row in range(begin, begin + len(client))]
            for at, name in enumerate(WAYPOINT_COLUMNS):
                columns[name] = [",".join(one[at]) or NOTHING for one in mine]
        return columns

    def _asked(self, rows: range) -> list[str]:
        """The address each client dialled."""
        layout = Layout(self.scenario, self.cluster)
        made = self.connections
        known: dict[tuple[int, ...], str] = {}
        result = []
        some = slice(rows.start, rows.stop)
        keys = zip(
            *(values[some].tolist() for values in (made.server, made.service, made.asked_port, made.ipv6)), strict=True
        )
        for row, key in zip(rows, keys, strict=True):
            text = known.get(key)
            if text is None:
                asked = layout.asked(speaker_of(made, row, Side.OUTBOUND, Half()))
                text = known[key] = str(join_host_port(*asked))
            result.append(text)
        return result

    def _truth_table(self, begin: int, end: int) -> pa.Table:
        import pyarrow as pa

        columns = self._truth_columns(begin, end)
        return pa.table({name: pa.array(columns[name], type=pa.string()) for name in self._truth_names})

    @property
    def _truth_names(self) -> tuple[str, ...]:
        return TRUTH_COLUMNS if self.waypoint is None else TRUTH_COLUMNS + WAYPOINT_COLUMNS

    def write(self, directory: str | Path, *, written: Callable[[str], None] | None = None) -> None:
        """Write the logs, `truth.tsv`, `pods.txt` and `nodes.txt` into a directory, made if need be; each file whole.

        Args:
            directory: Where to.
            written: Called with the name of each file that is done.

        Raises:
            OutputError: A file cannot be written.
            UsageError: The directory holds logs of another run, which would be read as part of this one.
        """
        target = Path(directory)
        target.mkdir(parents=True, exist_ok=True)
        ours = {file.name for file in self.files}
        foreign = sorted(path.name for path in target.glob("ztunnel-*.log*") if path.name not in ours)
        if foreign:
            raise UsageError(f"{target} holds {foreign[0]} of another run; give an empty directory")
        from pyarrow import csv

        for file in self.files:
            with Placed(str(target / file.name)) as placed:
                for content in self.content(file):
                    placed.stream.write(content)
            self._done(file.name, written)
        options = csv.WriteOptions(include_header=False, delimiter="\t", quoting_style="none")
        with Placed(str(target / "truth.tsv")) as placed:
            placed.stream.write(("\t".join(self._truth_names) + "\n").encode())
            for begin in range(0, self.connections.count, BLOCK):
                csv.write_csv(self._truth_table(begin, begin + BLOCK), placed.stream, options)
        self._done("truth.tsv", written)
        if self.request_log is not None:
            with Placed(str(target / self.request_log.name)) as placed:
                placed.stream.writelines(self.request_log.lines)
            self._done(self.request_log.name, written)
            with Placed(str(target / "requests.tsv")) as placed:
                placed.stream.write(("\t".join(REQUEST_COLUMNS) + "\n").encode())
                csv.write_csv(self.requests, placed.stream, options)
            self._done("requests.tsv", written)
        for name, text in (("pods.txt", self.pods_txt), ("nodes.txt", self.nodes_txt)):
            with Placed(str(target / name)) as placed:
                placed.stream.write(text.encode())
            self._done(name, written)

    @staticmethod
    def _done(name: str, written: Callable[[str], None] | None) -> None:
        if written is not None:
            written(name)


_SIDE_NAMES = {Side.OUTBOUND: "outbound", Side.INBOUND: "inbound", Side.HOP: "next_hop"}
