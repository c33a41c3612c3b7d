"""Kinds of connections, and pods with labels, made by hand for advice."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from ztflow.place import Inventory, PodFact
from ztflow.policy.advice.seen import End, Kind, Seen, Tally

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
WEB, CART, DB, WAY = (End(name, is_workload=True) for name in ("shop/web", "shop/cart", "data/db", "shop/way"))


def identity(workload: End, account: str | None = None) -> str:
    """The SPIFFE id of a workload that has an account of its own."""
    return f"spiffe://cluster.local/ns/{workload.namespace}/sa/{account or workload.name}"


def kind(source: End = WEB, destination: End = DB, **values: object) -> Kind:
    """A connection through a tunnel of which both halves were seen; keywords replace fields."""
    made = Kind(
        destination, source, identity(source), 5432, None, None, "hbone", "forwarded", None, "unique", None, True, None
    )
    return made._replace(**values)


def plain(source: End = WEB, destination: End = DB, **values: object) -> Kind:
    """A connection without a tunnel, as the destination's ztunnel saw it."""
    made = kind(source, destination, identity=None, address="10.0.0.9", path="plaintext", paired="inbound_only")
    return made._replace(unpaired_reason="plaintext", **values)


def waypoint(**values: object) -> Kind:
    """A client's hop to a waypoint."""
    made = kind(WEB, WAY, path="waypoint", host="10.96.0.1", port=80, paired="outbound_only", to_identity=identity(WAY))
    return made._replace(unpaired_reason="waypoint_hop", **values)


def times(number: int, *, hours: float = 24) -> Tally:
    """So many connections, the last that many hours after the first."""
    return Tally(number, number, 0, BEGIN, BEGIN + timedelta(hours=hours))


def seen(*kinds: Kind, number: int = 10, hours: float = 24, **counts: int) -> Seen:
    """A capture with so many connections of each kind."""
    last = BEGIN + timedelta(hours=hours)
    first_hour = int(BEGIN.timestamp()) // 3600
    made = Seen({}, set(range(first_hour, first_hour + int(hours) + 1)), BEGIN, last, **counts)
    for one in kinds:
        made.kinds[one] = made.kinds.get(one, Tally()) + times(number, hours=hours)
    return made


def pod(workload: End, number: int = 1, **values: object) -> PodFact:
    """A pod of a Deployment with the label `app`."""
    labels = {"app": workload.name, "pod-template-hash": "6f4dc97cb"} | dict(values.pop("labels", {}))
    owner = values.pop("owner", workload.name)
    return PodFact(
        workload.namespace, f"{owner}-6f4dc97cb-{'bcdfg'[number]}wdlb", owner_kind="Deployment", owner=owner,
        labels=tuple(sorted((key, value) for key, value in labels.items() if value is not None)),
    )._replace(**values)  # fmt: skip


def inventory(*pods: PodFact) -> Inventory:
    """An inventory with these pods; with none those of every workload here."""
    return Inventory(pods=list(pods) or [pod(one) for one in (WEB, CART, DB, WAY)])
