"""Turns the text of a field into its columns; shared by the scanner, the grammar and the JSON reader.

They differ only in how they find a line's fields; turning each into its columns, checking what must be there and
naming what is wrong happens here, once, driven by `schema.LOG_FIELDS`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime
from functools import lru_cache, partial
from ipaddress import AddressValueError, IPv4Address, IPv6Address
from typing import Final

from ztflow.errors import Reason
from ztflow.model.error_classes import classify_error
from ztflow.model.provenance import RECORD_NAMES, micros_from_time
from ztflow.model.schema import LOG_FIELDS, Kind
from ztflow.model.vocabulary import Direction, Message
from ztflow.parse.names import stamp_in_error, wrong_name
from ztflow.text.patterns import lazy_pattern

VALUES_KEPT: Final = 8192
"""Distinct addresses, identities and minutes remembered, those used last. Bounds memory, not correctness."""

SIZE_MAX: Final = 2**63 - 1
"""Largest number of bytes a column holds; more in a line is a damaged value."""

COLUMN: dict[str, int] = {name: at for at, name in enumerate(RECORD_NAMES)}
"""Position of a column in a row."""

ROW_WIDTH: Final = len(RECORD_NAMES)
TIME, LEVEL, MESSAGE, EXTRA = (COLUMN[name] for name in ("time", "level", "message", "extra"))

COLUMNS_OF: dict[str, tuple[int, ...]] = {
    field.key: tuple(COLUMN[name] for name in field.columns) for field in LOG_FIELDS
}
"""Log key → positions of the columns it fills."""

ERROR_KEY: Final = next(field.key for field in LOG_FIELDS if "error_class" in field.columns)
BYTES_KEYS: Final = tuple(field.key for field in LOG_FIELDS if field.kind is Kind.INTEGER)
TAIL_KEYS: Final = tuple(field.key for field in LOG_FIELDS if field.required == {Message.COMPLETE})
"""Keys only `connection complete` carries: byte counts and duration."""

EXPECTED: dict[Kind, str] = {
    Kind.ADDRESS: "`ip:port`, IPv6 in brackets",
    Kind.AUTHORITY: "`ip:port` or `host:port`",
    Kind.TEXT: "text",
    Kind.IDENTITY: "`spiffe://<trust domain>/ns/<namespace>/sa/<service account>`",
    Kind.DIRECTION: '`"inbound"` or `"outbound"`',
    Kind.INTEGER: "a whole number from 0 to 2^63 - 1",
    Kind.DURATION: "whole milliseconds followed by `ms`",
}


class ValueFault(Exception):  # noqa: N818  never leaves this package
    """A value that does not fit its field."""

    def __init__(self, reason: Reason, detail: str, offset: int = 0) -> None:
        super().__init__(reason, detail, offset)
        self.reason = reason
        self.detail = detail
        self.offset = offset


# ---- time -----------------------------------------------------------------------------------------------------------

_FULL_TIME = lazy_pattern(
    r"(\d{4})-(\d\d)-(\d\d)[Tt ](\d\d):(\d\d):(\d\d)(?:[.,](\d{1,9}))?(?:[Zz]|([+-])(\d\d):?(\d\d))", re.ASCII
)
RELAYED_TIME: Final = (
    r"(?:[0-9]{4} )?(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) [ 0-9][0-9] (?:[0-9]{4} )?"
    r"[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,9})?"
)
"""Pattern of what a syslog relay leaves of a time: no zone, mostly no year."""

_RELAYED = lazy_pattern(RELAYED_TIME)
_LOST_DATE = lazy_pattern(r"[-:.\dT]{0,26}Z?", re.ASCII)

FIRST_YEAR: Final = 1970
LAST_YEAR: Final = 2261
"""Years of times that are believed: 64-bit nanoseconds, which pandas counts in, end in April 2262."""

EARLIEST, LATEST = (micros_from_time(datetime(year, 1, 1, tzinfo=UTC)) for year in (FIRST_YEAR, LAST_YEAR + 1))
"""The same in microseconds, the second excluded."""
_OUT_OF_RANGE = f"a time outside {FIRST_YEAR} to {LAST_YEAR}"

LONGEST_MS: Final = 100 * 31_557_600_000
"""A hundred years in milliseconds. No connection lasts longer; with more the begin of a flow leaves the calendar."""


@lru_cache(maxsize=VALUES_KEPT)
def minute_micros(minute: str) -> int | None:
    """Microseconds since 1970 of `YYYY-MM-DDTHH:MM` in UTC; None when there is no such minute, or not in our years."""
    if not FIRST_YEAR <= int(minute[:4]) <= LAST_YEAR:
        return None
    try:
        moment = datetime(
            int(minute[:4]), int(minute[5:7]), int(minute[8:10]), int(minute[11:13]), int(minute[14:16]), tzinfo=UTC
        )
    except ValueError:
        return None
    return micros_from_time(moment)


def time_micros(text: str) -> int | None:
    """Microseconds since 1970 UTC of a time as ztunnel or a shipper writes it.

    The zone must be there; digits past the sixth are cut. None when the date was cut away (`23:25:37.932494Z`), or the
    year and the zone by a relay (`Nov 23 00:37:30`): such a time is kept as text, never completed.

    Raises:
        ValueFault: Neither a time nor the rest of one.
    """
    match = _FULL_TIME.fullmatch(text)
    if match is None:
        if (len(text) < 27 and _LOST_DATE.fullmatch(text) and text[-1:] == "Z") or _RELAYED.fullmatch(text):
            return None
        raise ValueFault(Reason.BAD_TIME, "not a time like 2024-11-05T12:00:01.013201Z")
    year, month, day, hour, minute, second, fraction, sign, off_hours, off_minutes = match.groups()
    start = minute_micros(f"{year}-{month}-{day}T{hour}:{minute}")
    if not FIRST_YEAR <= int(year) <= LAST_YEAR:
        raise ValueFault(Reason.BAD_TIME, _OUT_OF_RANGE)
    if start is None or int(second) > 59:
        raise ValueFault(Reason.BAD_TIME, "no such date or time of day")
    micros = start + int(second) * 1_000_000 + int((fraction or "0")[:6].ljust(6, "0"))
    if sign is not None:
        if int(off_minutes) > 59 or int(off_hours) > 23:
            raise ValueFault(Reason.BAD_TIME, "no such time zone")
        offset = (int(off_hours) * 60 + int(off_minutes)) * 60_000_000
        micros += -offset if sign == "+" else offset
    return in_range(micros)


def in_range(micros: int) -> int:
    """A time as it is.

    Raises:
        ValueFault: It is outside `FIRST_YEAR` to `LAST_YEAR`.
    """
    if not EARLIEST <= micros < LATEST:
        raise ValueFault(Reason.BAD_TIME, _OUT_OF_RANGE)
    return micros


# ---- addresses ------------------------------------------------------------------------------------------------------

_MASK = r"\d{0,3}[xX*#]+\d{0,3}"
_MASKED = lazy_pattern(
    rf"(?:(?:\d{{1,3}}|{_MASK})(?:\.(?:\d{{1,3}}|{_MASK}))*"
    r"|\[(?=[^\]]*[xX*#])[0-9a-fA-F:.xX*#]+\]|<[^<>]+>|\[?(?:redacted|REDACTED)\]?)",
    re.ASCII,
)
"""An address made unreadable before the log was shared: `10.0.x.x`, `***`, `[2001:db8::xxxx]`, `<ip>`."""
_MASKED_PORT = lazy_pattern(r"[xX*#]+|<[^<>]+>")
_HOST = lazy_pattern(r"[^\s\"\[\]<>:]+")


@lru_cache(maxsize=VALUES_KEPT)
def ip_of(host: str) -> str | None:
    """The address inside `host` (brackets removed) if it is one as ztunnel prints it, else None."""
    try:
        if not host.startswith("["):
            IPv4Address(host)
            return host
        if not host.endswith("]"):
            return None
        IPv6Address(host[1:-1])
    except AddressValueError:
        return None
    return host[1:-1]


Converted = tuple[tuple[object, ...], bool]
"""Values for a field's columns, and whether the text must be kept in `extra` because they do not hold it."""


