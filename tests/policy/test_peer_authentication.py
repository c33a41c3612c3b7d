"""PeerAuthentications become DENY policies that refuse whoever shows no identity, and each workload gets its own."""

from __future__ import annotations

import pytest
from policies_by_hand import converted, decided, peer, plain, pods, verdict

from ztflow.errors import UsageError
from ztflow.policy import Why

ROOT = "istio-system"
STATIC = "istio-system/istio_converted_static_strict"
DB = {"matchLabels": {"app": "db"}}
OLD, NEW = "2026-01-01T00:00:00Z", "2026-02-01T00:00:00Z"


def told(*made, labels=None, port=5432):
    """What becomes of a plaintext connection, and which policy refuses it; a tunnel is always let in."""
    workloads = pods(db_0={"app": "db"} if labels is None else labels)
    found = converted(*made)
    assert verdict(found, workloads, hbone_port=port) == "allowed"
    one = decided(found, workloads, **plain(dst_port=port))
    return one.policy if one.outcome == "refused" else one.outcome.value


@pytest.mark.parametrize(
    ("made", "wanted"),
    [
        ([peer("STRICT", namespace=ROOT)], STATIC),
        ([peer("STRICT")], STATIC),
        ([peer("STRICT", selector=DB)], STATIC),
        ([peer("PERMISSIVE")], "allowed"),
        ([peer("DISABLE")], "allowed"),
        ([peer("UNSET")], "allowed"),
        ([peer()], "allowed"),
        ([peer("STRICT", namespace="other")], "allowed"),
        # a workload's own goes before its namespace's, and that before the mesh's; UNSET inherits
        ([peer("STRICT", namespace=ROOT), peer("PERMISSIVE")], "allowed"),
        ([peer("STRICT", namespace=ROOT), peer("DISABLE")], "allowed"),
        ([peer("STRICT", namespace=ROOT), peer("UNSET")], STATIC),
        ([peer("STRICT", namespace=ROOT), peer()], STATIC),
        ([peer("PERMISSIVE", namespace=ROOT), peer("STRICT")], STATIC),
        ([peer("STRICT"), peer("PERMISSIVE", selector=DB, name="own")], "allowed"),
        ([peer("PERMISSIVE"), peer("STRICT", selector=DB, name="own")], STATIC),
        ([peer("STRICT"), peer("UNSET", selector=DB, name="own")], STATIC),
        ([peer("STRICT", selector={"matchLabels": {"app": "web"}})], "allowed"),
        # selectors in the root namespace count for nothing, an empty one is none
        ([peer("STRICT", namespace=ROOT, selector=DB)], "allowed"),
        ([peer("STRICT", selector={})], STATIC),
        # the oldest of several
        ([peer("STRICT", created=NEW), peer("PERMISSIVE", name="b", created=OLD)], "allowed"),
        ([peer("PERMISSIVE", created=NEW), peer("STRICT", name="b", created=OLD)], STATIC),
        ([peer("PERMISSIVE"), peer("STRICT", name="b", created=OLD)], STATIC),
        ([peer("STRICT", selector=DB, created=NEW), peer("DISABLE", name="b", selector=DB, created=OLD)], "allowed"),
    ],
)
def test_the_effective_mode(made, wanted):
    assert told(*made) == wanted


PORTS = "data/converted_peer_authentication_pa"


def ports(mode=None, **modes):
    return peer(mode, selector=DB, portLevelMtls={port[1:]: {"mode": one} for port, one in modes.items()})


