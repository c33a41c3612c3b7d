"""What is said of waypoints' logs: how much of them was joined, and what that rests on."""

from __future__ import annotations

from collections.abc import Iterator

from ztflow.read import ReadReport
from ztflow.text.format import counted, share_text


def of_waypoints(counts: ReadReport) -> Iterator[str]:
    """What became of the lines of waypoints' logs, and what that rests on."""
    stats = counts.stats
    if stats.waypoint and not counts.waypoints:
        yield (
            f"{counted(stats.waypoint, 'line')} of a waypoint's log, counted and not joined to connections, for that "
            "takes whole logs"
            if counts.requests
            else f"{counted(stats.waypoint, 'line')} of a waypoint's log; ztflow flows joins them to connections, "
            "ztflow report waypoints shows them"
        )
    for one in counts.waypoints:
        other = stats.waypoint - one.lines - stats.waypoint_problems
        yield (
            f"waypoint: {counted(one.lines, 'request')}, {counted(other, 'other line')}, "
            f"{counted(stats.waypoint_problems, 'line')} that could not be read; "
            f"{one.decided:,} requests ({share_text(one.decided / max(one.lines, 1))}) joined to "
            f"{one.decided_connections:,} of {counted(one.connections, 'connection')}, by order, time and bytes"
        )
        if one.unplaced:
            yield f"waypoint: it is not clear whose log {', '.join(one.unplaced)} is, so nothing in it was joined"
        for clock, ms in one.clocks.items():
            which = "ahead of" if ms > 0 else "behind"
            yield f"waypoint: the clock of {clock} is {abs(ms):,.0f} ms {which} its own; that is allowed for"
        for clock in one.unclear:
            yield f"waypoint: how far the clock of {clock} is from its own is not clear, so nothing of it was joined"
        if one.strays:
            yield f"waypoint: {counted(one.strays, 'request')} in no connection of ztunnel's log"
        if one.gaps:
            yield (
                f"waypoint: no requests explain {counted(one.unexplained, 'connection')}, so its log must lack lines; "
                "joined was only what is clear by time alone"
            )
