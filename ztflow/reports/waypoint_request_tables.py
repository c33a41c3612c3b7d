"""What waypoints say of requests, as tables."""

from __future__ import annotations

from collections.abc import Iterator

from ztflow.model.vocabulary import RequestFate
from ztflow.reports.tables import Field, TitledTable, titled
from ztflow.reports.waypoint_requests import (
    FailedRequests,
    RefusedRequests,
    RequestPair,
    Requests,
    RequestServer,
    RequestSums,
    WaypointLog,
)
from ztflow.text.format import Unit, counted, share_text

_CODES = tuple(Field(f"{hundreds}xx", Unit.COUNT, adds=True) for hundreds in range(2, 6))
_FATES = tuple("no connection" if fate is RequestFate.STRAY else fate.value for fate in RequestFate)
_JOINED = tuple(Field(name, Unit.COUNT, adds=True, spare=True) for name in _FATES)
_PAIRS = (
    Field("client"), Field("waypoint"), Field("service"), Field("server"), Field("requests", Unit.COUNT, adds=True),
    Field("tcp", Unit.COUNT, adds=True), Field("bytes", Unit.BYTES, adds=True), *_CODES,
    Field("refused", Unit.COUNT, adds=True), Field("failed", Unit.COUNT, adds=True),
    Field("gave up", Unit.COUNT, adds=True), Field("p50", Unit.MS), Field("p99", Unit.MS), *_JOINED,
)  # fmt: skip
_SERVERS = (
    Field("waypoint"), Field("server"), Field("requests", Unit.COUNT, adds=True), Field("tcp", Unit.COUNT, adds=True),
    Field("received", Unit.BYTES, adds=True), Field("sent", Unit.BYTES, adds=True), *_CODES,
    Field("failed", Unit.COUNT, adds=True), Field("gave up", Unit.COUNT, adds=True), Field("p50", Unit.MS),
    Field("p90", Unit.MS), Field("p99", Unit.MS), Field("max", Unit.MS), Field("server p50", Unit.MS, spare=True),
    Field("server p99", Unit.MS, spare=True), Field("conns", Unit.COUNT, adds=True, spare=True),
    Field("refused by ztunnel", Unit.COUNT, adds=True, spare=True),
)  # fmt: skip
_REFUSED_COLUMNS = (
    Field("client"), Field("waypoint", spare=True), Field("service"), Field("code", Unit.NUMBER), Field("by"),
    Field("policy"), Field("why"), Field("requests", Unit.COUNT, adds=True),
    Field("server's own", Unit.COUNT, adds=True), Field("last", Unit.TIME, spare=True),
)  # fmt: skip
_FAILED = (
    Field("outcome"), Field("waypoint", spare=True), Field("service"), Field("server"), Field("code", Unit.NUMBER),
    Field("flags"), Field("meaning"), Field("requests", Unit.COUNT, adds=True), Field("clients"),
    Field("details", spare=True), Field("first", Unit.TIME, spare=True), Field("last", Unit.TIME, spare=True),
)  # fmt: skip
_LOGS = (
    Field("log"), Field("waypoint"), Field("requests", Unit.COUNT, adds=True), Field("tcp", Unit.COUNT, adds=True),
    *(Field(one.title, one.unit, adds=True) for one in _JOINED), Field("first", Unit.TIME), Field("last", Unit.TIME),
)  # fmt: skip


def request_tables(found: Requests | None, limit: int | None) -> list[TitledTable]:
    """Who asked whom, the servers, what was refused, what failed, and the logs; none where no log was read."""
    if found is None:
        return []
    return [
        titled("Requests", _PAIRS, list(map(_pair, found.pairs)), limit),
        titled("Requests by server", _SERVERS, list(map(_server_row, found.servers)), limit),
        titled("Refused by the waypoint", _REFUSED_COLUMNS, list(map(_refused, found.refused)), limit),
        titled("Failed requests, as the waypoint tells it", _FAILED, list(map(_failed, found.failed)), limit),
        titled("Logs of waypoints", _LOGS, list(map(_log, found.logs)), limit),
    ]


