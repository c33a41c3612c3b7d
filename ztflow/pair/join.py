"""Halves and who belongs to whom in, flows table out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from ztflow.causes import policy_of, verdict_of
from ztflow.pair.evidence import is_address, per_word
from ztflow.schema import FLOWS, HALVES, Message
from ztflow.tables import ARROW_TYPE, FLOWS_SCHEMA

NONE = -1
"""In an index array: this half was not seen."""

_END_COLUMNS = tuple(
    column.name
    for column in HALVES
    if column.name.startswith(("src_", "dst_", "hbone_"))
)  # fmt: skip
_TYPE = {column.name: ARROW_TYPE[column.type] for column in FLOWS}
_CATEGORY = pa.dictionary(pa.int32(), pa.string())


@dataclass(frozen=True, slots=True)
class Decisions:
    """What pairing decided, one entry a flow.

    Attributes:
        outbound: Row of the outbound half in the halves table, or `NONE`.
        inbound: Row of the inbound half, or `NONE`.
        paired: Values of the column of that name.
        alternatives: How many other partners would have fitted; -1 is null.
        confidence: Probability that the partner is right; NaN is null.
        reason: Why it is unpaired; None when paired.
        next_hop: Row of the half believed to be the hop behind this one's waypoint, or `NONE`.
    """

    outbound: npt.NDArray[np.int64]
    inbound: npt.NDArray[np.int64]
    paired: list[str]
    alternatives: npt.NDArray[np.int64]
    confidence: npt.NDArray[np.float64]
    reason: list[str | None]
    next_hop: npt.NDArray[np.int64]


def build_flows(halves: pa.Table, decisions: Decisions) -> pa.Table:
    """The flows table (`schema.FLOWS`) of these decisions, in order of end; nodes are not placed yet.

    Cost: one Arrow `take` per column and side; no Python per row, but for the rare error texts.
    """
    outbound = pa.array(decisions.outbound, mask=decisions.outbound == NONE)
    inbound = pa.array(decisions.inbound, mask=decisions.inbound == NONE)
    out = halves.take(outbound)
    inn = halves.take(inbound)
    count = len(decisions.paired)
    columns: dict[str, pa.ChunkedArray | pa.Array] = {}

    def either(name: str) -> pa.ChunkedArray:
        return coalesce(out.column(name), inn.column(name))

    end = either("time")
    duration = either("duration_ms")
    columns["end"] = end
    columns["start"] = pc.subtract(end, pc.multiply(duration, 1000).cast(pa.duration("us")))
    for name in _END_COLUMNS:
        columns[name] = either(name)
    columns["request_bytes"] = coalesce(out.column("bytes_sent"), inn.column("bytes_recv"))
    columns["response_bytes"] = coalesce(out.column("bytes_recv"), inn.column("bytes_sent"))
    columns["duration_ms"] = duration
    columns["inbound_duration_ms"] = inn.column("duration_ms")
    columns["path"] = _path(out, inn)
    columns["mtls"] = _mtls(out, inn)
    columns.update(_outcome(out, inn))
    columns["src_node"] = out.column("ztunnel_node")
    columns["dst_node"] = inn.column("ztunnel_node")
    columns["src_pod"] = _pod(out.column("src_namespace"), out.column("src_workload"))
    columns["dst_pod"] = _pod(inn.column("dst_namespace"), inn.column("dst_workload"))
    columns["paired"] = pa.array(decisions.paired, _CATEGORY)
    columns["alternatives"] = pa.array(decisions.alternatives, mask=decisions.alternatives < 0)
    columns["confidence"] = pa.array(decisions.confidence, mask=np.isnan(decisions.confidence))
    columns["unpaired_reason"] = pa.array(decisions.reason, _CATEGORY)
    columns["outbound_error"] = out.column("error")
    columns["inbound_error"] = inn.column("error")
    columns["outbound_ztunnel"] = out.column("ztunnel_pod")
    columns["inbound_ztunnel"] = inn.column("ztunnel_pod")
    columns["outbound_file"] = out.column("source_file")
    columns["outbound_line"] = out.column("line_number")
    columns["inbound_file"] = inn.column("source_file")
    columns["inbound_line"] = inn.column("line_number")
    behind = halves.select(["source_file", "line_number"]).take(
        pa.array(decisions.next_hop, mask=decisions.next_hop == NONE)
    )
    columns["next_hop_file"] = behind.column("source_file")
    columns["next_hop_line"] = behind.column("line_number")
    unknown = pa.array(["unknown"] * count, _CATEGORY)
    columns["locality"] = unknown
    columns["zone_locality"] = unknown
    arrays = [
        _cast(columns[name], _TYPE[name]) if name in columns else pa.nulls(count, _TYPE[name])
        for name in FLOWS_SCHEMA.names
    ]
    return pa.Table.from_arrays(arrays, schema=FLOWS_SCHEMA)


def coalesce(first: pa.ChunkedArray, second: pa.ChunkedArray) -> pa.ChunkedArray:
    """The first of two values that is not null; dictionary columns stay dictionary columns."""
    if not first.null_count:
        return first
    if second.null_count == len(second):
        return first
    if pa.types.is_dictionary(first.type):
        merged = pa.chunked_array([*first.chunks, *second.chunks], first.type).unify_dictionaries()
        chunks = merged.chunks
        codes = pa.chunked_array([chunk.indices for chunk in chunks], pa.int32())
        count = len(first)
        chosen = pc.coalesce(codes.slice(0, count).combine_chunks(), codes.slice(count).combine_chunks())
        dictionary = chunks[0].dictionary if chunks else pa.array([], pa.string())
        return pa.chunked_array([pa.DictionaryArray.from_arrays(chosen, dictionary)])
    return pc.coalesce(first, second)


def _cast(column: pa.ChunkedArray | pa.Array, wanted: pa.DataType) -> pa.ChunkedArray | pa.Array:
    if column.type == wanted:
        return column
    if pa.types.is_dictionary(wanted):
        return column.dictionary_encode() if not pa.types.is_dictionary(column.type) else column.cast(wanted)
    return column.cast(wanted)


def _pod(namespace: pa.ChunkedArray, workload: pa.ChunkedArray) -> pa.ChunkedArray:
    """`namespace/name` where both are known: at the end that is local to the writer, the workload is the pod."""
    if workload.null_count == len(workload):
        return pa.chunked_array([pa.nulls(len(workload), _CATEGORY)])
    text = pc.binary_join_element_wise(namespace.cast(pa.string()), workload.cast(pa.string()), "/")
    return text.dictionary_encode()


def _path(out: pa.Table, inn: pa.Table) -> pa.Array:
    """How the connection travelled: format sheet §4.2. Null for an early denial, which never got on its way."""
    host = coalesce(out.column("hbone_host"), inn.column("hbone_host"))
    named = per_word(host, lambda word: not is_address(word), np.bool_)
    dialled = pc.not_equal(out.column("hbone_host").cast(pa.string()), out.column("dst_ip").cast(pa.string()))
    elsewhere = dialled.fill_null(False).to_numpy()
    path = np.where(named, "double_hbone", np.where(elsewhere, "waypoint", "hbone")).astype(object)
    path[host.is_null().to_numpy()] = "plaintext"
    path[~_tracked(out, inn).to_numpy()] = None
    return pa.array(path, _CATEGORY)


def _tracked(out: pa.Table, inn: pa.Table) -> pa.ChunkedArray:
    """Whether the connection was tracked to its end, as opposed to refused early."""
    message = coalesce(out.column("message"), inn.column("message"))
    return pc.equal(message.cast(pa.string()), Message.COMPLETE.value)


def _mtls(out: pa.Table, inn: pa.Table) -> pa.Array:
    """HBONE is mTLS, passthrough is not; an early denial says nothing."""
    host = coalesce(out.column("hbone_host"), inn.column("hbone_host"))
    return pc.if_else(_tracked(out, inn), host.is_valid(), None)


def _outcome(out: pa.Table, inn: pa.Table) -> dict[str, pa.Array]:
    """Verdict, error class and policy; the inbound text is the cause, the outbound one often only its echo."""
    count = out.num_rows
    verdict = np.full(count, "forwarded", dtype=object)
    error_class = np.full(count, None, dtype=object)
    policy = np.full(count, None, dtype=object)
    out_error, in_error = out.column("error"), inn.column("error")
    failed = pc.or_(out_error.is_valid(), in_error.is_valid()).to_numpy()
    out_class, in_class = out.column("error_class"), inn.column("error_class")
    for row in np.flatnonzero(failed).tolist():
        texts = (in_error[row].as_py(), out_error[row].as_py())
        classes = (in_class[row].as_py(), out_class[row].as_py())
        verdict[row] = verdict_of(*classes)
        error_class[row] = classes[0] or classes[1]
        policy[row] = (texts[0] and policy_of(texts[0])) or (texts[1] and policy_of(texts[1])) or None
    return {
        "verdict": pa.array(verdict, _CATEGORY),
        "error_class": pa.array(error_class, _CATEGORY),
        "policy": pa.array(policy, _CATEGORY),
    }
