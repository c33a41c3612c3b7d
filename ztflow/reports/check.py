"""Check: which recorded connections a set of policies would allow or refuse, and what of the policies has no effect."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ztflow.aggregate import View, vertices
from ztflow.model.tables import Flows
from ztflow.policy.dead import DEAD_KINDS, dead_and_doubtful
from ztflow.policy.evaluate import Evaluation, Outcome, Why, evaluate
from ztflow.policy.log_lines import DryRefusals
from ztflow.policy.matching import Missing
from ztflow.policy.model import Action, NoteKind, PolicySet
from ztflow.policy.observed import let_in, refused_by_policy
from ztflow.policy.releases import NEWEST_RELEASE, Release
from ztflow.policy.workloads import Workloads
from ztflow.reports.check_rows import Changed, DryRun, Older, Undecided, changed, dry_runs, older, undecided
from ztflow.reports.model import Basis, Report
from ztflow.reports.tables import TitledTable, titled
from ztflow.text.format import Unit, counted


@dataclass(frozen=True, slots=True)
class RuleUse:
    """A rule and the connections it decides: lets in by ALLOW, refuses by DENY.

    Attributes:
        policy: `namespace/name`.
        rule: Number of the rule in its document, from 0; None for a policy without rules.
        action: `ALLOW` or `DENY`.
        scope: Whose connections it is asked about.
        dry_run: Whether it is a dry run, which decides nothing.
        flows: Connections.
        missed: For an ALLOW policy: connections refused because neither it nor another one attached to the server has
            a rule that matches.
    """

    policy: str
    rule: int | None
    action: str
    scope: str
    dry_run: bool
    flows: int
    missed: int


@dataclass(frozen=True, slots=True)
class Remark:
    """What became of a policy on its way to ztunnel, or is wrong with it.

    Attributes:
        policy: `namespace/name`.
        rule: Number of the rule in its document, from 0; None for the whole policy.
        kind: What happened, in a word or two.
        reason: Why, in words.
        source: The policy's file.
    """

    policy: str
    rule: int | None
    kind: str
    reason: str
    source: str


@dataclass(frozen=True)
class Check(Report):
    """What a set of policies would do to recorded connections.

    Attributes:
        release: Release whose conversion and ztunnel is assumed.
        flows: Connections.
        allowed: Of these, allowed by the policies.
        refused: Refused by them.
        unknown: Neither can be said; `undecided` has the reasons.
        outside: Of those allowed, where no ztunnel decides: to a waypoint or out of the mesh.
        refused_in_log: Connections the log says a policy refused or cut.
        newly_refused: Connections that were let in and would be refused.
        newly_allowed: Connections that were refused and would be allowed.
        changed: These by client, server and port.
        undecided: The unknown ones.
        older: Connections that lived on past the making of a policy that refuses them.
        rules: Every rule and how many connections it decides.
        dead: Policies and rules without effect at ztunnel.
        remarks: What else is to be known of the policies.
        dry_run: What dry-run policies would refuse, by the policies and by the log's own lines.
        selected: Whether only some of the log's connections were asked about.
    """

    name: ClassVar[str] = "check"
    title: ClassVar[str] = "What the policies would do"

    release: str
    flows: int
    allowed: int
    refused: int
    unknown: int
    outside: int
    refused_in_log: int
    newly_refused: int
    newly_allowed: int
    changed: tuple[Changed, ...]
    undecided: tuple[Undecided, ...]
    older: tuple[Older, ...]
    rules: tuple[RuleUse, ...]
    dead: tuple[Remark, ...]
    remarks: tuple[Remark, ...]
    dry_run: tuple[DryRun, ...]
    selected: bool

    @property
    def findings(self) -> int:
        """Connections whose verdict would change, and policies and rules without effect; not those not sent."""
        dead = sum(one.kind != NoteKind.NOT_SENT for one in self.dead)
        return self.newly_refused + self.newly_allowed + dead

    def tables(self, limit: int | None = None) -> list[TitledTable]:
        """Counts, what changes, and what of the policies has no effect."""
        limit = self.cap(limit)
        counts = [
            ("allowed", self.allowed), ("of these no ztunnel decides", self.outside), ("refused", self.refused),
            ("unknown", self.unknown), ("refused in the log", self.refused_in_log),
            ("newly refused", self.newly_refused), ("newly allowed", self.newly_allowed),
        ]  # fmt: skip
        found = [titled("Verdicts", (("", Unit.TEXT), ("conns", Unit.COUNT)), counts)]
        for verdict, title in ((Outcome.REFUSED, "Newly refused"), (Outcome.ALLOWED, "Newly allowed")):
            rows = [row.cells() for row in self.changed if row.verdict == verdict]
            found.append(titled(title, Changed.COLUMNS, rows, limit))
        for title, columns, rows in (
            ("Not decided", Undecided.COLUMNS, [row.cells() for row in self.undecided]),
            ("Older than the policy", Older.COLUMNS, [row.cells() for row in self.older]),
            ("Dry run", DryRun.COLUMNS, [row.cells() for row in self.dry_run]),
            ("Without effect", _REMARKS, [_remark_cells(row) for row in self.dead]),
            ("Remarks on the policies", _REMARKS, [_remark_cells(row) for row in self.remarks]),
        ):
            if rows:
                found.append(titled(title, columns, rows, limit))
        rules = [
            (row.policy, rule_text(row.rule), _action(row), row.scope, row.flows, row.missed) for row in self.rules
        ]
        found.append(titled("Rules", _RULES, rules, limit))
        return found

    def notes(self) -> list[str]:
        """What the verdicts rest on."""
        notes = [f"Conversion and evaluation as in {self.release}."]
        if any(row.reason == Missing.LABELS for row in self.undecided):
            notes.append(
                "Labels of pods come from --inventory with kubectl get pods -A -o json (or --show-labels), attachments "
                "from a ztunnel's config_dump."
            )
        if any(row.older for row in self.changed):
            notes.append(
                "A connection that was open when a policy with a selector came lives on (ztunnel 1.24 and later), so "
                "that it was let in does not show that the policy allows it."
            )
        if any(row.src_is_waypoint for row in self.changed):
            notes.append(
                "Behind a waypoint the pod's ztunnel sees the waypoint's identity and address, not the client's."
            )
        wrong = [row for row in self.dry_run if row.agrees is False]
        if wrong and self.selected:
            notes.append("The log's dry-run lines are of all its connections, not only of those chosen.")
        elif wrong:
            notes.append(
                f"The log's dry-run lines and the policies given differ for {counted(len(wrong), 'pair')}: other "
                "policies held, or lines are missing."
            )
        return notes


_REMARKS = (("policy", Unit.TEXT), ("rule", Unit.TEXT), ("what", Unit.TEXT), ("why", Unit.TEXT))
_RULES = (
    ("policy", Unit.TEXT), ("rule", Unit.TEXT), ("action", Unit.TEXT), ("scope", Unit.TEXT), ("conns", Unit.COUNT),
    ("no rule matched", Unit.COUNT),
)  # fmt: skip


def _remark_cells(row: Remark) -> tuple[object, ...]:
    return row.policy, rule_text(row.rule), row.kind, row.reason


def _action(row: RuleUse) -> str:
    return f"{row.action}, dry run" if row.dry_run else row.action


def rule_text(number: int | None) -> str | None:
    """A rule by its place in the document, as an error of the API server names it."""
    return None if number is None else f"rules[{number}]"


def check(
    flows: Flows,
    policies: PolicySet,
    workloads: Workloads | None = None,
    *,
    release: Release = NEWEST_RELEASE,
    dry_lines: Sequence[DryRefusals] = (),
    selected: bool = False,
) -> Check:
    """What these policies would make of recorded connections, beside what became of them.

    Args:
        flows: Connections.
        policies: All policies that would hold; from `policy.load_policies`.
        workloads: Labels of the pods, and what is attached to them.
        release: What the policies were converted for.
        dry_lines: What the log's own lines say of dry-run policies (`policy.log_lines`).
        selected: Whether the flows are only some of the log's, so that its lines count more.

    Cost: about that of two reports; Python once per distinct kind of connection.
    """
    known = Workloads(None, policies.keys) if workloads is None else workloads
    view = View(flows.to_arrow())
    evaluation = evaluate(policies, flows, known)
    ends = vertices(view, "workload", flows.owners)
    was_in, was_refused = let_in(view), refused_by_policy(view)
    refused = _mask(evaluation, Outcome.REFUSED)
    allowed = _mask(evaluation, Outcome.ALLOWED)
    outside = np.array([one.why is Why.NO_ZTUNNEL for one in evaluation.decisions], np.bool_)
    newly_refused, newly_allowed = refused & was_in, allowed & was_refused
    domains = view.labels("src_trust_domain")
    seen = {domains.words[code] for code in np.unique(domains.codes).tolist() if code >= 0}
    notes = dead_and_doubtful(policies, known, seen)
    remarks = [Remark(note.policy, note.rule, note.kind.value, note.text, note.source) for note in notes]
    dead = {kind.value for kind in DEAD_KINDS}
    return Check(
        Basis.of(flows, view),
        str(release),
        len(flows),
        int(allowed.sum()),
        int(refused.sum()),
        len(flows) - int(allowed.sum()) - int(refused.sum()),
        int(outside[evaluation.codes].sum()) if len(flows) else 0,
        int(was_refused.sum()),
        int(newly_refused.sum()),
        int(newly_allowed.sum()),
        tuple(changed(view, ends, evaluation, newly_refused | newly_allowed, policies)),
        tuple(undecided(ends, evaluation)),
        tuple(older(view, ends, evaluation, newly_refused, policies)),
        tuple(_rule_uses(evaluation, policies)),
        tuple(row for row in remarks if row.kind in dead),
        tuple(row for row in remarks if row.kind not in dead),
        tuple(dry_runs(view, ends, evaluation, dry_lines, flows.owners, policies)),
        selected,
    )


def _mask(evaluation: Evaluation, outcome: Outcome) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    mask = np.zeros(len(evaluation.codes), np.bool_)
    mask[evaluation.rows(lambda one: one.outcome is outcome)] = True
    return mask


def _rule_uses(evaluation: Evaluation, policies: PolicySet) -> list[RuleUse]:
    flows = np.bincount(evaluation.codes, minlength=len(evaluation.decisions)).tolist()
    decided: Counter[tuple[str | None, int | None]] = Counter()
    missed: Counter[str] = Counter()
    for decision, count in zip(evaluation.decisions, flows, strict=True):
        decided[decision.policy, decision.rule] += count
        if decision.why is Why.NO_RULE:
            missed.update(dict.fromkeys(decision.allows, count))
    uses = []
    for policy in sorted(policies.policies, key=lambda one: (one.action is Action.ALLOW, one.key)):
        numbers: list[int | None] = [rule.number for rule in policy.rules]
        uses += [
            RuleUse(
                policy.key, number, policy.action.value, policy.scope.value, policy.dry_run,
                decided[policy.key, number], missed[policy.key],
            )
            for number in numbers or [None]
        ]  # fmt: skip
    return uses
