"""Both ends of every flow on their node, and whether that is one node."""

import random

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from places_by_hand import at, fact, flow, flows, halves, inventory, node, pod, seen

from ztflow.model.tables import FLOWS_SCHEMA
from ztflow.place import Topology, place_flows, read_inventory, sightings

WEB = "shop/web-6f4dc97cb-swdlb"
CART = "shop/cart-5f4d8b7c9-l2n4p"
DB = "data/db-0"
TWO_NODES = (pod(WEB, "a", "10.0.1.1"), pod(CART, "b", "10.0.2.1"), pod(DB, "b", "10.0.2.2"))


def place(topology, *rows):
    return place_flows(flows(*rows), topology).to_pylist()


def ends(row):
    return row["src_node"], row["dst_node"], row["locality"]


class TestByTheLogAlone:
    """With only the ztunnel pods' names every pair is same-node or cross-node."""

    lines = (
        seen("src", WEB, "10.0.1.1", "zt-1", 1, 2),
        seen("dst", CART, "10.0.2.1", "zt-2", 1, 2),
        seen("dst", DB, "10.0.1.2", "zt-1", 1),
    )

    def test_pairs(self):
        topology = Topology(None, (), halves(*self.lines))
        same, cross = place(
            topology,
            flow(1, WEB, "10.0.1.1", DB, "10.0.1.2", out="zt-1", inn="zt-1"),
            flow(1, WEB, "10.0.1.1", CART, "10.0.2.1", out="zt-1", inn="zt-2"),
        )
        assert ends(same) == (None, None, "same_node")
        assert ends(cross) == (None, None, "cross_node")
        assert same["zone_locality"] == "same_zone"
        assert cross["zone_locality"] == "unknown"
        assert cross["locality_evidence"] == "ztunnel log; ztunnel log"

    def test_lone_halves_whose_other_end_was_seen_elsewhere(self):
        topology = Topology(None, (), halves(*self.lines))
        to_cart, to_db, to_nobody, by_address = place(
            topology,
            flow(1.5, WEB, "10.0.1.1", CART, "10.0.2.1", out="zt-1"),
            flow(1, WEB, "10.0.1.1", DB, "10.0.1.2", out="zt-1"),
            flow(1, WEB, "10.0.1.1", "x/y-6f4dc97cb-swdlb", "10.9.9.9", out="zt-1"),
            flow(1, WEB, "10.0.1.1", None, "10.0.2.1", out="zt-1"),
        )
        assert to_cart["locality"] == by_address["locality"] == "cross_node"
        assert to_cart["locality_evidence"] == "ztunnel log; other lines"
        assert to_cart["dst_pod"] == by_address["dst_pod"] == CART
        assert to_db["locality"] == "same_node"
        assert to_nobody["locality"] == "unknown"
        assert to_nobody["locality_evidence"] == "ztunnel log; -"
        assert to_nobody["dst_pod"] is None

    @pytest.mark.parametrize(("pause", "locality"), [(10, "cross_node"), (25, "cross_node"), (600, "unknown")])
    def test_two_ztunnels_that_fall_silent_for_seconds_are_two(self, pause, locality):
        """A DaemonSet's pod is not replaced while the other's last line is seconds old; in ten minutes it may be."""
        lines = halves(
            seen("src", WEB, "10.0.1.1", "zt-1", 1, 2), seen("dst", CART, "10.0.2.1", "zt-2", 2 + pause, 3 + pause)
        )
        lone = flow(2, WEB, "10.0.1.1", CART, "10.0.2.1", out="zt-1")
        assert place(Topology(None, (), lines), lone)[0]["locality"] == locality

    def test_a_ztunnel_that_wrote_at_another_time_may_be_the_same_node_restarted(self):
        lines = halves(
            seen("src", WEB, "10.0.1.1", "zt-new", 5000, 6000), seen("dst", CART, "10.0.2.1", "zt-old", 0, 100)
        )
        assert (
            place(Topology(None, (), lines), flow(5500, WEB, "10.0.1.1", CART, "10.0.2.1", out="zt-new"))[0]["locality"]
            == "unknown"
        )

    def test_two_ztunnels_of_one_pod_are_one_node(self):
        """A ztunnel was restarted: both pods wrote of one and the same workload pod."""
        lines = halves(
            seen("src", WEB, "10.0.1.1", "zt-old", 0, 100), seen("src", WEB, "10.0.1.1", "zt-new", 101, 200),
            seen("dst", CART, "10.0.1.2", "zt-old", 50), seen("dst", CART, "10.0.1.2", "zt-new", 150),
        )  # fmt: skip
        topology = Topology(None, (), lines)
        row = flow(100.5, WEB, "10.0.1.1", CART, "10.0.1.2", out="zt-old", inn="zt-new")
        assert place(topology, row)[0]["locality"] == "same_node"
        named = Topology(None, [fact("local_node", 99, "zt-new", node="a")], lines)
        assert ends(place(named, row)[0]) == ("a", "a", "same_node")

    def test_a_name_that_can_come_back_does_not_make_two_ztunnels_one_node(self):
        lines = halves(seen("dst", DB, "10.0.1.2", "zt-1", 0), seen("dst", DB, "10.0.2.2", "zt-2", 500))
        row = flow(1, DB, "10.0.1.2", CART, "10.0.2.1", out="zt-1", inn="zt-2")
        assert place(Topology(None, (), lines), row)[0]["locality"] == "cross_node"

    def test_bare_lines_of_nobody_are_not_one_node(self):
        """`kubectl logs -l app=ztunnel` prints several ztunnels' lines into one file."""
        row = flow(1, WEB, "10.0.1.1", CART, "10.0.2.1", out="-", inn="-")
        lines = halves(seen("src", WEB, "10.0.1.1", None, 1), seen("dst", CART, "10.0.2.1", None, 1))
        assert ends(place(Topology(None, (), lines), row)[0]) == (None, None, "unknown")
        two = [fact("local_node", 0, None, node="a"), fact("local_node", 0, None, node="b")]
        topology = Topology(None, two, lines)
        assert ends(place(topology, row)[0]) == (None, None, "unknown")
        assert ends(place(Topology(inventory(*TWO_NODES), (), lines), row)[0]) == ("a", "b", "cross_node")

    def test_a_bare_file_with_one_start_up_block_is_that_node(self):
        lines = halves(seen("src", WEB, "10.0.1.1", None, 1))
        row = flow(1, WEB, "10.0.1.1", CART, "10.0.2.1", out="-")
        start = fact("local_node", 0, None, node="a")
        assert place(Topology(None, [start], lines), row)[0]["src_node"] == "a"
        # unless an inventory or the block itself knows of pods that are not there
        elsewhere = Topology(inventory(pod(WEB, "b", "10.0.1.1")), [start], lines)
        assert place(elsewhere, row)[0]["src_node"] == "b"
        announced = fact("pod_here", 0, None, namespace="shop", name="other")
        assert place(Topology(None, [start, announced], lines), row)[0]["src_node"] is None


