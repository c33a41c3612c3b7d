"""Measures are exact, whatever the sizes, and unknown is counted beside what is known."""

from __future__ import annotations

import math
from collections import defaultdict
from datetime import UTC, datetime

import numpy as np
from flow_strategies import flows, quick
from flows_by_hand import flow, table, unencrypted
from hypothesis import given
from hypothesis import strategies as st

from ztflow.aggregate import View, measure, scalars
from ztflow.aggregate.measures import MEASURE_NAMES
from ztflow.aggregate.percentiles import quantiles
from ztflow.text.format import time_text


def by_hand(rows):
    """The measures of some flows, the slow and plain way."""
    known = [row for row in rows if row["request_bytes"] is not None and row["response_bytes"] is not None]
    durations = sorted(row["duration_ms"] for row in rows if row["duration_ms"] is not None)
    times = [(row["start"] or row["end"], row["end"] or row["start"]) for row in rows if row["start"] or row["end"]]

    def rank(percent):
        return durations[math.ceil(percent * len(durations) / 100) - 1] if durations else None

    def count(column, *values):
        return sum(row[column] in values for row in rows)

    return (
        len(rows),
        sum(row["request_bytes"] or 0 for row in rows),
        sum(row["response_bytes"] or 0 for row in rows),
        len(rows) - len(known),
        rank(50), rank(95), durations[-1] if durations else None,
        count("verdict", "denied"), count("verdict", "failed"), count("verdict", "unknown", None),
        *(sum(unencrypted(row) == kind for row in rows) for kind in ("plaintext", "plaintext_refused", "left_mesh")),
        count("mtls", None),
        count("locality", "same_node"), count("locality", "cross_node"), count("locality", "unknown", None),
        count("zone_locality", "same_zone"), count("zone_locality", "cross_zone"),
        count("zone_locality", "unknown", None),
        count("paired", "exact", "unique", "ambiguous", "relaxed"),
        min((first for first, _ in times), default=None), max((last for _, last in times), default=None),
    )  # fmt: skip


@quick
@given(flows(30))
def test_measures_are_what_counting_by_hand_gives(some):
    view = View(some.to_arrow())
    groups = view.group("path", "src_node")
    members = defaultdict(list)
    for code, row in zip(groups.codes.tolist(), some.to_arrow().to_pylist(), strict=True):
        members[code].append(row)
    for code, found in enumerate(measure(view, groups)):
        assert tuple(getattr(found, name) for name in found.__slots__) == by_hand(members[code])


def test_sums_beyond_64_bits_are_exact():
    view = View(table(*[flow(request_bytes=2**63 - 1, response_bytes=2**63 - 1)] * 3))
    (found,) = measure(view, view.group("path"))
    assert found.request_bytes == 3 * (2**63 - 1)
    assert found.bytes == 6 * (2**63 - 1)


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(-(2**62), 2**62)), max_size=60))
def test_quantiles_are_observed_values_by_nearest_rank(pairs):
    codes = np.array([code for code, _ in pairs], dtype=np.int32)
    values = np.array([value for _, value in pairs], dtype=np.int64)
    p50, p95, longest = quantiles(values, codes, 5)
    for group in range(5):
        mine = sorted(value for code, value in pairs if code == group)
        wanted = [mine[math.ceil(p * len(mine) / 100) - 1] if mine else None for p in (50, 95, 100)]
        assert [p50[group], p95[group], longest[group]] == wanted


@quick
@given(flows(30))
def test_scalars_are_the_measures_without_what_is_unknown(some):
    view = View(some.to_arrow())
    groups = view.group("path", "src_node")
    named = [f"{number}" if number % 2 else None for number in range(len(groups))]
    for found, wanted, name in zip(scalars(view, groups, name=named), measure(view, groups), named, strict=True):
        values = {key: getattr(wanted, key) for key in MEASURE_NAMES} | {"name": name}
        texts = {key: time_text(value) if isinstance(value, datetime) else value for key, value in values.items()}
        assert list(found.items()) == [(key, value) for key, value in texts.items() if value is not None]


def test_scalars_leave_out_what_is_unknown():
    view = View(table(flow(start=None, end=None, duration_ms=None)))
    (found,) = scalars(view, view.group("path"))
    assert not {"first_seen", "last_seen", "duration_p50_ms"} & found.keys()
    assert found["flows"] == 1


def test_times_are_text_with_six_digits():
    view = View(table(flow(start=datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC))))
    (found,) = scalars(view, view.group("path"))
    assert found["first_seen"] == "2026-01-02T03:04:05.000000Z"
