"""A stream read with the kernel gives what it gives without: halves, counts, facts and problems, in the same order."""

from __future__ import annotations

import gc
import gzip
import json
import re
import weakref
from functools import cache
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from kernel_lines import access_lines, clean_lines, damaged, other_lines

from tests.read.test_properties import captures, cut, outcome, places
from ztflow.model.tables import Halves
from ztflow.read import WRAPPERS, StreamParser, bulk

FIXTURES = Path(__file__).parents[2] / "fixtures"
FILES = sorted(
    path
    for pattern in ("wrapped/*", "wrappers/*", "real/*.log", "seed/*", "captured/*/*.log*", "examples/*.log")
    for path in FIXTURES.glob(pattern)
    if path.suffix not in {".md", ".tsv", ".yaml"}
)

thorough = settings(
    max_examples=60, deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.function_scoped_fixture],
)  # fmt: skip


@pytest.fixture
def kernel(monkeypatch):
    """Switches the kernel on for blocks of any size, or off."""

    def switch(*, on: bool) -> None:
        monkeypatch.setattr(bulk, "LEAST", 1)
        monkeypatch.setattr(bulk, "POLICY", Always(on))
        monkeypatch.setattr(bulk, "_ACCESS", b"")

    return switch


class Always:
    def __init__(self, answer: bool) -> None:
        self.answer = answer

    def ready(self, size: int) -> bool:
        return self.answer


def same(kernel, data: bytes, cuts: list[int]) -> None:
    kernel(on=False)
    want = outcome([data])
    kernel(on=True)
    assert outcome([data]) == want
    assert outcome(cut(data, cuts)) == want