class TestWithAnInventory:
    def test_the_ztunnel_of_a_half_is_stronger_than_any_inventory(self):
        known = inventory(pod(WEB, "old", "10.0.1.1"), pod("istio-system/zt-1", "new"))
        topology = Topology(known, (), halves(seen("src", WEB, "10.0.1.1", "zt-1", 1)))
        row = place(topology, flow(1, WEB, "10.0.1.1", CART, "10.0.2.1", out="zt-1"))[0]
        assert row["src_node"] == "new"
        assert row["locality_evidence"] == "ztunnel log (inventory); -"

    def test_by_name_then_by_address(self):
        topology = Topology(inventory(*TWO_NODES))
        by_name, by_address, v6, nobody = place(
            topology,
            flow(1, WEB, "10.0.1.1", CART, "10.0.2.1", inn="-"),
            flow(1, None, "10.0.1.1", None, "10.0.2.1", inn="-"),
            flow(1, WEB, "fd00::1", DB, "fd00::2", inn="-"),
            flow(1, None, "10.9.9.9", None, None, inn="-"),
        )
        assert ends(by_name) == ends(by_address) == ends(v6) == ("a", "b", "cross_node")
        assert by_name["locality_evidence"] == "inventory pod name; inventory pod name"
        assert by_address["locality_evidence"] == "inventory address; inventory address"
        assert (by_address["src_pod"], by_address["dst_pod"]) == (WEB, CART)
        assert ends(nobody) == (None, None, "unknown")
        assert nobody["locality_evidence"] is None

    @pytest.mark.parametrize(
        "words",
        [
            {"src_namespace": "other"},
            {"src_identity": "spiffe://cluster.local/ns/other/sa/x"},
            {"src_namespace": "shop", "src_name": "someone-else"},
        ],
    )
    def test_an_address_that_is_anothers_by_the_line_places_nothing(self, words):
        """The inventory is of another time: the address has gone to another pod."""
        row = flow(1, None, "10.0.1.1", CART, "10.0.2.1", inn="-") | words
        assert place(Topology(inventory(*TWO_NODES)), row)[0]["src_node"] is None

    def test_a_line_may_name_the_workload_instead_of_the_pod(self):
        row = flow(1, "shop/web", "10.0.1.1", CART, "10.0.2.1", inn="-")
        assert place(Topology(inventory(*TWO_NODES)), row)[0]["src_node"] == "a"

    def test_the_far_side_of_double_hbone_is_known_only_by_its_own_half(self):
        """There the address is the gateway's and the name a workload's: docs/reference/ztunnel-log.md#what-each-path-writes."""
        gateway = pod("ingress/eastwest-5d4c3b2a1-g7g7g", "gw", "10.0.9.9")
        topology = Topology(inventory(*TWO_NODES, gateway, pod("istio-system/zt-2", "b")))
        rows = (
            flow(1, WEB, "10.0.1.1", "data/db", "10.0.9.9", out="-", path="double_hbone"),
            flow(1, WEB, "10.0.1.1", "ingress/eastwest-5d4c3b2a1-g7g7g", "10.0.9.9", out="-", path="double_hbone"),
            flow(1, "shop/web", "10.0.9.9", CART, "10.0.2.1", inn="zt-2", path="double_hbone"),
            flow(1, WEB, "10.0.1.1", "data/db", "10.0.9.9", out="-", inn="zt-2", path="double_hbone", dst_pod=DB),
        )
        placed = place(topology, *rows)
        assert [row["dst_node"] for row in placed] == [None, None, "b", "b"]
        assert placed[2]["src_node"] is None
        assert placed[3]["dst_pod"] == DB

    def test_a_waypoints_hop_ends_at_the_waypoint(self):
        way = pod("shop/way-7d9c8b6f5-t4t4t", "w", "10.0.3.9")
        row = flow(
            1, WEB, "10.0.1.1", "shop/way-7d9c8b6f5-t4t4t", "10.0.3.9", out="-", path="waypoint", hbone_host="10.96.0.1"
        )
        assert ends(place(Topology(inventory(*TWO_NODES, way)), row)[0]) == ("a", "w", "cross_node")

    def test_zones(self):
        known = inventory(
            *TWO_NODES,
            pod("x/far-6f4dc97cb-swdlb", "c", "10.0.3.1"),
            node("a", zone="z1"),
            node("b", zone="z1"),
            node("c", zone="z2"),
        )
        near, far = place(
            Topology(known),
            flow(1, WEB, "10.0.1.1", CART, "10.0.2.1", inn="-"),
            flow(1, WEB, "10.0.1.1", None, "10.0.3.1", inn="-"),
        )
        assert (near["src_zone"], near["dst_zone"], near["zone_locality"]) == ("z1", "z1", "same_zone")
        assert (far["src_zone"], far["dst_zone"], far["zone_locality"]) == ("z1", "z2", "cross_zone")

    def test_zones_of_pods_whose_nodes_have_none(self):
        known = inventory(
            pod(WEB, "a", "10.0.1.1", zone="z1"), pod(CART, "b", "10.0.2.1", zone="z2"), pod("i/zt-1", "a")
        )
        row = place(Topology(known), flow(1, WEB, "10.0.1.1", CART, "10.0.2.1", out="zt-1", src_pod=WEB))[0]
        assert (row["src_zone"], row["dst_zone"]) == ("z1", "z2")

    def test_two_clusters_are_two_nodes_whatever_their_names(self):
        row = flow(
            1,
            WEB,
            "10.0.1.1",
            CART,
            "10.0.2.1",
            out="-",
            inn="-",
            src_node="n",
            dst_node="n",
            src_cluster="east",
            dst_cluster="west",
        )
        assert place(Topology(None), row)[0]["locality"] == "cross_node"
        same = row | {"dst_cluster": "east"}
        assert place(Topology(None), same)[0]["locality"] == "same_node"


