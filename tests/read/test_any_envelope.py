"""Whatever JSON a whole line is in, it is read or it is a problem, and no field of it is another's."""

from __future__ import annotations

import itertools
import json

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ztflow.model.tables import Halves
from ztflow.read import StreamParser

PLAIN = (
    '2026-11-23T00:37:30.769382Z\tinfo\taccess\tconnection complete\tsrc.addr=10.244.2.17:38404 src.workload="prober-1" '
    'src.namespace="monitoring" src.identity="spiffe://cluster.local/ns/monitoring/sa/prober" '
    'dst.addr=10.244.1.12:15008 dst.hbone_addr=10.244.1.12:8080 dst.workload="cart-1" dst.namespace="shop" '
    'dst.identity="spiffe://cluster.local/ns/shop/sa/cart" direction="inbound" bytes_sent=1148 bytes_recv=1012 '
    'duration="14ms"'
)
FAILED = (
    "2026-11-23T00:37:36.744779Z\twarn\taccess\tconnection failed\tsrc.addr=10.244.3.13:60220 dst.addr=10.96.50.1:80 "
    'direction="outbound" error="no healthy upstream: 10.96.50.1:80"'
)
OWN = {
    "level": "info", "time": "2026-11-23T00:37:30.769382Z", "scope": "access", "message": "connection complete",
    "src.addr": "10.244.2.17:38404", "src.workload": "prober-1", "dst.addr": "10.244.1.12:15008",
    "dst.hbone_addr": "10.244.1.12:8080", "direction": "inbound", "bytes_sent": 1, "bytes_recv": 2, "duration": "14ms",
}  # fmt: skip
LINES = {
    "complete": PLAIN,
    "error": PLAIN.replace("\tinfo\t", "\terror\t") + ' error="connection failed: \\"x\\" (os error 111)"',
    "failed": FAILED,
    "json": json.dumps(OWN),
}

POD = "ztunnel-4k7rb"
TEXT_KEYS = (
    "log", "message", "msg", "_msg", "line", "body", "Body", "content", "_raw", "raw", "event", "text", "MESSAGE",
    "textPayload", "LogMessage", "LogEntry", "Message", "@message", "data", "payload", "x", "output", "record",
    "value", "fields", "attributes", "entry", "full_log", "short_message", "log.original", "event.original",
)  # fmt: skip
SHAPES = {
    **{key: (lambda line, key=key: {key: line}) for key in TEXT_KEYS},
    "fluent": lambda line: {"kubernetes": {"pod_name": POD, "host": "node-a"}, "log": line},
    "filebeat": lambda line: {"kubernetes": {"pod": {"name": POD}, "node": {"name": "node-a"}}, "message": line},
    "hit": lambda line: {"_index": "a", "_source": {"message": line}},
    "hits": lambda line: {"hits": {"hits": [{"_source": {"message": line}}]}},
    "hit fields": lambda line: {"_index": "a", "fields": {"message": [line]}},
    "push": lambda line: {"streams": [{"stream": {"pod": POD}, "values": [["1", line]]}]},
    "query": lambda line: {"data": {"resultType": "streams", "result": [{"stream": {}, "values": [["1", line]]}]}},
    "otlp": lambda line: {"resourceLogs": [{"scopeLogs": [{"logRecords": [{"body": {"stringValue": line}}]}]}]},
    "gcp": lambda line: {"logName": "a", "resource": {"labels": {}}, "textPayload": line},
    "events": lambda line: {"events": [{"message": line}]},
    "insights": lambda line: {"results": [[{"field": "@message", "value": line}]]},
    "azure": lambda line: {"tables": [{"columns": [{"name": "LogMessage"}], "rows": [[line]]}]},
    "datadog": lambda line: {"data": [{"attributes": {"message": line}}]},
    "stern": lambda line: {"podName": POD, "containerName": "c", "message": line},
    "extjson": lambda line: {"pod": POD, "container": "c", "message": line},
    "kail": lambda line: {"namespace": "istio-system", "name": POD, "container": "c", "message": line},
    "deep": lambda line: {"a": {"b": {"c": [1, {"d": line}]}}},
    "in a string": lambda line: {"message": json.dumps({"log": line})},
    "in two strings": lambda line: {"a": json.dumps({"b": json.dumps({"c": line})})},
    "array": lambda line: {"a": ["other", [line]]},
    "several lines": lambda line: {"message": f"first text\n{line}\nlast text"},
    "bytes": lambda line: {"__CURSOR": "s", "MESSAGE": list(line.encode())},
}
EXTRAS = (
    ("log", ""), ("log", {}), ("log", {"level": "info"}), ("log", "another text"), ("message", "another text"),
    ("message", ""), ("message", None), ("level", "info"), ("scope", "app"), ("scope", {"name": "otel"}),
    ("target", "app"), ("fields", {}), ("fields", {"env": "p"}), ("_source", {}), ("data", {}), ("data", []),
    ("events", []), ("hits", {}), ("hits", {"hits": []}), ("streams", []), ("resourceLogs", []), ("tables", []),
    ("results", []), ("kubernetes", {}), ("kubernetes", "x"), ("kubernetes", {"pod_name": POD}),
    ("attributes", {"a": 1}), ("type", "log"), ("stream", "stdout"), ("logtag", "F"), ("logtag", "P"), ("_p", "P"),
    ("body", "text"), ("resource", {}), ("resource", {"labels": {}}), ("logName", "n"), ("podName", "p"),
    ("containerName", "c"), ("pod", "p"), ("container", "c"), ("labels", {}), ("line", "text"), ("time", "2026"),
    ("name", "n"), ("namespace", "n"), ("textPayload", "t"), ("jsonPayload", {"message": "m"}), ("LogMessage", ""),
    ("PodName", "p"), ("value", [1, 2]), ("direction", "inbound"), ("__CURSOR", "s"), ("_partial", True),
    ("split", {"index": 0, "totalSplits": 2}), ("src", {"pod_name": "wrong"}), ("client", {"namespace": "wrong"}),
)  # fmt: skip
WRITER = ("source_file", "line_number", "ztunnel_pod", "ztunnel_namespace", "ztunnel_node", "ztunnel_zone", "extra")


