"""Blocks and parts are as large as a worker's memory allows, and each worker gets as many as any other."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ztflow.cluster.sizing import OF_A_BLOCK, OF_A_LINE, Sizes


class Cluster:
    """What a client tells of its workers: threads and bytes of each."""

    def __init__(self, *workers):
        self.workers = workers

    def nthreads(self):
        return {at: some for at, (some, _) in enumerate(self.workers)}

    def scheduler_info(self):
        return {
            "workers": {at: {"nthreads": some, "memory_limit": most} for at, (some, most) in enumerate(self.workers)}
        }


@given(st.integers(1, 64), st.integers(200 << 20, 64 << 30), st.integers(1, 1 << 44), st.integers(1, 100_000))
def test_no_task_takes_more_than_its_share_of_a_worker(workers, memory, size, pieces):
    sizes = Sizes(workers, memory)
    block, rows = sizes.block_of(size, size), 1 + size // 450
    parts = sizes.parts_of(rows, pieces)
    assert block * OF_A_BLOCK <= max(memory // 4, (8 << 20) * OF_A_BLOCK)
    assert (rows / parts) * OF_A_LINE <= memory // 4 + OF_A_LINE
    assert parts % min(workers, pieces) == 0


def test_a_tenth_of_the_memory_makes_parts_and_blocks_a_tenth():
    large, small = Sizes(2, 10 << 30), Sizes(2, 1 << 30)
    assert small.parts_of(100_000_000, 100) == pytest.approx(10 * large.parts_of(100_000_000, 100), rel=0.05)
    assert small.block_of(1 << 40, 1 << 40) < large.block_of(1 << 40, 1 << 40) == (10 << 30) // 4 // OF_A_BLOCK


def test_the_worker_with_the_least_memory_counts_and_its_threads_share_it():
    assert Sizes.of(Cluster((1, 4 << 30), (2, 4 << 30))) == Sizes(3, 2 << 30)
    assert Sizes.of(Cluster((1, 0))).memory == 2 << 30, "no limit"


def test_what_is_given_counts():
    assert Sizes.of(Cluster((1, 1 << 30)), block=77, rows=10).block_of(1 << 40, 1 << 40) == 77
    assert Sizes(2, 1 << 30, rows=10).parts_of(100, 100) == 10


def test_a_small_log_is_not_cut_to_pieces():
    sizes = Sizes(2, 8 << 30)
    assert sizes.block_of(1_000_000, 1_000_000) == 8 << 20
    assert sizes.parts_of(2_000, 1) == 1
    assert sizes.parts_of(2_000, 9) == 2
    assert sizes.parts_of(5_000_000, 10) == 4


def test_blocks_are_the_smaller_the_less_is_left_so_that_workers_end_together():
    sizes, left, blocks = Sizes(2, 64 << 30), 5 << 30, []
    while left:
        blocks.append(min(left, sizes.block_of(left, 5 << 30)))
        left -= blocks[-1]
    assert blocks == sorted(blocks, reverse=True)
    assert len(blocks) < 20
    workers = [0, 0]
    for block in blocks:  # whichever is free takes the next one
        workers[workers.index(min(workers))] += block
    assert max(workers) - min(workers) < (5 << 30) / 2 / 20
