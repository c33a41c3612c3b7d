"""Compiles the forward-backward algorithm to object code. Importing this module imports Numba."""

from __future__ import annotations

from typing import Any

from numba.extending import register_jitable

from ztflow.jit.build import built
from ztflow.pair.hmm import (
    backward,
    figures,
    forward,
    learning,
    ordering,
    segment_matching,
    solver,
    start_fits,
    transitions,
    trellis,
)

_registered: Any = register_jitable  # Numba has no types
FUNCTIONS = (
    transitions.row, transitions.of_new_batch, transitions.width_of, transitions.elsewhere, transitions.log_at_most,
    trellis.word_of,
    trellis.is_taken, trellis.free_after, trellis.place_of, trellis.step_code,
    forward.lead, forward.has_some, forward.expand, forward.choose_ends, forward.add_likelihoods, forward.choose,
    forward.forward,
    trellis.limit, trellis.look_ahead, backward.count, backward.backward, backward.both_ways,
    ordering.sort, ordering.middle_of, ordering.quantile_of, solver.augment, solver.assign, solver.partner_in,
    start_fits.noted_before, start_fits.usual_below_lag, start_fits.below_lag, start_fits.over_edge, start_fits.see,
    start_fits.pass_on, start_fits.believe, start_fits.fit_starts, start_fits.start_order,
    learning.gap_class, learning.pace, learning.move_rates, learning.weigh, learning.go_back, learning.add_up,
    learning.sum_of, learning.change, learning.share_out, learning.learn, segment_matching.is_near,
    segment_matching.scattered, segment_matching.nearest_end, segment_matching.share_alike, segment_matching.decide,
    segment_matching.lay_out, segment_matching.first_assignment, segment_matching.next_piece,
    segment_matching.needs_no_model, segment_matching.work,
)  # fmt: skip
for _function in FUNCTIONS:
    _registered(no_cpython_wrapper=True, no_cfunc_wrapper=True)(_function)


def object_code() -> tuple[str, bytes]:
    """The symbol of the function that takes an `ArgumentTable` of a `Work`, and its object code. Cost: 20 s."""
    return built(segment_matching.work, figures.Work)
