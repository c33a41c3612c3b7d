"""Basic features of halves: the few numpy arrays that settle most pairs; `full` has the rest, for the others.

The *blocking key* is a hash of what both halves of a connection share: only halves of one blocking key are ever
compared. The *exact key* adds both byte counts.

Texts become 64-bit hashes of themselves, not codes in order of arrival, so two halves compare the same whatever batch,
process or machine read them. A wrong match would need two of the texts in one capture to collide: below 1e-6 for ten
million distinct texts. Byte counts enter the exact key by two odd factors; for two connections of one blocking key to
collide their counts would have to differ by some 4 GiB in just that ratio.

Shape: one entry a half in every array.  Units: microseconds (`time`), milliseconds (`duration`), bytes.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from typing import Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from ztflow.columns.dictionaries import WordMemory, per_word, text_hash
from ztflow.columns.dtypes import NO_TIME, BoolArray, Index, IntArray, UIntArray
from ztflow.model.vocabulary import ErrorClass
from ztflow.pair.features.early_denials import is_complete, refused

_MIX_1 = np.uint64(0xBF58476D1CE4E5B9)
_MIX_2 = np.uint64(0x94D049BB133111EB)
_ODD = tuple(np.uint64(text) for text in (
    0x9E3779B97F4A7C15, 0xD6E8FEB86659FD93, 0xA0761D6478BD642F, 0xE7037ED1A0B428DB, 0x8EBC6AF09C88C6E3,
    0x589965CC75374CC3, 0x1D8E4E27C47D124F, 0xEB44ACCAB455D165, 0x9C6E6877736C46E3, 0x2127599BF4325C37,
    0x880355F21E6D1965, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9,
))  # fmt: skip
_REQUEST, _RESPONSE = np.uint64(0xD1342543DE82EF95), np.uint64(0x2545F4914F6CDD1D)


def mix(values: UIntArray) -> UIntArray:
    """Spread 64-bit values (the finaliser of SplitMix64)."""
    values = (values ^ (values >> np.uint64(30))) * _MIX_1
    values = (values ^ (values >> np.uint64(27))) * _MIX_2
    return values ^ (values >> np.uint64(31))


_NEVER_ARRIVED = frozenset({ErrorClass.REFUSED, ErrorClass.UNREACHABLE, ErrorClass.TIMEOUT})
"""Errors of a plaintext dial, when no byte moved: no ztunnel took it, which would have accepted first."""

_MIXED_PORTS = mix(np.arange(1 << 16, dtype=np.uint64))


def mixed_ports(ports: npt.NDArray[np.generic]) -> UIntArray:
    """`mix` of port numbers."""
    mixed: UIntArray = _MIXED_PORTS[ports]
    return mixed


def combine(parts: Sequence[UIntArray]) -> UIntArray:
    """One hash of several values, order mattering; small numbers among them must be mixed first."""
    result: UIntArray = parts[0] * _ODD[0]
    for part, odd in zip(parts[1:], _ODD[1:], strict=False):
        result += part * odd
    return result


def hashes_of(column: pa.ChunkedArray) -> UIntArray:
    """Hashes of a text column, 0 for null."""
    return per_word(column, text_hash, np.uint64)


def numbers(table: pa.Table, name: str, missing: int = 0) -> npt.NDArray[np.generic]:
    """A numeric column as numpy, nulls replaced."""
    column = table.column(name)
    if column.null_count:
        column = pc.fill_null(column, missing)
    array: npt.NDArray[np.generic] = column.to_numpy()
    return array


def numbers_of_time(halves: pa.Table) -> IntArray:
    """The time column in microseconds since 1970, `NO_TIME` for null."""
    column = halves.column("time").cast(pa.int64())
    array: IntArray = (pc.fill_null(column, NO_TIME) if column.null_count else column).to_numpy()
    return array


def is_name(host: str) -> bool:
    """Whether a host is no IP address: no name ends in an all-digit label, no name holds a colon."""
    return not (":" in host or host.rsplit(".", 1)[-1].isdigit())


def _never_arrived(error_class: str) -> bool:
    return error_class in _NEVER_ARRIVED


def _is_outbound(word: str) -> bool:
    return word == "outbound"


@dataclass(frozen=True, slots=True)
class BasicFeatures:
    """The arrays of a set of halves.

    Attributes:
        time: End of the connection by the writer's clock; `NO_TIME` when the line has none.
        duration: Life of the connection, ms.
        outbound: True for the client's side.
        pairable: Complete halves with a time, and refusals that name what was asked for: those whose partner may be a
            line too.
        blocking_key: Hash of what both halves share: addresses, authority, identity; see
            docs/reference/ztunnel-log.md#what-both-halves-share. Of a refused request that is addresses and the
            authority's host, of a connection in plaintext both addresses and the port dialled.
        identity_optional: Whether the loose key leaves the identity out. Not across networks, where it is all that
            tells clients apart, nor for a refused request or plaintext, whose blocking key has none.
        request: Client → server bytes as this side counted them.
        response: Server → client bytes as this side counted them.
        ztunnel: Hash of the ztunnel that wrote it: its pod, else the input.
        elsewhere: Whether the address dialled is not the authority's: the far end is a waypoint or gateway.
        plain: Whether it is a whole connection in plaintext whose partner may be a line.
    """

    time: IntArray
    duration: IntArray
    outbound: BoolArray
    pairable: BoolArray
    blocking_key: UIntArray
    identity_optional: BoolArray
    request: UIntArray
    response: UIntArray
    ztunnel: UIntArray
    elsewhere: BoolArray
    plain: BoolArray

    def __len__(self) -> int:
        return len(self.time)

    @property
    def sizes(self) -> UIntArray:
        """Hash of request and response bytes."""
        result: UIntArray = self.request * _REQUEST
        result += self.response * _RESPONSE
        return result

    @property
    def exact_key(self) -> UIntArray:
        """Hash of blocking key and sizes: what the two halves of a connection share exactly."""
        result = self.sizes
        result += self.blocking_key
        return result

    def loose_key(self, identity: UIntArray) -> UIntArray:
        """The blocking key without the identity where that may be missing, given the hash of each half's identity."""
        result: UIntArray = np.where(self.identity_optional, self.blocking_key - identity * _ODD[1], self.blocking_key)
        return result

    def moved(self, index: Index) -> BoolArray:
        """Whether the entries at `index` carried any byte."""
        result: BoolArray = (self.request[index] | self.response[index]) != 0
        return result

    def basic(self, index: Index | BoolArray | slice) -> BasicFeatures:
        """The basic features of the entries at `index`."""
        return BasicFeatures(*(getattr(self, field.name)[index] for field in fields(BasicFeatures)))

    def take(self, index: Index | BoolArray) -> Self:
        """The entries at `index`, or where a mask is true."""
        return type(self)(*(getattr(self, field.name)[index] for field in fields(self)))

    @classmethod
    def concat(cls, parts: Iterable[Self]) -> Self:
        """All entries of several."""
        whole = list(parts)
        items = [part for part in whole if len(part)] or whole[:1]
        if len(items) == 1:
            return items[0]
        return cls(*(np.concatenate([getattr(part, f.name) for part in items]) for f in fields(cls)))


