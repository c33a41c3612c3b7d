"""What a log says of its own completeness: captured runs with a silence and a restart, whole and cut, and lines by hand."""

from __future__ import annotations

import gzip
import json
import re
from datetime import timedelta
from pathlib import Path

import pytest

import ztflow
from ztflow.model.notices import LEAST_REFUSED, notice_lines, notices_of, silences
from ztflow.model.provenance import Fact, Origin, ReadReport
from ztflow.reports import REPORTS, make_report, render, summary

CAPTURED = Path("fixtures/captured")
QUIET = sorted((CAPTURED / "1.31.0-head-quiet").glob("*.log.gz"))
RESTARTED = CAPTURED / "1.31.0-head-restart/ztunnel-9xw2d.log.gz"


@pytest.fixture(scope="module")
def quiet():
    return ztflow.read_flows(*QUIET, inventory=None)


@pytest.fixture(scope="module")
def restarted_lines():
    return gzip.decompress(RESTARTED.read_bytes()).splitlines(keepends=True)


def told(flows):
    return [(notice.kind.value, notice.ztunnel) for notice in flows.notices]


def cut(folder, lines, name="ztunnel-9xw2d.log"):
    file = folder / name
    file.write_bytes(b"".join(lines))
    return ztflow.read_flows(file, inventory=None)


def test_a_silence_is_told_with_the_stretch_it_lasted(quiet):
    assert told(quiet) == [("silenced", "ztunnel-9xw2d")]
    [notice] = quiet.notices
    assert notice.end - notice.begin == timedelta(seconds=14, microseconds=973244)
    assert "from 2026-11-29 07:25:49 to 07:26:04 UTC" in notice.text
    assert "not meaningful" in notice.text


@pytest.mark.parametrize("name", ["summary", *REPORTS])
def test_it_stands_on_top_of_every_report_in_every_form(quiet, name):
    halves = ztflow.read_records(QUIET[0]) if name in {"tunnels", "clocks"} else None
    report = summary(quiet) if name == "summary" else make_report(name, quiet, halves=halves)
    lines = render(report, "text").splitlines()
    assert lines[1].startswith("caution  ztunnel-9xw2d wrote no access line")
    assert sum("ztunnel-9xw2d wrote no access line" in line for line in lines) == 1
    assert "**caution**: ztunnel-9xw2d wrote no access line" in render(report, "markdown").replace("\\", "")
    assert "<b>caution</b>: ztunnel-9xw2d wrote no access line" in render(report, "html")
    values = json.loads(render(report, "json"))
    assert [(one["kind"], one["begin"]) for one in values["notices"]] == [("silenced", "2026-11-29T07:25:49.738888Z")]
    assert list(values)[2] == "notices"


def test_on_a_narrow_terminal_no_word_of_it_is_lost(quiet):
    text = render(summary(quiet), "text", width=40)
    said = " ".join(line[9:] for line in text.splitlines()[1:6])
    assert quiet.notices[0].text in said


def test_a_restart_is_told_and_no_start(restarted_lines, tmp_path):
    assert told(ztflow.read_flows(RESTARTED, inventory=None)) == [("restarted", "ztunnel-9xw2d")]
    starts = [number for number, line in enumerate(restarted_lines) if b"\tversion: " in line]
    assert len(starts) == 2
    after = cut(tmp_path, restarted_lines[starts[1] :])
    assert told(after) == [], "the first thing a log says is a start, not a restart"
    assert told(cut(tmp_path, restarted_lines[starts[0] + 1 :])) == [("restarted", "ztunnel-9xw2d")]


def test_lines_that_name_no_pod_may_be_of_several_ztunnels(tmp_path):
    texts = [gzip.decompress(file.read_bytes()) for file in QUIET]
    flows = cut(tmp_path, texts, "all.log")
    assert told(flows) == [("silenced", None)], "three starts one after the other are three ztunnels, not restarts"


@pytest.mark.parametrize(("level", "kinds"), [(rb"warn|error", ["only_refused"]), (rb"info|warn|error", [])])
def test_a_capture_at_warn_is_told_from_what_is_there(tmp_path, level, kinds):
    files = []
    for source in QUIET:
        file = tmp_path / source.name.removesuffix(".gz")
        lines = gzip.decompress(source.read_bytes()).splitlines(keepends=True)
        wanted = re.compile(rb"^\S+\t(?:%s)\taccess\t" % level)
        file.write_bytes(b"".join(line for line in lines if wanted.match(line)))
        files.append(file)
    flows = ztflow.read_flows(*files, inventory=None)
    assert [notice.kind.value for notice in flows.notices] == kinds * 3
    lines = notice_lines(flows.notices)
    assert len(lines) == len(kinds), "said once for all three"
    if kinds:
        assert lines[0].startswith(
            "ztunnel-4k7rb, ztunnel-9xw2d, ztunnel-m8s5v have no line of a connection that ended"
        )


REFUSED = (
    "2026-01-01T00:00:{:02}.000000Z\twarn\taccess\tconnection failed\tsrc.addr=10.0.0.1:1 dst.addr=10.0.0.2:80 "
    'direction="outbound" error="unknown source: 10.0.0.1"\n'
)


@pytest.mark.parametrize(("lines", "found"), [(LEAST_REFUSED - 1, 0), (LEAST_REFUSED, 1)])
def test_a_few_pasted_failures_are_no_sign_of_a_filter(lines, found, tmp_path):
    flows = cut(tmp_path, [REFUSED.format(second).encode() for second in range(lines)])
    assert len(flows.notices) == found


def fact(second, level):
    return Fact("log_filter", second * 1_000_000, Origin(pod="z"), "f", 1, {"filter": f"access={level},info"})


def test_a_filter_set_twice_is_one_silence_and_another_level_begins_another():
    found = silences([fact(1, "off"), fact(2, "off"), fact(2, "off"), fact(3, "warn"), fact(9, "info")])
    assert [(one.begin, one.end, one.level) for one in found] == [
        (1_000_000, 3_000_000, "off"), (3_000_000, 9_000_000, "warn"),
    ]  # fmt: skip


def test_of_many_the_first_are_told_and_the_others_counted():
    report = ReadReport()
    report._events = [
        [Fact("log_filter", 1, Origin(pod=f"z{number}"), "f", 1, {"filter": "off"}) for number in range(9)]
    ]
    lines = notice_lines(notices_of(report))
    assert len(lines) == 4
    assert lines[-1].startswith("6 more like this one")


def test_filters_of_flows_do_not_take_notices_away(quiet):
    assert quiet.filter(verdict="denied").notices == quiet.notices
    assert ReadReport.of([ReadReport(), ReadReport()]).written == {}
