"""Whether a policy matches a connection, in three values: True, False, and None where a missing fact decides.

Source: istio/ztunnel 1.31.0-rc.0 `src/rbac.rs` (`Authorization::matches`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from ipaddress import IPv4Address, IPv6Address
from typing import Any, TypeAlias, TypeVar

from ztflow.policy.model import Match, Network, Policy, Rule, ServiceAccount, TextKind, TextMatch

Item = TypeVar("Item")
Truth: TypeAlias = bool | None
Address: TypeAlias = IPv4Address | IPv6Address
SPIFFE = "spiffe://"


class Missing(StrEnum):
    """A fact about a connection that was asked for and is not known."""

    DESTINATION = "the destination pod is not known"
    LABELS = "the labels of the destination pod, or what is attached to it, are not known"
    IDENTITY = "the client's identity is not known"
    ADDRESS = "an address as the destination sees it is not known"
    PORT = "the application's port is not known, only the service's"


@dataclass(slots=True)
class Seen:
    """A connection as the ztunnel of its destination sees it.

    Attributes:
        mtls: Whether the client has shown a certificate; None where that is not known.
        identity: The SPIFFE id in it; None where it is not known or there is none.
        source: The peer of the accepted socket.
        destination: The pod's address.
        port: The application's port.
        missing: Facts that were asked for in vain; filled by matching.
    """

    mtls: bool | None
    identity: str | None
    source: Address | None
    destination: Address | None
    port: int | None
    missing: set[Missing] = field(default_factory=set)

    @property
    def principal(self) -> str | None:
        """The identity as policies write it."""
        if self.identity is None or not self.identity.startswith(SPIFFE):
            return None
        return self.identity.removeprefix(SPIFFE)

    def _unknown(self, what: Missing) -> Truth:
        self.missing.add(what)
        return None

    def has_principal(self, wanted: TextMatch) -> Truth:
        """Whether the client's principal is one that is wanted."""
        if self.mtls is False:
            return False
        return self._of_identity(wanted, self.principal)

    def in_namespace(self, wanted: TextMatch) -> Truth:
        """Whether the namespace of the client's identity is one that is wanted; that of no identity is empty."""
        if self.mtls is False:
            return wanted.matches("")
        return self._of_identity(wanted, account_of(self.identity)[0])

    def is_account(self, wanted: ServiceAccount) -> Truth:
        """Whether the client runs as a service account."""
        if self.mtls is False:
            return False
        namespace, name = account_of(self.identity)
        if namespace is None:
            return self._unknown(Missing.IDENTITY)
        return (namespace, name) == (wanted.namespace, wanted.name)

    def comes_from(self, wanted: Network) -> Truth:
        """Whether the peer's address is in a range."""
        return self._unknown(Missing.ADDRESS) if self.source is None else self.source in wanted

    def goes_to(self, wanted: Network) -> Truth:
        """Whether the pod's address is in a range."""
        return self._unknown(Missing.ADDRESS) if self.destination is None else self.destination in wanted

    def to_port(self, wanted: int) -> Truth:
        """Whether the application's port is one that is wanted."""
        return self._unknown(Missing.PORT) if self.port is None else self.port == wanted

    def _of_identity(self, wanted: TextMatch, text: str | None) -> Truth:
        if text is not None:
            return wanted.matches(text)
        if self.mtls and wanted.kind is TextKind.PRESENCE:
            return True  # there is one, whichever it is
        return self._unknown(Missing.IDENTITY)


def account_of(identity: str | None) -> tuple[str | None, str | None]:
    """Namespace and service account of a SPIFFE id; None for both where it has another shape."""
    parts = (identity or "").removeprefix(SPIFFE).split("/")
    if len(parts) == 5 and parts[1] == "ns" and parts[3] == "sa":
        return parts[2], parts[4]
    return None, None


def any_of(truths: Iterable[Truth]) -> Truth:
    """True if one is, else None if one is."""
    found: Truth = False
    for truth in truths:
        if truth:
            return True
        if truth is None:
            found = None
    return found


def all_of(truths: Iterable[Truth]) -> Truth:
    """False if one is, else None if one is."""
    found: Truth = True
    for truth in truths:
        if truth is False:
            return False
        if truth is None:
            found = None
    return found


_TESTS: tuple[tuple[str, str, Callable[[Seen, Any], Truth]], ...] = (
    ("principals", "not_principals", Seen.has_principal),
    ("namespaces", "not_namespaces", Seen.in_namespace),
    ("service_accounts", "not_service_accounts", Seen.is_account),
    ("source_ips", "not_source_ips", Seen.comes_from),
    ("destination_ips", "not_destination_ips", Seen.goes_to),
    ("destination_ports", "not_destination_ports", Seen.to_port),
)
"""Positive and negative values of each kind of condition, and the test for one value."""


def match_holds(match: Match, seen: Seen) -> Truth:
    """Whether all conditions of a match hold; an empty match never does."""
    if match.empty:
        return False
    return all_of(
        truth
        for wanted, unwanted, test in _TESTS
        for truth in (
            _listed(getattr(match, wanted), seen, test, True),
            _negated(_listed(getattr(match, unwanted), seen, test, False)),
        )
    )


def _listed(values: Sequence[Item], seen: Seen, test: Callable[[Seen, Item], Truth], empty: bool) -> Truth:
    return any_of(test(seen, value) for value in values) if values else empty


def _negated(truth: Truth) -> Truth:
    return None if truth is None else not truth


def rule_holds(rule: Rule, seen: Seen) -> Truth:
    """Whether all clauses of a rule match: of each any match, and one without matches always."""
    return all_of(any_of(match_holds(match, seen) for match in clause) if clause else True for clause in rule.clauses)


def policy_holds(policy: Policy, seen: Seen) -> tuple[Truth, int | None]:
    """Whether any rule of a policy matches, and the number of the first that does."""
    found: Truth = False
    for rule in policy.rules:
        truth = rule_holds(rule, seen)
        if truth:
            return True, rule.number
        if truth is None:
            found = None
    return found, None
