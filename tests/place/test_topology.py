"""Who is where at which time: order of evidence, moves, reuse, contradictions."""

from places_by_hand import SECOND, at, fact, halves, inventory, node, pod, seen

from ztflow.place import Topology

UNIQUE = "shop/web-6f4dc97cb-swdlb"


def where(topology, name, seconds=None):
    namespace, _, short = name.rpartition("/")
    found = topology.pod(namespace or None, short, None if seconds is None else at(seconds))
    return found.node, found.evidence


def address(topology, ip, seconds=None):
    found = topology.at(ip, None if seconds is None else at(seconds))
    return found.node, found.pod


class TestOrderOfEvidence:
    """shipper > inventory > start-up lines > other lines."""

    lines = (seen("src", UNIQUE, "10.0.0.1", "zt-1", 10),)

    def test_shipper_first(self):
        shipped = halves(seen("src", UNIQUE, "10.0.0.1", "zt-1", 10, ztunnel_node="by-shipper"))
        facts = [fact("local_node", 0, "zt-1", node="by-start-up")]
        topology = Topology(inventory(pod(UNIQUE, "by-inventory", "10.0.0.1")), facts, shipped)
        assert where(topology, UNIQUE) == ("by-shipper", "shipper, other lines")
        assert topology.ztunnels() == {"zt-1": ("by-shipper", "shipper")}
        subjects = {found.subject for found in topology.contradictions}
        assert subjects == {f"pod {UNIQUE}", "ztunnel zt-1"}

    def test_inventory_before_start_up_lines(self):
        facts = [
            fact("local_node", 0, "zt-1", node="by-start-up"),
            fact("pod_here", 1, "zt-1", namespace="shop", name="web-6f4dc97cb-swdlb"),
        ]
        topology = Topology(inventory(pod(UNIQUE, "by-inventory", "10.0.0.1")), facts, halves(*self.lines))
        assert where(topology, UNIQUE) == ("by-inventory", "inventory pod name")
        assert [found.subject for found in topology.contradictions] == [f"pod {UNIQUE}"]

    def test_start_up_lines_before_other_lines(self):
        facts = [
            fact("local_node", 0, "zt-2", node="by-start-up"),
            fact("local_node", 0, "zt-1", node="by-line"),
            fact("pod_here", 1, "zt-2", namespace="shop", name="web-6f4dc97cb-swdlb"),
        ]
        topology = Topology(None, facts, halves(*self.lines))
        assert where(topology, UNIQUE) == ("by-start-up", "start-up lines")

    def test_other_lines_last(self):
        topology = Topology(None, [fact("local_node", 0, "zt-1", node="by-line")], halves(*self.lines))
        assert where(topology, UNIQUE) == ("by-line", "other lines")
        assert where(topology, "shop/never-seen") == (None, None)

    def test_a_ztunnel_is_named_by_its_pods_in_the_inventory(self):
        topology = Topology(inventory(pod(UNIQUE, "node-a", "10.0.0.1")), (), halves(*self.lines))
        assert topology.ztunnels() == {"zt-1": ("node-a", "its pods in the inventory")}

    def test_by_its_own_row_before_its_pods(self):
        known = inventory(pod("istio-system/zt-1", "node-b"), pod(UNIQUE, "node-a", "10.0.0.1"))
        topology = Topology(known, (), halves(*self.lines))
        assert topology.ztunnels() == {"zt-1": ("node-b", "inventory")}
        assert [found.subject for found in topology.contradictions] == [f"pod {UNIQUE}"]

    def test_most_of_its_pods_decide_and_the_rest_is_reported(self):
        names = [f"shop/web-6f4dc97cb-swdl{letter}" for letter in "bcdfghj"]
        known = inventory(*(pod(name, "node-a") for name in names[:6]), pod(names[6], "node-b"))
        lines = halves(*(seen("src", name, None, "zt-1", 1) for name in names))
        topology = Topology(known, (), lines)
        assert topology.ztunnels()["zt-1"][0] == "node-a"
        assert "ztunnel zt-1" in {found.subject for found in topology.contradictions}

    def test_without_a_clear_majority_the_node_stays_unknown(self):
        names = [f"shop/web-6f4dc97cb-swdl{letter}" for letter in "bcd"]
        known = inventory(*(pod(name, "node-a") for name in names[:2]), pod(names[2], "node-b"))
        topology = Topology(known, (), halves(*(seen("src", name, None, "zt-1", 1) for name in names)))
        assert topology.ztunnels()["zt-1"][0] is None


