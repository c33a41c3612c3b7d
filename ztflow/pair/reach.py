"""All time distances of pairing in one table: how far apart two lines may be and still affect each other.

Unit: microseconds of log time, throughout. Every stage takes a `Reach`, so a benchmark can change one figure
with `REACH._replace(far_ends=…)`; all that is derived from it changes too.

How long after its end a half is decided, by stage: how far the watermark has to have moved on (not to scale).

    given up                        |<-- twice partner, to the end of an epoch: 70 to 72 s ----------------->|
    late or cut                             |<-- partner, to the end of an epoch: 35 to 37 s --------------->|
    nearby                                          |<-- settle + far_ends, to the end of an epoch: 4 to 6 s >|
    certainly not isolated                                  |<-- settle = far_gap + far_ends: 3 s ---------->|
    isolated, across clocks                                         |<-- far_gap: 2 s ---------------------->|
    isolated, on one clock                                                  |<-- near_gap: 0.5 s ----------->|
    isolated, kind not seen before                                                  |<-- fresh_gap: 0.1 s -->|
                                                                                                    watermark

and how long a half that is in a flow is remembered for the sake of those around it:

    for_clocks    = settle + far_ends + epoch + recent    an older end is no longer used for clock offsets
    for_isolation = for_clocks + fresh_past               an end older than that is no neighbour of an undecided half
    recent        = far_ends + epoch                      as `for_clocks`, but from the last epoch that was looked at

Provenance: *captured* means the runs named in docs/explanation/pairing.md; where a command prints the figure it is
named; *chosen* means set by argument, not measured.
"""

from __future__ import annotations

from typing import Final, NamedTuple


class Reach(NamedTuple):
    """The base distances; the properties follow from them.

    Attributes:
        step: Log worth a step of pairing: a live pipe of small batches is worked off in such portions. Chosen: far
            below what a reader notices.
        epoch: Log that shares one estimate of the clock offsets, and after which what still waits is looked at. Chosen.
        near_gap: Isolated pair on one clock: no third line of its kind within this. Chosen: probes come once a second,
            half of that keeps one probe's halves apart from the next one's.
        near_ends: Isolated pair on one clock: its two ends are at most this far apart. Captured: at most 13 ms in a
            storm.
        far_gap: Isolated pair across clocks: no third line within this. Chosen: twice `far_ends`.
        far_ends: Isolated pair across clocks: its two ends are at most this far apart. Chosen: nodes whose clocks are
            off by up to a second are handled by all stages; worse ones are left to the late-or-cut stage.
        fresh_gap: Isolated pair of a kind not seen before: no third line for this long after. Chosen: eight times what
            separates two ends on one clock in a storm; a flow shows when that has passed.
        fresh_past: A kind counts as not seen before when it was not for this long. Chosen: what repeats, repeats within
            seconds.
        learn_isolated: How far back isolated pairs inform the clocks. Chosen: long enough to be many, short enough to
            follow a drift.
        learn_nearby: How far back halves do that only might belong together. Chosen.
        burst_pause: No end of the same kind and side for this long ends a burst, where bursts are aligned.
            Chosen.
        burst_alike: Differences within two aligned bursts vary by at most this if they are one. Chosen.
        segment_pause: No half of the same kind for this long ends a segment of equal halves. Chosen: offsets are taken
            off by then.
        together: The two ends of one connection in a segment of two are at most this far apart. Chosen.
        piece_pause: No end for this long, with no half without partner before it, cuts a segment into pieces. Captured:
            ends of one connection are up to 13 ms apart in a storm.
        usual_delay: Between the inbound and the outbound end of connections that are alone. Captured: medians 80 to
            250 µs.
        partner: A late or cut half and its partner end at most this far apart. ztunnel: a vanished peer is noticed by
            the HTTP/2 ping after at most 10 s + 20 s.
        same_start: Late or cut: starts (and ends) within this agree. Chosen: set-up of a fresh tunnel, truncation, and
            what is left of clock offsets.
        same_duration: Late or cut: durations within this agree when the clocks of the two nodes do not. Chosen.
        trace_wait: Releases 1.18 to 1.21: how long the other messages of a trace id are waited for. Chosen.
    """

    step: int = 40_000
    epoch: int = 2_000_000
    near_gap: int = 500_000
    near_ends: int = 50_000
    far_gap: int = 2_000_000
    far_ends: int = 1_000_000
    fresh_gap: int = 100_000
    fresh_past: int = 8_000_000
    learn_isolated: int = 60_000_000
    learn_nearby: int = 10_000_000
    burst_pause: int = 60_000
    burst_alike: int = 20_000
    segment_pause: int = 250_000
    together: int = 100_000
    piece_pause: int = 30_000
    usual_delay: float = 150.0
    partner: int = 35_000_000
    same_start: int = 60_000
    same_duration: int = 60_000
    trace_wait: int = 60_000_000

    @property
    def settle(self) -> int:
        """After this time it is known whether a half has an isolated partner, and whether plaintext may have any."""
        return self.far_gap + self.far_ends

    @property
    def recent(self) -> int:
        """A matched half that ended this long before the last one looked at is no longer evidence for a clock."""
        return self.far_ends + self.epoch

    @property
    def for_clocks(self) -> int:
        """The clocks no longer need halves that ended this long before the watermark."""
        return self.settle + self.far_ends + self.epoch + self.recent

    @property
    def for_isolation(self) -> int:
        """An end this much older than the watermark is no neighbour of a half that is still to be decided."""
        return self.for_clocks + self.fresh_past

    def for_starts(self, watermark: int) -> int:
        """Before this time everything started, at this watermark, that did not last longer than `partner`."""
        return self.frontier(watermark) - self.partner - self.far_ends

    def frontier(self, watermark: int) -> int:
        """Up to when nearby halves can be assigned, at this watermark: a whole number of epochs."""
        return (watermark - self.settle - self.far_ends) // self.epoch * self.epoch

    def before_epoch(self, watermark: int) -> int:
        """The last end of an epoch that the watermark has passed."""
        return watermark // self.epoch * self.epoch


REACH: Final = Reach()
"""The distances ztflow uses."""
