"""What a ztunnel answers on /config_dump, and istioctl's JSON of it, in the shapes of every release."""

import json

import pytest

from ztflow.place import Inventory, Topology, read_inventory
from ztflow.place.inventory.files import parse_inventory

WORKLOAD = {
    "workloadIps": ["10.244.1.10", "fd00:10:244:1::a"],
    "protocol": "HBONE",
    "uid": "Kubernetes//Pod/shop/web-6f4dc97cb-swdlb",
    "name": "web-6f4dc97cb-swdlb",
    "namespace": "shop",
    "serviceAccount": "web",
    "workloadName": "web",
    "workloadType": "deployment",
    "node": "node-a",
    "clusterId": "Kubernetes",
    "locality": {"region": "region-1", "zone": "z1"},
}
SNAKE = {
    "workload_ips": ["10.244.1.10"], "uid": "u", "name": "web-6f4dc97cb-swdlb", "namespace": "shop", "node": "node-a",
    "workload_name": "web", "workload_type": "deployment",
}  # fmt: skip
FIRST = {"workload_ip": "10.244.1.10", "name": "web-6f4dc97cb-swdlb", "namespace": "shop", "node": "node-a"}


@pytest.mark.parametrize(
    "document",
    [
        {"workloads": [WORKLOAD], "config": {}},
        {"workloads": {"/10.244.1.10": WORKLOAD, "/fd00:10:244:1::a": WORKLOAD}, "config": {}},
        {"by_addr": {"/10.244.1.10": {"Workload": WORKLOAD}}, "by_uid": {"u": WORKLOAD}},
        {"by_addr": {"/10.244.1.10": SNAKE}, "policies": {}},
        {"workloads": {"10.244.1.10": FIRST}},
        [WORKLOAD],
    ],
)
def test_one_workload_in_every_shape(parsed, document):
    inventory = parsed(json.dumps(document))
    assert [(pod.namespace, pod.name, pod.ips[0], pod.node) for pod in inventory.pods] == [
        ("shop", "web-6f4dc97cb-swdlb", "10.244.1.10", "node-a")
    ]


def test_what_a_workload_tells(parsed):
    topology = Topology(parsed(json.dumps({"workloads": [WORKLOAD]})))
    at = topology.at("fd00:10:244:1::a")
    assert at == topology.at("FD00:10:244:1:0::A")
    assert (at.pod, at.workload, at.workload_how, at.service_account) == ("web-6f4dc97cb-swdlb", "web", "owner", "web")
    assert (at.node, at.zone, at.region, at.cluster) == ("node-a", "z1", "region-1", "Kubernetes")


def test_a_dump_names_its_ztunnel_by_its_file_and_its_node_and_pods(inventories):
    for release in ("1.22.1", "1.29.5"):
        inventory = read_inventory(inventories / f"config-dump-{release}/ztunnel-9xw2d.json")
        ztunnel = inventory.ztunnels[0]
        assert (ztunnel.pod, ztunnel.node) == ("ztunnel-9xw2d", "node-b")
        assert {(pod.namespace, pod.name) for pod in inventory.pods if pod.node == "node-b" and pod.uid} >= {
            ("shop", "web-6b7f9c5d4-k8d2m"), ("secure", "vault-0"), ("monitoring", "prober-59f8c7d6b-h5j6k"),
        }  # fmt: skip
    assert read_inventory(inventories / "config-dump-1.29.5/istioctl-all.json").ztunnels[0].pod is None


def test_uids_of_local_pods_are_known_by_name(inventories):
    inventory = read_inventory(inventories / "config-dump-1.22.1/ztunnel-9xw2d.json")
    assert Topology(inventory).register.uids["00000000-0000-4000-8000-000200000015"] == ("secure", "vault-0")


def test_open_connections(inventories):
    inventory = read_inventory(inventories / "config-dump-1.29.5/ztunnel-9xw2d.json")
    assert [(c.direction, c.src, c.original_dst, c.actual_dst, c.node) for c in inventory.connections] == [
        ("inbound", "10.244.2.11:41238", "web.shop.svc.cluster.local", "10.244.2.11:8080", "node-b"),
        ("outbound", "10.244.2.11:58546", "10.96.10.1:80", "10.244.2.11:15008", "node-b"),
        ("outbound", "10.244.2.11:58534", "10.96.10.1:80", "10.244.2.11:15008", "node-b"),
    ]


def test_services_with_their_pods_and_ports(inventories):
    for release in ("1.22.1", "1.29.5"):
        services = {
            s.name: s for s in read_inventory(inventories / f"config-dump-{release}/ztunnel-4k7rb.json").services
        }
        web = services["web"]
        assert (web.namespace, web.hostname, web.vips) == ("shop", "web.shop.svc.cluster.local", ("10.96.10.1",))
        assert set(web.pods) == {"shop/web-6b7f9c5d4-x2x9q", "shop/web-6b7f9c5d4-k8d2m"}
        assert (80, 8080) in web.ports


def test_gateways_without_address_and_node_are_counted(inventories):
    inventory = read_inventory(inventories / "wrappers/ztunnel-config-workloads.json")
    assert inventory.unused == {"workload without address and node": 1}
    assert {node.zone for node in inventory.nodes} == {"region-1a", "region-1b"}


def test_zones_come_from_the_workloads_locality(inventories):
    topology = Topology(read_inventory(inventories / "wrappers/config_dump-1.22.json"))
    assert topology.pod("ambient-demo", "doks-debug-rdhgq").zone == "region-1a"
    assert topology.pod("istio-system", "ztunnel-62hp8").zone == "region-1b"


def test_other_lists_of_istioctl_are_recognised(parsed):
    policies = [{"name": "only-web", "namespace": "secure", "scope": "Namespace", "action": "Allow", "rules": []}]
    assert parsed(json.dumps(policies)).unused == {"policy or certificate": 1}


def test_a_file_older_than_what_it_says_has_no_time_of_its_own():
    """Checked out or unpacked with a made-up time."""
    document = {
        "workloads": [WORKLOAD],
        "certificates": [
            {"certChain": [{"validFrom": "2026-11-23T01:03:13Z", "expirationTime": "2026-11-24T01:03:13Z"}]}
        ],
    }
    named = 1_795_395_793_000_000
    for modified, kept in ((0, None), (named + 1, named + 1), (None, None)):
        inventory = Inventory()
        parse_inventory(json.dumps(document), "dump.json", inventory, modified=modified)
        assert inventory.pods[0].evidence[2:] == (named, kept)
