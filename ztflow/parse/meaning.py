"""What an access line says, in sentences: who called whom, encrypted or not, refused by what, how much was sent."""

from __future__ import annotations

from ztflow.model.denials import denial_of
from ztflow.model.objects import AccessRecord
from ztflow.model.vocabulary import Direction, ErrorClass, Message, Word
from ztflow.text.format import bytes_text, duration_text

_REFUSED_BY_PEER = {ErrorClass.PEER_DENIED: "The other side refused it with 401; its own line says which policy did."}


def in_words(record: AccessRecord) -> list[str]:
    """The line in sentences, none of them escaped: the texts are the log's."""
    return [*_who(record), *_way(record), *_outcome(record), *_amounts(record)]


def _is(text: str | None, word: Word) -> bool:
    return text == word


def _named(namespace: str | None, name: str | None, address: str | None) -> str:
    shown = "/".join(part for part in (namespace, name) if part) if name else ""
    if shown and address:
        return f"{shown} ({address})"
    return shown or address or "somebody"


def _who(record: AccessRecord) -> list[str]:
    source = _named(record.src_namespace, record.src_workload, record.src_ip)
    # Behind a tunnel is the real target; without one the address dialled is.
    wanted = record.hbone_addr or record.dst_addr
    behind = record.hbone_host or record.dst_ip
    elsewhere = _next_hop(record)
    target = wanted if elsewhere else _named(record.dst_namespace, record.dst_workload, behind)
    port = record.hbone_port if record.hbone_host is not None else record.dst_port
    call = f"{source} called {target or wanted or 'nobody that is named'}"
    if port is not None and not elsewhere:
        call += f", port {port}"
    if record.dst_service:
        call += f", as the service {record.dst_service}"
    side = {
        Direction.OUTBOUND: "written by the ztunnel on the client's node",
        Direction.INBOUND: "written by the ztunnel on the server's node",
    }.get(Direction(record.direction)) if record.direction else None  # fmt: skip
    lines = [f"{call}{'; ' + side if side else ''}."]
    if elsewhere:
        hop = _named(record.dst_namespace, record.dst_workload, record.dst_ip)
        lines.append(
            f"It did not go there directly but to {hop}, a waypoint or gateway, which opens a connection of its own to "
            "the server. That one has lines of its own."
        )
    return lines


def _next_hop(record: AccessRecord) -> bool:
    """Whether the address dialled is not that of the target, so that a waypoint or gateway is between them."""
    return (
        _is(record.direction, Direction.OUTBOUND)
        and record.hbone_host is not None
        and record.dst_ip is not None
        and record.hbone_host != record.dst_ip
    )


def _way(record: AccessRecord) -> list[str]:
    if _is(record.message, Message.FAILED):
        return [
            "It was refused before ztunnel knew more about it: the line names two addresses and nothing of a tunnel."
        ]
    if record.hbone_host is None:
        return [
            "Not encrypted by the mesh: no tunnel (`dst.hbone_addr` is missing). The application may encrypt itself."
        ]
    who = [
        f"{end} is {identity}"
        for end, identity in (
            ("the client", record.src_identity),
            ("the waypoint or gateway" if _next_hop(record) else "the server", record.dst_identity),
        )
        if identity is not None
    ]
    ends = f": {', '.join(who)}" if who else ""
    return [f"Encrypted by the mesh, in an mTLS tunnel (HBONE){ends}."]


def _outcome(record: AccessRecord) -> list[str]:
    if _is(record.message, Message.OPENED):
        return ["It began; how it ends is in another line."]
    if record.error is None:
        return ["It ended without an error."] if _is(record.message, Message.COMPLETE) else []
    meant = denial_of(record.error_class, record.error)
    if meant is not None and _is(record.error_class, ErrorClass.POLICY_DENIED):
        return [f"Refused: {meant.cause}"]
    told = _REFUSED_BY_PEER.get(ErrorClass(record.error_class)) if record.error_class else None
    return [told or f"It ended with an error: {record.error}"]


def _amounts(record: AccessRecord) -> list[str]:
    inbound = _is(record.direction, Direction.INBOUND)
    sizes = (record.bytes_recv, record.bytes_sent) if inbound else (record.bytes_sent, record.bytes_recv)
    request, response = (None if size is None else _size(size) for size in sizes)
    if request is None or response is None or record.direction is None:
        return []
    keys = ("bytes_recv", "bytes_sent") if inbound else ("bytes_sent", "bytes_recv")
    lived = "" if record.duration_ms is None else (
        f" It lived {duration_text(record.duration_ms)} from opening to end, idle time included."
    )  # fmt: skip
    return [f"The client sent {request} ({keys[0]}) and got {response} back ({keys[1]}).{lived}"]


def _size(count: int) -> str:
    shown = bytes_text(count)
    return shown if shown == f"{count} B" else f"{shown} ({count:,} B)"
