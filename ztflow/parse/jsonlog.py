"""Access lines in ztunnel's own JSON (`LOG_FORMAT=json`), as text or decoded.

ztunnel has two shapes: Istio's since 1.22.1 (`level, time, scope, message, …`) and tracing-subscriber's of 1.22.0
(`timestamp`, upper-case `level`, `target`, and the spans, whose `id` is the trace id both halves share). Source:
istio/ztunnel `src/telemetry.rs` at 1.22.0:40-46 and 1.24.0:345-388.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, NoReturn

import orjson

from ztflow.errors import Reason
from ztflow.model.provenance import Row
from ztflow.model.schema import (
    ACCESS_SCOPE,
    FIELD_BY_KEY,
    LOG_FIELDS,
    LOG_LEVELS,
    MESSAGE_TEXT,
    REQUIRED_KEYS,
    Kind,
)
from ztflow.model.vocabulary import Direction, Message
from ztflow.parse.assembly import check_required, is_unicode, put, refuse, ruin_of
from ztflow.parse.near import mended_fields
from ztflow.parse.values import (
    COLUMN,
    COLUMNS_OF,
    CONVERTERS,
    EXPECTED,
    EXTRA,
    LEVEL,
    MESSAGE,
    ROW_WIDTH,
    SIZE_MAX,
    TIME,
    ValueFault,
    time_micros,
)
from ztflow.text.patterns import lazy_pattern

TIME_KEYS = ("time", "timestamp")
SCOPE_KEYS = ("scope", "target")
SPAN_KEYS = ("span", "spans")
_HEAD_KEYS = frozenset({*TIME_KEYS, *SCOPE_KEYS, *SPAN_KEYS, "level", "message"})

_TRACE = COLUMN["trace_id"]
_TRACE_ID = lazy_pattern(r"[0-9a-f]{32}")
_MESSAGES = {text: message for message, text in MESSAGE_TEXT.items()}
_COUNTS = {field.key: COLUMNS_OF[field.key][0] for field in LOG_FIELDS if field.kind is Kind.INTEGER}
_DEDOTTED = {field.key.replace(".", "_"): field.key for field in LOG_FIELDS if "." in field.key}
"""Keys as Loki's `| json` and some shippers rewrite them."""

_SIGNATURE = lazy_pattern(
    rf'"(?:{"|".join(SCOPE_KEYS)})"\s*:\s*"{ACCESS_SCOPE}"'
    rf'|"message"\s*:\s*"(?:{"|".join(MESSAGE_TEXT.values())})"\s*,\s*"{re.escape(LOG_FIELDS[0].key)}"'
)


def scan_json(text: str) -> Row | None:
    """The row of a JSON text line; None when it is not an access line.

    Raises:
        ParseError: An access line that does not decode (`CUT_SHORT` when its end is missing) or does not fit.
    """
    try:
        decoded = orjson.loads(text)
    except orjson.JSONDecodeError as fault:
        if not _SIGNATURE.search(text):
            ruin = ruin_of(text)
            if ruin is not None:
                raise ruin from None
            return None
        if not text.endswith("}"):
            refuse(Reason.CUT_SHORT, "the JSON object is not closed", text, len(text), "the rest is lost", fault)
        refuse(Reason.BAD_JSON, "not valid JSON", text, min(fault.pos, len(text)), cause=fault)
    return scan_fields(decoded, text) if isinstance(decoded, dict) else None


def is_damaged_json(text: str) -> bool:
    """Whether an access line in JSON, as text, could only be read by putting words right."""
    try:
        decoded = orjson.loads(text)
    except orjson.JSONDecodeError:
        return False
    return isinstance(decoded, dict) and mended_fields(decoded) is not decoded


def scan_fields(fields: dict[str, Any], text: str = "") -> Row | None:
    """The row of an already decoded ztunnel JSON object.

    `scope` or `target` must say `access`, but for damage that `near.mended_fields` puts right. Keys may be dotted
    (`src.addr`), rewritten (`src_addr`) or nested (`{"src": {"addr": …}}`); numbers may arrive as text. Unknown scalars
    go to `extra`, unknown objects are left out; null is absent.

    Args:
        fields: The object.
        text: Its JSON text where there is one, for errors.

    Raises:
        ParseError: `BAD_JSON` for a value of the wrong JSON type, else as `scan`.
    """
    fields = mended_fields(fields)
    scope = next((fields[key] for key in SCOPE_KEYS if key in fields), None)
    if scope != ACCESS_SCOPE:
        return None
    said = fields.get("message")
    message = _MESSAGES.get(said) if isinstance(said, str) else None
    if message is None:
        if all(key in fields for key in REQUIRED_KEYS[Message.COMPLETE]):
            refuse(Reason.BAD_VALUE, "a message that no release writes, with the fields of an access line", text)
        return None
    values: list[object] = [None] * ROW_WIDTH
    extra: dict[str, str] = {}
    values[MESSAGE] = message.value
    values[LEVEL] = _level(fields.get("level"))
    values[TIME] = _time(fields, extra, text)
    values[_TRACE] = _trace_id(fields)
    seen: set[str] = set()
    for key, value in fields.items():
        if key in CONVERTERS and isinstance(value, str) and value.isascii() and key not in seen:
            seen.add(key)
            try:
                put(values, extra, key, value)
            except ValueFault as fault:
                _refuse_value(key, fault, text)
        elif type(value) is int and key in _COUNTS and 0 <= value <= SIZE_MAX and key not in seen:
            seen.add(key)
            values[_COUNTS[key]] = value
        elif value is not None and key not in _HEAD_KEYS:
            _put_unusual(values, extra, seen, key, value, text)
    check_required(message, values[LEVEL], seen, text, cut=False)  # type: ignore[arg-type]
    if extra:
        values[EXTRA] = extra
    return tuple(values)


