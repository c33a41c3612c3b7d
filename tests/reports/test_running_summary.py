"""Adding flows up as they come gives the summary of all of them, and rows and others together are always the totals."""

from __future__ import annotations

from dataclasses import fields, replace
from itertools import pairwise

import pytest
from flow_strategies import flows, quick
from flows_by_hand import flow, table
from hypothesis import given
from hypothesis import strategies as st

from ztflow.model.tables import Flows
from ztflow.reports import render, summary
from ztflow.reports.pairs import PairRow
from ztflow.reports.running_summary import OF_PAIRS, OF_TOTALS, RunningSummary

ADDITIVE = (
    "flows", "request_bytes", "response_bytes", "bytes_unknown", "denied", "failed", "verdict_unknown", "plaintext",
    "mtls_unknown", "same_node", "cross_node", "locality_unknown", "same_zone", "cross_zone", "zone_unknown", "paired",
)  # fmt: skip


def by_end(some):
    return some.with_rows(some.to_arrow().sort_by("end"))


def parts_of(some, cuts):
    edges = [0, *sorted(cut % (len(some) + 1) for cut in cuts), len(some)]
    return [some.with_rows(some.to_arrow().slice(start, stop - start)) for start, stop in pairwise(edges)]


def told(some, cuts, **sizes):
    """The summary of all but the last part, which is not added for good."""
    running = RunningSummary(**sizes)
    *first, last = parts_of(some, cuts)
    for part in first:
        running.add(part)
    return running.summary(last), running


def close(found, true, error):
    return found == true or (found is not None and true is not None and abs(found - true) <= error * true)


def without_quantiles(measures):
    return replace(measures, duration_p50_ms=None, duration_p95_ms=None)


@quick
@given(flows(), st.lists(st.integers(0, 50), max_size=5))
def test_any_cut_gives_the_summary_of_all_but_for_quantiles(some, cuts):
    some = by_end(some)
    found, _ = told(some, cuts)
    true = summary(some)
    if found.bounds is None:
        assert found == true
        return
    for field in fields(true):
        if field.name not in {"totals", "pairs", "bounds"}:
            assert getattr(found, field.name) == getattr(true, field.name), field.name
    assert found.bounds.others is None
    rows = [(found.totals, true.totals, OF_TOTALS.error)]
    for mine, other in zip(found.pairs, true.pairs, strict=True):
        assert (mine.source, mine.target, mine.source_nodes, mine.target_nodes, mine.missed) == (
            other.source, other.target, other.source_nodes, other.target_nodes, 0,
        )  # fmt: skip
        rows.append((mine.measures, other.measures, OF_PAIRS.error))
    for mine, other, error in rows:
        assert without_quantiles(mine) == without_quantiles(other)
        assert close(mine.duration_p50_ms, other.duration_p50_ms, error)
        assert close(mine.duration_p95_ms, other.duration_p95_ms, error)


@quick
@given(flows(), st.lists(st.integers(0, 50), min_size=1, max_size=8), st.integers(1, 3))
def test_rows_and_others_are_the_totals_however_few_rows_there_are(some, cuts, capacity):
    found, running = told(some, cuts, pairs=capacity, causes=capacity)
    true = summary(some)
    if found.bounds is None:
        assert found == true
        return
    bounds = found.bounds
    assert without_quantiles(found.totals) == without_quantiles(true.totals)
    assert (found.nodes, found.zones, found.mtls) == (true.nodes, true.zones, true.mtls)
    assert (found.paths, found.unpaired, found.basis) == (true.paths, true.unpaired, true.basis)
    assert len(found.pairs) <= capacity
    rows = [row.measures for row in found.pairs] + ([bounds.others] if bounds.others else [])
    for name in ADDITIVE:
        assert sum(getattr(row, name) for row in rows) == getattr(true.totals, name), name
    assert bounds.missed * (capacity + 1) <= len(some)
    counts = {(row.source, row.target): row.measures.flows for row in true.pairs}
    for row in found.pairs:
        assert row.measures.flows <= counts.pop((row.source, row.target)) <= row.measures.flows + row.missed
    assert all(count <= bounds.missed for count in counts.values())
    assert sum(row.flows for row in found.denied) + bounds.denied_others == true.totals.denied
    assert sum(row.flows for row in found.failed) + bounds.failed_others == true.totals.failed
    assert running.summary(Flows()) == running.fork().summary(Flows()), "looking changes nothing"


def ever_new(first, count, **more):
    return Flows(table(*(flow(n, src_pod=None, src_workload=f"new{n}", **more) for n in range(first, first + count))))


@pytest.fixture
def crowded():
    running = RunningSummary(pairs=10, causes=5)
    for start in range(0, 400, 40):
        running.add(ever_new(start, 40, verdict="denied", error_class="policy_denied", policy="data/only-web"))
        running.add(Flows(table(*(flow(start) for _ in range(20)))))
    return running


def test_the_busiest_pair_is_found_among_ever_new_ones_and_others_are_said(crowded):
    found = crowded.summary(Flows())
    assert (found.totals.flows, found.totals.denied) == (600, 400)
    assert (found.pairs[0].source, found.pairs[0].measures.flows) == ("shop/web", 200)
    assert found.bounds.others.flows == 600 - sum(row.measures.flows for row in found.pairs)
    assert 380 <= found.bounds.pairs <= 420
    assert found.bounds.missed <= 600 / 11
    text = render(found, "text", limit=3)
    assert "(others)" in text
    assert "10 of about" in text


def test_rows_shown_and_others_are_the_totals_for_any_number_of_rows(crowded):
    found = crowded.summary(Flows())
    size = found.totals.bytes
    for limit in (1, 3, 10, 0):
        pairs = next(part for part in found.tables(limit) if part.title == "Who talks to whom")
        names = [field.title for field in pairs.fields]
        assert pairs.rows[-1][0] == "(others)"
        assert sum(row[names.index("conns")] for row in pairs.rows) == 600
        assert sum(row[names.index("bytes")] for row in pairs.rows) == size
        assert sum(row[names.index("refused")] or 0 for row in pairs.rows) == 400
        assert pairs.hidden == 0


def test_json_says_which_figures_are_bounds(crowded):
    told = crowded.summary(Flows()).to_dict()
    assert told["bounds"]["others"]["flows"] + sum(row["flows"] for row in told["pairs"]) == told["totals"]["flows"]
    assert told["bounds"]["missed"] >= max(row["missed"] for row in told["pairs"])
    assert told["bounds"]["duration_error"] == OF_PAIRS.error
    assert len(told["denied"]) == 5
    assert told["bounds"]["denied_others"] + sum(row["flows"] for row in told["denied"]) == 400
    assert summary(ever_new(0, 3)).to_dict()["bounds"] is None, "where everything is exact there is nothing to say"


def test_sums_are_exact_beyond_64_bits():
    running = RunningSummary()
    for _ in range(3):
        running.add(Flows(table(flow(request_bytes=2**63 - 1), flow(request_bytes=2**63 - 1))))
    found = running.summary(Flows())
    assert found.totals.request_bytes == found.pairs[0].measures.request_bytes == 6 * (2**63 - 1)


def test_what_a_row_keeps_of_nodes_is_bounded():
    running = RunningSummary()
    for start in range(0, 400, 50):
        running.add(Flows(table(*(flow(n, src_node=f"node-{n}") for n in range(start, start + 50)))))
    (row,) = running.summary(Flows()).pairs
    assert isinstance(row, PairRow)
    assert len(row.source_nodes) == 100
