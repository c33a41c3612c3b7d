"""A line behind any head that programs print is the line without it: same record, the right writer or none."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ztflow.model.provenance import ReadStats
from ztflow.read import StreamParser

POD = "ztunnel-9xw2d"
HEX = "3b" * 32
LINE = (
    "2026-11-23T00:37:38.078761Z\tinfo\taccess\tconnection complete\t"
    'src.addr=10.244.2.17:35692 src.workload="prober-59f8c7d6b-h5j6k" src.namespace="monitoring" '
    'src.identity="spiffe://cluster.local/ns/monitoring/sa/prober" dst.addr=10.244.3.14:15008 '
    'dst.hbone_addr=10.244.3.14:5432 dst.service="db.data.svc.cluster.local" dst.workload="db-0" '
    'dst.namespace="data" dst.identity="spiffe://cluster.local/ns/data/sa/db" direction="outbound" '
    'bytes_sent=579 bytes_recv=715 duration="19ms"'
)
FAILED = (
    "2026-11-23T00:37:31.983285Z\terror\taccess\tconnection complete\tsrc.addr=10.244.3.13:49574 "
    'src.workload="cart-5f4d8b7c9-zz7tw" src.namespace="shop" dst.addr=[fd00::15]:15008 direction="inbound" '
    'bytes_sent=0 bytes_recv=0 duration="0ms" error="io: \\"closed\\", #011 of 3 [a=b] {x} (y): none allowed"'
)
OLD = (
    "2024-06-16T12:45:00.000001Z\tinfo\taccess\tconnection complete\tsrc.addr=10.244.1.9:52350 src.workload=a-1 "
    "src.namespace=shop dst.addr=10.96.40.11:8000 dst.workload=b-2 dst.namespace=shop "
    'direction="outbound" bytes_sent=1 bytes_recv=2 duration="3ms"'
)
JSON = (
    '{"level":"info","time":"2026-11-23T00:37:38.078761Z","scope":"access","message":"connection complete",'
    '"src.addr":"10.244.2.17:35692","src.workload":"p-1","dst.addr":"10.244.3.14:15008","direction":"outbound",'
    '"bytes_sent":579,"bytes_recv":715,"duration":"19ms"}'
)
LINES = (LINE, FAILED, OLD)
ASIDE = ("line_number", "source_file", "ztunnel_pod", "ztunnel_node", "ztunnel_namespace", "ztunnel_zone")


def read(text: str, *, chunk: int = 1 << 20) -> tuple[list[dict], ReadStats, StreamParser]:
    parser = StreamParser("a")
    data = text.encode()
    rows = []
    for at in range(0, len(data), chunk):
        rows += parser.feed(data[at : at + chunk]).to_arrow().to_pylist()
    rows += parser.finish().to_arrow().to_pylist()
    stats = parser.stats
    assert stats.lines == stats.access + stats.other + stats.not_ours + stats.problems
    return rows, stats, parser


def said(rows: list[dict]) -> list[dict]:
    return [{key: value for key, value in row.items() if key not in ASIDE} for row in rows]


def holds(
    text: str, *lines: str, pod: str | None = None, node: str | None = None, namespace: str | None = None
) -> None:
    """The text reads as these lines alone do, written by this ztunnel or, where None, by nobody known."""
    rows, stats, parser = read(text)
    assert parser.problems == []
    assert said(rows) == said(read("\n".join(lines))[0])
    assert {(row["ztunnel_pod"], row["ztunnel_node"], row["ztunnel_namespace"]) for row in rows} == {
        (pod, node, namespace)
    }
    assert stats.access == len(lines)


# ---- syslog ---------------------------------------------------------------------------------------------------------

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
TELLING = (
    f"Nov 29 07:04:16 node-a {POD}: ",
    f"2026-11-29T06:49:21.641399+00:00 relay kube.{POD}: ",
    f"<14>1 2026-11-29T06:49:21.641399Z relay /var/log/{POD}.log - - - ",
    f'<14>1 2026-11-29T06:49:21Z relay a - - [k8s@1 pod_name="{POD}"] ',
)
SPELLED = {
    "tabs": lambda line: line,
    "blanks": lambda line: line.replace("\t", " " * 8),
    "rsyslog": lambda line: line.replace("\t", "#011"),
    "rsyslog, coloured": lambda line: line.replace("\tinfo\t", "#011#033[32minfo#033[0m#011").replace("\t", "#011"),
    "caret": lambda line: line.replace("\t", "^I"),
    "octal": lambda line: line.replace("\t", "\\011"),
    "C style": lambda line: line.replace("\t", "\\t"),
}


@pytest.mark.parametrize("spelling", SPELLED)
@pytest.mark.parametrize("head", SYSLOG)
def test_a_line_behind_a_syslog_head(head, spelling):
    said_so = SPELLED[spelling]
    alike = [line.replace("\t", " " * 8) if spelling == "blanks" else line for line in LINES]
    holds("\n".join(head + said_so(line) for line in LINES), *alike)


@pytest.mark.parametrize("head", SYSLOG)
def test_json_and_a_whole_runtime_line_behind_a_syslog_head(head):
    holds(head + JSON, JSON)
    holds(f"{head}2026-11-23T00:37:38.078762764Z stdout F {FAILED}", FAILED)


@pytest.mark.parametrize("cut", [5, 20, 30, 40, 150, 300, len(LINE) - 1])
@pytest.mark.parametrize("head", SYSLOG)
def test_parts_behind_a_syslog_head_are_joined_without_it(head, cut):
    first = f"{head}2026-11-23T00:37:38.078762764Z stdout P {LINE[:cut]}"
    second = f"{head}2026-11-23T00:37:38.078762764Z stdout F {LINE[cut:]}"
    holds(f"{first}\n{second}", LINE)


@pytest.mark.parametrize("head", TELLING)
def test_a_head_that_names_a_pod_or_its_file_tells_the_writer(head):
    holds(head + LINE, LINE, pod=POD)


def test_a_file_of_a_container_in_the_head_tells_all():
    path = f"/var/log/containers/{POD}_istio-system_istio-proxy-{HEX}.log"
    holds(f"Nov 29 07:04:16 relay {path}: {LINE}", LINE, pod=POD, namespace="istio-system")


def test_parts_of_two_writers_are_never_one_line():
    stamp = "2026-11-23T00:37:38.078762764Z stdout"
    heads = ("Nov 29 07:04:16 node-a ztunnel: ", "Nov 29 07:04:16 node-b ztunnel: ")
    other = LINE.replace("prober", "barber").replace("35692", "35693")
    parts = (
        f"{heads[0]}{stamp} P {LINE[:250]}", f"{heads[1]}{stamp} P {other[:250]}",
        f"{heads[0]}{stamp} F {LINE[250:]}", f"{heads[1]}{stamp} F {other[250:]}",
    )  # fmt: skip
    holds("\n".join(parts), LINE, other)


def test_escapes_of_a_relay_are_undone_only_where_they_are_escapes():
    (row,), *_ = read(f"Nov 29 07:04:16 node-a ztunnel: {FAILED}")
    assert "#011 of 3" in row["error"]
    (row,), *_ = read(FAILED)
    assert "#011 of 3" in row["error"]


def test_several_lines_in_one_message_of_a_relay():
    both = f"{LINE}\n{FAILED}\n".replace("\t", "#011").replace("\n", "#012")
    holds(f"2026-11-29T06:49:21.641399+00:00 node-a ztunnel: {both}", LINE, FAILED)


def test_bytes_that_a_relay_spelled_out():
    named = LINE.replace("prober-59f8c7d6b-h5j6k", "prober") + ' error="\u00e9\u20ac"'
    spelled = "".join(char if ord(char) < 128 else "".join(f"#{byte:o}" for byte in char.encode()) for char in named)
    holds(f"Nov 29 07:04:16 node-a ztunnel: {spelled}".replace("\t", "#011"), named)


RELAYED = (
    ("Nov 23 00:37:30 ", "Nov 23 00:37:30", None),
    ("Nov 23 00:37:30 node-a ", "Nov 23 00:37:30", None),
    ("Nov  3 00:37:30.077 node-a ", "Nov  3 00:37:30.077", None),
    ("<13>Nov 23 00:37:30 node-a ", "Nov 23 00:37:30", None),
    ("2026 Nov 23 00:37:30 node-a ", "2026 Nov 23 00:37:30", None),
    ("2026-11-23T00:37:30+00:00 node-a ", None, "2026-11-23T00:37:30"),
    ("2026-11-23T02:37:30+02:00 node-a ", None, "2026-11-23T00:37:30"),
)


@pytest.mark.parametrize(
    "between", ["\tinfo\taccess\t", "info access ", "info access: ", "#011info#011access#011", "access: ", ""]
)
@pytest.mark.parametrize(("head", "kept", "time"), RELAYED)
def test_a_time_that_a_relay_took_is_read_as_what_is_left(head, kept, time, between):
    rest = LINE.partition("access\t")[2]
    if "#011" in between:
        rest = rest.replace("\t", "#011")
    rows, stats, _ = read(head + between + rest)
    (row,) = rows
    (alone,), *_ = read(LINE)
    assert row["time"] is None if time is None else row["time"].isoformat().startswith(time)
    assert (row["extra"] or []) == ([] if kept is None else [("time", kept)])
    assert row["level"] == ("info" if "info" in between else None)
    left = ("time", "extra", "level", *ASIDE)
    assert {k: v for k, v in row.items() if k not in left} == {k: v for k, v in alone.items() if k not in left}
    assert row["ztunnel_node"] is row["ztunnel_pod"] is None
    assert (stats.cut_times, stats.problems) == (1, 0)


@pytest.mark.parametrize("tag", ["F", "P"])
@pytest.mark.parametrize("head", ["Nov 23 00:37:39 ", "Nov 23 00:37:39 node-a ", "2026-11-23T00:37:39+00:00 node-a "])
def test_a_runtime_head_whose_time_a_relay_took(head, tag):
    parts = (
        [f"{head}stdout F {LINE}"] if tag == "F" else [f"{head}stdout P {LINE[:300]}", f"{head}stdout F {LINE[300:]}"]
    )
    holds("\n".join(parts), LINE)


# ---- Fluent Bit and Fluentd -----------------------------------------------------------------------------------------

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


@pytest.mark.parametrize("key", ["_p", "logtag"])
@pytest.mark.parametrize("line", [*LINES, JSON])
@pytest.mark.parametrize("output", OUTPUTS)
def test_a_line_in_a_record_of_fluent(output, line, key):
    holds(OUTPUTS[output](record(line, key=key)), line)


@pytest.mark.parametrize("line", LINES)
@pytest.mark.parametrize("output", OUTPUTS)
def test_a_record_of_fluent_that_is_tagged_as_part_is_joined_only_where_nobody_did(output, line):
    made = OUTPUTS[output]
    holds("\n".join([made(record(line, "P")), made(record(LINE))]), line, LINE)
    parts = [made(record(LINE[:150], "P")), made(record(LINE[150:300], "P")), made(record(LINE[300:]))]
    holds("\n".join([*parts, made(record(line))]), LINE, line)


@pytest.mark.parametrize("output", OUTPUTS)
def test_the_writer_in_a_record_of_fluent(output):
    made = OUTPUTS[output]
    told = record(LINE, kubernetes=KUBERNETES)
    holds(made(told), LINE, pod=POD, node="node-b", namespace="istio-system")
    holds(made({"kubernetes": KUBERNETES, **record(LINE)}), LINE, pod=POD, node="node-b", namespace="istio-system")
    turned = dict(reversed(record(LINE).items()))
    holds(made(turned), LINE)


@pytest.mark.parametrize("output", ["stdout", "stdout of 1.x", "file", "fluentd stdout", "fluentd file"])
def test_the_tag_of_a_container_file_tells_the_writer(output):
    text = OUTPUTS[output](record(LINE)).replace("tail.0", TAG)
    holds(text, LINE, pod=POD, namespace="istio-system")


# ---- OpenTelemetry Collector's debug exporter -----------------------------------------------------------------------

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


@pytest.mark.parametrize("head", ["", "2026-11-29T07:15:46.193Z\tinfo\t"])
@pytest.mark.parametrize("attributes", [ATTRIBUTES, dict(reversed(ATTRIBUTES.items())), {}])
def test_the_debug_exporter_with_normal_verbosity(attributes, head):
    lines = [line + pairs(attributes) for line in LINES]
    dump = [f"{head}ResourceLog #0{pairs(RESOURCE)}", "ScopeLog #0 a/b@0.165.0", *lines]
    rows, stats, _ = read("\n".join(dump))
    assert said(rows) == said(read("\n".join(LINES))[0])
    assert {(row["ztunnel_pod"], row["ztunnel_node"]) for row in rows} == {(POD, "node-b")}
    assert (stats.access, stats.problems) == (3, 0)


def test_attributes_behind_a_line_tell_the_writer_without_the_head_of_the_dump():
    holds(LINE + pairs(ATTRIBUTES), LINE, pod=POD, namespace="istio-system")


def test_a_runtime_head_in_the_debug_exporter():
    parts = [
        f"2026-11-23T00:37:38.078762764Z stdout {tag} {text}{pairs(ATTRIBUTES)}"
        for tag, text in (("P", LINE[:99]), ("F", LINE[99:]))
    ]
    holds("\n".join(parts), LINE, pod=POD, namespace="istio-system")


def detailed(line: str, resource: dict[str, str] = RESOURCE) -> str:
    return "\n".join([
        "ResourceLog #0", "Resource SchemaURL: ", "Resource attributes:",
        *(f"     -> {key}: Str({value})" for key, value in resource.items()),
        "ScopeLogs #0", "ScopeLogs SchemaURL: ", "InstrumentationScope a/b 0.165.0", "LogRecord #0",
        "ObservedTimestamp: 2026-11-29 07:16:48.490616108 +0000 UTC", "SeverityNumber: Unspecified(0)",
        f"Body: Str({line})", "Attributes:", "     -> log.iostream: Str(stdout)", "     -> logtag: Str(P)",
        "Trace ID: ", "Span ID: ", "Flags: 0",
    ])  # fmt: skip


@pytest.mark.parametrize("line", [*LINES, JSON])
def test_the_debug_exporter_with_detailed_verbosity(line):
    holds(detailed(line), line, pod=POD, node="node-b", namespace="istio-system")


def test_a_resource_does_not_stick_to_the_next():
    rows, *_ = read("\n".join([detailed(LINE), detailed(OLD, {})]))
    assert [row["ztunnel_pod"] for row in rows] == [POD, None]


# ---- logfmt ---------------------------------------------------------------------------------------------------------

GO = json.dumps
LOGFMT = (
    "_time=2026-11-23T00:37:30.769382638Z pod={pod} _msg={line}",
    "_msg={line} _time=2026-11-23T00:37:30.769382638Z pod={pod} level=info",
    'ts=2026-11-23T00:37:30Z caller=main.go:7 level=info msg={line} kubernetes.pod_name={pod} note="a b"',
    'time="2026-11-23T00:37:30Z" level=info msg={line} pod="{pod}"',
    '_stream="{{container=\\"istio-proxy\\",pod=\\"{pod}\\"}}" _msg={line}',
)


@pytest.mark.parametrize("form", LOGFMT)
@pytest.mark.parametrize("line", [*LINES, JSON, f"2026-11-23T00:37:38.078762764Z stdout F {LINE}"])
def test_a_line_in_a_logfmt_envelope(form, line):
    rows, stats, _ = read(form.format(pod=POD, line=GO(line)))
    assert said(rows) == said(read(line)[0])
    assert [row["ztunnel_pod"] for row in rows] == [POD]
    assert stats.problems == 0


def test_ztunnels_own_fields_are_no_logfmt_envelope():
    bare = LINE.partition("\tconnection complete\t")[2]
    (row,), stats, _ = read(bare)
    assert row["src_workload"] == "prober-59f8c7d6b-h5j6k"
    assert stats.problems == 0


# ---- columns --------------------------------------------------------------------------------------------------------

COLUMNS = {
    "TIMESTAMP": "2026-11-23T00:37:27.59221Z", "NODE": "node-b", "REGION": "-", "ZONE": "-", "OS": "linux",
    "ARCH": "amd64", "NAMESPACE": "istio-system", "POD": POD, "CONTAINER": "istio-proxy",
}  # fmt: skip


@given(st.lists(st.sampled_from(sorted(COLUMNS)), min_size=1, unique=True), st.booleans())
@settings(max_examples=60, deadline=None)
def test_kubetails_columns_in_any_order(names, headed):
    cells = [COLUMNS[name].ljust(len(name) + 3) for name in names]
    header = "   ".join([*(name.ljust(len(cell)) for name, cell in zip(names, cells, strict=True)), "MESSAGE"])
    rows = ["   ".join([*cells, line]) for line in (*LINES, "  keepaliveInterval:", LINE)]
    found, stats, _ = read("\n".join([header, *rows] if headed else rows))
    assert said(found) == said(read("\n".join([*LINES, LINE]))[0])
    assert stats.problems == 0
    node = "node-b" if headed and "NODE" in names else None
    assert {row["ztunnel_node"] for row in found} == {node}
    assert {row["ztunnel_pod"] for row in found} <= {POD if "POD" in names else None, None if not headed else POD}
    if headed:
        assert {row["ztunnel_namespace"] for row in found} == {"istio-system" if "NAMESPACE" in names else None}


# ---- behind the line ------------------------------------------------------------------------------------------------

ENDINGS = (
    "2026-11-23T00:37:33.913641000Z", " 2026-11-23T00:37:33Z", " (2026-11-23T00:37:33.913641+00:00)",
    "          \u2502", " \u2503", " |", "   \u2502 other pane $ ls", '"', '",', "`", "</pre>",
)  # fmt: skip


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("line", LINES)
def test_what_a_viewer_put_behind_a_line(line, ending):
    holds(line + ending, line)
    holds(f"\u2502 {line}{ending}", line)


@pytest.mark.parametrize("line", LINES)
def test_names_that_a_template_put_behind_a_line(line):
    for ending in (f" ({POD})", f" [istio-system/{POD}]", f" (node-b/istio-system/{POD}/istio-proxy)"):
        rows, stats, _ = read(line + ending)
        assert said(rows) == said(read(line)[0])
        assert [row["ztunnel_pod"] for row in rows] == [POD]
        assert stats.problems == 0


def test_lines_glued_behind_each_other():
    other = "2026-11-23T00:37:31.983285Z\tinfo\txds::client\tstream established"
    holds(LINE + FAILED + OLD + LINE, LINE, FAILED, OLD, LINE)
    rows, stats, _ = read(LINE + other + FAILED)
    assert (len(rows), stats.other, stats.problems) == (2, 1, 0)
    rows, stats, _ = read(other + FAILED)
    assert (len(rows), stats.other, stats.problems) == (1, 1, 0)


def test_lines_glued_with_names_before_or_behind_each():
    pods = (POD, "ztunnel-4k7rb", "ztunnel-m8s5v")
    for made in (
        "".join(f"{line} (istio-system/{pod})" for line, pod in zip(LINES, pods, strict=True)),
        "".join(f"{pod} istio-proxy {line}" for line, pod in zip(LINES, pods, strict=True)),
        "".join(f"[pod/{pod}/istio-proxy] {line}" for line, pod in zip(LINES, pods, strict=True)),
    ):
        rows, stats, _ = read(made)
        assert said(rows) == said(read("\n".join(LINES))[0])
        assert [row["ztunnel_pod"] for row in rows] == list(pods)
        assert stats.problems == 0


def test_a_damaged_line_among_glued_ones_is_one_problem():
    rows, stats, _ = read(LINE + FAILED.replace(' direction="inbound"', "") + OLD)
    assert (len(rows), stats.problems) == (2, 1)


START = "==== START logs for container istio-proxy of pod istio-system/ztunnel-4k7rb ===="
END = "==== END logs for container istio-proxy of pod istio-system/ztunnel-4k7rb ===="


@pytest.mark.parametrize("chunk", [13, 97, 1 << 20])
def test_a_marker_counts_as_a_whole_line_or_glued_behind_one(chunk):
    inside = FAILED.replace("none allowed", START)
    bare = f"{OLD} error={START}"
    for text, pods in (
        (f"{inside}\n{LINE}", [None, None]),
        (f"{bare}\n{LINE}", [None, None]),
        (f"{START}\n{inside}\n{LINE}{END}\n{LINE}", ["ztunnel-4k7rb", "ztunnel-4k7rb", None]),
        (f"{LINE}{START}\n{LINE}", [None, "ztunnel-4k7rb"]),
    ):
        rows, stats, _ = read(text, chunk=chunk)
        assert [row["ztunnel_pod"] for row in rows] == pods
        assert stats.problems == 0


# ---- names are right or unknown -------------------------------------------------------------------------------------


@pytest.mark.parametrize("prefix", [
    "[node-a] ", "[INFO] ", "node-a prod ", "web-1 app ", "[stdout] ", "relay01 forwarded ", "Nov 29 07:04:16 ztunnel: ",
    "prod node-a ztunnel-plain ", "[k8s] [ztunnel] ",
])  # fmt: skip
def test_words_before_a_line_are_no_pod(prefix):
    holds(prefix + LINE, LINE)


# ---- any line -------------------------------------------------------------------------------------------------------

NAME = st.from_regex(r"[a-z][a-z0-9-]{0,20}[a-z0-9]", fullmatch=True)
ERROR = st.text(st.characters(codec="ascii", exclude_characters='"\\\x7f', min_codepoint=32), min_size=1, max_size=60)


@st.composite
def any_line(draw: st.DrawFn) -> str:
    error = draw(st.none() | ERROR.map(str.strip).filter(bool))
    level = "info" if error is None else "error"
    fields = [
        f"src.addr=10.{draw(st.integers(0, 255))}.0.1:{draw(st.integers(1, 65535))}",
        f'src.workload="{draw(NAME)}" src.namespace="{draw(NAME)}"',
        f'dst.addr=[fd00::{draw(st.integers(1, 9999))}]:15008 dst.service="{draw(NAME)}.svc"',
        f'direction="{draw(st.sampled_from(["inbound", "outbound"]))}"',
        f"bytes_sent={draw(st.integers(0, 2**40))} bytes_recv={draw(st.integers(0, 99))}",
        f'duration="{draw(st.integers(0, 10**6))}ms"',
    ]
    if error is not None:
        fields.append(f'error="{error}"')
    return f"2026-11-23T00:37:{draw(st.integers(10, 59))}.078761Z\t{level}\taccess\tconnection complete\t" + " ".join(
        fields
    )


def behind_heads() -> list:
    heads = [lambda line, head=head: [head + line] for head in (*SYSLOG, "", "\u2502 ", "[x] ")]
    heads += [lambda line, made=made: [made(record(line))] for made in OUTPUTS.values()]
    heads += [lambda line, made=made: [made(record(line, "P"))] for made in OUTPUTS.values()]
    heads += [lambda line, form=form: [form.format(pod=POD, line=GO(line))] for form in LOGFMT]
    heads += [lambda line: [line + pairs(ATTRIBUTES)], lambda line: detailed(line).split("\n")]
    heads += [lambda line, ending=ending: [line + ending] for ending in ENDINGS]
    heads += [
        lambda line, head=head: [
            f"{head}2026-11-23T00:37:38.078762764Z stdout {tag} {part}"
            for tag, part in (("P", line[: len(line) // 2]), ("F", line[len(line) // 2 :]))
        ]
        for head in (*SYSLOG, "x ", "Nov 29 07:04:16 ")
    ]
    return heads


@given(any_line(), st.sampled_from(behind_heads()), st.integers(60, 1000))
@settings(max_examples=300, deadline=None)
def test_any_line_behind_any_head_is_the_line_or_a_problem(line, head, chunk):
    alone = read(line)[0]
    rows, stats, _ = read("\n".join(head(line)), chunk=chunk)
    assert len(rows) + stats.problems == 1
    assert said(rows) == said(alone)[: len(rows)]
    assert {row["ztunnel_pod"] for row in rows} <= {POD, None}
    assert {row["ztunnel_node"] for row in rows} <= {"node-b", None}
