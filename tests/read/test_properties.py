"""What must hold for any input: cuts do not matter, every line is counted, only bounded memory, no exception."""

import gzip
import itertools
from functools import cache

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.read import layouts
from tests.read.support import FIXTURES
from ztflow.model.tables import Halves
from ztflow.read import StreamParser, limits

SLOW = settings(deadline=None, max_examples=15)


@cache
def snippets() -> list[bytes]:
    """Pieces of every fixture: whole files where small, some lines of the others."""
    found = []
    for folder in ("wrappers", "real", "seed"):
        for path in sorted((FIXTURES / folder).iterdir()):
            data = path.read_bytes()
            if data[:2] == b"\x1f\x8b":
                data = gzip.decompress(data)
            if data[:2] != b"\xff\xfe" and path.suffix not in {".tsv", ".md", ".yaml"}:
                found.append(data[:2500])
    lines = (FIXTURES / "wrappers" / "kubectl-plain.log").read_text().splitlines()[3:7]
    for form, *_ in {**layouts.TEXT_AND_JSON, **layouts.PLAIN_ONLY}.values():
        found.append(form(lines).encode("utf-8", "surrogateescape"))
    return found


def outcome(chunks, *, idle=()):
    parser = StreamParser("x.log")
    parts, facts = [], []
    for index, chunk in enumerate(chunks):
        parts.append(parser.feed(chunk))
        facts += parser.take_facts()
        if index in idle:
            parts.append(parser.flush_idle())
    parts.append(parser.finish())
    facts += parser.take_facts()
    stats = parser.stats
    assert stats.lines == stats.access + stats.other + stats.not_ours + stats.problems
    halves = Halves.concat(parts)
    assert len(halves) == stats.access
    assert len(parser.problems) == min(stats.problems, limits.PROBLEMS_KEPT)
    return halves.to_arrow().to_pylist(), stats, facts, parser.problems, parser.producers


def cut(data: bytes, places: list[int]) -> list[bytes]:
    edges = [0, *sorted({place % (len(data) + 1) for place in places}), len(data)]
    return [data[a:b] for a, b in itertools.pairwise(edges)]


captures = st.lists(st.integers(0, 10_000), min_size=1, max_size=4).map(
    lambda picks: b"".join(snippets()[pick % len(snippets())] for pick in picks)
)
places = st.lists(st.integers(0, 1 << 20), max_size=12)


@SLOW
@given(captures, places)
def test_any_cut_gives_the_same(data, places):
    assert outcome(cut(data, places)) == outcome([data])


@SLOW
@given(captures, st.integers(1, 7))
def test_tiny_chunks_give_the_same(data, size):
    data = data[:700]
    assert outcome([data[at : at + size] for at in range(0, len(data), size)]) == outcome([data])


@SLOW
@given(captures)
def test_utf16_gives_the_same_halves(data):
    text = data.decode("utf-8", "replace").replace("\x00", "")
    plain, mended = outcome([text.encode()]), outcome([text.encode("utf-16")])
    assert plain[0] == mended[0]
    assert plain[2] == mended[2]


@SLOW
@given(captures, st.lists(st.tuples(st.integers(0, 1 << 20), st.integers(0, 255)), max_size=30), places)
def test_mutated_captures(data, changes, places):
    changed = bytearray(data)
    for place, byte in changes:
        changed[place % len(changed)] = byte
    changed = bytes(changed)
    assert outcome(cut(changed, places)) == outcome([changed])


NASTY = st.lists(
    st.one_of(
        st.binary(max_size=60),
        st.sampled_from(
            [b"\n", b"\r\n", b"\r", b"\0", b"\xff\xfe", b"\xfe\xff", b"\xef\xbb\xbf", b"{", b"}", b"[", b"]", b'"', b"\\",
             b"\x1b[92m", b"[0m", b"==== START logs for container c of pod a/b ====\n", b"2024-06-16T12:40:48.707707Z",
             b"\tinfo\taccess\tconnection complete\tsrc.addr=1.2.3.4:5", b' duration="1ms"', b"running with config: a: b\n",
             b"stdout P ", b"stdout F ", b'{"log":"', b'{"resourceLogs":[', b"Message,Host\n", b' error="', b"null", b"1e999"]
        ),
    ),
    max_size=40,
).map(b"".join)  # fmt: skip


@settings(deadline=None, max_examples=80)
@given(NASTY, places)
@example(b"\xff\xfe", [])
@example(b"[" * 5000 + b"\n", [])
@example(b'{"a":' * 5000 + b"1" + b"}" * 5000 + b"\n", [])
@example(b'{"log":' * 40 + b'"x"' + b"}" * 40 + b"\n", [])
def test_any_bytes(data, places):
    assert outcome(cut(data, places)) == outcome([data])


@SLOW
@given(st.binary(max_size=3000))
def test_random_bytes_are_counted(data):
    _, stats, _, problems, _ = outcome([data])
    assert stats.bytes == len(data)
    assert stats.access == 0
    assert not problems


@SLOW
@given(st.lists(st.sampled_from([*layouts.LINE_BY_LINE]), min_size=1, max_size=3), st.sets(st.integers(0, 12)))
def test_pauses_change_nothing_between_whole_lines(names, idle):
    lines = (FIXTURES / "wrappers" / "kubectl-plain.log").read_text().splitlines()[2:6]
    data = b"".join(layouts.TEXT_AND_JSON[name][0](lines).encode() for name in names)
    pieces = data.splitlines(keepends=True)
    assert outcome(pieces, idle=idle) == outcome(pieces)


@pytest.mark.parametrize("name", ["stern-color.log.gz", "stern-ppextjson.json.gz", "stern-raw.log.gz"])
def test_real_output_in_odd_chunks(name):
    data = gzip.decompress((FIXTURES / "wrapped" / name).read_bytes())
    whole = outcome([data])
    assert outcome([data[at : at + 65521] for at in range(0, len(data), 65521)]) == whole
