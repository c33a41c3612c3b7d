"""JSON over several lines, several values on one line, long documents, broken ones."""

import json
import tracemalloc

import pytest

from tests.read import layouts
from tests.read.support import FIXTURES, column
from ztflow.model.tables import Halves
from ztflow.read import StreamParser, limits
from ztflow.read.framing.documents import Document, Value
from ztflow.read.framing.wrecks import PlainLine, Wreck

LINES = [
    line
    for line in (FIXTURES / "wrappers" / "kubectl-plain.log").read_text().splitlines()
    if "connection complete" in line
]


def fed(text):
    document = Document()
    found = [one for number, line in enumerate(text.split("\n"), 1) for one in document.feed(line, number)]
    return found + document.finish()


def read(text, chunk=1 << 16):
    data = text.encode()
    parser = StreamParser()
    parts = [parser.feed(data[at : at + chunk]) for at in range(0, len(data), chunk)]
    return Halves.concat([*parts, parser.finish()]), parser


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ('{\n"a": 1\n}', [({"a": 1}, 1)]),
        ('{"a": 1}{"b": 2}', [({"a": 1}, 1), ({"b": 2}, 1)]),
        ('{"a": 1}\n{\n"b": 2}', [({"a": 1}, 1), ({"b": 2}, 2)]),
        ('[\n{"a": 1},\n{"b": [1, 2]}\n]', [({"a": 1}, 2), ({"b": [1, 2]}, 3)]),
        ('[{"a": "}"},\n {"b": "\\""}]\n', [({"a": "}"}, 1), ({"b": '"'}, 2)]),
        ('[[{"a": 1}, {"b": 2}],\n[{"c": 3}]]', [([{"a": 1}, {"b": 2}], 1), ([{"c": 3}], 2)]),
        ("[\n]", []),
    ],
)
def test_values(text, values):
    assert [(found.value, found.line_number) for found in fed(text)] == values


def test_a_broken_document_gives_its_lines_back():
    text = '{\n "a": 1,\n 2024-06-16T12:40:48Z plain'
    lines = [PlainLine(line, number) for number, line in enumerate(text.split("\n"), 1)]
    assert fed(text) == [Wreck((lines[0], lines[1])), lines[2]]
    assert fed('{"a": 1} tail') == [Value({"a": 1}, '{"a": 1}', 1), PlainLine(" tail", 1)]
    assert fed('{"a": [1}') == [PlainLine('{"a": [1}', 1)]


def test_a_record_cut_short_does_not_swallow_the_next():
    good = json.dumps({"message": LINES[0], "podName": "p", "containerName": "c"})
    cut = '{"message": "x", "nodeName":'
    halves, parser = read("\n".join([good, cut, good, good[: len(good) // 2], good, ""]))
    assert len(halves) == 3
    assert parser.stats.problems == 1


def test_an_unfinished_document_loses_nothing_after_it():
    halves, parser = read('{\n  "events": [\n    {"message": "x",\n' + "\n".join(LINES) + "\n")
    assert len(halves) == len(LINES)
    assert parser.stats.lines == len(LINES) + 3


ENVELOPES = {
    "events": lambda lines: {"events": [{"logStreamName": layouts.STREAM, "message": layouts.insight(x)} for x in lines]},
    "hits": lambda lines: {"hits": {"total": 2, "hits": [{"_source": {"message": x, **layouts.ECS}, "sort": [1]} for x in lines]}},
    "rows": layouts.azure,
    "loki": layouts.loki,
    "loki, many streams": lambda lines: {"data": {"resultType": "streams", "result": [
        {"stream": {**layouts.LABELS, "pod": f"ztunnel-{at % 7}"}, "values": [["1", line]]} for at, line in enumerate(lines)]}},
    "loki, two long streams": lambda lines: {"data": {"resultType": "streams", "result": [
        {"stream": {**layouts.LABELS, "pod": pod}, "values": [["1", line] for line in part]}
        for pod, part in (("ztunnel-a", lines[: len(lines) // 2]), ("ztunnel-b", lines[len(lines) // 2 :]))]}},
    "otlp": layouts.otlp,
    "insights": lambda lines: {"results": [[{"field": "log", "value": x}, {"field": "kubernetes.host", "value": layouts.NODE}, {"field": "kubernetes.pod_name", "value": layouts.POD}] for x in lines]},
}  # fmt: skip


def many(count):
    return [LINES[at % len(LINES)].replace("duration=", f"bytes_nr={at} duration=") for at in range(count)]


@pytest.mark.parametrize("name", ENVELOPES)
@pytest.mark.parametrize("indent", [1, 4])
def test_a_long_document_comes_in_pieces(name, indent, monkeypatch):
    monkeypatch.setattr("ztflow.read.framing.documents.DOCUMENT_PIECE_CHARS", 3000)
    lines = many(150)
    text = json.dumps(ENVELOPES[name](lines), indent=indent)
    halves, parser = read(text)
    assert parser.stats.access == 150
    assert sorted(int(dict(extra)["bytes_nr"]) for extra in column(halves, "extra")) == list(range(150))
    assert parser.stats.problems == 0
    assert set(column(halves, "ztunnel_node")) == {layouts.NODE}
    if "two" in name:
        pods = {
            int(dict(extra)["bytes_nr"]): pod
            for extra, pod in zip(column(halves, "extra"), column(halves, "ztunnel_pod"), strict=True)
        }
        assert [pods[at] for at in range(150)] == ["ztunnel-a"] * 75 + ["ztunnel-b"] * 75


def test_a_long_document_needs_little_memory():
    lines = many(30)
    head, _, tail = json.dumps(ENVELOPES["events"](lines), indent=4).partition("[")
    body = tail.rsplit("]", 1)[0]
    parser = StreamParser()
    parser.feed((head + "[" + body).encode())
    tracemalloc.start()
    for _ in range(60):
        parser.feed(("," + body).encode())
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    parser.feed(b"]}\n")
    parser.finish()
    assert parser.stats.access == 30 * 61
    assert peak < 25 * limits.DOCUMENT_PIECE_CHARS


def test_a_value_past_the_limit_is_given_back(monkeypatch):
    monkeypatch.setattr("ztflow.read.framing.documents.DOCUMENT_CHARS", 20_000)
    text = '{"a": {\n' + '"k": "vvvvvvvvvvvvvvvvvvvvvvvvvvvvvv",\n' * 1000 + "\n".join(LINES) + "\n"
    halves, parser = read(text)
    assert len(halves) == len(LINES)
    assert parser.stats.lines == parser.stats.physical_lines


@pytest.mark.parametrize("name", ENVELOPES)
@pytest.mark.parametrize("share", [0.35, 0.6, 0.93])
def test_a_cut_document_gives_its_whole_elements(name, share):
    lines = many(40)
    text = json.dumps(ENVELOPES[name](lines), indent=2)
    text = text[: int(len(text) * share)]
    whole = text.count("duration=")
    halves, parser = read(text)
    assert whole - 2 <= parser.stats.access <= whole
    numbers = [int(dict(extra)["bytes_nr"]) for extra in column(halves, "extra")]
    assert len(set(numbers)) == len(numbers)
    assert parser.stats.access + parser.stats.problems >= whole - 1
    # a line behind the last whole element may be whole itself; who wrote it stood around it
    assert column(halves, "ztunnel_node").count(layouts.NODE) >= len(halves) - 1
