"""A waypoint's access log, as Envoy writes it with Istio's text format or JSON encoding."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from ztflow.columns.dtypes import FloatArray, IntArray
from ztflow.model.provenance import join_host_port
from ztflow.simulate.cluster import Cluster
from ztflow.simulate.l7.plan import BY_ITSELF, NO_SERVICE_TIME, End, path_of, whole_ms
from ztflow.simulate.l7.waypoint import Waypoint
from ztflow.simulate.lines import NodeClocks
from ztflow.simulate.scenario import Scenario
from ztflow.simulate.templates import log_name, wrapped
from ztflow.simulate.traffic import Connections
from ztflow.waypoint.formats import ISTIO_TEXT

_KEYS: Final = {
    "START_TIME": "start_time", "ROUTE_NAME": "route_name", "REQ(:METHOD)": "method",
    "REQ(X-ENVOY-ORIGINAL-PATH?:PATH)": "path", "PROTOCOL": "protocol", "RESPONSE_CODE": "response_code",
    "RESPONSE_FLAGS": "response_flags", "RESPONSE_CODE_DETAILS": "response_code_details",
    "CONNECTION_TERMINATION_DETAILS": "connection_termination_details", "BYTES_RECEIVED": "bytes_received",
    "BYTES_SENT": "bytes_sent", "DURATION": "duration", "RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)": "upstream_service_time",
    "REQ(X-FORWARDED-FOR)": "x_forwarded_for", "REQ(USER-AGENT)": "user_agent", "REQ(X-REQUEST-ID)": "request_id",
    "REQ(:AUTHORITY)": "authority", "UPSTREAM_HOST": "upstream_host",
    "UPSTREAM_TRANSPORT_FAILURE_REASON": "upstream_transport_failure_reason",
    "UPSTREAM_CLUSTER_RAW": "upstream_cluster", "UPSTREAM_LOCAL_ADDRESS": "upstream_local_address",
    "DOWNSTREAM_LOCAL_ADDRESS": "downstream_local_address",
    "DOWNSTREAM_REMOTE_ADDRESS": "downstream_remote_address", "REQUESTED_SERVER_NAME": "requested_server_name",
}  # fmt: skip
"""Operator → key of Istio's JSON (istio/istio 1.24.0 pilot/pkg/model/telemetry_logging.go:60)."""

_TEXT: Final = re.sub(r"%([^%]+)%", lambda match: f"{{{_KEYS[match[1]]}}}", ISTIO_TEXT)

SAID: Final = {
    End.GOOD: (200, None, "via_upstream"),
    End.REFUSED: (403, None, "rbac_access_denied_matched_policy[ns[shop]-policy[no-admin]-rule[0]]"),
    End.MISSING: (404, None, "via_upstream"),
    End.BROKEN: (500, None, "via_upstream"),
    End.UNAVAILABLE: (503, "UH", "no_healthy_upstream"),
    End.RESET: (503, "UC", "upstream_reset_before_response_started{connection_termination}"),
    End.LATE: (504, "UT", "response_timeout"),
    End.ABORTED: (200, "DC", "downstream_remote_disconnect"),
    End.TCP: (0, None, None),
}
"""Code, flags and details of each end; those of captured runs but for UH and UT, which are of Envoy's documentation."""

_NOTICE: Final = (
    "warning\tenvoy main source/server/server.cc:1038\tThere is no configured limit to the number of allowed active "
    "downstream connections.\tthread=17"
)
_LATE: Final = 0.0001
"""Mean seconds until a line is written."""


@dataclass(frozen=True, slots=True)
class RequestLog:
    """The file.

    Attributes:
        name: Its name.
        lines: What is in it, with ends of line.
        arrival: True seconds at which each line arrives.
        line_of: Line of each request, from 1.
    """

    name: str
    lines: list[bytes]
    arrival: FloatArray
    line_of: IntArray


