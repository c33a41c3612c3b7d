"""Every layout of the input conventions as a function: lines of ztunnel in, what the product prints out.

Written from the layouts the products' sources define, apart from the samples in `fixtures/wrappers`.
"""

from __future__ import annotations

import csv
import io
import json

POD, NAMESPACE, NODE, CONTAINER = (
    "ztunnel-fv5f8",
    "istio-system",
    "ip-10-0-1-7.eu-west-1.compute.internal",
    "istio-proxy",
)
CLUSTER = "prod"
KUBELET = "2024-06-16T12:40:48.707812345Z"
TAG = f"kube.var.log.containers.{POD}_{NAMESPACE}_{CONTAINER}-{'3b' * 32}.log"
FLUENT = {
    "pod_name": POD,
    "namespace_name": NAMESPACE,
    "host": NODE,
    "container_name": CONTAINER,
    "labels": {"app": "z"},
}
LABELS = {"pod": POD, "namespace": NAMESPACE, "container": CONTAINER, "node_name": NODE}
ECS = {
    "kubernetes": {
        "pod": {"name": POD, "uid": "1"}, "namespace": NAMESPACE, "container": {"name": CONTAINER},
        "node": {"name": NODE, "labels": {"topology_kubernetes_io/zone": "a"}},
    },
    "host": {"name": "vm-1"}, "agent": {"name": "vm-1"},
}  # fmt: skip


def go(value) -> str:
    """JSON as Go writes it: compact, `<`, `>`, `&` escaped."""
    text = json.dumps(value, separators=(",", ":"), ensure_ascii=False)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def is_json(line: str) -> bool:
    return line.startswith("{")


def each(form):
    return lambda lines: "".join(form(line) for line in lines)


def extjson(line: str, *, pretty: bool = False, all_namespaces: bool = False) -> str:
    message = line if is_json(line) else json.dumps(line)
    namespace = [f'"namespace": "{NAMESPACE}"'] if all_namespaces else []
    members = [*namespace, f'"pod": "{POD}"', f'"container": "{CONTAINER}"', f'"message": {message}']
    return "{\n  " + ",\n  ".join(members) + "\n}\n" if pretty else "{" + ", ".join(members) + "}\n"


def stern_json(line: str, **more) -> str:
    return go({"message": line, **more, "nodeName": NODE, "namespace": NAMESPACE, "podName": POD,
               "containerName": CONTAINER, "labels": {"app": "ztunnel"}, "annotations": None}) + "\n"  # fmt: skip


def cri_parts(size: int):
    def form(line: str) -> str:
        data = line.encode()
        cuts = [data[at : at + size] for at in range(0, len(data), size)]
        out = b""
        for number, cut in enumerate(cuts):
            tag = b"F" if number == len(cuts) - 1 else b"P"
            out += b"2024-06-16T12:40:48.7078+00:00 stdout " + tag + b" " + cut + b"\n"
            out += b"2024-06-16T12:40:48.7079+00:00 stderr F between\n"
        return out.decode("utf-8", "surrogateescape")

    return form


def docker(line: str) -> str:
    data = line + "\n"
    cuts = [data[at : at + 16384] for at in range(0, len(data), 16384)]
    return "".join(
        go({"log": cut, "stream": "stdout", "time": "2024-06-16T12:40:48.7078Z"}).replace("\\t", "\\u0009") + "\n"
        for cut in cuts
    )


def attribute(key: str, value: str) -> dict:
    return {"key": key, "value": {"stringValue": value}}


def otlp_body(line: str) -> dict:
    if not is_json(line):
        return {"stringValue": line}
    values = [
        {"key": key, "value": {"intValue": str(value)} if isinstance(value, int) else {"stringValue": value}}
        for key, value in json.loads(line).items()
    ]
    return {"kvlistValue": {"values": values}}


def otlp(lines) -> dict:
    return {"resourceLogs": [{
        "resource": {"attributes": [attribute("k8s.pod.name", POD), attribute("k8s.node.name", NODE),
                                    attribute("k8s.namespace.name", NAMESPACE)]},
        "scopeLogs": [{"scope": {}, "logRecords": [
            {"timeUnixNano": "1718541648707812345", "body": otlp_body(line), "traceId": "",
             "attributes": [attribute("log.iostream", "stdout"), attribute("logtag", "F")]} for line in lines]}],
    }]}  # fmt: skip


