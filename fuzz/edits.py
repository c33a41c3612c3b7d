"""Strategies of damaged input: a seed from a corpus, with some edits.

Few and simple edits come first, so hypothesis shrinks a finding to the seed and the edits that matter.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from copy import deepcopy
from typing import Any, Final, TypeAlias

from hypothesis import strategies as st

Edit: TypeAlias = Callable[[bytes], bytes]

NUMBERS: Final = tuple(
    str(number).encode()
    for number in (
        -1, 0, 1, 65535, 65536, 2**31 - 1, 2**31, 2**32, 2**53 + 1, 2**63 - 1, 2**63, 2**64 - 1, 2**64, 10**30, 1e308,
        "1e999", "NaN", "Infinity", "-0", "0x10", "1_000", "٣", "²", "9" * 5000, "00012", ".", "-", "",
    )
)  # fmt: skip
"""Where types end, and what is no number."""

WORDS: Final = (
    b"\n", b"\r\n", b"\r", b"\0", b"\t", b" ", b'"', b"\\", b"\\u0000", b"\\ud800", b"{", b"}", b"[", b"]", b"=", b":", b",",
    b"\xff", b"\xff\xfe", b"\xef\xbb\xbf", b"\xed\xa0\x80", b"\xc3", b"\xe2\x80\xae", b"\x1b[31m", b"\x7f", b"null", b"true",
    b"...", b"%s", b"'", b"<", b"&", b"|", b"---\n", b"#", b"\xf0\x9f\x98\x80", b"fe80::1%eth0", b"::ffff:10.0.0.1",
)  # fmt: skip
"""What means something to one reader or another."""

ODD_VALUES: Final[tuple[Any, ...]] = (
    None, True, False, 0, -1, 1.5, 2**31, 2**53 + 1, 2**63, 2**64, -(2**63) - 1, 10**30, 1e308, "", " ", "x", "\n", "\0",
    "\ud800", "null", "10.0.0.1", "10.0.0.1/33", "fe80::1%eth0", "1969-12-31T23:59:59Z", "9999-12-31T23:59:59Z", "2024",
    "a" * 300, "²", "10.0.0.1:²", [], [[]], [None], ["x", 1], {}, {"": None}, {"a": {"b": []}},
)  # fmt: skip
"""JSON values of every type, small and large, in places that expect another."""

_places = st.integers(0, 1 << 24)
_lengths = st.integers(1, 64)
_NUMBER = re.compile(rb"\d+")


def edited(seeds: Sequence[bytes], words: Sequence[bytes] = WORDS, most: int = 8) -> st.SearchStrategy[bytes]:
    """A seed with up to `most` edits of bytes: bits, words, numbers, pieces of it and of other seeds."""
    changes = st.lists(_edit(seeds, (*words, *NUMBERS)), max_size=most)
    return st.builds(_edited, st.sampled_from(seeds), changes)


def _edited(data: bytes, changes: list[Edit]) -> bytes:
    for change in changes:
        data = change(data)
    return data


def _edit(seeds: Sequence[bytes], words: Sequence[bytes]) -> st.SearchStrategy[Edit]:
    word = st.sampled_from(words)
    return st.one_of(
        st.builds(_flipped, _places, st.integers(0, 7)),
        st.builds(_put, _places, word, st.just(0)),
        st.builds(_put, _places, word, _lengths),
        st.builds(_put, _places, st.binary(max_size=8), _lengths),
        st.builds(_put, _places, st.just(b""), _lengths),
        st.builds(_numbered, _places, st.sampled_from(NUMBERS)),
        st.builds(_cut, _places),
        st.builds(_repeated, _places, _lengths, st.integers(2, 40)),
        st.builds(_moved, _places, _lengths, _places),
        st.builds(_spliced, _places, st.sampled_from(seeds), _places),
    )


def _flipped(place: int, bit: int) -> Edit:
    def change(data: bytes) -> bytes:
        if not data:
            return data
        at = place % len(data)
        return data[:at] + bytes([data[at] ^ (1 << bit)]) + data[at + 1 :]

    return change


def _put(place: int, word: bytes, instead_of: int) -> Edit:
    def change(data: bytes) -> bytes:
        at = place % (len(data) + 1)
        return data[:at] + word + data[at + instead_of :]

    return change


def _numbered(place: int, number: bytes) -> Edit:
    """One of its numbers is another."""

    def change(data: bytes) -> bytes:
        found = [match.span() for match in _NUMBER.finditer(data[: 1 << 16])]
        if not found:
            return data + number
        begin, end = found[place % len(found)]
        return data[:begin] + number + data[end:]

    return change


def _cut(place: int) -> Edit:
    return lambda data: data[: place % (len(data) + 1)]


def _repeated(place: int, length: int, times: int) -> Edit:
    def change(data: bytes) -> bytes:
        at = place % (len(data) + 1)
        return data[:at] + data[at : at + length] * times + data[at + length :]

    return change


def _moved(place: int, length: int, to: int) -> Edit:
    def change(data: bytes) -> bytes:
        at = place % (len(data) + 1)
        piece, rest = data[at : at + length], data[:at] + data[at + length :]
        there = to % (len(rest) + 1)
        return rest[:there] + piece + rest[there:]

    return change


def _spliced(place: int, other: bytes, there: int) -> Edit:
    return lambda data: data[: place % (len(data) + 1)] + other[there % (len(other) + 1) :]


def edited_json(seeds: Sequence[Any], most: int = 4) -> st.SearchStrategy[Any]:
    """A JSON value in which up to `most` parts are of another type, missing, renamed, doubled or wrapped."""
    change = st.tuples(_places, st.integers(0, 4), st.sampled_from(ODD_VALUES))
    return st.builds(_with_parts_changed, st.sampled_from(seeds), st.lists(change, min_size=1, max_size=most))


def _with_parts_changed(value: Any, changes: list[tuple[int, int, Any]]) -> Any:
    value = deepcopy(value)
    for place, how, odd in changes:
        spots = list(_spots(value))
        if not spots:
            return odd
        holder, key = spots[place % len(spots)]
        _change(holder, key, how, odd)
    return value


def _spots(value: Any) -> list[tuple[Any, Any]]:
    """Every part of a value, as what holds it and where; the outermost come first."""
    found: list[tuple[Any, Any]] = []
    waiting = [value]
    for one in waiting:
        parts = list(one.items()) if isinstance(one, dict) else list(enumerate(one)) if isinstance(one, list) else []
        found += [(one, key) for key, _ in parts]
        waiting += [part for _, part in parts]
    return found


def _change(holder: Any, key: Any, how: int, odd: Any) -> None:
    part = holder[key]
    if how == 0:
        holder[key] = deepcopy(odd)
    elif how == 1:
        del holder[key]
    elif how == 2:
        holder[key] = [part, deepcopy(part)]
    elif how == 3:
        holder[key] = {"a": part}
    elif isinstance(holder, dict):
        holder[str(odd)] = holder.pop(key)
    else:
        holder.insert(key, deepcopy(part))


def as_json(value: Any) -> bytes:
    """As text in which anything may stand, also what is no valid Unicode."""
    return json.dumps(value).encode("utf-8", "surrogatepass")
