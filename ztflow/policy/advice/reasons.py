"""Why no rule is advised for a connection: the closed list of reasons, what each means and what to do about it.

Source of the facts about ztunnel: istio/ztunnel 1.31.0-rc.0 `src/state.rs` (`assert_rbac`), `src/rbac.rs`; istio/istio
`cni/pkg/iptables/iptables.go` (probes); istio.io ambient/usage/l4-policy (waypoints).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Reason(StrEnum):
    """Why no rule is advised for a connection."""

    DENIED = "denied"
    NOT_DECIDED = "not_decided"
    OUTSIDE_MESH = "outside_mesh"
    TOLD_BY_DESTINATION = "told_by_destination"
    DESTINATION_UNKNOWN = "destination_unknown"
    TO_WAYPOINT = "to_waypoint"
    NODE_PROBE = "node_probe"
    PLAINTEXT = "plaintext"
    NO_IDENTITY = "no_identity"
    SERVICE_PORT = "service_port"
    ALSO_DENIED = "also_denied"
    WAYPOINT_SOURCE = "waypoint_source"
    GATEWAY_SOURCE = "gateway_source"
    SOURCE_NOT_CAPTURED = "source_not_captured"
    DEFAULT_ACCOUNT = "default_account"
    SHARED_IDENTITY = "shared_identity"
    SEEN_ONCE = "seen_once"
    SOURCE_UNKNOWN = "source_unknown"
    SHORT_WINDOW = "short_window"
    MANY_UNPAIRED = "many_unpaired"
    MANY_UNPLACED = "many_unplaced"
    NO_LABELS = "no_labels"
    SELECTOR_NOT_UNIQUE = "selector_not_unique"
    BAD_NAME = "bad_name"
    WITHHELD = "withheld"


@dataclass(frozen=True, slots=True)
class Explanation:
    """What a reason means.

    Attributes:
        text: Why there is no rule.
        remedy: What to do about it; empty where nothing is to be done.
        holds: Whether a policy without that rule would refuse traffic that works today, so that the whole draft of the
            destination is held back.
        writable: Whether a rule can be written all the same, where the user asks for it (`--with`).
    """

    text: str
    remedy: str = ""
    holds: bool = True
    writable: bool = False


EXPLANATIONS: dict[Reason, Explanation] = {
    Reason.DENIED: Explanation(
        "refused by a policy today; a rule that allows it is never advised",
        "if it should be allowed, it would also need a rule: write it yourself",
        holds=False,
    ),
    Reason.NOT_DECIDED: Explanation(
        "failed before the destination's ztunnel decided, so nothing shows that it is allowed", holds=False
    ),
    Reason.OUTSIDE_MESH: Explanation(
        "went without a tunnel to what no line shows to be in the mesh: no ztunnel decides there", holds=False
    ),
    Reason.TOLD_BY_DESTINATION: Explanation(
        "the client's half of a connection without a tunnel: the destination's ztunnel wrote a line of its own for it, "
        "and only that one tells whether it was let in",
        holds=False,
    ),
    Reason.DESTINATION_UNKNOWN: Explanation(
        "the log names no workload it went to",
        "give an inventory that knows the address (--inventory, kubectl get pods -A -o json)",
        holds=False,
    ),
    Reason.TO_WAYPOINT: Explanation(
        "went to a waypoint, which decides itself",
        "write a policy for the waypoint, bound to the service or the Gateway by targetRefs",
    ),
    Reason.NODE_PROBE: Explanation(
        "came without identity from a node's own address: a kubelet probe or a pod on the host's network. Probes "
        "normally bypass ztunnel and leave no line; this one came through it",
        "find out what it is; no rule can name it by identity",
    ),
    Reason.PLAINTEXT: Explanation(
        "came without a tunnel, so ztunnel has no identity to compare: any rule on principals refuses it",
        "bring the client into the mesh first, or let the policy refuse it (--without plaintext)",
    ),
    Reason.NO_IDENTITY: Explanation(
        "the log gives no identity of the form spiffe://DOMAIN/ns/NAMESPACE/sa/ACCOUNT for the client",
        "collect the log of the destination's node; with ztunnel before 1.22 there is none",
    ),
    Reason.SERVICE_PORT: Explanation(
        "only the service's port is known, and ztunnel compares the application's",
        "collect the log of the destination's node, or give an inventory with the service's ports (a config_dump)",
    ),
    Reason.ALSO_DENIED: Explanation(
        "the same client was refused on this port too: policies changed while the log was written, or look at more "
        "than identity and port",
        "use --since to begin after the change, or advise it all the same (--with also_denied)",
        writable=True,
    ),
    Reason.WAYPOINT_SOURCE: Explanation(
        "the client is a waypoint: ztunnel sees the waypoint's identity, not whom it speaks for",
        "write the policy for the waypoint by targetRefs; to let the waypoint itself in, use --with waypoint_source",
        writable=True,
    ),
    Reason.GATEWAY_SOURCE: Explanation(
        "the client is a gateway: whom it speaks for is not known to ztunnel",
        "write the policy for the gateway by targetRefs; to let the gateway itself in, use --with gateway_source",
        writable=True,
    ),
    Reason.SOURCE_NOT_CAPTURED: Explanation(
        "the client's side wrote no line at all: it is a gateway, or its node's log is missing",
        "collect that node's log; if it is a gateway, use --with source_not_captured to let it in",
        writable=True,
    ),
    Reason.DEFAULT_ACCOUNT: Explanation(
        "the client runs as the service account `default`, and so does every pod that names none",
        "give it a service account of its own",
        writable=True,
    ),
    Reason.SHARED_IDENTITY: Explanation(
        "several workloads run as the client's service account; a rule would let in all of them",
        "give each a service account of its own",
        writable=True,
    ),
    Reason.SEEN_ONCE: Explanation(
        "one connection to this port in the whole log",
        "watch longer, or advise it all the same (--with seen_once)",
        writable=True,
    ),
    Reason.SOURCE_UNKNOWN: Explanation(
        "no labels are known for the client, so a NetworkPolicy cannot select it",
        "give the labels of its pods (--inventory, kubectl get pods -A -o json)",
    ),
    Reason.SHORT_WINDOW: Explanation(
        "the log covers less time than asked for (--window)", "collect more, or ask for less", writable=True
    ),
    Reason.MANY_UNPAIRED: Explanation(
        "many connections to it were logged on one side only, so the log is not whole",
        "collect the logs of all nodes (ztflow report loss says which are missing)",
        writable=True,
    ),
    Reason.MANY_UNPLACED: Explanation(
        "of many connections in tunnels the log names no destination workload; some may have gone to this one",
        "give an inventory that knows the addresses (--inventory, kubectl get pods -A -o json)",
        writable=True,
    ),
    Reason.NO_LABELS: Explanation(
        "no labels are known for it, so no selector can be written",
        "give them: --inventory with the output of kubectl get pods -A -o json, or -o wide --show-labels",
    ),
    Reason.SELECTOR_NOT_UNIQUE: Explanation(
        "the labels that last (no version, no hash) select other workloads too, or are not the same on all its pods",
        "give its pods a label of their own, such as app.kubernetes.io/name",
    ),
    Reason.BAD_NAME: Explanation("its name or namespace is none that Kubernetes gives"),
    Reason.WITHHELD: Explanation(
        "could be allowed; held back because a policy for the same destination would refuse other traffic that works",
        "see the destination's other reasons; --without REASON writes the draft nevertheless",
        holds=False,
    ),
}
"""Every reason, explained."""

WRITABLE = tuple(reason for reason, meaning in EXPLANATIONS.items() if meaning.writable)
"""Reasons `--with` takes: a rule is written although the reason holds."""

BREAKABLE = tuple(
    reason for reason, meaning in EXPLANATIONS.items()
    if meaning.holds and reason not in {
        Reason.TO_WAYPOINT, Reason.SHORT_WINDOW, Reason.MANY_UNPAIRED, Reason.MANY_UNPLACED, Reason.NO_LABELS,
        Reason.SELECTOR_NOT_UNIQUE, Reason.BAD_NAME,
    }
)  # fmt: skip
"""Reasons `--without` takes: the draft is written although it will refuse those connections."""
