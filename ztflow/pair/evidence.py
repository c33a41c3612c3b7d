"""What pairing needs of each half, as numpy arrays: keys, sizes seen from the connection, times.

Texts become 64-bit hashes of themselves (BLAKE2b), not codes in order of arrival, so two halves compare the same
whatever batch, process or machine read them. A wrong match would need two of the texts in one capture to collide:
below 1e-6 for ten million distinct texts.

Shape: one entry a half in every array.  Units: microseconds (`time`), milliseconds (`duration`), bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, fields
from hashlib import blake2b
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from ztflow.schema import Message

UIntArray: TypeAlias = npt.NDArray[np.uint64]
IntArray: TypeAlias = npt.NDArray[np.int64]
BoolArray: TypeAlias = npt.NDArray[np.bool_]
FloatArray: TypeAlias = npt.NDArray[np.float64]

NO_TIME = np.iinfo(np.int64).min
"""Stands for a missing time; such halves are never compared by time."""

_MIX_1 = np.uint64(0xBF58476D1CE4E5B9)
_MIX_2 = np.uint64(0x94D049BB133111EB)
_ODD = tuple(np.uint64(text) for text in (
    0x9E3779B97F4A7C15, 0xD6E8FEB86659FD93, 0xA0761D6478BD642F, 0xE7037ED1A0B428DB, 0x8EBC6AF09C88C6E3,
    0x589965CC75374CC3, 0x1D8E4E27C47D124F, 0xEB44ACCAB455D165, 0x9C6E6877736C46E3, 0x2127599BF4325C37,
    0x880355F21E6D1965, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9,
))  # fmt: skip


def text_hash(text: str) -> int:
    """The 64-bit hash of a text; never 0, which stands for null."""
    return int.from_bytes(blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "little") or 1


def mix(values: UIntArray) -> UIntArray:
    """Spread 64-bit values (the finaliser of SplitMix64)."""
    values = (values ^ (values >> np.uint64(30))) * _MIX_1
    values = (values ^ (values >> np.uint64(27))) * _MIX_2
    return values ^ (values >> np.uint64(31))


def combine(parts: Sequence[UIntArray]) -> UIntArray:
    """One hash of several values, order mattering; small numbers among them must be mixed first."""
    result: UIntArray = parts[0] * _ODD[0]
    for part, odd in zip(parts[1:], _ODD[1:], strict=False):
        result += part * odd
    return result


def per_word(column: pa.ChunkedArray, rate: Callable[[str], Any], dtype: type[np.generic]) -> npt.NDArray[Any]:
    """A function of each cell's text, computed once a distinct text; 0 for null.

    Cost: Python per distinct text, numpy per row.
    """
    encoded = (column if pa.types.is_dictionary(column.type) else column.dictionary_encode()).combine_chunks()
    if isinstance(encoded, pa.ChunkedArray):  # older Arrow keeps one chunk as a chunked array
        encoded = encoded.chunk(0) if encoded.num_chunks else pa.array([], encoded.type)
    if not len(encoded):
        return np.zeros(0, dtype)
    words = encoded.dictionary.to_pylist()
    rated = np.zeros(len(words) + 1, dtype)
    rated[: len(words)] = [0 if word is None else rate(word) for word in words]
    result: npt.NDArray[Any] = rated[encoded.indices.fill_null(len(words)).to_numpy(zero_copy_only=False)]
    return result


def hashes_of(column: pa.ChunkedArray) -> UIntArray:
    """Hashes of a text column, 0 for null."""
    if column.null_count == len(column):
        return np.zeros(len(column), np.uint64)
    return per_word(column, text_hash, np.uint64)


def numbers(table: pa.Table, name: str, missing: int = 0) -> npt.NDArray[np.generic]:
    """A numeric column as numpy, nulls replaced."""
    column = table.column(name)
    if column.null_count:
        column = pc.fill_null(column, missing)
    array: npt.NDArray[np.generic] = column.to_numpy()
    return array


@dataclass(frozen=True, slots=True)
class Evidence:
    """The arrays of a set of halves.

    Attributes:
        time: End of the connection by the writer's clock; `NO_TIME` when the line has none.
        duration: Life of the connection, ms.
        outbound: True for the client's side.
        pairable: Complete HBONE halves with a time: those whose partner is a line too.
        key: Hash of what both halves share: addresses, authority, identity (format sheet §5.1).
        loose_key: The same without the identity, for halves one of which does not say it.
        identity: Hash of the source identity, 0 where the half does not say it.
        sizes: Hash of request and response bytes, swapped back for inbound halves.
        request: Client → server bytes as this side counted them.
        response: Server → client bytes as this side counted them.
        ztunnel: Hash of who wrote it: the ztunnel pod, else the input.
        trace: Hash of the trace id, 0 where there is none (all but JSON logs of 1.22.0).
        failed: Whether the half carries an error text.
        source: Hash of the source address.
        destination: Hash of the address dialled or accepted.
        service: Hash of the service addressed, 0 where the half does not say it.
        tunnelled: Whether it is HBONE.
        early: Whether it is a `connection failed` line.
        answered: Whether its error is the other side's answer, which writes a line of its own.
        elsewhere: Whether the address dialled is not the authority's: the far end is a waypoint or gateway.
        port: Source port, 0 where unknown: the client's own for outbound halves, the tunnel's for inbound ones.
    """

    time: IntArray
    duration: IntArray
    outbound: BoolArray
    pairable: BoolArray
    key: UIntArray
    loose_key: UIntArray
    identity: UIntArray
    sizes: UIntArray
    request: UIntArray
    response: UIntArray
    ztunnel: UIntArray
    trace: UIntArray
    failed: BoolArray
    source: UIntArray
    destination: UIntArray
    service: UIntArray
    tunnelled: BoolArray
    early: BoolArray
    answered: BoolArray
    elsewhere: BoolArray
    port: IntArray

    def __len__(self) -> int:
        return len(self.time)

    @property
    def classes(self) -> UIntArray:
        """Hash of key and sizes: what the two halves of a connection share exactly."""
        return self.key + self.sizes

    def take(self, index: npt.NDArray[np.intp] | BoolArray) -> Evidence:
        """The entries at `index`, or where a mask is true."""
        return Evidence(*(getattr(self, field.name)[index] for field in fields(self)))

    @staticmethod
    def concat(parts: Iterable[Evidence]) -> Evidence:
        """All entries of several."""
        items = list(parts)
        if len(items) == 1:
            return items[0]
        return Evidence(*(np.concatenate([getattr(part, f.name) for part in items]) for f in fields(Evidence)))


def gather(halves: pa.Table) -> Evidence:
    """The evidence of a halves table (`schema.HALVES`)."""
    hashes = {
        name: hashes_of(halves.column(name))
        for name in ("src_ip", "src_identity", "dst_ip", "hbone_host", "dst_service", "ztunnel_pod")
    }
    outbound = _is(halves, "direction", "outbound")
    sent = numbers(halves, "bytes_sent").astype(np.uint64)
    received = numbers(halves, "bytes_recv").astype(np.uint64)
    request = np.where(outbound, sent, received)
    response = np.where(outbound, received, sent)
    time = numbers_of_time(halves)
    host = hashes["hbone_host"]
    authority = combine([host, mix(numbers(halves, "hbone_port").astype(np.uint64))])
    direct = combine([authority, hashes["src_ip"], hashes["dst_ip"]])
    # Across networks (an authority that is a host name) the halves share neither address: format sheet §5.1.
    named = per_word(halves.column("hbone_host"), lambda host: not is_address(host), np.bool_)
    key = combine([np.where(named, authority, direct) if named.any() else direct, hashes["src_identity"]])
    ztunnel = hashes["ztunnel_pod"]
    if not ztunnel.all():
        ztunnel = np.where(ztunnel != 0, ztunnel, mix(hashes_of(halves.column("source_file"))))
    error = halves.column("error")
    return Evidence(
        time=time,
        duration=numbers(halves, "duration_ms").astype(np.int64),
        outbound=outbound,
        pairable=(host != 0) & _is(halves, "message", Message.COMPLETE) & (time != NO_TIME),
        key=key,
        loose_key=np.where(named, key, direct),  # across networks the identity is all that tells clients apart
        identity=hashes["src_identity"],
        sizes=combine([mix(request), mix(response + np.uint64(1))]),
        request=request,
        response=response,
        ztunnel=ztunnel,
        trace=hashes_of(halves.column("trace_id")),
        failed=error.is_valid().to_numpy(),
        source=hashes["src_ip"],
        destination=hashes["dst_ip"],
        service=hashes["dst_service"],
        tunnelled=host != 0,
        early=_is(halves, "message", Message.FAILED),
        answered=per_word(error, lambda text: text.startswith("http status: "), np.bool_),
        elsewhere=(host != 0) & (host != hashes["dst_ip"]),
        port=numbers(halves, "src_port").astype(np.int64),
    )


def canonical_order(evidence: Evidence, halves: pa.Table) -> npt.NDArray[np.intp]:
    """Indexes in order of time; ties by content, full twins by position. The same for any order of arrival.

    Args:
        evidence: The evidence of `halves`.
        halves: The rows themselves; those whose times are equal are looked at whole.
    """
    order = np.argsort(evidence.time, kind="stable")
    time = evidence.time[order]
    same = np.zeros(len(order) + 1, np.bool_)
    same[1:-1] = time[1:] == time[:-1]
    tied = np.flatnonzero(same[1:] | same[:-1])  # runs of equal times stay where they are, each sorted in itself
    if len(tied):
        part = order[tied]
        content, position = _content(halves.take(pa.array(part)))
        order[tied] = part[np.lexsort((position, content, evidence.time[part]))]
    return order


def _content(halves: pa.Table) -> tuple[UIntArray, UIntArray]:
    """Hashes of what each line says, and of where it stands."""
    texts = (
        "direction", "message", "src_ip", "src_identity", "src_workload", "dst_ip", "hbone_host", "dst_workload",
        "dst_service", "error", "ztunnel_pod",
    )  # fmt: skip
    figures = ("bytes_sent", "bytes_recv", "duration_ms", "src_port", "hbone_port")
    said = combine([hashes_of(halves.column(name)) for name in texts])
    counted = combine([mix(numbers(halves, name).astype(np.uint64)) for name in figures])
    file, line = hashes_of(halves.column("source_file")), numbers(halves, "line_number").astype(np.uint64)
    return combine([said, counted]), combine([file, mix(line)])


def _is(halves: pa.Table, name: str, word: str) -> BoolArray:
    """Whether a category column has this word."""
    return per_word(halves.column(name), lambda text: text == word, np.bool_)


def numbers_of_time(halves: pa.Table) -> IntArray:
    """The time column in microseconds since 1970, `NO_TIME` for null."""
    column = pc.fill_null(halves.column("time").cast(pa.int64()), NO_TIME)
    array: IntArray = column.to_numpy()
    return array


def is_address(host: str) -> bool:
    """Whether a host is an IP address: no name ends in an all-digit label, no name holds a colon."""
    return ":" in host or host.rsplit(".", 1)[-1].isdigit()