@cache
def content(path: Path) -> bytes:
    data = path.read_bytes()
    return gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_fixtures(kernel, path):
    data = content(path)
    same(kernel, data, [len(data) // 3, len(data) // 2])


@thorough
@given(captures, places)
def test_pieces_of_captures(kernel, data, cuts):
    same(kernel, data, cuts)


TIMED = ["2024-11-05T12:00:02.123456789Z stdout F ", "2024-11-05T12:00:03.023456789Z stdout P ", "2024-11-05T12:00:02+01:00 ",
         "ztunnel-4k7rb istio-proxy 2024-11-05T12:00:02.123456789Z ", "[pod/ztunnel-4k7rb/istio-proxy] 2024-11-05T12:00:02.1Z "]  # fmt: skip
BETWEEN = [
    "", "==== START logs for container istio-proxy of pod istio-system/ztunnel-8bl2k ====",
    "==== END logs for container istio-proxy of pod istio-system/ztunnel-8bl2k ====", "Found 3 pods, using pod/ztunnel-4k7rb",
    "Time,Line", "_time,message,kubernetes.pod_name", "{", "[", "}", '{"a": [1,', "+ ztunnel-4k7rb \u203a istio-proxy", "# a comment",
    "2024-11-05T12:00:01.013201Z\tinfo\tztunnel\trunning with config: adminAddr:", "  localNode: node-1", "localNode: n", "\t",
    "2024-11-05T12:00:01.013201Z\tinfo\taccess\tconnection complete\tsrc.addr=10.0.0.1:80", 'dst.addr=10.0.0.2:90 direction="inbound"',
    '   bytes_sent=1 bytes_recv=2 duration="3ms"', "2024-11-05T12:00:01.013201Z\tinfo", "access", "x" * 200, "a\rb", "\x00", "\ufeff",
    "\x1b[32m", ("2024-11-05T12:00:01.013201Z\terror\taccess\tconnection complete\tsrc.addr=10.0.0.1:80 dst.addr=10.0.0.2:90 "
    'direction="inbound" bytes_sent=1 bytes_recv=2 duration="3ms"'), 'error="cut off"',
]  # fmt: skip
mixed = st.lists(
    st.one_of(
        clean_lines.map(str.encode),
        clean_lines.map(str.encode),
        st.builds(lambda prefix, line: f"{prefix}{line}".encode(), st.sampled_from(TIMED), clean_lines),
        other_lines.map(lambda line: line.encode("utf-8", "surrogatepass")),
        access_lines().map(lambda line: line.encode("utf-8", "surrogatepass")),
        damaged(clean_lines),
        st.sampled_from(BETWEEN).map(str.encode),
    ),
    min_size=1,
    max_size=14,
).map(b"\n".join)


@thorough
@given(mixed, places, st.booleans())
def test_mixed_lines(kernel, data, cuts, ended):
    same(kernel, data + b"\n" * ended, cuts)


# ---- JSON around and instead of the line

_FIELD = re.compile(r'([A-Za-z_.]+)=("(?:[^"\\]|\\.)*"|[^ ]*)')


def own_json(line: str) -> str:
    """Something like ztunnel's own JSON of a plain line, right or nearly right."""
    head, _, rest = line[line.find("20") :].partition("src.addr=")
    words = [*head.split("\t"), "", "", "", ""]
    fields: dict[str, object] = {"level": words[1], "time": words[0], "scope": words[2], "message": words[3]}
    for key, value in _FIELD.findall(f"src.addr={rest}"):
        fields[key] = value[1:-1] if value[:1] == '"' else int(value) if value.isdigit() and "." not in key else value
    return json.dumps(fields, separators=(",", ":"), ensure_ascii=False)


def string(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


ENVELOPES = [
    (
        '{"message":%s,"nodeName":"node-1","namespace":"istio-system","podName":"ztunnel-4k7rb",'
        '"containerName":"istio-proxy","labels":{"app":"ztunnel"},"annotations":null}'
    ),
    '{"message":%s,"nodeName":"","namespace":"","podName":"","containerName":"","labels":null,"annotations":null}',
    '{"message":%s,"timestamp":"2024-11-05T12:00:02.123456789Z","nodeName":"2024-11-05T12:00:02Z","podName":"z","containerName":"c"}',
    '{"pod": "ztunnel-9xw2d", "container": "istio-proxy", "message": %s}',
    '{"namespace": "istio-system", "pod": "ztunnel-9xw2d", "container": "istio-proxy", "message": %s}',
    '{"log":%s,"stream":"stdout","time":"2024-11-05T12:00:02.123456789Z"}',
    '{"log":%s,"stream":"stderr","attrs":{"tag":"ztunnel-9xw2d"},"time":"2024-11-05T12:00:02.1Z"}',
    '{"time":"2024-11-05T12:00:02.1Z","stream":"stdout","_p":"F","log":%s,"kubernetes":{"pod_name":"ztunnel-9xw2d","host":"n"}}',
    '{"time":"2024-11-05T12:00:02.1Z","stream":"stdout","_p":"P","log":%s,"kubernetes":{"pod_name":"ztunnel-9xw2d"}}',
    '{"labels":{"pod":"ztunnel-9xw2d"},"line":%s,"timestamp":"2024-11-05T12:00:02Z"}',
    '{"message":"x","message":%s,"podName":"ztunnel-4k7rb","containerName":"c"}',
    '{"date":1730808002.123456,"log":%s,"stream":"stdout","kubernetes":{"pod_name":"ztunnel-9xw2d","host":"n"}}',
    '{"log":%s,"date": 1730808002,"kubernetes":{"pod_name":"z:1730808002,"}}',
    '{"logName":"a","textPayload":%s,"resource":{"labels":{"pod_name":"p"}},"split":{"index":1730808002,"totalSplits":1730808003}}',
    '{"log":%s,"time":01730808002,"x":1730808002.}', '{"message":%s,"podName":1730808002,"containerName":"c"}',
    '{"a":{"b":[%s]}}', '{"message":%s,}', '{"message":%s', "[%s]", '{"level":"info","scope":"access","message":%s}',
    '{"events":[{"message":%s}]}', '{"podName":"a","containerName":"b","message":%s,"x":"}', "%s",
]  # fmt: skip
BEFORE = ["", "[pod/ztunnel-9xw2d/istio-proxy] ", "2024-11-05T12:00:02.123456789Z stdout F ", "ztunnel-4k7rb istio-proxy ",
          "2024-11-05T12:00:02Z stdout P ", "what is this ", "\x01", "a.log:", "> "]  # fmt: skip


def escaped(text: str, how: int) -> str:
    """The JSON of a text as another product spells it."""
    found = string(text)
    if how == 1:
        return found.replace("\\t", "\\u0009")
    if how == 2:
        return re.sub(r"[<>&ae/]", lambda found: f"\\u{ord(found[0]):04X}" if found[0] != "/" else "\\/", found)
    return found


in_envelopes = st.builds(
    lambda before, envelope, text, how, end: before + envelope.replace("%s", escaped(text + end, how)),
    st.sampled_from(["", "", "", *BEFORE]),
    st.sampled_from(ENVELOPES),
    st.one_of(
        clean_lines, clean_lines, access_lines(), other_lines, clean_lines.map(own_json), access_lines().map(own_json)
    ),
    st.integers(0, 2),
    st.sampled_from(["", "\n", "\n", "\r\n", "\\n"]),
)
own = st.builds(
    lambda before, envelope, line: before + envelope.replace("%s", own_json(line)),
    st.sampled_from(BEFORE), st.sampled_from(["%s", "%s", *ENVELOPES]), st.one_of(clean_lines, access_lines()),
)  # fmt: skip
json_lines = st.one_of(in_envelopes, own)
json_mixed = st.lists(
    st.one_of(
        json_lines.map(lambda line: line.encode("utf-8", "surrogatepass")),
        damaged(json_lines),
        clean_lines.map(str.encode),
        st.sampled_from(BETWEEN).map(str.encode),
    ),
    min_size=1,
    max_size=8,
).map(lambda lines: b"\n".join([*lines, *lines]))


@thorough
@given(json_mixed, places, st.booleans())
def test_json_lines(kernel, data, cuts, ended):
    same(kernel, data + b"\n" * ended, cuts)


CLEAN = (
    '2024-11-05T12:00:01.013201Z\terror\taccess\tconnection complete\tsrc.addr=10.0.0.1:80 src.workload="a-1" '
    'dst.addr=[fd00::1]:15008 dst.workload="<b>" direction="inbound" bytes_sent=1 bytes_recv=22 duration="333ms" '
    r'error="io: \"closed\" \\ & early"'
)


WRAPPED = [ENVELOPES[place] for place in (0, 1, 3, 4, 5, 6, 7, 9)]


@pytest.mark.parametrize(
    ("before", "envelope", "inside"),
    [
        *(("", envelope, inside) for envelope in WRAPPED for inside in ("text", "own")),
        *((before, "%s", "own") for before in BEFORE[:4]),
    ],
)
def test_json_lines_take_the_fast_way(kernel, before, envelope, inside):
    text = CLEAN if inside == "text" else own_json(CLEAN).replace(r"\\\"", r"\"").replace(r"\\\\", r"\\")
    ways = (0, 1, 2) if inside == "text" else (0, 1, 0)  # nobody spells the letters of a key as numbers
    lines = [before + envelope.replace("%s", text if envelope == "%s" else escaped(text, how)) for how in ways]
    data = "".join(f"{line}\n" for line in lines * 40).encode()
    same(kernel, data, [len(data) // 3])
    kernel(on=True)
    parser = StreamParser("x.log")
    parser.feed(data)
    assert parser.stats.access == 120
    assert parser.stats.slow_lines < 5


@pytest.mark.parametrize("envelope", [ENVELOPES[2], ENVELOPES[8], ENVELOPES[10], ENVELOPES[13]])
def test_envelopes_that_are_never_sure(kernel, envelope):
    lines = [envelope.replace("%s", string(CLEAN)), CLEAN, envelope.replace("%s", string(CLEAN + "\n"))]
    data = "".join(f"{line}\n" for line in lines * 100).encode()
    same(kernel, data, [len(data) // 2, len(data) - 5000])


@pytest.mark.parametrize("wrapper", [*WRAPPERS, "docker-json", "raw"])
def test_one_wrapper_alone(kernel, wrapper):
    """With `--wrapper` what another product wrote is not unwrapped, fast or not."""
    lines = [
        before + envelope.replace("%s", string(text))
        for before in (
            "",
            "[pod/ztunnel-9xw2d/istio-proxy] ",
            "ztunnel-4k7rb istio-proxy ",
            "2024-11-05T12:00:02Z stdout F ",
        )
        for envelope in ENVELOPES
        for text in (CLEAN, own_json(CLEAN))
    ]
    lines += [before + text for before in BEFORE for text in (CLEAN, own_json(CLEAN))]
    data = "".join(f"{line}\n" for line in lines * 2).encode()

    def read():
        parser = StreamParser("x.log", wrapper=wrapper)
        halves = Halves.concat([parser.feed(data), parser.finish()])
        return halves.to_arrow().to_pylist(), parser.stats, parser.problems, parser.stats.slow_lines

    kernel(on=False)
    *want, _ = read()
    kernel(on=True)
    *got, slow = read()
    assert got == want
    if wrapper in {"docker", "docker-json", "stern", "fluent", "logcli"}:
        assert slow < len(lines) * 2


def test_most_lines_take_the_fast_way(kernel):
    kernel(on=True)
    data = content(FIXTURES / "wrapped" / "stern-default.log.gz")
    for wrapped in (data, b"".join(b"2024-11-05T12:00:02.123456789Z stdout F " + line.split(b" ", 2)[2] + b"\n"
                                   for line in data.splitlines() if b"\taccess\t" in line)):  # fmt: skip
        parser = StreamParser("x.log")
        parser.feed(wrapped * 30)
        assert parser.stats.access > 30 * 200
        assert parser.stats.slow_lines < 0.8 * parser.stats.physical_lines
        accessible = parser.stats.physical_lines - parser.stats.slow_lines
        assert accessible > 0.95 * parser.stats.access


def test_requests_of_another_vendor_are_counted_by_both(kernel):
    request = content(FIXTURES / "real/solo-bank-of-anthos-39754725156.log").splitlines(keepends=True)
    vendor = next(line for line in request if b"\thttp access\t" in line)
    ours = content(FIXTURES / "seed/cross-node.log").splitlines(keepends=True)
    data = b"".join([vendor, *ours, vendor, vendor, b"x " + vendor, vendor.replace(b"\t", b" ")])
    same(kernel, data, [len(data) // 2])
    kernel(on=True)
    assert outcome([data])[-1] == {"solo_http": 5}


def test_dictionaries_of_the_kernel_go_with_the_end_of_the_input(kernel):
    """Not when Python next looks for circles: what comes after reading needs the room."""
    kernel(on=True)
    parser = StreamParser("one.log")
    gc.disable()
    try:
        parser.feed((FIXTURES / "seed/same-node.log").read_bytes())
        reader = weakref.ref(parser._bulk)
        assert reader() is not None
        parser.finish()
        assert reader() is None
    finally:
        gc.enable()
