"""Every kind of inventory file, read as it is."""

from datetime import UTC, datetime

import pytest

from ztflow.errors import InventoryError, SourceError
from ztflow.place import Inventory, read_inventory
from ztflow.place.inventory.files import parse_inventory

CLUSTER = {
    "web-6b7f9c5d4-x2x9q": ("shop", "10.244.1.10", "node-a"),
    "web-6b7f9c5d4-k8d2m": ("shop", "10.244.2.11", "node-b"),
    "cart-5f4d8b7c9-l2n4p": ("shop", "10.244.1.12", "node-a"),
    "cart-5f4d8b7c9-zz7tw": ("shop", "10.244.3.13", "node-c"),
    "db-0": ("data", "10.244.3.14", "node-c"),
    "vault-0": ("secure", "10.244.2.15", "node-b"),
    "shut-7c6b5d4f8-q9w8e": ("closed", "10.244.3.16", "node-c"),
    "prober-59f8c7d6b-h5j6k": ("monitoring", "10.244.2.17", "node-b"),
    "legacy-0": ("legacy", "10.244.1.18", "node-a"),
    "way-7d9c8b6f5-t4t4t": ("shop", "10.244.3.19", "node-c"),
    "gateway-6c5d4f7b8-r8r8r": ("ingress", "10.244.2.20", "node-b"),
}

SEED = {
    "istio-cni-node-7q6z7": ("172.18.0.2", "ambient-worker2"),
    "istio-cni-node-fg6n4": ("172.18.0.4", "ambient-worker"),
    "istio-cni-node-gwvl8": ("172.18.0.3", "ambient-control-plane"),
    "istio-ingressgateway-6f48dfb7db-862sm": ("192.168.184.70", "ambient-worker"),
    "istiod-6875bc5c58-n4j7d": ("192.168.246.2", "ambient-worker2"),
    "ztunnel-62hp8": ("192.168.246.3", "ambient-worker2"),
    "ztunnel-fv5f8": ("192.168.184.71", "ambient-worker"),
    "ztunnel-gs52c": ("192.168.208.1", "ambient-control-plane"),
    "doks-debug-j9mm5": ("192.168.246.5", "ambient-worker2"),
    "doks-debug-rdhgq": ("192.168.184.73", "ambient-worker"),
    "doks-debug-v7cld": ("192.168.208.3", "ambient-control-plane"),
    "doks-debug-9nlh7": ("192.168.246.4", "ambient-worker2"),
    "httpbin-6f4dc97cb-5dpz9": ("192.168.246.6", "ambient-worker2"),
    "httpbin-6f4dc97cb-swdlb": ("192.168.184.74", "ambient-worker"),
}


def pods(inventory):
    return {pod.name: (pod.namespace, pod.ips[0], pod.node) for pod in inventory.pods if pod.ips}


@pytest.mark.parametrize(
    "name",
    [
        "captured/pods-wide.txt",
        "captured/pods.txt",
        "captured/pods.json",
        "captured/pods.yaml",
        "captured/pods-custom-columns.txt",
        "config-dump-1.22.1/ztunnel-4k7rb.json",
        "config-dump-1.22.1/ztunnel-9xw2d.json",
        "config-dump-1.22.1/ztunnel-m8s5v.json",
        "config-dump-1.29.5/ztunnel-4k7rb.json",
        "config-dump-1.29.5/ztunnel-9xw2d.json",
        "config-dump-1.29.5/ztunnel-m8s5v.json",
        "config-dump-1.29.5/istioctl-all.json",
        "config-dump-1.29.5/istioctl-all.txt",
        "config-dump-1.29.5/istioctl-workloads.json",
        "config-dump-1.29.5/istioctl-workloads.yaml",
        "config-dump-1.29.5/istioctl-workloads.txt",
    ],
)
def test_every_form_of_one_cluster_says_the_same(inventories, name):
    found = pods(read_inventory(inventories / name))
    assert {pod: where for pod, where in found.items() if not pod.startswith("ztunnel-")} == CLUSTER


