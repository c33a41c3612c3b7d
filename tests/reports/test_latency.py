"""Latency: what is one, on what grounds, and that a long life never is."""

from __future__ import annotations

from flow_strategies import flows, quick
from flows_by_hand import PLAIN, flow, table
from hypothesis import given

from ztflow.model.tables import Flows
from ztflow.reports import latency, render
from ztflow.reports.latency import DONE_WITHIN_MS


def some(*lives, **values):
    return [flow(duration_ms=life, **values) for life in lives]


def one(*rows, **options):
    (row,) = latency(Flows(table(*rows)), **options).pairs
    return row


def test_quick_exchanges_tell_a_latency():
    row = one(*some(*range(1, 101)))
    assert (row.kind, row.p50_ms, row.p90_ms, row.p99_ms, row.max_ms) == ("exchange", 50, 90, 99, 100)
    assert (row.source, row.target, row.port) == ("shop/web", "data/db", 5432)


def test_a_percentile_among_connections_that_lived_longer_is_not_told():
    row = one(*some(*range(1, 96), *[30_000] * 5))
    assert (row.kind, row.p90_ms, row.p99_ms, row.max_ms, row.longer, row.longest_ms) == (
        "exchange", 90, None, None, 5, 30_000,
    )  # fmt: skip


def test_connections_kept_open_have_a_life_and_no_latency():
    row = one(*some(*[20] * 80, *[90_000] * 20))
    assert (row.kind, row.p99_ms, row.max_ms) == ("kept_open", 90_000, 90_000)
    text = render(latency(Flows(table(*some(90_000)))), "text")
    before, after = text.split("Life of the others, which is no latency")
    assert "none" in before.splitlines()[-2]
    assert "kept open" in after


def test_probes_without_an_answer_and_refusals_are_no_latency():
    assert one(*some(1, 2, response_bytes=0)).kind == "one_way"
    row = one(*some(5), *some(10_000, verdict="failed"), *some(1, verdict="denied"))
    assert (row.kind, row.measured, row.refused, row.max_ms) == ("exchange", 1, 2, 5)
    assert one(*some(None)).kind == "unknown"


def test_what_the_mesh_took_is_told_of_sure_tunnels_of_any_life():
    rows = [
        *some(60_000, inbound_duration_ms=59_975),
        *some(10, inbound_duration_ms=9, paired="ambiguous"),
        *some(10, inbound_duration_ms=10, path="waypoint"),
        *some(10, inbound_duration_ms=1, **PLAIN),
        *some(70_000, inbound_duration_ms=70_001),
    ]
    row = next(row for row in latency(Flows(table(*rows))).pairs if row.mesh_flows)
    assert (row.mesh_flows, row.mesh_p50_ms, row.mesh_p99_ms) == (2, 0, 25)


def test_levels_and_ports_are_apart():
    rows = [*some(1), *some(2, hbone_port=80)]
    assert [row.port for row in latency(Flows(table(*rows)), by="namespace").pairs] == [80, 5432]
    assert latency(Flows(table(*rows)), by="namespace").pairs[0].source == "shop"


@quick
@given(flows())
def test_no_latency_is_longer_than_an_answer_is_known_to_take(rows):
    for row in latency(rows).pairs:
        told = (row.p50_ms, row.p90_ms, row.p99_ms, row.max_ms)
        assert row.kind != "exchange" or all(value is None or value <= DONE_WITHIN_MS for value in told)
        assert row.measured + row.refused <= row.flows
