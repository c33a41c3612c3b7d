"""Streams of ztunnel's own JSON with one damage: every other record is read, and what is broken is counted."""

import json
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.read.support import column
from ztflow.model.tables import Halves
from ztflow.read import StreamParser


def read(text, chunk=1 << 20):
    data = text.encode()
    parser = StreamParser()
    parts = [parser.feed(data[at : at + chunk]) for at in range(0, len(data), chunk)]
    halves = Halves.concat([*parts, parser.finish()])
    stats = parser.stats
    assert stats.lines == stats.access + stats.other + stats.not_ours + stats.problems
    return halves, parser


def record(at, **more):
    fields = {
        "level": "info", "time": f"2026-11-23T00:30:00.{at:06}Z", "scope": "access", "message": "connection complete",
        "src.addr": f"10.244.1.12:{40000 + at}", "src.workload": "cart-5f4d8b7c9-l2n4p", "src.namespace": "shop",
        "src.identity": "spiffe://cluster.local/ns/shop/sa/cart", "dst.addr": "10.244.1.10:15008",
        "dst.hbone_addr": "10.244.1.10:8080", "dst.workload": "web-6b7f9c5d4-x2x9q", "dst.namespace": "shop",
        "direction": "inbound", "bytes_sent": 100222, "bytes_recv": 100086, "duration": "6ms",
    }  # fmt: skip
    return fields | more


def compact(fields):
    return json.dumps(fields, separators=(",", ":"))


SHAPES = {
    "one a line": lambda rows: "".join(compact(row) + "\n" for row in rows),
    "pretty": lambda rows: "".join(json.dumps(row, indent=1) + "\n" for row in rows),
    "pretty, wide": lambda rows: "".join(json.dumps(row, indent=4) + "\n" for row in rows),
    "array": lambda rows: json.dumps(rows, indent=2) + "\n",
    "array, one a line": lambda rows: "[\n" + ",\n".join(map(compact, rows)) + "\n]\n",
    "array on one line": lambda rows: compact(rows) + "\n",
    "several a line": lambda rows: "".join(map(compact, rows)) + "\n",
    "several a line, with blanks": lambda rows: " ".join(map(compact, rows)) + "\n",
}
SPANS = {"spans": [{"uid": "a", "name": "proxy"}, {"id": "b" * 32, "name": "inbound"}]}
MARK = re.compile(r'"scope"\s*:\s*"access"')


def ports(halves):
    return column(halves, "src_port")


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("more", [{}, SPANS], ids=["flat", "spans"])
def test_sound_streams(shape, more):
    rows = [record(at, **more) for at in range(4)]
    halves, parser = read(SHAPES[shape](rows))
    assert ports(halves) == [40000 + at for at in range(4)]
    assert (parser.stats.problems, parser.stats.not_ours, parser.stats.repaired) == (0, 0, 0)


@st.composite
def damages(draw):
    """A stream of four records, which of them was damaged, and the damaged text."""
    shape = draw(st.sampled_from(sorted(SHAPES)))
    rows = [record(at, **draw(st.sampled_from([{}, SPANS]))) for at in range(4)]
    text = SHAPES[shape](rows)
    places = [text.index(f"2026-11-23T00:30:00.{at:06}Z") for at in range(4)]
    starts = [*(text.rindex("{", 0, place) for place in places), len(text)]
    hit = draw(st.integers(0, 3))
    at = draw(st.integers(starts[hit], starts[hit + 1] - 1))
    kind = draw(st.sampled_from(["cut", "lose the beginning", "drop", "insert", "drop a line"]))
    end = text.rindex("}", 0, starts[hit + 1]) + 1
    if kind == "cut":
        # cut right before a value, an object behind it would be that value
        damaged = text[: at - 2 * text[:at].rstrip().endswith(":")] + text[end:]
    elif kind == "lose the beginning":
        damaged = text[: starts[hit]] + text[min(at, end) :]
    elif kind == "drop":
        damaged = text[:at] + text[at + 1 :]
    elif kind == "insert":
        damaged = text[:at] + draw(st.sampled_from(list('x"{}[],:\\1 \n'))) + text[at:]
    else:
        lines = text.splitlines(keepends=True)
        lost = text.count("\n", 0, min(at, end - 1))
        damaged = "".join(lines[:lost] + lines[lost + 1 :])
    return shape, kind, hit, damaged


@settings(deadline=None, max_examples=200)
@given(damages())
def test_one_damage_hides_no_other_record(case):
    shape, kind, hit, text = case
    halves, parser = read(text)
    found = ports(halves)
    others = {40000 + at for at in range(4) if at != hit}
    if kind == "drop a line" and shape in {"several a line", "several a line, with blanks", "array on one line"}:
        others = set()
    assert others <= set(found)
    assert parser.stats.access + parser.stats.problems >= len(MARK.findall(text))
    assert parser.stats.access <= 4


@settings(deadline=None, max_examples=40)
@given(damages(), st.integers(1, 200))
def test_any_cut_into_chunks_gives_the_same(case, chunk):
    text = case[3]
    one, whole = read(text)
    other, pieces = read(text, chunk)
    assert one.to_arrow().to_pylist() == other.to_arrow().to_pylist()
    assert (whole.stats, whole.problems) == (pieces.stats, pieces.problems)


PRETTY = [json.dumps(record(at), indent=1) for at in range(3)]


@pytest.mark.parametrize(
    "broken",
    [
        PRETTY[1][: PRETTY[1].index('"direction"')],
        PRETTY[1][: PRETTY[1].index("15008")],
        PRETTY[1][PRETTY[1].index(' "src.workload"') :],
        PRETTY[1][PRETTY[1].index("workload") :],
        PRETTY[1].replace(' "src.workload"', ' ...\n "src.workload"'),
        PRETTY[1].replace(' "src.workload"', ' \u2026,\n "src.workload"').replace(": 100086", ": ..."),
        compact({"labels": [{}], **record(1)}).replace(':"6ms"', ":qq"),
        compact({"a": {"b": "c"}, **record(1)})[:-1],
    ],
    ids=["end", "end in a value", "beginning", "beginning in a key", "abridged", "abridged twice", "broken behind an object", "never closed"],
)  # fmt: skip
@pytest.mark.parametrize("times", [1, 2])
def test_each_broken_object_is_one_problem(broken, times):
    halves, parser = read("\n".join([PRETTY[0], *[broken] * times, PRETTY[2], ""]))
    assert ports(halves) == [40000, 40002]
    assert parser.stats.problems == times


def test_records_that_a_broken_one_swallowed():
    rows = [record(0, **SPANS), record(1), record(2)]
    text = compact(rows).replace(',{"id":"' + "b" * 32 + '","name":"inbound"}]}', "")
    halves, parser = read(text + "\n")
    assert ports(halves) == [40001, 40002]
    assert parser.stats.problems == 1


def test_a_record_broken_at_a_fixed_width():
    rows = [compact(record(at)) for at in range(2)]
    text = "".join(row[at : at + 80] + "\n" for row in rows for at in range(0, len(row), 80))
    halves, parser = read(text)
    assert ports(halves) == [40000, 40001]
    assert (parser.stats.lines, parser.stats.repaired) == (2, 2)


def test_a_broken_envelope_says_nothing_of_ztunnel():
    _, parser = read('{\n "a": 1,\n "b": qq\n}\n')
    assert (parser.stats.problems, parser.stats.not_ours, parser.stats.lines) == (0, 4, 4)
