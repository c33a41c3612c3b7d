"""Policies and connections → verdict, deciding policy and rule, by ztunnel's own order.

DENY policies come first, then ALLOW policies if any is attached to the destination. Every condition is judged in three
values: what is not known (an identity, a port, labels) makes a verdict unknown only where the answer depends on it.

Source: istio/ztunnel 1.31.0-rc.0 `src/state.rs` (`assert_rbac`), `src/rbac.rs`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from ztflow.aggregate import View
from ztflow.columns.dtypes import Integers
from ztflow.model.tables import Flows
from ztflow.policy.connections import Asked, Judge, Kind, kinds_of
from ztflow.policy.matching import Missing, Truth, policy_holds
from ztflow.policy.model import Action, Policy, PolicySet, Scope, Workload
from ztflow.policy.workloads import Workloads


class Outcome(StrEnum):
    """What policies make of a connection."""

    ALLOWED = "allowed"
    REFUSED = "refused"
    UNKNOWN = "unknown"


class Why(StrEnum):
    """Why an outcome is what it is; an unknown one has the fact that is missing (`matching.Missing`) instead."""

    ALLOW_RULE = "an ALLOW rule matches"
    NO_ALLOW_POLICY = "no ALLOW policy is attached to the destination"
    EITHER_WAY = "the ALLOW policies that may be attached to the destination all have a rule that matches"
    NO_ZTUNNEL = Judge.NOBODY.value
    NOT_ASKED = Judge.NOT_ASKED.value
    DENY_RULE = "a DENY rule matches"
    NO_RULE = "ALLOW policies are attached to the destination, and no rule of theirs matches"


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
        dry_denies: Dry-run DENY policies that match: ztunnel logs each.
        dry_allows: Dry-run ALLOW policies attached to the destination.
        dry_refused: Whether ztunnel logs that the dry-run policies alone would refuse it; None for unknown.
        if_enforced: The outcome if the dry-run policies were enforced with the others.
    """

    outcome: Outcome
    why: Why | Missing
    policy: str | None = None
    rule: int | None = None
    denies: tuple[str, ...] = ()
    allows: tuple[str, ...] = ()
    dry_denies: tuple[str, ...] = ()
    dry_allows: tuple[str, ...] = ()
    dry_refused: bool | None = False
    if_enforced: Outcome = Outcome.UNKNOWN


@dataclass(frozen=True, slots=True)
class Evaluation:
    """The verdict on each of some connections.

    Attributes:
        decisions: One for each distinct kind of connection.
        kinds: What it was made of.
        codes: For each row of the flows the number of its decision.
    """

    decisions: tuple[Decision, ...]
    kinds: tuple[Kind, ...]
    codes: Integers

    def per_row(self, value: Callable[[Decision], str | None]) -> pa.DictionaryArray:
        """A text of each row's decision."""
        words = pa.array([value(one) for one in self.decisions], pa.string()).dictionary_encode()
        indices = words.indices.take(pa.array(self.codes))
        return pa.DictionaryArray.from_arrays(indices, words.dictionary)

    def table(self) -> pa.Table:
        """Columns `verdict`, `policy`, `rule` (its number), `reason`, one row a flow, in their order."""
        rules = pa.array([one.rule for one in self.decisions], pa.int64())
        return pa.table(
            {
                "verdict": self.per_row(lambda one: one.outcome.value),
                "policy": self.per_row(lambda one: one.policy),
                "rule": rules.take(pa.array(self.codes)),
                "reason": self.per_row(lambda one: one.why.value),
            }
        )

    def rows(self, chosen: Callable[[Decision], bool]) -> Integers:
        """Numbers of the rows whose decision is chosen."""
        wanted = np.fromiter((chosen(one) for one in self.decisions), np.bool_, len(self.decisions))
        return np.flatnonzero(wanted[self.codes]) if len(wanted) else np.zeros(0, np.int64)


def evaluate(policies: PolicySet, flows: Flows, workloads: Workloads | None = None) -> Evaluation:
    """What these policies would make of each connection; what the log says became of it plays no part.

    Args:
        policies: All policies that hold; from `load_policies` or `convert`.
        flows: Connections.
        workloads: Labels and attachments of their destinations; without them only what the policies' own dump says
            (`PolicySet.keys`) is known, and policies with a selector are unknown.

    Cost: one grouping of the rows, 0.4 s for 1 M; Python once per distinct (client's identity, destination). Of
    addresses and ports only those that policies tell apart count.
    """
    known = Workloads(None, policies.keys) if workloads is None else workloads
    kinds, codes = kinds_of(View(flows.to_arrow()), Asked.by(policies.policies), known)
    ordered = sorted(policies.policies, key=lambda policy: policy.key)
    attached: dict[Workload | None, list[tuple[Policy, Truth]]] = {}
    decisions = []
    for kind in kinds:
        if kind.workload not in attached:
            found = ((policy, attached_to(policy, kind.workload)) for policy in ordered)
            attached[kind.workload] = [(policy, truth) for policy, truth in found if truth is not False]
        decisions.append(_decide(kind, attached[kind.workload]))
    return Evaluation(tuple(decisions), tuple(kinds), codes)


