"""Lines of other programs: named, counted, and taken for no ztunnel's."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ztflow import api
from ztflow.model.notices import producer_lines
from ztflow.model.provenance import LogLine, ReadReport
from ztflow.model.vocabulary import Producer
from ztflow.parse.classify import producer_of
from ztflow.reports import summary

TIME = "2026-01-01T00:00:00.000000Z"
ENVOY = (
    '[2026-10-09T11:44:22.954Z] "GET /anything HTTP/1.1" 200 - via_upstream - "-" 0 429 4 2 "-" "curl/8.11.1" '
    '"a14f191d-1d1d-4a4a-8b8b-000000000000" "probe:8000" "envoy://connect_originate/10.244.0.15:8080" '
    "inbound-vip|8000|http|probe.starfleet.svc.cluster.local envoy://internal_client_address/ 10.96.132.123:8000 "
    "10.244.0.14:59462 - default"
)
SOLO = next(
    line for line in Path("fixtures/real/solo-bank-of-anthos-39754725156.log").read_text().splitlines()
    if "\thttp access\t" in line
)  # fmt: skip
KMESH = (
    "accesslog: 2025-05-08 07:41:31.436041742 +0000 UTC src.addr=10.244.0.14:49056, src.workload=ws-client, "
    "src.namespace=default, dst.addr=10.244.0.11:8080, dst.service=-, dst.workload=-, dst.namespace=default, "
    "start_time=2025-05-08 07:41:31.421464 +0000 UTC, direction=INBOUND, state=BPF_TCP_ESTABLISHED, sent_bytes=14566, "
    "received_bytes=280, packet_loss=0, retransmissions=0, srtt=457us, min_rtt=38us, duration=1.4577234782131e+07ms"
)
AGENTGATEWAY = (
    f"{TIME}\tinfo\trequest gateway=ns/gw listener=http route=ns/r endpoint=10.0.0.2:8080 src.addr=10.0.0.1:59257 "
    "http.method=POST http.status=200 duration=3ms"
)
REQUEST = {"level": "info", "time": TIME, "scope": "request", "gateway": "ns/gw", "endpoint": "10.0.0.2:8080"}


@pytest.mark.parametrize(
    ("text", "producer"),
    [
        (ENVOY, "envoy"),
        (ENVOY.replace('"GET /anything HTTP/1.1" 200', '"- - -" 0'), "envoy"),
        (json.dumps({"upstream_cluster": "inbound-vip|80|http|a", "downstream_remote_address": "10.0.0.1:1"}), "envoy"),
        (SOLO, "solo_http"),
        (
            json.dumps({"level": "info", "time": TIME, "scope": "http access", "message": "request complete"}),
            "solo_http",
        ),
        (AGENTGATEWAY, "agentgateway"),
        (AGENTGATEWAY.replace("request gateway", "request\tgateway"), "agentgateway"),
        (json.dumps(REQUEST), "agentgateway"),
        (KMESH, "kmesh"),
        (f'time="2025-05-08T07:41:31Z" level=info msg="{KMESH}" subsys=telemetry', "kmesh"),
        (json.dumps({"level": "info", "scope": "request", "message": "x"}), None),
        (json.dumps({"scope": ["request"], "gateway": "x"}), None),
        ('[2026-10-09T11:44:22.954Z] "started"', None),
        ('GET / HTTP/1.1" 200', None),
        ("accesslog: opened", None),
        ('{"upstream_cluster": cut', None),
        ("", None),
    ],
)
def test_whose_a_line_is(text, producer):
    assert producer_of(LogLine(text, 1)) == producer
    decoded = json.loads(text) if text.startswith("{") and text.endswith("}") else None
    if decoded is not None:
        assert producer_of(LogLine("", 1, fields=decoded)) == producer


def test_hostile_text_takes_no_time_to_speak_of():
    for text in ('[2026-10-09T11:44:22.954Z] "GET ' * 4000, "info request gateway= " * 4000, "\thttp access\t" * 6000):
        assert producer_of(LogLine(text, 1)) in {None, Producer.AGENTGATEWAY}


@pytest.fixture(scope="module")
def beside():
    """A capture with lines of all four between those of ztunnel, and its counts."""
    lines = Path("fixtures/seed/cross-node.log").read_text()
    text = lines + "\n".join([ENVOY, SOLO, SOLO, KMESH, AGENTGATEWAY, json.dumps(REQUEST), "something else"]) + "\n"
    report = ReadReport()
    return api.read_noted(text.encode(), note=lambda _: None, inventory=None, report=report), report


def test_they_are_counted_by_program_and_the_summary_says_what_to_do_with_them(beside):
    flows, report = beside
    assert report.producers == {"envoy": 1, "solo_http": 2, "kmesh": 1, "agentgateway": 2}
    stats = report.stats
    assert stats.lines == stats.access + stats.other + stats.not_ours + stats.problems
    assert (stats.access, stats.problems) == (2, 0)
    told = summary(flows)
    facts = [text for name, text in told.facts() if name == "others"]
    assert len(facts) == 3
    assert (
        facts[0]
        == "2 lines of Solo's ztunnel about HTTP requests (`http access`): counted, not used: requests, not connections"
    )
    [requests] = [text for name, text in told.facts() if name == "requests"]
    assert requests.startswith("1 in logs of waypoints"), "Envoy's lines are used"
    assert told.to_dict()["basis"]["producers"] == report.producers


def test_only_requests_of_solo_mean_that_connection_lines_are_switched_off():
    [line] = producer_lines({Producer.SOLO_HTTP: 12}, connections=False)
    assert "skipConnectionLog" in line
