"""Diff: equal captures do not differ, windows of other length do not deceive, and chance is not called change."""

from __future__ import annotations

import numpy as np
import pytest
from flow_strategies import flows, quick
from flows_by_hand import flow, table
from hypothesis import given

from ztflow.errors import UsageError
from ztflow.model.tables import Flows
from ztflow.reports import diff, render

DB2 = {"dst_pod": "data/other-0"}


def capture(count, seconds=60.0, **values):
    """`count` connections spread evenly over a window."""
    return [flow(seconds * number / max(count - 1, 1), start=None, **values) for number in range(count)]


def changes(before, after, **options):
    report = diff(Flows(table(*before)), Flows(table(*after)), **options)
    return {(edge.source, edge.target): edge.changes for edge in report.edges}


@quick
@given(flows())
def test_a_capture_does_not_differ_from_itself(some):
    report = diff(some, some)
    assert report.edges == ()
    assert report.findings == 0


def test_new_and_gone():
    report = diff(Flows(table(*capture(50))), Flows(table(*capture(50, **DB2))))
    assert {(edge.target, edge.changes) for edge in report.edges} == {("data/db", ("gone",)), ("data/other", ("new",))}
    assert all(edge.chance is not None and edge.chance < 1e-6 for edge in report.edges)


def test_pods_that_come_and_go_are_no_change_of_a_workload():
    before = capture(20, dst_pod="data/db-6f4dc97cb-swdlb")
    after = capture(20, dst_pod="data/db-6f4dc97cb-zzzzz")
    assert changes(before, after) == {}
    assert len(changes(before, after, by="pod")) == 2


def test_a_single_connection_that_is_gone_may_be_chance():
    report = diff(Flows(table(*capture(100), flow(30, **DB2))), Flows(table(*capture(100))))
    (edge,) = report.edges
    assert edge.changes == ("gone",)
    assert edge.chance == pytest.approx(0.3679, abs=1e-3)
    text = render(report, "text")
    assert "maybe chance (36.8 %)" in text
    assert "1 new or gone edge may be chance" in text


@pytest.mark.parametrize("gone", [False, True])
@pytest.mark.parametrize(("flows", "long", "short"), [(3, 1000, 100), (40, 5000, 100), (4, 100, 100)])
def test_the_chance_of_a_silence_is_told_by_how_long_it_is(flows, long, short, gone):
    """Thrown at random into the long window, how likely do all miss a stretch as long as the short one?"""
    seen = [*capture(100, long), *capture(flows, long, **DB2)]
    without = capture(100, short)
    report = diff(*(Flows(table(*rows)) for rows in ((seen, without) if gone else (without, seen))))
    (edge,) = [edge for edge in report.edges if edge.target == "data/other"]
    assert edge.changes == ("gone",) if gone else ("new",)
    thrown = np.random.default_rng(1).uniform(0, long, (20_000, flows))
    missed = (thrown > short).all(axis=1).mean()
    assert edge.chance == pytest.approx(missed, abs=0.03)
    text = render(report, "text")
    assert ("maybe chance" in text) == (missed > 0.05)


def test_a_longer_window_is_not_more_traffic():
    report = diff(Flows(table(*capture(60, 60))), Flows(table(*capture(600, 600))))
    assert report.edges == ()
    assert "The windows differ in length (1 min 0 s and 10 min 0 s)" in render(report, "text")


def test_more_and_less():
    assert changes(capture(60), capture(240)) == {("shop/web", "data/db"): ("more",)}
    assert changes(capture(240), capture(60)) == {("shop/web", "data/db"): ("less",)}
    assert changes(capture(3), capture(8)) == {}, "too few to tell from chance"
    assert changes(capture(60), capture(100)) == {}, "less than twice"
    assert changes(capture(60), capture(100), ratio=1.5) == {("shop/web", "data/db"): ("more",)}


def test_the_same_connections_with_more_bytes_are_more():
    bigger = capture(60, response_bytes=98320)
    assert changes(capture(60), bigger) == {("shop/web", "data/db"): ("more",)}
    assert changes(capture(5), capture(5, response_bytes=98320)) == {}, "too few connections to judge sizes"


def test_locality_that_moved():
    report = diff(Flows(table(*capture(40, locality="same_node"))), Flows(table(*capture(40))))
    (edge,) = report.edges
    assert edge.changes == ("locality",)
    assert "same node 100.0 % to 0.0 %" in render(report, "text")
    mixed = [*capture(20), *capture(20, locality="same_node")]
    assert changes(mixed, mixed[::-1]) == {}


@pytest.mark.parametrize(("flows", "moved"), [(4, False), (16, False), (28, True), (200, True)])
@pytest.mark.parametrize("place", ["locality", "zone_locality"])
def test_a_share_of_few_connections_moves_by_chance(flows, moved, place):
    """Three of four were local, then one of four: of 4 that is luck, of 200 it is a change."""
    local, remote = ("same_node", "cross_node") if place == "locality" else ("same_zone", "cross_zone")

    def mix(near):
        return [*capture(near, 60, **{place: local}), *capture(flows - near, 60, **{place: remote})]

    found = changes(mix(flows * 3 // 4), mix(flows // 4))
    assert found == ({("shop/web", "data/db"): ("locality",)} if moved else {})
    luck = np.random.default_rng(1).hypergeometric(flows, flows, flows, 100_000)  # both captures in one pot
    assert (np.mean(np.abs(2 * luck - flows) >= flows / 2) < 0.0027) == moved, "three standard deviations"


def test_newly_refused_and_newly_plaintext():
    after = [*capture(60), flow(verdict="denied"), flow(verdict="failed"), flow(mtls=False)]
    found = changes([*capture(60)], after)
    assert found == {("shop/web", "data/db"): ("newly_denied", "newly_failed", "newly_plaintext")}
    assert changes(after, after) == {}


def test_a_new_edge_that_is_denied_is_both():
    found = changes(capture(30), [*capture(30), flow(**DB2, verdict="denied")])
    assert found == {("shop/web", "data/other"): ("new", "newly_denied")}


def test_captures_without_length_compare_counts():
    report = diff(Flows(table(flow())), Flows(table(flow(), flow(**DB2))))
    assert {edge.changes for edge in report.edges} == {("new",)}
    assert all(edge.rate_before is None for edge in report.edges)
    assert "counts are compared as they are" in render(report, "text")


def test_captures_that_pair_differently_are_warned_about():
    half = capture(20, paired="outbound_only")
    assert "one may lack lines" in render(diff(Flows(table(*capture(20))), Flows(table(*half))), "text")


def test_from_nothing_to_something():
    report = diff(Flows(), Flows(table(*capture(5))))
    assert [edge.changes for edge in report.edges] == [("new",)]
    assert report.unchanged == 0


def test_bad_arguments_are_refused():
    with pytest.raises(UsageError, match="must be above 1"):
        diff(Flows(), Flows(), ratio=1)
    with pytest.raises(UsageError, match="by cannot be"):
        diff(Flows(), Flows(), "planet")
