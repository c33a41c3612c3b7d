"""Counters against lines: a captured run with a silenced log, the same run with lines cut out, and processes by hand."""

from __future__ import annotations

import csv
import gzip
from pathlib import Path

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

import ztflow
from ztflow.counters import Scrape, read_scrapes, reconcile
from ztflow.counters.scrapes import Key, TimeFrom
from ztflow.errors import UsageError
from ztflow.model.notices import access_level
from ztflow.model.provenance import Fact, Origin, ReadReport
from ztflow.model.tables import Halves

QUIET = Path("fixtures/captured/1.31.0-head-quiet")
"""Node-b's access log was off for 15 seconds; each ztunnel was scraped four times (fixtures/captured/README.md)."""
LOGS = sorted(QUIET.glob("*.log.gz"))
LOST = 375


def scrapes(column="done"):
    """The twelve scrapes with the times that were noted when they were made."""
    with (QUIET / "scrapes.tsv").open() as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    return read_scrapes(*(f"{QUIET}/{row['ztunnel']}.metrics-{row['scrape']}.txt.gz@{row[column]}" for row in rows))


def found(paths, made):
    report = ReadReport()
    halves, _ = ztflow.read_capture(*map(str, paths), report=report)
    return reconcile(halves, made, report.events)


@pytest.mark.parametrize("column", ["begun", "done"])
def test_what_a_silenced_log_lacks_is_counted_between_the_right_scrapes_with_the_reason(column):
    counters = found(LOGS, scrapes(column))
    assert (counters.missing, counters.closed - counters.lines) == (LOST, LOST)
    assert {one.ztunnel: one.missing for one in counters.ztunnels} == {
        "ztunnel-9xw2d": LOST, "ztunnel-4k7rb": 0, "ztunnel-m8s5v": 0,
    }  # fmt: skip
    stretches = counters.ztunnels[0].stretches
    assert [one.missing for one in stretches] == [0, 0, LOST, 0]
    assert stretches[2].reason.startswith("the log filter was access=off from 2026-11-29T07:25:49.738888Z")
    assert stretches[2].denied_missing == 8, "refused connections without a line are told apart"
    assert sum(lost.missing for lost in stretches[2].keys) == LOST
    assert not any(one.uncovered for one in counters.ztunnels)


def test_one_scrape_after_the_end_needs_no_time_and_says_how_it_was_placed():
    last = [scrape for scrape in read_scrapes(str(QUIET)) if scrape.file.endswith("-4.txt.gz")]
    counters = found(LOGS, last)
    assert [(one.missing, len(one.stretches)) for one in counters.ztunnels] == [(LOST, 1), (0, 1), (0, 1)]
    assert all("after the last line" in one.notes[0] for one in counters.ztunnels)


def test_of_scrapes_with_the_same_useless_time_only_the_last_is_used():
    counters = found(LOGS, read_scrapes(str(QUIET)))
    assert counters.missing == LOST
    assert all(sum("is not used" in note for note in one.notes) == 3 for one in counters.ztunnels)


@pytest.fixture(scope="module")
def lines():
    """Lines of each log and the numbers of those that a counter knows."""
    texts = {path.name.split(".")[0]: gzip.decompress(path.read_bytes()).splitlines(keepends=True) for path in LOGS}
    return {
        name: (text, [number for number, line in enumerate(text) if b"connection complete" in line])
        for name, text in texts.items()
    }


@given(data=st.data())
@settings(max_examples=5, deadline=None, phases=[Phase.generate])
def test_the_number_of_lines_cut_out_is_the_number_found(lines, tmp_path_factory, data):
    folder, cut = tmp_path_factory.mktemp("cut"), {}
    for name, (text, known) in lines.items():
        begin = data.draw(st.integers(0, len(known) - 1), label="begin")
        gone = set(known[begin : begin + data.draw(st.integers(0, 200), label="length")])
        cut[name] = len(gone)
        (folder / f"{name}.log").write_bytes(b"".join(line for at, line in enumerate(text) if at not in gone))
    counters = found(sorted(folder.iterdir()), scrapes())
    cut["ztunnel-9xw2d"] += LOST
    assert {one.ztunnel: one.missing for one in counters.ztunnels} == cut


KEY = Key("outbound", "a", None, "b", None, None, mtls=False)
PLAIN = (
    '2026-01-01T00:00:{:02}.000000Z\tinfo\taccess\tconnection complete\tsrc.addr=10.0.0.1:1 src.workload="w" '
    'src.namespace="a" dst.addr=10.0.0.2:80 dst.workload="v" dst.namespace="b" direction="outbound" '
    'bytes_sent=1 bytes_recv=1 duration="1ms"\n'
)
NEW_YEAR = 1_767_225_600_000_000


