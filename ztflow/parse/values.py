"""What the text of a field means: the part the scanner, the grammar and the JSON reader share.

They differ only in how they find a line's fields; turning each into its columns, checking what must be there and
naming what is wrong happens here, once, driven by `schema.LOG_FIELDS`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from ipaddress import AddressValueError, IPv4Address, IPv6Address, ip_address
from typing import Final, NamedTuple, NoReturn

from ztflow.causes import classify_error
from ztflow.errors import ParseError, Reason
from ztflow.escapes import BadEscapeError, decode
from ztflow.records import RECORD_NAMES, Row, micros_from_time
from ztflow.schema import FIELD_BY_KEY, LOG_FIELDS, REQUIRED_KEYS, Kind, LogField, Message

KEPT: Final = 8192
"""Distinct addresses, identities and minutes remembered; then a cache starts afresh. Bounds memory, not correctness."""

U64_MAX: Final = 2**64 - 1
I64_MAX: Final = 2**63 - 1

COLUMN: dict[str, int] = {name: at for at, name in enumerate(RECORD_NAMES)}
"""Position of a column in a row."""

WIDTH: Final = len(RECORD_NAMES)
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
    Kind.INTEGER: "an unsigned whole number",
    Kind.DURATION: "whole milliseconds followed by `ms`",
}


class Token(NamedTuple):
    """One `key=value` of a line, as found.

    Attributes:
        key: As it stands.
        text: The value without its quotes, escapes not yet decoded.
        quoted: Whether it stood in quotes.
        at: Where the key begins in the line, from 0.
        value_at: Where `text` begins, from 0.
    """

    key: str
    text: str
    quoted: bool
    at: int
    value_at: int


class Head(NamedTuple):
    """What stands before the fields. None: not there."""

    time: str | None
    level: str | None
    message: Message | None
    time_at: int = 0


class ValueFault(Exception):  # noqa: N818  never leaves this package
    """A value that does not fit its field."""

    def __init__(self, reason: Reason, detail: str, offset: int = 0) -> None:
        super().__init__(reason, detail, offset)
        self.reason = reason
        self.detail = detail
        self.offset = offset


# ---- time -----------------------------------------------------------------------------------------------------------

_FULL_TIME = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)[Tt ](\d\d):(\d\d):(\d\d)(?:[.,](\d{1,9}))?(?:[Zz]|([+-])(\d\d):?(\d\d))", re.ASCII
)
_LOST_DATE = re.compile(r"[-:.\dT]{0,26}Z?", re.ASCII)

_minutes: dict[str, int] = {}


def minute_micros(minute: str) -> int | None:
    """Microseconds since 1970 of `YYYY-MM-DDTHH:MM` in UTC; None when there is no such minute."""
    known = _minutes.get(minute)
    if known is not None:
        return known
    try:
        moment = datetime(
            int(minute[:4]), int(minute[5:7]), int(minute[8:10]), int(minute[11:13]), int(minute[14:16]), tzinfo=UTC
        )
    except ValueError:
        return None
    if len(_minutes) >= KEPT:
        _minutes.clear()
    known = _minutes[minute] = micros_from_time(moment)
    return known


def time_micros(text: str) -> int | None:
    """Microseconds since 1970 UTC of a time as ztunnel or a shipper writes it.

    The zone must be there; digits past the sixth are cut. None when the date was cut away (`23:25:37.932494Z`): such a
    time is kept as text, never completed.

    Raises:
        ValueFault: Neither a time nor the rest of one.
    """
    match = _FULL_TIME.fullmatch(text)
    if match is None:
        if len(text) < 27 and _LOST_DATE.fullmatch(text) and text[-1:] == "Z":
            return None
        raise ValueFault(Reason.BAD_TIME, "not a time like 2024-11-05T12:00:01.013201Z")
    year, month, day, hour, minute, second, fraction, sign, off_hours, off_minutes = match.groups()
    start = minute_micros(f"{year}-{month}-{day}T{hour}:{minute}")
    if start is None or int(second) > 59:
        raise ValueFault(Reason.BAD_TIME, "no such date or time of day")
    micros = start + int(second) * 1_000_000 + int((fraction or "0")[:6].ljust(6, "0"))
    if sign is not None:
        if int(off_minutes) > 59 or int(off_hours) > 23:
            raise ValueFault(Reason.BAD_TIME, "no such time zone")
        offset = (int(off_hours) * 60 + int(off_minutes)) * 60_000_000
        micros += -offset if sign == "+" else offset
    return micros


# ---- addresses ------------------------------------------------------------------------------------------------------

_MASK = r"\d{0,3}[xX*#]+\d{0,3}"
_MASKED = re.compile(
    rf"(?:(?:\d{{1,3}}|{_MASK})(?:\.(?:\d{{1,3}}|{_MASK}))*"
    r"|\[(?=[^\]]*[xX*#])[0-9a-fA-F:.xX*#]+\]|<[^<>]+>|\[?(?:redacted|REDACTED)\]?)",
    re.ASCII,
)
"""An address somebody made unreadable before sharing the log: `10.0.x.x`, `***`, `[2001:db8::xxxx]`, `<ip>`."""
_MASKED_PORT = re.compile(r"[xX*#]+|<[^<>]+>")
_HOST = re.compile(r"[^\s\"\[\]<>:]+")

_hosts: dict[str, str] = {}


def ip_of(host: str) -> str | None:
    """The address inside `host` (brackets removed) if it is one as ztunnel prints it, else None."""
    known = _hosts.get(host)
    if known is not None:
        return known
    try:
        if host.startswith("["):
            if not host.endswith("]"):
                return None
            known = host[1:-1]
            IPv6Address(known)
        else:
            known = host
            IPv4Address(known)
    except AddressValueError:
        return None
    if len(_hosts) >= KEPT:
        _hosts.clear()
    _hosts[host] = known
    return known


Converted = tuple[tuple[object, ...], bool]
"""Values for a field's columns, and whether the text must be kept in `extra` because they do not hold it."""


