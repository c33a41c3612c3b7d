"""Kubernetes objects in every shape kubectl and its users print them."""

import json

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from ztflow.place import Inventory, Topology, read_inventory
from ztflow.place.inventory.files import parse_inventory

MICRO = 1_000_000


def pod(name="web-0", namespace="shop", node="node-a", ips=("10.244.1.10",), **more):
    status = {"phase": more.pop("phase", "Running"), "hostIP": more.pop("host_ip", "172.18.0.11")}
    if ips:
        status |= {"podIP": ips[0], "podIPs": [{"ip": ip} for ip in ips]}
    status |= more.pop("status", {})
    spec = {"nodeName": node, "serviceAccountName": "web"} | more.pop("spec", {})
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": namespace, "uid": f"uid-{name}"} | more,
        "spec": spec,
        "status": status,
    }


def names(inventory):
    return [(p.namespace, p.name, p.ips, p.node) for p in inventory.pods]


WEB = ("shop", "web-0", ("10.244.1.10",), "node-a")
DB = ("data", "db-0", ("10.244.3.14",), "node-c")
TWO = [pod(), pod("db-0", "data", "node-c", ("10.244.3.14",))]


@pytest.mark.parametrize(
    "text",
    [
        json.dumps({"apiVersion": "v1", "kind": "List", "items": TWO}),
        json.dumps({"apiVersion": "v1", "kind": "List", "items": TWO}, indent=4),
        json.dumps({"kind": "PodList", "items": [{k: v for k, v in p.items() if k != "kind"} for p in TWO]}),
        json.dumps(TWO),
        "".join(json.dumps(p) for p in TWO),
        "\n".join(json.dumps(p, indent=2) for p in TWO),
        "\n".join(json.dumps({"type": "ADDED", "object": p}) for p in TWO),
        "$ kubectl get pods -A -o json\n" + json.dumps({"kind": "List", "items": TWO}, indent=2) + "\n$ ",
        yaml.safe_dump({"apiVersion": "v1", "kind": "List", "items": TWO}),
        yaml.safe_dump_all(TWO),
        "---\n" + yaml.safe_dump(TWO[0]) + "---\n" + yaml.safe_dump(TWO[1]),
    ],
)
def test_a_list_by_any_shape(parsed, text):
    assert names(parsed(text)) == [WEB, DB]


def test_a_cut_last_object_does_not_take_the_others_with_it(parsed):
    assert names(parsed("\n".join(json.dumps(p) for p in TWO) + '\n{"kind": "Pod", "meta')) == [WEB, DB]


def test_one_pod(inventories):
    inventory = read_inventory(inventories / "wrappers/pod-single.json")
    found = inventory.pods[0]
    assert (found.name, found.host_network, found.host_ip, found.phase) == (
        "doks-debug-rdhgq", False, "172.18.0.3", "Running",
    )  # fmt: skip


def test_pods_carry_both_families_and_their_own_zone(inventories):
    pods = {p.name: p for p in read_inventory(inventories / "wrappers/pods.yaml").pods}
    assert pods["httpbin-6f4dc97cb-swdlb"].ips == ("192.168.184.74", "fd00:10:244:1::4a")
    assert pods["httpbin-6f4dc97cb-5dpz9"].zone == "region-1b"
    assert pods["httpbin-6f4dc97cb-5dpz9"].region == "region-1"


@pytest.mark.parametrize(
    ("owners", "labels", "expected"),
    [
        (
            [{"kind": "ReplicaSet", "name": "web-6f4dc97cb", "controller": True}],
            {"pod-template-hash": "6f4dc97cb"},
            ("Deployment", "web"),
        ),
        ([{"kind": "ReplicaSet", "name": "web-6f4dc97cb", "controller": True}], {}, ("Deployment", "web")),
        ([{"kind": "ReplicaSet", "name": "by-hand", "controller": True}], {}, ("ReplicaSet", "by-hand")),
        ([{"kind": "StatefulSet", "name": "db", "controller": True}], {}, ("StatefulSet", "db")),
        ([{"kind": "DaemonSet", "name": "ztunnel"}], {}, ("DaemonSet", "ztunnel")),
        ([{"kind": "Job", "name": "migrate-28636900"}], {}, ("CronJob", "migrate")),
        ([{"kind": "Job", "name": "migrate"}], {}, ("Job", "migrate")),
        ([{"kind": "Thing", "name": "x"}, {"kind": "Rollout", "name": "y", "controller": True}], {}, ("Rollout", "y")),
        ([{"kind": "Node", "name": "node-a"}], {}, ("Pod", "web-0")),
        ([], {}, ("Pod", "web-0")),
    ],
)
def test_owners(parsed, owners, labels, expected):
    found = parsed(json.dumps(pod(ownerReferences=owners, labels=labels))).pods[0]
    assert (found.owner_kind, found.owner) == expected


