"""Why lines are likely missing: what the log says of its own filter, and what the lines that are there look like."""

from __future__ import annotations

from collections.abc import Sequence

from ztflow.model.notices import Silence


def likely_reason(missing: int, written: int, ended_well: int, *, first: bool, within: Sequence[Silence]) -> str:
    """Why lines of a stretch are missing, in words; empty where none is.

    Args:
        missing: Lines missing in it; less than 0 where there are too many.
        written: Lines that are there.
        ended_well: Those at level info.
        first: Whether the stretch begins with the process, which the log does not show.
        within: Silences in it.
    """
    if not missing:
        return ""
    if missing < 0:
        return "more lines than connections: lines that are there twice, a wrong time, or another pod's counters"
    if within:
        return "; ".join(map(str, within))
    if not written:
        return "no line of this ztunnel in this time: its log is not here, or its filter was off"
    if not ended_well:
        return "only errors were written: its log filter is likely at warn or error"
    if first:
        return "the log begins after this ztunnel did: earlier lines were rotated away or not collected"
    return "lost on the way: rotation or the shipper; no line says that the filter changed"