def test_the_lines_cluster_tells_two_pods_of_one_address_apart():
    known = inventory(pod(WEB, "a", "10.0.1.1", cluster="east"), pod(DB, "b", "10.0.1.1", cluster="west"))
    east, west, nobody = place(
        Topology(known),
        flow(1, None, "10.0.1.1", None, None, inn="-", src_cluster="east"),
        flow(1, None, "10.0.1.1", None, None, inn="-", src_cluster="west"),
        flow(1, None, "10.0.1.1", None, None, inn="-"),
    )
    assert [row["src_node"] for row in (east, west, nobody)] == ["a", "b", None]


def test_what_a_shipper_said_is_kept():
    row = flow(1, WEB, "10.0.1.1", CART, "10.0.2.1", out="zt-1", src_node="by-shipper")
    placed = place(Topology(inventory(*TWO_NODES)), row)[0]
    assert (placed["src_node"], placed["dst_node"]) == ("by-shipper", "b")
    assert placed["locality_evidence"] == "shipper; inventory pod name"


def test_only_a_node_from_the_shipper():
    lines = halves(seen("src", WEB, "10.0.1.1", None, 1, ztunnel_node="a"))
    placed = place(Topology(None, (), lines), flow(2, CART, "10.0.2.1", WEB, "10.0.1.1", out="-", src_node="b"))[0]
    assert ends(placed) == ("b", "a", "cross_node")


