"""A waypoint's own access log: one line of Envoy a request, joined to the connections ztunnel logged.

`formats` reads a line by the format it was written in, `requests` keeps what lines say, `join` finds out which lines
are of which connection. Nothing in either log names the other's connection; docs/explanation/waypoint-logs.md says what
the join goes by, and how often it decides.

    line ─▶ formats ─▶ requests ─▶ groups (addresses, time) ─▶ chains (order, bytes) ─▶ beliefs ─▶ join
"""

from __future__ import annotations

from ztflow.model.provenance import LogLine


def begins_as_request(line: LogLine) -> bool:
    """Whether a line begins as one of Envoy's access log does in a layout that Istio sets."""
    if line.fields is not None:
        return "downstream_remote_address" in line.fields
    text = line.text
    return text[:2] == "[2" and text[11:12] == "T" and '] "' in text[21:40]
