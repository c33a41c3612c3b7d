"""Connections as the ztunnels of their destinations see them: distinct kinds of them, and which kind each row is.

What ztunnel asks a policy about is not what the client's line shows. The peer of the accepted socket may be a
waypoint or a gateway, the port is the application's and not the service's, and a client without a tunnel has no
identity.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import ip_address

import numpy as np

from ztflow.aggregate import View
from ztflow.columns.dictionaries import Coded
from ztflow.columns.dtypes import BoolArray, Integers
from ztflow.columns.grouping import group
from ztflow.model.vocabulary import BOTH_HALVES, FlowPath, Paired
from ztflow.policy.matching import Address, Seen, account_of
from ztflow.policy.model import Policy, Workload
from ztflow.policy.workloads import Workloads

PORTS = 65536


class Judge(StrEnum):
    """Who decides about a connection."""

    ZTUNNEL = "the ztunnel of its destination"
    ELSEWHERE = "the ztunnel of another cluster's pod, which no line names"
    NOBODY = "no ztunnel: it goes to a waypoint or to what is not in the mesh"
    NOT_ASKED = "nobody was asked: it was refused before it got on its way"


JUDGES = tuple(Judge)
_ZTUNNEL, _ELSEWHERE, _NOBODY, _NOT_ASKED = range(len(JUDGES))


@dataclass(slots=True)
class Kind:
    """A kind of connection: all rows of it are decided alike.

    Attributes:
        judge: Who decides.
        workload: The destination; None where not even its namespace is known.
        seen: The rest.
    """

    judge: Judge
    workload: Workload | None
    seen: Seen


@dataclass(frozen=True, slots=True)
class Asked:
    """What a set of policies asks about beside identities; the rest need not tell kinds of connections apart."""

    source: bool
    destination: bool
    port: bool

    @classmethod
    def by(cls, policies: Iterable[Policy]) -> Asked:
        """What these policies ask about."""
        matches = [match for one in policies for rule in one.rules for clause in rule.clauses for match in clause]
        return cls(
            any(match.source_ips or match.not_source_ips for match in matches),
            any(match.destination_ips or match.not_destination_ips for match in matches),
            any(match.destination_ports or match.not_destination_ports for match in matches),
        )


def kinds_of(view: View, asked: Asked, workloads: Workloads) -> tuple[list[Kind], Integers]:
    """The distinct kinds of connections, and which of them each row is.

    Args:
        view: Flows.
        asked: What has to tell them apart.
        workloads: What is known of destinations.

    Cost: one grouping of the rows; Python once per kind.
    """
    rows = len(view)
    plaintext, double = view.equals("path", FlowPath.PLAINTEXT), view.equals("path", FlowPath.DOUBLE_HBONE)
    judge = _judges(view, plaintext, double)
    mtls = np.where(plaintext, 0, np.where(view.known("path"), 1, 2))
    names = ("dst_pod", "dst_namespace", logged_name(view, "dst"), "dst_identity")
    parts = [view.labels(name) for name in names]
    identity = view.labels("src_identity").where(~plaintext)
    # Of a connection through a gateway the log has the client's address and the service's port.
    source = view.labels("src_ip").where(~double) if asked.source else None
    tunnel = view.labels("dst_ip") if asked.source else None
    address = _pod_address(view, plaintext) if asked.destination else None
    port = np.full(rows, -1, np.int64)
    if asked.port:
        port = np.where(double, -1, _port(view, plaintext))
    texts = [*parts, identity, *(part for part in (source, tunnel, address) if part is not None)]
    groups = group(
        [*(part.part for part in texts), (judge, len(JUDGES)), (mtls, 3), (port, PORTS)],
        rows,
    )
    first = groups.first
    found = []
    destinations: dict[tuple[str | None, ...], Workload | None] = {}
    columns = [part.texts(first) for part in parts]
    sources = (
        None if source is None or tunnel is None else list(zip(source.texts(first), tunnel.texts(first), strict=True))
    )
    addresses = None if address is None else address.texts(first)
    of_identity = identity.texts(first)
    for number, row in enumerate(first.tolist()):
        who = JUDGES[int(judge[row])]
        said = tuple(column[number] for column in columns)
        if said not in destinations:
            destinations[said] = _destination(said, workloads)
        code = int(mtls[row])
        seen = Seen(
            None if code == 2 else bool(code),
            of_identity[number],
            None if sources is None else _peer(*sources[number]),
            None if addresses is None else _address(addresses[number]),
            int(port[row]) if port[row] >= 0 else None,
        )
        found.append(Kind(who, None if who is Judge.ELSEWHERE else destinations[said], seen))
    return found, groups.codes


def logged_name(view: View, end: str) -> str:
    """The column with an end's name as its line had it: a pod's for pods."""
    name = f"{end}_name"
    return name if view.has(name) else f"{end}_workload"


def inbound_seen(view: View) -> BoolArray:
    """Rows of which the server's line was found."""
    return view.equals("paired", *BOTH_HALVES, Paired.INBOUND_ONLY)


