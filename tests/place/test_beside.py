"""Inventories beside the logs, in folders and archives, and what an inventory gave, in words."""

from __future__ import annotations

import gzip
import io
import os
import tarfile
import time
import zipfile
from pathlib import Path

import pytest

import ztflow
from ztflow.errors import InventoryError, SourceError
from ztflow.place import Inventory, inventory_beside, read_inventory, what_each_gave, what_was_beside
from ztflow.place.inventory.files import parse_inventory

PODS = (
    "NAMESPACE   NAME                  READY   STATUS    RESTARTS   AGE   IP            NODE     NOMINATED NODE\n"
    "shop        web-6b7f9c5d4-x2x9q   1/1     Running   0          3h    10.244.1.10   node-a   <none>\n"
    "data        db-0                  1/1     Running   0          3h    10.244.3.14   node-c   <none>\n"
)
NODES = "NAME     STATUS   ROLES    AGE   VERSION   ZONE\nnode-a   Ready    <none>   3h    v1.32.4   z1\nnode-c   Ready    <none>   3h    v1.32.4   z2\n"
NO_NODES = "NAME    READY   STATUS    RESTARTS   AGE\nweb-0   1/1     Running   0          3h\n"
LOG = "2026-11-23T00:37:33.750438Z\tinfo\taccess\tconnection complete\tsrc.addr=10.0.0.1:1\n"


def pod_yaml(name: str, node: str, ip: str) -> str:
    return (
        f"---\napiVersion: v1\nkind: Pod\nmetadata:\n  name: {name}\n  namespace: shop\n"
        f"spec:\n  nodeName: {node}\nstatus:\n  phase: Running\n  podIP: {ip}\n"
    )


NODE_YAML = (
    "---\napiVersion: v1\nkind: Node\nmetadata:\n  name: node-a\n  labels:\n    topology.kubernetes.io/zone: z1\n"
    "spec:\n  podCIDR: 10.244.1.0/24\nstatus:\n  addresses:\n  - address: 172.18.0.11\n    type: InternalIP\n"
)
POD_LIST = "---\napiVersion: v1\nitems:\n" + "".join(
    f"- apiVersion: v1\n  kind: Pod\n  metadata:\n    name: {name}\n    namespace: shop\n  spec:\n    nodeName: {node}\n"
    f"  status:\n    podIP: {ip}\n" for name, node, ip in (("web-0", "node-a", "10.244.1.5"), ("web-1", "node-b", "10.244.2.5"))
) + "kind: PodList\n"  # fmt: skip

LAYOUTS = {
    "beside": ({"pods.txt": PODS, "nodes.txt": NODES, "ztunnel-4k7rb.log": LOG}, 2, 2),
    "bug report": (
        {"bug-report/cluster/nodes": NODES, "bug-report/cluster/k8s-resources": POD_LIST,
         "bug-report/proxies/istio-system/ztunnel-4k7rb/istio-proxy.log": LOG}, 2, 3),
    "cluster-info dump": (
        {"d/nodes.json": '{"kind":"NodeList","items":[{"metadata":{"name":"node-a"},"status":{"nodeInfo":{}}}]}',
         "d/shop/pods.yaml": POD_LIST, "d/istio-system/ztunnel-4k7rb/logs.txt": LOG}, 2, 2),
    "must-gather": (
        {"m/Q/cluster-scoped-resources/core/nodes/node-a.yaml": NODE_YAML, "m/Q/namespaces/shop/core/pods.yaml": POD_LIST,
         "m/Q/namespaces/shop/pods/web-0/web-0.yaml": pod_yaml("web-0", "node-a", "10.244.1.5"),
         "m/Q/namespaces/data/pods/db-0/db-0.yaml": pod_yaml("db-0", "node-c", "10.244.3.5")}, 3, 3),
    "a dump": (
        {"x/ztunnel-4k7rb/config_dump": '{"workloads":[{"uid":"c//Pod/shop/w","name":"w","namespace":"shop",'
         '"workloadIps":["10.0.0.1"],"node":"node-a"}],"config":{"localNode":"node-b"}}'}, 1, 2),
    "compressed": ({"all-pods.json.gz": gzip.compress(b'{"kind":"Pod","metadata":{"name":"p"},"spec":{"nodeName":"n"}}')}, 1, 1),
}  # fmt: skip


def encoded(members):
    return {name: data if isinstance(data, bytes) else data.encode() for name, data in members.items()}


