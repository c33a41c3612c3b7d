"""From what was seen to drafts: which connections a rule covers, which none, and which destinations have to wait.

A draft is made only if it lets in everything that was let in to its destination while the log was written. An ALLOW
policy refuses all it does not name, so one connection without a rule holds the whole draft back; the user decides
reason by reason whether to write its rule all the same (`with_`) or to let the policy refuse it (`without`). Where
policies refuse everything that was seen, the draft lets in nobody, too.

Every connection is in the rules of a draft, in `refused`, or was not asked for: in one of them, never in two or none.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from ztflow.model.vocabulary import FlowPath
from ztflow.place import Inventory
from ztflow.policy.advice.judge import MOST_LOST, TUNNEL_PORT, Asked, Judge, principal_of
from ztflow.policy.advice.reasons import EXPLANATIONS, Reason
from ztflow.policy.advice.seen import End, Kind, Seen, Tally, total
from ztflow.policy.advice.selectors import Labels, Selectors
from ztflow.text.patterns import lazy_pattern

_NAMESPACE = lazy_pattern(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
_WORKLOAD = lazy_pattern(r"[a-z0-9](?:[a-z0-9.-]{0,178}[a-z0-9])?")
"""Short enough that a file can be called `namespace.workload.yaml`."""


@dataclass(frozen=True, slots=True)
class Allowed:
    """One thing a draft allows.

    Attributes:
        port: The application's port; for a NetworkPolicy the one on the wire.
        source: For an AuthorizationPolicy the principal, for a NetworkPolicy the client (`namespace/workload`).
        seen: The connections.
    """

    port: int
    source: str
    seen: Tally


@dataclass(frozen=True, slots=True)
class Draft:
    """The policy of one destination.

    Attributes:
        workload: `namespace/workload`.
        selector: Labels of its pods.
        allowed: What it allows, by port and source; nothing where all that was seen is refused today.
        unprotected: Connections that it will refuse although they work today (`without`).
    """

    workload: End
    selector: Labels
    allowed: tuple[Allowed, ...]
    unprotected: Tally

    @property
    def seen(self) -> Tally:
        """Connections it allows."""
        return total(allowed.seen for allowed in self.allowed)


@dataclass(frozen=True, slots=True)
class Refused:
    """Connections no rule is advised for.

    Attributes:
        destination: Who was called.
        source: Who called.
        identity: The caller's identity as logged.
        port: The port as far as known.
        reason: Why.
        seen: The connections.
    """

    destination: str
    source: str
    identity: str | None
    port: int | None
    reason: Reason
    seen: Tally


@dataclass(frozen=True, slots=True)
class Decided:
    """What is advised, and what not.

    Attributes:
        drafts: By workload.
        refused: By destination, reason, source, port.
        held_back: Destination without a draft → the reasons.
        elsewhere: Connections to namespaces that were not asked for.
    """

    drafts: tuple[Draft, ...]
    refused: tuple[Refused, ...]
    held_back: Mapping[str, tuple[Reason, ...]]
    elsewhere: Tally

    @property
    def allowed(self) -> int:
        """Connections the drafts allow."""
        return sum(draft.seen.connections for draft in self.drafts)


def decide(seen: Seen, inventory: Inventory | None = None, asked: Asked | None = None) -> Decided:
    """What to advise.

    Args:
        seen: The connections.
        inventory: Labels of pods, ports of services, addresses of nodes, service accounts.
        asked: What the user wants; nothing in particular unless given.
    """
    asked = Asked() if asked is None else asked
    selectors = Selectors(inventory)
    judge = Judge(seen, inventory, selectors, asked)
    by_destination: defaultdict[End, list[tuple[Kind, Tally]]] = defaultdict(list)
    elsewhere = Tally()
    for kind, tally in seen.kinds.items():
        if asked.namespaces and kind.destination.namespace not in asked.namespaces:
            elsewhere += tally
        else:
            by_destination[selectors.whole(kind.destination)].append((kind, tally))
    drafts, refused, held_back = [], list[Refused](), dict[str, tuple[Reason, ...]]()
    for workload, members in sorted(by_destination.items()):
        judged = [(kind, tally, judge.reason(kind)) for kind, tally in members]
        good = [(kind, tally) for kind, tally, reason in judged if reason is None]
        holding = {reason for _, _, reason in judged if reason is not None and EXPLANATIONS[reason].holds}
        shut = (
            not good
            and not holding
            and not asked.network
            and any(kind.arrived for kind, _, reason in judged if reason is Reason.DENIED)
        )
        selector: Labels = {}
        whole: set[Reason] = set()
        if good or shut:
            whole = _of_whole(workload, members, judge, seen, asked)
            found = selectors.of(workload)
            whole |= {found} if isinstance(found, Reason) else set()
            selector = {} if isinstance(found, Reason) else found
            holding |= whole
        blocking = holding - asked.without
        if (good or shut) and not blocking:
            unprotected = total(
                tally for _, tally, reason in judged if reason is not None and EXPLANATIONS[reason].holds
            )
            drafts.append(Draft(workload, selector, _allowed(good, judge, asked), unprotected))
        elif blocking:
            held_back[workload.id] = tuple(sorted(blocking, key=list(Reason).index))
        main = next(iter(sorted(whole, key=list(Reason).index)), Reason.WITHHELD) if good and blocking else None
        refused += [
            Refused(
                workload.id, kind.source.id if kind.source.is_workload or not kind.address else kind.address,
                kind.identity, judge.port(kind) or kind.port, reason or main or Reason.WITHHELD, tally,
            )
            for kind, tally, reason in judged if reason is not None or blocking
        ]  # fmt: skip
    return Decided(tuple(drafts), _joined(refused), held_back, elsewhere)


def _of_whole(
    workload: End, members: Iterable[tuple[Kind, Tally]], judge: Judge, seen: Seen, asked: Asked
) -> set[Reason]:
    """Reasons that hold for everything that went to a destination."""
    found: set[Reason] = set()
    if not asked.network and judge.is_waypoint(workload):
        found.add(Reason.TO_WAYPOINT)
    if asked.window is not None and (seen.window is None or seen.window < asked.window):
        found.add(Reason.SHORT_WINDOW)
    members = list(members)
    lost = sum(tally.connections for kind, tally in members if kind.lost)
    if lost > MOST_LOST * sum(tally.connections for _, tally in members):
        found.add(Reason.MANY_UNPAIRED)
    if judge.many_unplaced:
        found.add(Reason.MANY_UNPLACED)
    if not (_NAMESPACE.fullmatch(workload.namespace) and _WORKLOAD.fullmatch(workload.name)):
        found.add(Reason.BAD_NAME)
    return found - asked.with_


def _allowed(good: Iterable[tuple[Kind, Tally]], judge: Judge, asked: Asked) -> tuple[Allowed, ...]:
    found: defaultdict[tuple[int, str], Tally] = defaultdict(Tally)
    for kind, tally in good:
        if asked.network:
            source, port = (
                judge.whole(kind.source).id,
                TUNNEL_PORT if kind.path != FlowPath.PLAINTEXT else kind.port or 0,
            )
        else:
            source, port = principal_of(kind.identity) or "", judge.port(kind) or 0
        found[port, source] += tally
    return tuple(Allowed(port, source, tally) for (port, source), tally in sorted(found.items()))


def _joined(refused: Iterable[Refused]) -> tuple[Refused, ...]:
    """Equal refusals as one, in a fixed order."""
    found: defaultdict[tuple[str, int, str, int, str], list[Refused]] = defaultdict(list)
    for one in refused:
        key = (one.destination, list(Reason).index(one.reason), one.source, one.port or 0, one.identity or "")
        found[key].append(one)
    return tuple(
        Refused(*_same(members[0]), total(member.seen for member in members)) for _, members in sorted(found.items())
    )


def _same(one: Refused) -> tuple[str, str, str | None, int | None, Reason]:
    return one.destination, one.source, one.identity, one.port, one.reason