def _address(text: str, *, names: bool = False) -> Converted:
    """`ip:port`, or with `names` also `host:port`."""
    host, colon, port = text.rpartition(":")
    ip = ip_of(host)
    if ip is not None and colon:
        return (ip, _port(port, len(host) + 1)), False
    if _is_masked(text):
        return (None, None), True
    if colon and _is_masked(host):
        return (None, _masked_port(port, len(host) + 1)), True
    if names and colon and _HOST.fullmatch(host):
        check_name(host)
        return (host, _port(port, len(host) + 1)), False
    raise ValueFault(Reason.BAD_VALUE, "not an address or `host:port`" if names else "not an address")


def _is_masked(host: str) -> bool:
    match = _MASKED.fullmatch(host)
    return match is not None and not set(host) <= set("0123456789.")


def _masked_port(text: str, offset: int) -> int | None:
    return None if _MASKED_PORT.fullmatch(text) else _port(text, offset)


def _port(text: str, offset: int) -> int:
    if not (text.isascii() and text.isdigit()) or len(text) > 5 or int(text) > 65535:
        raise ValueFault(Reason.BAD_VALUE, "not a port", offset)
    return int(text)


# ---- the other kinds ------------------------------------------------------------------------------------------------

_SPIFFE = lazy_pattern(r"spiffe://([^/]+)/ns/([^/]+)/sa/([^/]+)")


