"""A stream read with the kernel gives what it gives without: halves, counts, facts and problems, in the same order."""

from __future__ import annotations

import gzip
from functools import cache
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from kernel_lines import access_lines, clean_lines, damaged, other_lines

from tests.read.test_properties import captures, cut, outcome, places
from ztflow.read import StreamParser, bulk

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
        monkeypatch.setattr(bulk, "POLICY", _Always(on))
        monkeypatch.setattr(bulk, "_ACCESS", b"")

    return switch


class _Always:
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
