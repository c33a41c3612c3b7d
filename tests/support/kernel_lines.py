"""Lines for the kernel to prove or to leave: as ztunnel writes them, nearly so, and broken."""

from __future__ import annotations

import re

from hypothesis import strategies as st

from ztflow.errors import ParseError
from ztflow.kernel.blocks import read_block
from ztflow.model.provenance import NOBODY, RECORD_NAMES, LogLine, micros_from_time
from ztflow.parse import Outcome, fact_of, outcome, was_damaged
from ztflow.read.unwrap.content import find_head

PREFIXES = (
    "",
    "ztunnel-4k7rb istio-proxy ",
    "istio-system ztunnel-4k7rb istio-proxy ",
    "[pod/ztunnel-9xw2d/istio-proxy] ",
)

KNOWN = re.compile(r"(?:[\w.-]+ ){0,3}|\[pod/[\w./-]+\] ").fullmatch
"""Whether a prefix is one the reader would know."""

_name = st.from_regex(r"[a-z0-9]([a-z0-9.-]{0,60}[a-z0-9])?", fullmatch=True)
_odd = st.text(st.characters(codec="utf-8", exclude_characters='"\\\n\r'), max_size=12)
_inner = st.one_of(
    _name, _name, _name, _odd, st.sampled_from(["a dst.addr=1", 'x" dst.service="y', "é", "[0m", "a\tb", ""])
)
_quoted = _inner.map(lambda text: f'"{text}"')
_text = st.one_of(_quoted, _quoted, _name)
_identity = st.one_of(
    st.builds('"spiffe://{}/ns/{}/sa/{}"'.format, _name, _name, _name), _quoted, st.just('"spiffe://a/ns//sa/b"')
)
_port = st.one_of(st.integers(0, 65535).map(str), st.sampled_from(["0", "080", "65536", "99999", "123456", "x", ""]))
_v4 = st.one_of(
    st.ip_addresses(v=4).map(str),
    st.sampled_from(["10.0.0.256", "01.2.3.4", "1.2.3", "1.2.3.4.5", "10.0.x.x", "1..2.3"]),
)
_v6 = st.one_of(
    st.ip_addresses(v=6).map(lambda ip: f"[{ip}]"),
    st.sampled_from(["[::1]", "[::]", "[::ffff:10.0.0.1]", "[fe80::1%3]", "[1:2:3:4:5:6:7:8]", "[1:2:3:4:5:6:7::]",
                     "[1:2:3:4:5:6:7:8:9]", "[1::2::3]", "[12345::]", "[2001:DB8::1]", "::1", "[1:2]", "[]", "[1:2:3:4:5:6:7:]"]),
)  # fmt: skip
_address = st.builds("{}:{}".format, st.one_of(_v4, _v4, _v6), _port)
_authority = st.one_of(
    _address,
    st.builds("{}:{}".format, st.one_of(_name, st.sampled_from(["redacted", "xx.xx", "1password.com", "A.b"])), _port),
)
_number = st.one_of(
    st.integers(0, 10**6).map(str), st.integers(0, 2**66).map(str),
    st.sampled_from(["18446744073709551615", "18446744073709551616", "9223372036854775808", "007", "", "-1", "1.5"]),
)  # fmt: skip
_error = st.one_of(
    st.sampled_from([
        "connection closed due to policy rejection: explicitly denied by: ns/deny", "http status: 401 Unauthorized",
        "io error: Connection reset by peer (os error 104)", r"tls: Custom { kind: A, error: \"tls eof\" }", r"bad \x41",
        r"\u{301}", r"\u{d800}", "a [::]:15008", "two  blanks = here", "", r"ends in backslash \\", r"\"", "ä",
        'x" bytes_sent=1',
    ]),
    _odd,
)  # fmt: skip
_time = st.one_of(
    st.datetimes().map(lambda t: t.strftime("%Y").rjust(4, "0") + t.strftime("-%m-%dT%H:%M:%S.") + f"{t.microsecond:06}Z"),
    st.sampled_from([
        "2023-02-29T00:00:00.000000Z", "2024-02-29T23:59:59.999999Z", "2024-13-01T00:00:00.000000Z",
        "2024-01-01T24:00:00.000000Z", "2024-01-01T00:00:60.000000Z", "0000-01-01T00:00:00.000000Z",
        "2024-01-01T00:00:00.00000Z", "2024-01-01T00:00:00.0000000Z", "2024-01-01T00:00:00.000000", "2100-02-29T01:01:01.000001Z",
        "2024-01-01T00:60:00.000000Z", "2000-02-29T01:01:01.000001Z", "2024-06-31T00:00:00.000000Z", "1969-12-31T23:59:59.999999Z", "2024-0a-01T00:00:00.000000Z",
        "2024-01-01T00:00:00,000000Z", "2024-01-01 00:00:00.000000Z",
    ]),
)  # fmt: skip


