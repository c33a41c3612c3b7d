"""The decisions of one step, collected pair by pair and half by half."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from ztflow.pair.evidence import Evidence, FloatArray, IntArray
from ztflow.pair.join import NONE, PAIRED, REASONS, Decisions

Index = npt.NDArray[np.intp]

_PAIRED = {word: code for code, word in enumerate(PAIRED)}
_REASON = {word: code for code, word in enumerate(REASONS)}


@dataclass
class Decided:
    """Decisions of one step."""

    _parts: list[Decisions] = field(default_factory=list)

    def pairs(
        self,
        out: Index,
        inn: Index,
        paired: str | list[str],
        alternatives: int | IntArray,
        confidence: float | FloatArray,
    ) -> None:
        """Add pairs; the last three may be one value for all."""
        count = len(out)
        codes = _PAIRED[paired] if isinstance(paired, str) else [_PAIRED[word] for word in paired]
        self._parts.append(
            Decisions(
                out,
                inn,
                _column(codes, count),
                _column(alternatives, count),
                np.broadcast_to(np.asarray(confidence, np.float64), count),
                _column(NONE, count),
                _column(NONE, count),
            )
        )

    def alone(
        self, evidence: Evidence, index: Index, reasons: str | list[str], *, next_hop: Index | None = None
    ) -> None:
        """Add lone halves, and where known the hop that follows each."""
        count = len(index)
        out = evidence.outbound[index]
        codes = _REASON[reasons] if isinstance(reasons, str) else [_REASON[word] for word in reasons]
        self._parts.append(
            Decisions(
                np.where(out, index, NONE),
                np.where(out, NONE, index),
                np.where(out, _PAIRED["outbound_only"], _PAIRED["inbound_only"]),
                _column(NONE, count),
                np.full(count, np.nan),
                _column(codes, count),
                _column(NONE, count) if next_hop is None else next_hop,
            )
        )

    def decisions(self) -> Decisions | None:
        """All of them, or None when there are none."""
        if not self._parts:
            return None
        names = Decisions.__dataclass_fields__
        return Decisions(*(np.concatenate([getattr(part, name) for part in self._parts]) for name in names))


def _column(value: int | list[int] | IntArray, count: int) -> IntArray:
    return np.broadcast_to(np.asarray(value, np.int64), count)
