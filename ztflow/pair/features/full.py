"""Full features of the halves that basic ones do not settle, as numpy arrays; and the canonical order of halves."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
import pyarrow as pa

from ztflow.columns.dictionaries import WordMemory, per_word, text_hash
from ztflow.columns.dtypes import BoolArray, Index, IntArray, UIntArray
from ztflow.columns.sorting import time_order
from ztflow.pair.features.basic import BasicFeatures, basic_features, combine, hashes_of, mix, mixed_ports, numbers
from ztflow.pair.features.early_denials import is_failed


def _is_answer(error: str) -> bool:
    return error.startswith("http status: ")


@dataclass(frozen=True, slots=True)
class FullFeatures(BasicFeatures):
    """The arrays of a set of halves.

    Attributes:
        without_identity: The blocking key without the identity, for halves one of which does not say it.
        identity: Hash of the source identity, 0 where the half does not say it.
        trace: Hash of the trace id, 0 where there is none (all but JSON logs of 1.22.0).
        failed: Whether the half carries an error text.
        source: Hash of the source address.
        destination: Hash of the address dialled or accepted.
        service: Hash of the service addressed, 0 where the half does not say it.
        tunnelled: Whether it is HBONE.
        early: Whether it is a `connection failed` line.
        answered: Whether its error is the other side's answer, which writes a line of its own.
        port: Source port, 0 where unknown: the client's own for outbound halves, the tunnel's for inbound ones.
    """

    without_identity: UIntArray
    identity: UIntArray
    trace: UIntArray
    failed: BoolArray
    source: UIntArray
    destination: UIntArray
    service: UIntArray
    tunnelled: BoolArray
    early: BoolArray
    answered: BoolArray
    port: IntArray


def full_features(
    halves: pa.Table, memory: WordMemory | None = None, basic: BasicFeatures | None = None
) -> FullFeatures:
    """The full features of a halves table (`schema.HALVES`).

    Args:
        halves: The rows.
        memory: What is known of their words.
        basic: Their basic features, where they are there already.
    """
    memory = memory or WordMemory()
    basic = basic_features(halves, memory) if basic is None else basic

    def hashes(name: str) -> UIntArray:
        return memory.per_row(halves, name, text_hash, np.uint64)

    identity, error = hashes("src_identity"), halves.column("error")
    return FullFeatures(
        **{field.name: getattr(basic, field.name) for field in fields(BasicFeatures)},
        without_identity=basic.loose_key(identity),
        identity=identity,
        trace=hashes_of(halves.column("trace_id")),
        failed=error.is_valid().to_numpy(),
        source=hashes("src_ip"),
        destination=hashes("dst_ip"),
        service=hashes("dst_service"),
        tunnelled=hashes("hbone_host") != 0,
        early=memory.per_row(halves, "message", is_failed, np.bool_),
        answered=per_word(error, _is_answer, np.bool_),
        port=numbers(halves, "src_port").astype(np.int64),
    )


def canonical_order(time: IntArray, rows: Index, halves: pa.Table) -> Index:
    """Places of halves in order of time; ties by content, full twins by position. The same for any order of arrival.

    Args:
        time: Time of each half.
        rows: The row of each in `halves`; those whose times are equal are looked at whole.
        halves: The table.
    """
    order = time_order(time)
    time = time[order]
    same = np.zeros(len(order) + 1, np.bool_)
    same[1:-1] = time[1:] == time[:-1]
    tied = np.flatnonzero(same[1:] | same[:-1])  # runs of equal times stay where they are, each sorted in itself
    if len(tied):
        part = order[tied]
        order[tied] = part[_order_of_tied(time[tied], halves.take(pa.array(rows[part])))]
    return order


def _order_of_tied(time: IntArray, halves: pa.Table) -> Index:
    """Places in order of time, of the figures in each line, and where these are equal, too, of all it says."""
    figures = _figures(halves)
    order: Index = np.lexsort((figures, time))
    same = np.zeros(len(order) + 1, np.bool_)
    same[1:-1] = (time[order][1:] == time[order][:-1]) & (figures[order][1:] == figures[order][:-1])
    tied = np.flatnonzero(same[1:] | same[:-1])
    if len(tied):
        part = order[tied]
        content, position = _content(halves.take(pa.array(part)))
        order[tied] = part[np.lexsort((position, content, figures[part], time[part]))]
    return order


def _figures(halves: pa.Table) -> UIntArray:
    """Hash of a line's numbers: nearly always enough to tell apart two that ended together."""
    return combine(
        [mix(numbers(halves, name).astype(np.uint64)) for name in ("bytes_sent", "bytes_recv", "duration_ms")]
        + [mixed_ports(numbers(halves, "src_port"))]
    )


def _content(halves: pa.Table) -> tuple[UIntArray, UIntArray]:
    """Hashes of what each line says in words, and of its place in the input."""
    texts = (
        "direction", "message", "src_ip", "src_identity", "src_workload", "dst_ip", "hbone_host", "dst_workload",
        "dst_service", "error", "ztunnel_pod",
    )  # fmt: skip
    said = combine([*(hashes_of(halves.column(name)) for name in texts), mixed_ports(numbers(halves, "hbone_port"))])
    file, line = hashes_of(halves.column("source_file")), numbers(halves, "line_number").astype(np.uint64)
    return said, combine([file, mix(line)])
