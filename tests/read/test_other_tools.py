"""Envelopes of tools for which there is no reader of their own: the line, its pod and, where told, its node."""

from __future__ import annotations

import json

import pytest

from tests.read.test_any_envelope import OWN, PLAIN, read

POD, NODE, NAMESPACE = "ztunnel-4k7rb", "node-a", "istio-system"
TAG = f"{POD}_{NAMESPACE}_istio-proxy-{'a' * 64}.log"
KUBERNETES = {"pod_name": POD, "namespace_name": NAMESPACE, "host": NODE, "container_name": "istio-proxy"}
NESTED = {
    **{key: value for key, value in OWN.items() if "." not in key},
    "src": {"addr": OWN["src.addr"], "workload": OWN["src.workload"]},
    "dst": {"addr": OWN["dst.addr"], "hbone_addr": OWN["dst.hbone_addr"]},
}


def any_values(fields):
    """OTLP's list of attributes."""
    return [
        {"key": key, "value": {"intValue": str(value)} if isinstance(value, int) else {"stringValue": value}}
        for key, value in fields.items()
    ]


ENVELOPES = {
    "hec": {
        "time": 1,
        "host": "x",
        "source": f"/var/log/containers/{TAG}",
        "sourcetype": "kube:container:istio-proxy",
        "event": PLAIN,
        "fields": {"pod": POD, "namespace": NAMESPACE},
    },
    "hec obj": {"time": 1, "event": {"log": PLAIN, "kubernetes": KUBERNETES}},
    "hec obj own": {"time": 1, "event": OWN, "fields": {"k8s.pod.name": POD, "k8s.node.name": NODE}},
    "flat k8s": {
        "log": PLAIN,
        "kubernetes_pod_name": POD,
        "kubernetes_host": NODE,
        "kubernetes_namespace_name": NAMESPACE,
    },
    "flat dot": {
        "message": PLAIN,
        "kubernetes.pod.name": POD,
        "kubernetes.node.name": NODE,
        "kubernetes.namespace": NAMESPACE,
    },
    "k8s_": {"log": PLAIN, "k8s_pod_name": POD, "k8s_node_name": NODE, "k8s_namespace_name": NAMESPACE},
    "logstash": {
        "@version": "1",
        "@timestamp": "t",
        "message": PLAIN,
        "event": {"original": PLAIN},
        "kubernetes": {"pod": {"name": POD}, "node": {"name": NODE}},
        "tags": ["a"],
    },
    "filebeat json": {
        "@timestamp": "t",
        "log": {"offset": 1, "file": {"path": "/x"}},
        "json": OWN,
        "kubernetes": {"pod": {"name": POD}, "node": {"name": NODE}},
    },
    "filebeat json root": {
        "@timestamp": "t",
        "log": {"offset": 1, "file": {"path": "/x"}},
        **OWN,
        "kubernetes": {"pod": {"name": POD}, "node": {"name": NODE}},
    },
    "filebeat nested root": {
        "@timestamp": "t",
        "log": {"offset": 1},
        **NESTED,
        "kubernetes": {"pod": {"name": POD}, "node": {"name": NODE}},
    },
    "merge_log_key": {"log": json.dumps(OWN), "log_processed": OWN, "kubernetes": KUBERNETES},
    "merge_log plain kept": {"log": json.dumps(OWN) + "\n", **OWN, "kubernetes": KUBERNETES},
    "gelf": {
        "version": "1.1",
        "host": "h",
        "short_message": PLAIN,
        "_pod_name": POD,
        "_node_name": NODE,
        "_namespace_name": NAMESPACE,
    },
    "ddtags": {
        "message": PLAIN,
        "ddtags": f"pod_name:{POD},kube_namespace:{NAMESPACE}",
        "hostname": NODE,
        "service": "ztunnel",
    },
    "newrelic": [
        {
            "common": {"attributes": {"cluster": "c"}},
            "logs": [{"message": PLAIN, "attributes": {"kubernetes": KUBERNETES}}],
        }
    ],
    "firehose": {
        "messageType": "DATA_MESSAGE",
        "logGroup": "/aws/containerinsights/c/application",
        "logStream": NODE + "-application.var.log.containers." + TAG,
        "logEvents": [{"id": "1", "timestamp": 1, "message": json.dumps({"log": PLAIN, "kubernetes": KUBERNETES})}],
    },
    "firehose2": {
        "logGroup": "x",
        "logStream": NODE + "-application.var.log.containers." + TAG,
        "logEvents": [{"id": "1", "timestamp": 1, "message": PLAIN}],
    },
    "vector ns": {
        "message": PLAIN,
        "kubernetes": {"pod_name": POD, "pod_node_name": NODE, "pod_namespace": NAMESPACE},
        "file": "x",
        "stream": "stdout",
    },
    "otlp snake": {
        "resource_logs": [
            {
                "resource": {"attributes": [{"key": "k8s.pod.name", "value": {"string_value": POD}}]},
                "scope_logs": [{"log_records": [{"body": {"string_value": PLAIN}}]}],
            }
        ]
    },
    "otel map attr": {"body": PLAIN, "resource": {"attributes": {"k8s.pod.name": POD, "k8s.node.name": NODE}}},
    "otlp own kv": {
        "resourceLogs": [
            {
                "resource": {
                    "attributes": [
                        {"key": "k8s.pod.name", "value": {"stringValue": POD}},
                        {"key": "k8s.node.name", "value": {"stringValue": NODE}},
                    ]
                },
                "scopeLogs": [{"logRecords": [{"body": {"kvlistValue": {"values": any_values(OWN)}}}]}],
            }
        ]
    },
    "otlp attrs parsed": {
        "resourceLogs": [
            {
                "resource": {"attributes": [{"key": "k8s.pod.name", "value": {"stringValue": POD}}]},
                "scopeLogs": [
                    {"logRecords": [{"body": {"stringValue": json.dumps(OWN)}, "attributes": any_values(OWN)}]}
                ],
            }
        ]
    },
    "clickhouse": {
        "Timestamp": "t",
        "Body": PLAIN,
        "ResourceAttributes": {"k8s.pod.name": POD, "k8s.node.name": NODE},
        "LogAttributes": {"logtag": "F"},
    },
    "signoz": {
        "data": {
            "body": PLAIN,
            "resources_string": {"k8s.pod.name": POD, "k8s.node.name": NODE},
            "attributes_string": {},
        }
    },
    "openobserve": {"_timestamp": 1, "log": PLAIN, "k8s_pod_name": POD, "k8s_host": NODE},
    "victoria stream": {"_msg": PLAIN, "_stream": f'{{k8s.pod.name="{POD}",k8s.node.name="{NODE}"}}', "_time": "t"},
    "loki struct": {"streams": [{"stream": {"app": "z"}, "values": [["1", PLAIN, {"pod": POD, "node_name": NODE}]]}]},
    "loki line json": {
        "streams": [{"stream": {"pod": POD}, "values": [["1", json.dumps({"log": PLAIN, "stream": "stdout"})]]}]
    },
    "gcp msg": {
        "logName": "l",
        "resource": {"labels": {"pod_name": POD}},
        "jsonPayload": {"message": PLAIN},
        "labels": {"compute.googleapis.com/resource_name": NODE},
    },
    "datadog parsed": {
        "data": [
            {
                "attributes": {
                    "message": "connection complete",
                    "attributes": OWN,
                    "tags": ["pod_name:" + POD],
                    "host": NODE,
                }
            }
        ]
    },
    "kafka": {"topic": "t", "value": json.dumps({"log": PLAIN, "kubernetes": KUBERNETES})},
    "argo": {"result": {"content": PLAIN, "podName": POD, "timeStampStr": "t"}},
    "rancher": {"log": PLAIN, "kubernetes": {"pod_name": POD, "node_name": NODE, "namespace_name": NAMESPACE}},
    "dash": {
        "hits": {
            "hits": [
                {
                    "_source": {"kubernetes": {"pod": {"name": POD}, "node": {"name": NODE}}, "message": PLAIN},
                    "fields": {"message": [PLAIN]},
                    "highlight": {"message": [PLAIN.replace("connection", "@em@connection@/em@")]},
                }
            ]
        }
    },
    "highlight": {
        "_index": "a",
        "_source": {"message": PLAIN},
        "highlight": {"message": [PLAIN.replace("connection", "<em>connection</em>")]},
    },
    "ecs flat": {"_source": {"message": PLAIN, "kubernetes.pod.name": POD, "kubernetes.node.name": NODE}},
}

NO_POD = {"highlight"}
NODE_TOLD = {name for name, document in ENVELOPES.items() if NODE in json.dumps(document) and name != "ddtags"}


@pytest.mark.parametrize("indent", [None, 2])
@pytest.mark.parametrize("name", ENVELOPES)
def test_the_line_and_its_writer(name, indent):
    halves, parser = read(json.dumps(ENVELOPES[name], indent=indent) + "\n")
    (row,) = halves.to_arrow().to_pylist()
    assert (parser.stats.problems, parser.stats.repaired) == (0, 0)
    assert row["src_workload"] == "prober-1"
    assert row["extra"] is None
    assert row["ztunnel_pod"] == (None if name in NO_POD else POD)
    assert row["ztunnel_node"] == (NODE if name in NODE_TOLD else None)


def test_keys_that_describe_another_pod_name_no_writer():
    document = {"log": PLAIN, "src": {"pod_name": "web-1"}, "client.pod.name": "web-2", "agent": {"node_name": "n"}}
    halves, _ = read(json.dumps(document) + "\n")
    (row,) = halves.to_arrow().to_pylist()
    assert (row["ztunnel_pod"], row["ztunnel_node"]) == (None, None)
