"""Policies as a ztunnel has them: rules of clauses of matches, each with its scope and what it is attached to.

An AuthorizationPolicy is not evaluated as it is written: istiod converts it (`convert`), and the result is what
ztunnel's `/config_dump` shows. All classes are frozen and compare by value.

Source: istio/ztunnel 1.31.0-rc.0 `src/rbac.rs`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from ipaddress import IPv4Network, IPv6Network
from typing import Protocol, TypeAlias

Network: TypeAlias = IPv4Network | IPv6Network
Labels: TypeAlias = tuple[tuple[str, str], ...]
"""Labels in order of their keys."""


class Action(StrEnum):
    """What a policy does with a connection it matches."""

    ALLOW = "ALLOW"
    DENY = "DENY"


class Scope(StrEnum):
    """Whose connections a policy is asked about."""

    GLOBAL = "Global"
    NAMESPACE = "Namespace"
    WORKLOAD = "WorkloadSelector"


class TextKind(StrEnum):
    """How a text is compared. `*` is a presence, `*x` a suffix, `x*` a prefix; `a*b` is an exact text with a star."""

    EXACT = "Exact"
    PREFIX = "Prefix"
    SUFFIX = "Suffix"
    PRESENCE = "Presence"


@dataclass(frozen=True, slots=True)
class TextMatch:
    """A condition on one text. Nothing to compare is the empty text."""

    kind: TextKind
    text: str = ""

    @classmethod
    def parse(cls, value: str) -> TextMatch:
        """As istiod reads a value of an AuthorizationPolicy."""
        if value == "*":
            return cls(TextKind.PRESENCE)
        if value.startswith("*"):
            return cls(TextKind.SUFFIX, value[1:])
        if value.endswith("*"):
            return cls(TextKind.PREFIX, value[:-1])
        return cls(TextKind.EXACT, value)

    def matches(self, text: str) -> bool:
        """Whether a text fulfils it."""
        match self.kind:
            case TextKind.EXACT:
                return text == self.text
            case TextKind.PREFIX:
                return text.startswith(self.text)
            case TextKind.SUFFIX:
                return text.endswith(self.text)
            case TextKind.PRESENCE:
                return bool(text)

    def __str__(self) -> str:
        match self.kind:
            case TextKind.EXACT:
                return self.text
            case TextKind.PREFIX:
                return f"{self.text}*"
            case TextKind.SUFFIX:
                return f"*{self.text}"
            case TextKind.PRESENCE:
                return "*"


@dataclass(frozen=True, slots=True)
class ServiceAccount:
    """A service account of any trust domain."""

    namespace: str
    name: str


@dataclass(frozen=True, slots=True)
class Match:
    """Conditions on one connection: all kinds have to hold.

    Of each kind any of the positive values must match (none given: holds) and none of the negative ones. A match
    without any value is empty, and an empty match never matches.

    Attributes:
        principals: On `trust-domain/ns/namespace/sa/account` of the client's certificate, without `spiffe://`.
        namespaces: On the namespace in that identity.
        service_accounts: On namespace and account in it.
        source_ips: On the address of the peer of the accepted socket.
        destination_ips: On the pod's address.
        destination_ports: On the application's port.
    """

    principals: tuple[TextMatch, ...] = ()
    not_principals: tuple[TextMatch, ...] = ()
    namespaces: tuple[TextMatch, ...] = ()
    not_namespaces: tuple[TextMatch, ...] = ()
    service_accounts: tuple[ServiceAccount, ...] = ()
    not_service_accounts: tuple[ServiceAccount, ...] = ()
    source_ips: tuple[Network, ...] = ()
    not_source_ips: tuple[Network, ...] = ()
    destination_ips: tuple[Network, ...] = ()
    not_destination_ips: tuple[Network, ...] = ()
    destination_ports: tuple[int, ...] = ()
    not_destination_ports: tuple[int, ...] = ()

    @property
    def empty(self) -> bool:
        """Whether it has no condition, and so never matches."""
        return not any(getattr(self, name) for name in FIELDS)

    @property
    def needs_identity(self) -> bool:
        """Whether a client without an identity can never fulfil it."""
        return bool(self.principals or self.namespaces or self.service_accounts)


FIELDS: tuple[str, ...] = tuple(Match.__dataclass_fields__)
"""Names of all conditions of a match."""

Clause: TypeAlias = tuple[Match, ...]
"""Matches of which any has to match; a clause without matches always does."""


@dataclass(frozen=True, slots=True)
class Rule:
    """Clauses of which all have to match; without any it matches everything.

    Attributes:
        clauses: The clauses.
        number: Its place among the rules of the document it comes from, from 0; istiod may have dropped some before.
    """

    clauses: tuple[Clause, ...]
    number: int

    @property
    def dead(self) -> bool:
        """Whether it can never match: a clause has nothing but empty matches."""
        return any(clause and all(match.empty for match in clause) for clause in self.clauses)


@dataclass(frozen=True, slots=True)
class Workload:
    """A pod a policy may be attached to, as far as it is known.

    Attributes:
        namespace: Its namespace.
        name: Its name; None where only the namespace is known.
        labels: Its labels; None for unknown.
        keys: The policies its ztunnel says are attached to it (`authorizationPolicies`); None for unknown.
    """

    namespace: str
    name: str | None = None
    labels: Labels | None = None
    keys: frozenset[str] | None = None


class Attachment(Protocol):
    """To which workloads a policy of scope `WORKLOAD` is attached."""

    def holds(self, key: str, workload: Workload) -> bool | None:
        """Whether the policy of this key is attached to a workload; None where what is known does not tell."""


@dataclass(frozen=True, slots=True)
class ByKey:
    """Attached to the workloads that name it, as a ztunnel's own dump says (`authorizationPolicies`)."""

    def holds(self, key: str, workload: Workload) -> bool | None:
        """As for `Attachment`."""
        return None if workload.keys is None else key in workload.keys


