"""The grammar of an access line in pyparsing: the specification, runnable.

Every rule has a name; `docs/reference/grammar.md` shows them as EBNF. Beside the rules of a sound line are the rules
of a broken one, each with the reason it gives: what the scanner refuses, they explain. What a value means is not said
here but in `values`, for both parsers. It is about a hundred times slower than the scanner; users get the scanner.

Blanks matter in this format, so no rule skips whitespace on its own, and tabs are never expanded.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any, NamedTuple

import pyparsing as pp

from ztflow.errors import Reason
from ztflow.model.provenance import Row
from ztflow.model.schema import ACCESS_SCOPE, LOG_FIELDS, LOG_LEVELS, MESSAGE_TEXT
from ztflow.model.vocabulary import Message
from ztflow.parse.assembly import (
    DESTINATION_KEY,
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
from ztflow.parse.jsonlog import scan_json
from ztflow.parse.values import ERROR_KEY, RELAYED_TIME


class Broken(NamedTuple):
    """What a rule of broken text found: the reason, and where (from 0)."""

    reason: Reason
    detail: str
    at: int
    hint: str
    expected: str


class Line(NamedTuple):
    """A line taken apart: what is before the fields, the fields, and what is broken behind the last of them."""

    head: Head
    tokens: list[Token]
    broken: Broken | None


_LOST = "the rest of the line is lost"


@lru_cache(maxsize=1)
def rules() -> dict[str, pp.ParserElement]:
    """Every rule by its name, in the order of the reference page."""
    named: dict[str, pp.ParserElement] = {}

    def rule(name: str, element: pp.ParserElement) -> pp.ParserElement:
        named[name] = element.set_name(name).parse_with_tabs().leave_whitespace()
        return named[name]

    end = rule("end", _regex(r"\Z").suppress())
    blank = rule("blank", _regex(r"[ \t]+").suppress())
    gap = pp.Opt(blank)

    # ---- what is before the fields
    time = rule("time", _regex(rf"{RELAYED_TIME}(?=[ \t])|[-:.0-9][^ \t]*|T[0-9][^ \t]*|Z(?=[ \t])"))
    level = rule(
        "level", _regex(rf"(?i:{'|'.join(LOG_LEVELS)})(?=[ \t]|\Z)|(?=[^ \t]*[^\x00-\x7f])[^\W\d_]+(?=[ \t]|\Z)")
    )
    scope = rule("scope", pp.Combine(pp.Literal(ACCESS_SCOPE) + pp.Opt(":")))
    connection = pp.Literal("connection").suppress()
    message = rule("message", connection + blank + pp.MatchFirst([_message(one) for one in Message])("message"))
    before_message = gap + pp.Opt(time("time") + blank) + pp.Opt(level("level") + blank)
    head = rule("head", before_message + pp.Opt(scope("scope") + blank) + message + (blank | end))

    # ---- one field
    name = rule("name", _regex(r"[A-Za-z_](?a:[\w.:/-]*)"))
    known = pp.MatchFirst([_regex(rf"{re.escape(key)}(?=[ \t]*=)") for key in _longest_first()])
    key = rule("key", (known + gap) | name)
    equals, quote = pp.Literal("=").suppress(), pp.Literal('"').suppress()
    body = rule("body", _regex(r'(?:[^"\\]|\\.)*'))
    quoted = rule("quoted", gap + quote + _located(body) + quote)
    bare = rule("bare", ~(gap + quote) + _located(_regex(r'[^ \t"\r\n]*')))
    field = rule("field", _located(key) + equals + (quoted | bare) + pp.FollowedBy(blank | end) + gap)
    error_key = _located(pp.Literal(ERROR_KEY)) + gap + equals
    error_to_end = rule("error_to_end", error_key + ~(gap + quote) + _located(_regex(r".+")))
    for sound in (field, error_to_end):
        sound.add_parse_action(_token)

    # ---- broken text, tried only where no field fits
    begun = name.suppress() + gap + equals + gap
    open_quote = rule("open_quote", begun + _place(quote) + _regex(r'(?:[^"\\]|\\.)*\\?').suppress() + end)
    cut_error = rule("cut_error", error_key.suppress() + _place(end))
    cut_key = rule(
        "cut_key", pp.MatchFirst([pp.Literal(begin) + end for begin in _key_beginnings()]).suppress() + _place(end)
    )
    glued = rule("glued", begun + quote + body.suppress() + quote + _place(_regex(r".+")))
    stray = rule("stray", _place(_regex(r".+")))
    _means(open_quote, Reason.CUT_SHORT, "a quote is not closed", _LOST, 'a closing `"`')
    _means(cut_error, Reason.CUT_SHORT, f"the line ends inside `{ERROR_KEY}`", "", "the error text")
    _means(cut_key, Reason.CUT_SHORT, "the line ends inside a key", _LOST, "the rest of the key, `=` and a value")
    glue = "two lines may have been glued, or a quote was lost"
    _means(glued, Reason.BAD_SYNTAX, "text directly after a closing quote", glue, "a blank or the end of the line")
    _means(stray, Reason.BAD_SYNTAX, "expected `key=value`", "", "`key=value` or the end of the line")

    # ---- a whole line
    sound_fields = pp.ZeroOrMore(~cut_error + (error_to_end | field))
    fields = rule("fields", sound_fields + pp.Opt(cut_error | open_quote | cut_key | glued | stray))
    rule("line", head + pp.Group(fields)("fields") + end)
    begins_headless = gap + pp.FollowedBy(pp.Literal(SOURCE_KEY) + gap + equals)
    rule("headless_line", begins_headless + pp.Group(fields)("fields") + end)
    begins = pp.MatchFirst([_beginning_of(text) for text in MESSAGE_TEXT.values()])
    rule("cut_head", gap + ~pp.Literal(ACCESS_SCOPE) + before_message + scope + (end | (blank + begins)))
    return named


def _regex(pattern: str) -> pp.ParserElement:
    return pp.Regex(pattern, flags=re.DOTALL)


def _message(message: Message) -> pp.ParserElement:
    word = pp.Literal(MESSAGE_TEXT[message].split()[1])
    return word.set_parse_action(lambda: [message])


def _longest_first() -> list[str]:
    return sorted((field.key for field in LOG_FIELDS), key=len, reverse=True)


def _key_beginnings() -> list[str]:
    begins = {field.key[:length] for field in LOG_FIELDS for length in range(1, len(field.key) + 1)}
    return sorted(begins, key=len, reverse=True)


def _beginning_of(text: str) -> pp.ParserElement:
    """Any beginning of a message that ends the line."""
    first, second = text.split()
    blanks = r"[ \t]+"
    cut_second = "|".join(second[:length] for length in range(len(second), 0, -1))
    cut_first = "|".join(first[:length] for length in range(len(first), 0, -1))
    return _regex(rf"(?:{first}{blanks}(?:{cut_second})|{cut_first})\Z")


def _located(element: pp.ParserElement) -> pp.ParserElement:
    """The element's text together with its place."""
    return pp.And([element.copy()]).add_parse_action(lambda _line, at, found: [(at, found[0])])