@pytest.mark.parametrize(
    ("made", "port", "wanted"),
    [
        ([ports("STRICT", p8080="PERMISSIVE", p9090="DISABLE")], 8080, "allowed"),
        ([ports("STRICT", p8080="PERMISSIVE", p9090="DISABLE")], 9090, "allowed"),
        ([ports("STRICT", p8080="PERMISSIVE", p9090="DISABLE")], 5432, PORTS),
        ([ports("PERMISSIVE", p8080="STRICT", p9090="STRICT")], 8080, PORTS),
        ([ports("PERMISSIVE", p8080="STRICT", p9090="STRICT")], 9090, PORTS),
        ([ports("PERMISSIVE", p8080="STRICT", p9090="STRICT")], 5432, "allowed"),
        ([ports("DISABLE", p8080="STRICT")], 8080, PORTS),
        ([ports(p8080="STRICT")], 8080, PORTS),
        ([ports(p8080="STRICT")], 5432, "allowed"),
        ([peer("STRICT", namespace=ROOT), ports(p8080="PERMISSIVE")], 8080, "allowed"),
        ([peer("STRICT", namespace=ROOT), ports(p8080="PERMISSIVE")], 5432, PORTS),
        # without a mode STRICT somewhere, or an exception from it, there is nothing of its own
        ([ports("PERMISSIVE", p8080="PERMISSIVE")], 8080, "allowed"),
        ([ports(p8080="UNSET")], 8080, "allowed"),
        ([ports("STRICT", p8080="STRICT")], 8080, STATIC),
        ([ports("STRICT", p8080="UNSET")], 8080, STATIC),
        # only with a selector, and never in the root namespace
        ([peer("PERMISSIVE", portLevelMtls={"8080": {"mode": "STRICT"}})], 8080, "allowed"),
        ([{**ports("PERMISSIVE", p8080="STRICT"), "metadata": {"name": "pa", "namespace": ROOT}}], 8080, "allowed"),
    ],
)
def test_modes_of_ports(made, port, wanted):
    assert told(*made, port=port) == wanted


def test_the_static_policy_is_not_attached_beside_that_for_ports():
    found = converted(ports("STRICT", p8080="PERMISSIVE"))
    one = decided(found, pods(db_0={"app": "db"}), **plain())
    assert one.denies == (PORTS,)
    rules = next(policy.rules for policy in found.policies if policy.key == PORTS)
    assert len(rules) == 1
    strict = converted(ports("PERMISSIVE", p8080="STRICT", p9090="STRICT"))
    assert [len(policy.rules) for policy in strict.policies] == [2]


def test_ports_are_the_applications():
    found = converted(ports("PERMISSIVE", p15008="STRICT"))
    assert verdict(found, pods(db_0={"app": "db"}), **plain()) == "allowed"


def test_a_mode_of_a_number_is_taken_as_yaml_has_it():
    made = peer("PERMISSIVE", selector=DB, portLevelMtls={8080: {"mode": "STRICT"}})
    assert told(made, port=8080) == PORTS


def test_labels_nobody_tells_make_it_unknown_only_where_they_decide():
    of_workload = [peer("PERMISSIVE"), peer("STRICT", selector=DB, name="own")]
    assert verdict(converted(*of_workload), **plain()) == "unknown"
    assert verdict(converted(peer("STRICT")), **plain()) == "refused"
    assert verdict(converted(peer("STRICT"), peer("STRICT", selector=DB, name="own")), **plain()) == "refused"
    assert verdict(converted(peer("STRICT", selector=DB, namespace="other")), **plain()) == "allowed"


def test_an_identity_that_was_shown_is_enough_whichever_it_is():
    found = decided(converted(peer("STRICT")), src_identity=None)
    assert (found.outcome.value, found.why) == ("allowed", Why.NO_ALLOW_POLICY)


@pytest.mark.parametrize(
    ("made", "said"),
    [
        ([peer("STRICT", namespace=ROOT, selector=DB)], "in the root namespace"),
        ([peer("STRICT", created=OLD), peer("STRICT", name="b", created=NEW)], "data/pa is older"),
        ([peer("PERMISSIVE", portLevelMtls={"8080": {"mode": "STRICT"}})], "needs a selector"),
        ([ports("PERMISSIVE", p8080="PERMISSIVE")], "makes no difference"),
    ],
)
def test_what_has_no_effect_is_said(made, said):
    (note,) = converted(*made).notes
    assert said in note.text


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ({"mtls": {"mode": "strict"}}, "spec.mtls.mode cannot be 'strict'"),
        ({"mtls": {"modes": "STRICT"}}, "did you mean mode?"),
        ({"portLevelMtls": {"http": {"mode": "STRICT"}}}, "'http' is no port"),
        ({"portLevelMtls": {"0": {"mode": "STRICT"}}}, "'0' is no port"),
        ({"portLevelMtls": {"80": {"mode": 1}}}, "spec.portLevelMtls.80.mode must be text"),
    ],
)
def test_errors(spec, said):
    with pytest.raises(UsageError) as caught:
        converted(peer(**spec))
    assert said in str(caught.value)
