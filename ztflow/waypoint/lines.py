"""The lines of one client to one service through one waypoint, in order of time, as the join sees them."""

from __future__ import annotations

from dataclasses import dataclass

from ztflow.columns.dtypes import BoolArray, FloatArray, IntArray

SLACK_MS = 1.0
"""How far a line may be outside its connection: both logs cut times to whole milliseconds. With clocks that agree it is
up to 2 ms before and never after; `clocks` finds the middle."""

FEWEST_SIGMAS = 6.0
"""How many standard deviations, and one byte, a sum of heads may be off before the lines are not of that connection."""


@dataclass(frozen=True, slots=True)
class Lines:
    """Lines, sorted by start; all arrays are as long.

    Attributes:
        start: Milliseconds.
        end: Likewise.
        up: Bytes client → waypoint to expect on the connection for this line: body and head.
        up_variance: Of that expectation.
        down: Bytes waypoint → client.
        down_variance: Of that expectation.
        open_ended: The waypoint answered by itself: what the client sent may be more than it counted.
        lane: Lines of different lanes (another protocol or tunnel) are never of one connection.
        shares: Several may be under way on one connection at a time (HTTP/2).
        alone: A connection of plain TCP: it has one line.
        begin: What a connection moves besides, when it begins with this line (HTTP/2): bytes and variance up, and down.
    """

    start: FloatArray
    end: FloatArray
    up: FloatArray
    up_variance: FloatArray
    down: FloatArray
    down_variance: FloatArray
    open_ended: BoolArray
    lane: IntArray
    shares: BoolArray
    alone: BoolArray
    begin: tuple[FloatArray, FloatArray, FloatArray, FloatArray]


@dataclass(frozen=True, slots=True)
class Connection:
    """One connection of the client.

    Attributes:
        row: Its row in the table of flows.
        start: Milliseconds, by the clock of its lines.
        end: Likewise.
        up: Bytes client → waypoint.
        down: Bytes waypoint → client.
        room: Milliseconds that clock may be off.
        clear: False where too little is known of the clocks for anything to be decided.
    """

    row: int
    start: float
    end: float
    up: float
    down: float
    room: float = 0.0
    clear: bool = True

    @property
    def earliest(self) -> float:
        """Before this no line of it begins."""
        return self.start - self.room - SLACK_MS

    @property
    def latest(self) -> float:
        """After this no line of it ends."""
        return self.end + self.room + SLACK_MS
