"""Ready-made scenarios by name."""

from __future__ import annotations

from dataclasses import replace

from ztflow.errors import UsageError
from ztflow.simulate.kinds import Kind
from ztflow.simulate.l7.settings import Http
from ztflow.simulate.scenario import Clocks, Delays, Faults, Mix, Scenario, Shape

_EVERYDAY: Mix = (
    (Kind.PLAIN, 300), (Kind.PROBE, 480), (Kind.BURST, 400), (Kind.LONG, 15), (Kind.BIG, 4), (Kind.ALLOWED, 20),
    (Kind.DENIED, 40), (Kind.REFUSED, 20), (Kind.SERVER_CLOSES, 20), (Kind.SERVER_RESET, 20), (Kind.CLIENT_RESET, 20),
    (Kind.HALF_CLOSE, 20), (Kind.RESET_BEFORE_ANSWER, 20), (Kind.SILENT, 20), (Kind.PLAINTEXT_IN, 21),
    (Kind.PLAINTEXT_OUT, 20), (Kind.EGRESS, 10), (Kind.DENIED_PLAINTEXT, 4), (Kind.NO_ENDPOINTS, 4),
    (Kind.UNKNOWN_ADDRESS, 4),
)  # fmt: skip
_WAYPOINT: Mix = (
    (Kind.PLAIN, 150), (Kind.PROBE, 240), (Kind.BURST, 300), (Kind.WAYPOINT, 300), (Kind.GATEWAY, 90),
    (Kind.DENIED, 20), (Kind.REFUSED, 10), (Kind.LONG, 12),
)  # fmt: skip
_STORM: Mix = (
    (Kind.STORM, 5600), (Kind.BURST, 300), (Kind.PLAIN, 200), (Kind.PROBE, 320), (Kind.WAYPOINT, 240),
    (Kind.GATEWAY, 120), (Kind.DENIED, 26), (Kind.REFUSED, 13), (Kind.SERVER_CLOSES, 13), (Kind.SERVER_RESET, 13),
    (Kind.CLIENT_RESET, 13), (Kind.HALF_CLOSE, 13), (Kind.RESET_BEFORE_ANSWER, 13), (Kind.SILENT, 13),
    (Kind.PLAINTEXT_IN, 14), (Kind.PLAINTEXT_OUT, 13), (Kind.LONG, 15), (Kind.BIG, 4),
)  # fmt: skip

BUSY_MACHINE = Delays(
    handshake=0.0045, setup=0.0004, pauses=80.0, pause=0.0018, crowding=0.45, calm=6.0, last_first=0.8,
    application_crowding=1.0, application_pause=0.011,
)  # fmt: skip
"""Delays fitted to a run on a machine that had other things to do."""

_MIXED = Scenario(
    name="mixed", about="Everything an ordinary cluster does, all sizes different.", connections=1500, duration=60,
    mix=_EVERYDAY, burst=(30, 90), burst_width=0.025, unequal_resets=0.3,
)  # fmt: skip