def loki(lines, *, structured: bool = False, encoding: bool = False) -> dict:
    labels = {key: value for key, value in LABELS.items() if not (structured and key in {"pod", "node_name"})}
    moved = {"pod": POD, "node_name": NODE}
    third = [{"structuredMetadata": moved, "parsed": {}}] if structured else []
    values = [[str(1718541648707812345 - at), line, *third] for at, line in enumerate(lines)]
    data = {"resultType": "streams", "result": [{"stream": labels, "values": values[::-1]}], "stats": {"summary": {}}}
    if encoding:
        data["encodingFlags"] = ["categorize-labels"]
    return {"status": "success", "data": data}


def gcp(line: str) -> dict:
    payload = {"jsonPayload": json.loads(line)} if is_json(line) else {"textPayload": line}
    return {
        "insertId": "x", "logName": "projects/p/logs/stdout", "severity": "INFO", "timestamp": "2024-06-16T12:40:48Z",
        "resource": {"type": "k8s_container", "labels": {"pod_name": POD, "namespace_name": NAMESPACE,
                                                         "container_name": CONTAINER, "location": "eu"}},
        "labels": {"compute.googleapis.com/resource_name": NODE, "k8s-pod/app": "ztunnel"}, **payload,
    }  # fmt: skip


STREAM = f"{NODE}-application.var.log.containers.{POD}_{NAMESPACE}_{CONTAINER}-{'3b' * 32}.log"


def insight(line: str) -> str:
    return go({"time": KUBELET, "stream": "stdout", "_p": "F", "log": line, "kubernetes": FLUENT})


def azure(lines) -> dict:
    columns = ["TimeGenerated", "Computer", "ContainerName", "PodName", "PodNamespace", "LogMessage", "LogSource"]
    rows = [
        [KUBELET, NODE, CONTAINER, POD, NAMESPACE, json.loads(line) if is_json(line) else line, "stdout"]
        for line in lines
    ]
    return {"tables": [{"name": "PrimaryResult", "columns": [{"name": name} for name in columns], "rows": rows}]}


def datadog(lines) -> dict:
    tags = [
        f"pod_name:{POD}",
        f"kube_namespace:{NAMESPACE}",
        f"kube_container_name:{CONTAINER}",
        f"kube_cluster_name:{CLUSTER}",
    ]
    found = []
    for line in lines:
        body = {"attributes": json.loads(line)} if is_json(line) else {"message": line, "attributes": {}}
        found.append({"type": "log", "id": "a", "attributes": {**body, "host": f"{NODE}-{CLUSTER}", "tags": tags,
                                                               "status": "info", "timestamp": "2024-06-16T12:40:48Z"}})  # fmt: skip
    return {"data": found, "meta": {"page": {}}}


def sheet(header, row):
    def form(lines) -> str:
        out = io.StringIO()
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(row(line) for line in lines)
        return out.getvalue()

    return form


def ruby(line: str) -> str:
    pairs = ", ".join(f'"{key}"=>"{value}"' for key, value in FLUENT.items() if isinstance(value, str))
    return f'[0] {TAG}: [[1718541648.707812345, {{}}], {{"time"=>"{KUBELET}", "stream"=>"stdout", "_p"=>"F", "log"=>"{line}", "kubernetes"=>{{{pairs}}}}}]\n'


def paint(text: str, code: str) -> str:
    return f"\x1b[{code}m{text}\x1b[0m"


def merged_fields(line: str, **around) -> str:
    return go({"date": 1718541648.7, **json.loads(line), **around, "kubernetes": FLUENT}) + "\n"


P, C, NS = POD, CONTAINER, NAMESPACE

