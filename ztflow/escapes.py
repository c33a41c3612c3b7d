r"""Rust Debug strings, and text made safe to show. Nowhere else knows either.

ztunnel prints a text value with Rust's `{:?}`: double quotes around it, `\"` and `\\`, `\n \r \t \0`, and `\u{h…}`
(lower-case hex, no padding) for every other character Rust regards as not printable or as extending a grapheme. A
single quote is not escaped. Checked against rustc 1.95; which code points are printable follows Unicode, so a
character assigned after this Python's Unicode version may differ.
"""

from __future__ import annotations

import re
import unicodedata

_DECODE = {'"': '"', "\\": "\\", "n": "\n", "r": "\r", "t": "\t", "0": "\0"}
_ENCODE = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t", "\0": "\\0"}

_ESCAPE = re.compile(r"\\(?:u\{(0|[1-9a-f][0-9a-f]{0,5})\}|(.?))", re.DOTALL)
_PLAIN = re.compile(r"[ !#-\[\]-~]*")
"""Text Rust prints as it is, as far as ASCII goes."""

_GRAPHEME_EXTEND = frozenset(
    [0x9BE, 0x9D7, 0xB3E, 0xB57, 0xBBE, 0xBD7, 0xCC2, 0xCD5, 0xCD6, 0xD3E, 0xD57, 0xDCF, 0xDDF, 0x1B35, 0x200C]
    + [0x302E, 0x302F, 0xFF9E, 0xFF9F, 0x1133E, 0x11357, 0x114B0, 0x114BD, 0x115AF, 0x11930, 0x1D165]
    + list(range(0x1D16E, 0x1D173))
)
"""Unicode's Other_Grapheme_Extend (15.0) as far as the general category does not already say so."""

_UNSAFE_TO_SHOW = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})


class BadEscapeError(ValueError):
    """A backslash sequence Rust never writes.

    Attributes:
        offset: Where it stands in the text, from 0.
    """

    def __init__(self, sequence: str, offset: int) -> None:
        super().__init__(sequence, offset)
        self.sequence = sequence
        self.offset = offset

    def __str__(self) -> str:
        return f"{self.sequence} is not an escape Rust writes"


def decode(body: str) -> str:
    r"""The text of a quoted value, given what stands between its quotes.

    Raises:
        BadEscapeError: A sequence Rust never writes, such as `\x41`, `\'` or a code point that does not exist.

    Examples:
        >>> decode(r'say \"hi\"\u{301}') == 'say "hi"' + chr(0x301)
        True
    """
    if "\\" not in body:
        return body

    def one(match: re.Match[str]) -> str:
        code, simple = match.groups()
        if code is not None:
            point = int(code, 16)
            if point <= 0x10FFFF and not 0xD800 <= point <= 0xDFFF:
                return chr(point)
        elif simple in _DECODE:
            return _DECODE[simple]
        raise BadEscapeError(match[0], match.start())

    return _ESCAPE.sub(one, body)


def encode(text: str) -> str:
    """What Rust writes between the quotes for this text; the inverse of `decode`."""
    if _PLAIN.fullmatch(text):
        return text
    return "".join(_encode_one(char) for char in text)


def quote(text: str) -> str:
    """The text as a Rust Debug string, quotes included."""
    return f'"{encode(text)}"'


def _encode_one(char: str) -> str:
    known = _ENCODE.get(char)
    if known is not None:
        return known
    point = ord(char)
    if char.isprintable() and point not in _GRAPHEME_EXTEND and unicodedata.category(char) not in {"Mn", "Me"}:
        return char
    return f"\\u{{{point:x}}}"


def visible(text: str) -> str:
    r"""Log text made safe for a terminal or a one-line message: every control, format and bidi character escaped.

    Printable text of any script stays as it is. A tab becomes `\t`, an escape character `\u{1b}`, so nothing in a log
    can move the cursor, colour the screen or reorder what is read.
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(
        _ENCODE.get(char, f"\\u{{{ord(char):x}}}") if unicodedata.category(char) in _UNSAFE_TO_SHOW else char
        for char in text
    )


def visible_width(text: str) -> int:
    """Columns a terminal gives to text that is already `visible`: wide East Asian characters take two, marks none."""
    if text.isascii():
        return len(text)
    width = 0
    for char in text:
        if unicodedata.category(char) in {"Mn", "Me"}:
            continue
        width += 2 if unicodedata.east_asian_width(char) in {"W", "F"} else 1
    return width
