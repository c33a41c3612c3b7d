"""The rows of `waypoint_requests`, made from the lines of waypoints' logs and the connections of ztunnel's."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterator
from datetime import datetime
from typing import Any, Generic, NamedTuple, TypeAlias, TypeVar

import numpy as np
import pyarrow as pa

from ztflow.aggregate import UNKNOWN, View
from ztflow.aggregate.measures import extremes
from ztflow.columns.dictionaries import combinations
from ztflow.columns.dtypes import BoolArray, Integers
from ztflow.columns.grouping import Groups, Members, group
from ztflow.model.provenance import join_host_port
from ztflow.model.request_outcomes import meaning, refusal
from ztflow.model.tables import Flows
from ztflow.model.vocabulary import REFUSED, RequestOutcome
from ztflow.parse.classify import host_port
from ztflow.place.names import qualified, workload_of_pod
from ztflow.reports.request_counts import SERVER_ERROR
from ztflow.reports.waypoint_hops import WaypointTraffic
from ztflow.reports.waypoint_request_sums import added, sums_of
from ztflow.reports.waypoint_requests import (
    FailedRequests,
    RefusedRequests,
    RequestPair,
    Requests,
    RequestServer,
    RequestSums,
    WaypointLog,
)

_CLEARLY = 2
"""How many times more of a log's requests must be of one waypoint's clients than of any other's: then it is its log."""

_OWN_ERROR = "the server's own answer"

Name = TypeVar("Name", bound=Hashable)
Other = TypeVar("Other", bound=Hashable)
_Log: TypeAlias = tuple[str, str | None]
"""File and pod."""
_Hop: TypeAlias = tuple[str | None, str | None, int | None]
"""Waypoint, server and port."""


class _Named(NamedTuple, Generic[Name]):
    """A property of every row.

    Attributes:
        codes: Which of `all` each row has.
        all: Every value, once.
    """

    codes: Integers
    all: list[Name]

    def of(self, row: int) -> Name:
        """That of a row."""
        return self.all[int(self.codes[row])]

    def renamed(self, name: Callable[[Name], Other]) -> _Named[Other]:
        """Another property, that this one tells."""
        index: dict[Other, int] = {}
        numbers = np.array([index.setdefault(name(one), len(index)) for one in self.all], np.int64)
        return _Named(numbers[self.codes] if len(numbers) else self.codes, list(index))


class _Server(NamedTuple):
    """A server as the waypoint dialled it; all None for none."""

    workload: str | None = None
    pod: str | None = None
    port: int | None = None


def requests_of(flows: Flows, traffic: WaypointTraffic) -> Requests | None:
    """What the logs of waypoints say of requests; None where none was read.

    Args:
        flows: The connections, with `Flows.requests`.
        traffic: Those of them that are waypoints'.

    Cost: some 2 s for 1 M requests.
    """
    if flows.requests is None:
        return None
    rows, left_out = _chosen(flows, flows.requests)
    unexplained = sum(join.unexplained for join in flows.joins if join.gaps)
    return _Rows(rows, flows, traffic).answer(left_out, unexplained)


def _chosen(flows: Flows, rows: pa.Table) -> tuple[pa.Table, int]:
    """The requests of clients and services that have a connection, where filters chose some; how many are left out."""
    if len(flows) == flows.read or not len(rows):
        return rows, 0
    table = flows.to_arrow()
    found, _ = combinations([table[name] for name in ("src_ip", "hbone_host", "hbone_port")])
    pairs = {(ip, join_host_port(host, port)) for ip, host, port in found if host is not None and port is not None}
    kinds, which = combinations([rows["client_ip"], rows["authority"]])
    mask: BoolArray = np.array([kind in pairs for kind in kinds], np.bool_)[which]
    return rows.filter(pa.array(mask)), int(rows["requests"].to_numpy()[~mask].sum())


class _Some(NamedTuple):
    """Some rows in groups.

    Attributes:
        rows: Their numbers among all.
        codes: The group of each.
        heads: One row of each group, by its number among all.
    """

    rows: Integers
    codes: Integers
    heads: list[int]


