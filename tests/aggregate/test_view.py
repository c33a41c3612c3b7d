"""Columns as codes: grouping must see exactly the values, however Arrow stores them."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pyarrow as pa
import pytest
from flow_strategies import flows, quick
from flows_by_hand import flow, table
from hypothesis import given

from ztflow.aggregate import View
from ztflow.columns.dtypes import NO_TIME
from ztflow.columns.grouping import Members, group


def decoded(labels):
    return [labels.words[code] if code >= 0 else None for code in labels.codes.tolist()]


@quick
@given(flows())
def test_labels_are_the_column(some):
    view = View(some.to_arrow())
    for name in ("src_name", "path", "inbound_error"):
        assert decoded(view.labels(name)) == some.to_arrow().column(name).to_pylist()


def test_a_dictionary_may_repeat_values_and_hold_null():
    odd = pa.DictionaryArray.from_arrays(pa.array([0, 1, 2, 3, None], pa.int32()), pa.array(["a", "b", "a", None]))
    view = View(pa.table({"x": odd}))
    assert decoded(view.labels("x")) == ["a", "b", "a", None, None]
    assert view.labels("x").size == 2
    assert view.known("x").tolist() == [True, True, True, False, False]
    assert len(view.group("x")) == 3


@quick
@given(flows())
def test_groups_are_the_distinct_rows(some):
    view = View(some.to_arrow())
    names = ("src_name", "dst_name", "path", "verdict")
    groups = view.group(*names)
    rows = list(zip(*(some.to_arrow().column(name).to_pylist() for name in names), strict=True))
    assert Counter(groups.codes.tolist()) == Counter(
        {groups.codes.tolist()[rows.index(row)]: count for row, count in Counter(rows).items()}
    )
    assert view.rows(groups.first, *names) == list(dict.fromkeys(rows))


def test_groups_survive_more_combinations_than_an_integer_has():
    rng = np.random.default_rng(7)
    wide = [(rng.integers(-1, 3, 200), 2**20) for _ in range(8)]
    groups = group(wide, 200)
    distinct = set(zip(*(codes.tolist() for codes, _ in wide), strict=True))
    assert len(groups) == len(distinct)


@quick
@given(flows())
def test_a_part_of_a_view_is_the_part_of_the_table(some):
    view = View(some.to_arrow())
    mask = view.equals("paired", "unique", "exact")
    part = view.where(mask)
    kept = some.to_arrow().filter(pa.array(mask))
    assert len(part) == kept.num_rows
    assert decoded(part.labels("src_node")) == kept.column("src_node").to_pylist()
    values, known = part.numbers("request_bytes")
    assert [v if k else None for v, k in zip(values.tolist(), known.tolist(), strict=True)] == kept.column(
        "request_bytes"
    ).to_pylist()
    twice = part.where(part.equals("path", "hbone"))
    assert len(twice) == sum(path == "hbone" for path in kept.column("path").to_pylist())


def test_times_stand_in_for_each_other_and_unknown_is_no_time():
    view = View(table(flow(start=None), flow(start=None, end=None)))
    began, ended = view.seen()
    assert began[0] == ended[0] != NO_TIME
    assert (began[1], ended[1]) == (NO_TIME, NO_TIME)


def test_an_empty_table_has_no_span_and_no_groups():
    view = View(table())
    assert view.span() == (None, None)
    assert len(view.group("src_name")) == 0


def test_members_lists_what_occurs_in_each_group():
    view = View(table(flow(src_node="a"), flow(src_node="b"), flow(src_node=None), flow(src_name="x", src_node="b")))
    groups, nodes = view.group("src_name"), view.labels("src_node")
    found = Members(groups, nodes.codes, len(nodes.words))
    assert [[nodes.words[code] for code in codes] for codes in found] == [["a", "b"], ["b"]]
    assert [found[0], found[1], found[:]] == [[0, 1], [1], [*found]]
    assert len(found) == 2


def test_masks_cannot_be_changed_behind_the_views_back():
    mask = View(table(flow())).equals("path", "hbone")
    with pytest.raises(ValueError, match="read-only"):
        mask[0] = False
