#!/usr/bin/env python3
"""What placing costs: reading an inventory, learning from halves, placing flows.

    bench_place.py [--flows N] [--pods N] [--nodes N] [--active N] [--names generated|stateful] [--repeat N]

Makes an inventory of `--pods` pods on `--nodes` nodes (a kubectl table, JSON and CSV) and `--flows` connections among
`--active` of them, nine in ten with both halves, and prints seconds of processor time, the least of `--repeat` runs:

    table, json, csv   `read_inventory` of the file
    register           the inventory merged and indexed (`Topology(inventory)`)
    learn              the halves of all connections (`Topology.learn`)
    place              the flows (`place_flows`)
"""

from __future__ import annotations

import argparse
import json
import random
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa

from ztflow.model.tables import FLOWS_SCHEMA, HALVES_SCHEMA
from ztflow.place import Inventory, Topology, place_flows, read_inventory

RANDOM = "bcdfghjklmnpqrstvwxz2456789"
START = 1_795_000_000_000_000


class Cluster:
    """Names, addresses and nodes of the pods."""

    def __init__(self, pods: int, nodes: int, names: str) -> None:
        rng = random.Random(1)
        self.nodes = nodes
        self.namespaces = [f"ns{i % 50}" for i in range(pods)]
        generated = names == "generated"
        self.names = [
            f"app{i // 10}-6f4dc97cb-{''.join(rng.choices(RANDOM, k=5))}" if generated else f"app{i // 10}-{i % 10}"
            for i in range(pods)
        ]
        self.ips = [f"10.{i >> 16}.{(i >> 8) & 255}.{i & 255}" for i in range(pods)]
        self.node_of = np.arange(pods) % nodes
        self.ztunnels = [f"ztunnel-{''.join(rng.choices(RANDOM, k=5))}" for _ in range(nodes)]

    def rows(self) -> list[tuple[str, str, str, str]]:
        """Namespace, name, address and node of every pod, ztunnels last."""
        pods = list(zip(self.namespaces, self.names, self.ips, (f"node-{n}" for n in self.node_of), strict=True))
        own = [
            ("istio-system", name, f"172.16.{n >> 8}.{n & 255}", f"node-{n}") for n, name in enumerate(self.ztunnels)
        ]
        return pods + own

    def write(self, folder: Path) -> dict[str, Path]:
        """The inventory in three forms; returns their files."""
        head = (
            "NAMESPACE",
            "NAME",
            "READY",
            "STATUS",
            "RESTARTS",
            "AGE",
            "IP",
            "NODE",
            "NOMINATED NODE",
            "READINESS GATES",
        )
        table = [head] + [
            (ns, name, "1/1", "Running", "0", "3h", ip, node, "<none>", "<none>") for ns, name, ip, node in self.rows()
        ]
        widths = [max(map(len, column)) + 3 for column in zip(*table, strict=True)]
        lines = ("".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in table)
        items = [
            {
                "kind": "Pod",
                "metadata": {
                    "name": name,
                    "namespace": ns,
                    "uid": f"{ns}-{name}",
                    "ownerReferences": [{"kind": "StatefulSet", "name": "x"}],
                },
                "spec": {"nodeName": node, "serviceAccountName": "x", "containers": [{"name": "c", "image": "i"}]},
                "status": {"phase": "Running", "hostIP": "172.18.0.1", "podIP": ip, "podIPs": [{"ip": ip}],
                           "startTime": "2026-11-01T00:00:00Z"},
            }
            for ns, name, ip, node in self.rows()
        ]  # fmt: skip
        files = {"table": "\n".join(lines), "json": json.dumps({"kind": "List", "items": items}, indent=4)}
        files["csv"] = "\n".join(
            ["ip,pod,namespace,node", *(f"{ip},{name},{ns},{node}" for ns, name, ip, node in self.rows())]
        )
        paths = {kind: folder / f"pods.{kind}" for kind in files}
        for kind, text in files.items():
            paths[kind].write_text(text)
        return paths

    def traffic(self, count: int, active: int) -> tuple[pa.Table, pa.Table]:
        """(flows, halves) of `count` connections."""
        rng = np.random.default_rng(1)
        source = rng.integers(0, active, count).astype(np.int32)
        target = ((source + rng.integers(0, 40, count)) % active).astype(np.int32)
        both = rng.random(count) < 0.9
        pods = [f"{ns}/{name}" for ns, name in zip(self.namespaces, self.names, strict=True)]
        time_ = pa.array(START + np.arange(count) * 1000).cast(pa.timestamp("us", tz="UTC"))
        shared: dict[str, pa.Array] = {}
        for side, codes in (("src", source), ("dst", target)):
            for name, words in (("ip", self.ips), ("workload", self.names), ("namespace", self.namespaces)):
                shared[f"{side}_{name}"] = coded(codes, words)
        wrote = {
            "src": coded(self.node_of[source], self.ztunnels),
            "dst": coded(self.node_of[target], self.ztunnels, both),
        }
        numbers = pa.array(np.arange(count))
        flows = shared | {
            "end": time_, "outbound_ztunnel": wrote["src"], "outbound_line": numbers, "src_pod": coded(source, pods),
            "inbound_ztunnel": wrote["dst"], "inbound_line": pa.array(np.arange(count), mask=~both),
            "dst_pod": coded(target, pods, both), "locality": coded(np.zeros(count), ["unknown"]),
        }  # fmt: skip
        halves = []
        for side, word in (("src", "outbound"), ("dst", "inbound")):
            columns = shared | {"time": time_, "direction": coded(np.zeros(count), [word]), "ztunnel_pod": wrote[side],
                                "source_file": coded(np.zeros(count), ["log"])}  # fmt: skip
            part = table(columns, HALVES_SCHEMA)
            halves.append(part if side == "src" else part.filter(pa.array(both)))
        return table(flows, FLOWS_SCHEMA), pa.concat_tables(halves).sort_by("time")