def request_log(
    scenario: Scenario, cluster: Cluster, made: Connections, waypoint: Waypoint, clocks: NodeClocks, begin: int,
    rng: np.random.Generator,
) -> RequestLog:  # fmt: skip
    """Write the log. Cost: some 15 µs a request."""
    count = len(waypoint.start)
    pod = cluster.pods[waypoint.pod]
    written = waypoint.end + rng.exponential(_LATE, count)
    order = np.argsort(written, kind="stable")

    def shown(moments: FloatArray) -> IntArray:
        off = clocks.shown(np.full(len(moments), pod.node), moments) + scenario.clocks.waypoint
        return begin + np.floor(off * 1e6).astype(np.int64)

    first = float(waypoint.start.min(initial=0.0)) - 1.0
    texts = [] if scenario.format == "json" else [f"{_times(shown(np.array([first])), 'us')[0]}\t{_NOTICE}"]
    heads = len(texts)
    ids = rng.integers(0, 1 << 62, (2, count))
    for values in _values(cluster, made, waypoint, _times(shown(waypoint.start), "ms"), ids, order):
        if scenario.format == "json":
            texts.append(json.dumps(values, sort_keys=True, separators=(",", ":")))
        else:
            texts.append(_TEXT.format_map({key: "-" if value is None else value for key, value in values.items()}))
    arrival = np.concatenate([np.full(heads, first), written[order]])
    shipped = _times(shown(arrival), "us")
    place = (pod.name, pod.namespace, cluster.nodes[pod.node].name, pod.workload)
    lines = [
        f"{wrapped(text, place, scenario.wrapper, f'{time[:-1]}402Z')}\n".encode()
        for text, time in zip(texts, shipped, strict=True)
    ]
    line_of = np.empty(count, np.int64)
    line_of[order] = np.arange(count) + 1 + heads
    return RequestLog(log_name(pod.name, pod.namespace, scenario.wrapper), lines, arrival, line_of)


def _times(micros: IntArray, unit: str) -> list[str]:
    texts: list[str] = np.datetime_as_string(micros.astype("datetime64[us]").astype(f"datetime64[{unit}]")).tolist()
    return [f"{text}Z" for text in texts]


def _values(
    cluster: Cluster, made: Connections, waypoint: Waypoint, times: list[str], ids: IntArray, order: IntArray
) -> Iterator[dict[str, Any]]:
    """What each line says, by key; None for nothing."""
    requests = waypoint.requests
    services = cluster.services
    columns = (
        requests.connection, requests.end, requests.post, requests.number, requests.received, requests.sent,
        whole_ms(requests.takes), whole_ms(requests.served), requests.http2, waypoint.server, waypoint.remote_port,
        ids[0], ids[1], np.arange(len(order)),
    )  # fmt: skip
    for row, ended, post, number, received, sent, takes, served, http2, server, port, one, other, at in zip(
        *(column[order].tolist() for column in columns), strict=True
    ):
        end = End(ended)
        service, client, ipv6 = services[int(made.service[row])], cluster.pods[int(made.client[row])], made.ipv6[row]
        target = cluster.pods[server]
        tcp, itself = end is End.TCP, end in BY_ITSELF
        code, flags, details = SAID[end]
        address = join_host_port(target.ip, service.target)
        yield {
            "start_time": times[at],
            "route_name": None if tcp else "default",
            "method": None if tcp else "POST" if post else "GET",
            "path": None if tcp else path_of(number, refused=end is End.REFUSED),
            "protocol": None if tcp else "HTTP/2" if http2 else "HTTP/1.1",
            "response_code": code,
            "response_flags": flags,
            "response_code_details": details,
            "connection_termination_details": None,
            "bytes_received": 0 if itself else received,
            "bytes_sent": sent,
            "duration": takes,
            "upstream_service_time": None if end in NO_SERVICE_TIME else str(served),
            "x_forwarded_for": None,
            "user_agent": None if tcp else f"{client.workload}/1.0",
            "request_id": None if tcp else _uuid(one, other),
            "authority": None if tcp else f"{service.hostname}:{service.port}",
            "upstream_host": None if itself else f"envoy://connect_originate/{address}",
            "upstream_transport_failure_reason": None,
            "upstream_cluster": f"inbound-vip|{service.port}|{'tcp' if tcp else 'http'}|{service.hostname}",
            "upstream_local_address": None if itself else "envoy://internal_client_address/",
            "downstream_local_address": join_host_port(service.vip6 if ipv6 else service.vip, service.port),
            "downstream_remote_address": join_host_port(client.ip6 if ipv6 else client.ip, port),
            "requested_server_name": None,
        }


def _uuid(one: int, other: int) -> str:
    text = f"{one:016x}{other:016x}"
    return f"{text[:8]}-{text[8:12]}-4{text[13:16]}-a{text[17:20]}-{text[20:]}"
