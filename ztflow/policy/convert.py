"""AuthorizationPolicy and PeerAuthentication documents → what istiod sends ztunnel, by release.

Source: istio/istio 1.31.0-rc.0 `pilot/pkg/serviceregistry/ambient/authorization.go` (≤ 1.29 under
`…/kube/controller/ambient/`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ztflow.place.inventory.facts import micros
from ztflow.policy.documents import GROUP, Place, named
from ztflow.policy.model import Action, BySelector, Note, NoteKind, Policy, PolicySet, Rule, Scope
from ztflow.policy.peer_authentication import convert_peers, read_peer
from ztflow.policy.releases import DRY_RUN, DRY_RUN_HELD_BACK, NEWEST_RELEASE, SERVICE_ACCOUNTS, Release
from ztflow.policy.rules import convert_rule

ROOT_NAMESPACE = "istio-system"
"""Istio's root namespace unless the mesh says otherwise (`meshConfig.rootNamespace`)."""

AUTHORIZATION, PEER = "AuthorizationPolicy", "PeerAuthentication"
_KINDS = frozenset({AUTHORIZATION, PEER})
"""Kinds of documents that are converted."""

_ACTIONS = ("ALLOW", "DENY", "AUDIT", "CUSTOM")
_SPEC = frozenset({"selector", "targetRef", "targetRefs", "rules", "action", "provider"})
_TRUE = frozenset({"1", "t", "T", "TRUE", "true", "True"})
"""What Go's `strconv.ParseBool` takes for true."""


@dataclass(frozen=True, slots=True)
class Mesh:
    """What conversion depends on beside the documents.

    Attributes:
        istiod: Release of the control plane.
        ztunnel: Release of the ztunnels; None for the same.
        root_namespace: Where policies hold for the whole mesh.
        sends_dry_run: Whether istiod has `AMBIENT_ENABLE_DRY_RUN_AUTHORIZATION_POLICY=true`.
    """

    istiod: Release = NEWEST_RELEASE
    ztunnel: Release | None = None
    root_namespace: str = ROOT_NAMESPACE
    sends_dry_run: bool = False

    @property
    def receiver(self) -> Release:
        """Release of the ztunnels."""
        return self.ztunnel or self.istiod

    @property
    def service_accounts(self) -> bool:
        """Whether `serviceAccounts` reach ztunnel and are understood there."""
        return min(self.istiod, self.receiver) >= SERVICE_ACCOUNTS


def is_policy(document: Mapping[str, Any]) -> bool:
    """Whether a decoded object is of a kind that `convert` looks at."""
    return str(document.get("kind")) in _KINDS and str(document.get("apiVersion", "")).startswith(GROUP)


def convert(
    documents: Iterable[Mapping[str, Any]], mesh: Mesh | None = None, *, source: str | Sequence[str] = ""
) -> PolicySet:
    """What the ztunnels of a mesh get for these documents, all of them together.

    Args:
        documents: Decoded Kubernetes objects; only AuthorizationPolicy and PeerAuthentication of the group
            `security.istio.io` are looked at. PeerAuthentications decide together, so give all of the mesh at once.
            Of two of one kind and name the later one holds, as after `kubectl apply`.
        mesh: Releases and settings; the newest release known unless given.
        source: Name of their file, or of the file of each.

    Returns:
        The policies, and a note for everything that was dropped, erased or can never fire.

    Raises:
        UsageError: If a document is not valid: what, where, what to try.
    """
    mesh = mesh or Mesh()
    listed = list(documents)
    sources = [source] * len(listed) if isinstance(source, str) else source
    held: dict[tuple[str, str, str], tuple[Place, str]] = {}
    notes: list[Note] = []
    for document, file in zip(listed, sources, strict=True):
        if not is_policy(document):
            continue
        place, namespace, name = named(dict(document), file)
        if namespace is None:
            namespace = "default"
            text = "the document names no namespace: taken as default, where kubectl would put it unless told otherwise"
            notes.append(Note(NoteKind.ASSUMED, f"{namespace}/{name}", None, text, file))
        key = (str(document["kind"]), namespace, name)
        held.pop(key, None)
        held[key] = place, file
    policies: list[Policy] = []
    for (kind, namespace, name), (place, file) in held.items():
        if kind == AUTHORIZATION:
            found, told = _authorization(place, namespace, name, mesh)
            policies += [replace(one, source=file) for one in found]
            notes += [replace(note, source=file) for note in told]
    peers = [
        read_peer(place, namespace, name, file)
        for (kind, namespace, name), (place, file) in held.items()
        if kind == PEER
    ]
    found, told = convert_peers(peers, mesh.root_namespace)
    return PolicySet((*policies, *found), (*notes, *told))


