"""Addresses placed by the ranges of nodes, and ends named by an inventory where a line has only an address."""

from __future__ import annotations

import pytest
from places_by_hand import at, fact, flow, flows, halves, inventory, node, pod, seen

from ztflow.place import Topology, place_flows
from ztflow.place.ranges import Ranges

NODES = (
    node("node-a", "172.18.0.11", zone="z1", pods=("10.244.1.0/24", "fd00:10:244:1::/64")),
    node("node-b", "172.18.0.12", zone="z2", pods=("10.244.2.0/24",)),
)
START = [fact("local_node", 0, "zt-a", node="node-a"), fact("local_node", 0, "zt-b", node="node-b")]
WEB = "shop/web-6b7f9c5d4-x2x9q"


def placed(topology, *rows):
    return place_flows(flows(*rows), topology).to_pylist()


class TestRanges:
    @pytest.mark.parametrize(
        ("ip", "expected"),
        [
            ("10.244.1.0", "node-a"), ("10.244.1.255", "node-a"), ("10.244.2.1", "node-b"), ("10.244.3.1", None),
            ("fd00:10:244:1::a", "node-a"), ("fd00:10:244:2::a", None), ("fe80::1%eth0", None), ("no address", None),
        ],
    )  # fmt: skip
    def test_a_range_is_its_nodes(self, ip, expected):
        assert Ranges(NODES).node_of(ip) == expected

    def test_the_longest_prefix_counts_and_a_range_of_two_nodes_is_nobodys(self):
        ranges = Ranges([node("a", pods=("10.0.0.0/8",)), node("b", pods=("10.1.0.0/16",)), node("c", pods=("10.2.0.0/16",)),
                         node("d", pods=("10.2.0.0/16",))])  # fmt: skip
        assert [ranges.node_of(ip) for ip in ("10.3.0.1", "10.1.0.1", "10.2.0.1")] == ["a", "b", None]

    def test_an_address_is_placed_by_it_and_says_so(self):
        topology = Topology(inventory(*NODES), START)
        (row,) = placed(topology, flow(1, WEB, "10.244.1.5", None, "10.244.2.7", out="zt-a"))
        assert (row["dst_node"], row["dst_zone"], row["dst_pod"]) == ("node-b", "z2", None)
        assert row["locality_evidence"] == "ztunnel log (start-up lines); inventory pod range"
        assert row["locality"] == "cross_node"

    def test_it_is_weaker_than_all_else(self):
        listed = inventory(*NODES, pod("shop/far-0", "node-b", "10.244.2.9"))
        lines = halves(seen("dst", "shop/near-0", "10.244.1.7", "zt-a", 10))
        topology = Topology(listed, START, lines)
        found = [topology.at(ip) for ip in ("10.244.2.9", "10.244.1.7", "172.18.0.11", "10.244.1.8")]
        assert [(one.node, one.evidence) for one in found] == [
            ("node-b", "inventory address"), ("node-a", "other lines"), ("node-a", "inventory node address"),
            ("node-a", "inventory pod range"),
        ]  # fmt: skip

    def test_ranges_that_pods_contradict_place_nothing(self):
        """Calico gives pods addresses of its own blocks, whatever range the node has."""
        topology = Topology(inventory(*NODES, pod("shop/x-0", "node-b", "10.244.1.9")))
        assert topology.at("10.244.1.8").node is None
        assert [one.subject for one in topology.contradictions] == ["ranges of pods"]

    def test_ranges_that_the_log_contradicts_place_nothing(self):
        lines = halves(seen("dst", "shop/near-0", "10.244.2.7", "zt-a", 10))
        assert Topology(inventory(*NODES), START, lines).at("10.244.1.8").node is None

    def test_a_host_network_pod_contradicts_nothing(self):
        host = pod("kube-system/proxy-x7k2q", "node-b", "10.244.1.9", host_network=True)
        assert Topology(inventory(*NODES, host)).at("10.244.1.8").node == "node-a"


