"""Every tuned figure of pairing, bundled: one frozen object a stage, time distances in `Reach`.

A benchmark sweeps a figure without touching a module:

    tried = DEFAULTS._replace(late_or_cut=DEFAULTS.late_or_cut._replace(neighbours=32))
    Pairer(parameters=tried)

Each object's docstring says what its figures mean and where they are from. Figures that compiled code uses are compiled
in, so they are module constants: `STRAY`, `BEHIND`, `NEARNESS`, `WITHIN`, `UNLIKELY`, `FLOOR` and the kinds of step in
`hmm.transitions`; `HOPELESS`, `SOME`, `MOST_LEFT_OUT`, `LOST` in `hmm.forward`; the sizes of arrays in `hmm.trellis`.
Limits that only spend memory or time (`buffers`, `exact_evidence`) are constants of their modules.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from ztflow.pair.assignment.matching_parameters import MATCHING, MatchingParameters
from ztflow.pair.assignment.segments import SEGMENTS, SegmentParameters
from ztflow.pair.clocks.offsets import CLOCKS, ClockParameters
from ztflow.pair.reach import REACH, Reach
from ztflow.pair.stages.isolated import ISOLATED, IsolatedParameters
from ztflow.pair.stages.late_or_cut import LATE_OR_CUT, LateOrCutParameters


class PairingParameters(NamedTuple):
    """All figures of a `Pairer`.

    Attributes:
        reach: Time distances, of all stages.
        isolated: Confidence of isolated pairs.
        clocks: Estimating the offsets of the nodes' clocks.
        segments: Cutting equal halves into segments small enough to be assigned at once.
        matching: Weighing equal halves; holds those of the hidden Markov model.
        late_or_cut: Halves whose partner ended much later or counted other bytes.
    """

    reach: Reach = REACH
    isolated: IsolatedParameters = ISOLATED
    clocks: ClockParameters = CLOCKS
    segments: SegmentParameters = SEGMENTS
    matching: MatchingParameters = MATCHING
    late_or_cut: LateOrCutParameters = LATE_OR_CUT


DEFAULTS: Final = PairingParameters()
"""The figures ztflow uses."""
