"""Halves without a partner near their end: late and cut connections, and what must stay unpaired."""

from __future__ import annotations

import numpy as np
import pytest
from halves_by_hand import START, connection, table
from hypothesis import given, settings
from hypothesis import strategies as st

from ztflow.pair.features.full import full_features
from ztflow.pair.reach import REACH
from ztflow.pair.stages.late_or_cut import pair_late_or_cut


def found(rows, watermark=START + 10**9):
    """Pairs as (line of the outbound half, line of the inbound half, late pair)."""
    features = full_features(table(rows))
    index = np.argsort(features.time, kind="stable")
    lines = [row["line_number"] for row in rows]
    return [
        (lines[p.outbound], lines[p.inbound], p) for p in pair_late_or_cut(features, features.time, index, watermark)
    ]


def reset(end, line, *, sent=5000, got=5000, read=5000, wrote=5000, **more):
    """A connection whose halves counted different bytes and say nothing of it: since 1.22.4 a reset is no error."""
    return connection(
        end=end, line=line, out={"bytes_sent": sent, "bytes_recv": got}, inn={"bytes_recv": read, "bytes_sent": wrote},
        **more,
    )  # fmt: skip


@pytest.mark.parametrize("lost", [{"got": 1200}, {"read": 700}, {"got": 0, "read": 0}])
def test_a_silent_reset_is_a_pair_of_less_confidence(lost):
    ((out, inn, pair),) = found(reset(1.0, 1, **lost))
    assert (out, inn) == (1, 1)
    assert not pair.equal_sizes
    assert pair.confidence == 0.8


def test_bytes_cannot_be_gained_on_the_way():
    assert found(reset(1.0, 1, got=1200, wrote=1000)) == []


def test_a_silent_reset_needs_starts_and_ends_that_agree():
    out, inn = reset(1.0, 1, got=1200)
    assert found([out, inn | {"duration_ms": 100}]) == []
    assert found([out | {"time": out["time"] + 500_000, "duration_ms": 506}, inn]) == []
    broken = {"error": "connection closed due to connection drain"}
    assert len(found([out | {"time": out["time"] + 500_000, "duration_ms": 506}, inn | broken])) == 1


def test_two_silent_resets_at_once_are_not_told_apart():
    assert found([*reset(1.0, 1, got=1200), *reset(1.001, 2, got=1300)]) == []


def test_two_broken_ones_at_once_are_by_nearness():
    error = {"inn": {"error": "connection closed due to connection drain", "bytes_recv": 0, "bytes_sent": 900}}
    rows = [*connection(1.0, line=1, **error), *connection(1.030, line=2, **error)]
    assert [(o, i) for o, i, _ in found(rows)] == [(1, 1), (2, 2)]


def test_nothing_is_judged_before_its_time():
    rows = reset(1.0, 1, got=1200)
    last = max(row["time"] for row in rows)
    assert found(rows, last + REACH.partner) == []
    assert len(found(rows, last + REACH.partner + 1)) == 1


halves = st.lists(
    st.tuples(
        st.integers(0, 40), st.sampled_from([0, 1, 7, 30_000]), st.sampled_from([100, 200]), st.sampled_from([0, 5, 90]),
        st.sampled_from([None, "drain"]), st.sampled_from(["out", "in"]), st.sampled_from([1, 3]),
    ),
    max_size=14,
)  # fmt: skip


def made(drawn):
    rows = []
    for line, (tenth, late_ms, size, duration, error, side, client) in enumerate(drawn, 1):
        pair = connection(tenth / 10 + late_ms / 1000, client=client, request=size, duration=duration, line=line)
        rows.append(pair[0 if side == "out" else 1] | {"error": error})
    return rows


def one_by_one(rows):
    """The same by the plainest means: each possible pair in order of judging, taken when no other half is as near."""
    features = full_features(table(rows))
    possible = []
    for o in np.flatnonzero(features.outbound).tolist():
        for i in np.flatnonzero(~features.outbound).tolist():
            if (
                features.without_identity[o] != features.without_identity[i]
                or abs(int(features.time[o] - features.time[i])) > REACH.partner
            ):
                continue
            ends = abs(int(features.time[o] - features.time[i])) / 1000
            spans = int(features.duration[o] - features.duration[i])
            starts = abs(int(features.time[o] - features.time[i]) / 1000 - spans)
            asked, answered = (
                (int(features.request[o]), int(features.request[i])),
                (int(features.response[i]), int(features.response[o])),
            )
            equal = asked[0] == asked[1] and answered[0] == answered[1]
            broken = bool(features.failed[o] or features.failed[i])
            if equal and (min(starts, ends) <= 60 or abs(spans) <= 60):
                score = min(starts, ends, abs(spans))
            elif not equal and asked[0] >= asked[1] and answered[0] >= answered[1] and starts <= 60 and (
                broken or ends <= 60
            ):  # fmt: skip
                score = starts
            else:
                continue
            due = max(int(features.time[o]), int(features.time[i]))
            possible.append((due, score, o, i, equal, broken))
    taken, result = set(), []
    for _, score, o, i, equal, broken in sorted(possible):
        rivals = [p for p in possible if (p[2] == o) != (p[3] == i) and not {p[2], p[3]} & taken]
        if {o, i} & taken or any(p[1] <= score for p in rivals) or (rivals and not equal and not broken):
            continue
        taken |= {o, i}
        result.append((rows[o]["line_number"], rows[i]["line_number"], len(rivals)))
    return result


@settings(max_examples=200, deadline=None)
@given(halves)
def test_the_quick_way_is_the_plain_way(drawn):
    rows = sorted(made(drawn), key=lambda row: (row["time"], row["line_number"]))
    assert [(o, i, p.alternatives) for o, i, p in found(rows)] == one_by_one(rows)