def test_seed_tables_give_every_row_that_carries_a_node(inventories):
    inventory = read_inventory(*sorted((inventories / "seed").iterdir()))
    assert {pod.name: (pod.ips[0], pod.node) for pod in inventory.pods} == SEED
    assert len(inventory.pods) == 8 + 3 + 5 + 6
    assert {node.name for node in inventory.nodes} == {"ambient-control-plane", "ambient-worker", "ambient-worker2"}
    assert {pod.namespace for pod in inventory.pods if pod.name == "doks-debug-9nlh7"} == {"kube-system"}


def test_nodes_with_their_zones(inventories):
    expected = {"node-a": "eu-west-1a", "node-b": "eu-west-1a", "node-c": "eu-west-1b"}
    for name in ("captured/nodes-labels.txt", "captured/nodes.json", "captured/nodes.txt"):
        nodes = read_inventory(inventories / name).nodes
        assert {node.name: node.zone for node in nodes} == expected
        assert {node.region for node in nodes} == {"eu-west-1"}
    wide = read_inventory(inventories / "captured/nodes-wide.txt").nodes
    assert {node.name: node.ips for node in wide} == {
        "node-a": ("172.18.0.11",),
        "node-b": ("172.18.0.12",),
        "node-c": ("172.18.0.13",),
    }


def test_a_file_without_an_inventory_is_refused_in_one_line(tmp_path):
    for content in (b"", b"  \n", b"hello\nworld\n", b"\x00\x01\x02\xff" * 50, b"{}", b"[]", b"a: 1\n"):
        path = tmp_path / "thing"
        path.write_bytes(content)
        with pytest.raises(InventoryError) as caught:
            read_inventory(path)
        assert str(path) in str(caught.value)
        assert "try" in str(caught.value)
        assert "\n" not in str(caught.value)


def test_a_missing_file_or_directory_is_a_source_error(tmp_path):
    for path in (tmp_path / "nowhere", tmp_path):
        with pytest.raises(SourceError) as caught:
            read_inventory(path)
        assert str(path) in str(caught.value)


TABLE = "NAME     STATUS   ROLES    AGE   VERSION   ZONE\nnode-a   Ready    <none>   4h    v1.32.4   z1\n"
POD = '{"kind": "Pod", "metadata": {"name": "web-0", "namespace": "shop"}, "spec": {"nodeName": "node-a"}}'
YAML = "apiVersion: v1\nkind: Pod\nmetadata:\n  name: web-0\n  namespace: shop\nspec:\n  nodeName: node-a\n"


@pytest.mark.parametrize(
    "text",
    [
        f"{POD}\n{TABLE}",
        f"{TABLE}{POD}\n",
        f"{POD}{POD}\n{TABLE}",
        f"$ kubectl get nodes\n{TABLE}$ kubectl get pod web-0 -o json\n{POD}\n$ \n",
        f"{TABLE}\n$ kubectl get pod web-0 -o yaml\n{YAML}",
    ],
)
def test_one_file_may_hold_several_kinds(parsed, text):
    inventory = parsed(text)
    assert {(pod.name, pod.node) for pod in inventory.pods} == {("web-0", "node-a")}
    assert [(node.name, node.zone) for node in inventory.nodes] == [("node-a", "z1")]


def test_what_follows_yaml_is_cut_off(parsed):
    assert parsed(f"$ kubectl get pod web-0 -o yaml\n{YAML}user@host:~$ exit: now\n").pods[0].node == "node-a"


def test_text_that_only_looks_like_yaml_or_json_is_read_as_tables(parsed):
    assert parsed(f"NOTE:\n{TABLE}").nodes[0].zone == "z1"
    assert parsed(f"{{braces}}\n[1]\n{TABLE}").nodes[0].zone == "z1"


def test_logs_are_no_inventory(parsed):
    parsed(
        "ztunnel-fv5f8 istio-proxy 2024-06-16T12:40:48.707707Z info access connection complete src.addr=192.168.184.73:56463 "
        'version="x" v1.30.0 direction="inbound" bytes_sent=1\n'
        '{"level":"info","time":"2024-06-16T12:40:48.707707Z","scope":"ztunnel::access","message":"connection complete"}\n',
        recognised=False,
    )