def _put_unusual(values: list[object], extra: dict[str, str], seen: set[str], key: str, value: Any, text: str) -> None:
    """A number, a key a shipper rewrote or nested, a key the table does not name."""
    if isinstance(value, dict):
        for inner, scalar in value.items():
            if f"{key}.{inner}" in CONVERTERS and scalar is not None:
                _put_unusual(values, extra, seen, f"{key}.{inner}", scalar, text)
        return
    if isinstance(value, list) and key not in CONVERTERS:
        return
    key = _DEDOTTED.get(key, key)
    if isinstance(value, str) and not is_unicode(value):
        refuse(Reason.UNDECODABLE, f"`{key}` holds bytes that are not text", text, _place(text, key))
    if key not in CONVERTERS:
        extra[key] = _scalar_text(value)
        return
    field = FIELD_BY_KEY[key]
    if field.kind is Kind.INTEGER:
        value = _whole(value, key, text)
    if not isinstance(value, str):
        hint = f"expected a {field.json_type}"
        refuse(Reason.BAD_JSON, f"`{key}` has the wrong JSON type", text, _place(text, key), hint)
    before = list(values) if key in seen else None
    try:
        put(values, extra, key, value)
    except ValueFault as fault:
        _refuse_value(key, fault, text)
    if before is not None and values != before:
        refuse(Reason.REPEATED_FIELD, f"`{key}` stands twice", text, _place(text, key))
    seen.add(key)


def _refuse_value(key: str, fault: ValueFault, text: str) -> NoReturn:
    hint = f"expected {EXPECTED[FIELD_BY_KEY[key].kind]}"
    refuse(fault.reason, f"`{key}` is {fault.detail}", text, _place(text, key), hint, fault)


def _whole(value: Any, key: str, text: str) -> Any:
    """A count as digits; stores that know only floating point are believed as far as those are exact."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return value
    if isinstance(value, float) and not (value.is_integer() and value < 2**53):
        refuse(Reason.BAD_JSON, f"`{key}` is not a whole number", text, _place(text, key))
    if not 0 <= value <= SIZE_MAX:
        refuse(Reason.BAD_JSON, f"`{key}` is not a number from 0 to 2^63 - 1", text, _place(text, key))
    return str(int(value))


def _scalar_text(value: Any) -> str:
    """An unknown scalar as its JSON text, without quotes."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def _place(text: str, key: str) -> int | None:
    """Where the value of `key` begins in the JSON text, as far as a plain search can tell."""
    match = re.search(rf'"{re.escape(key)}"\s*:\s*"?', text)
    return match.end() if match else None


def _level(value: Any) -> str | None:
    level = value.lower() if isinstance(value, str) else None
    return level if level in LOG_LEVELS else None


def _time(fields: dict[str, Any], extra: dict[str, str], text: str) -> int | None:
    key = next((key for key in TIME_KEYS if fields.get(key) is not None), None)
    if key is None:
        return None
    value = fields[key]
    if not isinstance(value, str):
        refuse(Reason.BAD_JSON, f"`{key}` has the wrong JSON type", text, _place(text, key), "expected a string")
    try:
        micros = time_micros(value)
    except ValueFault as fault:
        refuse(fault.reason, fault.detail, text, _place(text, key), cause=fault)
    if micros is None:
        extra["time"] = value
    return micros


def spans_of(fields: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The spans of a decoded line, outermost first, each with its `name`; both shapes."""
    listed = fields.get("spans")
    if isinstance(listed, list):
        yield from (span for span in listed if isinstance(span, dict))
    single = fields.get("span")
    if isinstance(single, dict):
        yield single
    for key, value in fields.items():
        if isinstance(value, dict) and key not in SPAN_KEYS:
            yield {**value, "name": key}


_CONNECTION_SPANS = frozenset(word.value for word in Direction)
"""Spans of one connection are named for the side that handles it."""


def _trace_id(fields: dict[str, Any]) -> str | None:
    if not any(key in fields for key in SPAN_KEYS):
        return None
    for span in spans_of(fields):
        found = span.get("id")
        if isinstance(found, str) and _TRACE_ID.fullmatch(found) and span.get("name") in _CONNECTION_SPANS:
            return found
    return None
