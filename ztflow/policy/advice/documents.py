"""The Kubernetes objects of an advice, each with the comments that go beside its parts.

Source: istio.io/api `security/v1` (AuthorizationPolicy, PeerAuthentication); kubernetes api networking/v1
(NetworkPolicy); istio.io ambient/usage/networkpolicy (port 15008, the address of probes).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from typing import Any, NamedTuple, TypeAlias

from ztflow.policy.advice.decide import Allowed, Draft
from ztflow.policy.advice.judge import PROBE_ADDRESSES, TUNNEL_PORT
from ztflow.policy.advice.seen import Seen, Tally, total
from ztflow.policy.advice.selectors import Labels
from ztflow.text.format import counted, duration_text, share_text, time_text

Path: TypeAlias = tuple[str | int, ...]
Remarks: TypeAlias = Mapping[Path, Sequence[str]]

_NAMESPACE_LABEL = "kubernetes.io/metadata.name"
"""Every namespace has its name as this label (Kubernetes ≥ 1.22)."""


class Document(NamedTuple):
    """A Kubernetes object.

    Attributes:
        file: Name of its file, with the folder below the advice's where it has one.
        content: The object.
        head: What to say above it.
        remarks: Where in it → what to say there.
    """

    file: str
    content: dict[str, Any]
    head: tuple[str, ...]
    remarks: Remarks


def name_of(workload: str) -> str:
    """Name of the policy of a workload: not one that somebody else has given."""
    return f"ztflow-{workload}"


def seen_text(seen: Tally) -> str:
    """`20 connections (none succeeded), first …, last …, 95.0 % paired`."""
    text = counted(seen.connections, "connection")
    if seen.failed and seen.failed == seen.connections:
        text += " (none succeeded)"
    if seen.first is not None and seen.last is not None:
        text += f", first {time_text(seen.first)}, last {time_text(seen.last)}"
    share = share_text(seen.paired / seen.connections) if seen.connections else "none"
    return f"{text}, {share} paired"


def window_text(seen: Seen) -> str:
    """The time the log covers, and how full it is."""
    if seen.first_line is None or seen.last_line is None or seen.window is None:
        return "Seen in a log without times."
    length = duration_text(seen.window.total_seconds() * 1000)
    text = f"Seen from {time_text(seen.first_line)} to {time_text(seen.last_line)} ({length})"
    silent = seen.silent_hours
    return f"{text}; no connection ended in {silent:,} of its hours." if silent else f"{text}."


def authorization_policy(
    draft: Draft, seen: Seen, *, service_accounts: bool = False, dry_run: bool = False
) -> Document:
    """The AuthorizationPolicy of a draft: one rule a port, so that exactly the pairs that were seen are allowed.

    Args:
        draft: The draft.
        seen: The capture.
        service_accounts: Whether to name clients by service account, of any trust domain, instead of by principal.
        dry_run: Whether to ask for verdicts in the log only.
    """
    rules, remarks = [], dict[Path, Sequence[str]]()
    for number, (port, allowed) in enumerate(_by_port(draft.allowed)):
        field = "serviceAccounts" if service_accounts else "principals"
        names: dict[str, Tally] = {}
        for one in allowed:
            name = _account(one.source) if service_accounts else one.source
            names[name] = names.get(name, Tally()) + one.seen
        remarks["spec", "rules", number] = (f"port {port}: {seen_text(total(one.seen for one in allowed))}",)
        for place, tally in enumerate(names.values()):
            remarks["spec", "rules", number, "from", 0, "source", field, place] = (seen_text(tally),)
        rules.append(
            {"from": [{"source": {field: list(names)}}], "to": [{"operation": {"ports": [str(port)]}}]},
        )
    content = {
        "apiVersion": "security.istio.io/v1",
        "kind": "AuthorizationPolicy",
        "metadata": _metadata(name_of(draft.workload.name), draft.workload.namespace, dry_run=dry_run),
        "spec": {"selector": {"matchLabels": draft.selector}, "action": "ALLOW"} | ({"rules": rules} if rules else {}),
    }
    return Document(_file(draft), content, _head(draft, seen), remarks)


def network_policy(draft: Draft, seen: Seen, labels: Mapping[str, Labels]) -> Document:
    """The NetworkPolicy of a draft: ingress only, clients by namespace and labels.

    Inside the mesh all traffic arrives on the tunnel's port; which ports of the application a client may use is for the
    AuthorizationPolicy. Probes arrive from an address of their own.

    Args:
        draft: The draft, decided for networks (`Asked.network`).
        seen: The capture.
        labels: Labels of every client's pods, by `namespace/workload`.
    """
    ingress, remarks = list[dict[str, Any]](), dict[Path, Sequence[str]]()
    for number, (port, allowed) in enumerate(_by_port(draft.allowed)):
        what = f"port {port}, the tunnel (HBONE)" if port == TUNNEL_PORT else f"port {port}, without a tunnel"
        remarks["spec", "ingress", number] = (f"{what}: {seen_text(total(one.seen for one in allowed))}",)
        peers = []
        for place, one in enumerate(allowed):
            remarks["spec", "ingress", number, "from", place] = (f"{one.source}: {seen_text(one.seen)}",)
            peers.append(
                {
                    "namespaceSelector": {"matchLabels": {_NAMESPACE_LABEL: one.source.partition("/")[0]}},
                    "podSelector": {"matchLabels": labels[one.source]},
                }
            )
        ingress.append({"from": peers, "ports": [{"protocol": "TCP", "port": port}]})
    remarks["spec", "ingress", len(ingress)] = ("the kubelet's probes, as istio-cni sends them; they leave no line",)
    masks = zip(PROBE_ADDRESSES, (32, 128), strict=True)
    ingress.append({"from": [{"ipBlock": {"cidr": f"{address}/{mask}"}} for address, mask in masks]})
    content = {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": _metadata(name_of(draft.workload.name), draft.workload.namespace),
        "spec": {
            "podSelector": {"matchLabels": draft.selector}, "policyTypes": ["Ingress"], "ingress": ingress,
        },
    }  # fmt: skip
    return Document(_file(draft), content, _head(draft, seen), remarks)


def default_deny(namespace: str) -> Document:
    """The AuthorizationPolicy that allows nothing in a namespace: what no other policy allows is refused."""
    content = {
        "apiVersion": "security.istio.io/v1",
        "kind": "AuthorizationPolicy",
        "metadata": _metadata(name_of("default-deny"), namespace),
        "spec": {},
    }
    head = (
        f"Refuses everything in namespace {namespace} that no other ALLOW policy allows, also to pods nobody has",
        "called yet. It cuts open connections that are not allowed. Apply it last.",
    )
    return Document(f"default-deny/{namespace}.yaml", content, head, {})


def strict(namespace: str) -> Document:
    """The PeerAuthentication that refuses everything without a tunnel in a namespace."""
    content = {
        "apiVersion": "security.istio.io/v1",
        "kind": "PeerAuthentication",
        "metadata": _metadata("default", namespace),
        "spec": {"mtls": {"mode": "STRICT"}},
    }
    head = (
        f"Refuses everything without mTLS in namespace {namespace}. It takes the place of a PeerAuthentication",
        "`default` there; of several the oldest holds.",
    )
    return Document(f"strict/{namespace}.yaml", content, head, {})


def _metadata(name: str, namespace: str, *, dry_run: bool = False) -> dict[str, Any]:
    made: dict[str, Any] = {"name": name, "namespace": namespace}
    return made | {"annotations": {"istio.io/dry-run": "true"}} if dry_run else made


def _file(draft: Draft) -> str:
    """A namespace has no dot, so two drafts never share a file."""
    return f"{draft.workload.namespace}.{draft.workload.name}.yaml"


def _head(draft: Draft, seen: Seen) -> tuple[str, ...]:
    allows = f"Allows to {draft.workload.id} what was seen: {seen_text(draft.seen)}."
    if not draft.allowed:
        allows = f"Lets nobody in to {draft.workload.id}: everything that was seen is refused by today's policies."
    lines = [window_text(seen), allows, "Everything else to these pods is refused."]
    if draft.unprotected.connections:
        lines.append(f"It will refuse traffic that works today: {seen_text(draft.unprotected)}.")
    return tuple(lines)


def _by_port(allowed: Iterable[Allowed]) -> Iterable[tuple[int, list[Allowed]]]:
    return ((port, list(members)) for port, members in groupby(allowed, lambda one: one.port))


def _account(principal: str) -> str:
    """`namespace/account` of a principal."""
    parts = principal.split("/")
    return f"{parts[2]}/{parts[4]}"