def _judges(view: View, plaintext: BoolArray, double: BoolArray) -> Integers:
    inbound = inbound_seen(view)
    captured = plaintext & _known_in(view.labels("dst_ip"), _captured(view, inbound))
    judge = np.full(len(view), _ZTUNNEL)
    judge[~inbound & plaintext & ~captured] = _NOBODY
    judge[~inbound & view.equals("path", FlowPath.WAYPOINT)] = _NOBODY
    judge[~inbound & double] = _ELSEWHERE
    judge[~view.known("path")] = _NOT_ASKED
    return judge


def _captured(view: View, inbound: BoolArray) -> set[str]:
    """Addresses of pods that a ztunnel took connections for."""
    hbone = view.equals("path", FlowPath.HBONE)
    found: set[str] = set()
    for name, mask in (("hbone_host", hbone), ("dst_ip", inbound & ~hbone & view.known("path"))):
        labels = view.labels(name)
        codes = np.unique(labels.codes[mask])
        found.update(labels.words[code] for code in codes.tolist() if code >= 0)
    return found


def _known_in(labels: Coded, words: set[str]) -> BoolArray:
    hits = np.array([*(word in words for word in labels.words), False], np.bool_)
    result: BoolArray = hits[labels.codes]
    return result


def _pod_address(view: View, plaintext: BoolArray) -> Coded:
    """The pod's own address: the tunnel's target, and what was dialled without one."""
    host, address = view.labels("hbone_host"), view.labels("dst_ip")
    words, codes = host.with_words(address.words)
    translated = np.array([*codes, -1], np.int32)
    return Coded(np.where(plaintext, translated[address.codes], host.codes), words)


def _port(view: View, plaintext: BoolArray) -> Integers:
    hbone, hbone_known = view.numbers("hbone_port")
    dialled, dialled_known = view.numbers("dst_port")
    return np.where(
        plaintext,
        np.where(dialled_known, dialled.astype(np.int64), -1),
        np.where(hbone_known, hbone.astype(np.int64), -1),
    )


def _destination(said: tuple[str | None, ...], workloads: Workloads) -> Workload | None:
    pod, namespace, name, identity = said
    namespace = namespace or account_of(identity)[0]
    if pod is None and namespace is not None and name is not None:
        pod = f"{namespace}/{name}"
    return workloads.find(pod, namespace)


def _peer(source: str | None, tunnel: str | None) -> Address | None:
    """The peer's address: the client's, unless its tunnel is of the other family, so that it had another one too."""
    peer, other = _address(source), _address(tunnel)
    return peer if peer is None or other is None or peer.version == other.version else None


def _address(text: str | None) -> Address | None:
    try:
        return None if text is None else ip_address(text)
    except ValueError:
        return None