TEXT_AND_JSON = {
    # name: (lines -> text, has pod, has node)
    "bare": (each(lambda x: f"{x}\n"), False, False),
    "stern default": (each(lambda x: f"{P} {C} {x}\n"), True, False),
    "stern -A": (each(lambda x: f"{NS} {P} {C} {x}\n"), True, False),
    "stern -t": (each(lambda x: f"{P} {C} 2024-06-16T18:10:48.707812345+05:30 {x}\n"), True, False),
    "stern -t short": (each(lambda x: f"{P} {C} 06-16 12:40:48 {x}\n"), True, False),
    "stern -A -t": (each(lambda x: f"{NS} {P} {C} {KUBELET} {x}\n"), True, False),
    "stern colour": (each(lambda x: f"{paint(P, '92')} {paint(C, '32')} {x}\n"), True, False),
    "stern colour list": (each(lambda x: f"\x1b[38;2;255;97;136m{P}\x1b[0;22;0;0;0m {paint(C, '4')} {x}\n"), True, False),
    "stern raw -t": (each(lambda x: f"{KUBELET} {x}\n"), False, False),
    "stern json": (each(stern_json), True, True),
    "stern json -t glued": (each(lambda x: stern_json(f"{KUBELET} {x}")), True, True),
    "stern json -t": (each(lambda x: stern_json(x, timestamp=KUBELET)), True, True),
    "stern json 1.12": (each(lambda x: go({"message": x + "\n", "namespace": NS, "podName": P, "containerName": C}) + "\n"), True, False),
    "stern extjson": (each(extjson), True, False),
    "stern extjson -A": (each(lambda x: extjson(x, all_namespaces=True)), True, False),
    "stern ppextjson": (each(lambda x: extjson(x, pretty=True)), True, False),
    "stern ppextjson -A": (each(lambda x: extjson(x, pretty=True, all_namespaces=True)), True, False),
    "stern stdin": (each(lambda x: f"  {x}\n"), False, False),
    "stern template suffix": (each(lambda x: f"{x} ({NODE}/{NS}/{P}/{C})\n"), True, True),
    "stern template node first": (each(lambda x: f"{NODE} {P} {x}\n"), True, True),
    "stern template three": (each(lambda x: f"{NODE} {NS} {P} {x}\n"), True, True),
    "kubectl --prefix": (each(lambda x: f"[pod/{P}/{C}] {x}\n"), True, False),
    "kubectl --timestamps": (each(lambda x: f"{KUBELET} {x}\n"), False, False),
    "kubectl both": (each(lambda x: f"[pod/{P}/{C}] 2024-06-16T14:40:48.707812345+02:00 {x}\n"), True, False),
    "kubectl ds": (lambda lines: f"Found 3 pods, using pod/{P}\n" + "\n".join(lines) + "\n", True, False),
    "cluster-info dump": (
        lambda lines: f"==== START logs for container {C} of pod {NS}/{P} ====\n" + "\n".join(lines)
        + f"==== END logs for container {C} of pod {NS}/{P} ====\n", True, False),
    "kail": (each(lambda x: f"{NS}/{P}[{C}]: {x}\n"), True, False),
    "kail json": (each(lambda x: go({"namespace": NS, "name": P, "pod": P, "container": C, "message": x}) + "\n"), True, False),
    "cri": (each(lambda x: f"2024-06-16T12:40:48.7078Z stdout F {x}\n"), False, False),
    "cri tags": (each(lambda x: f"2024-06-16T12:40:48+05:30 stdout F:a:b {x}\n"), False, False),
    "cri-o parts": (each(cri_parts(61)), False, False),
    "docker": (each(docker), False, False),
    "fluent-bit": (each(lambda x: insight(x) + "\n"), True, True),
    "fluent-bit parser cri": (each(lambda x: go({"date": KUBELET, "stream": "stdout", "logtag": "F", "message": x, "kubernetes": FLUENT}) + "\n"), True, True),
    "fluent-bit json array": (lambda lines: "[" + ",".join(insight(x) for x in lines) + "]\n", True, True),
    "fluent-bit json_stream": (lambda lines: "".join(insight(x) for x in lines), True, True),
    "fluent-bit file": (each(lambda x: f"{TAG}: [1718541648.707812345, {insight(x)}]\n"), True, True),
    "fluent-bit no metadata": (each(lambda x: go({"date": 1.5, "log": x, "stream": "stdout", "time": KUBELET, "_p": "F"}) + "\n"), False, False),
    "fluentd file": (each(lambda x: f"2024-06-16T12:40:48+00:00\t{TAG}\t{insight(x)}\n"), True, True),
    "fluentd stdout": (each(lambda x: f"2024-06-16 12:40:48.707812345 +0000 {TAG}: {insight(x)}\n"), True, True),
    "otlp": (lambda lines: go(otlp(lines)) + "\n", True, True),
    "otlp pretty": (lambda lines: json.dumps(otlp(lines), indent=2) + "\n", True, True),
    "otel row": (each(lambda x: go({"Timestamp": KUBELET, "Body": x, "ResourceAttributes": {"k8s.pod.name": P, "k8s.node.name": NODE}, "LogAttributes": {}}) + "\n"), True, True),
    "vector": (each(lambda x: go({"file": "/var/log/pods/x", "kubernetes": {"pod_name": P, "pod_namespace": NS, "pod_node_name": NODE, "node_labels": {"topology.kubernetes.io/zone": "a"}}, "message": x, "source_type": "kubernetes_logs", "stream": "stdout", "timestamp": KUBELET}) + "\n"), True, True),
    "loki api": (lambda lines: go(loki(lines)) + "\n", True, True),
    "loki api pretty": (lambda lines: json.dumps(loki(lines), indent=4) + "\n", True, True),
    "loki structured": (lambda lines: go(loki(lines, structured=True, encoding=True)) + "\n", True, True),
    "loki push": (lambda lines: go({"streams": [{"stream": LABELS, "values": [["1", x, {"trace": "1"}] for x in lines]}]}), True, True),
    "logcli": (each(lambda x: f'2024-06-16T12:40:48Z {{node_name="{NODE}", pod="{P}"}}   {x.strip()}\n'), True, True),
    "logcli one pod": (lambda lines: f'2024/06/16 12:55:00 Common labels: {{namespace="{NS}", node_name="{NODE}", pod="{P}"}}\n' + "".join(f"2024-06-16T12:40:48Z {{}} {x.strip()}\n" for x in lines), True, True),
    "logcli no labels": (each(lambda x: f"2024-06-16T12:40:48Z {x.strip()}\n"), False, False),
    "logcli jsonl": (each(lambda x: go({"labels": LABELS, "line": x, "timestamp": KUBELET}) + "\n"), True, True),
    "logcli jsonl one pod": (lambda lines: f'2024/06/16 12:55:00 Common labels: {{pod="{P}", node="{NODE}"}}\n' + "".join(go({"labels": {}, "line": x, "timestamp": KUBELET}) + "\n" for x in lines), True, True),
    "grafana": (lambda lines: f'Common labels: {{"pod":"{P}"}}\nLine limit: 1000\n\n\n' + "".join(f"1718541648707\t2024-06-16T12:40:48.707Z\t{x}\n" for x in lines), True, False),
    "elastic search": (lambda lines: go({"took": 1, "hits": {"total": {"value": 2}, "hits": [{"_index": "i", "_source": {"message": x, **ECS}} for x in lines]}}), True, True),
    "elasticdump": (each(lambda x: go({"_index": "i", "_id": "1", "_source": {"log": x, "kubernetes": FLUENT}}) + "\n"), True, True),
    "elastic bare": (each(lambda x: go({"@timestamp": KUBELET, "message": x, **ECS}) + "\n"), True, True),
    "elastic flat": (each(lambda x: go({"message": x, "kubernetes.pod.name": P, "kubernetes.node.name": NODE, "host.name": "vm-1"}) + "\n"), True, True),
    "elastic fields": (lambda lines: go({"hits": {"hits": [{"_id": "1", "fields": {"message": [x], "kubernetes.pod.name": [P], "kubernetes.node.name": [NODE]}} for x in lines]}}), True, True),
    "kibana csv": (sheet(["@timestamp", "kubernetes.node.name", "kubernetes.pod.name", "message"], lambda x: ["Jun 16, 2024 @ 12:40:48.707", NODE, P, x]), True, True),
    "gcp jsonl": (each(lambda x: go(gcp(x)) + "\n"), True, True),
    "gcp array": (lambda lines: json.dumps([gcp(x) for x in lines], indent=2) + "\n", True, True),
    "cloudwatch filter": (lambda lines: json.dumps({"events": [{"logStreamName": STREAM, "timestamp": 1, "message": insight(x), "eventId": "1"} for x in lines], "searchedLogStreams": []}, indent=4), True, True),
    "cloudwatch raw message": (lambda lines: go({"events": [{"logStreamName": STREAM, "timestamp": 1, "message": x} for x in lines]}), True, True),
    "cloudwatch get": (lambda lines: go({"events": [{"timestamp": 1, "message": insight(x), "ingestionTime": 1} for x in lines], "nextForwardToken": "f/1"}), True, True),
    "cloudwatch insights": (lambda lines: json.dumps({"results": [[{"field": "@timestamp", "value": "2024-06-16 12:40:48.707"}, {"field": "log", "value": x}, {"field": "kubernetes.host", "value": NODE}, {"field": "kubernetes.pod_name", "value": P}, {"field": "@ptr", "value": "C"}] for x in lines], "status": "Complete"}, indent=4), True, True),
    "cloudwatch insights rows": (lambda lines: json.dumps([[{"field": "@message", "value": insight(x)}, {"field": "@logStream", "value": STREAM}] for x in lines], indent=4), True, True),
    "cloudwatch tail": (each(lambda x: f"2024-06-16T12:40:48.707000+00:00 {STREAM} {insight(x)}\n"), True, True),
    "cloudwatch tail short": (each(lambda x: f"2024-06-16T12:40:48 {insight(x)}\n"), True, True),
    "cloudwatch tail json": (each(lambda x: f"2024-06-16T12:40:48.707000+00:00 {STREAM} " + json.dumps(json.loads(insight(x)), indent=4) + "\n"), True, True),
    "azure": (lambda lines: go(azure(lines)), True, True),
    "azure csv": (sheet(["TimeGenerated [UTC]", "Computer", "ContainerName", "PodName", "LogMessage"], lambda x: ["6/16/2024, 12:40:48.707 PM", NODE, C, P, x]), True, True),
    "azure row": (each(lambda x: go({"TimeGenerated": KUBELET, "Computer": NODE, "PodName": P, "PodNamespace": NS, "LogMessage": x}) + "\n"), True, True),
    "datadog": (lambda lines: go(datadog(lines)), True, True),
    "configured json": (each(lambda x: go({"ts": 1, "meta": {"k8s": {"pod": {"name": P}, "node": {"name": NODE}}}, "data": {"msg": x}}) + "\n"), True, True),
    "json string": (each(lambda x: json.dumps(x) + "\n"), False, False),
    "repr": (each(lambda x: repr(x) + "\n"), False, False),
    "grep": (each(lambda x: f"{P}.log:12:{x}\n"), True, False),
    "grep plain": (each(lambda x: f"logs/{P}.log:{x}\n"), True, False),
    "stern around cri around json": (each(lambda x: f"shipper-x8k2p agg 2024-06-16T12:40:48.7078Z stdout F {insight(x)}\n"), True, True),
    "stern json around stern": (each(lambda x: stern_json(f"ztunnel-62hp8 istio-proxy {x}").replace(f'"podName":"{P}"', '"podName":""')), None, False),
    "kubectl logs of a shipper": (each(lambda x: f"[pod/fluent-bit-x8k2p/fluent-bit] {insight(x)}\n"), True, True),
    "utf-16": (each(lambda x: f"[pod/{P}/{C}] {x}\r\n"), True, False),
}  # fmt: skip
"""Layouts that carry ztunnel's plain and its JSON lines alike."""

