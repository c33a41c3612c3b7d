"""What pairing needs of each half, as numpy arrays: keys, sizes seen from the connection, times.

Texts become 64-bit hashes of themselves (BLAKE2b), not codes in order of arrival, so two halves compare the same
whatever batch, process or machine read them. A wrong match would need two of the texts in one capture to collide:
below 1e-6 for ten million distinct texts.

Shape: one entry a half in every array.  Units: microseconds (`time`), milliseconds (`duration`), bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
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

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_MIX_1 = np.uint64(0xBF58476D1CE4E5B9)
_MIX_2 = np.uint64(0x94D049BB133111EB)


def text_hash(text: str) -> int:
    """The 64-bit hash of a text; never 0, which stands for null."""
    return int.from_bytes(blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "little") or 1


def mix(values: UIntArray) -> UIntArray:
    """Spread 64-bit values (the finaliser of SplitMix64)."""
    values = (values ^ (values >> np.uint64(30))) * _MIX_1
    values = (values ^ (values >> np.uint64(27))) * _MIX_2
    return values ^ (values >> np.uint64(31))


def combine(parts: Iterable[UIntArray]) -> UIntArray:
    """One hash of several, order mattering."""
    result: UIntArray | None = None
    for part in parts:
        result = mix(part + _GOLDEN) if result is None else mix(result * _GOLDEN + mix(part + _GOLDEN))
    assert result is not None
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
        tunnel: Hash of the inbound half's tunnel (peer ip:port and local ip), 0 for outbound halves.
        failed: Whether the half carries an error text.
        content: Hash of all content: orders halves of equal time the same way on every run.
        position: Hash of input and line number: orders halves that are equal in everything.
        source: Hash of the source address.
        destination: Hash of the address dialled or accepted.
        service: Hash of the service addressed, 0 where the half does not say it.
        tunnelled: Whether it is HBONE.
        early: Whether it is a `connection failed` line.
        answered: Whether its error is the other side's answer, which writes a line of its own.
        elsewhere: Whether the address dialled is not the authority's: the far end is a waypoint or gateway.
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
    tunnel: UIntArray
    failed: BoolArray
    content: UIntArray
    position: UIntArray
    source: UIntArray
    destination: UIntArray
    service: UIntArray
    tunnelled: BoolArray
    early: BoolArray
    answered: BoolArray
    elsewhere: BoolArray

    def __len__(self) -> int:
        return len(self.time)

    @property
    def classes(self) -> UIntArray:
        """Hash of key and sizes: what the two halves of a connection share exactly."""
        return self.key ^ (self.sizes * np.uint64(3))

    def take(self, index: npt.NDArray[np.intp] | BoolArray) -> Evidence:
        """The entries at `index`, or where a mask is true."""
        return Evidence(*(getattr(self, field.name)[index] for field in fields(self)))

    def canonical_order(self) -> npt.NDArray[np.intp]:
        """Indexes in order of time; ties by content, full twins by position. The same for any order of arrival."""
        order = np.argsort(self.time, kind="stable")
        time = self.time[order]
        same = np.zeros(len(order) + 1, np.bool_)
        same[1:-1] = time[1:] == time[:-1]
        tied = np.flatnonzero(same[1:] | same[:-1])  # runs of equal times stay where they are, each sorted in itself
        if len(tied):
            part = order[tied]
            order[tied] = part[np.lexsort((self.position[part], self.content[part], self.time[part]))]
        return order

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
        for name in (
            "direction", "message", "src_ip", "src_identity", "src_workload", "dst_ip", "hbone_host", "dst_workload",
            "dst_service", "ztunnel_pod", "source_file",
        )
    }  # fmt: skip
    outbound = hashes["direction"] == np.uint64(text_hash("outbound"))
    sent = numbers(halves, "bytes_sent").astype(np.uint64)
    received = numbers(halves, "bytes_recv").astype(np.uint64)
    request = np.where(outbound, sent, received)
    response = np.where(outbound, received, sent)
    time = numbers_of_time(halves)
    port = numbers(halves, "hbone_port").astype(np.uint64)
    src_port = numbers(halves, "src_port").astype(np.uint64)
    duration = numbers(halves, "duration_ms").astype(np.int64)

    host = hashes["hbone_host"]
    authority = combine([host, port])
    # Across networks (an authority that is a host name) the halves share neither address: format sheet §5.1.
    named = per_word(halves.column("hbone_host"), lambda host: not is_address(host), np.bool_)
    direct = combine([authority, hashes["src_ip"], hashes["dst_ip"]])
    loose_key = np.where(named, mix(authority), direct)
    key = combine([loose_key, hashes["src_identity"]])
    loose_key = np.where(named, key, loose_key)  # there the identity is all that tells clients apart
    ztunnel = np.where(hashes["ztunnel_pod"] != 0, hashes["ztunnel_pod"], mix(hashes["source_file"]))
    error = halves.column("error")
    failed = error.is_valid().to_numpy()
    content = combine(
        [
            time.view(np.uint64), key, sent, received, duration.view(np.uint64), src_port, ztunnel,
            hashes["direction"], hashes["message"], hashes["src_workload"], hashes["dst_workload"],
            hashes["dst_service"], hashes_of(error),
        ]
    )  # fmt: skip
    return Evidence(
        time=time,
        duration=duration,
        outbound=outbound,
        pairable=(host != 0) & (hashes["message"] == np.uint64(text_hash(Message.COMPLETE))) & (time != NO_TIME),
        key=key,
        loose_key=loose_key,
        identity=hashes["src_identity"],
        sizes=combine([request, response]),
        request=request,
        response=response,
        ztunnel=ztunnel,
        trace=hashes_of(halves.column("trace_id")),
        tunnel=np.where(outbound, np.uint64(0), combine([hashes["src_ip"], src_port, hashes["dst_ip"]])),
        failed=failed,
        content=content,
        position=combine([hashes["source_file"], numbers(halves, "line_number").astype(np.uint64)]),
        source=hashes["src_ip"],
        destination=hashes["dst_ip"],
        service=hashes["dst_service"],
        tunnelled=host != 0,
        early=hashes["message"] == np.uint64(text_hash(Message.FAILED)),
        answered=per_word(error, lambda text: text.startswith("http status: "), np.bool_),
        elsewhere=(host != 0) & (host != hashes["dst_ip"]),
    )


def numbers_of_time(halves: pa.Table) -> IntArray:
    """The time column in microseconds since 1970, `NO_TIME` for null."""
    column = pc.fill_null(halves.column("time").cast(pa.int64()), NO_TIME)
    array: IntArray = column.to_numpy()
    return array


def is_address(host: str) -> bool:
    """Whether a host is an IP address: no name ends in an all-digit label, no name holds a colon."""
    return ":" in host or host.rsplit(".", 1)[-1].isdigit()
