"""Egress: what leaves the mesh, to where, and whether a service is declared for it."""

from __future__ import annotations

import pytest
from flows_by_hand import PLAIN, flow, table

from ztflow.model.tables import Flows
from ztflow.reports import egress, render
from ztflow.reports.egress import scope_of

NAMELESS = {"dst_service": None, "dst_name": None, "dst_namespace": None, "dst_pod": None}


def test_egress_without_a_service_is_a_finding():
    out = {**PLAIN, "paired": "outbound_only"}
    some = Flows(
        table(
            flow(**{**out, **NAMELESS}, dst_ip="93.184.216.34", dst_port=443),
            flow(**{**out, **NAMELESS}, dst_ip="93.184.216.34", dst_port=443, verdict="failed"),
            flow(**{**out, **NAMELESS}, dst_ip="169.254.169.254", dst_port=80),
            flow(**{**out, **NAMELESS, "dst_service": "api.example.com"}, dst_ip="203.0.113.7", dst_port=443),
            flow(**{**out, **NAMELESS, "dst_pod": "legacy/old-0"}, dst_ip="10.0.0.9", dst_port=80),
            flow(**{**PLAIN, **NAMELESS, "paired": "inbound_only"}),
            flow(),
            flow(**{**NAMELESS, "mtls": None, "path": None}, dst_ip="10.96.0.1", verdict="failed"),
        )
    )
    report = egress(some)
    ways = [(way.kind, way.target, way.port, way.scope, way.flows, way.refused) for way in report.ways]
    assert sorted(ways, key=str) == sorted(
        [
            ("no_service", "93.184.216.34", 443, "public", 2, 1),
            ("no_service", "169.254.169.254", 80, "link_local", 1, 0),
            ("outside_mesh", "api.example.com", 443, "private", 1, 0),
            ("outside_mesh", "legacy/old", 80, "private", 1, 0),
        ],
        key=str,
    )
    assert report.findings == 2
    assert "ServiceEntry" in render(report, "text")


@pytest.mark.parametrize(
    ("ip", "scope"),
    [(None, None), ("not an address", None), ("8.8.8.8", "public"), ("10.1.2.3", "private"), ("127.0.0.1", "loopback"),
     ("::1", "loopback"), ("fe80::1%3", "link_local"), ("fd00::1", "private"), ("2606:4700::1", "public"),
     ("224.0.0.251", "other")],
)  # fmt: skip
def test_scopes(ip, scope):
    assert scope_of(ip) == scope
