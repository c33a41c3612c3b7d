"""Lines to be put behind heads, and what reading a text must then give."""

from __future__ import annotations

from ztflow.model.provenance import ReadStats
from ztflow.read import StreamParser

POD = "ztunnel-9xw2d"
HEX = "3b" * 32
LINE = (
    "2026-11-23T00:37:38.078761Z\tinfo\taccess\tconnection complete\t"
    'src.addr=10.244.2.17:35692 src.workload="prober-59f8c7d6b-h5j6k" src.namespace="monitoring" '
    'src.identity="spiffe://cluster.local/ns/monitoring/sa/prober" dst.addr=10.244.3.14:15008 '
    'dst.hbone_addr=10.244.3.14:5432 dst.service="db.data.svc.cluster.local" dst.workload="db-0" '
    'dst.namespace="data" dst.identity="spiffe://cluster.local/ns/data/sa/db" direction="outbound" '
    'bytes_sent=579 bytes_recv=715 duration="19ms"'
)
FAILED = (
    "2026-11-23T00:37:31.983285Z\terror\taccess\tconnection complete\tsrc.addr=10.244.3.13:49574 "
    'src.workload="cart-5f4d8b7c9-zz7tw" src.namespace="shop" dst.addr=[fd00::15]:15008 direction="inbound" '
    'bytes_sent=0 bytes_recv=0 duration="0ms" error="io: \\"closed\\", #011 of 3 [a=b] {x} (y): none allowed"'
)
OLD = (
    "2024-06-16T12:45:00.000001Z\tinfo\taccess\tconnection complete\tsrc.addr=10.244.1.9:52350 src.workload=a-1 "
    "src.namespace=shop dst.addr=10.96.40.11:8000 dst.workload=b-2 dst.namespace=shop "
    'direction="outbound" bytes_sent=1 bytes_recv=2 duration="3ms"'
)
JSON = (
    '{"level":"info","time":"2026-11-23T00:37:38.078761Z","scope":"access","message":"connection complete",'
    '"src.addr":"10.244.2.17:35692","src.workload":"p-1","dst.addr":"10.244.3.14:15008","direction":"outbound",'
    '"bytes_sent":579,"bytes_recv":715,"duration":"19ms"}'
)
LINES = (LINE, FAILED, OLD)
ASIDE = ("line_number", "source_file", "ztunnel_pod", "ztunnel_node", "ztunnel_namespace", "ztunnel_zone")


def read(text: str, *, chunk: int = 1 << 20) -> tuple[list[dict], ReadStats, StreamParser]:
    parser = StreamParser("a")
    data = text.encode()
    rows = []
    for at in range(0, len(data), chunk):
        rows += parser.feed(data[at : at + chunk]).to_arrow().to_pylist()
    rows += parser.finish().to_arrow().to_pylist()
    stats = parser.stats
    assert stats.lines == stats.access + stats.other + stats.not_ours + stats.problems
    return rows, stats, parser


def said(rows: list[dict]) -> list[dict]:
    return [{key: value for key, value in row.items() if key not in ASIDE} for row in rows]


def holds(
    text: str, *lines: str, pod: str | None = None, node: str | None = None, namespace: str | None = None
) -> None:
    """The text reads as these lines alone do, written by this ztunnel or, where None, by nobody known."""
    rows, stats, parser = read(text)
    assert parser.problems == []
    assert said(rows) == said(read("\n".join(lines))[0])
    assert {(row["ztunnel_pod"], row["ztunnel_node"], row["ztunnel_namespace"]) for row in rows} == {
        (pod, node, namespace)
    }
    assert stats.access == len(lines)
