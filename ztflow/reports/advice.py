"""Advice as a report: the rules that are drafted, the connections without one and why, the namespaces as a whole."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar

from ztflow.model.notices import notices_of
from ztflow.model.provenance import ReadReport, ReadStats
from ztflow.policy.advice import EXPLANATIONS, Advice, Reason
from ztflow.policy.advice.folder import REFUSED_MARK
from ztflow.policy.advice.seen import Seen, Tally
from ztflow.reports.model import Basis, Report, share
from ztflow.reports.plain import plain
from ztflow.reports.tables import TitledTable, titled
from ztflow.text.format import Unit, counted, json_text


@dataclass(frozen=True, slots=True)
class RuleRow:
    """One client on one port that a draft allows.

    Attributes:
        workload: Destination, `namespace/workload`.
        port: Port of the application; of a NetworkPolicy the one on the wire.
        source: Principal; of a NetworkPolicy the client, `namespace/workload`.
        connections: How many were seen.
        paired_share: Of which both sides were logged, as a fraction of 1.
        first_seen: When the first began.
        last_seen: When the last ended.
    """

    workload: str
    port: int
    source: str
    connections: int
    paired_share: float | None
    first_seen: datetime | None
    last_seen: datetime | None


@dataclass(frozen=True, slots=True)
class RefusedRow:
    """Connections without a rule.

    Attributes:
        reason: One of `policy.advice.Reason`.
        destination: Who was called.
        source: Who called.
        identity: The caller's identity as logged.
        port: The port as far as known.
        connections: How many.
        first_seen: When the first began.
        last_seen: When the last ended.
    """

    reason: str
    destination: str
    source: str
    identity: str | None
    port: int | None
    connections: int
    first_seen: datetime | None
    last_seen: datetime | None


@dataclass(frozen=True, slots=True)
class DraftRow:
    """A policy that is drafted.

    Attributes:
        workload: Destination, `namespace/workload`.
        file: Its file in the folder of the advice; None where nothing changed against earlier policies.
        selector: Labels of its pods.
        connections: Connections it allows.
        would_refuse: Connections that work today and that it refuses (`--without`).
    """

    workload: str
    file: str | None
    selector: dict[str, str]
    connections: int
    would_refuse: int


@dataclass(frozen=True, slots=True)
class HeldBackRow:
    """A destination without a draft because of some of its traffic, and the reasons."""

    workload: str
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class NamespaceRow:
    """A namespace as a whole; see `policy.advice.advise.Namespace`."""

    namespace: str
    drafts: int
    held_back: int
    silent: tuple[str, ...]
    plaintext: int
    default_deny: bool
    strict: bool


@dataclass(frozen=True, slots=True)
class ChangeRow:
    """What differs from earlier policies.

    Attributes:
        change: `added`, `unneeded`, `unseen` or `not compared`.
        policy: Workload for `added`, else the policy.
        source: Client.
        port: Port; None for all.
        connections: Connections seen, for `added`.
    """

    change: str
    policy: str
    source: str | None
    port: int | None
    connections: int | None


@dataclass(frozen=True)
class AdviceReport(Report):
    """Policies that what was seen asks for.

    Attributes:
        kind: Kind of the policies.
        named_by: How clients are named: `principals`, `serviceAccounts` or `labels`.
        allowed: Connections the drafts allow.
        elsewhere: Connections to namespaces that were not asked for.
        silent_hours: Hours of the window in which no connection ended.
        drafts: Policies.
        rules: What they allow.
        held_back: Destinations without one because of some of their traffic.
        refused: Connections without a rule.
        reasons: Reason → what it means and what to do, for the reasons that are there.
        namespaces: Namespaces as a whole.
        changes: Beside earlier policies; None without them.
        remarks: What was done otherwise than asked for.
    """

    name: ClassVar[str] = "advise"
    title: ClassVar[str] = "Advised policies"

    kind: str
    named_by: str
    allowed: int
    elsewhere: int
    silent_hours: int
    drafts: tuple[DraftRow, ...]
    rules: tuple[RuleRow, ...]
    held_back: tuple[HeldBackRow, ...]
    refused: tuple[RefusedRow, ...]
    reasons: dict[str, dict[str, str]]
    namespaces: tuple[NamespaceRow, ...]
    changes: tuple[ChangeRow, ...] | None
    remarks: tuple[str, ...]

    @property
    def findings(self) -> int:
        """Destinations that are held back; beside earlier policies what differs from them."""
        return len(self.held_back) + len(self.changes or ())

    def tables(self, limit: int | None = None) -> list[TitledTable]:
        """Changes where policies were given, else rules; then what has no rule."""
        limit = self.cap(limit)
        found = [] if self.changes is None else [titled("Changes", _CHANGES, list(map(_cells, self.changes)), limit)]
        rules: list[tuple[Any, ...]] = [
            (row.workload, row.port, row.source, row.connections, row.paired_share, row.first_seen, row.last_seen)
            for row in self.rules
        ]
        rules += [(row.workload, None, "(nobody)", 0, None, None, None) for row in self.drafts if not row.connections]
        if self.changes is None:
            found.append(titled("Allowed by the drafts", _RULES, rules, limit))
        held = [
            (row.workload, row.reasons, "; ".join(filter(None, (self.reasons[name]["remedy"] for name in row.reasons))))
            for row in self.held_back
        ]
        found.append(titled("No draft", _HELD, held, limit, _ONE_HOLDS if held else ()))
        denied = [row for row in self.refused if row.reason == Reason.DENIED]
        others = [row for row in self.refused if row.reason != Reason.DENIED]
        meanings = [f"{name}: {said['meaning']}" for name, said in self.reasons.items() if name != Reason.DENIED]
        found.append(titled("Connections without a rule", _WITHOUT_RULE, list(map(_refused, others)), limit, meanings))
        if denied:
            found.append(titled("Would also need a rule", _WITHOUT_RULE, list(map(_refused, denied)), limit, _DENIED))
        spaces = [
            (row.namespace, row.drafts, row.held_back, row.silent, row.plaintext, row.default_deny, row.strict)
            for row in self.namespaces
        ]
        if self.kind == "AuthorizationPolicy":
            found.append(titled("Namespaces", _NAMESPACES, spaces, limit))
        return found

    def notes(self) -> list[str]:
        """What the log cannot tell."""
        rest = sum(row.connections for row in self.refused)
        text = f"{counted(self.basis.flows, 'connection')}: {self.allowed:,} allowed by the drafts, {rest:,} listed"
        if self.elsewhere:
            text += f", {self.elsewhere:,} to namespaces not asked for"
        found = [f"{text}. Nothing was applied to a cluster."]
        if self.silent_hours:
            found.append(
                f"No connection ended in {counted(self.silent_hours, 'hour')} of the window: is the log whole?"
            )
        found += self.remarks
        return [*found, _RARE]

    def refusals(self) -> str:
        """What has no rule as JSON lines: the first says of what, the others are `refused`."""
        first, last = self.basis.first_seen, self.basis.last_seen
        head = REFUSED_MARK + "," + json_text(
            plain({"kind": self.kind, "first_seen": first, "last_seen": last, "connections": self.basis.flows,
                   "allowed": self.allowed, "elsewhere": self.elsewhere, "held_back": self.held_back,
                   "reasons": self.reasons})
        ).removeprefix("{")  # fmt: skip
        return "".join(f"{line}\n" for line in (head, *(json_text(plain(row)) for row in self.refused)))


_ONE_HOLDS = (
    "An ALLOW policy refuses all it does not name. So a draft is made only if it lets in everything that was let in.",
)
_DENIED = ("Refused by a policy today. A rule for it is never advised.",)
_RARE = (
    "What did not happen while the log was written is not in it: monthly jobs, failovers, deploys. Check with "
    "`ztflow check` and a dry run before enforcing."
)
_CHANGES = (
    ("change", Unit.TEXT), ("policy", Unit.TEXT), ("client", Unit.TEXT), ("port", Unit.NUMBER), ("conns", Unit.COUNT),
)  # fmt: skip
_RULES = (
    ("destination", Unit.TEXT), ("port", Unit.NUMBER), ("client", Unit.TEXT), ("conns", Unit.COUNT),
    ("paired", Unit.SHARE), ("first", Unit.TIME), ("last", Unit.TIME),
)  # fmt: skip
_HELD = (("destination", Unit.TEXT), ("reasons", Unit.TEXT), ("what to do", Unit.TEXT))
_WITHOUT_RULE = (
    ("destination", Unit.TEXT), ("reason", Unit.TEXT), ("source", Unit.TEXT), ("port", Unit.NUMBER),
    ("conns", Unit.COUNT), ("first", Unit.TIME), ("last", Unit.TIME),
)  # fmt: skip
_NAMESPACES = (
    ("namespace", Unit.TEXT), ("drafts", Unit.COUNT), ("no draft", Unit.COUNT), ("never called", Unit.TEXT),
    ("plaintext", Unit.COUNT), ("default-deny fits", Unit.TEXT), ("strict fits", Unit.TEXT),
)  # fmt: skip


def _cells(row: ChangeRow) -> tuple[Any, ...]:
    return row.change, row.policy, row.source, row.port, row.connections


def _refused(row: RefusedRow) -> tuple[Any, ...]:
    return (
        row.destination, row.reason, row.source, row.port, row.connections, row.first_seen, row.last_seen,
    )  # fmt: skip


def advice_report(advice: Advice, report: ReadReport | None = None) -> AdviceReport:
    """The report of an advice.

    Args:
        advice: The advice.
        report: Counts of the reading.
    """
    decided, wanted = advice.decided, advice.wanted
    files = {document.content["metadata"]["namespace"] + "/" + document.content["metadata"]["name"]: document.file
             for document in advice.documents}  # fmt: skip
    present = {row.reason for row in decided.refused} | {one for many in decided.held_back.values() for one in many}
    remarks = []
    if wanted.service_accounts and not wanted.by_account:
        remarks.append(
            "Clients are named by principals: a ztunnel up to 1.24 does not know serviceAccounts, and an ALLOW policy "
            "with them would refuse everything there. State the oldest release with --release 1.25 or later."
        )
    network = wanted.asked.network
    return AdviceReport(
        _basis(advice.seen, report),
        "NetworkPolicy" if network else "AuthorizationPolicy",
        "labels" if network else "serviceAccounts" if wanted.by_account else "principals",
        decided.allowed,
        decided.elsewhere.connections,
        advice.seen.silent_hours,
        tuple(
            DraftRow(
                draft.workload.id, files.get(f"{draft.workload.namespace}/ztflow-{draft.workload.name}"),
                dict(draft.selector), draft.seen.connections, draft.unprotected.connections,
            )
            for draft in decided.drafts
        ),
        tuple(
            RuleRow(draft.workload.id, one.port, one.source, *_seen(one.seen))
            for draft in decided.drafts
            for one in draft.allowed
        ),
        tuple(HeldBackRow(name, tuple(map(str, reasons))) for name, reasons in decided.held_back.items()),
        tuple(
            RefusedRow(
                str(one.reason), one.destination, one.source, one.identity, one.port, one.seen.connections,
                one.seen.first, one.seen.last,
            )
            for one in decided.refused
        ),
        {
            str(reason): {"meaning": EXPLANATIONS[reason].text, "remedy": EXPLANATIONS[reason].remedy}
            for reason in Reason
            if reason in present
        },
        tuple(
            NamespaceRow(
                one.name, len(one.drafts), len(one.held_back), one.silent, one.plaintext, one.default_deny, one.strict
            )
            for one in advice.namespaces
        ),
        None if advice.changes is None else tuple(_changes(advice)),
        tuple(remarks),
    )  # fmt: skip


def _seen(seen: Tally) -> tuple[int, float | None, datetime | None, datetime | None]:
    return seen.connections, share(seen.paired, seen.connections), seen.first, seen.last


def _changes(advice: Advice) -> Iterator[ChangeRow]:
    changes = advice.changes
    if changes is None:
        return
    for added in changes.added:
        yield ChangeRow("added", added.workload, added.source, added.port, added.seen.connections)
    for grant in changes.unneeded:
        yield ChangeRow("unneeded", grant.policy, grant.named, grant.port, None)
    for policy in changes.unseen:
        yield ChangeRow("unseen", policy, None, None, None)
    for rule in changes.not_compared:
        yield ChangeRow("not compared", rule, None, None, None)


def _basis(seen: Seen, report: ReadReport | None) -> Basis:
    flows = sum(tally.connections for tally in seen.kinds.values())
    paired = sum(tally.paired for tally in seen.kinds.values())
    report = report or ReadReport()
    read = {name: int(getattr(report.stats, name)) for name in ReadStats.__slots__}
    return Basis(
        seen.first_line, seen.last_line, flows, paired, seen.ambiguous, flows - paired, seen.unplaced,
        seen.unsized, report.evicted, read if any(read.values()) else {}, tuple(notices_of(report)), report.producers,
    )  # fmt: skip
