"""The truth agrees with the lines, whatever is simulated."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from simulated import CLEAN, position, rows

from ztflow.model.error_classes import classify_error
from ztflow.model.provenance import join_host_port
from ztflow.simulate import PRESETS, TRUTH_COLUMNS, Clocks, Kind, Scenario, Shape, simulate
from ztflow.simulate.cluster import Role

SMALL = {name: scenario.scaled(250) for name, scenario in PRESETS.items() if name not in {"bulk", "long"}}
RELEASES = ("1.22.0", "1.22.1", "1.22.8", "1.23.6", "1.24.6", "1.26.8", "1.29.5", "1.31.0-rc.0")
EVERY_KIND = Scenario(
    mix=tuple((kind, 1.0) for kind in Kind if kind is not Kind.DOUBLE_HBONE),
    connections=450, duration=12, burst=(5, 30), unequal_resets=0.4,
    shape=Shape(waypoint_services=1), other_lines=0.5,
)  # fmt: skip

scenarios = st.sampled_from(sorted(SMALL)).map(SMALL.__getitem__)
seeds = st.integers(0, 2**32)


@given(scenarios, seeds)
@settings(max_examples=15, deadline=None)
def test_every_line_is_in_the_truth_once_and_every_cell_is_a_line(scenario, seed):
    capture = simulate(replace(scenario, faults=replace(scenario.faults, replays=0)), seed)
    lines = rows(capture)
    cells = [
        (column, place)
        for row in capture.truth.to_pylist()
        for column in ("outbound", "inbound", "next_hop_inbound")
        if (place := position(row[column])) is not None
    ]
    pooled = {position(row[column]) for row in capture.requests.to_pylist() for column in ("inbound", "first_inbound")}
    cells += [("inbound", place) for place in pooled if place is not None]
    assert Counter(place for _, place in cells) == Counter(dict.fromkeys(lines, 1))
    assert len(lines) == capture.access_lines
    for column, place in cells:
        assert lines[place]["direction"] == ("outbound" if column == "outbound" else "inbound")


@given(scenarios, seeds)
@settings(max_examples=15, deadline=None)
def test_a_row_says_what_its_lines_say(scenario, seed):
    capture = simulate(scenario, seed)
    lines = rows(capture)
    ztunnel = {f"{node.ztunnel}.log": node.name for node in capture.cluster.nodes}
    for row in capture.truth.to_pylist():
        out, inn, hop = (position(row[column]) for column in ("outbound", "inbound", "next_hop_inbound"))
        outbound, inbound = lines.get(out), lines.get(inn)
        if outbound is not None:
            assert ztunnel[out[0]] == row["src_node"]
            assert join_host_port(outbound["src_ip"], outbound["src_port"]) == row["client_addr"]
            assert outbound["src_workload"] in {None, row["src_pod"]}
        if inbound is not None:
            assert ztunnel[inn[0]] == row["dst_node"]
            assert inbound["dst_workload"] in {None, row["dst_pod"]}
        if outbound is not None and inbound is not None and outbound["message"] == inbound["message"] == "complete":
            assert outbound["hbone_host"] == inbound["hbone_host"]
            assert outbound["src_identity"] == inbound["src_identity"]
            assert outbound["bytes_sent"] >= inbound["bytes_recv"]
            assert inbound["bytes_sent"] >= outbound["bytes_recv"]
            if row["kind"] in CLEAN:
                assert outbound["bytes_sent"] == inbound["bytes_recv"]
                assert outbound["bytes_recv"] == inbound["bytes_sent"]
                assert outbound["error"] is inbound["error"] is None
                # Whole milliseconds: the inbound side lives no longer than the outbound one and its way.
                assert inbound["duration_ms"] <= outbound["duration_ms"] + 100
        if hop is not None:
            assert inn is None
            assert lines[hop]["src_workload"] == row["dst_pod"]
            assert outbound is None or outbound["dst_workload"] == row["dst_pod"]


@pytest.mark.parametrize("release", RELEASES)
@pytest.mark.parametrize("form", ["plain", "json"])
def test_every_kind_in_every_release_is_read_back(release, form):
    capture = simulate(replace(EVERY_KIND, release=release, format=form), 5)
    lines = rows(capture)
    assert len(lines) == capture.access_lines > 500
    for line in lines.values():
        assert (line["error"] is None) == (line["level"] == "info")
        assert line["error"] is None or classify_error(line["error"]) != "unknown"
        assert (line["src_cluster"] is not None) == (release >= "1.31" and line["src_workload"] is not None)
        if line["direction"] == "inbound" and line["hbone_host"] is not None:
            assert (line["dst_port"] == 15008) == (release >= "1.23")
    json_of_1_22_0 = [line for line in lines.values() if line["trace_id"] is not None]
    assert bool(json_of_1_22_0) == (release == "1.22.0" and form == "json")


def test_halves_share_a_trace_id_where_there_is_one():
    capture = simulate(replace(SMALL["mixed"], release="1.22.0", format="json"), 2)
    lines = rows(capture)
    seen = set()
    for row in capture.truth.to_pylist():
        out, inn = lines.get(position(row["outbound"])), lines.get(position(row["inbound"]))
        if out and inn:
            assert out["trace_id"] == inn["trace_id"] is not None
            seen.add(out["trace_id"])
    assert len(seen) > 100


@pytest.mark.parametrize(
    ("release", "text"),
    [("1.23.6", "connection closed due to policy rejection"),
     ("1.24.0", "connection closed due to policy rejection: explicitly denied by: secure/no-prober")],
)  # fmt: skip
def test_denials_name_their_policy_since_1_24(release, text):
    capture = simulate(replace(SMALL["denials"], release=release, connections=600), 1)
    lines = rows(capture)
    texts = {
        lines[position(row["inbound"])]["error"]
        for row in capture.truth.to_pylist()
        if row["kind"] == "denied" and row["src_pod"].startswith("prober") and row["dst_pod"] == "vault-0"
    }
    assert texts == {text}


def test_a_drained_node_leaves_halves_alone_and_late():
    capture = simulate("drained", 3)
    lines = rows(capture)
    ends = Counter()
    for row in capture.truth.to_pylist():
        if row["kind"] == "drained":
            out, inn = lines.get(position(row["outbound"])), lines.get(position(row["inbound"]))
            late = out and inn and inn["time"] - out["time"] > 1_000_000
            ends[(out is not None, inn is not None, bool(late))] += 1
    assert {(True, True, True), (True, False, False), (True, True, False)} <= set(ends)
    assert any(not out for out, _, _ in ends)


def test_a_pod_that_dials_itself_leaves_nothing():
    capture = simulate(SMALL["mixed"], 4)
    own = [row for row in capture.truth.to_pylist() if row["src_pod"] == row["dst_pod"]]
    assert own
    assert {(row["outbound"], row["inbound"]) for row in own} == {("-", "-")}


def test_double_hbone_halves_share_no_address():
    capture = simulate(SMALL["multinetwork"], 1)
    lines = rows(capture)
    pairs = [row for row in capture.truth.to_pylist() if row["kind"] == "double-hbone"]
    assert len(pairs) > 100
    for row in pairs:
        out, inn = lines[position(row["outbound"])], lines[position(row["inbound"])]
        assert out["hbone_host"] == inn["hbone_host"] == "far.data.svc.cluster.local"
        assert out["src_ip"] != inn["src_ip"]
        assert out["dst_ip"] != inn["dst_ip"]
        assert inn["src_workload"] == out["src_workload"].rsplit("-", 2)[0] or out["src_workload"].startswith("db")
        assert out["dst_workload"] == "far"


def test_before_1_29_a_far_service_shows_the_gateway():
    capture = simulate(replace(SMALL["multinetwork"], release="1.26.8"), 1)
    lines = rows(capture)
    gateway = capture.cluster.pods[capture.cluster.of(Role.EAST_WEST)[0]]
    far = [line for line in lines.values() if line["direction"] == "outbound" and line["dst_ip"] == gateway.ip]
    assert far
    assert {(line["dst_workload"], line["hbone_port"]) for line in far} == {(gateway.name, 8080)}


def test_truth_has_the_columns_score_reads():
    capture = simulate(SMALL["idle"], 1)
    assert tuple(capture.truth.column_names) == TRUTH_COLUMNS
    assert capture.truth.column("id").to_pylist() == [str(number) for number in range(1, 251)]
    assert capture.truth.column("outbound").null_count == 0


def test_judges_get_places_and_true_times():
    capture = simulate(replace(SMALL["waypoint"], clocks=Clocks(offset=0.4)), 1)
    lines = rows(capture)
    offset = dict(zip((f"{node.ztunnel}.log" for node in capture.cluster.nodes), capture.clocks.offset, strict=True))
    found = capture.halves.to_pylist()
    for row, told in zip(capture.truth.to_pylist(), found, strict=True):
        assert str(told["id"]) == row["id"]
        for column, side in (("outbound", "outbound"), ("inbound", "inbound"), ("next_hop_inbound", "next_hop")):
            place = (told[f"{side}_file"], told[f"{side}_line"])
            assert place == (position(row[column]) or (None, None))
            if place[0] is not None:
                end = told["outbound_end" if side == "outbound" else "inbound_end"]
                shown = (lines[place]["time"] - capture.begin) / 1e6 - offset[place[0]]
                assert shown == pytest.approx(end, abs=2e-6)
    assert any(row["next_hop_line"] is not None for row in found)
    assert all(
        (row["tunnel"] is None) == (kind == "plaintext-in")
        for row, kind in zip(found, capture.truth.column("kind").to_pylist(), strict=True)
    )
