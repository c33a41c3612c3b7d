"""What a new capture adds to policies that are there, and what of them it no longer needs.

Compared are ALLOW policies as ztunnel gets them, client by client and port by port: clients by principal, service
account or namespace. A rule that asks for anything else is told as not compared.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from typing import TypeAlias

from ztflow.errors import UsageError
from ztflow.policy.advice.decide import Draft
from ztflow.policy.advice.seen import Tally
from ztflow.policy.advice.selectors import Selectors
from ztflow.policy.evaluate import attached_to
from ztflow.policy.model import FIELDS, Action, Clause, Match, Policy, PolicySet, Rule, ServiceAccount, TextMatch
from ztflow.policy.workloads import Workloads

_CLIENTS = ("principals", "namespaces", "service_accounts")
_PORTS = "destination_ports"

Client: TypeAlias = TextMatch | ServiceAccount | None
"""How a rule names a client; None for everybody."""


@dataclass(frozen=True, slots=True)
class Grant:
    """One client on one port that an earlier policy allows.

    Attributes:
        policy: `namespace/name`.
        rule: Number of the rule in it, from 0.
        field: `principals`, `namespaces` or `service_accounts`; empty for everybody.
        client: The value.
        port: The port; None for all.
    """

    policy: str
    rule: int
    field: str
    client: Client
    port: int | None

    def allows(self, principal: str, port: int) -> bool:
        """Whether it allows a client on a port."""
        if self.port not in {None, port}:
            return False
        _, _, namespace, _, account = principal.split("/")
        if isinstance(self.client, ServiceAccount):
            return self.client == ServiceAccount(namespace, account)
        text = namespace if self.field == "namespaces" else principal
        return self.client is None or self.client.matches(text)

    @property
    def named(self) -> str | None:
        """The client as a policy names it; None for everybody."""
        if isinstance(self.client, ServiceAccount):
            return f"{self.client.namespace}/{self.client.name}"
        return None if self.client is None else str(self.client)


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
        unseen: Policies attached to no workload that something is advised for: nothing can be said of them.
        not_compared: `policy rules[n]` that ask for more than client and port.
        differing: Workloads whose draft differs from what is there.
    """

    added: tuple[Added, ...] = ()
    unneeded: tuple[Grant, ...] = ()
    unseen: tuple[str, ...] = ()
    not_compared: tuple[str, ...] = ()
    differing: frozenset[str] = frozenset()


def compare(
    drafts: Sequence[Draft], earlier: PolicySet, selectors: Selectors, workloads: Workloads | None = None
) -> Changes:
    """What the drafts add to earlier policies, and what they do without.

    Args:
        drafts: Of AuthorizationPolicies.
        earlier: Policies that are there.
        selectors: What was used for the drafts.
        workloads: Pods with their labels and, of a dump, their policies.

    Raises:
        UsageError: None of the policies allows anything.
    """
    allowing = [one for one in earlier.policies if one.action is Action.ALLOW and not one.dry_run]
    if not allowing:
        raise UsageError("--since-policy: no policy there that allows something and that ztunnel enforces")
    pods = Workloads(None, earlier.keys) if workloads is None else workloads
    grants = {policy.key: list(_grants(policy)) for policy in allowing}
    added, needed, judged, differing = list[Added](), set[Grant](), set[str](), set[str]()
    for draft in drafts:
        own = [pods.find(pod, draft.workload.namespace) for pod in selectors.pods_of(draft.workload)]
        attached = [policy for policy in allowing if any(attached_to(policy, pod) for pod in own)]
        judged |= {policy.key for policy in attached}
        granted = [grant for policy in attached for grant in grants[policy.key]]
        for allowed in draft.allowed:
            fitting = [grant for grant in granted if grant.allows(allowed.source, allowed.port)]
            needed.update(fitting)
            if not fitting:
                added.append(Added(draft.workload.id, allowed.source, allowed.port, allowed.seen))
                differing.add(draft.workload.id)
        if not needed.issuperset(granted) or not attached:
            differing.add(draft.workload.id)
    return Changes(
        tuple(added),
        tuple(grant for key, some in grants.items() if key in judged for grant in some if grant not in needed),
        tuple(key for key in grants if key not in judged),
        tuple(f"{one.key} rules[{rule.number}]" for one in allowing for rule in one.rules if _read(rule) is None),
        frozenset(differing),
    )


def _grants(policy: Policy) -> Iterator[Grant]:
    for rule in policy.rules:
        clients, ports = _read(rule) or ((), ())
        for (field, client), port in product(clients, ports):
            yield Grant(policy.key, rule.number, field, client, port)


def _read(rule: Rule) -> tuple[Iterable[tuple[str, Client]], Iterable[int | None]] | None:
    """Every client and every port of a rule; None where it asks for more."""
    clients: list[tuple[str, Client]] = [("", None)]
    ports: list[int | None] = [None]
    for clause in rule.clauses:
        fields = _fields(clause)
        if not clause:
            continue
        if fields == {_PORTS} and ports == [None]:
            ports = [port for match in clause for port in match.destination_ports]
        elif fields and fields <= {*_CLIENTS} and clients == [("", None)]:
            clients = [(name, one) for match in clause for name in _CLIENTS for one in getattr(match, name)]
        else:
            return None
    return clients, ports


def _fields(clause: Clause) -> set[str]:
    """Which conditions a clause has; more than one in a match is none that can be read."""
    found: set[str] = set()
    for match in clause:
        asked = _asked(match)
        found |= asked if len(asked) == 1 else {"several"}
    return found


def _asked(match: Match) -> set[str]:
    return {name for name in FIELDS if getattr(match, name)}