@st.composite
def access_lines(draw: st.DrawFn) -> str:
    """A line in canonical order, any fields left out, values right or nearly right."""
    fields = [
        ("src.addr", _address), ("src.workload", _text), ("src.namespace", _text), ("src.identity", _identity),
        ("src.cluster", _quoted), ("dst.addr", _address), ("dst.hbone_addr", _authority), ("dst.service", _text),
        ("dst.workload", _text), ("dst.namespace", _text), ("dst.identity", _identity), ("dst.cluster", _quoted),
        ("direction", st.sampled_from(['"inbound"', '"outbound"', '"inbound"', '"outbound"', '"sideways"', "inbound"])),
        ("bytes_sent", _number), ("bytes_recv", _number), ("duration", _number.map(lambda number: f'"{number}ms"')),
    ]  # fmt: skip
    optional = {"src.cluster", "dst.cluster"} | {key for key, _ in fields[1:12] if key != "dst.addr"}
    failed = draw(st.integers(0, 9)) == 0
    if failed:
        fields = [pair for pair in fields if pair[0] in {"src.addr", "dst.addr", "direction"}]
    parts = []
    for key, values in fields:
        left_out = draw(st.booleans()) if key in optional else draw(st.integers(0, 60)) == 0
        if not left_out:
            parts.append(f"{key}={draw(values)}")
    if draw(st.integers(0, 30)) == 0:
        parts.insert(
            draw(st.integers(0, len(parts))), draw(st.sampled_from(['new.key="x"', "a=b", "", "src.addr=1.1.1.1:1"]))
        )
    level = draw(st.sampled_from(["info", "info", "error", "warn", "debug", "INFO"]))
    if failed or level == "error" or draw(st.integers(0, 5)) == 0:
        parts.append(f'error="{draw(_error)}"')
    word = "failed" if failed else draw(st.sampled_from(["complete"] * 8 + ["opened", "failed"]))
    sign = draw(st.sampled_from(["\t"] * 12 + [" "]))
    end = draw(st.sampled_from([""] * 12 + [" ", "\t", "\r"]))
    prefix = draw(st.sampled_from(PREFIXES))
    return f"{prefix}{draw(_time)}{sign}{level}{sign}access{sign}connection {word}{sign}{' '.join(parts)}{end}"


_whole_name = _name.filter(lambda name: "..." not in name)
"""A name without dots that could say something was left out: those lines are for the slow path to judge."""

clean_lines = st.builds(
    '{}{}\tinfo\taccess\tconnection complete\tsrc.addr={}:{} src.workload="{}" src.namespace="{}" dst.addr={}:15008 '
    'dst.hbone_addr={}:{} dst.service="{}" direction="{}" bytes_sent={} bytes_recv={} duration="{}ms"'.format,
    st.sampled_from(PREFIXES), st.just("2024-11-05T12:00:01.013201Z"), st.ip_addresses(v=4), st.integers(0, 65535), _whole_name,
    _whole_name, st.ip_addresses(v=4), st.ip_addresses(v=4), st.integers(0, 65535), _whole_name,
    st.sampled_from(["inbound", "outbound"]), st.integers(0, 10**17), st.integers(0, 10**17), st.integers(0, 10**9),
)  # fmt: skip
"""Lines that must be proved, not only may."""