def in_folder(path: Path, members) -> Path:
    for name, data in encoded(members).items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(data)
    return path


def in_tar(path: Path, members) -> Path:
    with tarfile.open(path / "a.tgz", "w:gz") as archive:
        for name, data in encoded(members).items():
            member = tarfile.TarInfo(name)
            member.size, member.mtime = len(data), 1_700_000_000
            archive.addfile(member, io.BytesIO(data))
    return path / "a.tgz"


def in_zip(path: Path, members) -> Path:
    with zipfile.ZipFile(path / "a.zip", "w") as archive:
        for name, data in encoded(members).items():
            archive.writestr(name, data)
    return path / "a.zip"


def counts(inventory: Inventory) -> tuple[int, int]:
    nodes = {node.name for node in inventory.nodes} | {pod.node for pod in inventory.pods if pod.node}
    return len({(pod.namespace, pod.name) for pod in inventory.pods}), len(
        nodes | {one.node for one in inventory.ztunnels}
    )


@pytest.mark.parametrize("put", [in_folder, in_tar, in_zip])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_what_support_tools_leave_is_found(tmp_path, put, layout):
    members, pods, nodes = LAYOUTS[layout]
    path = put(tmp_path, members)
    beside = inventory_beside([str(path)])
    assert counts(beside.inventory) == (pods, nodes)
    (line,) = what_was_beside(beside)
    assert line.startswith(f"{path}: pods: {pods}, nodes: {nodes}")
    assert line.endswith("(not used with --inventory none)")
    assert counts(read_inventory(path)) == (pods, nodes)


def test_an_archive_in_a_folder_and_a_pattern(tmp_path):
    in_tar(tmp_path, LAYOUTS["beside"][0])
    assert counts(inventory_beside([tmp_path]).inventory) == (2, 2)
    assert counts(inventory_beside([f"{tmp_path}/*.tgz"]).inventory) == (2, 2)


@pytest.mark.parametrize("kind", ["json", "yaml"])
@pytest.mark.parametrize("packed", [False, True])
def test_a_dump_printed_into_one_file(tmp_path, kind, packed):
    nodes = (
        '{\n    "kind": "NodeList",\n    "items": [{"metadata": {"name": "node-a"}, "status": {"nodeInfo": {}}}]\n}\n'
        if kind == "json"
        else "apiVersion: v1\nitems:\n- apiVersion: v1\n  kind: Node\n  metadata:\n    name: node-a\nkind: NodeList\n"
    )
    marks = "container istio-proxy of pod istio-system/ztunnel-4k7rb ===="
    logs = f"==== START logs for {marks}\n{LOG}{LOG.rstrip()}==== END logs for {marks}\n"
    text = nodes + ("" if kind == "json" else POD_LIST) + logs + (PODS if kind == "json" else "")
    path = tmp_path / "dump.txt"
    path.write_bytes(gzip.compress(text.encode()) if packed else text.encode())
    beside = inventory_beside([path])
    assert counts(beside.inventory)[0] == 2
    assert [node.name for node in beside.inventory.nodes] == ["node-a"]
    (line,) = what_was_beside(beside)
    assert line.startswith(f"{path}: pods: 2, nodes: ")
    assert "from" not in line


def test_an_object_that_its_list_has_is_not_read_again(tmp_path):
    beside = inventory_beside([in_folder(tmp_path, LAYOUTS["must-gather"][0])])
    assert sorted(Path(name).name for name in beside.inventory.files) == ["db-0.yaml", "node-a.yaml", "pods.yaml"]


def test_the_same_mesh_in_many_dumps_is_kept_once(tmp_path):
    dump = LAYOUTS["a dump"][0]["x/ztunnel-4k7rb/config_dump"]
    beside = inventory_beside(
        [in_folder(tmp_path, {f"ztunnel-{end}.json": dump for end in ("4k7rb", "9xw2d", "m8s5v")})]
    )
    assert len(beside.inventory.pods) == 1
    assert len(beside.inventory.files) == len(beside.inventory.ztunnels) == 3


def test_times_of_members_are_their_evidence(tmp_path):
    beside = inventory_beside([in_tar(tmp_path, LAYOUTS["beside"][0])])
    assert {pod.evidence.captured for pod in beside.inventory.pods} == {1_700_000_000_000_000}


