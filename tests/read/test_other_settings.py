"""Shippers and stores with other settings than their defaults: each line once, and its ztunnel by what they call it."""

from __future__ import annotations

import base64
import gzip
import json
import random

import pytest

from tests.read.support import column, read

POD, NODE, NS = "ztunnel-4k7rb", "node-a", "istio-system"
WHO = {"pod_name": POD, "host": NODE, "namespace_name": NS}


def line(number: int, pod: str = POD) -> str:
    return (
        f'2026-11-23T00:37:{number:02d}.769382Z\tinfo\taccess\tconnection complete\tsrc.addr=10.244.2.17:38404 '
        f'src.workload="{pod}-{number}" dst.addr=10.244.1.12:15008 direction="inbound" bytes_sent={number} '
        'bytes_recv=1012 duration="14ms"'
    )  # fmt: skip


LINES = [line(number) for number in range(10, 14)]
OWN = {
    "level": "info", "time": "2026-11-23T00:37:30.769382Z", "scope": "access", "message": "connection complete",
    "src.addr": "10.244.2.17:38404", "src.workload": "prober-1", "dst.addr": "10.244.1.12:15008",
    "direction": "inbound", "bytes_sent": 1, "bytes_recv": 2, "duration": "14ms",
}  # fmt: skip


def records(*objects) -> str:
    return "".join(json.dumps(one) + "\n" for one in objects)


def b64(text: str, *, zipped: bool = False) -> str:
    raw = text.encode()
    return base64.b64encode(gzip.compress(raw) if zipped else raw).decode()


def otlp(body, records_key: str = "logRecords", scopes: str = "scopeLogs") -> str:
    about = [{"key": f"k8s.{key}.name", "value": {"stringValue": name}} for key, name in (("pod", POD), ("node", NODE))]
    logs = [{"timeUnixNano": "1", "body": body(one)} for one in LINES]
    return json.dumps({"resourceLogs": [{"resource": {"attributes": about}, scopes: [{records_key: logs}]}]})


def nested(one: str) -> str:
    return json.dumps({"log": one, "kubernetes": WHO})


BY_COLUMN = [LINES, [POD] * 4, [NODE] * 4]
BY_ROW = [[one, POD, NODE] for one in LINES]
COLUMNS = [{"name": "message"}, {"name": "kubernetes.pod.name"}, {"name": "kubernetes.node.name"}]
STREAM = f"{NODE}-application.var.log.containers.{POD}_{NS}_istio-proxy-{'a' * 64}.log"

