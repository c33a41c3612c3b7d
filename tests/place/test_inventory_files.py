"""Every kind of inventory file, read as it is."""

import pytest

from ztflow.errors import InventoryError, SourceError
from ztflow.place import read_inventory

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
