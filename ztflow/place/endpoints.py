"""One end of a flow: what the flow says about it, and the answer where it is."""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

from ztflow.place.inventory.facts import PodFact
from ztflow.place.names import How
from ztflow.place.register import Register, at_time
from ztflow.place.stays import Span
from ztflow.place.ztunnels import NOWHERE


class Answer(NamedTuple):
    """Where one end is. Places are numbers; a place may be a node without a known name.

    Attributes:
        place: Number of the place, or `NOWHERE`.
        zone: Its zone.
        pod: `namespace/name`, where evidence names a pod.
        evidence: How it is known; None with `NOWHERE` and no zone.
        ztunnel: Number of the end's own ztunnel, or `NOWHERE`: two ends with one ztunnel are on one node.
    """

    place: int = NOWHERE
    zone: str | None = None
    pod: str | None = None
    evidence: str | None = None
    ztunnel: int = NOWHERE


class End(NamedTuple):
    """What a flow says of one of its ends.

    Attributes:
        namespace: As logged.
        workload: As logged: a pod's name, or a workload's.
        owner_namespace: Namespace in the end's identity.
        ip: Address; behind a waypoint that of the waypoint.
        ztunnel: The ztunnel pod that wrote the half of this end.
        file: The file that half is in, where no pod is known.
        node: Node a shipper named for that half.
        pod: Pod already known.
        cluster: Cluster, where logged.
        local: Whether the half of this end was seen.
        elsewhere: Whether address and name are another hop's (double HBONE), so that they place nothing.
    """

    namespace: str | None = None
    workload: str | None = None
    owner_namespace: str | None = None
    ip: str | None = None
    ztunnel: str | None = None
    file: str | None = None
    node: str | None = None
    pod: str | None = None
    cluster: str | None = None
    local: bool = False
    elsewhere: bool = False


class MovingEnd(NamedTuple):
    """What is known so far of an end whose place may change.

    Attributes:
        times: The times at which it may, ascending.
        answers: Where it is, by how many of those times are over; -1 for no time.
    """

    times: list[int]
    answers: dict[int, Answer]


class Placement(NamedTuple):
    """Everything known of one pod or address. None is unknown.

    Attributes:
        namespace: Namespace of the pod.
        pod: Its name.
        workload: What it belongs to.
        workload_how: `owner`, `name pattern` or `as logged`.
        service_account: Its service account.
        node: Name of its node.
        zone: Zone of that node.
        region: Region of that node.
        cluster: Its cluster.
        evidence: How its node is known.
    """

    namespace: str | None = None
    pod: str | None = None
    workload: str | None = None
    workload_how: How | None = None
    service_account: str | None = None
    node: str | None = None
    zone: str | None = None
    region: str | None = None
    cluster: str | None = None
    evidence: str | None = None


def surely_holds(fact: PodFact, time: int | None) -> bool:
    """Whether a statement is known to hold at a time: the pod had started, and was there when the file was taken."""
    if time is None or fact.start is None or fact.start > time:
        return False
    until = fact.end if fact.over else fact.evidence.captured
    return until is not None and time <= until


def during(places: dict[int, Span], time: int | None) -> list[int]:
    """The places whose span covers a time."""
    if time is None:
        return []
    return [place for place, (first, last) in places.items() if first <= time <= last]


def in_cluster(pods: list[PodFact], cluster: str | None) -> list[PodFact]:
    """The pods that can be of a cluster."""
    if cluster is None:
        return pods
    return [pod for pod in pods if pod.cluster is None or pod.cluster == cluster]


def may_have(fact: PodFact, ip: str | None) -> bool:
    """Whether a pod can be the one at an address: it has it, or has none of that family on record."""
    if ip is None or ip in fact.ips:
        return True
    return not any((":" in ip) == (":" in known) for known in fact.ips)


def agrees(register: Register, end: End, namespace: str | None, name: str) -> bool:
    """Whether the pod found at an address can be the one the line names; else the address was another's."""
    said = end.namespace or end.owner_namespace
    if said is not None and namespace is not None and said != namespace:
        return False
    return end.workload is None or end.workload in {name, register.owner_of(namespace, name)[0]}


def only(pods: set[str]) -> str | None:
    """The one pod of a set, or None."""
    return next(iter(pods)) if len(pods) == 1 else None


def pod_at(
    pods: list[PodFact], end: End, time: int | None, node: str | None, seen: Collection[tuple[str, str] | None]
) -> PodFact | None:
    """The pod at an address for which a line gives no name; None unless only one can be meant.

    Args:
        pods: Pods that have the address by an inventory.
        end: The end, whose own half was seen.
        time: When.
        node: The node it is on; None where that is unknown.
        seen: Pods other lines name at this address. Where another is among them, the address was given again, and the
            inventory has to tell since when the pod has it.
    """
    fact = at_time(in_cluster([pod for pod in pods if not pod.over or pod.end is not None], end.cluster), time)
    if fact is None or fact.namespace is None or (None not in {node, fact.node} and node != fact.node):
        return None
    others = set(seen) - {None, (fact.namespace, fact.name)}
    return fact if not others or surely_holds(fact, time) else None


def in_time(
    seen: dict[int, Span],
    announced: dict[int, Span],
    fact: PodFact | None,
    stated: Answer | None,
    time: int | None,
    shipped_places: Collection[int],
) -> Answer | None:
    """The strongest evidence that holds at a time; a snapshot not known to hold then ranks below the log.

    `Answer()` where evidence of equal strength names two places, None where there is none. `shipped_places` are those
    whose name a shipper gave.
    """
    now = during(seen, time)
    shipped = [place for place in now if place in shipped_places]
    if shipped:
        return Answer(shipped[0], evidence="shipper, other lines") if len(shipped) == 1 else Answer()
    if stated is not None and fact is not None and surely_holds(fact, time):
        return stated
    if stated is not None and {*seen, *announced} <= {stated.place}:
        return stated
    arrived = sorted(during(announced, time), key=lambda place: announced[place][0])
    if arrived:
        return Answer(arrived[-1], evidence="start-up lines")
    if now:
        return Answer(now[0], evidence="other lines") if len(now) == 1 else Answer()
    return stated
