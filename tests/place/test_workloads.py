"""The workload of a flow's ends: a stated owner, else what the column holds, else what the pattern of the name tells."""

from __future__ import annotations

import pyarrow as pa
import pytest
from flows_by_hand import flow, table
from places_by_hand import flow as placed_flow
from places_by_hand import flows, inventory, pod

from ztflow.model.tables import FLOWS_SCHEMA
from ztflow.place import Topology, place_flows
from ztflow.place.placement import with_workloads

OWNERS = {"shop/web-6f4dc97cb-swdlb": "front", "shop/named": "front"}


@pytest.mark.parametrize(
    ("end", "owners", "workload"),
    [
        ({"src_pod": "shop/web-6f4dc97cb-swdlb"}, {}, "web"),
        ({"src_pod": "shop/web-6f4dc97cb-swdlb"}, OWNERS, "front"),
        ({"src_pod": "shop/web-6f4dc97cb-swdlb", "src_workload": "held"}, {}, "held"),
        ({"src_pod": "shop/web-6f4dc97cb-swdlb", "src_workload": "held"}, OWNERS, "front"),
        ({"src_pod": None, "src_namespace": "shop", "src_name": "named"}, OWNERS, "front"),
        ({"src_pod": None, "src_namespace": "other", "src_name": "named"}, OWNERS, "named"),
        ({"src_pod": None, "src_namespace": None, "src_name": "db-0"}, OWNERS, "db"),
        ({"src_pod": "shop/named", "src_name": "gateway-1"}, {}, "named"),
        ({"src_pod": None, "src_name": None}, OWNERS, None),
        ({"src_pod": None, "src_name": ""}, OWNERS, None),
    ],
)
def test_one_end(end, owners, workload):
    rows = table(flow(**{"src_workload": None} | end), flow(1, src_workload=None))
    made = with_workloads(rows, owners)
    assert made["src_workload"].to_pylist() == [workload, "web"]
    assert made.schema == FLOWS_SCHEMA
    assert made.drop_columns(["src_workload"]).equals(rows.drop_columns(["src_workload"]))


def test_rows_in_several_chunks_with_dictionaries_of_their_own():
    parts = [table(flow(n, src_name=f"web-{n}", src_workload=None)) for n in range(3)]
    assert with_workloads(pa.concat_tables(parts), {"shop/web-1": "own"})["src_workload"].to_pylist() == [
        "web",
        "own",
        "web",
    ]


def test_placing_fills_both_ends():
    stated = inventory(pod("shop/web-6f4dc97cb-swdlb", "node-a", "10.0.1.1", owner="front"))
    rows = flows(placed_flow(1, "shop/web-6f4dc97cb-swdlb", "10.0.1.1", "data/db-0", "10.0.2.1", out="zt-1"))
    (row,) = place_flows(rows, Topology(stated)).to_pylist()
    assert (row["src_workload"], row["dst_workload"]) == ("front", "db")
    assert (row["src_name"], row["dst_name"]) == ("web-6f4dc97cb-swdlb", "db-0")
