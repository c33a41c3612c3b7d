"""Rows that are made when they are looked at read like the tuple they stand for."""

from __future__ import annotations

import copy
import itertools
import pickle

import numpy as np
import pyarrow as pa
import pytest
from flow_strategies import flows, quick
from flows_by_hand import flow, table
from hypothesis import given
from hypothesis import strategies as st

from ztflow.aggregate import View, vertices
from ztflow.columns.grouping import falling
from ztflow.model.tables import Flows
from ztflow.model.vocabulary import REFUSED
from ztflow.reports import make_report, summary
from ztflow.reports.lazy_rows import Rows, mapped
from ztflow.reports.refusals import Refusals, briefs, causes, most_frequent


def squares(count):
    return Rows(count, lambda places: [place * place for place in places])


@given(st.integers(0, 12), st.slices(12))
def test_they_are_read_like_a_tuple(count, part):
    rows, whole = squares(count), tuple(place * place for place in range(count))
    assert rows == whole
    assert whole == rows
    assert hash(rows) == hash(whole)
    assert rows[part] == whole[part]
    assert mapped(rows, str)[part] == tuple(map(str, whole[part]))
    assert [*rows] == [*whole]
    assert len(rows) == count
    assert [*reversed(rows)] == [*reversed(whole)]
    assert rows != (*whole, 0)
    assert rows != tuple(one + 1 for one in whole) or not count
    assert rows != [*whole]
    with pytest.raises(IndexError):
        rows[count]
    for same in (copy.deepcopy(rows), pickle.loads(pickle.dumps(rows))):
        assert same == whole


def test_all_of_many_are_gone_through():
    assert [*squares(10_000)] == [place * place for place in range(10_000)]


def test_only_rows_that_are_looked_at_are_made():
    made = []

    def make(places):
        made.extend(places)
        return [str(place) for place in places]

    rows = Rows(1_000_000, make)
    assert (rows[-1], rows[:2]) == ("999999", ("0", "1"))
    assert repr(rows).startswith("<1,000,000 rows: '0', '1', '2', …>")
    assert len(made) < 10_000


@given(st.lists(st.one_of(st.integers(0, 3), st.integers(0, 2**70))))
def test_numbers_of_any_size_are_sorted(numbers):
    assert [numbers[place] for place in np.argsort(falling(numbers))] == sorted(numbers, reverse=True)


def test_pairs_are_in_order_of_connections_or_bytes_then_of_name():
    of = {"src_workload": None, "dst_workload": None, "request_bytes": 1, "response_bytes": 0}
    rows = [("b", "z", 9), ("b", "z", 0), ("b", "a", 9), ("c", "a", 5), ("a", "y", 2**62), ("d", "y", 5)]
    made = [
        flow(**of | {"src_pod": f"n/{source}", "dst_pod": f"n/{target}", "request_bytes": size})
        for source, target, size in rows
    ]
    some = Flows(table(*made))
    names = [(row.source[2:], row.target[2:]) for row in summary(some).pairs]
    assert names == [("b", "z"), ("a", "y"), ("b", "a"), ("c", "a"), ("d", "y")]
    talk = make_report("traffic", some)
    assert [(row.source[2:], row.target[2:]) for row in talk.pairs] == [
        ("a", "y"), ("b", "z"), ("b", "a"), ("c", "a"), ("d", "y")
    ]  # fmt: skip
    assert [(row.name[2:], row.peers) for row in talk.talkers] == [
        ("a", 3), ("y", 2), ("b", 2), ("z", 1), ("c", 1), ("d", 1)
    ]  # fmt: skip


@quick
@given(flows(14), st.lists(st.sampled_from(REFUSED), min_size=14, max_size=14))
def test_refusals_made_one_by_one_are_those_made_at_once(some, verdicts):
    table = some.to_arrow()
    place = table.schema.get_field_index("verdict")
    words = pa.array(verdicts[: len(some)], pa.string()).cast(table.schema.field(place).type)
    view = View(table.set_column(place, table.schema.field(place), words))
    ends, nodes = vertices(view, "workload"), vertices(view, "node")
    rows = np.flatnonzero(view.equals("verdict", REFUSED[0]))
    found = Refusals(view, ends, nodes, rows)
    whole = sorted((cause.refusal() for cause in causes(view, ends, nodes, rows)), key=most_frequent)
    assert [*found] == whole
    assert [found[place] for place in range(len(found))] == whole
    assert [*found.briefs()] == [*briefs(tuple(whole))]


def test_refusals_as_often_are_in_order_of_policy_class_source_target_and_port():
    orders = itertools.product(("b/deny", None, "a/deny"), ("s2", "s1"), ("t2", "t1"), (443, None, 80))
    made = [
        flow(
            verdict="denied", policy=policy, error_class="policy_denied", src_pod=f"n/{source}", dst_pod=f"n/{target}",
            src_workload=None, dst_workload=None, hbone_port=port, dst_port=None,
        )
        for policy, source, target, port in orders
    ]  # fmt: skip
    rows = summary(Flows(table(*made, made[0]))).denied
    assert len(rows) == len(made)
    assert [*rows] == sorted(rows, key=most_frequent)
    assert (rows[0].policy, rows[0].flows) == ("b/deny", 2)