def test_a_finished_pod_has_an_end(parsed):
    found = parsed(
        json.dumps(
            pod(
                phase="Succeeded",
                status={
                    "startTime": "2026-11-22T20:00:00Z",
                    "containerStatuses": [
                        {"state": {"terminated": {"finishedAt": "2026-11-22T20:05:00Z"}}},
                        {"state": {"terminated": {"finishedAt": "2026-11-22T20:06:00Z"}}},
                    ],
                },
            )
        )
    ).pods[0]
    assert found.end - found.start == 360 * MICRO
    assert found.over
    assert found.evidence.captured == found.end


def test_nodes(parsed):
    inventory = parsed(
        json.dumps(
            {
                "kind": "NodeList",
                "items": [
                    {
                        "metadata": {
                            "name": "ip-10-0-0-5.internal",
                            "labels": {
                                "kubernetes.io/hostname": "other",
                                "failure-domain.beta.kubernetes.io/zone": "z1",
                            },
                        },
                        "status": {
                            "addresses": [
                                {"type": "InternalIP", "address": "10.0.0.5"},
                                {"type": "InternalIP", "address": "2001:DB8:0::5"},
                                {"type": "Hostname", "address": "other"},
                            ]
                        },
                    }
                ],
            }
        )
    )
    node = inventory.nodes[0]
    assert (node.name, node.ips, node.zone) == ("ip-10-0-0-5.internal", ("10.0.0.5", "2001:db8::5"), "z1")


SLICE = {
    "apiVersion": "discovery.k8s.io/v1",
    "kind": "EndpointSlice",
    "metadata": {"name": "web-x7k2q", "namespace": "shop", "labels": {"kubernetes.io/service-name": "web"}},
    "addressType": "IPv4",
    "endpoints": [
        {
            "addresses": ["10.244.1.10"],
            "nodeName": "node-a",
            "zone": "z1",
            "hints": {"forZones": [{"name": "z2"}]},
            "targetRef": {"kind": "Pod", "name": "web-0", "namespace": "shop", "uid": "u0"},
        },
        {"addresses": ["10.9.9.9"], "nodeName": "node-b"},
        {"addresses": ["172.18.0.2"]},
        {"addresses": ["db.example.com"], "zone": "z1"},
        {
            "addresses": ["10.244.1.11"],
            "topology": {"kubernetes.io/hostname": "node-a", "topology.kubernetes.io/zone": "z1"},
            "targetRef": {"kind": "Pod", "name": "web-1"},
        },
    ],
}


def test_endpoint_slices(parsed):
    inventory = parsed(json.dumps({"kind": "EndpointSliceList", "items": [SLICE]}))
    assert names(inventory) == [WEB, ("shop", "web-1", ("10.244.1.11",), "node-a")]
    # hints say who should use an endpoint, not where it is
    assert inventory.pods[0].zone == "z1"
    assert [(a.ip, a.node) for a in inventory.addresses] == [("10.9.9.9", "node-b")]
    assert inventory.services[0].pods == ("shop/web-0", "shop/web-1")
    assert inventory.unused == {"endpoint without a node": 2}
    assert Topology(inventory).at("10.9.9.9").node == "node-b"


def test_old_endpoints_objects(parsed):
    inventory = parsed(
        json.dumps(
            {
                "kind": "Endpoints",
                "metadata": {"name": "web", "namespace": "shop"},
                "subsets": [
                    {
                        "addresses": [
                            {"ip": "10.244.1.10", "nodeName": "node-a", "targetRef": {"kind": "Pod", "name": "web-0"}}
                        ]
                    }
                ],
            }
        )
    )
    assert names(inventory) == [WEB]


def test_services(parsed):
    inventory = parsed(
        json.dumps(
            {
                "kind": "Service",
                "metadata": {"name": "web", "namespace": "shop"},
                "spec": {"clusterIP": "10.96.10.1", "clusterIPs": ["10.96.10.1", "fd00:10:96::1"]},
            }
        )
    )
    assert inventory.services[0].vips == ("10.96.10.1", "fd00:10:96::1")


