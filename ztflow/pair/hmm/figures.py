"""What compiled code works on: figures, tables made from them, segments of equal halves, and room for one of them.

Declared once, as `ztflow.jit.link` wants it.
"""

from __future__ import annotations

from typing import NamedTuple

from ztflow.jit.link import FloatRow, FloatTable, IntRow
from ztflow.pair.hmm.solver import Assigned
from ztflow.pair.hmm.trellis import BothWays, Transitions


class Figures(NamedTuple):
    """Fields of the same names of the parameter objects; those of beams are `Beam`'s, after the beam's name."""

    # emissions
    neighbours: int
    stranger: float
    outside: float
    outside_scale: float
    soonest: float
    soon: float
    at_once: float
    # start lags
    half_below: float
    before: float
    doubt: float
    blur: float
    likely: float
    step: float
    # pace and transition rates
    prior: float
    most_batch: float
    usual_delay: float
    least: float
    margin: float
    spread: float
    # posterior
    few: int
    many: int
    settled: float
    clock_error: float
    learning_states: int
    learning_within: float
    learning_exponent: float
    beam_states: int
    beam_within: float
    exponent: float
    crowd: int
    crowd_learning_states: int
    crowd_learning_within: float
    crowd_beam_states: int
    crowd_beam_within: float
    # matching
    duration_weight: float
    no_partner: float
    alternative: float
    overtakes: float
    overtakes_within: float
    crowded: float
    interchangeable: float
    at_most: float
    piece_pause: int
    known: int
    """Whether transition rates are known: else they are learned."""


class Tables(NamedTuple):
    """What is computed from figures alone.

    Attributes:
        edge: Of the grid of lags: where each one's share ends.
        at: The lags.
        share: Of each lag, where nothing is known.
        next: Share of each lag (column) after each (row).
        last: The same the other way round: rows and columns exchanged.
        service: Service times that are tried.
        service_share: How likely each is before, in gaps.
        follows: Transition rates every burst starts with; see `TransitionRates`, as the next three.
        gaps: By kind and gap.
        own: By class of the time since the end before the last.
        batch: By gap.
        shifts: See `PosteriorParameters`.
    """

    edge: FloatRow
    at: FloatRow
    share: FloatRow
    next: FloatTable
    last: FloatTable
    service: FloatRow
    service_share: FloatRow
    follows: FloatTable
    gaps: FloatTable
    own: FloatTable
    batch: FloatRow
    shifts: FloatRow


class Segments(NamedTuple):
    """Segments of equal halves one after the other (`matching.Segment`), and what is found.

    Attributes:
        out_first: Where the outbound halves of each begin; one more, for the end.
        in_first: Where the inbound halves of each begin; one more, for the end.
        out_time: Ends in µs, rising within a segment.
        out_duration: In ms.
        out_port: 0 where unknown.
        noted: When the server saw the request; `NO_TIME` where no line tells.
        in_time: Ends.
        in_duration: In ms.
        usual_delay: Of each segment.
        chosen: Numbers of those that are matched.
        partner: Found: the inbound half of each outbound one, or -1.
        confidence: Found: of each outbound half that has a partner.
        alternatives: Found: of the same.
    """

    out_first: IntRow
    in_first: IntRow
    out_time: IntRow
    out_duration: IntRow
    out_port: IntRow
    noted: IntRow
    in_time: IntRow
    in_duration: IntRow
    usual_delay: FloatRow
    chosen: IntRow
    partner: IntRow
    confidence: FloatRow
    alternatives: IntRow


class Piece(NamedTuple):
    """Room for one piece of a segment: times in µs from its first end. Rows are outbound halves, columns inbound ones.

    Attributes:
        sizes: Outbound and inbound halves; then how many of the segment's were looked at.
        outbound: Their places in the segment.
        inbound: Their places in the segment.
        out_time: Ends.
        out_latest: The latest each can have started.
        out_port: Source ports.
        noted: See `Candidates`.
        start: Estimated starts.
        order: Outbound halves in order of start.
        in_time: Ends.
        in_latest: The latest each can have started.
        guess: Partners in the first assignment, or -1.
        cost: Of each pair of the segment in the first assignment.
        price: Of each pair of the piece in the last one.
        fit: How well starts fit: a logarithm.
        share: Posterior.
        settled: Posterior of the round before (rows are late ends).
        seen: By outbound half and lag: how likely what is seen of it is.
        ahead: By outbound half and lag: what those before it say.
        behind: By outbound half and lag: what those after it say, then what is believed of it.
        belief: By lag.
        onward: By lag.
        values: Room for a number a half.
        ranks: Room for a place a half.
        spare: Room for a place a half.
        assigned: Assignment.
        other: Room for other transitions.
    """

    sizes: IntRow
    outbound: IntRow
    inbound: IntRow
    out_time: FloatRow
    out_latest: FloatRow
    out_port: IntRow
    noted: FloatRow
    start: FloatRow
    order: IntRow
    in_time: FloatRow
    in_latest: FloatRow
    guess: IntRow
    cost: FloatTable
    price: FloatTable
    fit: FloatTable
    share: FloatTable
    settled: FloatTable
    seen: FloatTable
    ahead: FloatTable
    behind: FloatTable
    belief: FloatRow
    onward: FloatRow
    values: FloatRow
    ranks: IntRow
    spare: IntRow
    assigned: Assigned
    other: Transitions


class Work(NamedTuple):
    """The arguments of `segment_matching.work`, in its order; both sides of the compiled call are made from this.

    Attributes:
        whole: Whether `segments` are matched, in the room of `trellis`; else only the burst of `trellis` is added up.
        trellis: See `BothWays`.
        figures: Used for segments.
        tables: Used for segments.
        segments: What is matched.
        piece: Room.
    """

    whole: int
    trellis: BothWays
    figures: Figures
    tables: Tables
    segments: Segments
    piece: Piece
