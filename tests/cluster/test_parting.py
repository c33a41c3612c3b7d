"""Groups that trace ids make one, which parts of a capture cannot see."""

from __future__ import annotations

import numpy as np

from ztflow.cluster.parting import merged_by

BIG = 2**64 - 5


def numbers(*values):
    return np.array(values, np.uint64)


def test_groups_are_one_through_any_chain_of_trace_ids():
    merged = merged_by(
        [
            (numbers(1, 1, 2), numbers(10, BIG, 30)),
            (numbers(2, 3, 4), numbers(40, 50, BIG)),
            (numbers(4), numbers(7)),
        ]
    )
    assert merged.of(numbers(7, 10, 30, 40, 50, 60, BIG)).tolist() == [7, 7, 30, 30, 50, 60, 7]


def test_groups_without_a_common_trace_id_stay_apart():
    assert not len(merged_by([(numbers(1, 2), numbers(3, 4))]).group)
    assert merged_by([]).of(numbers(3, 4)).tolist() == [3, 4]