class TestNames:
    """A denial before the workload was known has only addresses; its own half was written on its node."""

    listed = (pod(WEB, "node-a", "10.244.1.5"),)
    denial = flow(10, None, "10.244.1.5", None, "10.96.50.1", out="zt-a", verdict="failed", path=None)

    def test_the_pod_of_the_address_is_named_and_marked(self):
        (row,) = placed(Topology(inventory(*self.listed), START), self.denial)
        assert (row["src_pod"], row["src_name"], row["src_node"]) == (WEB, None, "node-a")
        assert row["locality_evidence"] == "ztunnel log (start-up lines), named by inventory address; -"

    def test_a_named_end_is_not_marked(self):
        row = self.denial | {"src_namespace": "shop", "src_name": "web-6b7f9c5d4-x2x9q"}
        (row,) = placed(Topology(inventory(*self.listed), START), row)
        assert row["locality_evidence"] == "ztunnel log (start-up lines); -"

    @pytest.mark.parametrize(
        "facts",
        [
            [pod(WEB, "node-b", "10.244.1.5")],
            [pod(WEB, "node-a", "10.244.1.5", host_network=True)],
            [pod(WEB, "node-a", "10.244.1.5"), node("node-a", "10.244.1.5")],
            [pod(WEB, "node-a", "10.244.1.5", start=20)],
            [pod(WEB, "node-a", "10.244.1.5", phase="Succeeded")],
            [
                pod(WEB, "node-a", "10.244.1.5", file="one.txt"),
                pod("shop/db-0", "node-a", "10.244.1.5", file="two.txt"),
            ],
            [pod("web-6b7f9c5d4-x2x9q", "node-a", "10.244.1.5")],
        ],
        ids=["another node", "host network", "a node's address", "not yet started", "over", "two pods", "no namespace"],
    )
    def test_who_cannot_be_sure_is_not_named(self, facts):
        (row,) = placed(Topology(inventory(*facts), START), self.denial)
        assert row["src_pod"] is None
        assert row["src_node"] == "node-a"

    def test_an_address_that_was_given_again(self):
        """The log shows another pod there: only an inventory that says since when it holds names the end."""
        lines = halves(seen("src", "shop/job-x7k2q", "10.244.1.5", "zt-a", 1))
        (row,) = placed(Topology(inventory(*self.listed), START, lines), self.denial)
        assert row["src_pod"] is None
        sure = pod(WEB, "node-a", "10.244.1.5", start=5, captured=100)
        (row,) = placed(Topology(inventory(sure), START, lines), self.denial)
        assert row["src_pod"] == WEB

    def test_one_address_two_pods_one_after_the_other(self):
        first = pod("shop/db-0", "node-a", "10.244.1.5", start=0, end=20, phase="Succeeded", file="pods.json")
        then = pod(WEB, "node-a", "10.244.1.5", start=30, captured=100, file="pods.json")
        rows = [self.denial | {"end": at(moment)} for moment in (10, 60)]
        found = placed(Topology(inventory(first, then), START), *rows)
        assert [row["src_pod"] for row in found] == ["shop/db-0", WEB]

    def test_an_identity_of_another_namespace_is_no_agreement(self):
        row = self.denial | {"src_identity": "spiffe://cluster.local/ns/data/sa/x"}
        assert placed(Topology(inventory(*self.listed), START), row)[0]["src_pod"] is None

    def test_a_shipper_named_the_node(self):
        row = self.denial | {"src_node": "node-a"}
        (row,) = placed(Topology(inventory(*self.listed)), row)
        assert row["src_pod"] == WEB

    def test_the_address_of_a_double_tunnel_is_a_gateways(self):
        row = flow(10, None, "10.244.1.5", None, "10.244.1.5", inn="zt-a", path="double_hbone")
        assert placed(Topology(inventory(*self.listed), START), row)[0]["dst_pod"] is None