PLAIN_ONLY = {
    "fluent-bit stdout": (each(ruby), True, True),
    "kubetail": (lambda lines: "Will tail 2 logs...\n" + "".join(f"[{P}] {x}\n" for x in lines), True, False),
    "kubetail container": (each(lambda x: f"[{P} {C}] {x}\n"), True, False),
    "cat -n": (lambda lines: "".join(f"{at:6d}\t{x}\n" for at, x in enumerate(lines, 1)), False, False),
    "viewer": (each(lambda x: f"2024-06-16T12:40:48.707Z | {x}\n"), False, False),
    "comment": (each(lambda x: f"# {x}\n"), False, False),
    "mail quote": (each(lambda x: f"> > {x}\n"), False, False),
    "glued prefixes": (each(lambda x: f"[pod/ztunnel-62hp8/{C}] unable to retrieve container logs for x[pod/{P}/{C}] {x}\n"), True, False),
}  # fmt: skip

JSON_ONLY = {
    "fluent-bit merged": (each(merged_fields), True, True),
    "fluent-bit merged, line kept": (each(lambda x: merged_fields(x, log=x, stream="stdout", _p="F")), True, True),
    "fluent-bit merge key": (each(lambda x: go({"date": 1.5, "log_processed": json.loads(x), "stream": "stdout", "kubernetes": FLUENT}) + "\n"), True, True),
    "json string in json": (each(lambda x: go({"log": json.dumps(x), "kubernetes": FLUENT}) + "\n"), True, True),
}  # fmt: skip

LINE_BY_LINE = [
    "bare", "stern default", "stern -A -t", "stern colour", "stern json", "stern extjson", "kubectl --prefix", "cri", "kail",
    "fluent-bit", "fluentd file", "logcli", "elastic bare", "gcp jsonl", "cloudwatch tail", "azure row", "grep",
]  # fmt: skip
"""Layouts that print one whole line of ztunnel on one physical line."""