def test_every_row_gets_the_answer_of_its_own_time():
    known = inventory(
        pod("data/db-0", "a", "10.0.0.1", start=0, uid="1"), pod("data/db-0", "b", "10.0.1.1", start=1000, uid="2")
    )
    seconds = [*range(0, 2000, 7), None]
    random.Random(3).shuffle(seconds)
    placed = place(Topology(known), *(flow(s, None, None, DB, None, out="-") for s in seconds))
    expected = [None if s is None else "a" if s < 995 else "b" for s in seconds]
    assert [row["dst_node"] for row in placed] == expected


def test_where_an_end_is_is_asked_once_until_more_is_learnt(monkeypatch):
    asked = []
    resolve = Topology.resolve
    monkeypatch.setattr(Topology, "resolve", lambda self, *end: asked.append(end[0].local) or resolve(self, *end))
    topology = Topology(None, (), halves(seen("dst", DB, "10.0.1.2", "zt-1", 1)))
    row = flow(1, WEB, "10.0.1.1", DB, "10.0.1.2", out="zt-1")
    first = place(topology, row)
    assert False in asked
    asked.clear()
    assert place(topology, row) == first
    assert False not in asked
    assert first[0]["locality"] == "same_node"
    topology.learn((), halves(seen("dst", DB, "10.0.1.2", "zt-2", 1)))
    assert place(topology, row)[0]["locality"] == "unknown"


def test_unknown_is_null_and_locality_says_unknown():
    row = place(Topology(None), flow(None, None, None, None, None, out="-"))[0]
    assert [row[name] for name in ("src_node", "dst_node", "src_zone", "dst_zone", "src_pod", "dst_pod")] == [None] * 6
    assert (row["locality"], row["zone_locality"], row["locality_evidence"]) == ("unknown", "unknown", None)


def test_no_flows():
    assert place_flows(FLOWS_SCHEMA.empty_table(), Topology(None)).schema == FLOWS_SCHEMA


