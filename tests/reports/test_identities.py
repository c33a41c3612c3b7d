"""Identities that several workloads share."""

from __future__ import annotations

from flows_by_hand import flow, table

from ztflow.model.tables import Flows
from ztflow.reports import identities, top

DEFAULT = "spiffe://cluster.local/ns/shop/sa/default"
DB = "spiffe://cluster.local/ns/data/sa/db"
SHARED = Flows(
    table(
        flow(src_identity=DEFAULT, dst_identity=DB),
        flow(src_identity=DEFAULT, src_pod="shop/cart-0", dst_identity=DB, dst_pod="data/db-0"),
        flow(src_identity=DEFAULT, src_pod="shop/cart-0", dst_identity=DEFAULT, dst_pod="shop/web-0"),
        *[flow(src_identity="x/sa/job", src_pod=f"a/{name}-0", dst_identity=None) for name in ("b", "c", "d")],
        flow(src_identity=DB, src_pod=None, src_name=None, src_namespace=None),
    )
)


def test_default_is_first_then_the_most_shared():
    made = identities(SHARED)
    assert [(one.identity, one.workloads, one.flows) for one in made.shared] == [
        (DEFAULT, ("shop/cart", "shop/web"), 3), ("x/sa/job", ("a/b", "a/c", "a/d"), 3),
    ]  # fmt: skip
    assert (made.identities, made.findings) == (3, 2)
    assert made.shared[0].service_account == "default"


def test_an_address_is_no_workload_and_top_shows_the_same():
    assert DB not in [one.identity for one in identities(SHARED).shared]
    shown = [table.title for table in top(SHARED, "identity").tables()]
    assert shown == ["Identities", "Identities of more than one workload"]
    assert len(top(SHARED, "pod").tables()) == 1
