"""The flows table of what pairing decided: what of a flow each of its two halves tells."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from ztflow.columns.dictionaries import NONE, WordMemory, category, codes_of, encoded, per_word, text_hash
from ztflow.columns.dtypes import AFTER_ALL, NO_TIME, BoolArray, Codes, IntArray
from ztflow.model.denials import policy_of
from ztflow.model.error_classes import verdict_of
from ztflow.model.kept_connections import closed_by_client, closed_by_envoy
from ztflow.model.schema import HALVES, LOGGED_NAMES, Type
from ztflow.model.table import empty
from ztflow.model.tables import FLOWS_SCHEMA, Flows
from ztflow.model.vocabulary import (
    BOTH_HALVES,
    ONE_HALF,
    Dialled,
    ErrorClass,
    FlowPath,
    Message,
    NodeLocality,
    Paired,
    Unpaired,
    ZoneLocality,
)
from ztflow.pair.features.basic import is_name, numbers_of_time
from ztflow.pair.features.early_denials import is_failed
from ztflow.pair.features.full import canonical_order

PAIRED = tuple(word.value for word in Paired)
"""Words of the column `paired`, by code."""
EXACT, UNIQUE, AMBIGUOUS, RELAXED = map(PAIRED.index, BOTH_HALVES)
OUTBOUND_ONLY, INBOUND_ONLY = map(PAIRED.index, ONE_HALF)
REASONS = tuple(reason.value for reason in Unpaired)
"""Words of the column `unpaired_reason`, by code."""
PATHS = tuple(word.value for word in FlowPath)
"""Words of the column `path`, by code."""
DIALLED = tuple(word.value for word in Dialled)
"""Words of the column `dialled`, by code."""

REASON_CODES = {word: code for code, word in enumerate(REASONS)}
_CLOSED = pa.array([ErrorClass.WAYPOINT_CLOSED.value])

_CATEGORIES = frozenset(column.name for column in HALVES if column.type is Type.CATEGORY)
_ENDPOINT_COLUMNS = tuple(c.name for c in HALVES if c.name.startswith(("src_", "dst_", "hbone_")))
_FLOW_COLUMN = {logged: name for name, logged in LOGGED_NAMES.items()}

Numbers: TypeAlias = tuple[IntArray, BoolArray]
"""Numbers, and where they are known."""


class Decisions(NamedTuple):
    """What pairing decided, one entry a flow.

    Attributes:
        outbound: Row of the outbound half in the halves table, or `NONE`.
        inbound: Row of the inbound half, or `NONE`.
        paired: Index into `PAIRED`.
        alternatives: How many other partners would have fitted; negative is null.
        confidence: Probability that the partner is right; NaN is null.
        reason: Why it is unpaired: index into `REASONS`; `NONE` when paired.
        next_hop: Row of the half inferred to be the hop behind this one's waypoint, or `NONE`.
    """

    outbound: IntArray
    inbound: IntArray
    paired: IntArray
    alternatives: IntArray
    confidence: npt.NDArray[np.float64]
    reason: IntArray
    next_hop: IntArray

    def take(self, index: npt.NDArray[np.intp]) -> Decisions:
        """The entries at `index`."""
        return Decisions(*(getattr(self, name)[index] for name in self._fields))


class _HalfColumns:
    """Columns of a table of halves as plain arrays, each made once; their last entry is that of `NONE`: null.

    Args:
        halves: The table.
    """

    def __init__(self, halves: pa.Table) -> None:
        self.halves = halves
        self._codes: dict[str, Codes] = {}
        self._numbers: dict[str, Numbers] = {}

    def words(self, name: str) -> pa.Array:
        """The dictionary of a category column."""
        return encoded(self.halves.column(name)).dictionary

    def codes(self, name: str) -> Codes:
        """Codes of a category column."""
        if name not in self._codes:
            self._codes[name] = np.append(codes_of(encoded(self.halves.column(name))), np.int32(NONE))
        return self._codes[name]

    def numbers(self, name: str) -> Numbers:
        """Values of a column of numbers or times (microseconds), and where they are known."""
        if name not in self._numbers:
            column = self.halves.column(name)
            values = column.cast(pa.int64())
            known: BoolArray = np.ones(len(column), np.bool_)
            if column.null_count:
                values, known = values.fill_null(0), column.is_valid().to_numpy()
            self._numbers[name] = np.append(values.to_numpy(), 0), np.append(known, False)
        return self._numbers[name]


class _Side:
    """The halves of one side.

    Args:
        columns: Of the table they are in.
        rows: Their rows, `NONE` where this side was not seen.

    Cost: one gather a column, a few ns a row.
    """

    def __init__(self, columns: _HalfColumns, rows: IntArray) -> None:
        self._columns = columns
        self._rows = rows
        self._codes: dict[str, Codes] = {}

    def codes(self, name: str) -> Codes:
        """Codes of a category column, `NONE` for null."""
        if name not in self._codes:
            self._codes[name] = self._columns.codes(name)[self._rows]
        return self._codes[name]

    def category(self, name: str) -> pa.DictionaryArray:
        """A category column."""
        return category(self.codes(name), self._columns.words(name))

    def numbers(self, name: str) -> Numbers:
        """Values of a column of numbers or times, and where they are known."""
        values, known = self._columns.numbers(name)
        return values[self._rows], known[self._rows]

    def texts(self, name: str) -> pa.ChunkedArray:
        """A text column."""
        missing = self._rows == NONE
        return self._columns.halves.column(name).take(pa.array(self._rows, mask=missing if missing.any() else None))


def _known_numbers(values: IntArray, known: BoolArray) -> pa.Array:
    """A column of numbers, null where they are not known."""
    return pa.array(values, mask=None if known.all() else ~known)


def build_flows(halves: pa.Table, decisions: Decisions, memory: WordMemory) -> pa.Table:
    """The flows table (`schema.FLOWS`) of these decisions, in their order; nodes are not placed yet.

    Args:
        halves: The rows the decisions are about.
        decisions: Which half belongs to which.
        memory: What is known of the rows' words.

    Cost: one gather per column and side; Python only per distinct text.
    """
    by = _HalfColumns(halves)
    out, inn, next_hop = (_Side(by, rows) for rows in (decisions.outbound, decisions.inbound, decisions.next_hop))
    count = len(decisions.outbound)

    def codes(name: str) -> Codes:
        """The outbound half's word, the inbound one's where that is not known."""
        found = out.codes(name)
        missing = found == NONE
        return np.where(missing, inn.codes(name), found) if missing.any() else found

    def either(name: str) -> pa.Array:
        if name in _CATEGORIES:
            return category(codes(name), by.words(name))
        return _known_numbers(*_either(out.numbers(name), inn.numbers(name)))

    tracked = _tracked(halves, out, inn)
    end, duration = (_either(out.numbers(name), inn.numbers(name)) for name in ("time", "duration_ms"))
    host = codes("hbone_host")
    columns: dict[str, Any] = {_FLOW_COLUMN.get(name, name): either(name) for name in _ENDPOINT_COLUMNS}
    columns |= {
        "end": _known_numbers(*end),
        "start": _known_numbers(end[0] - duration[0] * 1000, end[1] & duration[1]),
        "request_bytes": _known_numbers(*_either(out.numbers("bytes_sent"), inn.numbers("bytes_recv"))),
        "response_bytes": _known_numbers(*_either(out.numbers("bytes_recv"), inn.numbers("bytes_sent"))),
        "duration_ms": _known_numbers(*duration),
        "inbound_duration_ms": _known_numbers(*inn.numbers("duration_ms")),
        "path": _path(host, _elsewhere(halves, out, inn, memory), halves, tracked, memory),
        "mtls": pa.array(host != NONE, mask=~tracked),
        "src_node": out.category("ztunnel_node"),
        "dst_node": inn.category("ztunnel_node"),
        "src_pod": _pod(halves, out, "src"),
        "dst_pod": _pod(halves, inn, "dst"),
        "paired": category(decisions.paired, PAIRED),
        "alternatives": pa.array(decisions.alternatives, mask=decisions.alternatives < 0),
        "confidence": pa.array(decisions.confidence, mask=np.isnan(decisions.confidence)),
        "unpaired_reason": category(decisions.reason, REASONS),
        "next_hop_file": next_hop.category("source_file"),
        "next_hop_line": _known_numbers(*next_hop.numbers("line_number")),
        "locality": category(np.zeros(count, np.int32), (NodeLocality.UNKNOWN.value,)),
        "zone_locality": category(np.zeros(count, np.int32), (ZoneLocality.UNKNOWN.value,)),
    }
    for name, side in (("outbound", out), ("inbound", inn)):
        columns[f"{name}_error"] = side.texts("error")
        columns[f"{name}_ztunnel"] = side.category("ztunnel_pod")
        columns[f"{name}_file"] = side.category("source_file")
        columns[f"{name}_line"] = _known_numbers(*side.numbers("line_number"))
    columns["dialled"] = _dialled(out, tracked)
    columns |= _outcome(halves, out, inn, columns["outbound_error"], columns["inbound_error"], decisions.reason)
    arrays = [
        columns[field.name].cast(field.type) if field.name in columns else pa.nulls(count, field.type)
        for field in FLOWS_SCHEMA
    ]
    return pa.Table.from_arrays(arrays, schema=FLOWS_SCHEMA)


def _either(first: Numbers, second: Numbers) -> Numbers:
    """The first numbers, the second ones where those are not known."""
    known = first[1]
    return first if known.all() else (np.where(known, first[0], second[0]), known | second[1])


def _pod(halves: pa.Table, side: _Side, end: str) -> pa.DictionaryArray:
    """`namespace/name` where both are known: at the end that is local to the writer, the workload is the pod."""
    namespace, workload = side.codes(f"{end}_namespace"), side.codes(f"{end}_workload")
    both = (namespace != NONE) & (workload != NONE)
    code = pa.array(workload.astype(np.int64) << 32 | namespace, mask=None if both.all() else ~both).dictionary_encode()
    spaces = encoded(halves.column(f"{end}_namespace")).dictionary
    names = encoded(halves.column(f"{end}_workload")).dictionary
    distinct = code.dictionary.to_numpy(zero_copy_only=False)
    words = pc.binary_join_element_wise(
        spaces.take(pa.array(distinct & 0xFFFFFFFF)), names.take(pa.array(distinct >> 32)), "/"
    )
    return pa.DictionaryArray.from_arrays(code.indices, words, safe=False)


def _tracked(halves: pa.Table, out: _Side, inn: _Side) -> BoolArray:
    """Whether the connection was tracked to its end, as opposed to refused early."""
    words = encoded(halves.column("message")).dictionary.to_pylist()
    complete = words.index(Message.COMPLETE.value) if Message.COMPLETE.value in words else NONE - 1
    result: BoolArray = (out.codes("message") == complete) | (inn.codes("message") == complete)
    return result


def _elsewhere(halves: pa.Table, out: _Side, inn: _Side, memory: WordMemory) -> BoolArray:
    """Whether the client's side dialled another address than the authority's, and what is there did not refuse."""
    host, address = (
        memory.by_word(name, encoded(halves.column(name)).dictionary, text_hash, np.uint64)[out.codes(name)]
        for name in ("hbone_host", "dst_ip")
    )
    result: BoolArray = (host != 0) & (host != address)
    if result.any():
        words = encoded(halves.column("message")).dictionary
        result &= ~memory.by_word("message", words, is_failed, np.bool_)[inn.codes("message")]
    return result


def _path(
    host: Codes, elsewhere: BoolArray, halves: pa.Table, tracked: BoolArray, memory: WordMemory
) -> pa.DictionaryArray:
    """How the connection travelled: docs/reference/ztunnel-log.md#what-each-path-writes. Null for an early denial."""
    words = encoded(halves.column("hbone_host")).dictionary
    path = np.where(elsewhere, PATHS.index(FlowPath.WAYPOINT), PATHS.index(FlowPath.HBONE))
    path[memory.by_word("hbone_host", words, is_name, np.bool_)[host]] = PATHS.index(FlowPath.DOUBLE_HBONE)
    path[host == NONE] = PATHS.index(FlowPath.PLAINTEXT)
    path[~tracked] = NONE
    return category(path, PATHS)