_ALL = (
    Scenario(
        name="idle", about="A few short connections and probes every second; nothing waits for anything.",
        connections=400, duration=60, mix=((Kind.PLAIN, 1), (Kind.PROBE, 1)),
    ),
    _MIXED,
    replace(
        _MIXED, name="equal", about="As mixed, but with the few sizes real services have: most connections are twins.",
        sizes="mixed",
    ),
    Scenario(
        name="probes", about="Identical probes of every pod, every second, and nothing else.", connections=3000,
        duration=120, mix=((Kind.PROBE, 1),), sizes="equal",
    ),
    Scenario(
        name="storm", about="Bursts of up to 200 connections in 50 ms among everything else.", connections=7000,
        duration=70, mix=_STORM, shape=Shape(waypoint_services=1), burst=(30, 200), unequal_resets=0.3,
    ),
    Scenario(
        name="twins", about="As storm, with one size a kind: only time tells connections apart.", connections=7000,
        duration=70, mix=_STORM, shape=Shape(waypoint_services=1), burst=(30, 200), sizes="equal",
    ),
    replace(
        _MIXED, name="skewed", about="As equal, with clocks that are off by some 300 ms and drift.", sizes="mixed",
        clocks=Clocks(offset=0.3, drift=30),
    ),
    replace(
        _MIXED, name="busy", about="As equal, on machines that pause for milliseconds.", sizes="mixed",
        delays=BUSY_MACHINE,
    ),
    replace(
        _MIXED, name="lossy", about="As mixed, with lines lost, one node not collected, streams late and replayed.",
        shape=Shape(nodes=4),
        faults=Faults(lost=0.03, lost_run=3, lost_nodes=(3,), late=(0.0, 1.5), replays=2, disorder=0.0005),
    ),
    Scenario(
        name="drained", about="A node's ztunnel is stopped and a pod deleted while connections are open.",
        connections=600, duration=30, mix=((Kind.PLAIN, 400), (Kind.DRAINED, 120), (Kind.POD_DELETED, 30)),
    ),
    Scenario(
        name="waypoint", about="Services behind a waypoint, and an ingress gateway: hops, not halves.",
        connections=1200, duration=40, mix=_WAYPOINT, shape=Shape(waypoint_services=2),
    ),
    Scenario(
        name="requests",
        about="HTTP through a waypoint that pools connections and adds headers, with its access log.",
        release="1.31.0-rc.0", connections=800, duration=60,
        mix=((Kind.PLAIN, 150), (Kind.PROBE, 100), (Kind.BURST, 150), (Kind.WAYPOINT, 400)), burst=(10, 40),
        burst_width=0.2, by_service=1.0, shape=Shape(waypoint_services=3), http=Http(tcp_services=1),
    ),
    Scenario(
        name="multinetwork", about="Two clusters and an east-west gateway: double HBONE.", connections=600, duration=40,
        mix=((Kind.PLAIN, 1), (Kind.DOUBLE_HBONE, 2)), shape=Shape(networks=2),
    ),
    Scenario(
        name="denials", about="Policy, refusals and early denials in all the words of the release.", connections=600,
        duration=40,
        mix=(
            (Kind.PLAIN, 100), (Kind.ALLOWED, 50), (Kind.DENIED, 200), (Kind.DENIED_PLAINTEXT, 30), (Kind.REFUSED, 60),
            (Kind.NO_ENDPOINTS, 30), (Kind.UNKNOWN_ADDRESS, 20), (Kind.UNKNOWN_WAYPOINT, 20),
            (Kind.WRONG_AUTHORITY, 30), (Kind.TLS_FAILURE, 20), (Kind.POLICY_CHANGE, 20),
        ),
    ),
    Scenario(
        name="plaintext", about="Clients and servers outside the mesh.", connections=600, duration=40,
        mix=((Kind.PLAIN, 1), (Kind.PLAINTEXT_IN, 1), (Kind.PLAINTEXT_OUT, 1), (Kind.EGRESS, 1)),
    ),
    Scenario(
        name="dualstack", about="Half of the connections over IPv6.", connections=1000, duration=40,
        mix=_EVERYDAY, shape=Shape(ipv6=0.5),
    ),
    Scenario(
        name="long", about="Connections of hours beside short ones, in tunnels that come and go.", connections=2000,
        duration=36_000, mix=((Kind.PLAIN, 1), (Kind.LONG, 1)), long_life=(1800, 30_000), other_lines=0.005,
    ),
    Scenario(
        name="bulk", about="A big cluster at 1 000 connections a second; for benchmarks: scale it.",
        connections=100_000, duration=100,
        mix=tuple((kind, share) for kind, share in _EVERYDAY if kind is not Kind.UNKNOWN_ADDRESS),
        shape=Shape(nodes=12, zones=3, apps=20, replicas=6), sizes="mixed",
    ),
)  # fmt: skip

PRESETS: dict[str, Scenario] = {scenario.name: scenario for scenario in _ALL}


def preset(name: str) -> Scenario:
    """A scenario by name.

    Args:
        name: One of `PRESETS`; docs/how-to/simulate.md#scenarios says what happens in each.

    Raises:
        UsageError: There is none of that name.
    """
    found = PRESETS.get(name)
    if found is None:
        raise UsageError(f"there is no scenario {name!r}; there are {', '.join(PRESETS)}")
    return found
