"""What a refusal by policy means: a DENY policy that it names, a PeerAuthentication of mode STRICT, or none allowed it.

All are class `policy_denied`; what to do about each differs. istiod turns a PeerAuthentication into DENY policies with
names of its own, which nobody finds in the cluster.

Source: istio/ztunnel `src/state.rs` and `src/rbac.rs`; istio/istio `pilot/pkg/serviceregistry/ambient/authorization.go`
and `policies.go`, both at 1.22 … 1.31.0-rc.0.
"""

from __future__ import annotations

from typing import NamedTuple

from ztflow.model.error_classes import CLASS_BY_NAME
from ztflow.model.vocabulary import ErrorClass

STATIC_STRICT = "istio_converted_static_strict"
"""Name of the policy made of a PeerAuthentication of mode STRICT, in Istio's root namespace."""
PORTS_PREFIX = "converted_peer_authentication_"
"""How the name of a policy made of a PeerAuthentication with modes by port begins, in that one's namespace."""
_REJECTED = "connection closed due to policy rejection"
_DENIED_BY = f"{_REJECTED}: explicitly denied by: "
_NONE_ALLOWED = f"{_REJECTED}: allow policies exist, but none allowed"


class Denial(NamedTuple):
    """What a refusal means.

    Attributes:
        summary: What happened, in a few words.
        cause: Why.
        advice: What to try.
    """

    summary: str
    cause: str
    advice: str


_LET_IN = (
    "Bring the client into the mesh, or let its port in without mTLS (PeerAuthentication, portLevelMtls PERMISSIVE)."
)


def policy_of(text: str | None) -> str | None:
    """`namespace/name` of the policy an error text names (DENY policies, ztunnel ≥ 1.24.0), else None."""
    if text is None or not text.startswith(_DENIED_BY):
        return None
    return text.removeprefix(_DENIED_BY).strip() or None


def strict_of(policy: str | None) -> str | None:
    """What a policy is that istiod made of a PeerAuthentication, in words; None for any other."""
    namespace, _, name = (policy or "").partition("/")
    if name == STATIC_STRICT:
        return "a PeerAuthentication of mode STRICT"
    if name.startswith(PORTS_PREFIX):
        return f"the PeerAuthentication {namespace}/{name.removeprefix(PORTS_PREFIX)}, STRICT on this port"
    return None


def denial_of(error_class: str | None, error: str | None, policy: str | None = None) -> Denial | None:
    """What a refusal means, more exactly than its class says; None for a class without a meaning.

    Args:
        error_class: The class of the error text.
        error: The text.
        policy: The policy it names, if it is not in the text.
    """
    known = CLASS_BY_NAME.get(error_class or "")
    if known is None:
        return None
    if known.name is ErrorClass.POLICY_DENIED:
        policy = policy or policy_of(error)
        if strict := strict_of(policy):
            return Denial(
                "plaintext refused by STRICT",
                f"{policy} is not a policy of yours: {strict} refused a client that came without mTLS.",
                _LET_IN,
            )
        if policy is not None:
            return Denial(
                "explicitly denied",
                f"The DENY policy {policy} matched this client. Where several match, any one of them is named.",
                "Read its rules: ALLOW policies cannot overrule it.",
            )
        if error is not None and error.startswith(_NONE_ALLOWED):
            return Denial(
                "no ALLOW policy matched",
                "ALLOW policies select the destination and none has a rule for this client, so there is no name. A "
                "client without an identity matches no rule that names one; a policy without rules allows nobody.",
                "List the ALLOW policies of the destination's namespace and of istio-system; compare their principals "
                "with the client's identity, and their ports with the port here.",
            )
        if error == _REJECTED:
            return Denial(
                "refused by a policy",
                "ztunnel before 1.24 does not say which policy, nor whether a DENY matched or no ALLOW did.",
                "Read the policies and PeerAuthentications of the destination's namespace and of istio-system.",
            )
    return Denial(known.summary, known.cause, known.advice)