def test_packed_files_and_other_encodings(inventories, tmp_path):
    import bz2
    import gzip
    import lzma

    data = (inventories / "captured/pods-wide.txt").read_bytes()
    expected = read_inventory(inventories / "captured/pods-wide.txt").pods
    text = data.decode()
    forms = [gzip.compress(data), bz2.compress(data), lzma.compress(data), b"\xef\xbb\xbf" + data]
    forms += [text.encode("utf-16"), text.encode("utf-16-le"), b"\xfe\xff" + text.encode("utf-16-be")]
    for number, form in enumerate(forms):
        path = tmp_path / str(number)
        path.write_bytes(form)
        assert [pod[:4] for pod in read_inventory(path).pods] == [pod[:4] for pod in expected]


def test_a_broken_archive_says_so(tmp_path):
    path = tmp_path / "pods.gz"
    path.write_bytes(b"\x1f\x8b not gzip")
    with pytest.raises(SourceError, match="gzip data is damaged"):
        read_inventory(path)


def test_every_fact_says_where_it_stands(inventories):
    names = [
        inventories / "captured/pods.json",
        inventories / "captured/nodes.txt",
        inventories / "config-dump-1.29.5/ztunnel-9xw2d.json",
    ]
    inventory = read_inventory(*names)
    assert inventory.files == [str(name) for name in names]
    for facts in (inventory.pods, inventory.nodes, inventory.services, inventory.ztunnels, inventory.connections):
        assert {fact.evidence.file for fact in facts} <= set(inventory.files)
        assert all(fact.evidence.kind and fact.evidence.captured for fact in facts)
    kinds = {fact.evidence.kind for fact in inventory.pods}
    assert kinds == {"kubernetes object", "ztunnel dump"}
    # the content's own times are better than the file's
    dumped = next(fact for fact in inventory.pods if fact.evidence.kind == "ztunnel dump")
    assert datetime.fromtimestamp(dumped.evidence.captured / 1e6, UTC).isoformat() == "2026-11-23T01:03:13+00:00"


@pytest.mark.parametrize(
    "text",
    [
        "a " * 100_000,
        "$ " * 100_000,
        "a 1/1 x 1 " + "1 1.1.1.1 " * 20_000,
        "a b " + "v1.1.1 " * 30_000,
        "\n[" * 50_000,
        "{" * 200_000,
    ],
)
def test_hostile_text_takes_no_time(text):
    import time

    start = time.process_time()
    parse_inventory(f"NAME   READY   IP   NODE\n{text}", "given.txt", Inventory())
    assert time.process_time() - start < 2


@pytest.mark.parametrize("number", ["9" * 5000, "²", "٣", "65536", "-1", "true", "1e3"])
def test_what_is_no_number_is_no_port_and_hides_nothing(number):
    pod = '{"kind":"Pod","metadata":{"name":"web-0","namespace":"shop"},"spec":{"nodeName":"n"},"status":{"podIP":"10.0.0.1"}}'
    dump = (
        '{"workloads":[],"services":[{"name":"web","namespace":"shop","hostname":"w","vips":["/10.1.0.1"],'
        f'"ports":{{"{number}":8000,"80":"{number}"}}}}],"config":{{}},'
        '"workloadState":{"a":{"info":{"name":"web-0","namespace":"shop"},"connections":{"outbound":[{"src":'
        f'"10.0.0.1:{number}","actualDst":"10.0.0.2:{number}","originalDst":"10.1.0.1:{number}"}}]}}}}}}}}'
    )
    inventory = Inventory()
    assert parse_inventory(f'{pod}\n{dump}\n{{"kind":"Pod","metadata":{{"name":{number}}}}}\n{pod}', "x", inventory)
    assert {one.name for one in inventory.pods} == {"web-0"}
    assert [ports for service in inventory.services for ports in service.ports] == []
    assert inventory.connections == []


def test_a_number_of_many_digits_is_no_json_and_what_is_around_is_read():
    pod = '{"kind":"Pod","metadata":{"name":"web-0","namespace":"shop"},"spec":{"nodeName":"n"}}'
    inventory = Inventory()
    parse_inventory(f'{pod}\n{{"kind":"Pod","metadata":{{"name":{"9" * 5000}}}}}\n', "x", inventory)
    assert [one.name for one in inventory.pods] == ["web-0"]
