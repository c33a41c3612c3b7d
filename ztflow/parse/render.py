"""Turns a record back into the line a ztunnel of a given release would write; the inverse of `scan`.

Parsing what is rendered gives back the record. Rendering what was parsed gives back the line, for plain lines of
1.22.0 and later as ztunnel wrote them; damage that reading tolerated is not put back, and the quoted addresses of the
1.22.0 drafts come out bare.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import orjson

from ztflow.errors import UsageError
from ztflow.model.provenance import Row, join_host_port, time_from_micros
from ztflow.model.schema import ACCESS_SCOPE, FIELD_BY_KEY, LOG_FIELDS, MESSAGE_TEXT, Kind, LogField, Quoting
from ztflow.model.vocabulary import Message
from ztflow.parse.values import COLUMN, COLUMNS_OF, ERROR_KEY, EXTRA, LEVEL, MESSAGE, TIME
from ztflow.text.escapes import quote
from ztflow.text.patterns import lazy_pattern

if TYPE_CHECKING:
    from ztflow.model.objects import AccessRecord

Format: TypeAlias = Literal["plain", "json"]

_RELEASE = lazy_pattern(r"(\d+)\.(\d+)(?:\.(\d+))?")
_BARE_SAFE = lazy_pattern(r'[^\s"]*')
_NUMBER = lazy_pattern(r"\d+", re.ASCII)
_FIRST = (1, 22, 0)
_ISTIO_JSON = (1, 22, 1)
_QUOTED = (1, 22, 2)


def render_line(record: AccessRecord | Row, release: str = "1.24.0", format: Format = "plain") -> str:  # noqa: A002
    """The line a ztunnel of `release` would write for a record.

    The release decides the form (bare names before 1.22.2, the JSON shape of 1.22.0), not which fields appear: what
    the record has is written. A name that needs quotes is quoted. `trace_id` has a place only in JSON of 1.22.0.

    Args:
        record: An `AccessRecord` or a row of `schema.RECORD`.
        release: `1.22.0` or later, such as `1.31.0-rc.0`.
        format: `plain` or `json`.

    Raises:
        UsageError: A release without an access log, an unknown format.
    """
    row = record if isinstance(record, tuple) else record.to_row()
    version = release_tuple(release)
    if format == "plain":
        return _plain(row, version)
    if format == "json":
        return _json(row, version)
    raise UsageError(f"format must be plain or json, not {format!r}")


def release_tuple(release: str) -> tuple[int, int, int]:
    """The numbers of a release.

    Raises:
        UsageError: Not a release, or one without an access log.
    """
    match = _RELEASE.match(release)
    if match is None:
        raise UsageError(f"{release!r} is not a release like 1.24.0")
    version = (int(match[1]), int(match[2]), int(match[3] or 0))
    if version < _FIRST:
        raise UsageError(f"ztunnel {release} writes no access log; 1.22.0 was the first")
    return version


def _plain(row: Row, version: tuple[int, int, int]) -> str:
    message = Message(str(row[MESSAGE]))
    extra = _extra(row)
    head = [_time(row) or extra.get("time"), row[LEVEL], ACCESS_SCOPE, MESSAGE_TEXT[message]]
    fields: list[str] = []
    for field in LOG_FIELDS:
        if field.key == ERROR_KEY:
            fields += [f"{key}={text if _NUMBER.fullmatch(text) else quote(text)}" for key, text in _unknown(extra)]
        text = _text(row, field, extra)
        if text is not None:
            bare = _is_bare(field, text, message, version)
            fields.append(f"{field.key}={text if bare else quote(text)}")
    return "\t".join([str(part) for part in head if part is not None] + [" ".join(fields)])


def _is_bare(field: LogField, text: str, message: Message, version: tuple[int, int, int]) -> bool:
    if field.quoting is Quoting.BARE:
        return True
    if field.quoting is Quoting.QUOTED or version >= _QUOTED:
        return False
    if field.quoting is Quoting.BARE_BEFORE_1_22_2:
        return _BARE_SAFE.fullmatch(text) is not None
    return message is Message.FAILED and text == text.strip() and text.isprintable() and text[:1] not in {"", '"'}


def _json(row: Row, version: tuple[int, int, int]) -> str:
    message = Message(str(row[MESSAGE]))
    extra = _extra(row)
    time, level = _time(row) or extra.get("time"), row[LEVEL]
    istio = version >= _ISTIO_JSON
    line: dict[str, Any] = {"level": level, "time": time, "scope": ACCESS_SCOPE}
    if not istio:
        line = {"timestamp": time, "level": str(level).upper() if level else None}
    line["message"] = MESSAGE_TEXT[message]
    for field in LOG_FIELDS:
        if field.key == ERROR_KEY:
            line |= dict(_unknown(extra))
        text = _text(row, field, extra)
        if text is not None:
            line[field.key] = int(text) if field.kind is Kind.INTEGER else text
    if not istio:
        line["target"] = ACCESS_SCOPE
        line |= _spans(row)
    return orjson.dumps({key: value for key, value in line.items() if value is not None}).decode()


def _spans(row: Row) -> dict[str, Any]:
    """The spans of 1.22.0, which hold the trace id."""
    trace_id, direction = row[COLUMN["trace_id"]], row[COLUMN["direction"]]
    if trace_id is None:
        return {}
    span: dict[str, Any] = {"id": trace_id}
    if direction == "inbound":
        span["peer"] = join_host_port(row[COLUMN["src_ip"]], row[COLUMN["src_port"]])  # type: ignore[arg-type]
        span["peer_id"] = row[COLUMN["src_identity"]]
    span["name"] = direction
    return {"span": span, "spans": [span]}


def _extra(row: Row) -> dict[str, str]:
    extra = row[EXTRA]
    return extra if isinstance(extra, dict) else {}


def _unknown(extra: dict[str, str]) -> list[tuple[str, str]]:
    return [(key, text) for key, text in extra.items() if key not in FIELD_BY_KEY and key != "time"]


def _time(row: Row) -> str | None:
    micros = row[TIME]
    if not isinstance(micros, int):
        return None
    return time_from_micros(micros).isoformat(timespec="microseconds").removesuffix("+00:00") + "Z"


def _text(row: Row, field: LogField, extra: dict[str, str]) -> str | None:
    """A field's text before quoting; None when the record does not have it."""
    if field.key in extra:
        return extra[field.key]
    columns = COLUMNS_OF[field.key]
    value = row[columns[0]]
    if value is None:
        return None
    if field.kind in {Kind.ADDRESS, Kind.AUTHORITY}:
        return join_host_port(str(value), row[columns[1]])  # type: ignore[arg-type]
    return f"{value}ms" if field.kind is Kind.DURATION else str(value)
