"""What ztunnel's own lines say of dry-run policies: each connection once, under its client and server."""

from __future__ import annotations

import io

from ztflow.policy.log_lines import PolicyLines
from ztflow.policy.releases import Release
from ztflow.read import read_inputs

ACCESS = (
    '2026-11-29T07:26:44.{n:06d}Z\tinfo\taccess\tconnection complete\tsrc.addr={peer} src.workload="web-0" '
    'src.namespace="shop" src.identity="spiffe://cluster.local/ns/shop/sa/web" dst.addr=10.0.2.1:15008 '
    'dst.hbone_addr=10.0.2.1:5432 dst.workload="db-0" dst.namespace="data" '
    'dst.identity="spiffe://cluster.local/ns/data/sa/db" direction="inbound" bytes_sent=1 bytes_recv=1 duration="1ms"\n'
)


def line(number, text, policy=None, span=":inbound{{id={id:032x} peer=10.0.1.1:{port}}}", port=40000):
    inside = span.format(id=number, port=port)
    named = "" if policy is None else f'policy="{policy}"'
    return f"2026-11-29T07:26:44.000001Z\tinfo\tstate:proxy{{wl=data/db-0}}{inside}\t{text}\t{named}\n"


def told(*lines):
    lines_of = PolicyLines()
    for batch in read_inputs([io.BytesIO("".join(lines).encode())]):
        lines_of.learn(batch)
    return lines_of


DENY, MISS = "dry-run: deny policy match", "dry-run: no allow policies match"


def test_a_connection_that_several_policies_refuse_is_one():
    found = told(
        line(1, DENY, "data/a"), line(1, DENY, "data/b"), line(1, MISS), line(2, DENY, "data/a"), line(3, MISS),
        ACCESS.format(n=9, peer="10.0.1.1:40000"),
    )  # fmt: skip
    (row,) = found.refusals()
    assert (row.client, row.tunnel, row.server, row.flows) == ("shop/web-0", True, "data/db-0", 3)
    assert dict(row.policies) == {"data/a": 2, "data/b": 1, None: 2}
    assert found.dry_run == 5


def test_what_allows_and_what_is_enforced_is_no_dry_refusal():
    found = told(
        line(1, "dry-run: allow policy match", "data/a"), line(2, "deny policy match", "data/a"),
        line(3, "no allow policies matched"), line(4, "dry-run: no allow policies, allow"),
    )  # fmt: skip
    assert found.refusals() == []
    assert found.dry_run == 2


def test_a_tunnel_without_an_access_line_and_a_connection_without_a_tunnel_have_no_client():
    found = told(
        line(1, DENY, "data/a", port=40001), line(2, DENY, "data/a", span=""),
        ACCESS.format(n=9, peer="10.0.1.1:40000"),
    )  # fmt: skip
    assert [(row.client, row.tunnel, row.flows) for row in found.refusals()] == [(None, True, 1), (None, False, 1)]


def test_lines_of_1_29_have_no_colon():
    (row,) = told(line(1, "dry-run deny policy match", "data/a")).refusals()
    assert row.flows == 1


def test_releases():
    text = '2026-11-29T07:26:44.000001Z\tinfo\tztunnel\tversion: version.BuildInfo{{RustVersion:"1.85.1", GitTag:"{tag}", IstioVersion:"{version}"}}\n'
    found = told(
        text.format(tag="1.29.5", version="unknown"), text.format(tag="x", version="1.31.0-rc.0"),
        text.format(tag="main", version="my-build"),
    )  # fmt: skip
    assert found.releases == {Release(1, 29, 5), Release(1, 31, 0)}
