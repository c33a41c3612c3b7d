"""No table is many times its input: one endless name pads nobody's row, and is cut itself; programs get all of it."""

from __future__ import annotations

import json

import pytest

from ztflow.reports import REPORTS

LONG = 60_000
ROWS = 500
MOST = 20
"""Bytes of a table for each byte of input."""
FRAME = 8_000
"""Bytes of titles and notes, whatever the input."""


def line(number: int, name: str = "") -> str:
    client = f"10.1.{number // 250}.{number % 250}"
    return (
        f"2026-01-01T00:00:00.{number:06}Z\tinfo\taccess\tconnection complete\tsrc.addr={client}:4{number:04} "
        f'src.workload="c{number}{name}" src.namespace="a{name}" src.identity="spiffe://cluster.local/ns/a/sa/c{name}" '
        f'dst.addr=10.2.0.1:15008 dst.hbone_addr=10.2.0.1:80 dst.service="web{name}" dst.workload="w{name}" '
        f'dst.namespace="b" direction="outbound" bytes_sent=1 bytes_recv=2 duration="3ms"'
    )


@pytest.fixture(scope="module")
def log(tmp_path_factory):
    """Many short lines and one that is nearly all names; every pod has a name of its own."""
    path = tmp_path_factory.mktemp("names") / "ztunnel-x.log"
    path.write_text("".join(line(number, "n" * LONG if number == 7 else "") + "\n" for number in range(ROWS)))
    return path


TABLES = [
    ["records"], ["records", "-o", "wide"], ["flows"], ["flows", "-o", "wide"], ["graph"], ["graph", "--by", "pod"],
    ["summary"], *(["report", name] for name in REPORTS), *(["report", name, "--rows", "0"] for name in ("traffic", "egress")),
]  # fmt: skip


@pytest.mark.parametrize("words", TABLES, ids=" ".join)
def test_a_table_is_not_many_times_its_input(cli, log, words):
    printed = cli(*words, log)
    assert printed.code == 0, printed.talk
    assert len(printed.data) <= MOST * log.stat().st_size + FRAME
    assert printed.data.count(b"\n") < 8 or b"n" * LONG not in printed.data


def test_a_difference_is_not_many_times_its_input(cli, log, tmp_path):
    other = tmp_path / "ztunnel-y.log"
    other.write_text("".join(line(number) + "\n" for number in range(ROWS)))
    printed = cli("diff", log, other)
    assert len(printed.data) <= MOST * log.stat().st_size + FRAME


def test_one_endless_key_does_not_pad_the_others(cli):
    text = line(1) + "".join(f" k{number}=1" for number in range(500)) + f" {'k' * LONG}=1"
    printed = cli("explain", text)
    assert len(printed.data) <= MOST * len(text) + FRAME


def test_a_cut_name_shows_both_its_ends_and_programs_get_all_of_it(cli, log):
    wide = cli("records", "-o", "wide", log).out
    assert "a" + "n" * 300 in wide
    assert "n…n" in wide
    whole = [json.loads(row) for row in cli("records", "-o", "jsonl", log).lines]
    assert max(len(row["dst_workload"]) for row in whole) == LONG + 1
    assert "w" + "n" * LONG in cli("records", "-o", "csv", log).out