def test_the_schema_is_kept_and_other_columns_are_not_touched():
    table = flows(flow(1, WEB, "10.0.1.1", CART, "10.0.2.1", out="zt-1", request_bytes=7))
    placed = place_flows(table, Topology(inventory(*TWO_NODES)))
    assert placed.schema == FLOWS_SCHEMA
    ours = {
        "src_node",
        "dst_node",
        "src_zone",
        "dst_zone",
        "src_pod",
        "dst_pod",
        "locality",
        "zone_locality",
        "locality_evidence",
        "src_workload",
        "dst_workload",
    }
    for name in set(FLOWS_SCHEMA.names) - ours:
        assert placed.column(name).to_pylist() == table.column(name).to_pylist()


NAMES = (WEB, CART, DB, "x/y", None)
IPS = ("10.0.1.1", "10.0.2.1", "10.0.2.2", "10.9.9.9", "fd00::1", None)
ROW = st.builds(
    flow,
    st.one_of(st.none(), st.integers(0, 300)),
    st.sampled_from(NAMES),
    st.sampled_from(IPS),
    st.sampled_from(NAMES),
    st.sampled_from(IPS),
    out=st.sampled_from([None, "-", "zt-1", "zt-2"]),
    inn=st.sampled_from(["-", "zt-1", "zt-2", "zt-3"]),
    path=st.sampled_from(["hbone", "plaintext", "double_hbone", "waypoint"]),
)
LINES = st.lists(
    st.builds(
        seen,
        st.sampled_from(["src", "dst"]), st.sampled_from(NAMES), st.sampled_from(IPS),
        st.sampled_from(["zt-1", "zt-2", "zt-3", None]), st.integers(0, 300),
    ),
    max_size=12,
)  # fmt: skip
POD = st.builds(
    lambda name, where, ip, start, captured: pod(name, where, ip, start=start, captured=captured),
    st.sampled_from([WEB, CART, DB]), st.sampled_from(["a", "b", None]), st.sampled_from(IPS[:3]),
    st.one_of(st.none(), st.integers(0, 300)), st.one_of(st.none(), st.integers(0, 300)),
)  # fmt: skip


@settings(max_examples=40, deadline=None)
@given(st.lists(POD, max_size=5), LINES, st.lists(ROW, min_size=1, max_size=12), st.integers(1, 5))
def test_placing_does_not_depend_on_the_cut_and_happens_once(pods, lines, rows, size):
    topology, other = (Topology(inventory(*pods), (), halves(*lines)) for _ in range(2))
    table = flows(*rows)
    whole = place_flows(table, topology)
    pieces = [place_flows(table.slice(start, size), other) for start in range(0, len(rows), size)]
    assert pa.concat_tables(pieces).to_pylist() == whole.to_pylist()
    assert place_flows(whole, topology).to_pylist() == whole.to_pylist()
    chunked = pa.concat_tables([table.slice(start, size) for start in range(0, len(rows), size)])
    assert place_flows(chunked, topology).to_pylist() == whole.to_pylist()


FACTS = st.lists(
    st.one_of(
        st.builds(fact, st.just("local_node"), st.just(0), st.sampled_from(["zt-1", "zt-2"]), node=st.sampled_from("ab")),
        st.builds(
            fact, st.sampled_from(["pod_here", "pod_gone"]), st.integers(0, 300), st.sampled_from(["zt-1", "zt-3"]),
            namespace=st.just("data"), name=st.just("db-0"),
        ),
    ),
    max_size=3,
)  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(
    st.lists(POD, max_size=5),
    st.lists(st.tuples(FACTS, LINES, st.booleans()), max_size=6),
    st.lists(ROW, min_size=1, max_size=8),
)
def test_learning_bit_by_bit_and_placing_in_between_ends_where_learning_at_once_does(pods, steps, rows):
    table, known = flows(*rows), inventory(*pods)
    slow = Topology(known, (), halves())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sightings, "_PENDING", 3)
        for facts, lines, placing in steps:
            slow.learn(facts, halves(*lines))
            if placing:
                place_flows(table, slow)
    said = [one for facts, _, _ in steps for one in facts]
    at_once = Topology(known, said, halves(*(line for _, lines, _ in steps for line in lines)))
    assert place_flows(table, slow).to_pylist() == place_flows(table, at_once).to_pylist()
    assert slow.contradictions == at_once.contradictions


