"""PeerAuthentication → the DENY policies that refuse plaintext, and which workloads get which of them.

| effective mode | ztunnel gets |
|---|---|
| STRICT | `<root namespace>/istio_converted_static_strict`: refuses whoever has no identity |
| PERMISSIVE, DISABLE | nothing; HBONE stays accepted |
| of a workload, with other modes for single ports | `<namespace>/converted_peer_authentication_<name>` instead |

The mode of a workload, else of its namespace, else of the mesh; of several of one kind the oldest.

Source: istio/istio 1.31.0-rc.0 `…/ambient/authorization.go` (`convertedSelectorPeerAuthentications`,
`convertPeerAuthentication`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ztflow.model.denials import PORTS_PREFIX, STATIC_STRICT
from ztflow.place.inventory.facts import micros
from ztflow.policy.documents import Place
from ztflow.policy.model import (
    Action,
    Labels,
    Match,
    Note,
    NoteKind,
    Policy,
    Rule,
    Scope,
    TextKind,
    TextMatch,
    Workload,
)  # fmt: skip

_MODES = ("UNSET", "DISABLE", "PERMISSIVE", "STRICT")
_NO_IDENTITY = Match(not_principals=(TextMatch(TextKind.PRESENCE),))
_LATEST = 1 << 62


@dataclass(frozen=True, slots=True)
class Peer:
    """One PeerAuthentication.

    Attributes:
        namespace: Its namespace.
        name: Its name.
        labels: Labels of the workloads it is for; None for all.
        mode: `UNSET`, `DISABLE`, `PERMISSIVE` or `STRICT`.
        ports: Mode of single ports of the application.
        created: When it was made, microseconds since 1970 UTC; None where the document does not say.
        source: Its file.
    """

    namespace: str
    name: str
    labels: Labels | None
    mode: str
    ports: tuple[tuple[int, str], ...]
    created: int | None
    source: str = ""

    @property
    def age(self) -> int:
        """When it was made; one that is in no cluster yet is the youngest."""
        return _LATEST if self.created is None else self.created


def read_peer(place: Place, namespace: str, name: str, source: str) -> Peer:
    """A PeerAuthentication document.

    Raises:
        UsageError: If it is not valid.
    """
    spec = place.get("spec")
    spec.fields({"selector", "mtls", "portLevelMtls"})
    listed = spec.get("portLevelMtls")
    ports = []
    for text in listed.fields() or {}:
        if not (str(text).isascii() and str(text).isdigit() and len(str(text)) < 6 and 0 < int(text) < 65536):
            raise listed.wrong(f"{str(text)!r:.60} is no port")
        ports.append((int(text), _mode(Place((listed.value or {})[text], listed.document, f"{listed.path}.{text}"))))
    created = micros(place.get("metadata").get("creationTimestamp").value)
    labels = spec.get("selector").labels()
    return Peer(namespace, name, labels, _mode(spec.get("mtls")), tuple(sorted(ports)), created, source)


def _mode(place: Place) -> str:
    place.fields({"mode"})
    return place.get("mode").word(_MODES, "UNSET")


@dataclass(frozen=True, slots=True)
class ByPeerMode:
    """Attached to the workloads whose effective PeerAuthentication asks for it.

    Attributes:
        peers: All PeerAuthentications of the mesh.
        root_namespace: Where one without a selector is for the whole mesh.
    """

    peers: tuple[Peer, ...]
    root_namespace: str

    def holds(self, key: str, workload: Workload) -> bool | None:
        """As for `model.Attachment`."""
        own = [one for one in self.peers if one.namespace == workload.namespace and one.labels]
        own = [] if workload.namespace == self.root_namespace else own
        if workload.labels is None:
            answers = {self._key(workload.namespace, one) == key for one in (None, *own)}
            return answers.pop() if len(answers) == 1 else None
        chosen = _oldest(one for one in own if set(one.labels or ()) <= set(workload.labels))
        return self._key(workload.namespace, chosen) == key

    def strict(self, namespace: str) -> bool:
        """Whether STRICT holds in a namespace where no workload's own says otherwise."""
        mesh = _oldest(one for one in self.peers if one.namespace == self.root_namespace and not one.labels)
        own = None
        if namespace != self.root_namespace:
            own = _oldest(one for one in self.peers if one.namespace == namespace and not one.labels)
        mode = next((one.mode for one in (own, mesh) if one is not None and one.mode != "UNSET"), "UNSET")
        return mode == "STRICT"

    def rules(self, peer: Peer) -> tuple[Rule, ...]:
        """The rules of a workload's own PeerAuthentication with modes for ports; none where it has no use."""
        strict = peer.mode == "STRICT" or (peer.mode == "UNSET" and self.strict(peer.namespace))
        if strict:
            open_ports = [port for port, mode in peer.ports if mode in {"PERMISSIVE", "DISABLE"}]
            others = tuple((Match(not_destination_ports=(port,)),) for port in open_ports)
            return (Rule(((_NO_IDENTITY,), *others), 0),) if others else ()
        ports = [port for port, mode in peer.ports if mode == "STRICT"]
        return tuple(
            Rule(((Match(not_principals=_NO_IDENTITY.not_principals, destination_ports=(port,)),),), number)
            for number, port in enumerate(ports)
        )

    def _key(self, namespace: str, workloads_own: Peer | None) -> str | None:
        """Key of the policy that is attached where this PeerAuthentication is the workload's own."""
        if workloads_own is not None and self.rules(workloads_own):
            return f"{namespace}/{PORTS_PREFIX}{workloads_own.name}"
        mode = "UNSET" if workloads_own is None else workloads_own.mode
        strict = mode == "STRICT" or (mode == "UNSET" and self.strict(namespace))
        return f"{self.root_namespace}/{STATIC_STRICT}" if strict else None