def test_nothing_is_taken_for_an_inventory_that_is_none(tmp_path):
    members = {"ztunnel-node-a.txt": LOG, "pods.log": PODS, "pods.md": PODS, ".pods.txt": PODS, "notes/podsy.txt": PODS}
    beside = inventory_beside([in_folder(tmp_path, members), "-", "loki://x?query=y", io.BytesIO(PODS.encode())])
    assert (len(beside.inventory), beside.barren) == (0, [])
    assert list(what_was_beside(beside)) == []


def test_an_inventory_that_gives_nothing_says_what_to_try(tmp_path):
    (line,) = what_was_beside(inventory_beside([in_folder(tmp_path, {"pods.txt": NO_NODES})]))
    assert line.startswith(f"no pod, node or address in {tmp_path}/pods.txt; try `kubectl get pods -A -o wide`")


def test_what_cannot_be_read_is_left_to_the_reading_of_the_logs(tmp_path):
    in_folder(tmp_path, {"pods.json.gz": b"\x1f\x8b broken", "a.tgz": b"\x1f\x8b broken", "nodes.txt": NODES})
    (tmp_path / "pods.txt").symlink_to("nowhere")
    os.mkfifo(tmp_path / "pods.csv")
    assert counts(inventory_beside([tmp_path, tmp_path / "gone"]).inventory) == (0, 2)


def test_one_too_large_is_left_out_and_named(tmp_path, monkeypatch):
    monkeypatch.setattr("ztflow.place.inventory.found.INVENTORY_BYTES", 100)
    for put in (in_folder, in_tar):
        beside = inventory_beside([put(tmp_path, {"pods.txt": PODS})])
        assert len(beside.inventory) == 0
        assert beside.barren


def test_a_folder_without_any_is_an_error_where_it_is_named(tmp_path):
    with pytest.raises(InventoryError, match="holds no file that is called an inventory"):
        read_inventory(in_folder(tmp_path, {"x.log": LOG}))


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (PODS, "f: 2 pods on 2 nodes"),
        (NODES, "f: 2 nodes, 2 zones"),
        (PODS + "\n" + NODES, "f: 2 pods on 2 nodes, 2 zones"),
        (NODE_YAML, "f: 1 node, 1 zone, 1 range of pods"),
        ("ip,node\n10.0.0.1,node-a\n", "f: 1 address"),
    ],
)
def test_what_a_file_gave_is_one_line(tmp_path, monkeypatch, text, line):
    monkeypatch.chdir(tmp_path)
    Path("f").write_text(text)
    assert list(what_each_gave(read_inventory("f"))) == [line]


def test_many_files_are_one_line(tmp_path):
    members = {f"n{number}/pods.txt": PODS.replace("db-0", f"db-{number}") for number in range(20)}
    (line,) = what_each_gave(read_inventory(in_folder(tmp_path, members)))
    assert line == "20 files: 21 pods on 2 nodes"


def test_pods_and_nodes_in_any_order_are_told_apart(tmp_path, monkeypatch):
    monkeypatch.chdir(in_folder(tmp_path, {"p": PODS, "n": NODES}))
    for files in (["p", "n"], ["n", "p"]):
        told = {line.partition(": ")[0]: line for line in what_each_gave(read_inventory(*files))}
        assert told == {"p": "p: 2 pods on 2 nodes", "n": "n: 2 nodes, 2 zones"}


def test_a_file_that_gave_nothing_says_why_and_what_to_try(tmp_path, monkeypatch):
    monkeypatch.chdir(in_folder(tmp_path, {"f": NO_NODES}))
    (line,) = what_each_gave(read_inventory("f"))
    assert line.startswith("f: gave nothing (row of a table without nodes: 1); try `kubectl get pods -A -o wide`")


def test_left_out_nodes_are_said_once(tmp_path, monkeypatch):
    monkeypatch.chdir(in_folder(tmp_path, {"f": PODS.replace("node-a", "...").replace("node-c", "ip-1…")}))
    assert list(what_each_gave(read_inventory("f"))) == [
        "f: 2 pods",
        "f: the node is left out (`...`) in 2 rows: unknown there",
    ]


def test_an_inventory_that_unpacks_without_end_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("ztflow.read.sources.compression.RATIO_FROM", 1 << 20)
    monkeypatch.setattr("ztflow.read.sources.compression.DECOMPRESSION_RATIO", 100)
    (tmp_path / "pods.gz").write_bytes(gzip.compress(bytes(16 << 20)))
    with pytest.raises(SourceError, match="decompresses to more than 100 times its size"):
        read_inventory(tmp_path / "pods.gz")