def _authorization(place: Place, namespace: str, name: str, mesh: Mesh) -> tuple[list[Policy], list[Note]]:
    """One AuthorizationPolicy: the policy ztunnel gets, if any, and what became of the rest."""
    key = f"{namespace}/{name}"
    notes: list[Note] = []

    def note(kind: NoteKind, text: str, rule: int | None = None) -> None:
        notes.append(Note(kind, key, rule, text))

    spec = place.get("spec")
    spec.fields(_SPEC)
    action_word = spec.get("action").word(_ACTIONS, "ALLOW")
    labels = spec.get("selector").labels()
    places = list(spec.get("rules").items())
    if spec.get("targetRef").value or list(spec.get("targetRefs").items()):
        note(
            NoteKind.NOT_SENT,
            "it has a targetRef: only a waypoint enforces it, ztunnel never sees it; without a waypoint nobody does",
        )
        return [], notes
    if action_word not in {"ALLOW", "DENY"}:
        note(
            NoteKind.NOT_SENT,
            f"ztunnel does not know the action {action_word}: it is enforced nowhere without a waypoint",
        )
        return [], notes
    dry_run, why = _dry_run(place, mesh)
    if why is not None:
        note(NoteKind.NOT_SENT if dry_run is None else NoteKind.ENFORCED, why)
    if dry_run is None:
        return [], notes
    action = Action(action_word)
    rules: list[Rule] = []
    for number, rule in enumerate(places):
        converted, told = convert_rule(rule, action, namespace, service_accounts=mesh.service_accounts)
        for kind, text in told:
            note(kind, text, number)
        if converted is not None:
            rules.append(Rule(converted, number))
    if action is Action.ALLOW and places and not rules:
        note(NoteKind.RULE_DROPPED, "no rule of it is left: it refuses every connection to what it is attached to")
    if action is Action.DENY and not rules:
        note(NoteKind.DEAD, "a DENY without rules refuses nothing (istiod's validation does not take it)")
    if labels is None:
        scope = Scope.GLOBAL if namespace == mesh.root_namespace else Scope.NAMESPACE
    else:
        scope = Scope.WORKLOAD
        if not labels:
            note(
                NoteKind.NOT_ATTACHED,
                "`selector: {}` selects no workload, so it is enforced nowhere; leave the selector out to mean all",
            )
    everywhere = namespace == mesh.root_namespace
    attachment = None if labels is None else BySelector(None if everywhere else namespace, labels)
    created = micros(place.get("metadata").get("creationTimestamp").value)
    return [Policy(namespace, name, scope, action, tuple(rules), dry_run, attachment, created)], notes


def _dry_run(place: Place, mesh: Mesh) -> tuple[bool | None, str | None]:
    """Whether ztunnel takes the policy as a dry run, None where it is not sent; why, where that is not as written."""
    asked = (place.get("metadata").get("annotations").fields() or {}).get("istio.io/dry-run")
    if asked not in _TRUE:
        return False, None
    if mesh.istiod < DRY_RUN_HELD_BACK:
        return False, f"istiod {mesh.istiod} does not read istio.io/dry-run: the policy is enforced"
    if mesh.istiod < DRY_RUN:
        return None, f"istiod {mesh.istiod} sends no dry-run policy to ztunnel: nothing is logged and nothing enforced"
    if not mesh.sends_dry_run:
        return None, (
            "istiod sends no dry-run policy to ztunnel unless AMBIENT_ENABLE_DRY_RUN_AUTHORIZATION_POLICY=true is set"
        )
    if mesh.receiver < DRY_RUN:
        return False, f"ztunnel {mesh.receiver} does not know dry-run: it enforces the policy"
    return True, None