def _dialled(out: _Side, tracked: BoolArray) -> pa.DictionaryArray:
    """What the client's side says was dialled: docs/reference/ztunnel-log.md#what-the-fields-mean."""
    service, address = (DIALLED.index(word) for word in (Dialled.SERVICE, Dialled.ADDRESS))
    codes = np.where(out.codes("dst_service") == NONE, address, service)
    return category(np.where(tracked & (out.codes("direction") != NONE), codes, NONE), DIALLED)


def _outcome(
    halves: pa.Table,
    out: _Side,
    inn: _Side,
    out_error: pa.ChunkedArray,
    in_error: pa.ChunkedArray,
    reason: IntArray,
) -> dict[str, pa.DictionaryArray]:
    """Verdict, error class and policy; the inbound text is the cause, the outbound one often only its echo."""
    classes = pa.concat_arrays([encoded(halves.column("error_class")).dictionary, _CLOSED])
    words = [*classes.to_pylist(), None]
    of_out, of_in = out.codes("error_class"), inn.codes("error_class")
    of_in = np.where(_closed_by_waypoint(in_error, reason), np.int32(len(classes) - 1), of_in)
    distinct, inverse = np.unique((of_in.astype(np.int64) + 1) << 32 | (of_out + 1), return_inverse=True)
    verdicts = [str(verdict_of(words[(c >> 32) - 1], words[(c & 0xFFFFFFFF) - 1])) for c in distinct.tolist()]
    known = tuple(dict.fromkeys(verdicts))
    verdict = np.array([known.index(v) for v in verdicts], np.int64)[inverse]
    policies: dict[str, int] = {}

    def policy(text: str) -> int:
        """Code of the policy a text names, from 1; 0 is none."""
        name = policy_of(text)
        return 0 if name is None else policies.setdefault(name, len(policies) + 1)

    of_policy = per_word(in_error, policy, np.int64)
    of_policy = np.where(of_policy == 0, per_word(out_error, policy, np.int64), of_policy)
    return {
        "verdict": category(verdict, known),
        "error_class": category(np.where(of_in == NONE, of_out, of_in), classes),
        "policy": category(of_policy - 1, tuple(policies)),
    }


