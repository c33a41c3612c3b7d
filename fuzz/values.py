"""Whole access lines whose values are odd: read or a problem, and then every command and report goes on."""

from __future__ import annotations

import csv
import io
import json
from tempfile import TemporaryDirectory
from typing import Final, get_args

import pyarrow.parquet as pq
from hypothesis import strategies as st

from fuzz.corpus import PODS
from fuzz.edits import NUMBERS
from fuzz.program import ran, written
from fuzz.target import Target
from ztflow.api import read_capture
from ztflow.cli.commands.report import REPORT_NAMES
from ztflow.graph.formats import GRAPH_WRITERS
from ztflow.model.vocabulary import GraphLevelWord
from ztflow.reports import make_report, summary

_TIMES: Final = (
    "2024-06-16T12:48:51.123456Z", "2024-06-16T12:48:51.123457Z", "1969-12-31T23:59:59.999999Z", "1970-01-01T00:00:00Z",
    "2261-12-31T23:59:59.999999Z", "2262-01-01T00:00:00Z", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z",
    "2024-06-16T12:48:51+14:00", "2024-06-16T12:48:51.1-23:59", "2024-06-16T12:48:60Z", "2024-02-30T00:00:00Z",
    "2024-06-16T24:00:00Z", "2024-06-16 12:48:51Z", "2024-06-16T12:48:51.123456789123Z", "", "x",
)  # fmt: skip
_ADDRESSES: Final = (
    "10.244.1.9:52350", "10.244.1.11:8000", "10.244.1.11:0", "10.244.1.11:65535", "10.244.1.11:65536", "10.244.1.11:-1",
    "10.244.1.11", "[fe80::1%eth0]:80", "[::1]:80", "[::ffff:10.0.0.1]:80", "[fe80::1", "256.1.1.1:1", "0.0.0.0:0", ":80", "",
    "255.255.255.255:1", "[2001:db8::1]:15008", "10.244.001.9:80", "a:80",
)  # fmt: skip
_NAMES: Final = (
    '"web-0"', "web-0", '""', '"a/b"', '"\\u{1b}[31m"', '"é日😀"', '"a\\nb"', '"a\\tb"', '"\\0"', '"' + "n" * 300 + '"', '"-"', '"<b>"',
    '"=1+1"', '"a,b"', '"\\""', '"null"', '"a b"', '"\\u{202e}"', "",
)  # fmt: skip
_IDENTITIES: Final = (
    '"spiffe://cluster.local/ns/shop/sa/web"', '"spiffe://"', '"spiffe:///ns//sa/"', '"spiffe://a/ns/b/sa/c/d"', '"x"', '""',
)  # fmt: skip
_SERVICES: Final = ('"web.shop.svc.cluster.local"', '"web"', '""', '"..."', '"web.shop.svc.' + "x." * 60 + '"', '"*.a"')
_COUNTS: Final = tuple(number.decode() for number in NUMBERS)
_DURATIONS: Final = (
    '"0ms"', '"203ms"', '"0ns"', '"3155760000s"', '"3155760001s"', '"100years"', '"99999999999999999999s"', '"-1ms"', '"1e9ms"',
    '"18446744073709551615ns"', '"1h 2m"', '"1.5s"', '""', '"5"', "203ms", '"1µs"', '"9223372036854775807ms"',
)  # fmt: skip
_ERRORS: Final = (
    '"connection closed due to policy rejection: allow policies exist, but none allowed"',
    '""',
    '"\\u{0}"',
    '"a=b"',
)
_VALUES: Final = {
    "src.addr": _ADDRESSES, "src.workload": _NAMES, "src.namespace": _NAMES, "src.identity": _IDENTITIES,
    "dst.addr": _ADDRESSES, "dst.hbone_addr": _ADDRESSES, "dst.service": _SERVICES, "dst.workload": _NAMES,
    "dst.namespace": _NAMES, "dst.identity": _IDENTITIES, "direction": ('"inbound"', '"outbound"', '"up"', '""'),
    "bytes_sent": _COUNTS, "bytes_recv": _COUNTS, "duration": _DURATIONS, "error": _ERRORS, "src.cluster": _NAMES, "new": _NAMES,
}  # fmt: skip
_USUAL: Final = {
    "src.addr": "10.244.1.9:52350", "src.workload": '"debug-0"', "src.namespace": '"shop"',
    "src.identity": _IDENTITIES[0], "dst.addr": "10.244.1.11:15008", "dst.hbone_addr": "10.244.1.11:8000",
    "dst.service": _SERVICES[0], "dst.workload": '"web-0"', "dst.namespace": '"shop"', "dst.identity": _IDENTITIES[0],
    "direction": '"outbound"', "bytes_sent": "84", "bytes_recv": "9832", "duration": '"203ms"',
}  # fmt: skip
_ANSWERS: Final = (
    *(["flows", "-o", form] for form in ("table", "wide", "jsonl", "csv", "parquet")),
    *(["records", "-o", form] for form in ("table", "jsonl", "csv", "parquet")),
    *(["summary", "-o", form] for form in ("table", "json", "markdown", "html")),
    *(["graph", "-o", form] for form in GRAPH_WRITERS),
    *(["graph", "-o", "json", "--by", level] for level in get_args(GraphLevelWord)),
    *(["report", name, "-o", form] for name in REPORT_NAMES for form in ("table", "json", "html", "markdown")),
    ["explain", "-"],
)