other_lines = st.builds(
    "{}2024-11-05T12:00:01.013201Z\t{}\t{}\t{}".format,
    st.sampled_from(PREFIXES),
    st.sampled_from(["info", "warn", "error", "debug", "trace"]),
    st.sampled_from([
        "xds::client:xds{id=29}", "xds", "http access", "xds::client:xds{id=}", "state", "hyper_util", "access", "ztunnel",
        'xds::client:xds{id=1}:proxy{wl="ns/pod"}', "inpod::statemanager",
    ]),
    st.one_of(
        st.sampled_from([
            'received response\ttype_url="type.googleapis.com/istio.workload.Address" size=1 removes=0', "running with config: x",
            "connection complete", 'request complete\tsrc.addr=10.0.0.1:80 direction="inbound" bytes_sent=1', "x (y)", "",
            'connection complete src.addr=1.1.1.1:1 dst.addr=2.2.2.2:2 direction="inbound" bytes_sent=', "Stream established\t",
            'said direction="inbound" bytes_sent=7', 'pod received, starting proxy\tuid="a"', "access x", "\x1b[0m", "é",
        ]),
        _odd,
    ),
)  # fmt: skip

alphabet = st.sampled_from(
    [*'" =\t\n\r\\[]:.09az\x00\x1b\x7f\x80\xff(){}', "Z", "ms", "error", "src.addr=", "dst.addr="]
)


@st.composite
def damaged(draw: st.DrawFn, lines: st.SearchStrategy[str]) -> bytes:
    """A line after some edits of its bytes."""
    raw = bytearray(draw(lines).encode("utf-8", "surrogatepass"))
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, len(raw)))
        cut = draw(st.sampled_from([0, 1, 1, 2, 9]))
        raw[at : at + cut] = draw(alphabet).encode("latin-1") if draw(st.booleans()) else b""
    return bytes(raw)


def expect_equal(data: bytes, *, all_proved: bool = False) -> int:
    """Assert that each line of a block is left, or is just what the slow path makes of it. Gives the lines proved."""
    assert data.endswith(b"\n")
    lines = data.split(b"\n")[:-1]
    table, slow, counted = read_block(data, lambda prefix: NOBODY if KNOWN(prefix) else None)
    left = {line for span in slow for line in range(span.line, span.line + span.lines)}
    assert len(left) == sum(span.lines for span in slow)
    for span in slow:
        assert data[span.start : span.stop] == b"".join(
            line + b"\n" for line in lines[span.line : span.line + span.lines]
        )
    rows = table.to_pylist()
    numbers = [row["line_number"] - 1 for row in rows]
    assert numbers == sorted(set(numbers))
    assert left.isdisjoint(numbers)
    assert len(left) + len(rows) + counted == len(lines)
    if all_proved:
        assert not left
    for row, number in zip(rows, numbers, strict=True):
        text = _after_prefix(lines[number])
        want = outcome(LogLine(text, 1))
        got = tuple(row[name] for name in RECORD_NAMES)
        assert (Outcome.ACCESS, (micros_from_time(row["time"]), *got[1:])) == want, text
        assert not was_damaged(text)
    for number in set(range(len(lines))) - left - set(numbers):
        text = _after_prefix(lines[number])
        line = LogLine(text, 1)
        try:
            assert outcome(line) == (Outcome.OTHER, None), text
        except ParseError as error:
            raise AssertionError(text) from error
        assert fact_of(line, "-") is None
    return len(rows) + counted


def _after_prefix(raw: bytes) -> str:
    text = raw.decode()
    assert text.isascii()
    assert "\x1b" not in text
    assert "\r" not in text
    head = find_head(text)
    assert head is not None
    assert KNOWN(text[: head.start()])
    return text[head.start() :]
