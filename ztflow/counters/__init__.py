"""What each ztunnel counted, beside the lines it wrote: how many lines are missing, and between which moments.

`scrapes` reads what port 15020 answered, `prometheus` asks a Prometheus that scraped it, `reconcile` compares it with
the access lines.
"""

from __future__ import annotations

from ztflow.counters.named import read_scrapes
from ztflow.counters.reconcile import reconcile
from ztflow.counters.result import Counters, KeyLoss, Stretch, ZtunnelCounters
from ztflow.counters.scrapes import Scrape, is_exposition

__all__ = [
    "Counters",
    "KeyLoss",
    "Scrape",
    "Stretch",
    "ZtunnelCounters",
    "is_exposition",
    "read_scrapes",
    "reconcile",
]
