"""Makes a row from the fields a tokenizer found, or says why it cannot; also for incomplete access lines.

Shared by the scanner, the grammar and the JSON reader, because all must say the same about what none can read.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from typing import NamedTuple, NoReturn

from ztflow.errors import ParseError, Reason
from ztflow.model.provenance import Row
from ztflow.model.schema import ACCESS_SCOPE, FIELD_BY_KEY, LOG_FIELDS, LOG_LEVELS, MESSAGE_TEXT, REQUIRED_KEYS, Kind
from ztflow.model.vocabulary import Direction, Message
from ztflow.parse.near import corrected
from ztflow.parse.values import (
    BYTES_KEYS,
    COLUMNS_OF,
    CONVERTERS,
    ERROR_KEY,
    EXPECTED,
    EXTRA,
    LEVEL,
    MESSAGE,
    ROW_WIDTH,
    TAIL_KEYS,
    TIME,
    ValueFault,
    time_micros,
)
from ztflow.text.escapes import BadEscapeError, decode
from ztflow.text.patterns import lazy_pattern


class Token(NamedTuple):
    """One `key=value` of a line, as found.

    Attributes:
        key: As it is written.
        text: The value without its quotes, escapes not yet decoded.
        quoted: Whether it was in quotes.
        at: Where the key begins in the line, from 0.
        value_at: Where `text` begins, from 0.
    """

    key: str
    text: str
    quoted: bool
    at: int
    value_at: int


class Head(NamedTuple):
    """What is before the fields. None: not there."""

    time: str | None
    level: str | None
    message: Message | None
    time_at: int = 0


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
        if "..." in token.key:
            refuse(Reason.BAD_SYNTAX, "the line was abridged", line, token.at)
        seen[token.key] = token
    message = head.message or message_of(seen)
    assert message is not None
    check_required(message, head.level, seen, line, cut=True)
    values: list[object] = [None] * ROW_WIDTH
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
    """Put one field's decoded text where it belongs: its columns, or `extra` when no column holds it.

    Raises:
        ValueFault: The text does not have the field's type.
    """
    converter = CONVERTERS.get(key)
    if converter is None:
        extra[key] = text
        return
    converted, keep = converter(text)
    for at, value in zip(COLUMNS_OF[key], converted, strict=True):
        values[at] = value
    if keep:
        extra[key] = text


_REQUIRED = {message.value: frozenset(keys) for message, keys in REQUIRED_KEYS.items()}


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
    if _REQUIRED[message.value].issubset(keys) and (level != "error" or ERROR_KEY in keys):
        return
    missing = [key for key in REQUIRED_KEYS[message] if key not in keys]
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


SOURCE_KEY, DESTINATION_KEY = (field.key for field in LOG_FIELDS if field.kind is Kind.ADDRESS)
DIRECTION_KEY = next(field.key for field in LOG_FIELDS if field.kind is Kind.DIRECTION)
_AFTER_DIRECTION = [
    field.key
    for field in LOG_FIELDS[LOG_FIELDS.index(FIELD_BY_KEY[DIRECTION_KEY]) + 1 :]
    if field.kind is Kind.INTEGER or Message.FAILED in field.required
]

_KEY = "|".join(re.escape(field.key) for field in LOG_FIELDS)
_WORDS = "|".join(text.removeprefix("connection ") for text in MESSAGE_TEXT.values())

_OTHER_SCOPE = lazy_pattern(
    rf"[ \t]*\d{{4}}-\d\d-\d\dT[^ \t]*[ \t]+(?i:{'|'.join(LOG_LEVELS)})[ \t]+"
    rf"(?!{ACCESS_SCOPE}:?(?:[ \t]|$)|connection[ \t])"
)
"""A line of another scope; whatever it quotes, it is not an access line."""

_STRAY_PREFIX = lazy_pattern(
    rf"(?:^|[ \t]){ACCESS_SCOPE}:?[ \t]+connection[ \t]+(?:{_WORDS})[ \t]+(?={_KEY})"
    rf"|(?:^|[ \t])connection[ \t]+(?:{_WORDS})[ \t]+(?={re.escape(SOURCE_KEY)}=)"
)
_DIRECTIONS = "|".join(Direction)
_LOST_BEGINNING = lazy_pattern(
    rf"(?:^|[ \t]){re.escape(DIRECTION_KEY)}[ \t]*=[ \t]*\"?(?:{_DIRECTIONS})\"?[ \t]+"
    rf"(?:{'|'.join(map(re.escape, _AFTER_DIRECTION))})[ \t]*="
)
_LOST_BEGINNING_JSON = lazy_pattern(
    rf"\"{re.escape(DIRECTION_KEY)}\":\"(?:{_DIRECTIONS})\",\"(?:{'|'.join(map(re.escape, _AFTER_DIRECTION))})\":"
)


def ruin_of(text: str) -> ParseError | None:
    """The error for a text that is no access line from its beginning but plainly holds one, or the end of one.

    A wrapper not taken off, or a first line cut by `tail -c`: to be counted as a problem, never to vanish. None for
    everything else, also for lines of other scopes and for fragments such as `direction="inbound"` in prose.
    """
    if SOURCE_KEY not in text and DIRECTION_KEY not in text:
        return None
    if corrected(text) is not None:
        return ParseError(
            Reason.BAD_SYNTAX, "the words before the fields are not quite those of an access line", line=text, column=1,
            hint="`info`, `access` or `connection complete` may have been damaged",
        )  # fmt: skip
    if _OTHER_SCOPE.match(text):
        return None
    stray = _STRAY_PREFIX.search(text)
    if stray is not None:
        return ParseError(
            Reason.BAD_SYNTAX, "text stands before the access line", line=text, column=1,
            hint="take off what the log collector put in front",
        )  # fmt: skip
    if _LOST_BEGINNING.search(text) or (text[:1] != "{" and _LOST_BEGINNING_JSON.search(text)):
        return ParseError(
            Reason.CUT_SHORT, "the beginning of the line is missing", line=text, column=1,
            hint="the capture may start in the middle of a line",
        )  # fmt: skip
    return None