@lru_cache(maxsize=VALUES_KEPT)
def identity_parts(identity: str) -> tuple[str | None, str | None]:
    """Trust domain and service account of a SPIFFE identity; None for both when it has another form."""
    match = _SPIFFE.fullmatch(identity)
    return (None, None) if match is None else (match[1], match[3])


def check_name(text: str) -> None:
    """Refuse a text that cannot be a name.

    Raises:
        ValueFault: `BAD_VALUE`, with the place of what gives it away.
    """
    wrong = wrong_name(text)
    if wrong is not None:
        raise ValueFault(Reason.BAD_VALUE, wrong.detail, wrong.offset)


def _identity(text: str) -> Converted:
    if not text:
        return (None, None, None), True
    check_name(text)
    return (text, *identity_parts(text)), False


def _name(text: str) -> Converted:
    if not text:
        return (None,), True
    check_name(text)
    return (text,), False


def _error(text: str) -> Converted:
    stamp = stamp_in_error(text)
    if stamp is not None:
        raise ValueFault(Reason.BAD_VALUE, "a text with the time of a kubelet in a word", stamp)
    return ((text, classify_error(text)), False) if text else ((None, None), True)


_DIRECTIONS = frozenset(word.value for word in Direction)


def _direction(text: str) -> Converted:
    if text not in _DIRECTIONS:
        raise ValueFault(Reason.BAD_VALUE, "not a direction")
    return (text,), False


def _integer(text: str) -> Converted:
    if not (text.isascii() and text.isdigit()):
        raise ValueFault(Reason.BAD_VALUE, "not a whole number")
    if len(text) > 20 or int(text) > SIZE_MAX:
        raise ValueFault(Reason.BAD_VALUE, "a number past 2^63 - 1")
    return (int(text),), False


def _duration(text: str) -> Converted:
    number = text.removesuffix("ms")
    if number == text or not (number.isascii() and number.isdigit()):
        raise ValueFault(Reason.BAD_VALUE, "not a duration in whole milliseconds")
    if len(number) > 19 or int(number) > LONGEST_MS:
        raise ValueFault(Reason.BAD_VALUE, "a duration of more than 100 years")
    return (int(number),), False


_BY_KIND: dict[Kind, Callable[[str], Converted]] = {
    Kind.ADDRESS: _address,
    Kind.AUTHORITY: partial(_address, names=True),
    Kind.TEXT: _name,
    Kind.IDENTITY: _identity,
    Kind.DIRECTION: _direction,
    Kind.INTEGER: _integer,
    Kind.DURATION: _duration,
}

CONVERTERS: dict[str, Callable[[str], Converted]] = {
    field.key: _error if field.key == ERROR_KEY else _BY_KIND[field.kind] for field in LOG_FIELDS
}
"""Log key → how its decoded text becomes its columns' values; raises `ValueFault` for text of another type."""
