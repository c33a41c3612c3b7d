"""`report waypoints` by requests: every sum is that of the requests that were made."""

from __future__ import annotations

import csv
import io
from collections import Counter
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

import ztflow
from ztflow.errors import UsageError
from ztflow.filters.period import between
from ztflow.model.provenance import ReadReport
from ztflow.model.tables import Flows
from ztflow.place.names import workload_of_name
from ztflow.read import follow, read_inputs
from ztflow.read.sources.given import given
from ztflow.reports import render, summary, waypoints
from ztflow.session import LiveSession
from ztflow.simulate import Http, preset, simulate

ROOT = Path(__file__).parents[2]
RUN = ROOT / "fixtures" / "waypoint"
ZTUNNEL, ENVOY = RUN / "ztunnel.log.gz", RUN / "way-7d9c8b6f5-t4t4t.log.gz"
PODS = ROOT / "fixtures" / "captured" / "1.31.0-head-envoy-1.39" / "pods.txt"
WORKLOADS = {"web": "shop/web", "cart": "shop/cart", "prober": "monitoring/prober"}


@pytest.fixture(scope="module")
def flows():
    return ztflow.read_flows(ZTUNNEL, waypoint=ENVOY, inventory=PODS)


@pytest.fixture(scope="module")
def found(flows):
    return flows.report("waypoints").requests


@pytest.fixture(scope="module")
def truth():
    """How many requests went from which pod to which, with the status the client saw."""
    with (RUN / "requests.tsv").open(encoding="utf-8") as source:
        rows = [*csv.DictReader(source, delimiter="\t")]
    return [(row["client_pod"], int(row["status"]), row["server_pod"], int(row["requests"])) for row in rows]


def added(items):
    sums = Counter()
    for key, count in items:
        sums[key] += count
    return sums


def workload(pod):
    return WORKLOADS[pod.partition("-")[0]]


def test_sums_by_server_and_code_are_those_of_the_requests_made(found, truth):
    true = added(((pod, code), count) for _, code, pod, count in truth if pod != "-")
    told = added(
        ((row.pod.partition("/")[2], code), count) for row in found.servers for code, count in row.sums.codes.items()
    )
    assert told == true
    assert {row.waypoint for row in found.servers} == {"shop/way"}
    assert {(row.target, row.port) for row in found.servers} == {("shop/cart", 8080)}


def test_sums_by_client_and_code_are_those_of_the_requests_made(found, truth):
    true = added(((workload(pod), code), count) for pod, code, _, count in truth)
    assert added(((row.source, code), count) for row in found.pairs for code, count in row.sums.codes.items()) == true


def test_what_the_waypoint_refused_no_server_saw(found, truth):
    true = added((workload(client), count) for client, _, server, count in truth if server == "-")
    assert added((row.source, row.requests) for row in found.refused) == true
    assert {(row.code, row.by, row.policy, row.servers_own) for row in found.refused} == {
        (403, "policy", "shop/no-admin", 0)
    }
    assert all(row.target is None for row in found.pairs if row.sums.refused)


def test_every_row_rests_on_lines_of_the_log(found):
    total = found.total
    assert (total.requests, total.tcp, total.lines) == (350, 21, 371)
    for rows in (found.pairs, found.logs):
        for name in ("requests", "tcp", "received", "sent", "refused", "failed", "gave_up", "joined"):
            assert sum(getattr(row.sums, name) for row in rows) == getattr(total, name), name
    assert found.unexplained == 0
    assert total.joined + total.maybe + total.stray == total.lines
    answered = sum(row.sums.lines for row in found.servers)
    assert answered == total.lines - total.refused
    assert added((row.outcome, row.requests) for row in found.failed) == {"failed": 2, "answered": 12, "gave_up": 8}
    (log,) = found.logs
    assert (log.waypoint, log.file) == ("shop/way", str(ENVOY))


