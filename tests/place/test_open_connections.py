"""Halves whose partner a dump shows open."""

import json

import pytest
from places_by_hand import at, flow, flows, inventory, pod

from ztflow.place import Evidence, OpenConnection, Topology, place_flows
from ztflow.place.inventory.files import parse_inventory

WEB = "shop/web-6f4dc97cb-swdlb"
DB = "data/db-0"
PODS = (pod(WEB, "a", "10.0.1.1", "fd00::1"), pod(DB, "b", "10.0.2.2"))


def reasons(connections, *rows, services=()):
    known = inventory(*PODS)
    known.connections.extend(connections)
    known.services.extend(services)
    return [row["unpaired_reason"] for row in place_flows(flows(*rows), Topology(known)).to_pylist()]


def outbound_only(reason="partner_missing", port=5432, **more):
    return (
        flow(
            1, WEB, "10.0.1.1", DB, "10.0.2.2", out="-", hbone_host="10.0.2.2", hbone_port=port, unpaired_reason=reason
        )
        | more
    )


def inbound_only(reason="partner_missing", port=5432, **more):
    return (
        flow(
            1, WEB, "10.0.1.1", DB, "10.0.2.2", inn="-", hbone_host="10.0.2.2", hbone_port=port, unpaired_reason=reason
        )
        | more
    )


SERVING = OpenConnection("data", "db-0", "inbound", "10.0.1.1:41000", None, "10.0.2.2:5432")
DIALLING = OpenConnection(
    "shop", "web-6f4dc97cb-swdlb", "outbound", "10.0.1.1:50000", "10.0.2.2:5432", "10.0.2.2:15008"
)


def test_the_server_side_is_open():
    assert reasons([SERVING], outbound_only()) == ["still_open"]
    assert reasons([SERVING], outbound_only(port=9999)) == ["partner_missing"]
    assert reasons([SERVING], inbound_only()) == ["partner_missing"]
    assert reasons([], outbound_only()) == ["partner_missing"]


def test_the_client_side_is_open():
    assert reasons([DIALLING], inbound_only()) == ["still_open"]
    assert reasons([DIALLING], inbound_only(port=9999)) == ["partner_missing"]
    assert reasons([DIALLING], outbound_only()) == ["partner_missing"]


@pytest.mark.parametrize("reason", ["plaintext", "early_denial", "waypoint_hop", "evicted"])
def test_other_reasons_stand(reason):
    assert reasons([SERVING], outbound_only(reason)) == [reason]


def test_a_missing_log_is_explained_too():
    assert reasons([SERVING], outbound_only("destination_not_captured"), outbound_only(None)) == [
        "destination_not_captured",
        None,
    ]
    assert (
        reasons([SERVING, SERVING], outbound_only("destination_not_captured"), outbound_only(None))
        == ["still_open"] * 2
    )


def test_what_was_open_before_the_half_ended_may_have_closed_since():
    """In a live run the dump is older than the lines."""
    before, after = (SERVING._replace(evidence=Evidence("dump", "ztunnel dump", None, at(t))) for t in (0, 2))
    assert reasons([before], outbound_only()) == ["partner_missing"]
    assert reasons([after], outbound_only()) == ["still_open"]
    assert reasons([before, after], outbound_only()) == ["partner_missing"]


def test_which_of_several_is_open_cannot_be_told():
    assert reasons([SERVING], outbound_only(), outbound_only()) == ["partner_missing"] * 2


def test_a_service_maps_its_port(parsed):
    dump = parsed(
        json.dumps(
            {
                "workloads": [],
                "services": [
                    {
                        "name": "db", "namespace": "data", "hostname": "db.data.svc.cluster.local", "vips": ["/10.96.0.1"],
                        "ports": {"80": 0}, "endpoints": {"x": {"workloadUid": "K//Pod/data/db-0", "port": {"80": 5432}}},
                    }
                ],
            }
        )
    )  # fmt: skip
    for asked in ("10.96.0.1:80", "db.data.svc.cluster.local:80"):
        connection = DIALLING._replace(original_dst=asked)
        assert reasons([connection], inbound_only(), services=dump.services) == ["still_open"]
        assert reasons([connection], inbound_only(port=9999), services=dump.services) == ["partner_missing"]
    unknown = DIALLING._replace(original_dst="10.96.0.9:80")
    assert reasons([unknown], inbound_only()) == ["still_open"]


def test_istioctl_names_pods_instead_of_addresses():
    table = (
        "WORKLOAD                 DIRECTION LOCAL                          REMOTE                             REMOTE TARGET PROTOCOL\n"
        "db-0.data                Inbound   db-0.data:5432                 web-6f4dc97cb-swdlb.shop:41238     db.data       HBONE\n"
    )
    known = inventory(*PODS)
    assert parse_inventory(table, "given.txt", known)
    row = place_flows(flows(outbound_only()), Topology(known)).to_pylist()[0]
    assert row["unpaired_reason"] == "still_open"


def test_both_families_of_a_pod_are_the_same_end():
    connection = SERVING._replace(src="[fd00::1]:41000")
    assert reasons([connection], outbound_only(src_ip="10.0.1.1")) == ["still_open"]


def test_lines_without_a_port_or_address_are_left_alone():
    assert reasons([SERVING], outbound_only(hbone_port=None), outbound_only(src_ip=None)) == ["partner_missing"] * 2