def _address(text: str) -> Converted:
    host, colon, port = text.rpartition(":")
    ip = ip_of(host)
    if ip is not None and colon:
        return (ip, _port(port, len(host) + 1)), False
    if _is_masked(text):
        return (None, None), True
    if colon and _is_masked(host):
        return (None, _masked_port(port, len(host) + 1)), True
    raise ValueFault(Reason.BAD_VALUE, "not an address")


def _authority(text: str) -> Converted:
    host, colon, port = text.rpartition(":")
    ip = ip_of(host)
    if ip is not None and colon:
        return (ip, _port(port, len(host) + 1)), False
    if _is_masked(text):
        return (None, None), True
    if colon and _is_masked(host):
        return (None, _masked_port(port, len(host) + 1)), True
    if colon and _HOST.fullmatch(host):
        return (host, _port(port, len(host) + 1)), False
    raise ValueFault(Reason.BAD_VALUE, "not an address or `host:port`")


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

_SPIFFE = re.compile(r"spiffe://([^/]+)/ns/([^/]+)/sa/([^/]+)")

_identities: dict[str, tuple[str | None, str | None]] = {}


def identity_parts(identity: str) -> tuple[str | None, str | None]:
    """Trust domain and service account of a SPIFFE identity; None for both when it has another form."""
    known = _identities.get(identity)
    if known is not None:
        return known
    match = _SPIFFE.fullmatch(identity)
    known = (None, None) if match is None else (match[1], match[3])
    if len(_identities) >= KEPT:
        _identities.clear()
    _identities[identity] = known
    return known


def _identity(text: str) -> Converted:
    if not text:
        return (None, None, None), True
    return (text, *identity_parts(text)), False


def _text(text: str) -> Converted:
    return ((text,), False) if text else ((None,), True)


def _error(text: str) -> Converted:
    return ((text, classify_error(text)), False) if text else ((None, None), True)


def _direction(text: str) -> Converted:
    if text not in {"inbound", "outbound"}:
        raise ValueFault(Reason.BAD_VALUE, "not a direction")
    return (text,), False


