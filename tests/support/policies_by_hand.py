"""Policies and connections made by hand."""

from __future__ import annotations

from typing import Any

import yaml
from flows_by_hand import PLAIN, flow, table

from ztflow.model.tables import Flows
from ztflow.place.inventory.facts import Inventory, PodFact
from ztflow.policy import Decision, Mesh, PolicySet, Workloads, convert, evaluate

WEB, CART = "spiffe://cluster.local/ns/shop/sa/web", "spiffe://cluster.local/ns/shop/sa/cart"
PROBER = "spiffe://cluster.local/ns/monitoring/sa/prober"


def documents(text: str) -> list[dict[str, Any]]:
    """The documents of a YAML text."""
    return [document for document in yaml.safe_load_all(text) if document is not None]


def authorization(rules: str = "", *, namespace: str = "data", name: str = "p", **spec: Any) -> dict[str, Any]:
    """An AuthorizationPolicy with these rules (YAML of a list)."""
    annotations = {key: spec.pop(key) for key in list(spec) if "/" in key}
    body = {**spec, **({"rules": yaml.safe_load(rules)} if rules else {})}
    return {
        "apiVersion": "security.istio.io/v1",
        "kind": "AuthorizationPolicy",
        "metadata": {"name": name, "namespace": namespace, "annotations": annotations},
        "spec": body,
    }


def peer(mode: str | None = None, *, namespace: str = "data", name: str = "pa", **spec: Any) -> dict[str, Any]:
    """A PeerAuthentication."""
    created = spec.pop("created", None)
    return {
        "apiVersion": "security.istio.io/v1",
        "kind": "PeerAuthentication",
        "metadata": {"name": name, "namespace": namespace, **({"creationTimestamp": created} if created else {})},
        "spec": {**({"mtls": {"mode": mode}} if mode else {}), **spec},
    }


def converted(*made: dict[str, Any], **mesh: Any) -> PolicySet:
    """What ztunnel gets for these documents."""
    return convert(made, Mesh(**mesh))


def pods(**labels: dict[str, str] | None) -> Workloads:
    """Pods of namespace `data` (or `namespace__name`) with their labels; underscores in names stand for hyphens."""
    facts = []
    for name, one in labels.items():
        namespace, _, pod = name.rpartition("__")
        facts.append(
            PodFact(
                namespace or "data", pod.replace("_", "-"), labels=None if one is None else tuple(sorted(one.items()))
            )
        )
    return Workloads(Inventory(pods=facts))


def decided(policies: PolicySet, workloads: Workloads | None = None, **values: Any) -> Decision:
    """What policies make of one connection to `data/db-0` on port 5432; keywords as for `flows_by_hand.flow`."""
    row = flow(**{"dst_name": "db-0", "dst_pod": "data/db-0", **values})
    found = evaluate(policies, Flows(table(row)), workloads)
    return found.decisions[found.codes[0]]


def verdict(policies: PolicySet, workloads: Workloads | None = None, **values: Any) -> str:
    """The outcome of `decided`."""
    return decided(policies, workloads, **values).outcome.value


def plain(**values: Any) -> dict[str, Any]:
    """Columns of a connection without a tunnel, as the server's ztunnel logs it."""
    return {
        **PLAIN, "src_identity": None, "dst_port": 5432, "paired": "inbound_only", "unpaired_reason": "plaintext",
        "outbound_line": None, **values,
    }  # fmt: skip
