"""Rows of `check`: connections by client, server and port with what would become of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import ClassVar

import numpy as np
import pyarrow as pa

from ztflow.aggregate import UNKNOWN, Vertices, View, vertices
from ztflow.aggregate.measures import extremes, tally
from ztflow.columns.dtypes import NO_TIME, BoolArray, Integers
from ztflow.columns.grouping import Groups, group
from ztflow.model.provenance import time_from_micros
from ztflow.model.vocabulary import FlowPath
from ztflow.policy.connections import inbound_seen
from ztflow.policy.evaluate import Evaluation, Outcome
from ztflow.policy.log_lines import DryRefusals
from ztflow.policy.model import PolicySet, Scope
from ztflow.reports.refusals import PORT_NUMBERS, latest, same, wanted_port
from ztflow.text.format import Unit

_Columns = tuple[tuple[str, Unit], ...]


@dataclass(frozen=True, slots=True)
class Changed:
    """Connections of one client to one port of one server whose verdict would change.

    Attributes:
        verdict: What the policies make of them: `refused` or `allowed`.
        policy: Policy that decides: the DENY that refuses, the ALLOW that lets in; None where no ALLOW matched.
        rule: Number of its rule in its document, from 0.
        reason: Why, in words.
        allow_policies: ALLOW policies attached to the server; where none of them matched, a rule of these is missing.
        src: Client.
        dst: Server.
        port: Port of the application; the service's where only that is known.
        src_identity: Identity of the client, where it is the same throughout; None without one.
        src_is_waypoint: Whether the client is a waypoint.
        flows: Connections.
        first_seen: First.
        last_seen: Last.
        log_policy: Policy that the log names for the refusal, where they were refused.
        older: Of these, open when the policy was made; None where that time is not known.
        sample: `file:line` of the last one.
    """

    COLUMNS: ClassVar[_Columns] = (
        ("source", Unit.TEXT), ("identity", Unit.TEXT), ("destination", Unit.TEXT), ("port", Unit.NUMBER),
        ("conns", Unit.COUNT), ("policy", Unit.TEXT), ("rule", Unit.TEXT), ("why", Unit.TEXT), ("first", Unit.TIME),
        ("last", Unit.TIME), ("line", Unit.TEXT),
    )  # fmt: skip

    verdict: str
    policy: str | None
    rule: int | None
    reason: str
    allow_policies: tuple[str, ...]
    src: str
    dst: str
    port: int | None
    src_identity: str | None
    src_is_waypoint: bool
    flows: int
    first_seen: datetime | None
    last_seen: datetime | None
    log_policy: str | None
    older: int | None
    sample: str | None

    def cells(self) -> tuple[object, ...]:
        """Cells for `COLUMNS`; the policy is the one the log names where the policies given name none."""
        policies = self.policy or self.log_policy or ", ".join(self.allow_policies) or None
        rule = None if self.rule is None else f"rules[{self.rule}]"
        return (
            self.src, self.src_identity, self.dst, self.port, self.flows, policies, rule, self.reason,
            self.first_seen, self.last_seen, self.sample,
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Undecided:
    """Connections of which the policies' verdict cannot be said.

    Attributes:
        reason: The fact that is missing, in words.
        src: Client.
        dst: Server.
        flows: Connections.
    """

    COLUMNS: ClassVar[_Columns] = (
        ("source", Unit.TEXT), ("destination", Unit.TEXT), ("conns", Unit.COUNT), ("why", Unit.TEXT),
    )  # fmt: skip

    reason: str
    src: str
    dst: str
    flows: int

    def cells(self) -> tuple[object, ...]:
        """Cells for `COLUMNS`."""
        return self.src, self.dst, self.flows, self.reason


@dataclass(frozen=True, slots=True)
class Older:
    """Connections that were open when a policy that refuses them was made, and lived on.

    Attributes:
        policy: The policy made first of those that refuse them.
        created: When it was made.
        src: Client.
        dst: Server.
        flows: Connections.
        longest: How long the last of them lived on.
    """

    COLUMNS: ClassVar[_Columns] = (
        ("source", Unit.TEXT), ("destination", Unit.TEXT), ("conns", Unit.COUNT), ("policy", Unit.TEXT),
        ("made", Unit.TIME), ("lived on for", Unit.MS),
    )  # fmt: skip

    policy: str
    created: datetime
    src: str
    dst: str
    flows: int
    longest: timedelta

    def cells(self) -> tuple[object, ...]:
        """Cells for `COLUMNS`."""
        return self.src, self.dst, self.flows, self.policy, self.created, self.longest // timedelta(milliseconds=1)


@dataclass(frozen=True, slots=True)
class DryRun:
    """Connections dry-run policies would refuse.

    Attributes:
        src: Client; None for clients without a tunnel, which the log's lines do not name.
        dst: Server.
        policies: Policies named: DENY policies that match, ALLOW policies of which none does.
        evaluated: Connections by the policies given; None where none of them is a dry run.
        logged: Connections by the log's dry-run lines; None where it has none.
    """

    COLUMNS: ClassVar[_Columns] = (
        ("source", Unit.TEXT), ("destination", Unit.TEXT), ("policy", Unit.TEXT), ("by the policies", Unit.COUNT),
        ("by the log", Unit.COUNT),
    )  # fmt: skip

    src: str | None
    dst: str
    policies: tuple[str, ...]
    evaluated: int | None
    logged: int | None

    @property
    def agrees(self) -> bool | None:
        """Whether both say the same; None where only one says anything."""
        return None if self.evaluated is None or self.logged is None else self.evaluated == self.logged

    def cells(self) -> tuple[object, ...]:
        """Cells for `COLUMNS`."""
        source = "(without a tunnel)" if self.src is None else self.src
        return source, self.dst, ", ".join(self.policies) or None, self.evaluated, self.logged


def changed(view: View, ends: Vertices, evaluation: Evaluation, mask: BoolArray, policies: PolicySet) -> list[Changed]:
    """The rows of a mask by verdict, client, server and port; most connections first."""
    rows = np.flatnonzero(mask)
    part, decision = view.take(rows), evaluation.codes[rows]
    source, target, port = ends.source[rows], ends.target[rows], wanted_port(part)
    count = len(ends.all)
    answers = [(one.outcome, one.policy, one.rule, one.why, one.allows) for one in evaluation.decisions]
    numbers = {answer: number for number, answer in enumerate(dict.fromkeys(answers))}
    answer_of = np.array([numbers[answer] for answer in answers], np.int64)
    groups = group(
        [
            (answer_of[decision], len(numbers)), (source, count), (target, count), (port, PORT_NUMBERS),
            part.part("policy"), part.part("src_identity"),
        ],
        len(rows),
    )  # fmt: skip
    flows, first, last = _counts(part, groups)
    samples = _samples(part, groups)
    identities, log_policies = same(part, groups, "src_identity"), same(part, groups, "policy")
    older = tally(groups.codes, len(groups), _lived_on(view, evaluation, policies)[0][rows]).tolist()
    dated = {policy.key for policy in policies.policies if policy.created is not None}
    waypoints = _waypoints(view, ends)
    found = []
    for number, row in enumerate(groups.first.tolist()):
        one = evaluation.decisions[decision[row]]
        keys = {one.policy} if one.policy else set(one.allows)
        found.append(
            Changed(
                one.outcome.value, one.policy, one.rule, one.why.value, one.allows, ends.id(int(source[row])),
                ends.id(int(target[row])), int(port[row]) if port[row] >= 0 else None, identities[number],
                int(source[row]) in waypoints, flows[number], first[number], last[number], log_policies[number],
                older[number] if keys & dated else None, samples[number],
            )
        )  # fmt: skip
    return sorted(
        found,
        key=lambda row: (
            row.verdict != Outcome.REFUSED, -row.flows, row.src, row.dst, row.port or 0, row.src_identity or "",
            row.policy or "", row.log_policy or "",
        ),
    )  # fmt: skip


def undecided(ends: Vertices, evaluation: Evaluation) -> list[Undecided]:
    """Rows without a verdict, by reason, client and server; most connections first."""
    rows = evaluation.rows(lambda one: one.outcome is Outcome.UNKNOWN)
    reasons = list(dict.fromkeys(one.why for one in evaluation.decisions))
    number = np.array([reasons.index(one.why) for one in evaluation.decisions], np.int64)
    source, target, count = ends.source[rows], ends.target[rows], len(ends.all)
    reason = number[evaluation.codes[rows]]
    groups = group([(reason, len(reasons)), (source, count), (target, count)], len(rows))
    flows = tally(groups.codes, len(groups)).tolist()
    found = [
        Undecided(reasons[int(reason[row])].value, ends.id(int(source[row])), ends.id(int(target[row])), flows[place])
        for place, row in enumerate(groups.first.tolist())
    ]
    return sorted(found, key=lambda row: (-row.flows, row.reason, row.src, row.dst))


def older(view: View, ends: Vertices, evaluation: Evaluation, mask: BoolArray, policies: PolicySet) -> list[Older]:
    """Rows of a mask that lived on past the making of a policy that refuses them, by policy, client and server."""
    lived, made = _lived_on(view, evaluation, policies)
    rows = np.flatnonzero(lived & mask)
    times = np.unique(made[rows])
    source, target, count = ends.source[rows], ends.target[rows], len(ends.all)
    which = np.searchsorted(times, made[rows])
    groups = group([(which, len(times)), (source, count), (target, count)], len(rows))
    flows = tally(groups.codes, len(groups)).tolist()
    on = np.zeros(len(groups), np.int64)
    np.maximum.at(on, groups.codes, view.seen()[1][rows] - made[rows])
    of_time = {policy.created: policy.key for policy in reversed(policies.policies)}
    found = [
        Older(
            of_time[int(times[which[row]])], time_from_micros(int(times[which[row]])), ends.id(int(source[row])),
            ends.id(int(target[row])), flows[place], timedelta(microseconds=int(on[place])),
        )
        for place, row in enumerate(groups.first.tolist())
    ]  # fmt: skip
    return sorted(found, key=lambda row: (-row.flows, row.policy, row.src, row.dst))


def _lived_on(view: View, evaluation: Evaluation, policies: PolicySet) -> tuple[BoolArray, Integers]:
    """Which rows were open when a policy that refuses them was made, and when it was; only policies with a selector.

    Those for a namespace or for all cut open connections.
    """
    by_key = {policy.key: policy for policy in policies.policies}
    made = []
    for one in evaluation.decisions:
        deciding = [by_key[key] for key in (one.denies or one.allows)] if one.outcome is Outcome.REFUSED else []
        times = [policy.created for policy in deciding if policy.created is not None]
        kept = times if all(policy.scope is Scope.WORKLOAD for policy in deciding) else []
        made.append(min(kept, default=NO_TIME))
    when = np.array(made, np.int64)[evaluation.codes] if made else np.zeros(0, np.int64)
    start, known = view.numbers("start")
    end, ended = view.numbers("end")
    return (when != NO_TIME) & known & ended & (start < when) & (when < end), when


def dry_runs(
    view: View,
    ends: Vertices,
    evaluation: Evaluation,
    lines: Sequence[DryRefusals],
    owners: Mapping[str, str],
    policies: PolicySet,
) -> list[DryRun]:
    """What dry-run policies would refuse, by client and server: by evaluation, and by the log's lines."""
    evaluated: dict[tuple[str | None, str], int] = {}
    logged: dict[tuple[str | None, str], int] = {}
    named: dict[tuple[str | None, str], set[str]] = {}
    rows = evaluation.rows(lambda one: one.dry_refused is True)
    rows = rows[inbound_seen(view)[rows]]
    plaintext = view.equals("path", FlowPath.PLAINTEXT)[rows].tolist()
    for row, bare in zip(rows.tolist(), plaintext, strict=True):
        pair = None if bare else ends.id(int(ends.source[row])), ends.id(int(ends.target[row]))
        evaluated[pair] = evaluated.get(pair, 0) + 1
        one = evaluation.decisions[evaluation.codes[row]]
        named.setdefault(pair, set()).update(one.dry_denies or one.dry_allows)
    targets = {ends.id(code) for code in np.unique(ends.target).tolist()}
    sources = {ends.id(code) for code in np.unique(ends.source).tolist()} | {None}
    for pair, line in zip(_names(lines, owners), lines, strict=True):
        if pair[0] not in sources or pair[1] not in targets:
            continue  # of connections that were not chosen
        logged[pair] = logged.get(pair, 0) + line.flows
        named.setdefault(pair, set()).update(key for key, _ in line.policies if key is not None)
    has_dry = any(policy.dry_run for policy in policies.policies)
    found = [
        DryRun(
            *pair,
            tuple(sorted(named[pair])),
            evaluated.get(pair, 0) if has_dry else None,
            logged.get(pair, 0) if lines else None,
        )
        for pair in dict.fromkeys((*evaluated, *logged))
    ]
    return sorted(found, key=lambda row: (-(row.logged or row.evaluated or 0), row.src or "", row.dst))


