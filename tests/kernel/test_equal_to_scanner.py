"""Whatever the kernel proves is just what the slow path reads; everything else it leaves, in order."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from kernel_lines import access_lines, clean_lines, damaged, expect_equal, other_lines

from ztflow.kernel.blocks import read_block

FIXTURES = Path(__file__).parents[2] / "fixtures"
CAPTURES = sorted([
    *FIXTURES.glob("captured/1.29.5-*/*.log*"), *FIXTURES.glob("wrapped/*.log.gz"), *FIXTURES.glob("real/*.log"),
])  # fmt: skip
PROVED = {"1.29.5-multinetwork", "1.29.5-storm"}
"""Runs whose access lines the kernel must read."""

thorough = settings(
    max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)


def _block(lines: list[str]) -> bytes:
    return "".join(f"{line}\n" for line in lines).encode("utf-8", "surrogatepass")


@thorough
@given(st.lists(access_lines(), min_size=1, max_size=8))
def test_access_lines_right_or_nearly_right(lines: list[str]) -> None:
    expect_equal(_block(lines))


@thorough
@given(st.lists(clean_lines, min_size=1, max_size=8))
def test_lines_as_ztunnel_writes_them_are_proved(lines: list[str]) -> None:
    expect_equal(_block(lines), all_proved=True)


@thorough
@given(st.lists(other_lines, min_size=1, max_size=8))
def test_other_lines_only_count_when_they_say_nothing(lines: list[str]) -> None:
    expect_equal(_block(lines))


@thorough
@given(st.lists(st.one_of(damaged(clean_lines), damaged(access_lines()), damaged(other_lines)), min_size=1, max_size=6))
def test_damaged_lines(lines: list[bytes]) -> None:
    expect_equal(b"".join(line + b"\n" for line in lines))


@thorough
@given(st.binary(max_size=400))
def test_any_bytes(data: bytes) -> None:
    expect_equal(data + b"\n")


@thorough
@given(st.lists(st.tuples(clean_lines, clean_lines, st.integers(0, 600), st.integers(0, 600)), min_size=1, max_size=4))
def test_pieces_of_two_lines(pairs: list[tuple[str, str, int, int]]) -> None:
    expect_equal(_block([one[:cut] + two[start:] for one, two, cut, start in pairs]))


@pytest.mark.parametrize("path", CAPTURES, ids=lambda path: path.name)
def test_real_lines(path: Path) -> None:
    data = path.read_bytes()
    data = (gzip.decompress(data) if path.suffix == ".gz" else data).rstrip(b"\n") + b"\n"
    proved = expect_equal(data)
    if path.parent.name in PROVED or path.name in {"stern-default.log.gz", "kubectl-prefix.log.gz", "stern-raw.log.gz"}:
        assert proved >= data.count(b"\taccess\tconnection complete\t")


DAYS = ["2024-04-31", "2024-06-31", "2024-09-31", "2024-11-31", "2024-01-32", "2023-02-29", "2024-02-29", "2100-02-29"]


@pytest.mark.parametrize("day", DAYS)
def test_the_kernel_knows_no_day_that_the_scanner_does_not(day: str) -> None:
    """A line that is right but for its day, among right ones."""
    line = (FIXTURES / "captured/1.29.5-multinetwork/ztunnel-4k7rb.log").read_bytes().splitlines(keepends=True)
    right = next(one for one in line if b"\taccess\tconnection complete\t" in one)
    assert expect_equal(right + day.encode() + right[10:] + right) >= 2


def test_there_are_real_lines() -> None:
    assert len(CAPTURES) >= 40
    assert {path.parent.name for path in CAPTURES} >= PROVED


def test_an_address_without_brackets_is_not_that_within() -> None:
    line = '2024-11-05T12:00:01.013201Z\tinfo\taccess\tconnection complete\tsrc.addr={}:1 dst.addr=10.0.0.1:2 direction="inbound" bytes_sent=0 bytes_recv=0 duration="0ms"'
    data = _block([line.format("[fe80::1]"), line.format("fe80::1"), line.format("[fe80::1]")])
    assert expect_equal(data) == 2


def test_rows_of_a_refused_prefix_and_a_refused_error_are_left_in_order() -> None:
    line = '{}2024-11-05T12:00:01.013201Z\terror\taccess\tconnection complete\tsrc.addr=10.0.0.{}:1 dst.addr=10.0.0.1:2 direction="inbound" bytes_sent=0 bytes_recv=0 duration="0ms" error="{}"'
    data = _block([
        line.format("", 1, "a"), line.format("who ", 2, "a"), line.format("", 3, r"\q"), line.format("", 4, r"\n"),
        line.format("who ", 5, "a"),
    ])  # fmt: skip
    table, slow, _ = read_block(data)
    assert [span[:2] for span in slow] == [(1, 2), (4, 1)]
    assert table.column("src_ip").to_pylist() == ["10.0.0.1", "10.0.0.4"]
    assert table.column("error").to_pylist() == ["a", "\n"]
