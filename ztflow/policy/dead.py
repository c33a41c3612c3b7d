"""Policies and rules that can never do anything, and rules that do more than they seem to, in words."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from ztflow.policy.matching import Seen, rule_holds
from ztflow.policy.model import (
    Action,
    ByKey,
    BySelector,
    Note,
    NoteKind,
    Policy,
    PolicySet,
    Rule,
    Scope,
    TextKind,
)
from ztflow.policy.rules import impossible
from ztflow.policy.workloads import Workloads

DEAD_KINDS = (NoteKind.DEAD, NoteKind.NOT_ATTACHED, NoteKind.RULE_DROPPED, NoteKind.NOT_SENT)
"""Notes on what has no effect at ztunnel."""


def dead_and_doubtful(policies: PolicySet, workloads: Workloads, domains: Collection[str] = ()) -> list[Note]:
    """All notes on a set of policies: those of its conversion, and what the policies themselves show.

    Args:
        policies: The policies.
        domains: Trust domains of the identities that were seen.
        workloads: Pods; a policy is said to be attached to nothing only where those it could be attached to are known.
    """
    said = {(note.policy, note.rule) for note in policies.notes if note.kind in DEAD_KINDS}
    found = list(policies.notes)
    for policy in policies.policies:
        told = (
            *_rules(policy),
            *_attachment(policy, workloads),
            *_service_ports(policy, workloads),
            *_domains(policy, domains),
        )
        for number, kind, text in told:
            if kind not in DEAD_KINDS or (policy.key, number) not in said:
                found.append(Note(kind, policy.key, number, text, policy.source))
    return found


def _rules(policy: Policy) -> Iterator[tuple[int | None, NoteKind, str]]:
    if policy.action is Action.DENY and not policy.rules:
        yield None, NoteKind.DEAD, "a DENY without rules refuses nothing"
    for rule in policy.rules:
        reason = _never(rule)
        if reason is not None:
            yield rule.number, NoteKind.DEAD, reason
        elif policy.action is Action.ALLOW and _admits_plaintext(rule):
            yield (
                rule.number,
                NoteKind.PLAINTEXT,
                (
                    'it only says who may not come, so it lets in clients without an identity; principals: ["*"] '
                    "asks for one"
                ),
            )


def _never(rule: Rule) -> str | None:
    if rule.dead:
        return "a source, operation or condition of it is empty, and an empty one never matches"
    for clause in rule.clauses:
        reasons = [impossible(match) if not match.empty else "" for match in clause]
        if clause and None not in reasons:
            return next((reason for reason in reasons if reason), None)
    return None


def _admits_plaintext(rule: Rule) -> bool:
    """Whether a rule about who the client is lets in one that shows no identity.

    One that names no client at all, or only its address, is meant that way.
    """
    negated = any(
        match.not_principals or match.not_namespaces or match.not_service_accounts
        for clause in rule.clauses
        for match in clause
    )
    anybody = Seen(mtls=False, identity=None, source=None, destination=None, port=None)
    return negated and rule_holds(rule, anybody) is not False


def _attachment(policy: Policy, workloads: Workloads) -> Iterator[tuple[int | None, NoteKind, str]]:
    pods = workloads.pods()
    if not pods:
        return
    if policy.scope is Scope.NAMESPACE:
        if all(pod.namespace != policy.namespace for pod in pods):
            yield None, NoteKind.NOT_ATTACHED, f"no pod of namespace {policy.namespace} is known"
        return
    attachment = policy.attachment
    if policy.scope is Scope.GLOBAL or attachment is None:
        return
    if isinstance(attachment, BySelector) and not attachment.labels:
        yield None, NoteKind.NOT_ATTACHED, "it selects no workload, so it is enforced nowhere"
    elif all(attachment.holds(policy.key, pod) is False for pod in pods):
        if isinstance(attachment, ByKey):
            text = "no workload of the dump names it"
        elif isinstance(attachment, BySelector):
            where = "any namespace" if attachment.namespace is None else f"namespace {attachment.namespace}"
            wanted = ", ".join(f"{key}={value}" for key, value in attachment.labels)
            text = f"no known pod of {where} has the labels {wanted}"
        else:
            text = "no known pod comes under it"
        yield None, NoteKind.NOT_ATTACHED, text


def _service_ports(policy: Policy, workloads: Workloads) -> Iterator[tuple[int | None, NoteKind, str]]:
    for rule in policy.rules:
        matches = [match for clause in rule.clauses for match in clause]
        for port in dict.fromkeys(port for match in matches for port in match.destination_ports):
            targets = workloads.targets(policy.namespace, port)
            if targets:
                text = f"{port} is a port of services in {policy.namespace}; ztunnel sees the application's"
                yield rule.number, NoteKind.SERVICE_PORT, f"{text}, {' and '.join(map(str, targets))}"


def _domains(policy: Policy, domains: Collection[str]) -> Iterator[tuple[int | None, NoteKind, str]]:
    for rule in policy.rules:
        matches = [match for clause in rule.clauses for match in clause]
        principals = [text for match in matches for text in (*match.principals, *match.not_principals)]
        named = {text.text.partition("/")[0] for text in principals if text.kind in _WITH_DOMAIN and "/" in text.text}
        for domain in sorted(named - set(domains)) if domains else ():
            text = f"no client in the log is of trust domain {domain}, but of {', '.join(sorted(domains))}"
            yield rule.number, NoteKind.UNSEEN, f"{text}; ztunnel knows no aliases"


_WITH_DOMAIN = (TextKind.EXACT, TextKind.PREFIX)