class TestTime:
    def test_a_stateful_pod_that_moved_is_followed_by_the_log(self):
        lines = halves(
            seen("dst", "data/db-0", "10.0.0.1", "zt-1", 0, 100), seen("dst", "data/db-0", "10.0.1.1", "zt-2", 200, 300)
        )
        facts = [fact("local_node", 0, "zt-1", node="a"), fact("local_node", 0, "zt-2", node="b")]
        topology = Topology(None, facts, lines)
        assert where(topology, "data/db-0", 50) == ("a", "other lines")
        assert where(topology, "data/db-0", 250) == ("b", "other lines")
        # between the two sightings it is unknown
        assert where(topology, "data/db-0", 150) == (None, None)
        assert topology.contradictions == ()

    def test_start_times_say_which_pod_of_a_name_it_was(self):
        known = inventory(
            pod("data/db-0", "a", "10.0.0.1", start=0, uid="1", captured=100),
            pod("data/db-0", "b", "10.0.1.1", start=200, uid="2", captured=400),
        )
        topology = Topology(known)
        assert [where(topology, "data/db-0", t)[0] for t in (-50, 50, 150, 250, 500)] == [None, "a", "a", "b", "b"]
        assert topology.contradictions == ()

    def test_a_snapshot_does_not_reach_back_before_its_pod_started(self):
        topology = Topology(inventory(pod("data/db-0", "b", "10.0.1.1", start=200)))
        assert where(topology, "data/db-0", 100) == (None, None)
        assert address(topology, "10.0.1.1", 100) == (None, None)
        assert address(topology, "10.0.1.1", 201) == ("b", "db-0")

    def test_clocks_may_differ_a_little(self):
        topology = Topology(inventory(pod("data/db-0", "b", "10.0.1.1", start=200)))
        assert address(topology, "10.0.1.1", 197) == ("b", "db-0")

    def test_two_snapshots_are_valid_around_their_own_time(self):
        known = inventory(
            pod("data/db-0", "a", "10.0.0.1", file="monday.txt", captured=0),
            pod("data/db-0", "b", "10.0.0.1", file="tuesday.txt", captured=86400),
        )
        topology = Topology(known)
        assert [where(topology, "data/db-0", t)[0] for t in (-1000, 0, 3600, 86400, 90000)] == [
            "a",
            "a",
            None,
            "b",
            "b",
        ]
        assert topology.contradictions == ()

    def test_files_taken_at_one_moment_that_disagree_settle_nothing(self):
        known = inventory(
            pod("data/db-0", "a", "10.0.0.1", file="one.txt", captured=0),
            pod("data/db-0", "b", "10.0.0.1", file="two.txt", captured=1),
        )
        topology = Topology(known)
        assert where(topology, "data/db-0", 0) == (None, None)
        assert [found.subject for found in topology.contradictions] == ["address 10.0.0.1"]

    def test_a_pod_known_to_run_beats_a_line_of_another_place(self):
        """The inventory surely holds at that moment: it started before and was there when the file was taken."""
        known = inventory(pod("data/db-0", "a", "10.0.0.1", start=0, captured=1000))
        facts = [fact("local_node", 0, "zt-2", node="b")]
        topology = Topology(known, facts, halves(seen("dst", "data/db-0", "10.0.0.1", "zt-2", 50, 150)))
        assert where(topology, "data/db-0", 100) == ("a", "inventory pod name")
        assert [found.subject for found in topology.contradictions] == ["pod data/db-0"]

    def test_an_undated_table_comes_after_the_word_of_the_moment(self):
        known = inventory(pod("data/db-0", "a", "10.0.0.1"))
        facts = [fact("local_node", 0, "zt-2", node="b")]
        topology = Topology(known, facts, halves(seen("dst", "data/db-0", "10.0.0.1", "zt-2", 50, 150)))
        assert where(topology, "data/db-0", 100) == ("b", "other lines")
        assert where(topology, "data/db-0", 500) == ("a", "inventory pod name")

    def test_an_old_snapshot_is_not_known_to_hold_later(self):
        known = inventory(pod("data/db-0", "a", "10.0.0.1", start=0, captured=20))
        facts = [fact("local_node", 0, "zt-2", node="b")]
        topology = Topology(known, facts, halves(seen("dst", "data/db-0", "10.0.0.1", "zt-2", 50, 150)))
        assert [where(topology, "data/db-0", t)[0] for t in (10, 100, 200)] == ["a", "b", "a"]

    def test_a_failed_pod_gave_its_name_to_a_running_one(self):
        known = inventory(
            pod("data/db-0", "a", "10.0.0.1", phase="Failed", uid="1"),
            pod("data/db-0", "b", "10.0.0.2", phase="Running", uid="2"),
        )
        assert where(Topology(known), "data/db-0", 5)[0] == "b"

    def test_a_pod_that_was_kept_did_not_leave(self):
        facts = [
            fact("local_node", 0, "zt-1", node="a"),
            fact("pod_here", 0, "zt-1", namespace="data", name="db-0", uid="u1"),
            fact("pod_gone", 50, "zt-1", uid="u1"),
            fact("pod_kept", 100, "zt-1", uid="u1"),
        ]
        assert where(Topology(None, facts), "data/db-0", 200)[0] == "a"

    def test_lines_need_not_come_in_order_of_time(self):
        facts = [fact("local_node", 0, "zt-1", node="a"), fact("local_node", 0, "zt-2", node="b")]
        lines = halves(
            seen("dst", "data/db-0", "10.0.0.1", "zt-1", 50, 100, 0),
            seen("dst", "data/db-0", "10.0.0.1", "zt-2", 300, 200),
        )
        topology = Topology(None, facts, lines)
        assert [where(topology, "data/db-0", t)[0] for t in (0, 100, 150, 200, 300)] == ["a", "a", None, "b", "b"]

    def test_start_up_lines_bound_a_stay(self):
        facts = [
            fact("local_node", 0, "zt-1", node="a"),
            fact("local_node", 0, "zt-2", node="b"),
            fact("pod_here", 0, "zt-1", namespace="data", name="db-0", uid="u1"),
            fact("pod_gone", 100, "zt-1", uid="u1"),
            fact("pod_here", 200, "zt-2", namespace="data", name="db-0", uid="u2"),
        ]
        for order in (facts, facts[::-1]):
            topology = Topology(None, order)
            assert [where(topology, "data/db-0", t)[0] for t in (50, 150, 250)] == ["a", None, "b"]

    def test_a_later_arrival_ends_a_stay_nobody_saw_end(self):
        facts = [
            fact("local_node", 0, "zt-1", node="a"),
            fact("local_node", 0, "zt-2", node="b"),
            fact("pod_here", 0, "zt-1", namespace="data", name="db-0"),
            fact("pod_here", 200, "zt-2", namespace="data", name="db-0"),
        ]
        topology = Topology(None, facts)
        assert [where(topology, "data/db-0", t)[0] for t in (50, 250)] == ["a", "b"]

    def test_uids_alone_are_tied_to_names_by_the_inventory(self):
        known = inventory(pod("data/db-0", None, "10.0.0.1", uid="u1"))
        facts = [fact("local_node", 0, "zt-1", node="a"), fact("pod_here", 0, "zt-1", uid="u1")]
        assert where(Topology(known, facts), "data/db-0", 5) == ("a", "start-up lines")


