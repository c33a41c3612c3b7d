"""Lines in the records that shippers, collectors and viewers print as text."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.read.envelopes_for_lines import (
    ATTRIBUTES,
    GO,
    KUBERNETES,
    LOGFMT,
    OUTPUTS,
    RESOURCE,
    TAG,
    detailed,
    pairs,
    record,
)
from tests.read.lines_for_envelopes import JSON, LINE, LINES, OLD, POD, holds, read, said


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


@pytest.mark.parametrize("line", LINES)
def test_a_line_end_in_a_record_of_fluents_stdout(line):
    text = OUTPUTS["stdout of 1.x"]({"log": f"{line}\n", "stream": "stdout"})
    rows, stats, _ = read(text)
    assert said(rows) == said(read(line)[0])
    assert (stats.access, stats.problems, stats.not_ours) == (1, 0, 1)


@pytest.mark.parametrize("output", ["stdout", "stdout of 1.x", "file", "fluentd stdout", "fluentd file"])
def test_the_tag_of_a_container_file_tells_the_writer(output):
    text = OUTPUTS[output](record(LINE)).replace("tail.0", TAG)
    holds(text, LINE, pod=POD, namespace="istio-system")


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


@pytest.mark.parametrize("line", [*LINES, JSON])
def test_the_debug_exporter_with_detailed_verbosity(line):
    holds(detailed(line), line, pod=POD, node="node-b", namespace="istio-system")


def test_the_debug_exporter_without_scopes_or_in_json():
    other = LINE.replace("35692", "35693")
    plain = (
        detailed(LINE) + "\n" + detailed(other).partition("Resource SchemaURL")[0].replace("ResourceLog", "LogRecord")
    )
    plain += f"\nBody: Str({other})\nAttributes:\n     -> k8s.pod.name: Str(ztunnel-4k7rb)"
    without = "\n".join(line for line in plain.split("\n") if "Scope" not in line)
    holds(without, LINE, other, pod=POD, node="node-b", namespace="istio-system")
    logged = json.dumps({"level": "info", "ts": "2026-11-29T07:15:46.193Z", "msg": plain})
    holds(logged, LINE, other, pod=POD, node="node-b", namespace="istio-system")
    normal = (
        f"ResourceLog #0{pairs(RESOURCE)}\nScopeLog #0 a@1\n{LINE}{pairs(ATTRIBUTES)}\n{other}{pairs(ATTRIBUTES)}\n"
    )
    holds(json.dumps({"level": "info", "msg": normal}), LINE, other, pod=POD, namespace="istio-system")


def test_a_resource_does_not_stick_to_the_next():
    rows, *_ = read("\n".join([detailed(LINE), detailed(OLD, {})]))
    assert [row["ztunnel_pod"] for row in rows] == [POD, None]


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


@pytest.mark.parametrize("names", [("timestamp", "pod", "zone", "node", "message"), ("node", "message", "pod")])
def test_the_tsv_of_kubetails_dashboard(names):
    cells = {"timestamp": "2026-11-23T00:37:30.769382588Z", "pod": POD, "zone": "", "node": "node-b"}
    lines = [line.replace("\t", " ") for line in LINES]
    rows = ["\t".join({**cells, "message": line}[name] for name in names) for line in lines]
    holds("\n".join(["\t".join(names), *rows]), *lines, pod=POD, node="node-b")
