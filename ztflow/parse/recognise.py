"""What is left when a text does not begin like an access line: none at all, or the ruins of one.

Shared by the scanner and the grammar, because both must say the same about text neither can read.
"""

from __future__ import annotations

import re

from ztflow.errors import ParseError, Reason
from ztflow.model.schema import ACCESS_SCOPE, FIELD_BY_KEY, LEVELS, LOG_FIELDS, MESSAGE_TEXT, Kind
from ztflow.model.vocabulary import Direction, Message

SOURCE_KEY, DESTINATION_KEY = (field.key for field in LOG_FIELDS if field.kind is Kind.ADDRESS)
DIRECTION_KEY = next(field.key for field in LOG_FIELDS if field.kind is Kind.DIRECTION)
_AFTER_DIRECTION = [
    field.key
    for field in LOG_FIELDS[LOG_FIELDS.index(FIELD_BY_KEY[DIRECTION_KEY]) + 1 :]
    if field.kind is Kind.INTEGER or Message.FAILED in field.required
]

_KEY = "|".join(re.escape(field.key) for field in LOG_FIELDS)
_WORDS = "|".join(text.removeprefix("connection ") for text in MESSAGE_TEXT.values())

_OTHER_SCOPE = re.compile(
    rf"[ \t]*\d{{4}}-\d\d-\d\dT[^ \t]*[ \t]+(?i:{'|'.join(LEVELS)})[ \t]+"
    rf"(?!{ACCESS_SCOPE}:?(?:[ \t]|$)|connection[ \t])"
)
"""A line of another scope; whatever it quotes, it is not an access line."""

_STRAY_PREFIX = re.compile(
    rf"(?:^|[ \t]){ACCESS_SCOPE}:?[ \t]+connection[ \t]+(?:{_WORDS})[ \t]+(?={_KEY})"
    rf"|(?:^|[ \t])connection[ \t]+(?:{_WORDS})[ \t]+(?={re.escape(SOURCE_KEY)}=)"
)
_DIRECTIONS = "|".join(Direction)
_LOST_BEGINNING = re.compile(
    rf"(?:^|[ \t]){re.escape(DIRECTION_KEY)}[ \t]*=[ \t]*\"?(?:{_DIRECTIONS})\"?[ \t]+"
    rf"(?:{'|'.join(map(re.escape, _AFTER_DIRECTION))})[ \t]*="
)
_LOST_BEGINNING_JSON = re.compile(
    rf"\"{re.escape(DIRECTION_KEY)}\":\"(?:{_DIRECTIONS})\",\"(?:{'|'.join(map(re.escape, _AFTER_DIRECTION))})\":"
)


def ruin_of(text: str) -> ParseError | None:
    """The error for a text that is no access line from its beginning but plainly holds one, or the end of one.

    A wrapper nobody took off, or a first line cut by `tail -c`: to be counted as a problem, never to vanish. None for
    everything else, also for lines of other scopes and for fragments such as `direction="inbound"` in prose.
    """
    if SOURCE_KEY not in text and DIRECTION_KEY not in text:
        return None
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