class _Rows:
    """Requests, with the names of all they are about."""

    def __init__(self, rows: pa.Table, flows: Flows, traffic: WaypointTraffic) -> None:
        self._view, self._owners, self._traffic = View(rows), flows.owners, traffic
        self._count = self._view.numbers("requests")[0]
        services = _services(flows.to_arrow())

        def service(authority: str | None, host: str | None) -> str:
            return services.get(authority) or host or authority or UNKNOWN

        self._clients = self._named(lambda pod, ip: self._workload(pod) or ip or UNKNOWN, "client_pod", "client_ip")
        self._services = self._named(service, "authority", "host")
        self._pods = self._named(self._server, "upstream", "server_pod")
        self._servers = self._pods.renamed(lambda server: (server.workload, server.port))
        self._logs = self._named(lambda file, pod: (file or UNKNOWN, pod), "file", "pod")
        of_log = self._waypoints_of_logs()
        self._waypoints = self._logs.renamed(lambda log: of_log[log])

    def answer(self, left_out: int, unexplained: int) -> Requests:
        """All rows."""
        every = self._in_groups(None)
        unnamed = ~(self._view.known("client_ip") | self._view.known("client_pod"))
        (total,) = sums_of(self._view, every.codes, 1)
        return Requests(
            total,
            self._pairs(),
            self._by_server(),
            self._refused(),
            self._failed(),
            self._by_log(),
            left_out,
            unexplained,
            int(self._count[unnamed].sum()),
        )

    # ---- names

    def _named(self, name: Callable[..., Name], *columns: str) -> _Named[Name]:
        found, which = combinations([self._view.table[column] for column in columns])
        return _Named(which, found).renamed(lambda values: name(*values))

    def _together(self, *named: _Named[Any]) -> _Named[Any]:
        """Several properties as one."""
        groups = group([(one.codes, len(one.all)) for one in named], len(self._view))
        return _Named(groups.codes, [tuple(one.of(row) for one in named) for row in groups.first.tolist()])

    def _workload(self, pod: str | None) -> str | None:
        if pod is None:
            return None
        namespace, slash, _ = pod.partition("/")
        return qualified(namespace if slash else None, workload_of_pod(pod, self._owners)[0])

    def _server(self, upstream: str | None, pod: str | None) -> _Server:
        if upstream is None:
            return _Server()
        ip, port = host_port(upstream)
        return _Server(self._workload(pod) or ip or upstream, pod, port)

    def _waypoints_of_logs(self) -> dict[_Log, str | None]:
        """The workload that wrote each log: that of its pod, or the one whose clients its requests are of."""
        traffic = self._traffic
        names = ("src_ip", "hbone_host", "hbone_port", "dst_name")
        by_pod: dict[str | None, str] = {}
        asked: dict[tuple[str, str | None], set[str]] = defaultdict(set)
        for (ip, host, port, name), waypoint, _ in _hops(traffic.view, traffic.to, traffic.to_waypoint, names):
            workload = traffic.ends.id(waypoint)
            by_pod[name] = workload
            if host is not None and port is not None:
                asked[ip, join_host_port(host, port)].add(workload)
        pairs = self._named(lambda *pair: pair, "client_ip", "authority")
        votes: dict[_Log, Counter[str]] = defaultdict(Counter)
        some = self._in_groups(None, self._logs, pairs)
        for row, count in zip(some.heads, self._tally(some), strict=True):
            for workload in asked.get(pairs.of(row), ()):
                votes[self._logs.of(row)][workload] += count
        return {log: (log[1] and by_pod.get(log[1])) or _clear(votes[log]) for log in self._logs.all}

    # ---- groups

    def _in_groups(self, mask: BoolArray | None, *named: _Named[Any]) -> _Some:
        rows = np.arange(len(self._view)) if mask is None else np.flatnonzero(mask)
        groups = group([(one.codes[rows], len(one.all)) for one in named], len(rows))
        return _Some(rows, groups.codes, rows[groups.first].tolist())

    def _tally(self, some: _Some) -> list[int]:
        found: list[int] = added(self._count[some.rows], some.codes, len(some.heads)).tolist()
        return found

    def _sums(self, some: _Some) -> list[RequestSums]:
        return sums_of(self._view.take(some.rows), some.codes, len(some.heads))

    def _seen(self, some: _Some, name: str, how: str) -> list[datetime | None]:
        return extremes(self._view.numbers(name)[0][some.rows], some.codes, len(some.heads), how)

    # ---- rows

    def _pairs(self) -> tuple[RequestPair, ...]:
        named = (self._clients, self._waypoints, self._services, self._servers)
        some = self._in_groups(None, *named)
        rows = [
            RequestPair(
                self._clients.of(row), self._waypoints.of(row), self._services.of(row), *self._servers.of(row), made
            )
            for row, made in zip(some.heads, self._sums(some), strict=True)
        ]
        return tuple(
            sorted(rows, key=lambda row: (-row.sums.lines, *_told(row.source, row.service, row.target, row.port)))
        )

    def _by_server(self) -> tuple[RequestServer, ...]:
        some = self._in_groups(self._view.known("upstream"), self._waypoints, self._pods)
        traffic = self._traffic
        names = ("dst_pod", "dst_namespace", "dst_name", "hbone_host", "dst_ip", "hbone_port", "dst_port", "verdict")
        hops, refused = Counter[_Hop](), Counter[_Hop]()
        for values, vertex, count in _hops(traffic.view, traffic.back, traffic.back_waypoint, names):
            named, namespace, name, host, ip, hbone_port, port, verdict = values
            server = named or qualified(namespace, name) or host or ip
            key: _Hop = traffic.ends.id(vertex), server, port if hbone_port is None else hbone_port
            hops[key] += count
            refused[key] += count * (verdict in REFUSED)
        rows = []
        for row, made in zip(some.heads, self._sums(some), strict=True):
            waypoint, pod = self._waypoints.of(row), self._pods.of(row)
            known = pod.workload or UNKNOWN
            hop: _Hop = waypoint, pod.pod or known, pod.port
            rows.append(RequestServer(waypoint, known, pod.pod, pod.port, made, hops[hop], refused[hop]))
        return tuple(
            sorted(rows, key=lambda row: (-row.sums.lines, *_told(row.waypoint, row.target, row.pod, row.port)))
        )

    def _refused(self) -> tuple[RefusedRequests, ...]:
        code: _Named[int | None] = self._named(lambda value: value, "code")
        why = self._named(refusal, "flags", "details")
        who: _Named[tuple[str, str | None, str, int | None]] = self._together(
            self._clients, self._waypoints, self._services, code
        )
        answered = self._in_groups(self._view.equals("outcome", RequestOutcome.ANSWERED), who)
        own = {who.of(row): count for row, count in zip(answered.heads, self._tally(answered), strict=True)}
        some = self._in_groups(self._view.equals("outcome", RequestOutcome.REFUSED), who, why)
        rows = [
            RefusedRequests(*who.of(row), *why.of(row), count, own.get(who.of(row), 0), last)
            for row, count, last in zip(some.heads, self._tally(some), self._seen(some, "last", "max"), strict=True)
        ]
        return tuple(
            sorted(
                rows,
                key=lambda row: (-row.requests, *_told(row.source, row.service, row.policy, row.by, row.why, row.code)),
            )
        )

    def _failed(self) -> tuple[FailedRequests, ...]:
        view = self._view
        wrong = view.equals("outcome", RequestOutcome.ANSWERED) & (view.numbers("code")[0] >= SERVER_ERROR)
        wrong |= view.equals("outcome", RequestOutcome.FAILED, RequestOutcome.GAVE_UP)
        what = self._named(lambda *values: values, "outcome", "code", "flags", "details")
        some = self._in_groups(wrong, self._waypoints, self._services, self._servers, what)
        whose = Members(
            Groups(some.codes, np.array(some.heads)), self._clients.codes[some.rows], len(self._clients.all)
        )
        seen = self._seen(some, "first", "min"), self._seen(some, "last", "max")
        rows = []
        for row, count, clients, *times in zip(some.heads, self._tally(some), whose, *seen, strict=True):
            outcome, code, flags, details = what.of(row)
            told = meaning(flags) or (
                _OWN_ERROR if outcome == RequestOutcome.ANSWERED else RequestOutcome(outcome).meaning
            )
            names = tuple(sorted(self._clients.all[client] for client in clients))
            where = self._waypoints.of(row), self._services.of(row), *self._servers.of(row)
            rows.append(FailedRequests(*where, outcome, code, flags, told, details, names, count, *times))
        order = [RequestOutcome.FAILED, RequestOutcome.ANSWERED, RequestOutcome.GAVE_UP]
        return tuple(
            sorted(
                rows,
                key=lambda row: (
                    order.index(RequestOutcome(row.outcome)),
                    -row.requests,
                    *_told(row.service, row.target, row.port, row.flags, row.details, row.code, row.waypoint),
                ),
            )
        )

    def _by_log(self) -> tuple[WaypointLog, ...]:
        some = self._in_groups(None, self._logs)
        rows = [
            WaypointLog(*self._logs.of(row), self._waypoints.of(row), made)
            for row, made in zip(some.heads, self._sums(some), strict=True)
        ]
        return tuple(sorted(rows, key=lambda row: _told(row.file, row.pod)))


