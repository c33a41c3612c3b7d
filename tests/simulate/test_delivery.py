"""Wrappers, losses, replays, order of arrival."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from simulated import flows, position, reported, rows, texts, true_pairs

from ztflow.simulate import PRESETS, Faults, Shape, simulate
from ztflow.simulate.live import play
from ztflow.simulate.scenario import LOG_WRAPPERS

SCENARIO = replace(PRESETS["mixed"].scaled(200), unequal_resets=0.0)


@pytest.mark.parametrize("wrapper", LOG_WRAPPERS)
@pytest.mark.parametrize(("release", "form"), [("1.22.0", "json"), ("1.22.1", "plain"), ("1.31.0", "json")])
def test_truth_finds_its_lines_in_every_wrapper(tmp_path, wrapper, release, form):
    capture = simulate(replace(SCENARIO, wrapper=wrapper, release=release, format=form), 1)
    found = flows(capture, tmp_path)
    assert found.stats.problems == 0
    assert found.stats.access == capture.access_lines
    assert reported(found) <= true_pairs(capture)
    assert len(reported(found)) >= 0.98 * len(true_pairs(capture))
    pods = {row["outbound_ztunnel"] for row in found.to_arrow().select(["outbound_ztunnel"]).to_pylist()} - {None}
    assert pods == {node.ztunnel for node in capture.cluster.nodes}


def test_physical_lines_are_counted_where_a_record_has_several():
    capture = simulate(SCENARIO, 1)
    for name, data in capture.logs.items():
        text = data.decode()
        assert text.endswith("\n")
        assert "\nlocalNode: node-" in text
        assert text.index("localNode") < text.index("\taccess\t")
        node = next(node for node in capture.cluster.nodes if name.startswith(node.ztunnel))
        assert f"localNode: {node.name}\n" in text
    first = min((position(cell) for cell in capture.truth.column("inbound").to_pylist() if cell != "-"), key=str)
    assert "\taccess\t" in texts(capture)[first]


def test_other_lines_can_be_left_out():
    capture = simulate(replace(SCENARIO, startup=False, other_lines=0.0), 1)
    assert len(rows(capture)) == sum(data.count(b"\n") for data in capture.logs.values()) == capture.access_lines


def test_lost_lines_are_lost_in_log_and_truth():
    whole = simulate(SCENARIO, 1)
    part = simulate(replace(SCENARIO, faults=Faults(lost=0.2, lost_run=4)), 1)
    assert 0.6 < part.access_lines / whole.access_lines < 0.95
    cells = [row[column] for row in part.truth.to_pylist() for column in ("outbound", "inbound")]
    assert sum(cell != "-" for cell in cells) == part.access_lines
    assert {row["time"] for row in rows(part).values()} < {row["time"] for row in rows(whole).values()}


def test_a_lost_node_has_no_file_and_no_cell():
    capture = simulate(replace(SCENARIO, faults=Faults(lost_nodes=(1,))), 1)
    lost = capture.cluster.nodes[1].ztunnel
    assert len(capture.logs) == 2
    assert not any(name.startswith(lost) for name in capture.logs)
    assert lost not in str(capture.truth.to_pydict())
    assert lost in capture.pods_txt


def test_replayed_lines_are_copies_and_the_truth_names_the_first(tmp_path):
    once = simulate(SCENARIO, 1)
    capture = simulate(replace(SCENARIO, faults=Faults(replays=3, replayed=2.0)), 1)
    copies = capture.access_lines - once.access_lines
    assert copies > 10
    assert dict(capture.truth.to_pydict(), outbound=0, inbound=0) == dict(once.truth.to_pydict(), outbound=0, inbound=0)
    seen: dict[str, tuple[str, int]] = {}
    for place, text in texts(capture).items():
        seen.setdefault(f"{place[0]} {text}", place)
    cells = {position(row[side]) for row in capture.truth.to_pylist() for side in ("outbound", "inbound")} - {None}
    assert cells <= set(seen.values())
    found = flows(capture, tmp_path)
    assert found.stats.duplicates == copies


def test_streams_arrive_late_but_in_order():
    late = replace(SCENARIO, wrapper="stern", faults=Faults(late=(0.0, 5.0)))
    capture = simulate(late, 1)
    (file,) = capture.files
    assert (np.diff(file.arrival) >= 0).all()
    for node in range(3):
        mine = capture.lines.node[file.order] == node
        behind = file.arrival[mine] - capture.lines.moment[file.order[mine]]
        assert behind.min() == pytest.approx(5.0 if node == 1 else 0.0, abs=1e-9)
        assert behind.max() < (5.1 if node == 1 else 0.1)
    on_time = simulate(replace(SCENARIO, wrapper="stern"), 1)
    assert sorted(capture.logs["ztunnel-merged.log"].split(b"\n")) == sorted(
        on_time.logs["ztunnel-merged.log"].split(b"\n")
    )


def test_a_file_is_out_of_order_by_little():
    capture = simulate(replace(PRESETS["storm"].scaled(2000), faults=Faults(disorder=0.00005)), 1)
    steps = [np.diff(capture.lines.moment[file.order]) for file in capture.files]
    back = np.concatenate([step[step < 0] for step in steps])
    assert len(back) > 0
    assert back.min() > -0.005


def test_arriving_is_everything_in_order_of_arrival():
    capture = simulate(replace(SCENARIO, shape=Shape(nodes=2)), 1)
    came = list(capture.arriving())
    assert [second for second, _, _ in came] == sorted(second for second, _, _ in came)
    for name, data in capture.logs.items():
        assert b"".join(text for _, file, text in came if file == name) == data


def test_playing_waits_for_each_line():
    capture = simulate(replace(SCENARIO, wrapper="stern"), 1)
    clock = [100.0]

    def sleep(seconds: float) -> None:
        assert seconds >= 0
        clock[0] += seconds

    played, last = [], 0.0
    for batch in play(capture, speed=2.0, now=lambda: clock[0], sleep=sleep):
        played += batch
        assert clock[0] >= last
        last = clock[0]
    assert b"".join(played) == capture.logs["ztunnel-merged.log"]
    assert clock[0] - 100 == pytest.approx(capture.files[0].arrival[-1] / 2)
