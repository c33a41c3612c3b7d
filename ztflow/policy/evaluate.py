"""Policies × connections → verdict, deciding policy and rule, by ztunnel's own order; unknown where evidence is missing.

Every condition is judged in three values: what is not known (an identity, a port, labels) makes a verdict unknown only
where the answer depends on it.

Source: istio/ztunnel 1.31.0-rc.0 `src/state.rs` (`assert_rbac`), `src/rbac.rs`.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import pyarrow as pa

from ztflow.columns.dtypes import Integers
from ztflow.model.tables import Flows
from ztflow.policy.model import PolicySet
from ztflow.policy.workloads import Workloads


class Outcome(StrEnum):
    """What policies make of a connection."""

    ALLOWED = "allowed"
    REFUSED = "refused"
    UNKNOWN = "unknown"


class Why(StrEnum):
    """Why an outcome is what it is."""

    ALLOW_RULE = "an ALLOW rule matches"
    NO_ALLOW_POLICY = "no ALLOW policy is attached to the destination"
    NO_ZTUNNEL = "no ztunnel decides: it goes to a waypoint, a gateway or out of the mesh"
    DENY_RULE = "a DENY rule matches"
    NO_RULE = "ALLOW policies are attached to the destination, and no rule of theirs matches"
    DESTINATION_UNKNOWN = "the destination pod is not known"
    LABELS_UNKNOWN = "the labels of the destination pod are not known"
    IDENTITY_UNKNOWN = "the client's identity is not known"
    ADDRESS_UNKNOWN = "the client's address as the destination sees it is not known"
    PORT_UNKNOWN = "the application's port is not known, only the service's"


@dataclass(frozen=True, slots=True)
class Decision:
    """What the policies make of one kind of connection.

    Attributes:
        outcome: Allowed, refused or unknown.
        why: The reason.
        policy: Key of the deciding policy: the first DENY that matches by key (with several ztunnel's log names any
            of them), or the first ALLOW; None where none decided.
        rule: Number of its rule in its document, from 0.
        denies: All DENY policies that match.
        allows: ALLOW policies attached to the destination, whether they match or not.
        dry_run: Dry-run policies that match: DENY policies, then ALLOW policies.
        if_enforced: The outcome if the dry-run policies were enforced too.
    """

    outcome: Outcome
    why: Why
    policy: str | None = None
    rule: int | None = None
    denies: tuple[str, ...] = ()
    allows: tuple[str, ...] = ()
    dry_run: tuple[str, ...] = ()
    if_enforced: Outcome = Outcome.UNKNOWN


@dataclass(frozen=True, slots=True)
class Evaluation:
    """The verdict on each of some connections.

    Attributes:
        decisions: One for each distinct kind of connection.
        codes: For each row of the flows the number of its decision.
    """

    decisions: tuple[Decision, ...]
    codes: Integers

    def table(self) -> pa.Table:
        """Columns `verdict`, `policy`, `rule`, `reason`, one row a flow, in their order."""
        raise NotImplementedError


def evaluate(policies: PolicySet, flows: Flows, workloads: Workloads | None = None) -> Evaluation:
    """What these policies would make of each connection; what the log says became of it plays no part.

    Args:
        policies: All policies that hold; from `load_policies` or `convert`.
        flows: Connections.
        workloads: Labels and attachments of their destinations; without them policies with a selector are unknown.

    Cost: one grouping of the rows; Python once per distinct (client's identity and address, destination, port), and
    addresses and ports count only where a policy asks for them.
    """
    raise NotImplementedError
