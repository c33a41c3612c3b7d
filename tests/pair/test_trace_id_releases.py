"""Releases without an access log: exact pairs by trace id."""

from __future__ import annotations

import io

import ztflow

LINES = """\
2023-09-12T09:14:07.120441Z  INFO outbound{id=0af7651916cd43dd8448eb211c80319c}: ztunnel::proxy::outbound: proxy to 10.244.2.14:8080 using HBONE via 10.244.2.14:15008 type Direct
2023-09-12T09:14:07.121602Z  INFO inbound{id=0af7651916cd43dd8448eb211c80319c peer_ip=10.244.1.9 peer_id=spiffe://cluster.local/ns/client/sa/sleep}: ztunnel::proxy::inbound: got CONNECT request to 10.244.2.14:8080
2023-09-12T09:14:07.133015Z  INFO outbound{id=0af7651916cd43dd8448eb211c80319c}: ztunnel::proxy::outbound: complete dur=12.573881ms
2023-09-12T09:14:07.333015Z  INFO outbound{id=1cbfb371a22e54d86493a16d7ab89636}: ztunnel::proxy::outbound: proxying to 10.244.2.14:8080 using node local fast path
2023-09-12T09:14:07.334015Z  INFO outbound{id=1cbfb371a22e54d86493a16d7ab89636}: ztunnel::proxy::outbound: complete dur=124.75µs
2023-09-12T09:14:07.433015Z  INFO outbound{id=9b33a9eb333bb12d3a2bb49178eb24d3}: ztunnel::proxy::outbound: proxy to 10.244.2.15:8080 using HBONE via 10.244.2.15:15008 type Direct
2023-09-12T09:14:07.533015Z  WARN outbound{id=9b33a9eb333bb12d3a2bb49178eb24d3}: ztunnel::proxy::outbound: failed dur=100.75ms err=http status: 401 Unauthorized
"""


def test_exact_fast_path_and_denied():
    flows = ztflow.read_flows(io.BytesIO(LINES.encode()))
    said = [(f.paired, f.locality, f.duration_ms, f.verdict, f.unpaired_reason) for f in flows]
    assert said == [
        ("exact", "unknown", 12, "forwarded", None),
        ("outbound_only", "same_node", 0, "forwarded", "fast_path"),
        ("outbound_only", "unknown", 100, "denied", "destination_not_captured"),
    ]
    first = next(iter(flows))
    assert (first.src_ip, first.src_identity) == ("10.244.1.9", "spiffe://cluster.local/ns/client/sa/sleep")
    assert (first.hbone_addr, first.dst_addr) == ("10.244.2.14:8080", "10.244.2.14:15008")
    assert (first.outbound_line, first.inbound_line) == (1, 2)
    assert (first.request_bytes, flows.stats.access, flows.stats.other) == (None, 0, 7)