def test_places_do_not_become_more_with_time():
    topology = Topology(inventory())
    for second in range(20):
        topology.learn((), halves(seen("src", f"shop/web-{second}", "10.0.0.1", "zt-1", second)))
        place(topology, flow(second, None, None, WEB, "10.0.0.2", out="zt-1"))
    assert topology._ztunnels.names == [None]


@settings(max_examples=40, deadline=None)
@given(st.lists(POD, max_size=5), LINES, st.lists(ROW, min_size=1, max_size=12))
def test_a_locality_never_contradicts_the_nodes(pods, lines, rows):
    for row in place_flows(flows(*rows), Topology(inventory(*pods), (), halves(*lines))).to_pylist():
        if row["src_node"] is not None and row["dst_node"] is not None:
            assert row["locality"] == ("same_node" if row["src_node"] == row["dst_node"] else "cross_node")
        for side in ("src", "dst"):
            assert row[f"{side}_node"] in {None, "a", "b"}
        if row["locality"] != "unknown":
            assert row["locality_evidence"] is not None


@settings(max_examples=40, deadline=None)
@given(st.lists(POD, max_size=5), LINES, st.randoms())
def test_evidence_in_any_order_gives_the_same_places(pods, lines, shuffle):
    rows = [flow(t, None, None, name, ip, out="zt-1") for t in (50, 200) for name in NAMES for ip in IPS]
    first = place_flows(flows(*rows), Topology(inventory(*pods), (), halves(*lines))).to_pylist()
    shuffle.shuffle(lines)
    again = place_flows(flows(*rows), Topology(inventory(*pods), (), halves(*lines))).to_pylist()
    assert first == again


@pytest.mark.parametrize(
    "files",
    [
        ["captured/pods-wide.txt"],
        ["captured/pods.json"],
        ["captured/pods.yaml"],
        ["captured/pods-custom-columns.txt"],
        ["config-dump-1.29.5/ztunnel-4k7rb.json"],
        ["config-dump-1.22.1/ztunnel-m8s5v.json"],
        ["config-dump-1.29.5/istioctl-all.txt"],
        ["config-dump-1.29.5/istioctl-all.json"],
        ["config-dump-1.29.5/istioctl-workloads.txt"],
        ["config-dump-1.29.5/istioctl-workloads.json"],
        ["config-dump-1.29.5/istioctl-workloads.yaml"],
        ["config-dump-1.29.5/ztunnel-4k7rb.json", "config-dump-1.29.5/ztunnel-9xw2d.json", "captured/pods.json"],
    ],
)
def test_every_form_of_inventory_places_a_real_capture(inventories, files):
    """Real ztunnels, IPv6 included: every end the truth knows is on its node, none on a wrong one, zones too."""
    from truth import judge, logs

    import ztflow

    given = [*(inventories / name for name in files), inventories / "captured/nodes.txt"]
    rows = list(ztflow.read_flows(*logs("1.29.5-json"), inventory=given).rows())
    count = judge("1.29.5-json", rows)
    assert count["misplaced"] == 0
    assert count["placed"] == count["placeable"] > 200
    zones = {"node-a": "eu-west-1a", "node-b": "eu-west-1a", "node-c": "eu-west-1b"}
    for row in rows:
        for side in ("src", "dst"):
            assert row[f"{side}_zone"] == zones.get(row[f"{side}_node"])


def test_seed_pods_place_the_gateway(inventories):
    topology = Topology(read_inventory(*sorted((inventories / "seed").glob("pods-wide-*.txt"))))
    gateway = "istio-system/istio-ingressgateway-6f48dfb7db-862sm"
    near, far = place(
        topology,
        flow(
            1, gateway, "192.168.184.70", "ambient-demo/httpbin-6f4dc97cb-swdlb", "192.168.184.74", inn="ztunnel-fv5f8"
        ),
        flow(
            1, gateway, "192.168.184.70", "ambient-demo/httpbin-6f4dc97cb-5dpz9", "192.168.246.6", inn="ztunnel-62hp8"
        ),
    )
    assert ends(near) == ("ambient-worker", "ambient-worker", "same_node")
    assert ends(far) == ("ambient-worker", "ambient-worker2", "cross_node")
    assert at(0) < at(1)
