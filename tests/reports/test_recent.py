"""Connections of the last minute: against sums by hand, in any cut, within bounds."""

from __future__ import annotations

from collections import Counter

from flows_by_hand import flow, table
from hypothesis import given, settings
from hypothesis import strategies as st

from ztflow.model.tables import Flows
from ztflow.reports.recent import PAIRS_A_SECOND, SECONDS_KEPT, RecentPairs, Sums, rates


def row(second, name, size=10, verdict="forwarded"):
    return flow(second, src_name=name, src_namespace="a", dst_name="db", dst_namespace="b", request_bytes=size,
                response_bytes=1, verdict=verdict)  # fmt: skip


ROWS = st.lists(st.tuples(st.integers(0, 90), st.sampled_from("pqr"), st.booleans()), min_size=1, max_size=30)


@settings(max_examples=25, deadline=None)
@given(ROWS, st.integers(1, 30), st.sampled_from([(10, 10), (60, 12)]))
def test_a_window_is_the_sum_of_its_rows_however_they_came(rows, cut, length):
    seconds, steps = length
    flows = [row(at, name, verdict="denied" if no else "forwarded") for at, name, no in rows]
    recent = RecentPairs()
    for start in range(0, len(flows), cut):
        recent = recent.fork()
        recent.add(Flows(table(*flows[start : start + cut])))
    first, newest = min(at for at, *_ in rows), max(at for at, *_ in rows)
    last = max(first, newest - 1)
    found = recent.window(seconds, steps)
    wanted = [(at, name, no) for at, name, no in rows if last - seconds < at <= last]
    assert found.whole == Sums(len(wanted), 10 * len(wanted), len(wanted), sum(no for *_, no in wanted))
    assert {pair[0]: sums.flows for pair, sums in found.pairs.items()} == Counter(f"a/{name}" for _, name, _ in wanted)
    assert sum(map(sum, found.trends.values())) == 2 * len(wanted), "of all, and of each pair"
    assert found.seconds == min(seconds, last - first + 1)
    if wanted:
        steps_of_all = Counter((at - (last - seconds + 1)) // (seconds // steps) for at, *_ in wanted)
        assert found.trends[None] == [steps_of_all[step] for step in range(steps)]


def test_it_goes_on_while_nothing_comes():
    recent = RecentPairs()
    recent.add(Flows(table(row(0, "p"), row(5, "p"))))
    assert recent.newest is not None
    assert recent.window(10, 10, recent.newest + 3).whole.flows == 2
    assert recent.window(10, 10, recent.newest + 10).whole.flows == 1
    assert recent.window(10, 10, recent.newest + 11).whole.flows == 0


def test_a_fork_is_independent():
    recent = RecentPairs()
    recent.add(Flows(table(row(0, "p"))))
    other = recent.fork()
    other.add(Flows(table(row(0, "p"), row(1, "q"))))
    assert recent.window(10, 10).whole.flows == 1


def test_ever_new_pairs_take_bounded_room_and_the_whole_is_exact():
    recent = RecentPairs()
    for at in range(4):
        recent.add(Flows(table(*[row(at, "often") for _ in range(3)], *[row(at, f"n{at}-{n}") for n in range(900)])))
    recent.add(Flows(table(row(4, "often"))))
    found = recent.window(10, 10)
    assert found.whole.flows == 4 * 903
    assert len(found.pairs) <= 4 * 2 * PAIRS_A_SECOND
    assert found.pairs["a/often", "b/db"].flows == 12
    assert len(recent._seconds) <= SECONDS_KEPT


def test_what_has_no_time_and_what_is_old_is_left_out():
    recent = RecentPairs()
    recent.add(Flows(table(row(200, "p"), row(201, "p"))))
    recent.add(Flows(table(row(0, "q"), flow(end=None))))
    assert recent.window(60, 12).whole.flows == 1
    assert rates(Sums(), 0) == (0.0, 0.0)
