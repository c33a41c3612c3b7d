"""Lines that seem to belong together are read again a bounded number of times, however long the text."""

from __future__ import annotations

import pytest

import ztflow
from ztflow.model.provenance import Origin
from ztflow.read import duplicates, stream
from ztflow.read.duplicates import FEW_STREAMS, Overlaps
from ztflow.read.limits import JOIN_AGAIN, JOIN_CHARS

WHOLE = (
    '2026-01-01T00:00:00.000001Z info access connection complete src.addr=10.1.0.1:40000 src.workload="client" '
    'src.namespace="shop" src.identity="spiffe://cluster.local/ns/shop/sa/client" dst.addr=10.2.0.9:15008 '
    'dst.hbone_addr=10.2.0.9:8080 dst.workload="web" direction="outbound" bytes_sent=1 bytes_recv=2 duration="5ms"'
)
FIELDS = WHOLE.partition("connection complete ")[2]


def folded(text: str, width: int, count: int) -> list[str]:
    parts = [text[at : at + width] for at in range(0, len(text), width)]
    return (parts * (count // len(parts) + 1))[:count]


TEXTS = {
    "fields folded at a column": lambda count: folded(FIELDS, 80, count),
    "fields folded at a narrow column": lambda count: folded(FIELDS, 30, count),
    "starts without an end": lambda count: [WHOLE[31:200]] * count,
    "a start and words": lambda count: [WHOLE[:200], *["lorem ipsum"] * (count - 1)],
    "levels": lambda count: ["info"] * count,
    "ends": lambda count: [WHOLE[:200], *['duration="5ms'] * (count - 1)],
}


@pytest.mark.parametrize("name", TEXTS)
def test_what_is_looked_at_grows_with_the_text(monkeypatch, name):
    looked = 0

    def counting(function):
        def counted(line, *rest, **more):
            nonlocal looked
            looked += len(line.text)
            return function(line, *rest, **more)

        return counted

    for function in ("outcome", "read_mended"):
        monkeypatch.setattr(stream, function, counting(getattr(stream, function)))
    lines = TEXTS[name](1500)
    data = "\n".join(lines).encode() + b"\n"
    parser = ztflow.StreamParser("text.log")
    parser.feed(data)
    parser.finish()
    stats = parser.stats
    assert stats.access + stats.other + stats.not_ours + stats.problems == stats.lines
    assert looked < 3 * JOIN_AGAIN * len(data) + JOIN_CHARS


def test_a_folded_record_is_read_after_thousands_of_lines_that_were_none():
    lines = [*folded(FIELDS, 80, 1500), "", *folded(WHOLE, 100, 5)]
    parser = ztflow.StreamParser("text.log")
    tables = [parser.feed("\n".join(lines).encode() + b"\n"), parser.finish()]
    assert sum(map(len, tables)) == 1


def test_of_many_files_only_those_that_have_a_line_are_asked(monkeypatch):
    asked = []
    count = duplicates.Counted.count
    monkeypatch.setattr(
        duplicates.Counted, "count", lambda self, hashes: asked.append(len(hashes)) or count(self, hashes)
    )
    overlaps, files = Overlaps(), 60
    for number in range(files):
        parser = ztflow.StreamParser(f"{number}.log", origin=Origin())
        line = WHOLE.replace(":40000", f":{40000 + number}")
        found = overlaps.copies(number, parser.feed(f"{line}\n{WHOLE}\n".encode()).to_arrow())
        assert found.tolist() == [False, number > 0]
    assert sum(asked) < 8 * files + FEW_STREAMS * FEW_STREAMS * 4
