"""What programs print around a line: heads of syslog, records of Fluent Bit, dumps of a collector, endings."""

from __future__ import annotations

import json

from tests.read.lines_for_envelopes import HEX, POD

SYSLOG = (
    "Nov 29 07:04:16 node-a ztunnel: ",
    "Nov  9 07:04:16 node-a ztunnel[4711]: ",
    "<13>Nov 29 07:04:16 node-a ztunnel: ",
    "Nov 29 07:04:16 node-a ",
    "Nov 29 07:04:16 node-a ztunnel ",
    "Nov 29 07:04:16.123456 node-a ztunnel[4711]: ",
    "2026 Nov 29 07:04:16 node-a ztunnel: ",
    "Nov 29 2026 07:04:16 node-a ztunnel: ",
    "Nov 29 07:04:16 node-a user.info ztunnel: ",
    "2026-11-29T06:49:21.641399+00:00 node-a ztunnel-plain ",
    "2026-11-29T06:49:21.641399+00:00 node-a ztunnel: ",
    "2026-11-29T06:49:21Z node-a ztunnel[4711]: ",
    "<30>2026-11-29T06:49:21.641399+00:00 node-a ztunnel[4711]: ",
    "2026-11-29T06:49:21+0000 node-a ztunnel[4711]: ",
    "2026-11-29T06:49:21.641399+0100 node-a ztunnel[4711]: ",
    "Sun 2026-11-29 06:49:21 UTC node-a ztunnel.service[4711]: ",
    "Sun 2026-11-29 06:49:21.641399 CET node-a ztunnel.service[4711]: ",
    "1795934961.641399 node-a ztunnel[4711]: ",
    "[   12.345678] node-a ztunnel[4711]: ",
    "[   12.345678 <    0.000123 >] node-a ztunnel[4711]: ",
    "<14>1 2026-11-29T06:49:21.641399Z node-a ztunnel 4711 - - ",
    '<14>1 2026-11-29T06:49:21.641399+00:00 node-a ztunnel - ID47 [meta sequenceId="1" x@32473="a \\] b"][o ip="1"] ',
    "<14>1 2026-11-29T06:49:21.641399Z - - - - - \ufeff",
    "512 <14>1 2026-11-29T06:49:21.641399Z node-a ztunnel 4711 - - ",
    "1 2026-11-29T06:49:21.641399Z node-a ztunnel 4711 - - ",
)  # fmt: skip


TAG = f"kube.var.log.containers.{POD}_istio-system_istio-proxy-{HEX}.log"
KUBERNETES = {"pod_name": POD, "namespace_name": "istio-system", "host": "node-b", "container_name": "istio-proxy"}


def ruby(record: object) -> str:
    if isinstance(record, dict):
        return "{" + ", ".join(f'"{key}"=>{ruby(value)}' for key, value in record.items()) + "}"
    return f'"{record}"' if isinstance(record, str) else json.dumps(record)


def fluent_stdout(record):
    return f"[0] tail.0: [[1795394247.594511123, {{}}], {ruby(record)}]"


def fluent_stdout_1(record):
    return f"[17] tail.0: [1795394247.594511123, {ruby(record)}]"


def fluent_csv(by):
    def row(record):
        cells = [f'"{value}"' if isinstance(value, str) else ruby(value) for value in record.values()]
        return by.join(["1795394247.594511123", *cells])

    return row


def fluent_ltsv(record):
    return "\t".join(
        [
            '"time":1795394247.594511',
            *(f'"{k}":"{v}"' if isinstance(v, str) else f'"{k}":{ruby(v)}' for k, v in record.items()),
        ]
    )


def fluentd_stdout(record):
    return f"2026-11-23 00:37:30.769382588 +0000 tail.0: {json.dumps(record)}"


def fluentd_file(record):
    return f"2026-11-23T00:37:30+00:00\ttail.0\t{json.dumps(record)}"


def fluent_file(record):
    return f"tail.0: [1795394247.594511123, {json.dumps(record, separators=(',', ':'))}]"


OUTPUTS = {
    "stdout": fluent_stdout, "stdout of 1.x": fluent_stdout_1, "csv": fluent_csv(","), "csv, tabs": fluent_csv("\t"),
    "csv, blanks": fluent_csv(" "), "ltsv": fluent_ltsv, "file": fluent_file, "plain": json.dumps,
    "fluentd stdout": fluentd_stdout, "fluentd file": fluentd_file,
}  # fmt: skip


def record(line: str, mark: str = "F", key: str = "_p", **more: object) -> dict:
    return {"time": "2026-11-23T00:37:27.594511123Z", "stream": "stdout", key: mark, "log": line, **more}


PATH = f"/var/log/pods/istio-system_{POD}_2c56f14a-1e3b-44e2-b019-6972c41d3a48/istio-proxy/0.log"
RESOURCE = {
    "k8s.namespace.name": "istio-system",
    "k8s.pod.name": POD,
    "k8s.pod.uid": "2c56f14a",
    "k8s.node.name": "node-b",
}
ATTRIBUTES = {
    "log.file.path": PATH,
    "log.file.name": "0.log",
    "logtag": "P",
    "log.iostream": "stdout",
    "note": "two words",
}


def pairs(attributes: dict[str, str]) -> str:
    return "".join(f" {key}={value}" for key, value in attributes.items())


def detailed(line: str, resource: dict[str, str] = RESOURCE) -> str:
    return "\n".join([
        "ResourceLog #0", "Resource SchemaURL: ", "Resource attributes:",
        *(f"     -> {key}: Str({value})" for key, value in resource.items()),
        "ScopeLogs #0", "ScopeLogs SchemaURL: ", "InstrumentationScope a/b 0.165.0", "LogRecord #0",
        "ObservedTimestamp: 2026-11-29 07:16:48.490616108 +0000 UTC", "SeverityNumber: Unspecified(0)",
        f"Body: Str({line})", "Attributes:", "     -> log.iostream: Str(stdout)", "     -> logtag: Str(P)",
        "Trace ID: ", "Span ID: ", "Flags: 0",
    ])  # fmt: skip


GO = json.dumps
LOGFMT = (
    "_time=2026-11-23T00:37:30.769382638Z pod={pod} _msg={line}",
    "_msg={line} _time=2026-11-23T00:37:30.769382638Z pod={pod} level=info",
    'ts=2026-11-23T00:37:30Z caller=main.go:7 level=info msg={line} kubernetes.pod_name={pod} note="a b"',
    'time="2026-11-23T00:37:30Z" level=info msg={line} pod="{pod}"',
    '_stream="{{container=\\"istio-proxy\\",pod=\\"{pod}\\"}}" _msg={line}',
)


ENDINGS = (
    "2026-11-23T00:37:33.913641000Z", " Nov 23 00:37:33", " @2026-11-23T00:37:33Z", "\t2026-11-23 00:37:33,913", " 2026-11-23T00:37:33Z", " (2026-11-23T00:37:33.913641+00:00)",
    "          \u2502", " \u2503", " |", "   \u2502 other pane $ ls", '"', '",', "`", "</pre>",
)  # fmt: skip
