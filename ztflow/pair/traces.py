"""Halves that carry one trace id: exact. JSON logs of 1.22.0 have it, no other access line does (format sheet §5.6)."""

from __future__ import annotations

import numpy as np

from ztflow.pair.evidence import Evidence
from ztflow.pair.outline import Index


def traced_pairs(evidence: Evidence, index: Index) -> tuple[Index, Index]:
    """Outbound halves and their partners: those whose trace id stands in just one half of either side.

    Args:
        evidence: All halves at hand.
        index: Those with a trace id that are in no flow, in canonical order.
    """
    index = index[np.lexsort((~evidence.outbound[index], evidence.trace[index]))]
    trace = evidence.trace[index]
    differs = trace[1:] != trace[:-1]
    starts, stops = np.concatenate([[True], differs]), np.concatenate([differs, [True]])
    first = np.flatnonzero(~differs)
    first = first[starts[first] & stops[first + 1]]
    out, inn = index[first], index[first + 1]
    whole = evidence.outbound[out] & ~evidence.outbound[inn]
    return out[whole], inn[whole]
