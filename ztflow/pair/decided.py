"""The decisions of one step, collected pair by pair and half by half."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from ztflow.pair.evidence import Evidence, IntArray
from ztflow.pair.join import NONE, Decisions

Index = npt.NDArray[np.intp]


@dataclass
class Decided:
    """Decisions of one step, collected."""

    outbound: list[Index] = field(default_factory=list)
    inbound: list[Index] = field(default_factory=list)
    paired: list[str] = field(default_factory=list)
    alternatives: list[IntArray] = field(default_factory=list)
    confidence: list[npt.NDArray[np.float64]] = field(default_factory=list)
    reason: list[str | None] = field(default_factory=list)
    next_hop: list[Index] = field(default_factory=list)

    def pairs(self, out: Index, inn: Index, paired: list[str], alternatives: object, confidence: object) -> None:
        """Add pairs; `alternatives` and `confidence` may be one value for all."""
        self.outbound.append(out)
        self.inbound.append(inn)
        self.paired += paired
        self.alternatives.append(np.broadcast_to(np.asarray(alternatives, np.int64), len(out)))
        self.confidence.append(np.broadcast_to(np.asarray(confidence, np.float64), len(out)))
        self.reason += [None] * len(out)
        self.next_hop.append(np.full(len(out), NONE))

    def alone(self, evidence: Evidence, index: Index, reasons: list[str], *, next_hop: Index | None = None) -> None:
        """Add lone halves, and where known the hop that follows each."""
        out = evidence.outbound[index]
        self.outbound.append(np.where(out, index, NONE))
        self.inbound.append(np.where(out, NONE, index))
        self.paired += ["outbound_only" if o else "inbound_only" for o in out.tolist()]
        self.alternatives.append(np.full(len(index), -1))
        self.confidence.append(np.full(len(index), np.nan))
        self.reason += list(reasons)
        self.next_hop.append(np.full(len(index), NONE) if next_hop is None else next_hop)

    def decisions(self) -> Decisions | None:
        """All of them, or None when there are none."""
        if not self.paired:
            return None
        return Decisions(
            np.concatenate(self.outbound).astype(np.int64),
            np.concatenate(self.inbound).astype(np.int64),
            self.paired,
            np.concatenate(self.alternatives),
            np.concatenate(self.confidence),
            self.reason,
            np.concatenate(self.next_hop).astype(np.int64),
        )