def _integer(text: str) -> Converted:
    if not (text.isascii() and text.isdigit()):
        raise ValueFault(Reason.BAD_VALUE, "not a whole number")
    if len(text) > 20 or int(text) > U64_MAX:
        raise ValueFault(Reason.BAD_VALUE, "a number past 64 bits")
    return (int(text),), False


def _duration(text: str) -> Converted:
    number = text.removesuffix("ms")
    if number == text or not (number.isascii() and number.isdigit()):
        raise ValueFault(Reason.BAD_VALUE, "not a duration in whole milliseconds")
    if len(number) > 19 or int(number) > I64_MAX:
        raise ValueFault(Reason.BAD_VALUE, "a number past 64 bits")
    return (int(number),), False


_BY_KIND: dict[Kind, Callable[[str], Converted]] = {
    Kind.ADDRESS: _address,
    Kind.AUTHORITY: _authority,
    Kind.TEXT: _text,
    Kind.IDENTITY: _identity,
    Kind.DIRECTION: _direction,
    Kind.INTEGER: _integer,
    Kind.DURATION: _duration,
}


def convert(field: LogField, text: str) -> Converted:
    """The values of a field's columns from its decoded text.

    Raises:
        ValueFault: The text does not have the field's type.
    """
    return (_error if field.key == ERROR_KEY else _BY_KIND[field.kind])(text)


# ---- a whole line ---------------------------------------------------------------------------------------------------


def refuse(
    reason: Reason, detail: str, line: str, at: int | None = None, hint: str = "", cause: Exception | None = None
) -> NoReturn:
    """Raise `ParseError` for a place counted from 0."""
    raise ParseError(reason, detail, line=line, column=None if at is None else at + 1, hint=hint) from cause


def is_unicode(text: str) -> bool:
    """Whether the text can be written as UTF-8: no half of a surrogate pair, as undecodable bytes leave behind."""
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def check_unicode(line: str) -> None:
    """Refuse a line with bytes that are not text."""
    if not is_unicode(line):
        refuse(Reason.UNDECODABLE, "bytes that are not text", line)


def message_of(keys: Collection[str]) -> Message | None:
    """Which message a line without a head is, from its keys; None when they do not settle it."""
    if all(key in keys for key in REQUIRED_KEYS[Message.COMPLETE]):
        return Message.COMPLETE
    if all(key in keys for key in REQUIRED_KEYS[Message.FAILED]) and not any(key in keys for key in TAIL_KEYS):
        return Message.FAILED
    return None


def assemble(head: Head, tokens: Sequence[Token], line: str) -> Row:
    """The row of a plain line, from what a tokenizer found.

    Checks in this order: repeated keys, missing fields, time, each value from left to right.

    Raises:
        ParseError: With the place counted in `line`.
    """
    seen: dict[str, Token] = {}
    for token in tokens:
        if token.key in seen:
            refuse(
                Reason.REPEATED_FIELD, f"`{token.key}` stands twice", line, token.at, "two lines may have been glued"
            )
        seen[token.key] = token
    message = head.message or message_of(seen)
    assert message is not None
    check_required(message, head.level, seen, line, cut=True)
    values: list[object] = [None] * WIDTH
    extra: dict[str, str] = {}
    values[LEVEL], values[MESSAGE] = head.level, message.value
    if head.time is not None:
        try:
            values[TIME] = time_micros(head.time)
        except ValueFault as fault:
            refuse(fault.reason, fault.detail, line, head.time_at, cause=fault)
        if values[TIME] is None:
            extra["time"] = head.time
    for token in tokens:
        try:
            text = decode(token.text) if token.quoted else token.text
            put(values, extra, token.key, text)
        except BadEscapeError as fault:
            refuse(Reason.BAD_ESCAPE, str(fault), line, token.value_at + fault.offset, cause=fault)
        except ValueFault as fault:
            expected = EXPECTED[FIELD_BY_KEY[token.key].kind]
            refuse(
                fault.reason, f"`{token.key}` is {fault.detail}", line, token.value_at + fault.offset,
                f"expected {expected}", fault,
            )  # fmt: skip
    if extra:
        values[EXTRA] = extra
    return tuple(values)