def read(text: str):
    parser = StreamParser()
    return Halves.concat([parser.feed(text.encode("utf-8", "surrogatepass")), parser.finish()]), parser


def rows(text: str):
    halves, parser = read(text)
    records = [
        {name: cell for name, cell in row.items() if name not in WRITER} for row in halves.to_arrow().to_pylist()
    ]
    return records, parser.stats


WHOLE = {kind: rows(line + "\n")[0][0] for kind, line in LINES.items()}


@pytest.mark.parametrize("kind", LINES)
@pytest.mark.parametrize("shape", SHAPES)
def test_a_line_in_any_shape_beside_any_key(shape, kind):
    """44 shapes and more, four kinds of line, each beside keys that other tools use for something else."""
    inside = SHAPES[shape](LINES[kind])
    seed = sum(map(ord, shape + kind))
    pairs = itertools.islice(itertools.combinations(EXTRAS, 2), seed % 397, None, 397)
    for at, extra in enumerate(((), *((one,) for one in EXTRAS), *pairs)):
        beside = {key: value for key, value in extra if key not in inside}
        document = {**beside, **inside} if (at + seed) % 2 else {**inside, **beside}
        records, stats = rows(json.dumps(document) + "\n")
        assert records == [WHOLE[kind]], document
        assert (stats.lines, stats.problems) == (1 + stats.not_ours + stats.other, 0), document


keys = st.one_of(
    st.sampled_from(sorted({key for key, _ in EXTRAS} | set(TEXT_KEYS) | {"src.addr", "error"})), st.text(max_size=8)
)
scalars = st.one_of(st.none(), st.booleans(), st.integers(-(2**53), 2**53), st.text(max_size=12), st.just(POD))
placed = st.sampled_from(sorted(LINES)).map(lambda kind: ("LINE", kind))


def documents(leaves):
    return st.recursive(
        leaves,
        lambda inner: st.one_of(
            st.lists(inner, max_size=4),
            st.dictionaries(keys, inner, max_size=4),
            inner.map(lambda one: ("STRING", one)),
        ),
        max_leaves=12,
    )


def spelt(value, number):
    """A drawn document with its lines put in, each with a time of its own; and the lines in it."""
    if isinstance(value, tuple) and value[0] == "LINE":
        stamp = f"2026-11-23T00:{next(number):02d}"
        line = LINES[value[1]].replace("2026-11-23T00:37", stamp)
        return line, [line]
    if isinstance(value, tuple):
        inner, lines = spelt(value[1], number)
        return json.dumps(inner), lines
    if isinstance(value, list):
        parts = [spelt(one, number) for one in value]
        return [one for one, _ in parts], [line for _, lines in parts for line in lines]
    if isinstance(value, dict):
        parts = {key: spelt(one, number) for key, one in value.items()}
        return {key: one for key, (one, _) in parts.items()}, [line for _, lines in parts.values() for line in lines]
    return value, []


@settings(max_examples=400)
@given(st.dictionaries(keys, documents(st.one_of(scalars, placed)), min_size=1, max_size=5))
@example({"a": [("LINE", "json"), ("LINE", "complete")], "message": "x"})
@example({"@message": ("STRING", ("LINE", "complete")), "Body": ("STRING", ("LINE", "complete")), "_partial": True})
@example({"message": ("LINE", "complete"), "event": ("STRING", {"original": ("LINE", "failed")})})
def test_no_line_is_lost_in_any_json(document):
    value, lines = spelt(document, itertools.count(10))
    found, stats = rows(json.dumps(value) + "\n")
    assert stats.access + stats.problems >= len(lines)
    assert stats.lines == stats.access + stats.other + stats.not_ours + stats.problems
    whole = {json.dumps(rows(line + "\n")[0][0], default=str) for line in lines}
    assert {json.dumps(one, default=str) for one in found} <= whole


def test_what_no_reader_knows_is_a_problem_with_its_place():
    document = {"a": [{"payload": f"said {PLAIN[:150]}… and so on"}]}
    halves, parser = read(json.dumps(document) + "\n")
    assert len(halves) == 0
    assert parser.stats.problems == 1
    document = {"a": [{"payload": "connection complete for src.addr of somebody"}]}
    halves, parser = read(json.dumps(document) + "\n")
    assert (parser.stats.problems, parser.stats.not_ours) == (1, 0)
    assert "`a[0].payload`" in parser.problems[0].detail