class TestAddresses:
    def test_a_finished_pod_keeps_an_address_that_is_anothers(self):
        known = inventory(
            pod("shop/migrate-28636900-k2x9q", "a", "10.0.0.1", phase="Succeeded"),
            pod(UNIQUE, "b", "10.0.0.1", phase="Running"),
        )
        assert address(Topology(known), "10.0.0.1", 5) == ("b", "web-6f4dc97cb-swdlb")

    def test_a_finished_pod_alone_places_nothing_by_address(self):
        topology = Topology(inventory(pod("shop/migrate-28636900-k2x9q", "a", "10.0.0.1", phase="Succeeded")))
        assert address(topology, "10.0.0.1", 5) == (None, None)
        assert where(topology, "shop/migrate-28636900-k2x9q")[0] == "a"

    def test_known_times_tell_who_had_a_reused_address(self):
        known = inventory(
            pod("shop/migrate-28636900-k2x9q", "a", "10.0.0.1", phase="Succeeded", start=0, end=100),
            pod(UNIQUE, "b", "10.0.0.1", phase="Running", start=200),
        )
        topology = Topology(known)
        assert [address(topology, "10.0.0.1", t)[0] for t in (50, 150, 250)] == ["a", None, "b"]
        assert topology.contradictions == ()

    def test_host_network_pods_share_their_nodes_address(self):
        """The address gives the node, never the pod."""
        by_flag = inventory(pod("kube-system/kube-proxy-7n8bq", "a", "172.18.0.3", host_network=True))
        by_sharing = inventory(
            pod("kube-system/kube-proxy-7n8bq", "a", "172.18.0.3"), pod("kube-system/kindnet-x5k2v", "a", "172.18.0.3")
        )
        by_node = inventory(pod("kube-system/kube-proxy-7n8bq", "a", "172.18.0.3"), node("a", "172.18.0.3"))
        by_host_ip = inventory(pod("kube-system/kube-proxy-7n8bq", "a", "172.18.0.3", host_ip="172.18.0.3"))
        for known in (by_flag, by_sharing, by_node, by_host_ip):
            assert address(Topology(known), "172.18.0.3") == ("a", None)

    def test_two_files_of_one_pod_do_not_make_it_a_host_address(self):
        known = inventory(pod(UNIQUE, "a", "10.0.0.1", file="1"), pod(UNIQUE, "a", "10.0.0.1", file="2"))
        assert address(Topology(known), "10.0.0.1") == ("a", "web-6f4dc97cb-swdlb")

    def test_several_addresses_and_both_families(self):
        topology = Topology(inventory(pod(UNIQUE, "a", "10.0.0.1", "fd00::a")))
        assert address(topology, "10.0.0.1") == address(topology, "FD00:0::A") == ("a", "web-6f4dc97cb-swdlb")

    def test_a_second_file_adds_the_other_family(self):
        known = inventory(pod(UNIQUE, "a", "10.0.0.1", file="1"), pod(UNIQUE, "a", "fd00::a", file="2"))
        assert address(Topology(known), "fd00::a") == ("a", "web-6f4dc97cb-swdlb")

    def test_an_address_of_two_live_pods_is_a_contradiction(self):
        known = inventory(pod("one/a", "a", "10.0.0.1"), pod("two/b", "b", "10.0.0.1"))
        topology = Topology(known)
        assert address(topology, "10.0.0.1", 5) == (None, None)
        assert [found.subject for found in topology.contradictions] == ["address 10.0.0.1"]
        assert "one/a on a (kubectl table, pods.txt)" in topology.contradictions[0].statements

    def test_the_log_teaches_addresses(self):
        topology = Topology(
            None, [fact("local_node", 0, "zt-1", node="a")], halves(seen("src", UNIQUE, "fd00::a", "zt-1", 5))
        )
        assert address(topology, "fd00::a", 50) == ("a", "web-6f4dc97cb-swdlb")

    def test_pods_of_two_days_that_shared_an_address_are_not_host_network(self):
        known = inventory(
            pod("shop/web-6f4dc97cb-swdlb", "a", "10.0.0.1", file="monday.txt", captured=0),
            pod("shop/cart-5f4d8b7c9-l2n4p", "a", "10.0.0.1", file="tuesday.txt", captured=86400),
        )
        topology = Topology(known)
        assert address(topology, "10.0.0.1", 0) == ("a", "web-6f4dc97cb-swdlb")
        assert address(topology, "10.0.0.1", 90000) == ("a", "cart-5f4d8b7c9-l2n4p")

    def test_one_address_in_two_clusters(self):
        known = inventory(
            pod("shop/web-6f4dc97cb-swdlb", "a", "10.0.0.1", cluster="east"),
            pod("data/db-0", "b", "10.0.0.1", cluster="west"),
        )
        topology = Topology(known)
        assert topology.contradictions == ()
        assert address(topology, "10.0.0.1", 5) == (None, None)