def _server(target: str | None, port: int | None) -> str | None:
    return target if target is None or port is None else f"{target}:{port}"


def _by_hundreds(sums: RequestSums) -> tuple[int, ...]:
    return tuple(sums.coded(hundreds) for hundreds in range(2, 6))


def _pair(row: RequestPair) -> tuple[object, ...]:
    sums = row.sums
    return (
        row.source, row.waypoint, row.service, _server(row.target, row.port), sums.requests, sums.tcp,
        sums.received + sums.sent, *_by_hundreds(sums), sums.refused, sums.failed, sums.gave_up, sums.p50_ms,
        sums.p99_ms, sums.joined, sums.maybe, sums.stray,
    )  # fmt: skip


def _server_row(row: RequestServer) -> tuple[object, ...]:
    sums = row.sums
    return (
        row.waypoint, _server(row.pod or row.target, row.port), sums.requests, sums.tcp, sums.received, sums.sent,
        *_by_hundreds(sums), sums.failed, sums.gave_up, sums.p50_ms, sums.p90_ms, sums.p99_ms, sums.max_ms,
        sums.server_p50_ms, sums.server_p99_ms, row.hops, row.hops_refused,
    )  # fmt: skip


def _refused(row: RefusedRequests) -> tuple[object, ...]:
    return (
        row.source, row.waypoint, row.service, row.code, row.by, row.policy, row.why, row.requests, row.servers_own,
        row.last_seen,
    )  # fmt: skip


def _failed(row: FailedRequests) -> tuple[object, ...]:
    return (
        row.outcome.replace("_", " "), row.waypoint, row.service, _server(row.target, row.port), row.code, row.flags,
        row.meaning, row.requests, row.clients, row.details, row.first_seen, row.last_seen,
    )  # fmt: skip


def _log(row: WaypointLog) -> tuple[object, ...]:
    sums = row.sums
    return (
        row.file if row.pod is None else f"{row.file} ({row.pod})", row.waypoint, sums.requests, sums.tcp, sums.joined,
        sums.maybe, sums.stray, sums.first_seen, sums.last_seen,
    )  # fmt: skip


def request_notes(found: Requests | None) -> Iterator[str]:
    """What the tables rest on."""
    if found is None:
        return
    total = found.total
    lines = f"{counted(total.requests, 'request')} and {counted(total.tcp, 'connection')} of plain TCP"
    if total.joined is not None and total.maybe is not None and total.stray is not None:
        judged = total.joined + total.maybe + total.stray
        rest = (
            f"the connection of {total.joined:,} ({share_text(total.joined / judged)}) is decided, {total.maybe:,} may "
            f"be of several, {total.stray:,} are in none that ztunnel's log has"
        )
    else:
        rest = (
            "they were added up as they came, so none was joined to a connection of ztunnel's log, and time limits "
            "leave them as they are"
        )
    yield f"Requests are the lines of waypoints' logs, so as far as these go all sums are exact: {lines}; {rest}."
    yield (
        "Failed, refused and gave up are the waypoint's words. Times are from a request's first byte to the answer's "
        "last at the waypoint, of requests a server answered; server p50 and p99 until its answer began."
    )
    if refused := sum(row.hops_refused for row in found.servers):
        yield (
            f"ztunnel calls {counted(refused, 'connection')} of waypoints to servers refused or failed. A waypoint "
            "keeps connections for many requests and ends them as it likes: which requests failed its own log says."
        )
    if total.untold:
        yield f"Of {counted(total.untold, 'request')} nothing in the log tells who answered."
    if found.unexplained:
        yield (
            f"No requests explain {counted(found.unexplained, 'connection')}, so a waypoint's log must lack lines, and "
            "there were more requests than these."
        )
    if found.left_out:
        yield (
            f"Filters choose connections: left out are {counted(found.left_out, 'request')} of clients and services "
            "without a connection among those chosen."
        )
    if found.unnamed:
        yield f"There were too many different requests to tell all clients apart: {found.unnamed:,} are of any."
    if unclear := [row.file for row in found.logs if row.waypoint is None]:
        yield f"It is not clear whose log {', '.join(unclear)} is."