def put(values: list[object], extra: dict[str, str], key: str, text: str) -> None:
    """Put one field's decoded text where it belongs: its columns, or `extra` when no column holds it."""
    field = FIELD_BY_KEY.get(key)
    if field is None:
        extra[key] = text
        return
    converted, keep = convert(field, text)
    for at, value in zip(COLUMNS_OF[key], converted, strict=True):
        values[at] = value
    if keep:
        extra[key] = text


def check_required(message: Message, level: str | None, keys: Collection[str], line: str, *, cut: bool) -> None:
    """Refuse a line that lacks a field its message always carries.

    A plain `connection complete` of level `error` always carries its error. The drafts of 1.22.0 left both byte
    counts out when there was one; that is read.

    Args:
        message: Which message it is.
        level: Its level, lower case.
        keys: Keys it has.
        line: The text, for the error.
        cut: Whether it may have been cut short: then a line whose last fields are missing is `CUT_SHORT`.

    Raises:
        ParseError: `CUT_SHORT` or `MISSING_FIELD`.
    """
    required = REQUIRED_KEYS[message]
    missing = [key for key in required if key not in keys]
    if message is Message.COMPLETE:
        if ERROR_KEY in keys:
            if missing == list(BYTES_KEYS):
                return
        elif cut and level == "error":
            missing.append(ERROR_KEY)
    if not missing:
        return
    last = max((at for at, field in enumerate(LOG_FIELDS) if field.key in keys), default=-1)
    first_missing = next(at for at, field in enumerate(LOG_FIELDS) if field.key == missing[0])
    if cut and first_missing > last:
        refuse(
            Reason.CUT_SHORT, f"the line ends before `{missing[0]}`", line, len(line), "the rest of the line is lost"
        )
    names = ", ".join(f"`{key}`" for key in missing)
    refuse(Reason.MISSING_FIELD, f"no {names}", line, None, f"`connection {message}` always carries it")


# ---- pieces of other lines ------------------------------------------------------------------------------------------

_CONNECTION = re.compile(r"(?P<peer>[^\s(]+)\((?P<identity>[^()]*)\)->(?P<target>\S+)")
_RUST_DURATION = re.compile(r"(\d{1,15})(?:\.(\d+))?(ns|µs|μs|¬µs|us|ms|s)")
_PER_MICRO = {"ns": -3, "ms": 3, "s": 6}


def host_port(text: str | None) -> tuple[str | None, int | None]:
    """Host and port of `ip:port`, `[v6]:port`, `host:port` or a bare address; None for what is not there."""
    if not text:
        return None, None
    host, colon, port = text.rpartition(":")
    if colon and port.isascii() and port.isdigit() and int(port[:6]) <= 65535 and not (":" in host and host[0] != "["):
        return ip_of(host) or host.strip("[]") or None, int(port)
    try:
        return str(ip_address(text.strip("[]"))), None
    except ValueError:
        return None, None


def connection_of(text: str) -> dict[str, object] | None:
    """`ip:port(identity)->ip:port` as ztunnel prints a connection: peer and target, None where it has another form."""
    match = _CONNECTION.match(text)
    if match is None:
        return None
    peer_ip, peer_port = host_port(match["peer"])
    dst_ip, dst_port = host_port(match["target"])
    identity = None if match["identity"] in {"", "None"} else match["identity"]
    return {
        "peer_ip": peer_ip, "peer_port": peer_port, "peer_identity": identity, "dst_ip": dst_ip, "dst_port": dst_port,
    }  # fmt: skip


def micros_of_duration(text: str | None) -> int | None:
    """Whole microseconds of a Rust Debug duration (`12.573881ms`, `124.75µs`, `1.002341s`), truncated."""
    match = _RUST_DURATION.fullmatch(text) if text else None
    if match is None:
        return None
    digits = f"{match[1]}.{match[2] or 0}"
    return int(Decimal(digits).scaleb(_PER_MICRO.get(match[3], 0)))