def check(data: bytes) -> None:
    """Every report by the library, and by turns the answers of the command line, which have to be what they say."""
    with TemporaryDirectory() as folder:
        path = written(folder, "a.log", data)
        halves, flows = read_capture(path, inventory=str(PODS))
        assert len(list(halves)) == len(halves)
        assert len(list(flows)) == len(flows)
        halves.to_pandas()
        flows.to_pandas()
        for name in REPORT_NAMES:
            make_report(name, flows, halves=halves)
        summary(flows)
        for level in get_args(GraphLevelWord):
            flows.graph(by=level)
        first = sum(data) % len(_ANSWERS)
        for words in (_ANSWERS[first], _ANSWERS[(first * 7 + 3) % len(_ANSWERS)]):
            if words[0] == "explain":
                ran(words, data)
                continue
            answer = ran([*words, "--inventory", str(PODS), path])
            assert answer.code in {0, 1}, f"{words}: {answer.talk}"
            readable(words[-1] if words[-2] == "-o" else "json", answer.out)


def readable(form: str, out: bytes) -> None:
    """Look whether an answer is of its form."""
    if form == "json":
        json.loads(out)
    elif form == "jsonl":
        for line in out.splitlines():
            json.loads(line)
    elif form == "csv":
        rows = list(csv.reader(io.StringIO(out.decode(), newline="")))
        assert len({len(row) for row in rows}) <= 1
    elif form == "parquet":
        pq.read_table(io.BytesIO(out)).validate(full=True)
    elif form not in {"html", "svg"}:
        assert b"\x1b" not in out, "an escape sequence in the answer"


def _line(time: str, values: dict[str, str]) -> str:
    fields = " ".join(f"{key}={value}" for key, value in {**_USUAL, **values}.items())
    return f"{time}\tinfo\taccess\tconnection complete\t{fields}"


_odd = st.lists(
    st.sampled_from(sorted(_VALUES)).flatmap(lambda key: st.sampled_from(_VALUES[key]).map(lambda value: (key, value))),
    max_size=3,
).map(dict)
_lines = st.lists(
    st.builds(_line, st.one_of(st.just(_TIMES[0]), st.sampled_from(_TIMES)), _odd), min_size=1, max_size=6
)
TARGET = Target(_lines.map(lambda lines: "\n".join(lines).encode() + b"\n"), check)
