"""ztflow's own JSON lines, read back: a line of `ztflow records -o jsonl` as the row it was written from.

Keys are the columns of `schema.HALVES`; the texts beside them (`src_addr`, `dst_addr`, `hbone_addr`) are made of
columns and so are not read. A line says itself where it stood, so it keeps its origin, file and line number.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, NamedTuple

from ztflow.errors import ParseError, Reason
from ztflow.model.provenance import Origin, Row, micros_from_time
from ztflow.model.schema import HALVES, RECORD, Type
from ztflow.model.vocabulary import ErrorClass, Message, unknown_word

DERIVED = frozenset({"src_addr", "dst_addr", "hbone_addr"})
"""Keys made of columns."""

_KNOWN = frozenset(column.name for column in HALVES) | DERIVED
_MARKS = ("direction", "src_ip", "dst_ip")
_TYPES = {column.name: column.type for column in HALVES}
_MESSAGES = frozenset(message.value for message in Message)
_WORDS = {column.name: column.words for column in HALVES if column.words is not None}
_BOUNDS = {
    Type.PORT: (0, 2**16 - 1),
    Type.UINT: (0, 2**64 - 1),
    Type.INT: (-(2**63), 2**63 - 1),
    Type.LINE: (1, 2**63 - 1),
}


class OwnRecord(NamedTuple):
    """A record as it was written.

    Attributes:
        row: Its values in the order of `schema.RECORD`.
        origin: Who wrote the line.
        source_file: Where it stood; None when the line does not say.
        line_number: Likewise.
    """

    row: Row
    origin: Origin
    source_file: str | None
    line_number: int | None


def is_own_record(fields: dict[str, Any]) -> bool:
    """Whether a decoded JSON object is a line of `ztflow records -o jsonl`.

    It has no keys but ours, among them the message in our word for it. ztunnel's own JSON and every wrapper have other
    keys (`scope`, `src.addr`, `log`), and a flow has `paired`.
    """
    message = fields.get("message")
    if not isinstance(message, str) or message not in _MESSAGES:
        return False
    return any(mark in fields for mark in _MARKS) and fields.keys() <= _KNOWN


def own_record(fields: dict[str, Any]) -> OwnRecord | None:
    """The record of a decoded JSON object; None when it is not one of ours.

    Raises:
        ParseError: `BAD_VALUE` or `BAD_TIME`: one of ours, changed so that a value does not fit its column.
    """
    if not is_own_record(fields):
        return None
    values = {name: _value(name, value) for name, value in fields.items() if name not in DERIVED}
    row = tuple(values.get(column.name) for column in RECORD)
    origin = Origin(values.get("ztunnel_pod"), values.get("ztunnel_namespace"), values.get("ztunnel_node"))
    return OwnRecord(row, origin, values.get("source_file"), values.get("line_number"))


def _value(name: str, value: Any) -> Any:
    if value is None:
        return None
    kind = _TYPES[name]
    if kind in _BOUNDS:
        low, high = _BOUNDS[kind]
        if type(value) is int and low <= value <= high:
            return value
    elif kind is Type.TIME:
        return _micros(name, value)
    elif kind is Type.MAP:
        if isinstance(value, dict) and all(isinstance(text, str) for text in value.values()):
            return value
    elif isinstance(value, str):
        wrong = name in _WORDS and unknown_word(_WORDS[name], name, value)
        if not wrong:
            return value
        if name == "error_class":
            return ErrorClass.OTHER.value  # a later ztflow knows more classes
        raise ParseError(Reason.BAD_VALUE, wrong)
    raise ParseError(Reason.BAD_VALUE, f"{name} is not of the type its column has ({kind.value})")


def _micros(name: str, value: Any) -> int:
    try:
        time = datetime.fromisoformat(value)
        return micros_from_time(time)
    except (TypeError, ValueError):
        raise ParseError(Reason.BAD_TIME, f"{name} is not an RFC 3339 time with a zone") from None