def test_the_guard_says_how_to_lift_it_and_has_a_size(tmp_path, monkeypatch):
    path = tmp_path / "pods.gz"
    path.write_bytes(gzip.compress(gzip.compress(PODS.encode() + b"\n" * (3 << 20))))
    assert len(read_inventory(path).pods) == 2, "compressed twice"
    monkeypatch.setattr("ztflow.place.inventory.files.INVENTORIES_BYTES", 2 << 20)
    with pytest.raises(
        SourceError, match="more than 2 MiB; if you trust it, unpack it yourself and give what comes out"
    ):
        read_inventory(path)


def damaged_members():
    """An archive in which one inventory is damaged and another is not, and what the damaged one is called."""
    bent = bytearray(gzip.compress(PODS.encode()))
    bent[len(bent) // 2] ^= 0xFF
    whole = {"a.log": b"", "nodes.txt": NODES.encode()}
    stored = io.BytesIO()
    with zipfile.ZipFile(stored, "w") as archive:
        for name, data in {**whole, "pods.txt": PODS.encode()}.items():
            archive.writestr(name, data)
    flipped = bytearray(stored.getvalue())
    flipped[flipped.index(PODS[:20].encode())] ^= 1
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for name, data in {**whole, "pods.txt.gz": bytes(bent)}.items():
            about = tarfile.TarInfo(name)
            about.size = len(data)
            archive.addfile(about, io.BytesIO(data))
    return {"a.zip": (bytes(flipped), "pods.txt"), "a.tar": (packed.getvalue(), "pods.txt.gz")}


@pytest.mark.parametrize("name", ["a.zip", "a.tar"])
def test_a_damaged_inventory_in_an_archive_is_named_and_the_others_serve(tmp_path, name):
    data, member = damaged_members()[name]
    (tmp_path / name).write_bytes(data)
    beside = inventory_beside([tmp_path / name])
    assert [error.source for error in beside.errors] == [f"{tmp_path}/{name}/{member}"]
    assert (len(beside.inventory.nodes) > 0, beside.inventory.pods) == (True, [])
    with pytest.raises(SourceError, match=member):
        read_inventory(tmp_path / name)
    with pytest.raises(SourceError, match=member):
        ztflow.read_flows(tmp_path / name)
    errors = []
    ztflow.read_flows(tmp_path / name, on_error=errors.append)
    assert [error.source for error in errors] == [f"{tmp_path}/{name}/{member}"]


def test_a_damaged_inventory_in_a_folder_is_named(tmp_path):
    (tmp_path / "pods.txt.gz").write_bytes(gzip.compress(PODS.encode())[:-9])
    (tmp_path / "nodes.txt").write_text(NODES)
    beside = inventory_beside([tmp_path])
    assert [str(error) for error in beside.errors] == [f"{tmp_path}/pods.txt.gz: the gzip data ends early"]
    assert beside.inventory.nodes


ROW = PODS.splitlines()[1]
LENGTH = 20_000
LONG = {
    "blanks": " " * LENGTH + "x", "words": "a " * LENGTH, "one word": "a-" * LENGTH, "aligned": f"{ROW} {'x' * LENGTH}",
    "headers": "NAME " * LENGTH, "titles": "\x1b]" * LENGTH, "colours": "\x1b[1" * LENGTH, "quotes": "ip,pod,node\n" + '"' * LENGTH,
    "addresses": "ip,pod,node\n" + "10.0.0.1;" * LENGTH, "openings": "{\n" * LENGTH, "strings": '{"\n' * LENGTH,
    "lists": "[" * LENGTH, "lists on lines": "[1,\n" * LENGTH, "mappings": "a:\n" * LENGTH, "documents": "---\n" * LENGTH,
    "flows": "kind:\n" + "{" * LENGTH, "key": "apiVersion: v1\n" + "a" * LENGTH, "described": "Name:  a\n" * LENGTH + "Roles: x\n",
    "ready": ("a 1/1 x " + "1 " * 4000 + "\n") * 20, "dots": ("a b 1.1.1.1 " + "." * 8000 + "\n") * 20,
    "dashes": ("a b 1.1.1.1 " + "a-" * 4000 + "...x\n") * 20,
}  # fmt: skip


@pytest.mark.parametrize("name", LONG)
def test_rows_of_any_length_take_linear_time(name):
    """Two seconds at most; what is quadratic takes much longer at this length."""
    begin = time.process_time()
    parse_inventory(PODS + LONG[name], "x", Inventory())
    parse_inventory(LONG[name], "x", Inventory())
    assert time.process_time() - begin < 5