KNOWN = {
    "nest with other names": records(*({"msg": one, "k8s": {"pod": POD, "node": NODE}} for one in LINES)),
    "otlp bytes": otlp(lambda one: {"bytesValue": b64(one)}),
    "otlp array": otlp(lambda one: {"arrayValue": {"values": [{"stringValue": one}]}}),
    "otlp before 1.0": otlp(lambda one: {"stringValue": one}, "logs", "instrumentationLibraryLogs"),
    "kubetail": records(*(
        {"message": one, "source": {"metadata": {"node": NODE}, "podName": POD, "containerName": "c"}} for one in LINES
    )),
    "structured data": records(*({"MESSAGE": one, "_SDATA": {"k8s@32473": {"pod": POD, "node": NODE}}} for one in LINES)),
    "esql": json.dumps({"columns": COLUMNS, "values": BY_ROW}),
    "esql by column": json.dumps({"columns": COLUMNS, "values": BY_COLUMN}),
    "ppl": json.dumps({"schema": COLUMNS, "datarows": BY_ROW}),
    "data explorer": json.dumps([
        {"Columns": [{"ColumnName": "LogMessage"}, {"ColumnName": "PodName"}, {"ColumnName": "Computer"}], "Rows": BY_ROW}
    ]),
    "splunk by row": json.dumps({"fields": ["_raw", "pod", "node"], "rows": BY_ROW}),
    "splunk by column": json.dumps({"fields": ["_raw", "pod", "node"], "columns": BY_COLUMN}),
    "clickhouse": json.dumps({"meta": [{"name": "Body"}, {"name": "pod"}, {"name": "node"}], "data": BY_ROW}),
    "grafana": json.dumps({"results": {"A": {"frames": [{
        "schema": {"fields": [{"name": "labels"}, {"name": "Line"}]},
        "data": {"values": [[{"pod": POD, "node": NODE}] * 4, LINES]},
    }]}}}),
    "firehose": json.dumps({"records": [{"data": b64(nested(one))} for one in LINES]}),
    "kinesis": json.dumps({"Records": [{"Data": b64(nested(one))} for one in LINES]}),
    "subscription": json.dumps({"awslogs": {"data": b64(
        json.dumps({"logStream": STREAM, "logEvents": [{"message": one} for one in LINES]}), zipped=True
    )}}),
    "pubsub": json.dumps({"receivedMessages": [{"message": {"data": b64(nested(one))}} for one in LINES]}),
    "bigquery": records(*(
        {"logName": "a", "resource": {"labels": {"pod_name": POD}}, "textPayload": one,
         "labels": {"compute_googleapis_com_resource_name": NODE}} for one in LINES
    )),
    "datadog archive": records(*(
        {"_id": "a", "date": "b", "host": NODE, "message": one, "tags": [f"pod_name:{POD}"]} for one in LINES
    )),
    "rsyslog jsonmesg": records(*(
        {"msg": " " + one, "rawmsg": f"<134>Nov 23 00:37:30 h t: {one}", "$!": {"kubernetes": WHO}} for one in LINES
    )),
    "copy in its own JSON": records(*({"message": nested(one), "log": one, "kubernetes": WHO} for one in LINES)),
}  # fmt: skip


@pytest.mark.parametrize("text", KNOWN.values(), ids=KNOWN)
def test_each_line_is_read_once_and_its_ztunnel_is_known(text, tmp_path):
    (tmp_path / "x.json").write_text(text)
    halves, report, _ = read(tmp_path / "x.json")
    assert column(halves, "src_workload") == [f"{POD}-{number}" for number in range(10, 14)]
    assert report.stats.problems == 0
    assert set(column(halves, "ztunnel_pod")) == {POD}
    assert set(column(halves, "ztunnel_node")) == {NODE}


PODS_ONLY = {
    "log_path": lambda one: {"log": one, "log_path": f"/var/log/pods/{NS}_{POD}_u/istio-proxy/0.log"},
    "source and file": lambda one: {"SOURCE": "s#0", "MSG": one, "FILE_NAME": f"/var/log/pods/{NS}_{POD}_u/c/0.log"},
    "docker tag": lambda one: {"log": one + "\n", "stream": "stdout", "attrs": {"tag": f"k8s_c_{POD}_{NS}_u_0"}},
    "fluentd docker": lambda one: {"log": one, "container_name": f"/k8s_c_{POD}_{NS}_u_0", "source": "stdout"},
    "alloy instance": lambda one: {"streams": [{"stream": {"instance": f"{NS}/{POD}:c"}, "values": [["1", one]]}]},
}


@pytest.mark.parametrize("wrap", PODS_ONLY.values(), ids=PODS_ONLY)
def test_pod_is_told_by_a_path_or_a_container_name(wrap, tmp_path):
    (tmp_path / "x.json").write_text(records(*map(wrap, LINES)))
    halves, _, _ = read(tmp_path / "x.json")
    assert column(halves, "ztunnel_pod") == [POD] * 4
    assert column(halves, "ztunnel_namespace") == [NS] * 4