def _names(lines: Sequence[DryRefusals], owners: Mapping[str, str]) -> Iterable[tuple[str | None, str]]:
    """Clients and servers of lines, named as the ends of flows are."""
    table = pa.table(
        {
            "src_pod": pa.array([line.client for line in lines], pa.string()),
            "dst_pod": pa.array([line.server for line in lines], pa.string()),
        }
    )
    ends = vertices(View(table), "workload", owners)
    for row, line in enumerate(lines):
        source = ends.id(int(ends.source[row])) if line.client is not None else UNKNOWN
        yield source if line.tunnel else None, ends.id(int(ends.target[row]))


def _waypoints(view: View, ends: Vertices) -> set[int]:
    """Ends that connections went to as to a waypoint."""
    return set(np.unique(ends.target[view.equals("path", FlowPath.WAYPOINT)]).tolist())


def _counts(part: View, groups: Groups) -> tuple[list[int], list[datetime | None], list[datetime | None]]:
    began, ended = part.seen()
    return (
        tally(groups.codes, len(groups)).tolist(),
        extremes(began, groups.codes, len(groups), "min"),
        extremes(ended, groups.codes, len(groups), "max"),
    )


def _samples(part: View, groups: Groups) -> list[str | None]:
    """`file:line` of the last connection of each group: the server's line where it was found."""
    rows = latest(part, groups.codes, len(groups))
    told = part.rows(rows, "inbound_file", "inbound_line", "outbound_file", "outbound_line")
    return [
        f"{file}:{line}" if line is not None else f"{other}:{other_line}" if other_line is not None else None
        for file, line, other, other_line in told
    ]
