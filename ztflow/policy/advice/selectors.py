"""Which labels select a workload's pods: those an inventory states, that all its pods share and that outlive a release.

Nothing is guessed from names. Labels that change with a release, a replica or a node (hashes, versions, revisions) are
left out: a selector with one would not take in the next version of the workload, which would then run without a policy.

Source: kubernetes api core/v1 and apps/v1 (labels controllers add); kubernetes.io/docs "Recommended Labels"; istio.io
"Pod and service labels".
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import TypeAlias

from ztflow.place import Inventory
from ztflow.place.register import Register
from ztflow.policy.advice.reasons import Reason
from ztflow.policy.advice.seen import End
from ztflow.text.patterns import lazy_pattern

Labels: TypeAlias = dict[str, str]

_PASSING_KEY = lazy_pattern(
    r"(?:^|[-_.])(?:version|revision|rev|hash|commit|sha|uid|generation|index|chart|build|timestamp|date|tag|release-time"
    r"|pod-name|job-name|completion-index|heritage|managed-by|restarted-?at)(?:$|[-_.])",
    re.IGNORECASE,
)
_PASSING_PREFIX = lazy_pattern(
    r"(?:[\w.-]*\.)?istio\.io|topology\.kubernetes\.io|statefulset\.kubernetes\.io|batch\.kubernetes\.io"
    r"|apps\.kubernetes\.io|helm\.sh"
)
_PASSING_VALUE = lazy_pattern(r"v?\d+(?:\.\d+)+(?:[-_+.].*)?|v\d+(?:(?:alpha|beta)\d+)?|[0-9a-f]{7,64}|\d{8,}")
_KEY = lazy_pattern(r"(?:[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?/)?[A-Za-z0-9](?:[A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?")
_VALUE = lazy_pattern(r"[A-Za-z0-9](?:[A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?")

_NAMING = (
    ("app.kubernetes.io/name", "app.kubernetes.io/instance", "app.kubernetes.io/component"),
    ("app",),
    ("k8s-app",),
)
"""Labels that say what a workload is, the recommended ones first."""

_GATEWAY = {"gateway.networking.k8s.io/gateway-name", "gateway.istio.io/managed", "istio.io/gateway-name"}
"""Labels of pods istiod makes for a Gateway, a waypoint's too."""
_GATEWAY_CHART = lazy_pattern(r"(?:ingress|egress|eastwest)gateway")
"""`istio: ingressgateway`, as the gateway chart and istioctl label their pods."""


def lasts(key: str, value: str) -> bool:
    """Whether a label says what a workload is, and not which release, replica or place of it this is."""
    prefix, slash, name = key.rpartition("/")
    return (
        _KEY.fullmatch(key) is not None
        and _VALUE.fullmatch(value) is not None
        and _PASSING_KEY.search(name) is None
        and not (slash and _PASSING_PREFIX.fullmatch(prefix))
        and _PASSING_VALUE.fullmatch(value) is None
    )


class Selectors:
    """The labels that select each workload, of what an inventory states.

    Args:
        inventory: Pods with labels (`kubectl get pods -o json`, `--show-labels`); without labels nothing is selected.
    """

    def __init__(self, inventory: Inventory | None) -> None:
        self._pods: defaultdict[str, defaultdict[str, list[Labels]]] = defaultdict(lambda: defaultdict(list))
        self._whole: dict[str, str] = {}
        self._members: defaultdict[str, list[str]] = defaultdict(list)
        self._accounts: defaultdict[tuple[str, str], set[str]] = defaultdict(set)
        self.node_addresses: frozenset[str] = frozenset()
        """Addresses of nodes."""
        self.namespaces: dict[str, set[str]] = {}
        """Workloads of each namespace."""
        if inventory is None:
            return
        register = Register(inventory)
        self.node_addresses = frozenset(register.node_of_ip)
        for (namespace, name), pods in register.pods.items():
            if namespace is None:
                continue
            owner, _ = register.owner_of(namespace, name)
            self.namespaces.setdefault(namespace, set()).add(owner)
            self._members[f"{namespace}/{owner}"].append(f"{namespace}/{name}")
            for pod in pods:
                if pod.labels is not None:
                    labels = dict(pod.labels)
                    whole = _without_version(owner, labels)
                    self._whole[f"{namespace}/{owner}"] = whole
                    self._pods[namespace][whole].append(labels)
                if pod.service_account is not None:
                    self._accounts[namespace, pod.service_account].add(owner)

    def whole(self, workload: End) -> End:
        """The workload that one version is of: `shop/reviews` for `shop/reviews-v2`, whose pods say `version: v2`.

        Versions of a workload share every label that lasts, so they can only be selected together.
        """
        name = self._whole.get(workload.id)
        return workload if name is None else End(f"{workload.namespace}/{name}", is_workload=True)

    def of(self, workload: End) -> Labels | Reason:
        """The labels of a selector, or why there is none.

        The first of these that selects no pod of another workload in the namespace: the recommended labels, `app`,
        `k8s-app`, all that last.
        """
        own = self._of_workload(workload)
        if not own:
            return Reason.NO_LABELS
        shared = {key: value for key, value in own[0].items() if all(pod.get(key) == value for pod in own)}
        lasting = {key: value for key, value in sorted(shared.items()) if lasts(key, value)}
        strangers = [pod for pods in self._pods[workload.namespace].values() if pods is not own for pod in pods]
        for selector in _candidates(lasting):
            if not any(selector.items() <= pod.items() for pod in strangers):
                return selector
        return Reason.SELECTOR_NOT_UNIQUE

    def is_gateway(self, workload: End) -> bool:
        """Whether its labels say that it is a gateway or a waypoint."""
        return any(map(_is_gateway, self._of_workload(workload)))

    def pods_of(self, workload: End) -> list[str]:
        """The pods of a workload, of all its versions, as `namespace/name`."""
        owners = [owner for owner in self._members if self.whole(End(owner, is_workload=True)) == self.whole(workload)]
        return [pod for owner in owners for pod in self._members[owner]]

    def _of_workload(self, workload: End) -> list[Labels]:
        others: Mapping[str, list[Labels]] = self._pods.get(workload.namespace, {})
        return others.get(self._whole.get(workload.id, workload.name), [])

    def runs_as(self, namespace: str, account: str) -> set[str]:
        """The workloads an inventory shows to run as a service account, as `namespace/name`."""
        return {f"{namespace}/{owner}" for owner in self._accounts.get((namespace, account), ())}


def _without_version(owner: str, labels: Labels) -> str:
    for key in ("version", "app.kubernetes.io/version"):
        version = labels.get(key)
        if version and owner.endswith(f"-{version}"):
            return owner[: -len(version) - 1] or owner
    return owner


def _candidates(lasting: Labels) -> Iterator[Labels]:
    for keys in _NAMING:
        chosen = _of(lasting, keys)
        if keys[0] in chosen:
            yield chosen
    if lasting:
        yield lasting


def _of(labels: Labels, keys: Iterable[str]) -> Labels:
    return {key: labels[key] for key in keys if key in labels}


def _is_gateway(labels: Mapping[str, str]) -> bool:
    return not _GATEWAY.isdisjoint(labels) or _GATEWAY_CHART.fullmatch(labels.get("istio", "")) is not None