def basic_features(halves: pa.Table, memory: WordMemory) -> BasicFeatures:
    """The basic features of a halves table (`schema.HALVES`).

    Cost: 50 ns a row; Python once a new word.
    """

    def hashes(name: str) -> UIntArray:
        return memory.per_row(halves, name, text_hash, np.uint64)

    outbound = memory.per_row(halves, "direction", _is_outbound, np.bool_)
    sent = numbers(halves, "bytes_sent").astype(np.uint64, copy=False)
    received = numbers(halves, "bytes_recv").astype(np.uint64, copy=False)
    time = numbers_of_time(halves)
    host = hashes("hbone_host")
    destination = hashes("dst_ip")
    authority = host * _ODD[0]
    authority += mixed_ports(numbers(halves, "hbone_port")) * _ODD[1]
    key = authority * _ODD[0]
    key += hashes("src_ip") * _ODD[1]
    key += destination * _ODD[2]
    named = memory.per_row(halves, "hbone_host", is_name, np.bool_)
    if named.any():
        # Across networks the halves share neither address: docs/reference/ztunnel-log.md#what-both-halves-share.
        key = np.where(named, authority, key)
    key *= _ODD[0]
    key += hashes("src_identity") * _ODD[1]
    optional = ~named
    ztunnel = hashes("ztunnel_pod")
    if not ztunnel.all():
        ztunnel = np.where(ztunnel != 0, ztunnel, mix(hashes("source_file")))
    tunnelled = host != 0
    pairable = memory.per_row(halves, "message", is_complete, np.bool_) & (time != NO_TIME)
    plain = pairable & ~tunnelled
    if plain.any():
        never = memory.per_row(halves, "error_class", _never_arrived, np.bool_) & outbound & ((sent | received) == 0)
        pairable[plain & never] = False
        plain &= pairable
        port = mixed_ports(numbers(halves, "dst_port")[plain])
        key[plain] = combine([hashes("src_ip")[plain], destination[plain], port])
        optional[plain] = False
    rows, asked = refused(halves, outbound, memory)
    if len(rows):
        pairable[rows] = time[rows] != NO_TIME
        key[rows] = combine([asked, hashes("src_ip")[rows], destination[rows]])
        optional[rows] = False
    return BasicFeatures(
        time=time,
        duration=numbers(halves, "duration_ms").astype(np.int64, copy=False),
        outbound=outbound,
        pairable=pairable,
        blocking_key=key,
        identity_optional=optional,
        request=np.where(outbound, sent, received),
        response=np.where(outbound, received, sent),
        ztunnel=ztunnel,
        elsewhere=tunnelled & (host != destination),
        plain=plain,
    )