def _services(flows: pa.Table) -> dict[str | None, str]:
    """What clients' ztunnels asked waypoints for → the service, where it is one."""
    found, _ = combinations([flows[name] for name in ("hbone_host", "hbone_port", "dst_service")])
    names: dict[str | None, set[str]] = defaultdict(set)
    for host, port, service in found:
        if None not in (host, port, service):
            names[join_host_port(host, port)].add(service)
    return {authority: one for authority, (one, *more) in names.items() if not more}


def _hops(
    view: View, rows: Integers, waypoints: Integers, names: tuple[str, ...]
) -> Iterator[tuple[tuple[Any, ...], int, int]]:
    """Distinct values of some columns and waypoint, and how many of the rows have them."""
    table = view.table.select(list(names)).take(pa.array(rows))
    found, which = combinations([*table.columns, pa.chunked_array([pa.array(waypoints, pa.int64())])])
    for (*values, waypoint), count in zip(found, np.bincount(which, minlength=len(found)).tolist(), strict=True):
        yield tuple(values), waypoint, count


def _clear(votes: Counter[str]) -> str | None:
    best = votes.most_common(2)
    if not best or (len(best) > 1 and best[0][1] < _CLEARLY * best[1][1]):
        return None
    return best[0][0]


def _told(*values: str | int | None) -> tuple[tuple[bool, str], ...]:
    """A key to sort by, whatever is unknown."""
    return tuple((value is None, f"{value:>9}" if isinstance(value, int) else value or "") for value in values)