def written(tmp_path, *seconds) -> Halves:
    file = tmp_path / "ztunnel-4k7rb.log"
    file.write_text("".join(map(PLAIN.format, seconds)))
    return ztflow.read_records(file)


def scrape(second, count):
    return Scrape("ztunnel-4k7rb", "m", NEW_YEAR + int(second * 1_000_000), 50_000, TimeFrom.GIVEN, {KEY: count})


def fact(kind, second, **values):
    return Fact(kind, NEW_YEAR + second * 1_000_000, Origin(pod="ztunnel-4k7rb"), "f", 1, values)


def test_a_process_that_began_anew_counts_from_nothing(tmp_path):
    halves = written(tmp_path, 1, 2, 12, 13, 14)
    events = [fact("version", 0), fact("version", 10)]
    counters = reconcile(halves, [scrape(5, 2), scrape(20, 4)], events)
    assert [(one.closed, one.lines, one.missing) for one in counters.ztunnels[0].stretches] == [(2, 2, 0), (4, 3, 1)]
    counters = reconcile(halves, [scrape(5, 7), scrape(20, 4)], events[:1])
    assert "began anew, and no line says when" in counters.ztunnels[0].notes[0]
    assert [one.missing for one in counters.ztunnels[0].stretches] == [5], "the counters fell: no stretch joins the two"


def test_open_all_along_is_open_at_the_first_scrape_less_what_began_before_it_and_ended(tmp_path):
    file = tmp_path / "ztunnel-4k7rb.log"
    lines = [PLAIN.format(second) for second in (1, 2, 12, 13)]
    lines[2] = lines[2].replace("1ms", "8000ms")
    file.write_text("".join(lines))
    made = [scrape(5, 2), scrape(20, 4)]
    for one, opened in zip(made, (5, 9), strict=True):
        one.opened = {KEY: opened}
    [one] = reconcile(ztflow.read_records(file), made, [fact("version", 0)]).ztunnels
    assert (one.missing, one.open_now, one.open_before) == (0, 5, 2), "three were open, one of them ended at 12 s"
    [one] = reconcile(ztflow.read_records(file), made[1:], [fact("version", 0)]).ztunnels
    assert (one.open_now, one.open_before) == (5, None)
    [one] = reconcile(ztflow.read_records(file), made, [fact("version", 0), fact("version", 10)]).ztunnels
    assert one.open_before is None, "another process has no connection of the first"


def test_reasons_are_told_from_the_lines_that_are_there(tmp_path):
    halves = written(tmp_path, 1, 2, 12, 13, 14)
    events = [fact("version", 0)]
    [one] = reconcile(halves, [scrape(5, 2), scrape(30, 9)], events).ztunnels
    assert one.stretches[1].reason.startswith("lost on the way")
    [one] = reconcile(halves, [scrape(5, 2), scrape(9, 4), scrape(30, 7)], events).ztunnels
    assert one.stretches[1].reason.startswith("no line of this ztunnel")
    [one] = reconcile(halves, [scrape(30, 6)], []).ztunnels
    assert one.stretches[0].reason.startswith("the log begins after")
    [one] = reconcile(halves, [scrape(30, 3)], events).ztunnels
    assert (one.missing, one.stretches[0].reason[:10]) == (-2, "more lines")


def test_a_line_at_the_moment_of_a_scrape_is_put_where_the_counters_say(tmp_path):
    halves, events = written(tmp_path, 1, 2, 3), [fact("version", 0)]
    for count in (1, 2):
        [one] = reconcile(halves, [scrape(2.02 if count == 1 else 1.98, count), scrape(9, 3)], events).ztunnels
        assert [part.lines for part in one.stretches] == [count, 3 - count]


def test_scrapes_of_nobody_and_lines_of_nobody(tmp_path):
    file = tmp_path / "some.log"
    file.write_text(PLAIN.format(1) + PLAIN.format(2))
    halves = ztflow.read_records(file)
    counters = reconcile(halves, [Scrape(None, "m", closed={KEY: 2})])
    assert (counters.ztunnels[0].ztunnel, counters.ztunnels[0].missing) == ("(unknown)", 0)
    assert "no line names its ztunnel" in counters.ztunnels[0].notes[0]
    assert reconcile(halves, [Scrape("one", "m"), Scrape("two", "n")]).lines_of_nobody == 2
    with pytest.raises(UsageError, match="write POD=m"):
        reconcile(halves, [Scrape(None, "m"), Scrape("two", "n")])


@pytest.mark.parametrize(
    ("text", "level"),
    [
        ("hickory_server::server=off,access=off,info", "off"), ("access=info,warn", "info"), ("warn,access=info", "info"),
        ("warn", "warn"), ("info", "info"), ("hickory_server::server=off", None), ("", None),
    ],
)  # fmt: skip
def test_the_level_of_access_lines_in_a_filter(text, level):
    assert access_level(text) == level
