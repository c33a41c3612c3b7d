"""A waypoint's own access log: one line of Envoy a request, joined to the connections ztunnel logged.

`formats` reads a line by the format it was written in, `requests` keeps what lines say, `join` finds out which lines
are of which connection. Nothing in either log names the other's connection; docs/explanation/waypoint-logs.md says what
the join goes by, and how often it decides.

    line ─▶ formats ─▶ requests ─▶ groups (addresses, time) ─▶ chains (order, bytes) ─▶ beliefs ─▶ join
"""
