"""Thousands of equal connections at once: more than are matched in one piece."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from halves_by_hand import connection, table

import ztflow
from ztflow.pair import Pairer
from ztflow.pair.assignment.segments import SEGMENTS
from ztflow.simulate import simulate
from ztflow.simulate.kinds import Kind
from ztflow.simulate.presets import preset


@pytest.fixture(scope="module")
def flows(tmp_path_factory):
    """Flows of a crowd, and the true partners of its outbound halves."""
    folder = tmp_path_factory.mktemp("crowd")
    scenario = replace(
        preset("twins"), connections=3000, duration=3.0, mix=((Kind.BURST, 1.0),), burst=(3000, 3000), burst_width=0.3
    )
    capture = simulate(scenario, 1)
    capture.write(folder)
    true = {row["outbound"]: row["inbound"] for row in capture.truth.to_pylist()}
    read = ztflow.read_flows(*sorted(folder.glob("ztunnel-*.log*"))).to_arrow().to_pylist()
    return read, true


def place(flow, side):
    name = flow[f"{side}_file"]
    return None if name is None else f"{Path(name).name}:{flow[f'{side}_line']}"


def test_a_crowd_is_paired_in_pieces_and_nothing_wrong_is_called_unique(flows):
    read, true = flows
    paired = [f for f in read if f["outbound_line"] is not None and f["inbound_line"] is not None]
    right = [true[place(f, "outbound")] == place(f, "inbound") for f in paired]
    assert len(true) > 2 * SEGMENTS.largest
    assert len(paired) > 0.9 * len(true)
    assert sum(right) > 0.45 * len(true)
    assert max(f["confidence"] for f, ok in zip(paired, right, strict=True) if not ok) < 0.97
    assert sum(f["confidence"] for f in paired) == pytest.approx(sum(right), rel=0.15)


def test_every_half_of_a_crowd_is_there_once(flows):
    read, true = flows
    for side, halves in (("outbound", true), ("inbound", true.values())):
        seen = [place(f, side) for f in read if f[f"{side}_line"] is not None]
        assert sorted(seen) == sorted(halves)


def behind(count, *, durations):
    """Equal connections every 50 us; the client's ztunnel is 15 ms, so 300 ends, behind the server's."""
    rows = []
    for number, duration in enumerate(durations[:count]):
        rows += connection(number * 0.000_05, line=number + 1, delay_us=15_000, duration=duration)
    return rows


def judged(rows):
    """Confidence of each pair, and whether it is right."""
    pairer = Pairer()
    flows = [*pairer.push(table(rows)).rows(), *pairer.finish().rows()]
    pairs = [f for f in flows if f["outbound_line"] and f["inbound_line"]]
    right = np.array([f["outbound_line"] == f["inbound_line"] for f in pairs])
    return np.array([f["confidence"] for f in pairs]), right


def test_a_ztunnel_that_is_hundreds_of_ends_behind_loses_no_partner_at_a_cut():
    """Durations tell the partners apart, wherever they are cut from each other."""
    durations = np.random.default_rng(1).integers(5, 400, 1800).tolist()
    _, right = judged(behind(1800, durations=durations))
    assert right.sum() > 0.97 * 1800


def test_pairs_of_a_crowd_that_was_cut_while_connections_were_under_way_claim_little():
    """Nothing tells these apart, and whole runs are shifted where they are cut: that must not look like knowledge."""
    claimed, right = judged(behind(1800, durations=[5] * 1800))
    assert not right.all()
    assert claimed[~right].max() < 0.5, "of a wrong one rather no than yes"
    assert claimed.sum() < 2 * right.sum()


def test_what_is_carried_over_a_cut_lets_every_cut_get_on():
    assert SEGMENTS.carried < SEGMENTS.largest - SEGMENTS.look_back
