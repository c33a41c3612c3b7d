"""Lines survive every layout, plain and JSON, and keep their writer."""

import json

import pytest

from tests.read import layouts
from tests.read.support import FIXTURES, column
from ztflow.model.tables import Halves
from ztflow.read import StreamParser

PLAIN = [line for line in (FIXTURES / "wrappers" / "kubectl-plain.log").read_text().splitlines() if line]
JSON = (FIXTURES / "wrappers" / "ztunnel-json.jsonl").read_text().splitlines()
ACCESS_PLAIN = sum("connection complete" in line for line in PLAIN)
ACCESS_JSON = sum("connection complete" in line for line in JSON)

CASES = [
    *((name, "plain", *case) for name, case in {**layouts.TEXT_AND_JSON, **layouts.PLAIN_ONLY}.items()),
    *((name, "json", *case) for name, case in {**layouts.TEXT_AND_JSON, **layouts.JSON_ONLY}.items()),
]


def read(data: bytes) -> tuple[Halves, StreamParser]:
    parser = StreamParser()
    parts = [parser.feed(data), parser.finish()]
    return Halves.concat(parts), parser


def encoded(name: str, text: str) -> bytes:
    if name == "utf-16":
        return b"\xff\xfe" + text.encode("utf-16-le")
    return text.encode("utf-8", "surrogateescape")


IDS = [f"{case[0]}, {case[1]}" for case in CASES]


@pytest.mark.parametrize(("name", "kind", "form", "has_pod", "has_node"), CASES, ids=IDS)
def test_layout(name, kind, form, has_pod, has_node):
    lines, access = (PLAIN, ACCESS_PLAIN) if kind == "plain" else (JSON, ACCESS_JSON)
    halves, parser = read(encoded(name, form(lines)))
    stats = parser.stats
    assert (stats.access, stats.problems) == (access, 0)
    assert stats.other >= len(lines) - access
    assert stats.lines == stats.access + stats.other + stats.not_ours + stats.problems
    expected = {None: "ztunnel-62hp8", True: layouts.POD, False: None}[has_pod]
    assert set(column(halves, "ztunnel_pod")) == {expected}
    assert set(column(halves, "ztunnel_node")) == ({layouts.NODE} if has_node else {None})


@pytest.mark.parametrize(("name", "kind", "form", "has_pod", "has_node"), CASES, ids=IDS)
def test_the_lines_come_out_unchanged(name, kind, form, has_pod, has_node):
    lines = PLAIN if kind == "plain" else JSON
    bare, _ = read("\n".join(lines).encode())
    halves, _ = read(encoded(name, form(lines)))
    columns = [
        name
        for name in halves.to_arrow().column_names
        if name not in {"ztunnel_pod", "ztunnel_namespace", "ztunnel_node", "source_file", "line_number"}
    ]
    rows = {
        key: sorted(zip(*(column(table, name) for name in columns), strict=True), key=repr)
        for key, table in (("bare", bare), ("wrapped", halves))
    }
    assert rows["wrapped"] == rows["bare"]


def test_json_keys_of_a_shipper_do_not_become_the_lines_own():
    line = JSON[1]
    text = layouts.go({**json.loads(line), "kubernetes": layouts.FLUENT, "stream": "stdout", "_p": "F", "date": 1.5})
    halves, _ = read(text.encode())
    assert column(halves, "extra") == [None]
