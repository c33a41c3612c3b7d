"""The decisions of one step, collected pair by pair and half by half."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from ztflow.pair.coded import NONE
from ztflow.pair.join import EXACT, INBOUND_ONLY, OUTBOUND_ONLY, REASONS, UNIQUE, Decisions
from ztflow.pair.outline import BoolArray, FloatArray, Index, IntArray, UIntArray

ALONE_IN_CLASS = 0.9995
"""Confidence of a sure pair that moved bytes: what is left is a lost pair of halves that look alike."""
ALONE_EMPTY = 0.995
"""The same for a connection of no bytes."""

_REASON = {word: code for code, word in enumerate(REASONS)}


@dataclass
class Decided:
    """Decisions of one step; halves by their row in the table at hand."""

    _parts: list[Decisions] = field(default_factory=list)

    def pairs(
        self,
        out: Index,
        inn: Index,
        paired: int | IntArray,
        alternatives: int | IntArray,
        confidence: float | FloatArray,
    ) -> None:
        """Add pairs; the last three may be one value for all."""
        count = len(out)
        if not count:
            return
        self._parts.append(
            Decisions(
                out,
                inn,
                _column(paired, count),
                _column(alternatives, count),
                np.broadcast_to(np.asarray(confidence, np.float64), count),
                _column(NONE, count),
                _column(NONE, count),
            )
        )

    def alone(
        self, row: Index, outbound: BoolArray, reasons: str | list[str], *, next_hop: Index | None = None
    ) -> None:
        """Add lone halves, which of them are outbound, and where known the hop that follows each."""
        count = len(row)
        codes = _REASON[reasons] if isinstance(reasons, str) else [_REASON[word] for word in reasons]
        self._parts.append(
            Decisions(
                np.where(outbound, row, NONE),
                np.where(outbound, NONE, row),
                np.where(outbound, OUTBOUND_ONLY, INBOUND_ONLY),
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
        if len(self._parts) == 1:
            return self._parts[0]
        names = Decisions.__dataclass_fields__
        return Decisions(*(np.concatenate([getattr(part, name) for part in self._parts]) for name in names))


def _column(value: int | list[int] | IntArray, count: int) -> IntArray:
    return np.broadcast_to(np.asarray(value, np.int64), count)


def alone_with_each_other(moved: BoolArray, tunnel: UIntArray, other: UIntArray) -> tuple[IntArray, FloatArray]:
    """`paired` and confidence of pairs that are alone with their like; one tunnel on both sides is a proof."""
    proved = (tunnel != 0) & (tunnel == other)
    return np.where(proved, EXACT, UNIQUE), np.where(proved, 1.0, np.where(moved, ALONE_IN_CLASS, ALONE_EMPTY))