class TestZones:
    def test_a_nodes_zone_is_its_pods(self):
        topology = Topology(inventory(pod(UNIQUE, "a", "10.0.0.1"), node("a", zone="z1")))
        assert topology.pod("shop", "web-6f4dc97cb-swdlb").zone == "z1"

    def test_a_pods_own_zone_where_its_node_has_none(self):
        topology = Topology(inventory(pod(UNIQUE, None, "10.0.0.1", zone="z1")))
        assert topology.at("10.0.0.1").zone == "z1"

    def test_two_zones_of_one_node_are_a_contradiction(self):
        topology = Topology(inventory(node("a", zone="z1"), node("a", zone="z2"), pod(UNIQUE, "a")))
        assert topology.pod("shop", "web-6f4dc97cb-swdlb").zone is None
        assert [found.subject for found in topology.contradictions] == ["zone of node a"]


class TestOwners:
    def test_a_stated_owner_then_the_pattern_then_the_name(self):
        topology = Topology(inventory(pod("shop/thing-6f4dc97cb-swdlb", "a", owner_kind="Rollout", owner="stuff")))
        assert topology.owner_of("shop", "thing-6f4dc97cb-swdlb") == ("stuff", "owner")
        assert topology.owner_of("shop", "web-6f4dc97cb-swdlb") == ("web", "name pattern")
        assert topology.owner_of("shop", "sleep") == ("sleep", "as logged")
        assert topology.owners() == {"shop/thing-6f4dc97cb-swdlb": "stuff"}


