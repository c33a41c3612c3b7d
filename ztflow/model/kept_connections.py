"""Error texts that a waypoint or gateway causes when it closes a connection it kept open for further requests.

No text alone tells that: the client has to be one. Flows get the class `waypoint_closed` for it, which is no failure.

Source: captured with Envoy 1.36, 1.39 and 1.40 as waypoint; istio/ztunnel `src/copy.rs`, `src/proxy/h2.rs` at 1.31.
"""

from __future__ import annotations

from ztflow.model.error_classes import without_step

CLOSED_BY_CLIENT: tuple[str, ...] = (
    "io error: stream error received: ",
    "io error: connection error received: ",
    "io error: protocol error: ",
    "io error: stream closed because of a broken pipe",
    "io error: broken pipe",
    "client disconnected before all data was written",
)
"""How a copy failure of an inbound half goes on when its HTTP/2 side, the client's, closed; the server's side is plain
TCP and cannot say it. From a waypoint it is no failure: Envoy ends what it kept open, 1.36 by the last text (when its
own client left), 1.37 to 1.39 by `protocol error`, 1.40 by `stream error received` (then also when idle)."""

_RESET_BY_ENVOY = "unexpected internal error encountered"
"""Reason of a reset that Envoy sends and no ztunnel does, which cancels instead (`src/proxy/h2.rs`)."""


def closed_by_client(text: str) -> bool:
    """Whether an inbound error text says that the client's side of the tunnel closed the connection."""
    rest, copying = without_step(text.strip())
    return copying and rest.startswith(CLOSED_BY_CLIENT)


def closed_by_envoy(text: str) -> bool:
    """Whether it says so in words that only an Envoy causes, whatever is known of the client."""
    return closed_by_client(text) and text.strip().endswith(_RESET_BY_ENVOY)
