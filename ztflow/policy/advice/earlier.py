"""What a new capture adds to policies that are there, and what of them it no longer needs.

Only ALLOW policies that ztunnel gets are compared, rule by rule: clients by principal, service account or namespace,
and ports. A rule that asks for anything else is told as not compared.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from typing import Any

from ztflow.errors import UsageError
from ztflow.policy.advice.decide import Draft
from ztflow.policy.advice.seen import End, Tally
from ztflow.policy.advice.selectors import Selectors
from ztflow.policy.convert import ROOT_NAMESPACE
from ztflow.policy.model import TextMatch

_CLIENTS = ("principals", "serviceAccounts", "namespaces")


@dataclass(frozen=True, slots=True)
class Grant:
    """One client on one port that an earlier policy allows.

    Attributes:
        policy: `namespace/name`.
        rule: Number of the rule in it, from 0.
        field: `principals`, `serviceAccounts` or `namespaces`; empty for everybody.
        client: The value.
        port: The port; None for all.
    """

    policy: str
    rule: int
    field: str
    client: str
    port: int | None

    def allows(self, principal: str, port: int) -> bool:
        """Whether it allows a client on a port."""
        if self.port not in {None, port}:
            return False
        _, _, namespace, _, account = principal.split("/")
        match self.field:
            case "principals":
                return TextMatch.parse(self.client).matches(principal)
            case "namespaces":
                return TextMatch.parse(self.client).matches(namespace)
            case "serviceAccounts":
                own = self.policy.partition("/")[0]
                wanted = self.client if "/" in self.client else f"{own}/{self.client}"
                return wanted == f"{namespace}/{account}"
        return True


@dataclass(frozen=True, slots=True)
class Added:
    """A client on a port that no earlier policy allows."""

    workload: str
    source: str
    port: int
    seen: Tally


@dataclass(frozen=True, slots=True)
class Changes:
    """New advice beside earlier policies.

    Attributes:
        added: What they do not allow and the capture needs.
        unneeded: What they allow and the capture does not show, where the capture shows the workload at all.
        unseen: Policies whose workloads the capture has no advice for: nothing can be said of them.
        not_compared: `policy rule`s that ask for more than client and port.
    """

    added: tuple[Added, ...] = ()
    unneeded: tuple[Grant, ...] = ()
    unseen: tuple[str, ...] = ()
    not_compared: tuple[str, ...] = ()


@dataclass(slots=True)
class Earlier:
    """An earlier ALLOW policy."""

    key: str
    namespace: str
    labels: Mapping[str, str]
    grants: list[Grant] = field(default_factory=list)
    not_compared: list[str] = field(default_factory=list)

    def takes_in(self, workload: End, selectors: Selectors, selector: Mapping[str, str]) -> bool:
        """Whether it is attached to a workload."""
        if self.namespace not in {workload.namespace, ROOT_NAMESPACE}:
            return False
        return self.labels.items() <= selector.items() or selectors.selected(workload, self.labels)


def read_earlier(documents: Iterable[Any], file: str) -> list[Earlier]:
    """The ALLOW policies for ztunnel among Kubernetes objects.

    Raises:
        UsageError: There is none.
    """
    found = [_earlier(document) for document in _objects(documents) if _is_wanted(document)]
    if not found:
        raise UsageError(f"--since-policy {file}: no AuthorizationPolicy that allows something; give YAML of policies")
    return found


def compare(drafts: Sequence[Draft], earlier: Sequence[Earlier], selectors: Selectors) -> Changes:
    """What the drafts add to earlier policies, and what they do without."""
    added, needed, judged = list[Added](), set[Grant](), set[str]()
    for draft in drafts:
        attached = [one for one in earlier if one.takes_in(draft.workload, selectors, draft.selector)]
        judged |= {one.key for one in attached}
        grants = [grant for one in attached for grant in one.grants]
        for allowed in draft.allowed:
            fitting = [grant for grant in grants if grant.allows(allowed.source, allowed.port)]
            needed.update(fitting)
            if not fitting:
                added.append(Added(draft.workload.id, allowed.source, allowed.port, allowed.seen))
    return Changes(
        tuple(added),
        tuple(grant for one in earlier if one.key in judged for grant in one.grants if grant not in needed),
        tuple(sorted({one.key for one in earlier} - judged)),
        tuple(text for one in earlier for text in one.not_compared),
    )


def _objects(documents: Iterable[Any]) -> Iterator[dict[str, Any]]:
    for document in documents:
        if isinstance(document, dict):
            listed = document.get("items")
            yield from _objects(listed) if isinstance(listed, list) else [document]


def _dict(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _is_wanted(document: Mapping[str, Any]) -> bool:
    spec = _dict(document.get("spec"))
    bound = "targetRef" in spec or "targetRefs" in spec
    return document.get("kind") == "AuthorizationPolicy" and spec.get("action", "ALLOW") == "ALLOW" and not bound


def _earlier(document: Mapping[str, Any]) -> Earlier:
    meta, spec = _dict(document.get("metadata")), _dict(document.get("spec"))
    namespace = str(meta.get("namespace") or "default")
    labels = _dict(_dict(spec.get("selector")).get("matchLabels"))
    made = Earlier(f"{namespace}/{meta.get('name')}", namespace, {str(key): str(labels[key]) for key in labels})
    for number, rule in enumerate(map(_dict, _list(spec.get("rules")))):
        grants = _grants(made.key, number, rule)
        if grants is None:
            made.not_compared.append(f"{made.key} rule {number + 1}")
        else:
            made.grants += grants
    return made


def _grants(policy: str, number: int, rule: Mapping[str, Any]) -> list[Grant] | None:
    """Every client and port of a rule; None where it asks for more."""
    sources = [_dict(_dict(one).get("source")) for one in _list(rule.get("from"))]
    operations = [_dict(_dict(one).get("operation")) for one in _list(rule.get("to"))]
    plain = all(len(one) == 1 and next(iter(one)) in _CLIENTS for one in sources)
    if rule.get("when") or not plain or any(set(one) != {"ports"} for one in operations):
        return None
    clients = [(name, str(value)) for one in sources for name, values in one.items() for value in _list(values)]
    texts = [str(port) for one in operations for port in _list(one["ports"])]
    ports: list[int | None] = [int(text) for text in texts if text.isdigit()]
    return [
        Grant(policy, number, name, client, port)
        for (name, client), port in product(clients or [("", "")], ports or [None])
    ]
