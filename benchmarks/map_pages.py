"""Pages of the map for `map_page.py`: of a small cluster, of a big one, and of names that try to be markup."""

from __future__ import annotations

from collections import Counter
from contextlib import chdir
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa

import ztflow
from ztflow.graph.map_page import map_page
from ztflow.model.tables import FLOWS_SCHEMA, Flows
from ztflow.page import incident_page
from ztflow.reports import diff
from ztflow.simulate import preset, simulate

START = datetime(2026, 3, 2, 9, tzinfo=UTC)


def small(folder: Path) -> Path:
    """The page of a simulated capture."""
    simulate(preset("mixed"), seed=1).write(folder / "logs")
    page = folder.resolve() / "small.html"
    with chdir(folder):  # the page is to name its inputs as a person would
        page.write_text(map_page(ztflow.read_flows("logs"), inputs=["logs"]))
    return page


def changed(folder: Path) -> tuple[Path, Counter[str]]:
    """The page for a colleague of one simulated capture after another, and how many pairs of workloads changed how."""
    captures = []
    for seed in (1, 5):
        simulate(preset("mixed"), seed=seed).write(folder / f"day-{seed}")
        captures.append(ztflow.read_flows(folder / f"day-{seed}"))
    before, after = captures
    page = folder / "changed.html"
    page.write_text(incident_page(after, by="workload", before=before, inputs=["day-5"]))
    return page, Counter(" ".join(edge.changes) for edge in diff(before, after, "workload").edges)


def big(folder: Path, pods: int, edges: int, nodes: int) -> tuple[Path, Path, int]:
    """The map and the page for a colleague of a big cluster, and how many edges it has.

    20 connections an edge on average, and a log with a line for each.
    """
    folder.mkdir(exist_ok=True)
    rng = np.random.default_rng(1)
    rows = edges * 20
    pairs = np.unique(rng.integers(0, pods * pods, edges * 2))
    pairs = rng.permutation(pairs[pairs // pods != pairs % pods])[:edges]
    edge = np.concatenate([np.arange(edges), rng.zipf(1.3, rows) % edges])[:rows]
    source, target = pairs[edge] // pods, pairs[edge] % pods

    def words(codes: np.ndarray, names: list[str]) -> pa.Array:
        return pa.DictionaryArray.from_arrays(pa.array(codes.astype(np.int32)), pa.array(names))

    names = [f"team-{pod % 40}/service-{pod % 400}-6f4dc97cb-{pod:05x}" for pod in range(pods)]
    node_names = [f"worker-{node:02d}" for node in range(nodes)]
    zones = ["zone-a", "zone-b", "zone-c"]
    from_node, to_node = source % nodes, target % nodes
    ended = np.datetime64(START.replace(tzinfo=None), "us") + np.sort(rng.integers(0, 3_600_000_000, rows))
    verdict = (rng.random(rows) < 0.01).astype(np.int32)
    plain = rng.random(edges)[edge] < 0.05
    log = folder / "big.log"
    line = (
        'info\taccess\tconnection complete\tsrc.addr=10.0.0.1:5 src.workload="{}" dst.workload="{}" '
        'src.identity="spiffe://cluster.local/ns/team/sa/a" dst.identity="spiffe://cluster.local/ns/team/sa/b" '
        'direction="outbound" bytes_sent=84 bytes_recv=9832 duration="203ms"\n'
    )
    log.write_text("".join(line.format(names[a], names[b]) for a, b in zip(source, target, strict=True)))
    columns = {
        "start": pa.array(ended - np.timedelta64(200_000, "us")).cast(pa.timestamp("us", "UTC")),
        "end": pa.array(ended).cast(pa.timestamp("us", "UTC")),
        "src_pod": words(source, names), "dst_pod": words(target, names),
        "src_namespace": words(source % 40, [f"team-{team}" for team in range(40)]),
        "dst_namespace": words(target % 40, [f"team-{team}" for team in range(40)]),
        "src_workload": words(source % 400, [f"service-{service}" for service in range(400)]),
        "dst_workload": words(target % 400, [f"service-{service}" for service in range(400)]),
        "src_node": words(from_node, node_names), "dst_node": words(to_node, node_names),
        "src_zone": words(from_node % 3, zones), "dst_zone": words(to_node % 3, zones),
        "locality": words((from_node != to_node), ["same_node", "cross_node"]),
        "zone_locality": words((from_node % 3 != to_node % 3), ["same_zone", "cross_zone"]),
        "request_bytes": pa.array(rng.integers(50, 5_000, rows)),
        "response_bytes": pa.array(rng.integers(50, 90_000, rows)),
        "duration_ms": pa.array(rng.integers(1, 30_000, rows)), "mtls": pa.array(~plain),
        "path": words(plain, ["hbone", "plaintext"]), "verdict": words(verdict, ["forwarded", "denied"]),
        "policy": pa.array(np.where(verdict, "team-0/deny-all", None)).dictionary_encode(),
        "paired": words(np.zeros(rows), ["unique"]), "outbound_file": words(np.zeros(rows), [str(log)]),
        "outbound_line": pa.array(np.arange(1, rows + 1)),
    }  # fmt: skip
    table = pa.table(
        {
            name: columns[name].cast(kind) if name in columns else pa.nulls(rows, kind)
            for name, kind in zip(FLOWS_SCHEMA.names, FLOWS_SCHEMA.types, strict=True)
        },
        schema=FLOWS_SCHEMA,
    )
    page = folder / "big.html"
    page.write_text(map_page(Flows(table), inputs=[str(log)]))
    whole = folder / "incident.html"
    whole.write_text(incident_page(Flows(table), before=Flows(table.slice(0, rows // 2)), inputs=[str(log)]))
    return page, whole, len(pairs)


HOSTILE = ('</script><script>document.title="owned"</script>', '<img src=x onerror=document.title="owned">',
           "</noscript><b>bold</b>", "a'; rm -rf /", '"quoted"', "\u202erev", "x" * 300)  # fmt: skip


def hostile(folder: Path) -> Path:
    """The page of names that try to be markup."""
    rows = [
        {
            "end": START + timedelta(seconds=number), "src_pod": f"evil/{name}", "dst_pod": "data/db-0",
            "src_namespace": "evil", "dst_namespace": "data", "src_node": name, "dst_node": "node-b", "src_zone": name,
            "verdict": "denied", "policy": name, "error_class": name, "path": "hbone", "mtls": True,
            "locality": "cross_node", "paired": "unique", "outbound_file": name, "outbound_line": 1,
        }
        for number, name in enumerate(HOSTILE)
    ]  # fmt: skip
    page = folder / "hostile.html"
    page.write_text(map_page(Flows(pa.Table.from_pylist(rows, schema=FLOWS_SCHEMA)), inputs=HOSTILE))
    return page
