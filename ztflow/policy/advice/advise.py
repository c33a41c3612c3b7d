"""Advice: the policies that what was seen asks for, as documents, and everything that stands in their way."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field

from ztflow.errors import UsageError
from ztflow.model.tables import Flows
from ztflow.place import Inventory
from ztflow.policy.advice.decide import Decided, Draft, decide
from ztflow.policy.advice.documents import Document, authorization_policy, default_deny, network_policy, strict
from ztflow.policy.advice.earlier import Changes, compare
from ztflow.policy.advice.judge import Asked
from ztflow.policy.advice.reasons import Reason
from ztflow.policy.advice.seen import End, Seen
from ztflow.policy.advice.selectors import Labels, Selectors
from ztflow.policy.model import PolicySet
from ztflow.policy.releases import DRY_RUN, SERVICE_ACCOUNTS, Release
from ztflow.policy.workloads import Workloads


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What is to be written.

    Attributes:
        asked: What the decisions depend on.
        service_accounts: Name clients by service account, of any trust domain, where the release knows them.
        dry_run: Write policies that ztunnel only logs.
        release: Oldest release of the ztunnels and of istiod; None where not stated.
        default_deny: Also a policy for each whole namespace that refuses the rest.
        strict: Also a PeerAuthentication STRICT for each whole namespace.
        earlier: Policies to compare with.
    """

    asked: Asked = field(default_factory=Asked)
    service_accounts: bool = False
    dry_run: bool = False
    release: Release | None = None
    default_deny: bool = False
    strict: bool = False
    earlier: PolicySet | None = None

    def __post_init__(self) -> None:
        """Refuse what would do something else than it says.

        Raises:
            UsageError: What, and why.
        """
        if self.dry_run and (self.release is None or self.release < DRY_RUN):
            raise UsageError(
                f"--dry-run needs --release {DRY_RUN} or later: an older ztunnel enforces a dry-run policy, or never "
                "gets it; state the oldest release in the mesh"
            )
        network = self.asked.network
        for option, given in (
            ("--dry-run", self.dry_run), ("--sources service-accounts", self.service_accounts),
            ("--default-deny", self.default_deny), ("--strict-mtls", self.strict),
            ("--since-policy", self.earlier is not None),
        ):  # fmt: skip
            if network and given:
                raise UsageError(f"{option} is for AuthorizationPolicies; leave it out with --kind networkpolicy")

    @property
    def by_account(self) -> bool:
        """Whether clients are named by service account: asked for, and known to the oldest release."""
        return self.service_accounts and self.release is not None and self.release >= SERVICE_ACCOUNTS


@dataclass(frozen=True, slots=True)
class Namespace:
    """What is advised in a namespace.

    Attributes:
        name: Its name.
        drafts: Workloads with a draft.
        held_back: Workloads with traffic that works today and no draft.
        silent: Workloads the inventory knows and nobody was seen to call.
        plaintext: Connections without a tunnel that were let in.
        default_deny: Whether refusing the rest would break nothing that was seen.
        strict: Whether refusing plaintext would break nothing that was seen.
    """

    name: str
    drafts: tuple[str, ...]
    held_back: tuple[str, ...]
    silent: tuple[str, ...]
    plaintext: int
    default_deny: bool
    strict: bool


@dataclass(frozen=True, slots=True)
class Advice:
    """All that is advised.

    Attributes:
        seen: The capture.
        wanted: What was asked for.
        decided: Drafts and refusals.
        namespaces: Namespaces with a draft or a workload that is held back.
        documents: What to write.
        changes: Beside earlier policies; None where none were given.
    """

    seen: Seen
    wanted: Wanted
    decided: Decided
    namespaces: tuple[Namespace, ...]
    documents: tuple[Document, ...]
    changes: Changes | None = None


def advise(seen: Seen | Flows, inventory: Inventory | None = None, wanted: Wanted | None = None) -> Advice:
    """Least-privilege policies for what was seen.

    Args:
        seen: The connections, or tables of them counted (`Seen.of`).
        inventory: Labels, ports of services, addresses of nodes; without labels no selector can be written.
        wanted: What to write; AuthorizationPolicies unless given.

    Cost: counting aside, it grows with the number of different connections.
    """
    wanted = Wanted() if wanted is None else wanted
    seen = Seen.of(seen) if isinstance(seen, Flows) else seen
    selectors = Selectors(inventory)
    decided = decide(seen, inventory, wanted.asked)
    namespaces = _namespaces(decided, selectors, wanted.asked)
    changes = None
    written = list(decided.drafts)
    if wanted.earlier is not None:
        changes = compare(written, wanted.earlier, selectors, Workloads(inventory, wanted.earlier.keys))
        written = [draft for draft in written if draft.workload.id in changes.differing]
    documents = [_document(draft, seen, wanted, selectors) for draft in written]
    documents += [default_deny(one.name) for one in namespaces if wanted.default_deny and one.default_deny]
    documents += [strict(one.name) for one in namespaces if wanted.strict and one.strict]
    return Advice(seen, wanted, decided, namespaces, tuple(documents), changes)


def _document(draft: Draft, seen: Seen, wanted: Wanted, selectors: Selectors) -> Document:
    if not wanted.asked.network:
        return authorization_policy(draft, seen, service_accounts=wanted.by_account, dry_run=wanted.dry_run)
    labels: dict[str, Labels] = {}
    for allowed in draft.allowed:
        found = selectors.of(End(allowed.source, is_workload=True))
        assert isinstance(found, dict)  # else its connections have a reason (`SOURCE_UNKNOWN`)
        labels[allowed.source] = found
    return network_policy(draft, seen, labels)


_PLAIN = frozenset({Reason.PLAINTEXT, Reason.NODE_PROBE})
_NOT_ZTUNNELS = (Reason.TO_WAYPOINT,)
"""What holds a destination back for which no ztunnel decides: a policy without targetRefs does not touch it."""


def _namespaces(decided: Decided, selectors: Selectors, asked: Asked) -> tuple[Namespace, ...]:
    drafts, held, plain = (defaultdict[str, list[str]](list) for _ in range(3))
    for draft in decided.drafts:
        drafts[draft.workload.namespace].append(draft.workload.name)
    for workload, reasons in decided.held_back.items():
        if reasons != _NOT_ZTUNNELS:
            held[workload.partition("/")[0]].append(workload.partition("/")[2])
    plaintext: defaultdict[str, int] = defaultdict(int)
    for one in decided.refused:
        if one.reason in _PLAIN:
            plaintext[one.destination.partition("/")[0]] += one.seen.connections
            if one.reason not in asked.without:
                plain[one.destination.partition("/")[0]].append(one.destination)
    seen = {one.destination for one in decided.refused} | {draft.workload.id for draft in decided.drafts}
    found = []
    for name in sorted({*drafts, *held}):
        known = {
            selectors.whole(End(f"{name}/{one}", is_workload=True)).id for one in selectors.namespaces.get(name, ())
        }
        found.append(
            Namespace(
                name,
                tuple(drafts[name]),
                tuple(held[name]),
                tuple(sorted(one.partition("/")[2] for one in known - seen)),
                plaintext[name],
                default_deny=bool(drafts[name]) and not held[name],
                strict=bool(drafts[name]) and not held[name] and not plain[name],
            )
        )
    return tuple(found)
