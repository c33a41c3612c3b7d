"""`report loss --metrics`: what is missing, as counted."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.counters.test_prometheus import LOST, recorded  # noqa: F401 - a fixture

QUIET = Path("fixtures/captured/1.31.0-head-quiet")
LOGS = sorted(QUIET.glob("*.log.gz"))
METRICS = [part for file in sorted(QUIET.glob("*-4.txt.gz")) for part in ("--metrics", file)]


def test_json_tells_totals_and_ztunnels(cli):
    told = json.loads(cli("report", "loss", *LOGS, *METRICS, "-o", "json").out)
    assert (told["missing"], told["closed"] - told["lines"], told["findings"]) == (375, 375, 375)
    assert {one["ztunnel"]: one["missing"] for one in told["ztunnels"]}["ztunnel-9xw2d"] == 375


def test_a_missing_line_is_a_finding_and_the_tables_say_where(cli):
    result = cli("report", "loss", *LOGS, *METRICS, "--exit-code")
    assert result.code == 1
    [row] = [line for line in result.lines if line.split()[:4] == ["ztunnel-9xw2d", "1,210", "835", "375"]]
    assert row.split()[4] == "8", "refused connections without a line"
    assert "the log filter was access=off from 2026-11-29T07:25:49.738888Z" in result.out


def test_it_goes_with_no_other_report_and_a_file_that_is_none_is_refused(cli):
    result = cli("report", "denied", *LOGS, *METRICS)
    assert (result.code, "--metrics is for report loss" in result.talk) == (2, True)
    result = cli("report", "loss", *LOGS, "--metrics", LOGS[0])
    assert result.code == 3
    assert len(result.talk.splitlines()) == 1, result.talk


def test_a_prometheus_is_asked_instead(recorded, cli):  # noqa: F811 - the fixture
    told = json.loads(cli("report", "loss", *LOGS, "--prometheus", recorded, "-o", "json").out)
    assert (told["missing"], told["closed"] - told["lines"], told["findings"]) == (LOST, LOST, LOST)


@pytest.mark.parametrize(
    ("name", "url", "code", "said"),
    [
        ("denied", "localhost:9090", 2, "--prometheus is for report loss"),
        ("loss", "ftp://user:secret@host", 3, "is no address"),
        ("loss", "http://user:secret@host:port", 3, "is no address"),
    ],
)
def test_an_address_that_is_none_is_said_before_anything_is_read(name, url, code, said, cli):
    result = cli("report", name, "nothing.log", "--prometheus", url)
    assert (result.code, said in result.talk, "secret" in result.talk) == (code, True, False)
    assert len(result.talk.splitlines()) == 1, result.talk
