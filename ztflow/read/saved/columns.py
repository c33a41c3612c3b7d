"""One column of a saved table, of whatever type another program gave it, back to its declared type.

Integers come back as floats where nulls stood beside them, times as text or as numbers since 1970, booleans as words,
everything as text from CSV. A value that cannot be brought back is null in the result, and so told from one that was
null: see `returned`.

Cost: Arrow's, per column; Python per distinct text, and per cell only for maps and numbers spelled oddly.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, Final

import orjson
import pyarrow as pa
import pyarrow.compute as pc

from ztflow.columns.dictionaries import used
from ztflow.model.schema import Column, Type
from ztflow.model.table import ARROW_TYPE
from ztflow.parse.names import wrong_name
from ztflow.parse.values import EARLIEST, LATEST, LONGEST_MS, SIZE_MAX

BOUNDS: Final = {
    Type.PORT: (0, 2**16 - 1),
    Type.INT: (0, SIZE_MAX),
    Type.LINE: (1, 2**63 - 1),
}
"""Least and greatest value of each type of integer."""

_DURATIONS: Final = frozenset({"duration_ms", "inbound_duration_ms"})

_NOTHING: Final = pa.array(["", "null", "NULL", "None", "nan", "NaN", "NA", "<NA>", "NaT", "\\N"])
"""How programs write that a number or a time is unknown, where they have only text."""

_WORDS: Final = {
    **dict.fromkeys(("true", "t", "yes", "1", "1.0"), True),
    **dict.fromkeys(("false", "f", "no", "0", "0.0"), False),
}
_MOMENT: Final = (
    r"^(?P<date>\d{4}-\d\d-\d\d)(?:[T ](?P<minute>\d\d:\d\d)(?::(?P<second>[0-5]\d)(?:[.,](?P<part>\d{1,9})\d*)?)?"
    r" ?(?P<zone>Z|z|UTC|(?P<sign>[+-])(?P<hours>[01]\d|2[0-3])(?::?(?P<minutes>[0-5]\d))?)?)?$"
)
_UNITS: Final = ((10**11, 1_000_000, 1), (10**14, 1_000, 1), (10**17, 1, 1), (2**63, 1, 1_000))
"""Numbers below the first are seconds since 1970, below the next milli-, micro-, nanoseconds: for any time from 1973 to
5138 there is only one reading. Factor and divisor to microseconds follow."""

_LITERAL: Final = 1 << 16
"""Longest text of a map or list that is looked into."""

_DIGITS: Final = 19
"""Fewer digits than these are a number of 64 bits."""


def returned(column: Column, array: pa.Array) -> tuple[pa.Array, pa.Array]:
    """The values of one column in its declared type, and which rows have a value that cannot be one.

    Args:
        column: The declaration.
        array: The values; of any type.

    Returns:
        Values and a boolean array; where that is true the value is null.
    """
    array = plain(array)
    meant = array.is_valid()
    if pa.types.is_floating(array.type):
        meant = pc.fill_null(pc.invert(pc.is_nan(array)), False)
    elif pa.types.is_string(array.type) and not _is_text(column):
        meant = pc.and_(meant, pc.invert(pc.is_in(pc.utf8_trim_whitespace(array), value_set=_NOTHING)))
    elif pa.types.is_string(array.type) and column.type is Type.CATEGORY:
        meant = pc.fill_null(pc.not_equal(array, ""), False)
    if not meant.true_count:
        return pa.nulls(len(array), ARROW_TYPE[column.type]), meant
    values = _READERS[column.type](column, pc.if_else(meant, array, pa.scalar(None, array.type)))
    return values, pc.and_(meant, values.is_null())


def _is_text(column: Column) -> bool:
    return column.type in {Type.CATEGORY, Type.TEXT}


def plain(array: pa.Array) -> pa.Array:
    """Without dictionary, extension type or one of the other kinds of text."""
    if isinstance(array, pa.ExtensionArray):
        array = array.storage
    kind = array.type
    if pa.types.is_dictionary(kind):
        array = array.dictionary_decode()
        kind = array.type
    if str(kind) not in {"large_string", "string_view", "binary", "large_binary", "binary_view"}:
        return array
    try:
        return array.cast(pa.string())
    except pa.ArrowInvalid:  # not all of it is UTF-8
        return pa.array([_decoded(value) for value in array.to_pylist()], pa.string())


def _decoded(value: bytes | None) -> str | None:
    return None if value is None else value.decode("utf-8", "replace")


def _none(column: Column, array: pa.Array) -> pa.Array:
    return pa.nulls(len(array), ARROW_TYPE[column.type])


def _text(column: Column, array: pa.Array) -> pa.Array:
    return array if pa.types.is_string(array.type) else _none(column, array)


def _category(column: Column, array: pa.Array) -> pa.Array:
    """Words of a closed set, names that can be names, and what is neither as it is."""
    if not pa.types.is_string(array.type):
        return _none(column, array)
    codes, texts = used(array.dictionary_encode())
    known = [_accepted(column, text) for text in texts.to_pylist()]
    words = list(dict.fromkeys(word for word in known if word is not None))
    places = {word: place for place, word in enumerate(words)}
    numbers = pa.array([None, *(None if word is None else places[word] for word in known)], pa.int32())
    return pa.DictionaryArray.from_arrays(numbers.take(pa.array(codes + 1)), pa.array(words, pa.string()))


_FREE: Final = frozenset({"source_file", "locality_evidence", "outbound_file", "inbound_file", "next_hop_file"})
"""Categories that hold no names: a file may be called anything."""


def _accepted(column: Column, text: str) -> str | None:
    if column.words is not None:
        if text in column.words.__members__.values():
            return text
        return "other" if column.name == "error_class" else None  # a later ztflow knows more classes
    return text if column.name in _FREE or wrong_name(text) is None else None


def _integer(column: Column, array: pa.Array) -> pa.Array:
    low, high = (0, LONGEST_MS) if column.name in _DURATIONS else BOUNDS[column.type]
    kind = array.type
    if pa.types.is_floating(kind):
        array = array.cast(pa.float64())
        whole = pc.and_(pc.equal(pc.floor(array), array), pc.less(pc.abs(array), 2.0**63))
        array = pc.if_else(whole, array, None).cast(pa.int64())
    elif pa.types.is_decimal(kind):
        array = pa.array([_whole(str(value)) for value in array.to_pylist()], pa.int64())
    elif pa.types.is_string(kind):
        array = _numbers(array)
    elif not pa.types.is_integer(kind):
        return _none(column, array)
    if pa.types.is_unsigned_integer(array.type):
        fits = pc.less_equal(array.cast(pa.uint64()), pa.scalar(high, pa.uint64()))
    else:
        array = array.cast(pa.int64())
        fits = pc.and_(pc.greater_equal(array, low), pc.less_equal(array, min(high, 2**63 - 1)))
    return pc.if_else(fits, array, None).cast(ARROW_TYPE[column.type])


def _numbers(array: pa.Array) -> pa.Array:
    """Texts as whole numbers: `9832`, and `9832.0` as pandas writes them beside nulls."""
    array = pc.utf8_trim_whitespace(array)
    short = pc.match_substring_regex(array, r"^-?\d{1,18}(?:\.0*)?$")
    simple = pc.replace_substring_regex(pc.if_else(short, array, None), r"\.0*$", "").cast(pa.int64())
    odd = pc.if_else(short, None, array)
    if odd.null_count == len(odd):
        return simple
    found = [known if text is None else _whole(text)
             for known, text in zip(simple.to_pylist(), odd.to_pylist(), strict=True)]  # fmt: skip
    wide = any(value is not None and value >= 2**63 for value in found)
    if wide and any(value is not None and value < 0 for value in found):
        found = [None if value is not None and value < 0 else value for value in found]
    return pa.array(found, pa.uint64() if wide else pa.int64())


def _whole(text: str | None) -> int | None:
    """The whole number a text spells (`1.5e3`); None when it is none, or past 64 bits."""
    if text is None or len(text) > 40:
        return None
    try:
        if not float(text).is_integer() or abs(float(text)) > 2.0**64:
            return None
        value = Decimal(text)
    except (ValueError, ArithmeticError):
        return None
    number = int(value)
    return number if -(2**63) <= number < 2**64 else None


def _float(column: Column, array: pa.Array) -> pa.Array:
    if pa.types.is_string(array.type):
        return pa.array([_real(text) for text in array.to_pylist()], pa.float64())
    numeric = pa.types.is_floating(array.type) or pa.types.is_integer(array.type) or pa.types.is_decimal(array.type)
    return array.cast(pa.float64(), safe=False) if numeric else _none(column, array)


def _real(text: str | None) -> float | None:
    try:
        return None if text is None else float(text)
    except ValueError:
        return None


def _boolean(column: Column, array: pa.Array) -> pa.Array:
    if pa.types.is_boolean(array.type):
        return array
    if not (pa.types.is_string(array.type) or pa.types.is_integer(array.type) or pa.types.is_floating(array.type)):
        return _none(column, array)
    codes, values = used(array.dictionary_encode())
    known = [None, *(_WORDS.get(str(value).strip().lower()) for value in values.to_pylist())]
    return pa.array(known, pa.bool_()).take(pa.array(codes + 1))


def _time(column: Column, array: pa.Array) -> pa.Array:
    """In UTC where no zone is stated: every program that drops the zone drops ours, which is UTC."""
    kind = array.type
    if pa.types.is_timestamp(kind):
        times = array.cast(pa.timestamp("us", kind.tz), safe=False).cast(pa.int64())
    elif pa.types.is_date(kind):
        times = array.cast(pa.timestamp("us"), safe=False).cast(pa.int64())
    elif pa.types.is_string(kind):
        times = _moments(array)
    elif pa.types.is_integer(kind) or pa.types.is_floating(kind):
        times = pa.array([_micros(value) for value in array.to_pylist()], pa.int64())
    else:
        return _none(column, array)
    known = pc.and_(pc.greater_equal(times, EARLIEST), pc.less(times, LATEST))
    return pc.if_else(known, times, None).cast(pa.timestamp("us", "UTC"))


def _micros(value: float | None) -> int | None:
    if value is None or not 0 <= value < 2**63:
        return None
    factor, divisor = next((factor, divisor) for below, factor, divisor in _UNITS if value < below)
    return int(value) * factor // divisor if isinstance(value, int) else round(value * factor / divisor)


def _moments(array: pa.Array) -> pa.Array:
    """Texts as microseconds since 1970: RFC 3339, and what pandas, polars and DuckDB write; or a number."""
    array = pc.utf8_trim_whitespace(array)
    found = pc.extract_regex(array, _MOMENT)
    part = {field.name: found.field(number) for number, field in enumerate(found.type)}
    matched = found.is_valid()

    def number(name: str, factor: int = 1) -> pa.Array:
        digits = pc.if_else(matched, part[name], None)
        return pc.multiply(pc.if_else(pc.equal(digits, ""), "0", digits).cast(pa.int64()), factor)

    minute = pc.if_else(pc.equal(part["minute"], ""), "00:00", part["minute"])
    text = pc.if_else(matched, pc.binary_join_element_wise(part["date"], minute, "T"), None)
    known = pc.strptime(text, format="%Y-%m-%dT%H:%M", unit="us", error_is_null=True).cast(pa.int64())
    digits = pc.utf8_slice_codeunits(pc.utf8_rpad(part["part"], 6, "0"), 0, 6)
    micros = pc.if_else(matched, digits, None).cast(pa.int64())
    offset = pc.add(number("hours", 3_600_000_000), number("minutes", 60_000_000))
    offset = pc.if_else(pc.equal(part["sign"], "-"), pc.negate(offset), offset)
    times = pc.subtract(pc.add(pc.add(known, number("second", 1_000_000)), micros), offset)
    if matched.true_count == len(matched) - array.null_count:
        return times
    return pc.coalesce(times, pa.array([_micros(_count(text)) for text in array.to_pylist()], pa.int64()))


def _count(text: str | None) -> float | None:
    whole = _whole(text)
    return _real(text) if whole is None else whole


def _map(column: Column, array: pa.Array) -> pa.Array:
    pairs = [None if value is None else _pairs(value) for value in array.to_pylist()]
    return pa.array(pairs, ARROW_TYPE[column.type])


def _pairs(value: Any) -> list[tuple[Any, ...]] | None:
    """A map: as an object, as pairs, or as the text of either."""
    if isinstance(value, str):
        value = _spoken(value)
    if isinstance(value, Mapping):
        value = [(key, text) for key, text in value.items() if text is not None]
    if not isinstance(value, list):
        return None
    pairs = [tuple(pair.values()) if isinstance(pair, Mapping) else pair for pair in value]
    right = all(isinstance(pair, tuple) and [*map(type, pair)] == [str, str] for pair in pairs)
    return pairs if right else None


def _lines(column: Column, array: pa.Array) -> pa.Array:
    return pa.array(
        [None if value is None else _line_numbers(value) for value in array.to_pylist()], ARROW_TYPE[column.type]
    )


def _line_numbers(value: Any) -> list[int] | None:
    """Line numbers: as a list, or as the text of one with blanks or commas between them."""
    if isinstance(value, str):
        words = value.strip("[] ").replace(",", " ").split() if len(value) <= _LITERAL else [""]
        if not all(word.isascii() and word.isdigit() and len(word) < _DIGITS for word in words):
            return None
        value = [int(word) for word in words]
    least, most = BOUNDS[Type.LINE]
    right = isinstance(value, list) and all(type(one) is int and least <= one <= most for one in value)
    return value if right else None


def _spoken(text: str) -> Any:
    if len(text) > _LITERAL:
        return None
    try:
        return orjson.loads(text)
    except ValueError:
        pass
    try:
        return ast.literal_eval(text)  # how Python shows a list of pairs, which is what pandas writes to CSV
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return None


_READERS: Final[Mapping[Type, Callable[[Column, pa.Array], pa.Array]]] = {
    Type.CATEGORY: _category,
    Type.TEXT: _text,
    Type.INT: _integer,
    Type.PORT: _integer,
    Type.LINE: _integer,
    Type.FLOAT: _float,
    Type.BOOL: _boolean,
    Type.TIME: _time,
    Type.MAP: _map,
    Type.LINES: _lines,
}
