"""The decisions of one step, collected pair by pair and half by half, and the flows they make."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import pyarrow as pa

from ztflow.coded import NONE, WordMemory
from ztflow.pair.evidence import canonical_order
from ztflow.pair.join import EXACT, INBOUND_ONLY, OUTBOUND_ONLY, REASONS, UNIQUE, Decisions, build_flows
from ztflow.pair.outline import AFTER_ALL, NO_TIME, BoolArray, FloatArray, Index, IntArray, UIntArray, numbers_of_time
from ztflow.pair.waiting import MATCHED, Waiting
from ztflow.tables import FLOWS_SCHEMA

ALONE_IN_CLASS = 0.9995
"""Confidence of a sure pair that moved bytes: what is left is a lost pair of halves that look alike."""
ALONE_EMPTY = 0.995
"""The same for a connection of no bytes."""

OneOrEach: TypeAlias = int | IntArray
_REASON = {word: code for code, word in enumerate(REASONS)}


class Decided:
    """Decisions of one step about the halves of one table."""

    def __init__(self, waiting: Waiting) -> None:
        self._waiting = waiting
        self._parts: list[Decisions] = []

    def rows(
        self,
        out: Index,
        inn: Index,
        paired: OneOrEach,
        alternatives: OneOrEach,
        confidence: float | FloatArray,
    ) -> None:
        """Take down pairs by their rows in the table; the last three may be one value for all."""
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

    def pairs(
        self,
        out: Index,
        inn: Index,
        paired: OneOrEach,
        alternatives: OneOrEach,
        confidence: float | FloatArray,
    ) -> None:
        """Take down pairs of halves that waited, by their places."""
        row = self._waiting.row
        self.rows(row[out], row[inn], paired, alternatives, confidence)
        self._waiting.status[out] = self._waiting.status[inn] = MATCHED

    def alone(self, index: Index, reasons: str | list[str], *, next_hop: Index | None = None) -> None:
        """Take down halves that waited and stay alone, by their places, and that of the hop that follows each."""
        count = len(index)
        row, outbound = self._waiting.row[index], self._waiting.evidence.outbound[index]
        codes = _REASON[reasons] if isinstance(reasons, str) else [_REASON[word] for word in reasons]
        self._parts.append(
            Decisions(
                np.where(outbound, row, NONE),
                np.where(outbound, NONE, row),
                np.where(outbound, OUTBOUND_ONLY, INBOUND_ONLY),
                _column(NONE, count),
                np.full(count, np.nan),
                _column(codes, count),
                _column(NONE, count) if next_hop is None else self._waiting.row[next_hop],
            )
        )
        self._waiting.status[index] = MATCHED

    def flows(self, memory: WordMemory) -> pa.Table:
        """The flows of all decisions, in order of their end, ties canonically; flows without a time last."""
        if not self._parts:
            return FLOWS_SCHEMA.empty_table()
        names = Decisions.__dataclass_fields__
        parts = self._parts
        made = (
            parts[0]
            if len(parts) == 1
            else Decisions(*(np.concatenate([getattr(part, name) for part in parts]) for name in names))
        )
        table = self._waiting.table
        told_by = np.where(made.outbound == NONE, made.inbound, made.outbound)
        end = numbers_of_time(table)[told_by]
        order = canonical_order(np.where(end == NO_TIME, AFTER_ALL, end), told_by, table)
        return build_flows(table, made.take(order), memory)


def _column(value: OneOrEach | list[int], count: int) -> IntArray:
    return np.broadcast_to(np.asarray(value, np.int64), count)


def alone_with_each_other(moved: BoolArray, tunnel: UIntArray, other: UIntArray) -> tuple[IntArray, FloatArray]:
    """`paired` and confidence of pairs that are alone with their like; one tunnel on both sides is a proof."""
    proved = (tunnel != 0) & (tunnel == other)
    return np.where(proved, EXACT, UNIQUE), np.where(proved, 1.0, np.where(moved, ALONE_IN_CLASS, ALONE_EMPTY))
