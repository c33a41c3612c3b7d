"""Output: records what the stages decide in a step."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import pyarrow as pa

from ztflow.columns.dictionaries import NONE, WordMemory
from ztflow.columns.dtypes import FloatArray, Index, IntArray
from ztflow.pair.buffers import MATCHED, Unmatched
from ztflow.pair.flow_table import INBOUND_ONLY, OUTBOUND_ONLY, REASON_CODES, Decided, Decisions

PerPair: TypeAlias = float | IntArray | FloatArray
"""A value for each pair, or one for all."""


class DecisionRecorder:
    """Collects the decisions of one step about the halves of one table."""

    def __init__(self, unmatched: Unmatched) -> None:
        self._unmatched = unmatched
        self._parts: list[Decisions] = []

    def rows(self, out: Index, inn: Index, paired: PerPair, confidence: PerPair, alternatives: PerPair = 0) -> None:
        """Record pairs by their rows in the table; the last three may be one value for all."""
        count = len(out)
        if count:
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

    def pairs(self, out: Index, inn: Index, paired: PerPair, confidence: PerPair, alternatives: PerPair = 0) -> None:
        """Record pairs of unmatched halves, by their places."""
        row = self._unmatched.row
        self.rows(row[out], row[inn], paired, confidence, alternatives)
        self._unmatched.status[out] = self._unmatched.status[inn] = MATCHED

    def unpaired(self, index: Index, reasons: str | list[str], *, next_hop: Index | None = None) -> None:
        """Record halves that get no partner, by their places, and the place of the hop that follows each."""
        count = len(index)
        row, outbound = self._unmatched.row[index], self._unmatched.features.outbound[index]
        codes = REASON_CODES[reasons] if isinstance(reasons, str) else [REASON_CODES[word] for word in reasons]
        self._parts.append(
            Decisions(
                np.where(outbound, row, NONE),
                np.where(outbound, NONE, row),
                np.where(outbound, OUTBOUND_ONLY, INBOUND_ONLY),
                _column(NONE, count),
                np.full(count, np.nan),
                _column(codes, count),
                _column(NONE, count) if next_hop is None else self._unmatched.row[next_hop],
            )
        )
        self._unmatched.status[index] = MATCHED

    def decided(self) -> Decided:
        """All decisions, and the halves they are about as they are now."""
        names, parts = Decisions._fields, self._parts
        made = (
            parts[0]
            if len(parts) == 1
            else Decisions(*(np.concatenate([getattr(part, name) for part in parts] or [[]]) for name in names))
        )
        return Decided(self._unmatched.table, made)

    def flows(self, memory: WordMemory) -> pa.Table:
        """The flows of all decisions; see `Decided.flows`."""
        return self.decided().flows(memory)


def _column(value: PerPair | list[int], count: int) -> IntArray:
    return np.broadcast_to(np.asarray(value, np.int64), count)