def _place(element: pp.ParserElement) -> pp.ParserElement:
    """Only the element's place."""
    return pp.And([element.copy()]).set_parse_action(lambda _line, at, _found: [at])


def _token(line: str, _at: int, found: pp.ParseResults) -> list[Token]:
    (key_at, key), (value_at, text) = found
    return [Token(key, text, quoted=line[value_at - 1] == '"', at=key_at, value_at=value_at)]


def _means(element: pp.ParserElement, reason: Reason, detail: str, hint: str, expected: str) -> None:
    element.add_parse_action(lambda _line, _at, found: [Broken(reason, detail, found[0], hint, expected)])


# ---- using it -------------------------------------------------------------------------------------------------------


def parse(text: str) -> Row | None:
    """Same contract as `scan`: the row, None for what is not an access line, `ParseError` for a broken one."""
    line = text.rstrip("\r\n\t ")
    if line.lstrip("\t ").startswith("{"):
        return scan_json(line)
    found = read_line(line)
    if found is not None:
        check_unicode(line)
        if found.broken is not None:
            refuse(found.broken.reason, found.broken.detail, line, found.broken.at, found.broken.hint)
        return assemble(found.head, found.tokens, line)
    if rules()["cut_head"].matches(line, parse_all=False):
        refuse(Reason.CUT_SHORT, "the line ends before its fields", line, len(line), _LOST)
    found = read_headless(line)
    if found is not None and is_unicode(line):
        return assemble(found.head, found.tokens, line)
    ruin = ruin_of(line)
    if ruin is not None:
        raise ruin
    return None


def read_line(line: str) -> Line | None:
    """A line that begins like an access line, taken apart; None for any other.

    Without the scope `access`, the message alone is not enough: source and destination address must follow.
    """
    try:
        found = rules()["line"].parse_string(line)
    except pp.ParseException:
        return None
    if "scope" not in found and not all(
        re.search(rf"(?:^|[ \t]){re.escape(key)}[ \t]*=", line) for key in (SOURCE_KEY, DESTINATION_KEY)
    ):
        return None
    named: dict[str, Any] = found.as_dict()
    level: str | None = named.get("level")
    time_at = len(line) - len(line.lstrip(" \t"))
    head = Head(named.get("time"), level.lower() if level and level.isascii() else None, named["message"], time_at)
    return Line(head, *_sorted_out(found["fields"]))


def read_headless(line: str) -> Line | None:
    """A line that lost everything before its fields, but has every field its message always carries."""
    try:
        found = rules()["headless_line"].parse_string(line)
    except pp.ParseException:
        return None
    tokens, broken = _sorted_out(found["fields"])
    if broken is not None or message_of({token.key for token in tokens}) is None:
        return None
    return Line(Head(None, None, None), tokens, None)


def _sorted_out(found: Any) -> tuple[list[Token], Broken | None]:
    tokens = [item for item in found if isinstance(item, Token)]
    return tokens, next((item for item in found if isinstance(item, Broken)), None)