def test_times_are_those_of_answered_requests(found, flows):
    rows = flows.requests.to_pylist()
    took = sorted(row["duration_ms"] for row in rows if row["outcome"] == "answered" and not row["tcp"])
    sums = found.total
    assert (sums.measured, sums.max_ms) == (len(took), took[-1])
    assert sums.p50_ms == took[(len(took) + 1) // 2 - 1]
    assert sums.server_p99_ms <= sums.p99_ms


def test_a_failure_is_the_waypoints_word(found):
    failed = found.failed[0]
    assert (failed.outcome, failed.code, failed.flags, failed.requests) == ("failed", 503, "UC", 2)
    assert failed.meaning == "the server ended the connection"
    assert failed.clients == ("shop/cart",)


def test_all_forms_show_it(flows):
    made = flows.report("waypoints")
    text = render(made, "text")
    assert "Refused by the waypoint" in text
    assert "the connection of 371 (100.0 %) is decided, 0 may be of several" in text
    assert '"server_p50_ms"' in render(made, "json")
    assert "requests 350 and 21 connections of plain TCP in logs of waypoints: 11 refused there, 2 failed" in text
    assert summary(flows).basis.requests.failed == 2
    assert waypoints(Flows(flows.to_arrow())).requests is None


LINE = (
    '[2026-11-29T08:40:20.{ms:03}Z] "GET /x HTTP/1.1" {code} {flags} {details} - "-" 10 20 5 3 "-" "-" "-" "-" "{server}" '
    "inbound-vip|8080|http|cart.shop.svc.cluster.local - 10.96.10.2:8080 {client}:40000 - default\n"
)


def read(*lines, **options):
    """The run's connections with other requests."""
    said = {"flags": "-", "details": "via_upstream", "server": "10.244.1.12:8080", "client": "10.244.2.11", "code": 200}
    text = "".join(LINE.format(**said | {"ms": number} | line) for number, line in enumerate(lines))
    return ztflow.read_flows(ZTUNNEL, text, inventory=PODS, **options)


RBAC = {"code": 403, "details": "rbac_access_denied_matched_policy[none]", "server": "-"}


def test_a_servers_own_403_is_no_refusal_of_the_waypoint():
    found = read(RBAC, RBAC, {"code": 403}, {"code": 403, "client": "10.244.2.17"}).report("waypoints").requests
    (row,) = found.refused
    assert (row.source, row.requests, row.servers_own, row.policy) == ("shop/web", 2, 1, None)
    assert row.why == "no ALLOW policy admits it"
    assert found.total.codes == {403: 4}


def test_lines_about_tunnels_are_no_requests():
    """As Istio has a waypoint write them: a CONNECT request it refuses, and a tunnel to a server it cannot open."""
    refused = (
        '[2026-11-29T08:40:20.001Z] "CONNECT - HTTP/2" 404 NR route_not_found - "-" 0 0 0 - "-" "-" "-" '
        '"10.96.10.9:8080" "-" - - 10.244.3.19:15008 10.244.2.11:40000 - -\n'
    )
    unopened = (
        '[2026-11-29T08:40:20.002Z] "- - -" 0 UF - - "delayed_connect_error:_111" 0 0 2 - "-" "-" "-" "-" '
        '"10.244.1.12:15008" connect_originate - 10.244.1.12:8080 envoy://internal_client_address/ - -\n'
    )
    some = ztflow.read_flows(ZTUNNEL, refused + unopened + LINE.format(
        ms=3, code=503, flags="UF", details="upstream_reset_before_response_started{x}", server="10.244.1.12:8080",
        client="10.244.2.11",
    ))  # fmt: skip
    total = some.report("waypoints").requests.total
    assert (total.requests, total.tcp, total.failed) == (1, 0, 1)
    assert (some.stats.waypoint, some.stats.waypoint_problems) == (3, 0)


def test_clients_and_servers_nobody_knows_keep_their_address():
    found = read({"client": "192.0.2.1", "server": "192.0.2.9:80"}).report("waypoints").requests
    (pair,) = found.pairs
    assert (pair.source, pair.target, pair.port, pair.waypoint) == ("192.0.2.1", "192.0.2.9", 80, None)
    assert (found.total.joined, found.total.maybe, found.total.stray) == (0, 0, 1)
    assert any("not clear whose log" in note for note in read({"client": "192.0.2.1"}).report("waypoints").notes())


def test_a_log_that_lacks_lines_is_said_to(flows):
    (join,) = flows.joins
    assert (join.lines, join.gaps) == (371, False)
    some = flows.with_rows(flows.to_arrow())
    some.joins = (replace(join, unexplained=7, gaps=True),)
    made = some.report("waypoints")
    assert made.requests.unexplained == 7
    assert any("log must lack lines" in note for note in made.notes())


def test_hostile_words_stay_words():
    hostile = "<script>alert(1)</script>"
    made = read({"details": hostile, "code": 503, "flags": "UC"}).report("waypoints")
    html = render(made, "html")
    assert "<script>" not in html
    assert "&lt;script&gt;" in html


def test_filters_choose_clients_and_services_and_what_they_leave_out_is_counted(flows, truth):
    made = flows.filter(from_workload="prober").report("waypoints")
    true = sum(count for client, _, _, count in truth if client.startswith("prober"))
    assert {row.source for row in made.requests.pairs} == {"monitoring/prober"}
    assert made.requests.total.requests == true
    assert made.requests.left_out == 371 - made.requests.total.lines
    assert any("left out are" in note for note in made.notes())


def test_time_limits_are_those_of_requests_too(flows):
    last = flows.requests["last"].to_pylist()
    since = max(flows["end"].to_pylist()) - timedelta(seconds=5)
    some = between(flows, since, None)
    assert sum(some.requests["requests"].to_pylist()) == sum(micros >= since.timestamp() * 1e6 for micros in last)
    assert 0 < len(some.requests) < len(flows.requests)


def live(*inputs, inventory=PODS):
    report = ReadReport()
    with LiveSession(ztflow.read_inventory(inventory), report=report) as session:
        for batch in read_inputs(inputs, report=report):
            session.feed(batch)
        parts = [*session.finish()]
    from ztflow.api import whole

    return whole(Flows, parts, report)


def test_what_is_counted_as_it_comes_is_the_same_but_for_the_join(found):
    """And never waits in memory for an end."""
    some = live(ZTUNNEL, ENVOY)
    told = some.report("waypoints").requests
    assert (told.total.joined, told.total.maybe, told.total.stray) == (None, None, None)

    def sums(rows):
        return {
            (row.source, row.target, row.service): (row.sums.codes, row.sums.tcp, row.sums.sent, row.sums.failed)
            for row in rows
        }

    assert sums(told.pairs) == sums(found.pairs)
    assert told.failed == found.failed
    cut = between(some, max(some["end"].to_pylist()), None).report("waypoints")
    assert cut.requests.total.lines + cut.requests.left_out == 371, "they tell their times no more"
    assert any("time limits leave them as they are" in note for note in cut.notes())
    assert told.total.p50_ms == pytest.approx(found.total.p50_ms, rel=1 / 32)


def test_requests_come_with_the_batches_that_are_followed():
    """They would pile up in the parser otherwise."""
    text = LINE.format(ms=1, code=200, flags="-", details="via_upstream", server="-", client="10.0.0.1")
    batches = [*follow([io.BytesIO(text.encode())])]
    assert sum(batch.requests.num_rows for batch in batches if batch.requests is not None) == 1


def test_a_format_of_ones_own_is_followed_too(tmp_path):
    log = tmp_path / "own.log"
    log.write_text("2026-11-29T08:40:20Z|5|1|2|10.96.10.2:8080|10.244.2.11:4|GET\nno line of it\n")
    form = (
        "%START_TIME%|%DURATION%|%BYTES_RECEIVED%|%BYTES_SENT%|%DOWNSTREAM_LOCAL_ADDRESS%|"
        "%DOWNSTREAM_REMOTE_ADDRESS%|%REQ(:METHOD)%"
    )
    report = ReadReport()
    ends = iter([False] * 20)
    parts = ztflow.follow_flows(
        io.BytesIO(b""), waypoint=log, envoy_format=form, report=report, stop=lambda: next(ends, True)
    )
    list(parts)
    assert (report.stats.waypoint, report.stats.waypoint_problems) == (2, 1)
    assert report.requests[0]["outcome"].to_pylist() == ["untold"]
    with pytest.raises(UsageError, match="--envoy-format"):
        ztflow.follow_flows(*given([]), waypoint=log, envoy_format="%START_TIME%")


MANY_ENDS = replace(preset("requests").scaled(60), http=Http(
    tcp_services=1, retried=0.1, reset=0.05, late=0.03, unavailable=0.05, aborted=0.1, http2=0.3, kept=0.7,
))  # fmt: skip
OUTCOMES = {
    "good": "answered", "missing": "answered", "broken": "answered", "tcp": "answered", "refused": "refused",
    "unavailable": "failed", "reset": "failed", "late": "failed", "aborted": "gave_up",
}  # fmt: skip


@pytest.mark.parametrize("seed", [3, 8])
def test_of_a_simulated_run_every_request_is_counted_once_with_its_end(tmp_path, seed):
    capture = simulate(MANY_ENDS, seed)
    capture.write(tmp_path)
    found = live(*sorted(tmp_path.glob("*.log*")), inventory=tmp_path / "pods.txt").report("waypoints").requests
    made = capture.requests.to_pylist()
    ends = added((row["end"], 1) for row in made)
    outcomes = added((OUTCOMES[end], count) for end, count in ends.items())
    assert ends.keys() == OUTCOMES.keys()
    assert (found.total.requests, found.total.tcp) == (len(made) - ends["tcp"], ends["tcp"])
    assert (found.total.untold, found.total.own_answers) == (0, 0)
    for name in ("refused", "failed", "gave_up"):
        assert getattr(found.total, name) == outcomes[name]
    assert sum(row.requests for row in found.failed if row.outcome == "answered") == ends["broken"]
    by_pod = added((row["server_pod"], 1) for row in made if row["server_pod"] != "-")
    assert {row.pod.partition("/")[2]: row.sums.lines for row in found.servers} == by_pod
    pods = {row["id"]: row["src_pod"] for row in capture.truth.to_pylist()}
    by_client = added((workload_of_name(pods[row["connection"]])[0], 1) for row in made)
    assert added((row.source.partition("/")[2], row.sums.lines) for row in found.pairs) == by_client
