"""One page to send to somebody without a cluster: summary, what changed, map, reports, connections, what is missing.

Everything is in one file that makes no request; what is on it comes from the same functions as the commands' answers.
"""

from __future__ import annotations

from ztflow.page.incident import incident_page

__all__ = ["incident_page"]
