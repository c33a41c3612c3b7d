"""`--waypoint` on the commands that make flows."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

FIXTURES = Path(__file__).parents[2] / "fixtures"
ZTUNNEL = FIXTURES / "waypoint" / "ztunnel.log.gz"
ENVOY = FIXTURES / "waypoint" / "way-7d9c8b6f5-t4t4t.log.gz"


@pytest.fixture(scope="module")
def few(tmp_path_factory):
    """Some of ztunnel's connections: what is joined is not asked here."""
    log = tmp_path_factory.mktemp("waypoint") / "ztunnel.log"
    log.write_bytes(b"".join(gzip.decompress(ZTUNNEL.read_bytes()).splitlines(keepends=True)[:20]))
    return log


@pytest.mark.parametrize("command", [["graph", "--by", "workload"], ["top"], ["page"], ["report", "mtls"], []])
def test_every_command_that_makes_flows_can_choose_by_requests(cli, few, command):
    result = cli(*command, few, "--waypoint", ENVOY, "--filter", "requests > 100")
    assert result.code == 0
    assert "371 requests" in result.talk
    assert "none of 20 rows passed the filters" in result.talk


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["graph", "-f"], "report waypoints and the summary can follow it"),
        (["report", "mtls", "-f"], "report waypoints and the summary can follow it"),
        (["report", "waypoints", "-f", "--since", "5m"], "leave out --since and --until"),
        (["report", "tunnels"], "has no place for requests"),
        (["report", "waypoints", "--envoy-format", "%START_TIME%"], "without which no request can be joined"),
    ],
)
def test_where_it_is_meaningless_one_line_says_why(cli, words, why):
    result = cli(*words, ZTUNNEL, "--waypoint", ENVOY)
    assert result.code == 2
    assert why in result.talk
    assert result.talk.count("\n") == 1


@pytest.mark.parametrize("follow", [[], ["-f"]])
def test_report_waypoints_and_the_summary_count_requests_followed_or_not(cli, few, follow):
    log = few.read_bytes()
    made = cli("report", "waypoints", "-", "--waypoint", ENVOY, *follow, "-o", "json", stdin=log)
    total = json.loads(made.out)["requests"]["total"]
    assert (total["requests"], total["tcp"], total["refused"], total["failed"]) == (350, 21, 11, 2)
    assert (total["joined"] is None) == bool(follow)
    made = cli("-", "--waypoint", ENVOY, *follow, stdin=log)
    assert "requests 350 and 21 connections of plain TCP in logs of waypoints: 11 refused there, 2 failed" in made.out
    assert "give its log with --waypoint" not in made.out
    assert ("counted and not joined" in made.talk) == bool(follow)


def test_csv_has_the_table_that_is_asked_for(cli, few):
    made = cli("report", "waypoints", few, ENVOY, "-o", "csv", "--table", "Requests by server")
    assert made.lines[0].startswith("waypoint,server,requests,tcp,received,sent,2xx,3xx,4xx,5xx,failed,gave_up,p50")
    assert len(made.lines) == 3