@dataclass(frozen=True, slots=True)
class BySelector:
    """Attached to the workloads that carry all these labels.

    Attributes:
        namespace: The workloads' namespace; None for all (the policy is in the root namespace).
        labels: The labels; without any it is attached to nothing.
    """

    namespace: str | None
    labels: Labels

    def holds(self, key: str, workload: Workload) -> bool | None:
        """As for `Attachment`."""
        del key
        if not self.labels or self.namespace not in {None, workload.namespace}:
            return False
        return None if workload.labels is None else set(self.labels) <= set(workload.labels)


@dataclass(frozen=True, slots=True)
class Policy:
    """One policy of a ztunnel.

    Attributes:
        namespace: Its namespace.
        name: Its name there.
        scope: Whose connections it is asked about.
        action: What it does with a connection it matches.
        rules: Any has to match; without a rule it never matches.
        dry_run: Logged only, never enforced.
        attachment: For scope `WORKLOAD`: to which workloads; None for the others.
        created: When its document was made, microseconds since 1970 UTC.
        source: The file it was read from.
    """

    namespace: str
    name: str
    scope: Scope
    action: Action
    rules: tuple[Rule, ...]
    dry_run: bool = False
    attachment: Attachment | None = None
    created: int | None = None
    source: str = ""

    @property
    def key(self) -> str:
        """`namespace/name`, as refusals and `authorizationPolicies` have it."""
        return f"{self.namespace}/{self.name}"


class NoteKind(StrEnum):
    """What a note on a policy says."""

    NOT_SENT = "not sent"
    """istiod sends nothing of it to ztunnel."""
    NOT_ATTACHED = "attached to nothing"
    RULE_DROPPED = "rule dropped"
    """An ALLOW rule that ztunnel does not get."""
    BROADER = "refuses more than written"
    """A DENY rule of which a part was erased."""
    DEAD = "never fires"
    """A rule that ztunnel gets and that can never match."""
    IGNORED = "value ignored"
    WIDER = "allows more than written"
    ENFORCED = "enforced"
    """A dry-run policy that is enforced all the same."""
    PLAINTEXT = "admits plaintext"
    SERVICE_PORT = "service's port"
    """A rule on the port of a service, which ztunnel never sees."""
    UNSEEN = "trust domain not seen"
    ASSUMED = "assumed"


@dataclass(frozen=True, slots=True)
class Note:
    """What became of a policy, or of a part of it, on its way to ztunnel.

    Attributes:
        kind: What happened.
        policy: `namespace/name` of the document.
        rule: Number of the rule in it, from 0; None for the whole.
        text: The reason, in words.
        source: The file.
    """

    kind: NoteKind
    policy: str
    rule: int | None
    text: str
    source: str = ""


@dataclass(frozen=True, slots=True)
class PolicySet:
    """All policies that hold together, and what became of the documents they were made of.

    Attributes:
        policies: The policies, by key, each once.
        notes: What was dropped, erased, dead or changed by conversion.
        keys: Pod (`namespace/name`) → keys of the policies attached to it, where a dump was read.
    """

    policies: tuple[Policy, ...] = ()
    notes: tuple[Note, ...] = ()
    keys: Mapping[str, frozenset[str]] = field(default_factory=dict)

    def joined(self, more: PolicySet) -> PolicySet:
        """This set and another; of two policies of one key the later one holds, as after `kubectl apply`."""
        policies = {policy.key: policy for policy in (*self.policies, *more.policies)}
        keys = dict(self.keys)
        for pod, attached in more.keys.items():
            keys[pod] = keys.get(pod, frozenset()) | attached
        return PolicySet(tuple(policies.values()), (*self.notes, *more.notes), keys)


def labels_of(labels: Mapping[str, str]) -> Labels:
    """Labels in the order in which they are kept."""
    return tuple(sorted(labels.items()))