FLAT = {
    "victorialogs": {**{key: str(value) for key, value in OWN.items() if key != "message"}, "_msg": OWN["message"],
                     "_time": "a", "kubernetes.pod_name": POD, "kubernetes.host": NODE},
    "merged and lifted": {**OWN, "stream": "stdout", "kubernetes_pod_name": POD, "kubernetes_host": NODE},
    "datadog archive": {"_id": "a", "date": "b", "host": NODE, "message": OWN["message"], "tags": [f"pod_name:{POD}"],
                        "attributes": {key: value for key, value in OWN.items() if key != "message"}},
}  # fmt: skip


@pytest.mark.parametrize("value", FLAT.values(), ids=FLAT)
def test_a_flattened_record_is_ztunnels_own(value, tmp_path):
    (tmp_path / "own.json").write_text(records(OWN))
    (tmp_path / "flat.json").write_text(records(value))
    own, _, _ = read(tmp_path / "own.json")
    flat, _, _ = read(tmp_path / "flat.json")
    said = {"ztunnel_pod", "ztunnel_node", "source_file"}
    assert flat.to_arrow().drop_columns(said).to_pylist() == own.to_arrow().drop_columns(said).to_pylist()
    assert column(flat, "ztunnel_pod") == [POD]
    assert column(flat, "ztunnel_node") == [NODE]


def vector(pod, part, number, *, last):
    tag = {} if last else {"_partial": True}
    return {"kubernetes": {"pod_name": pod}, "message": part, "source_type": "kubernetes_logs", "stream": "stdout",
            "timestamp": f"2026-11-23T00:37:{number}.8Z", **tag}  # fmt: skip


def journald(pod, part, number, *, last):
    tag = {} if last else {"CONTAINER_PARTIAL_MESSAGE": "true"}
    return {"__CURSOR": "s", "MESSAGE": part, "CONTAINER_NAME": f"k8s_c_{pod}_{NS}_u_0",
            "CONTAINER_PARTIAL_ID": str(number), **tag}  # fmt: skip


def fluentd(pod, part, number, *, last):
    return {"log": part, "container_name": f"/k8s_c_{pod}_{NS}_u_0", "partial_message": "true",
            "partial_id": str(number), "partial_last": str(last).lower()}  # fmt: skip


def fluent_bit(pod, part, number, *, last):
    return {"date": 1795394246.5 + number, "log": part, "_p": "F" if last else "P", "kubernetes": {"pod_name": pod}}


def parts_of(shipper, pod):
    for number in range(10, 14):
        text = line(number, pod)
        parts = [text[at : at + 90] for at in range(0, len(text), 90)]
        yield [shipper(pod, part, number, last=part is parts[-1]) for part in parts]


@pytest.mark.parametrize("shipper", [vector, journald, fluentd, fluent_bit])
def test_parts_are_joined_by_each_shippers_tag(shipper, tmp_path):
    queues = [[one for parts in parts_of(shipper, pod) for one in parts] for pod in (POD, "ztunnel-9xw2d")]
    draw = random.Random(1)
    mixed = []
    while queues:
        queue = draw.choice(queues)
        mixed.append(queue.pop(0))
        queues = [one for one in queues if one]
    (tmp_path / "x.json").write_text(records(*mixed))
    halves, report, _ = read(tmp_path / "x.json")
    assert report.stats.problems == 0
    assert sorted(column(halves, "src_workload")) == sorted(
        f"{pod}-{number}" for pod in (POD, "ztunnel-9xw2d") for number in range(10, 14)
    )
    assert all(
        who.startswith(pod)
        for who, pod in zip(column(halves, "src_workload"), column(halves, "ztunnel_pod"), strict=True)
    )


@pytest.mark.parametrize("shipper", [vector, fluent_bit])
def test_parts_newest_first_never_make_up_a_record(shipper, tmp_path):
    """A store that answers newest first gives the end of one line before the beginning of the one before it."""
    newest_first = [one for parts in parts_of(shipper, POD) for one in parts][::-1]
    (tmp_path / "x.json").write_text(records(*newest_first))
    halves, report, _ = read(tmp_path / "x.json")
    assert len(halves) == 0
    assert report.stats.problems >= len(LINES)
