"""Same seed, same bytes; inventories; what is written."""

from __future__ import annotations

import csv
from dataclasses import FrozenInstanceError, replace
from datetime import UTC, datetime

import pytest
from simulated import flows, reported, rows, true_pairs

from ztflow.errors import UsageError
from ztflow.simulate import PRESETS, Capture, Clocks, Delays, Faults, Kind, Scenario, Shape, preset, simulate

POSITIONS = ["outbound", "inbound", "next_hop_inbound"]


def small(name: str, **changes) -> Scenario:
    return replace(PRESETS[name].scaled(300), **changes)


@pytest.mark.parametrize("name", ["mixed", "storm", "lossy", "multinetwork"])
def test_same_seed_same_bytes(name):
    first, again, other = (simulate(small(name), seed) for seed in (7, 7, 8))
    assert dict(first.logs) == dict(again.logs)
    assert first.truth.equals(again.truth)
    assert (first.pods_txt, first.nodes_txt) == (again.pods_txt, again.nodes_txt)
    assert dict(first.logs) != dict(other.logs)


@pytest.mark.parametrize(
    "changes",
    [{"release": "1.22.0"}, {"format": "json"}, {"wrapper": "stern"}, {"clocks": Clocks(offset=1.0)},
     {"faults": Faults(lost=0.1)}],
)  # fmt: skip
def test_layout_clocks_and_losses_leave_the_traffic_as_it_was(changes):
    plain, other = simulate(small("mixed"), 3), simulate(small("mixed", **changes), 3)
    assert plain.truth.drop_columns(POSITIONS).equals(other.truth.drop_columns(POSITIONS))
    assert (plain.course.outbound_end == other.course.outbound_end).all()


def test_times_begin_where_asked():
    begin = datetime(2030, 1, 2, 3, 4, 5, tzinfo=UTC)
    capture = simulate(small("idle"), 1, begin=begin)
    times = [row["time"] / 1e6 - begin.timestamp() for row in rows(capture).values()]
    assert 0 < min(times) < 5
    assert capture.scenario.duration - 5 < max(times) < capture.scenario.duration + 5


def test_clocks_shift_the_lines_of_their_node_and_nothing_else():
    right = simulate(small("mixed"), 1)
    wrong = simulate(small("mixed", clocks=Clocks(offsets=(0.5, -0.25), drift=0)), 1)
    offset = dict(zip((node.ztunnel for node in right.cluster.nodes), (500_000, -250_000, 0), strict=True))
    before, after = rows(right), rows(wrong)
    assert before.keys() == after.keys()
    for place, row in before.items():
        shifted = offset[place[0].removesuffix(".log")]
        assert after[place] == row | {"time": after[place]["time"]}
        assert abs(after[place]["time"] - row["time"] - shifted) <= 1


def test_drift_grows():
    capture = simulate(small("idle", duration=3600.0, clocks=Clocks(drift=100)), 1)
    assert (abs(capture.clocks.drift) > 1e-6).all()
    node = int(abs(capture.clocks.drift).argmax())
    mine = capture.lines.node == node
    error = (capture.lines.time - capture.begin) / 1e6 - capture.lines.moment
    late = mine & (capture.lines.moment > 3000)
    assert error[late] == pytest.approx(capture.clocks.drift[node] * capture.lines.moment[late], abs=2e-6)


@pytest.mark.parametrize("name", ["mixed", "storm", "multinetwork", "dualstack", "waypoint", "drained"])
def test_a_written_run_is_read_back_and_paired_rightly(tmp_path, name):
    capture = simulate(small(name, unequal_resets=0.0), 2)
    found = flows(capture, tmp_path)
    assert found.stats.problems == 0
    assert found.stats.access == capture.access_lines
    assert reported(found) <= true_pairs(capture)
    assert len(reported(found)) >= 0.99 * len(true_pairs(capture))
    with (tmp_path / "truth.tsv").open() as stream:
        assert list(csv.DictReader(stream, delimiter="\t")) == capture.truth.to_pylist()
    places = {row["src_node"] for row in found.to_arrow().select(["src_node"]).to_pylist()}
    assert places <= {node.name for node in capture.cluster.nodes}


def test_writing_twice_is_the_same_and_another_run_is_not_mixed_in(tmp_path):
    capture = simulate(small("idle"), 1)
    capture.write(tmp_path)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    capture.write(tmp_path)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before
    assert {name: before[name] for name in capture.logs} == dict(capture.logs)
    with pytest.raises(UsageError, match="another run"):
        simulate(small("idle"), 2).write(tmp_path)


def test_no_connections_is_a_capture_too(tmp_path):
    capture = simulate(Scenario(connections=0, duration=1), 1)
    capture.write(tmp_path)
    assert (capture.access_lines, capture.truth.num_rows) == (0, 0)
    assert len(capture.logs) == 3


@pytest.mark.parametrize("name", sorted(PRESETS))
def test_every_preset_says_what_it_is_and_runs(name):
    scenario = preset(name)
    assert scenario.name == name
    assert scenario.about.endswith(".")
    capture = simulate(scenario.scaled(120), 1)
    assert isinstance(capture, Capture)
    assert capture.connections.count == 120


def test_scenarios_are_frozen_and_scale_at_the_same_rate():
    scenario = preset("storm")
    with pytest.raises(FrozenInstanceError):
        scenario.connections = 1
    assert scenario.scaled(70_000).duration == pytest.approx(700)
    assert scenario.lasting(7).connections == 700


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: Scenario(release="1.21.0"),
        lambda: Scenario(mix=()),
        lambda: Scenario(mix=((Kind.PLAIN, 0.0),)),
        lambda: Scenario(mix=((Kind.PLAIN, 1.0), (Kind.PLAIN, 1.0))),
        lambda: Scenario(mix=(("nonsense", 1.0),)),
        lambda: Scenario(mix=((Kind.WAYPOINT, 1.0),)),
        lambda: Scenario(mix=((Kind.DOUBLE_HBONE, 1.0),)),
        lambda: Scenario(mix=((Kind.DOUBLE_HBONE, 1.0),), shape=Shape(networks=2), release="1.25.0"),
        lambda: Scenario(format="xml"),
        lambda: Scenario(wrapper="paper"),
        lambda: Scenario(sizes="small"),
        lambda: Scenario(duration=0),
        lambda: Scenario(connections=-1),
        lambda: Scenario(burst=(5, 2)),
        lambda: Scenario(faults=Faults(lost_nodes=(3,))),
        lambda: Faults(lost=1.5),
        lambda: Faults(late=(-1.0,)),
        lambda: Delays(work=-1.0),
        lambda: Delays(last_first=1.5),
        lambda: Clocks(drift=-1.0),
        lambda: Shape(nodes=0),
        lambda: Shape(networks=2, nodes=2),
        lambda: simulate("nonsense"),
        lambda: simulate("idle", -1),
        lambda: simulate("idle", begin=datetime(2026, 1, 1)),  # noqa: DTZ001 - the point of the case
    ],
)
def test_what_cannot_be_is_refused(wrong):
    with pytest.raises(UsageError):
        wrong()