def attached_to(policy: Policy, workload: Workload | None) -> Truth:
    """Whether a policy is asked about a destination; None where that is not known."""
    match policy.scope:
        case Scope.GLOBAL:
            return True
        case Scope.NAMESPACE:
            return None if workload is None else policy.namespace == workload.namespace
        case Scope.WORKLOAD:
            if workload is None or policy.attachment is None:
                return None
            return policy.attachment.holds(policy.key, workload)


class _Held(NamedTuple):
    """A policy that may be attached to a destination, and what it says of a connection."""

    policy: Policy
    attached: Truth
    holds: Truth
    rule: int | None


def _decide(kind: Kind, candidates: Sequence[tuple[Policy, Truth]]) -> Decision:
    if kind.judge is Judge.NOBODY:
        return Decision(Outcome.ALLOWED, Why.NO_ZTUNNEL, if_enforced=Outcome.ALLOWED)
    if kind.judge is Judge.NOT_ASKED:
        return Decision(Outcome.UNKNOWN, Why.NOT_ASKED, dry_refused=None)
    kind.seen.missing.clear()
    held = [_Held(policy, truth, *policy_holds(policy, kind.seen)) for policy, truth in candidates]
    dry = [one for one in held if one.policy.dry_run]
    real = [one for one in held if not one.policy.dry_run]
    answer = _answer(real)
    outcome = _OUTCOMES[answer.refused]
    denies = tuple(one.policy.key for one in _matching(real, Action.DENY))
    decision = Decision(
        outcome,
        _missing(kind, real) if answer.why is None else answer.why,
        None if answer.by is None else answer.by.policy.key,
        None if answer.by is None else answer.by.rule,
        denies,
        tuple(one.policy.key for one in real if one.policy.action is Action.ALLOW and one.attached),
        if_enforced=outcome,
    )
    if not dry:
        return decision
    dry_denies = tuple(one.policy.key for one in _matching(dry, Action.DENY))
    return replace(
        decision,
        dry_denies=dry_denies,
        dry_allows=tuple(one.policy.key for one in dry if one.policy.action is Action.ALLOW and one.attached),
        # Where a DENY that is enforced matches, ztunnel does not come to the ALLOW policies.
        dry_refused=bool(dry_denies) if denies else _answer(dry).refused,
        if_enforced=_OUTCOMES[_answer(held).refused],
    )


_OUTCOMES = {True: Outcome.REFUSED, False: Outcome.ALLOWED, None: Outcome.UNKNOWN}


class _Answer(NamedTuple):
    """What some policies together make of a connection."""

    refused: Truth
    why: Why | None = None
    by: _Held | None = None


def _matching(held: Sequence[_Held], action: Action) -> list[_Held]:
    return [one for one in held if one.policy.action is action and one.attached and one.holds]


def _answer(held: Sequence[_Held]) -> _Answer:
    sure = _matching(held, Action.DENY)
    if sure:
        return _Answer(True, Why.DENY_RULE, sure[0])
    allows = [one for one in held if one.policy.action is Action.ALLOW]
    answer = _allowed(allows)
    if answer.refused:
        return answer
    maybe = any(one.policy.action is Action.DENY and one.holds is not False for one in held)
    return _Answer(None) if maybe else answer


def _allowed(allows: Sequence[_Held]) -> _Answer:
    """What the ALLOW policies say. One that may or may not be attached counts where it changes the answer."""
    attached = [one for one in allows if one.attached]
    perhaps = [one for one in allows if one.attached is None]
    by = next((one for one in attached if one.holds), None)
    if by is not None:
        return _Answer(False, Why.ALLOW_RULE, by)
    if not attached:
        if not perhaps:
            return _Answer(False, Why.NO_ALLOW_POLICY)
        return _Answer(False, Why.EITHER_WAY) if all(one.holds for one in perhaps) else _Answer(None)
    if all(one.holds is False for one in allows):
        return _Answer(True, Why.NO_RULE)
    return _Answer(None)


def _missing(kind: Kind, held: Sequence[_Held]) -> Missing:
    """The fact that would have to be known."""
    if kind.workload is None:
        return Missing.DESTINATION
    if any(one.attached is None for one in held):
        return Missing.LABELS
    return next(fact for fact in Missing if fact in kind.seen.missing)