def _closed_by_waypoint(error: pa.ChunkedArray, reason: IntArray) -> BoolArray:
    """Which errors of the server's side only say that a waypoint or gateway closed what it had kept open."""
    result: BoolArray = (reason == REASON_CODES[Unpaired.WAYPOINT_SOURCE]) & per_word(error, closed_by_client, np.bool_)
    stranger = reason == REASON_CODES[Unpaired.SOURCE_NOT_CAPTURED]
    if stranger.any():
        result |= stranger & per_word(error, closed_by_envoy, np.bool_)
    return result


@dataclass(frozen=True, slots=True)
class Decided:
    """Flows that are decided and not built yet, so that those of one table at a time take the memory of flows.

    Attributes:
        halves: The rows the decisions are about.
        decisions: Which half belongs to which.
    """

    halves: pa.Table
    decisions: Decisions

    def __len__(self) -> int:
        """How many flows."""
        return len(self.decisions.outbound)

    def flows(self, memory: WordMemory) -> pa.Table:
        """The flows, in order of their end, ties canonically; flows without a time last."""
        if not len(self):
            return empty(Flows)
        table, made = self.halves, self.decisions
        told_by = np.where(made.outbound == NONE, made.inbound, made.outbound)
        end = numbers_of_time(table)[told_by]
        order = canonical_order(np.where(end == NO_TIME, AFTER_ALL, end), told_by, table)
        return build_flows(table, made.take(order), memory)
