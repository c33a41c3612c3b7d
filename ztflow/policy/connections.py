"""Connections as the ztunnels of their destinations see them: distinct kinds of them, and which kind each row is.

What ztunnel asks a policy about is not what the client's line shows. The peer of the accepted socket may be a
waypoint or a gateway, the port is the application's and not the service's, and a client without a tunnel has no
identity.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
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
from ztflow.policy.model import Network, Policy, Workload
from ztflow.policy.workloads import Workloads

OTHER_PORT = 65536
"""Stands for all ports no policy asks about."""


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
    """What a set of policies asks about beside identities. Addresses and ports that answer alike are one kind."""

    sources: tuple[Network, ...]
    destinations: tuple[Network, ...]
    ports: tuple[int, ...]

    @classmethod
    def by(cls, policies: Iterable[Policy]) -> Asked:
        """What these policies ask about."""
        matches = [match for one in policies for rule in one.rules for clause in rule.clauses for match in clause]
        return cls(
            tuple({one: None for match in matches for one in (*match.source_ips, *match.not_source_ips)}),
            tuple({one: None for match in matches for one in (*match.destination_ips, *match.not_destination_ips)}),
            tuple({one: None for match in matches for one in (*match.destination_ports, *match.not_destination_ports)}),
        )


def kinds_of(view: View, asked: Asked, workloads: Workloads) -> tuple[list[Kind], Integers]:
    """The distinct kinds of connections, and which of them each row is.

    Args:
        view: Flows.
        asked: What has to tell them apart.
        workloads: What is known of destinations.

    Cost: one grouping of the rows; Python once per kind, and once per distinct address where ranges are asked about.
    """
    plaintext, double = view.equals("path", FlowPath.PLAINTEXT), view.equals("path", FlowPath.DOUBLE_HBONE)
    judge = _judges(view, plaintext, double)
    mtls = np.where(plaintext, 0, np.where(view.known("path"), 1, 2))
    names = ("dst_pod", "dst_namespace", logged_name(view, "dst"), "dst_identity")
    parts = [view.labels(name) for name in names]
    identity = view.labels("src_identity").where(~plaintext)
    # Of a connection through a gateway the log has the client's address and the service's port.
    source, sources = _classes(_peers(view, double), asked.sources)
    target, targets = _classes(_pod_addresses(view, plaintext), asked.destinations)
    port = np.where(double, -1, _ports(view, plaintext, asked.ports))
    groups = group(
        [
            *(part.part for part in (*parts, identity)), (judge, len(JUDGES)), (mtls, 3), (port, OTHER_PORT + 1),
            (source, len(sources)), (target, len(targets)),
        ],
        len(view),
    )  # fmt: skip
    first = groups.first
    said = list(zip(*(part.texts(first) for part in parts), strict=True))
    destinations = {one: _destination(one, workloads) for one in dict.fromkeys(said)}
    found = []
    for row, named, client in zip(first.tolist(), said, identity.texts(first), strict=True):
        who, code = JUDGES[int(judge[row])], int(mtls[row])
        seen = Seen(
            None if code == 2 else bool(code),
            client,
            sources[source[row]] if source[row] >= 0 else None,
            targets[target[row]] if target[row] >= 0 else None,
            int(port[row]) if port[row] >= 0 else None,
        )
        found.append(Kind(who, None if who is Judge.ELSEWHERE else destinations[named], seen))
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


def _classes(addresses: Coded, networks: Sequence[Network]) -> tuple[Integers, list[Address]]:
    """Which addresses lie in the same of some ranges: the class of each row, and an address of each class.

    Without ranges there is nothing to tell apart. -1 is unknown.
    """
    numbers: dict[tuple[bool, ...], int] = {}
    of_word, examples = [], list[Address]()
    for word in addresses.words if networks else ():
        address = _address(word)
        if address is None:
            of_word.append(-1)
            continue
        of_word.append(numbers.setdefault(tuple(address in one for one in networks), len(numbers)))
        if len(examples) < len(numbers):
            examples.append(address)
    if not of_word:
        return np.full(len(addresses.codes), -1), []
    return np.array([*of_word, -1], np.int64)[addresses.codes], examples


def _peers(view: View, double: BoolArray) -> Coded:
    """The address of the accepted socket's peer: the client's, where its tunnel is of the same family.

    Where it is not, the client has another address, and that is the peer's.
    """
    source, tunnel = view.labels("src_ip"), view.labels("dst_ip")
    six, known = ":", source.known() & tunnel.known()
    differs = _holds(source, six) != _holds(tunnel, six)
    return source.where(~double & ~(known & differs))


def _holds(addresses: Coded, text: str) -> BoolArray:
    """Rows whose address holds a text."""
    hits = np.array([*(text in word for word in addresses.words), False], np.bool_)
    result: BoolArray = hits[addresses.codes]
    return result


def _pod_addresses(view: View, plaintext: BoolArray) -> Coded:
    """The pod's own address: the tunnel's target, and what was dialled without one."""
    host, address = view.labels("hbone_host"), view.labels("dst_ip")
    words, codes = host.with_words(address.words)
    translated = np.array([*codes, -1], np.int32)
    return Coded(np.where(plaintext, translated[address.codes], host.codes), words)


def _ports(view: View, plaintext: BoolArray, asked: Sequence[int]) -> Integers:
    """The application's port of each row, `OTHER_PORT` for one nobody asks about; -1 is unknown."""
    hbone, hbone_known = view.numbers("hbone_port")
    dialled, dialled_known = view.numbers("dst_port")
    port = np.where(plaintext, dialled.astype(np.int64), hbone.astype(np.int64))
    known = np.where(plaintext, dialled_known, hbone_known)
    return np.where(known, np.where(np.isin(port, asked), port, OTHER_PORT), -1)


def _destination(said: tuple[str | None, ...], workloads: Workloads) -> Workload | None:
    pod, namespace, name, identity = said
    namespace = namespace or account_of(identity)[0]
    if pod is None and namespace is not None and name is not None:
        pod = f"{namespace}/{name}"
    return workloads.find(pod, namespace)


def _address(text: str) -> Address | None:
    try:
        return ip_address(text)
    except ValueError:
        return None
