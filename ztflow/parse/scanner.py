"""The scanner: one line to one row in one pass of a compiled pattern built from `schema.LOG_FIELDS`.

A line as ztunnel writes it (fields in log order; tabs may have become blanks) matches one of two templates, for
quoted and for bare names, and is converted from its groups. Everything else (other order, unknown keys, escapes in
names, a lost head, damage) is tokenized field by field; same values, same errors. `grammar` says the same, readably.

Cost: about 4 µs for a full line, 30 µs for one that needs the tokenizer, 14 µs for a JSON line (2-core x86 virtual
machine, CPython 3.11).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from operator import itemgetter
from typing import Any, NoReturn

from ztflow.errors import ParseError, Reason
from ztflow.model.error_classes import classify_error
from ztflow.model.provenance import Row
from ztflow.model.schema import (
    ACCESS_SCOPE,
    LOG_FIELDS,
    LOG_LEVELS,
    MESSAGE_TEXT,
    REQUIRED_KEYS,
    Kind,
    LogField,
    Quoting,
)
from ztflow.model.vocabulary import Direction, Message
from ztflow.parse.assembly import (
    DESTINATION_KEY,
    DIRECTION_KEY,
    SOURCE_KEY,
    Head,
    Token,
    assemble,
    check_unicode,
    is_unicode,
    message_of,
    refuse,
    ruin_of,
)
from ztflow.parse.jsonlog import is_damaged_json, scan_json
from ztflow.parse.names import KNOWN_KEYS, PLAIN_NAME, stamp_in_error
from ztflow.parse.near import mended_fields, near_keys
from ztflow.parse.values import (
    COLUMNS_OF,
    ERROR_KEY,
    EXTRA,
    LEVEL,
    LONGEST_MS,
    MESSAGE,
    RELAYED_TIME,
    ROW_WIDTH,
    TIME,
    identity_parts,
    ip_of,
    minute_micros,
)
from ztflow.text.escapes import BadEscapeError, decode
from ztflow.text.patterns import lazy_pattern

# ---- the template of a whole line -----------------------------------------------------------------------------------

_LEVEL_WORDS = "|".join(LOG_LEVELS)
_DIRECTION_WORDS = "|".join(Direction)
_MESSAGE_WORDS = "|".join(MESSAGE_TEXT[message].removeprefix("connection ") for message in Message)
_IP_PORT = r"([0-9.]++|\[[0-9a-f:.]++\]):([0-9]{1,5}+)"
_HOST_PORT = r"([0-9.]++|\[[0-9a-f:.]++\]|(?!redacted:)(?=[^ \"]*[a-wyz])[0-9A-Za-z._-]++):([0-9]{1,5}+)"

_VALUE: dict[Kind, str] = {
    Kind.ADDRESS: _IP_PORT,
    Kind.AUTHORITY: _HOST_PORT,
    Kind.IDENTITY: rf'"(spiffe://{PLAIN_NAME}++/ns/{PLAIN_NAME}++/sa/{PLAIN_NAME}++)"',
    Kind.DIRECTION: f'"({_DIRECTION_WORDS})"',
    Kind.INTEGER: r"([0-9]{1,18}+)",
    Kind.DURATION: r'"([0-9]{1,18}+)ms"',
}


def _value(field: LogField, *, bare: bool) -> str:
    if field.key == ERROR_KEY:
        return r'"((?:[^"\\]|\\.)++)"'
    if field.kind is not Kind.TEXT:
        return _VALUE[field.kind]
    name = rf"({PLAIN_NAME}++)"
    return name if bare and field.quoting is Quoting.BARE_BEFORE_1_22_2 else f'"{name}"'


def _template(*, bare: bool) -> re.Pattern[str]:
    parts = [
        r"([0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}):([0-5][0-9])\.([0-9]{6})Z",
        rf"[ \t]++({_LEVEL_WORDS})[ \t]++{ACCESS_SCOPE}[ \t]++connection ({_MESSAGE_WORDS})[ \t]++",
    ]
    for at, field in enumerate(LOG_FIELDS):
        one = f"{' ' if at else ''}{re.escape(field.key)}={_value(field, bare=bare)}"
        parts.append(one if field.required == frozenset(Message) else f"(?:{one})?+")
    return re.compile("".join(parts) + r"[ \t\r\n]*+\Z", re.DOTALL)


_QUOTED_LINE, _BARE_LINE = _template(bare=False), _template(bare=True)

_MINUTE, _SECOND, _FRACTION, _LEVEL, _MESSAGE, _FIRST = range(6)
"""Groups of the head; those of the fields follow, two for an address."""

_GROUP: dict[str, int] = {}
_groups = _FIRST
for _field in LOG_FIELDS:
    _GROUP[_field.key] = _groups
    _groups += 2 if _field.kind in {Kind.ADDRESS, Kind.AUTHORITY} else 1

_ADDRESSES = tuple(_GROUP[field.key] for field in LOG_FIELDS if field.kind is Kind.ADDRESS)
_AUTHORITIES = tuple(_GROUP[field.key] for field in LOG_FIELDS if field.kind is Kind.AUTHORITY)
_IDENTITIES = tuple(_GROUP[field.key] for field in LOG_FIELDS if field.kind is Kind.IDENTITY)
_SENT, _RECEIVED = (_GROUP[field.key] for field in LOG_FIELDS if field.kind is Kind.INTEGER)
_DURATION = _GROUP[REQUIRED_KEYS[Message.COMPLETE][-1]]
_ERROR = _GROUP[ERROR_KEY]
_NOTHING = _groups
"""After the groups: one None, then what the conversions add, two per identity and the error class."""


def _permutation() -> Callable[[list[Any]], Row]:
    """Takes the converted groups of a template into the order of a row."""
    source = [_NOTHING] * ROW_WIDTH
    source[TIME], source[LEVEL], source[MESSAGE] = _MINUTE, _LEVEL, _MESSAGE
    added = _NOTHING + 1
    for field in LOG_FIELDS:
        columns, group = COLUMNS_OF[field.key], _GROUP[field.key]
        if field.kind in {Kind.ADDRESS, Kind.AUTHORITY}:
            source[columns[0]], source[columns[1]] = group, group + 1
            continue
        source[columns[0]] = group
        for column in columns[1:]:
            source[column] = added
            added += 1
    return itemgetter(*source)


_ROW = _permutation()


def scan(text: str) -> Row | None:
    """The row of one line as ztunnel wrote it, plain or JSON; all three messages.

    Args:
        text: One line; a line end may follow.

    Returns:
        A tuple in the order of `schema.RECORD`, or None when it is not an access line.

    Raises:
        ParseError: An access line that is broken.
    """
    match = _QUOTED_LINE.match(text) or _BARE_LINE.match(text)
    if match is not None:
        row = _row(match)
        if row is not None and is_unicode(text):
            return row
    return scan_loosely(text)


def _row(match: re.Match[str]) -> Row | None:
    """The row of a template match; None when the tokenizer must look: a value out of range, an escape, a gap."""
    if "..." in match.string:  # a name may have been abridged
        return None
    values: list[Any] = list(match.groups())
    minute = minute_micros(match[1])
    if minute is None:
        return None
    values[_MINUTE] = minute + int(match[2] + match[3])
    for at in _ADDRESSES:
        ip = ip_of(values[at])
        port = int(values[at + 1])
        if ip is None or port > 65535:
            return None
        values[at], values[at + 1] = ip, port
    for at in _AUTHORITIES:
        host = values[at]
        if host is not None:
            port = int(values[at + 1])
            if host[0] in "[0123456789":
                host = ip_of(host)
            if host is None or port > 65535:
                return None
            values[at], values[at + 1] = host, port
    error = values[_ERROR]
    duration = values[_DURATION]
    message = values[_MESSAGE]
    if duration is not None:
        if values[_SENT] is None or values[_RECEIVED] is None:
            return None
        values[_SENT] = int(values[_SENT])
        values[_RECEIVED] = int(values[_RECEIVED])
        values[_DURATION] = millis = int(duration)
        if millis > LONGEST_MS:
            return None
    elif message == "complete" or values[_SENT] is not None or values[_RECEIVED] is not None:
        return None
    values.append(None)
    for at in _IDENTITIES:
        identity = values[at]
        if identity is None:
            values += (None, None)
        else:
            values += identity_parts(identity)
    if error is None:
        if message == "failed" or (message == "complete" and values[_LEVEL] == "error"):
            return None
        values.append(None)
    else:
        if "\\" in error:
            try:
                error = values[_ERROR] = decode(error)
            except BadEscapeError:
                return None
        if stamp_in_error(error) is not None:
            return None
        values.append(classify_error(error))
    return _ROW(values)


# ---- field by field -------------------------------------------------------------------------------------------------

_TIME = rf"(?:{RELAYED_TIME}(?=[ \t])|[-:.0-9][^ \t]*+|T[0-9][^ \t]*+|Z(?=[ \t]))"
_FOREIGN_WORD = r"(?=[^ \t]*[^\x00-\x7f])[^\W\d_]+"
"""A translated level word; told by a letter that is not ASCII."""

_HEAD = lazy_pattern(
    rf"[ \t]*+(?:(?P<time>{_TIME})[ \t]++)?+(?:(?P<level>(?i:{_LEVEL_WORDS})|{_FOREIGN_WORD})[ \t]++)?+"
    rf"(?P<scope>{ACCESS_SCOPE}:?[ \t]++)?+connection[ \t]++(?P<message>{_MESSAGE_WORDS})(?:[ \t]++|\Z)"
)
_CUT_HEAD = lazy_pattern(
    rf"[ \t]*+(?!{ACCESS_SCOPE})(?:{_TIME}[ \t]++)?+(?:(?:(?i:{_LEVEL_WORDS})|{_FOREIGN_WORD})[ \t]++)?+"
    rf"{ACCESS_SCOPE}:?(?:[ \t]++(?P<rest>[a-z]*(?:[ \t]++[a-z]*)?))?+\Z"
)
_HEADLESS = lazy_pattern(rf"[ \t]*+(?={re.escape(SOURCE_KEY)}[ \t]*=)")
_BARE_MESSAGE_NEEDS = tuple(
    lazy_pattern(rf"(?:^|[ \t]){re.escape(key)}[ \t]*=") for key in (SOURCE_KEY, DESTINATION_KEY)
)

_FIELD = lazy_pattern(
    rf"(?:(?P<known>{KNOWN_KEYS})[ \t]*+|(?P<key>[A-Za-z_][\w.:/-]*+))="
    r'(?:[ \t]*+"(?P<quoted>(?:[^"\\]|\\.)*+)"|(?![ \t]*")(?P<bare>[^ \t"\r\n]*+))(?=[ \t]|\Z)[ \t]*+',
    re.DOTALL | re.ASCII,
)
_REST = lazy_pattern(rf'{re.escape(ERROR_KEY)}[ \t]*+=(?![ \t]*")(?P<rest>.*)\Z', re.DOTALL)
_OPEN_QUOTE = lazy_pattern(r'[A-Za-z_][\w.:/-]*[ \t]*=[ \t]*"(?:[^"\\]|\\.)*+\\?\Z', re.DOTALL | re.ASCII)
_AFTER_QUOTE = lazy_pattern(r'[A-Za-z_][\w.:/-]*[ \t]*=[ \t]*"(?:[^"\\]|\\.)*+"', re.DOTALL | re.ASCII)

_MESSAGES = {text.removeprefix("connection "): message for message, text in MESSAGE_TEXT.items()}


def scan_loosely(text: str) -> Row | None:
    """Same contract as `scan`, without the templates: reads also what damage and hands have done to a line."""
    line = text.rstrip("\r\n\t ")
    start = line.lstrip("\t ")[:1]
    if start == "{":
        return scan_json(line)
    if ACCESS_SCOPE not in line and SOURCE_KEY not in line and DIRECTION_KEY not in line:
        return None
    match = _HEAD.match(line)
    if match is not None and (match["scope"] or all(need.search(line) for need in _BARE_MESSAGE_NEEDS)):
        check_unicode(line)
        level = match["level"]
        head = Head(
            match["time"],
            level.lower() if level and level.isascii() else None,
            _MESSAGES[match["message"]],
            match.start("time"),
        )
        return assemble(head, tokens(line, match.end()), line)
    cut = _CUT_HEAD.match(line)
    if cut is not None and _begins_a_message(cut["rest"] or ""):
        refuse(Reason.CUT_SHORT, "the line ends before its fields", line, len(line), "the rest of the line is lost")
    match = _HEADLESS.match(line)
    if match is not None and is_unicode(line):
        try:
            found = tokens(line, match.end())
        except ParseError:
            found = []
        if message_of({token.key for token in found}) is not None:
            return assemble(Head(None, None, None), found, line)
    ruin = ruin_of(line)
    if ruin is not None:
        raise ruin
    return None


def _begins_a_message(words: str) -> bool:
    begun = " ".join(words.split())
    return any(text.startswith(begun) for text in MESSAGE_TEXT.values())


def tokens(line: str, at: int) -> list[Token]:
    """The fields of a plain line from `at` on.

    Raises:
        ParseError: `BAD_SYNTAX` where no `key=value` begins, `CUT_SHORT` where the line ends inside one.
    """
    found: list[Token] = []
    end = len(line)
    while at < end:
        match = _REST.match(line, at)
        if match is not None:
            if not match["rest"].strip():
                refuse(Reason.CUT_SHORT, f"the line ends inside `{ERROR_KEY}`", line, end)
            found.append(Token(ERROR_KEY, match["rest"], quoted=False, at=at, value_at=match.start("rest")))
            break
        match = _FIELD.match(line, at)
        if match is None:
            _refuse_syntax(line, at)
        key = match["known"] or match["key"]
        group = "bare" if match["quoted"] is None else "quoted"
        found.append(Token(key, match[group], group == "quoted", at, match.start(group)))
        at = match.end()
    return found


def _refuse_syntax(line: str, at: int) -> NoReturn:
    rest = line[at:]
    if _OPEN_QUOTE.match(rest):
        refuse(Reason.CUT_SHORT, "a quote is not closed", line, line.index('"', at), "the rest of the line is lost")
    if any(field.key.startswith(rest) for field in LOG_FIELDS):
        refuse(Reason.CUT_SHORT, "the line ends inside a key", line, len(line), "the rest of the line is lost")
    closed = _AFTER_QUOTE.match(rest)
    if closed is not None:
        refuse(
            Reason.BAD_SYNTAX, "text directly after a closing quote", line, at + closed.end(),
            "two lines may have been glued, or a quote was lost",
        )  # fmt: skip
    refuse(Reason.BAD_SYNTAX, "expected `key=value`", line, at)


# ---- was it damaged -------------------------------------------------------------------------------------------------

_UNHURT = lazy_pattern(
    rf"[0-9T:.-]{{26}}Z\t(?:{_LEVEL_WORDS})\t{ACCESS_SCOPE}\tconnection (?:{_MESSAGE_WORDS})\t(?![ \t])"
)


def was_damaged(text: str, fields: dict[str, Any] | None = None) -> bool:
    """Whether an access line that `scan` reads was read in spite of damage.

    Damage is what ztunnel never writes: blanks for tabs, blanks around `=`, a lost or translated head, runs of blanks
    between fields, a masked time, a raw control character. A JSON line is damaged when
    its scope, message, level or time had to be put right.

    Args:
        text: The line.
        fields: Its decoded object instead, if it is JSON.

    Cost: 0.5 µs for an unhurt line.
    """
    if fields is not None:
        return mended_fields(fields) is not fields
    line = text.rstrip("\r\n")
    if line[:1] == "{":
        return is_damaged_json(line)
    match = _UNHURT.match(line)
    if match is None:
        return True
    end = match.end()
    if not line[end:].rstrip("\t ").isprintable():
        return True
    if line.find(" =", end) < 0 and line.find("= ", end) < 0 and line.find("  ", end) < 0 and line.find("\t", end) < 0:
        return False
    try:
        found = tokens(line.rstrip("\t "), end)
    except ParseError:
        return True
    at = end
    for token in found:
        if token.at != at or token.value_at != token.at + len(token.key) + 1 + token.quoted:
            return True
        after = token.value_at + len(token.text) + token.quoted
        if line[after : after + 1] not in {"", " "}:
            return True
        at = after + 1
    return False


def has_near_key(row: Row) -> bool:
    """Whether a row keeps in `extra` a key that is one edit from one of the table: most likely a damaged one.

    It stays in `extra`: a later ztunnel may have a key of that name, and a value in the wrong column would be worse.
    """
    extra = row[EXTRA]
    return isinstance(extra, dict) and bool(near_keys(extra))