def test_a_pending_pod_and_other_kinds_are_counted(parsed):
    inventory = parsed(
        json.dumps({"kind": "List", "items": [{"kind": "ConfigMap", "metadata": {"name": "x"}}, {"kind": "Pod"}]})
    )
    assert inventory.unused == {"ConfigMap object": 1, "pod without a name": 1}


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
        st.sampled_from(["kind", "items", "metadata", "name", "namespace", "spec", "status", "podIPs", "podIP", "labels",
                         "nodeName", "addresses", "endpoints", "workloads", "workloadIps", "uid", "config", "localNode",
                         "workloadState", "connections", "inbound", "src", "actualDst", "info", "services", "vips",
                         "ownerReferences", "locality", "by_addr", "hostNetwork", "containerStatuses", "state"]),
        inner | st.sampled_from(["Pod", "List", "Node", "EndpointSlice", "10.0.0.1", "10.0.0.1:80"]), max_size=5),
    max_leaves=25,
)  # fmt: skip


@given(JSON)
def test_no_json_breaks_the_reader(document):
    inventory = Inventory()
    parse_inventory(json.dumps(document), "given.json", inventory)
    Topology(inventory)


def test_ranges_of_nodes_and_what_cilium_gave_them(parsed):
    nodes = parsed(
        '{"kind":"List","items":[{"kind":"Node","metadata":{"name":"a"},"spec":{"podCIDR":"10.0.1.0/24",'
        '"podCIDRs":["10.0.1.0/24","fd00:1::/64","nonsense/x"]}},'
        '{"kind":"CiliumNode","metadata":{"name":"b"},"spec":{"ipam":{"podCIDRs":["10.1.0.0/24"]}}}]}'
    ).nodes
    assert [(node.name, node.pod_ranges) for node in nodes] == [
        ("a", ("10.0.1.0/24", "fd00:1::/64")),
        ("b", ("10.1.0.0/24",)),
    ]


def test_items_that_lost_their_kind(parsed):
    inventory = parsed(
        '{"metadata":{"name":"p","namespace":"n"},"spec":{"nodeName":"node-a","containers":[]},"status":{"podIP":"10.0.0.1"}}\n'
        '{"metadata":{"name":"node-a"},"status":{"nodeInfo":{}}}\n'
    )
    assert [(pod.name, pod.ips, pod.node) for pod in inventory.pods] == [("p", ("10.0.0.1",), "node-a")]
    assert [node.name for node in inventory.nodes] == ["node-a"]


def test_flat_objects(parsed):
    inventory = parsed(
        '{"namespace":"n","name":"p","ip":"10.0.0.1","nodeName":"node-a"}\n{"name":"q","nodeName":"..."}\n'
    )
    assert [(pod.namespace, pod.name, pod.ips, pod.node) for pod in inventory.pods] == [
        ("n", "p", ("10.0.0.1",), "node-a")
    ]
    assert inventory.elided == {"given.txt": 1}


def test_a_left_out_node_is_unknown_in_every_form(parsed):
    texts = (
        '{"kind":"Pod","metadata":{"name":"p"},"spec":{"nodeName":"..."},"status":{"podIP":"10.0.0.1"}}',
        '[{"uid":"c//Pod/n/p","name":"p","namespace":"n","workloadIps":["10.0.0.1"],"node":"ip-1…"}]',
        "ip,pod,namespace,node,zone\n10.0.0.1,p,n,...,z\n",
    )
    for text in texts:
        inventory = parsed(text)
        assert [(pod.name, pod.ips, pod.node) for pod in inventory.pods] == [("p", ("10.0.0.1",), None)]
        assert inventory.elided == {"given.txt": 1}


def test_a_long_list_in_yaml_is_read_without_what_nobody_reads(parsed):
    """`k8s-resources` of a bug report holds all kinds, mostly long ones."""
    pod = "- apiVersion: v1\n  kind: Pod\n  metadata:\n    name: p-{}\n  spec:\n    nodeName: node-a\n"
    other = "- apiVersion: v1\n  kind: ConfigMap\n  metadata:\n    name: c\n  data:\n    a: |\n      {}\n"
    body = "".join(pod.format(number) + other.format("- kind: Pod " * 1000) for number in range(20))
    inventory = parsed(f"apiVersion: v1\nitems:\n{body}kind: List\nmetadata:\n  resourceVersion: ''\n")
    assert [fact.name for fact in inventory.pods] == [f"p-{number}" for number in range(20)]
    assert inventory.unused == {}
