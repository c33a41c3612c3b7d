"""Constructed, captured and pasted lines: read as their release says, by every parser, and written back."""

import itertools

import pytest

from tests.parse import examples
from ztflow.errors import ParseError
from ztflow.model.objects import AccessRecord
from ztflow.model.provenance import RECORD_NAMES, LogLine
from ztflow.parse import Outcome, outcome, render_line, scan, was_damaged
from ztflow.parse.grammar import parse
from ztflow.parse.scanner import scan_loosely

CONSTRUCTED = examples.constructed()
ACCESS_WORDS = ("connection complete", "connection failed")


def is_access(release, line):
    """From the words of the line alone, not from the parser."""
    if release.startswith(("1.18", "1.19", "1.20", "1.21")):
        return False
    return any(f"\taccess\t{word}\t" in line or f'"message":"{word}"' in line for word in ACCESS_WORDS)


def test_there_are_as_many_examples_as_the_file_says():
    assert len(CONSTRUCTED) == 95
    assert sum(is_access(release, line) for release, _, line in CONSTRUCTED) == 65


@pytest.mark.parametrize(("release", "shows", "line"), CONSTRUCTED, ids=[f"{r} {s}" for r, s, _ in CONSTRUCTED])
def test_an_example_is_read_as_its_release_says(release, shows, line):
    found, row = outcome(LogLine(line, 1))
    assert found is (Outcome.ACCESS if is_access(release, line) else Outcome.OTHER)
    assert parse(line) == row
    if row is None:
        return
    assert scan_loosely(line) == row
    assert not was_damaged(line)
    record = AccessRecord.from_row(row)
    assert record.extra is None
    for word in ("outbound", "inbound"):
        if shows.startswith(word):
            assert record.direction == word
    if ("early deny" in shows and "half" not in shows) or "rejected by CRL" in shows:
        assert (record.message, record.level) == ("failed", "warn")
    if "with clusters" in shows:
        assert (record.src_cluster, record.dst_cluster) == ("Kubernetes", "Kubernetes")
    if "no hbone_addr" in shows or "passthrough" in shows:
        assert record.hbone_host is None
    if "IPv6" in shows:
        assert record.src_addr.startswith("[2001:db8:")
    json = line.startswith("{")
    if not (json and release == "1.22.0"):
        assert render_line(row, release, "json" if json else "plain") == line


def test_halves_that_stand_next_to_each_other_mirror_their_bytes():
    """The comment says `half of the line above`: the sizes must come out swapped."""
    checked = 0
    for (_, _, above), (_, shows, line) in itertools.pairwise(CONSTRUCTED):
        if "half of the line above" in shows:
            one, other = (AccessRecord.from_row(scan(text)) for text in (above, line))
            assert (one.bytes_sent, one.bytes_recv) == (other.bytes_recv, other.bytes_sent)
            checked += 1
    assert checked == 3


@pytest.mark.parametrize("run", examples.CAPTURES)
def test_a_captured_run_is_read_whole_and_written_back(run):
    name, release, form = examples.CAPTURES[run]
    seen = {Outcome.ACCESS: 0, Outcome.OTHER: 0, Outcome.NOT_OURS: 0}
    for line in examples.captured(name):
        found, row = outcome(LogLine(line, 1))
        seen[found] += 1
        if row is None:
            continue
        assert scan_loosely(line) == row
        assert not was_damaged(line)
        again = render_line(row, release, form)
        assert again == line if release != "1.22.0" else scan(again) == row
    assert seen[Outcome.NOT_OURS] == 0
    assert seen[Outcome.ACCESS] >= 20
    assert seen[Outcome.OTHER] >= 20


@pytest.mark.parametrize("run", examples.CAPTURES)
def test_the_grammar_reads_captured_lines_alike(run):
    shapes = {}
    for line in examples.captured(examples.CAPTURES[run][0]):
        row = scan(line)
        shapes.setdefault(None if row is None else tuple(value is None for value in row), line)
    assert len(shapes) >= 2
    for line in shapes.values():
        assert parse(line) == scan(line)


def test_trace_ids_of_1_22_0_json_are_found():
    rows = [scan(line) for line in examples.captured("captured/1.22.0-json/ztunnel-m8s5v.log")]
    hbone = [row for row in rows if row is not None and row[RECORD_NAMES.index("hbone_host")] is not None]
    traces = [row[RECORD_NAMES.index("trace_id")] for row in hbone]
    assert len(traces) > 50
    assert all(len(trace) == 32 for trace in traces)


REAL = examples.real()


@pytest.mark.parametrize(("source", "expect", "line"), REAL, ids=[f"{s} {n}" for n, (s, _, _) in enumerate(REAL)])
def test_a_pasted_line_is_what_it_is(source, expect, line):
    kind, _, reason = expect.partition(": ")
    if kind != "problem":
        found, row = outcome(LogLine(line, 1))
        assert found == expect
        assert parse(line) == row
        return
    with pytest.raises(ParseError) as caught:
        outcome(LogLine(line, 1))
    assert caught.value.reason == reason
    with pytest.raises(ParseError) as by_grammar:
        parse(line)
    assert str(by_grammar.value) == str(caught.value)


def test_pasted_access_lines_are_counted_as_their_index_says():
    """But for lines their authors shortened: problems, with a reason. (One count of the index names a debug line.)"""
    read = {}
    for source, expect, _ in REAL:
        counts = read.setdefault(source, {"access": 0, "problem": 0})
        counts["access"] += expect == "access"
        counts["problem"] += expect.startswith("problem")
    shortened = {source: counts for source, counts in read.items() if counts["problem"]}
    assert set(shortened) == {
        "agentgateway-strict-repro.log", "istio-ztunnel-1875.TRUNCATED-BY-INDEX.log", "keycloak-esso-15008.log",
        "l4demo-se-cluster-01.log", "ossm-east-west-failover.log", "tetrate-tsb-ambient.log",
    }  # fmt: skip
    with (examples.FIXTURES / "real" / "INDEX.tsv").open(encoding="utf-8") as index:
        next(index)
        listed = {columns[0]: int(columns[4]) for columns in (line.split("\t") for line in index)}
    differing = {
        source: (counts["access"], listed[source])
        for source, counts in read.items()
        if source not in shortened and counts["access"] != listed[source]
    }
    assert differing == {"istio-istio-53843.log": (1, 2)}