def convert_peers(peers: Sequence[Peer], root_namespace: str) -> tuple[list[Policy], list[Note]]:
    """What ztunnels get for all PeerAuthentications of a mesh, and what of them has no effect."""
    if not peers:
        return [], []
    attachment = ByPeerMode(tuple(peers), root_namespace)
    policies: list[Policy] = []
    notes: list[Note] = []
    strict = [one for one in peers if one.mode == "STRICT" and not (one.labels and one.namespace == root_namespace)]
    if strict:
        # Of several STRICT documents no single one has made it; the time since when it holds is that of the first.
        times = [one.created for one in strict]
        created = None if None in times else min(time for time in times if time is not None)
        policies.append(
            Policy(
                root_namespace, STATIC_STRICT, Scope.WORKLOAD, Action.DENY, (Rule(((_NO_IDENTITY,),), 0),),
                attachment=attachment, created=created, source=strict[0].source,
            )
        )  # fmt: skip
    for one in peers:
        rules = attachment.rules(one) if one.labels and one.namespace != root_namespace else ()
        if rules:
            policies.append(
                Policy(
                    one.namespace, f"{PORTS_PREFIX}{one.name}", Scope.WORKLOAD, Action.DENY, rules,
                    attachment=attachment, created=one.created, source=one.source,
                )
            )  # fmt: skip
        text = _told(one, peers, root_namespace, used=bool(rules))
        if text is not None:
            notes.append(Note(NoteKind.IGNORED, f"{one.namespace}/{one.name}", None, text, one.source))
    return policies, notes


def _told(peer: Peer, peers: Sequence[Peer], root_namespace: str, *, used: bool) -> str | None:
    """What of a PeerAuthentication has no effect, in words."""
    rivals = [one for one in peers if one.namespace == peer.namespace and bool(one.labels) == bool(peer.labels)]
    same = [one for one in rivals if not peer.labels or one.labels == peer.labels]
    oldest = _oldest(same)
    if peer.labels and peer.namespace == root_namespace:
        return (
            "it has a selector and is in the root namespace, where selectors of a PeerAuthentication count for nothing"
        )
    if oldest is not None and oldest is not peer:
        return f"{oldest.namespace}/{oldest.name} is older and holds for the same workloads"
    if peer.ports and not peer.labels:
        return "portLevelMtls needs a selector: the modes of its ports count for nothing"
    if peer.ports and not used:
        return "portLevelMtls makes no difference: no port is stricter or less strict than the rest"
    return None


def _oldest(peers: Iterable[Peer]) -> Peer | None:
    """The oldest; of equally old ones the first."""
    return min(peers, key=lambda one: one.age, default=None)
