"""Labels that select a workload: stated, shared by its pods, and still there after the next release."""

from __future__ import annotations

import pytest
from kinds_by_hand import CART, DB, WEB, inventory, pod

from ztflow.place import read_inventory
from ztflow.policy.advice.reasons import Reason
from ztflow.policy.advice.seen import End
from ztflow.policy.advice.selectors import Selectors, lasts


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("pod-template-hash", "6f4dc97cb"), ("controller-revision-hash", "web-7d9"), ("version", "v1"),
        ("app.kubernetes.io/version", "1.2.3"), ("helm.sh/chart", "web-1.2.3"), ("chart", "web"), ("git-sha", "x"),
        ("istio.io/rev", "stable"), ("service.istio.io/canonical-revision", "v1"), ("topology.kubernetes.io/zone", "a"),
        ("statefulset.kubernetes.io/pod-name", "db-0"), ("apps.kubernetes.io/pod-index", "0"), ("release", "1.2.3"),
        ("batch.kubernetes.io/controller-uid", "x"), ("job-name", "x"), ("commit", "x"), ("track", "20240611"),
        ("rollouts-pod-template-hash", "x"), ("security.istio.io/tlsMode", "istio"), ("app", "6f4dc97cb1a"),
        ("app", ""), ("app", "a b"), ("a b", "x"), ("app", "x\n"), ("app", "-x"), ("app", "x" * 64),
        ("app.kubernetes.io/managed-by", "Helm"), ("pod-template-generation", "3"),
    ],
)  # fmt: skip
def test_labels_that_do_not_last(key, value):
    assert not lasts(key, value)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("app", "web"), ("k8s-app", "kube-dns"), ("app.kubernetes.io/name", "web"), ("team", "payments"),
        ("app.kubernetes.io/instance", "prod"), ("tier", "backend"), ("conversion", "yes"), ("release", "prod"),
        ("example.com/component", "api"), ("app", "reviews-v2"),
    ],
)  # fmt: skip
def test_labels_that_last(key, value):
    assert lasts(key, value)


def test_the_recommended_labels_come_first():
    labels = {"app.kubernetes.io/name": "db", "app.kubernetes.io/instance": "prod", "team": "x", "version": "v1"}
    found = Selectors(inventory(pod(DB, labels=labels))).of(DB)
    assert found == {"app.kubernetes.io/name": "db", "app.kubernetes.io/instance": "prod"}


def test_what_distinguishes_is_taken_where_the_first_choice_does_not():
    twin = pod(CART._replace(id="data/cache"), labels={"app": "db", "role": "cache"})
    found = Selectors(inventory(pod(DB, labels={"role": "main"}), twin)).of(DB)
    assert found == {"app": "db", "role": "main"}


def test_only_what_all_pods_share():
    pods = [pod(DB, 1, labels={"app": None, "role": "a"}), pod(DB, 2, labels={"app": None, "role": "b"})]
    assert Selectors(inventory(*pods)).of(DB) is Reason.SELECTOR_NOT_UNIQUE


def test_versions_of_a_workload_are_selected_together():
    pods = [pod(DB, owner=f"db-{version}", labels={"version": version}) for version in ("v1", "v2")]
    selectors = Selectors(inventory(*pods))
    first, second = (End(f"data/db-{version}", is_workload=True) for version in ("v1", "v2"))
    assert selectors.whole(first) == selectors.whole(second) == DB
    assert selectors.of(first) == selectors.of(DB) == {"app": "db"}


def test_a_name_alone_joins_nothing():
    pods = [pod(DB, owner="db-v1"), pod(DB, owner="db-v2")]
    assert Selectors(inventory(*pods)).of(End("data/db-v1", is_workload=True)) is Reason.SELECTOR_NOT_UNIQUE


@pytest.mark.parametrize(
    "label", [("gateway.istio.io/managed", "istio.io-mesh-controller"), ("istio", "ingressgateway")]
)
def test_gateways_say_so(label):
    selectors = Selectors(inventory(pod(WEB, labels=dict([label])), pod(CART, labels={"istio": "pilot"})))
    assert (selectors.is_gateway(WEB), selectors.is_gateway(CART), selectors.is_gateway(DB)) == (True, False, False)


def test_labels_of_a_table_that_shows_them(tmp_path):
    table = (
        "NAMESPACE  NAME                  READY  STATUS   RESTARTS  AGE  IP         NODE    LABELS\n"
        "data       db-6f4dc97cb-swdlb    1/1    Running  0         3h   10.0.2.1   node-b  app=db,pod-template-hash=6f4dc97cb\n"
    )
    (tmp_path / "pods.txt").write_text(table)
    assert Selectors(read_inventory(tmp_path / "pods.txt")).of(DB) == {"app": "db"}
