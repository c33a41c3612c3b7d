"""Clocks: how far the nodes' clocks are apart, and when that is a finding."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pytest
from halves_by_hand import connection
from halves_by_hand import table as halves_table

from ztflow.model.tables import Halves
from ztflow.pair import Pairer
from ztflow.reports import clocks, render


def paired(halves):
    rows = halves_table(halves)
    both = Halves(rows)
    pairer = Pairer(window=timedelta.max)
    pairer.push(both)
    return pairer.finish(), both


def skewed(client, server, ahead, number, delay=200):
    """A connection whose outbound line is written `ahead` microseconds early or late, plus the delay."""
    return connection(
        number, client=client, server=server, request=100 + number, line=number + 1, delay_us=ahead + delay
    )


def test_connections_both_ways_give_the_offset():
    halves = [row for number in range(20) for row in skewed(1, 2, 300_000, number)]
    halves += [row for number in range(20, 40) for row in skewed(2, 1, -300_000, number, delay=400)]
    report = clocks(*paired(halves))
    (offset,) = report.offsets
    assert (offset.ztunnel, offset.other, offset.both_ways, offset.flows) == ("ztunnel-1", "ztunnel-2", True, 40)
    assert offset.offset_ms == pytest.approx(299.9, abs=0.2)
    assert offset.delay_ms == pytest.approx(0.3, abs=0.01)
    assert report.findings == 1


@pytest.mark.parametrize(("longest_ms", "findings"), [(10, 1), (700, 0)])
def test_an_offset_that_is_lost_in_the_delays_is_no_finding(longest_ms, findings):
    """The clocks are a tenth of a second apart; when the delays scatter over most of a second that proves nothing."""
    delays = np.random.default_rng(3).permutation(np.linspace(0, longest_ms * 1000, 80)).astype(int).tolist()
    halves = []
    for number, delay in enumerate(delays):
        client, server, ahead = (1, 2, 100_000) if number % 2 else (2, 1, -100_000)
        halves += skewed(client, server, ahead, number, delay=delay)
    report = clocks(*paired(halves))
    (offset,) = report.offsets
    assert (offset.both_ways, offset.flows) == (True, 80)
    assert offset.offset_ms == pytest.approx(100, abs=80)
    assert offset.offset_ms > 50, "worth a finding, were it certain"
    assert report.findings == findings


def test_one_way_only_is_said_to_mix_offset_and_delay():
    halves = [row for number in range(20) for row in skewed(1, 2, 300_000, number)]
    report = clocks(*paired(halves))
    (offset,) = report.offsets
    assert (offset.both_ways, offset.delay_ms) == (False, None)
    assert report.findings == 0, "it may all be delay"
    assert "one way: offset and delay together" in render(report, "text")


def test_uncertain_pairs_and_missing_lines_are_not_compared():
    flows, halves = paired(connection(0) + connection(0.00001, line=2))
    assert {row["paired"] for row in flows.to_arrow().to_pylist()} == {"ambiguous"}
    assert clocks(flows, halves).compared == 0
    flows, _ = paired(connection(0))
    assert clocks(flows, Halves()).compared == 0