def coded(codes: np.ndarray, words: list[str], known: np.ndarray | None = None) -> pa.Array:
    return pa.DictionaryArray.from_arrays(
        pa.array(codes.astype(np.int32), mask=None if known is None else ~known), words
    )


def table(columns: dict[str, pa.Array], schema: pa.Schema) -> pa.Table:
    count = len(next(iter(columns.values())))
    return pa.Table.from_arrays([columns.get(f.name, pa.nulls(count, f.type)) for f in schema], schema=schema)


def seconds(work: Callable[[], object], repeat: int) -> float:
    best = float("inf")
    for _ in range(repeat):
        start = time.process_time()
        work()
        best = min(best, time.process_time() - start)
    return best


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--flows", type=int, default=1_000_000)
    parser.add_argument("--pods", type=int, default=50_000)
    parser.add_argument("--nodes", type=int, default=500)
    parser.add_argument("--active", type=int)
    parser.add_argument("--names", choices=("generated", "stateful"), default="generated")
    parser.add_argument("--repeat", type=int, default=3)
    args = parser.parse_args()
    cluster = Cluster(args.pods, args.nodes, args.names)
    flows, halves = cluster.traffic(args.flows, args.active or args.pods)
    with tempfile.TemporaryDirectory() as folder:
        paths = cluster.write(Path(folder))
        for kind, path in paths.items():
            cost = seconds(lambda path=path: read_inventory(path), args.repeat)
            print(f"{kind:10} {cost:.3f}  ({path.stat().st_size / 1e6:.0f} MB)")
        inventory: Inventory = read_inventory(paths["table"])
    register = seconds(lambda: Topology(inventory), args.repeat)
    learn = seconds(lambda: Topology(inventory, (), halves), args.repeat) - register
    print(f"{'register':10} {register:.3f}\n{'learn':10} {learn:.3f}")
    best = float("inf")
    for _ in range(args.repeat):
        topology = Topology(inventory, (), halves)
        best = min(best, seconds(lambda topology=topology: place_flows(flows, topology), 1))
    print(f"{'place':10} {best:.3f}")
    placed = place_flows(flows, Topology(inventory, (), halves))
    assert placed.column("dst_node").null_count == 0


if __name__ == "__main__":
    main()