class TestTablesWithoutNamespace:
    def test_generated_names_need_none(self):
        assert where(Topology(inventory(pod("web-6f4dc97cb-swdlb", "a", "10.0.0.1"))), UNIQUE)[0] == "a"

    def test_other_names_need_their_address(self):
        topology = Topology(inventory(pod("db-0", "a", "10.0.0.1")))
        assert where(topology, "data/db-0", 5) == (None, None)
        assert address(topology, "10.0.0.1", 5)[0] == "a"

    def test_they_join_what_another_file_says(self):
        known = inventory(
            pod("db-0", "a", "10.0.0.1"), pod("data/db-0", None, "10.0.0.1"), pod("other/db-0", None, "10.0.0.2")
        )
        topology = Topology(known)
        assert where(topology, "data/db-0", 5)[0] == "a"
        assert where(topology, "other/db-0", 5)[0] is None


def test_what_is_learnt_does_not_depend_on_the_cut():
    lines = halves(
        seen("src", UNIQUE, "10.0.0.1", "zt-1", 1, 5, 9), seen("dst", "data/db-0", "10.0.0.2", "zt-2", 2, 6),
        seen("dst", "data/db-0", "10.0.0.3", "zt-1", 20, 21), seen("src", None, "10.0.0.9", "zt-2", 3),
    )  # fmt: skip
    facts = [fact("local_node", 0, "zt-1", node="a"), fact("local_node", 0, "zt-2", node="b")]
    whole = Topology(None, facts, lines)
    for size in (1, 2, 3):
        pieces = Topology(None)
        for start in range(lines.num_rows - size, -size, -size):
            pieces.learn((), lines.slice(max(start, 0), size + min(start, 0)))
            pieces.pod("data", "db-0", at(3))
        pieces.learn(facts)
        for name in (UNIQUE, "data/db-0"):
            for seconds in (0, 2, 4, 6, 10, 20, 22):
                assert where(pieces, name, seconds) == where(whole, name, seconds)
        assert address(pieces, "10.0.0.9", 3) == address(whole, "10.0.0.9", 3) == ("b", None)


def test_more_evidence_changes_earlier_answers():
    topology = Topology(None, (), halves(seen("src", UNIQUE, "10.0.0.1", "zt-1", 1)))
    assert where(topology, UNIQUE) == (None, "other lines")
    topology.learn([fact("local_node", 0, "zt-1", node="a")])
    assert where(topology, UNIQUE) == ("a", "other lines")


def test_times_are_microseconds():
    assert at(1) - at(0) == SECOND
