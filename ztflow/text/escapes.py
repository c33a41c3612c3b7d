r"""Text of a log made safe to show: Rust Debug strings, terminal sequences, JSON lines, spreadsheets.

ztunnel prints a text value with Rust's `{:?}`: double quotes around it, `\"` and `\\`, `\n \r \t \0`, and `\u{h…}`
(lower-case hex, no padding) for every other character Rust regards as not printable or as extending a grapheme. A
single quote is not escaped. Checked against rustc 1.95; which code points are printable follows Unicode, so a
character assigned after this Python's Unicode version may differ.
"""

from __future__ import annotations

import re
import unicodedata

from ztflow.text.patterns import lazy_pattern

_DECODE = {'"': '"', "\\": "\\", "n": "\n", "r": "\r", "t": "\t", "0": "\0"}
_ENCODE = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t", "\0": "\\0"}

_ESCAPE = lazy_pattern(r"\\(?:u\{(0|[1-9a-f][0-9a-f]{0,5})\}|(.?))", re.DOTALL)
_PLAIN = lazy_pattern(r"[ !#-\[\]-~]*")
"""Text Rust prints as it is, as far as ASCII goes."""

_GRAPHEME_EXTEND = frozenset(
    "\u09be\u09d7\u0b3e\u0b57\u0bbe\u0bd7\u0cc2\u0cd5\u0cd6\u0d3e\u0d57\u0dcf\u0ddf\u1b35\u200c\u302e\u302f"
    "\uff9e\uff9f\U0001133e\U00011357\U000114b0\U000114bd\U000115af\U00011930\U0001d165"
    "\U0001d16e\U0001d16f\U0001d170\U0001d171\U0001d172"
)
"""Unicode's Other_Grapheme_Extend (15.0) as far as the general category does not already say so."""


class BadEscapeError(ValueError):
    """A backslash sequence Rust never writes.

    Attributes:
        offset: Where it is in the text, from 0.
    """

    def __init__(self, sequence: str, offset: int) -> None:
        super().__init__(sequence, offset)
        self.sequence = sequence
        self.offset = offset

    def __str__(self) -> str:
        return f"{visible(self.sequence)} is not an escape Rust writes"


def decode(body: str) -> str:
    r"""The text of a quoted value, given what is between its quotes.

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
    if char.isprintable() and char not in _GRAPHEME_EXTEND and unicodedata.category(char) not in {"Mn", "Me"}:
        return char
    return f"\\u{{{ord(char):x}}}"


def visible(text: str) -> str:
    r"""Log text made safe for a terminal or a one-line message: everything not printable as its Rust escape.

    Printable text of any script stays as it is. A tab becomes `\t`, an escape character `\u{1b}`, so nothing in a log
    can move the cursor, colour the screen or reorder what is read.
    """
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else _ENCODE.get(char, f"\\u{{{ord(char):x}}}") for char in text)


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


def first_cells(text: str, width: int) -> str:
    """The beginning of a `visible` text, exactly so wide: a blank where a wide character does not fit.

    Args:
        text: As wide as `width` at least.
        width: Columns of a terminal.
    """
    if text.isascii():
        return text[:width]
    taken = 0
    for place, char in enumerate(text):
        size = visible_width(char)
        if taken + size > width:
            return text[:place] + " " * (width - taken)
        taken += size
    return text


_SEQUENCE = lazy_pattern(
    r"\x1b(?:\[[0-?]*[ -/]*[@-~]"  # CSI, of which SGR (colour) is `ESC [ … m`
    r"|\][^\x07\x1b]{0,512}(?:\x07|\x1b\\)"  # OSC: titles and links
    r"|[@-Z\\-_])"  # two-character escapes
)
_SPELLED = lazy_pattern(r"(?:\^\[|#x1B|\\u001b|\\x1b|\\033|\\e)\[[0-9;]*m", re.IGNORECASE)
"""An escape printed by name: `cat -v`, XML, JSON."""

_RESIDUE = lazy_pattern(r"\[(?:\d{1,3}(?:;\d{1,3})*)?m(?![\w\]])|\[(?:\d{1,3}(?:;\d{1,3})*)m(?=[A-Za-z0-9])")
"""`[92m` whose ESC was lost. Never `[::]:15008` or `[pod/…]`: only digits and semicolons, closed by `m`."""


def strip_sequences(text: str) -> str:
    """`text` without terminal control sequences; for text that contains ESC."""
    return _SEQUENCE.sub("", text)


_LIKE = lazy_pattern(r"\[[0-9;]*m")


def may_have_residue(text: str) -> bool:
    """Whether `strip_residue` could find something; a quick look."""
    return "[" in text and _LIKE.search(text) is not None


def strip_residue(text: str) -> tuple[str, bool]:
    """`text` without spelled or half-lost colour sequences, and whether there were any.

    A lone `[92m` may be log text; only pairs (an opening and a reset) at the edges of words are taken away.
    """
    if not may_have_residue(text):
        return text, False
    clean = _SPELLED.sub("", text)
    if "[0" in clean and len(_RESIDUE.findall(clean)) >= 2:
        clean = _RESIDUE.sub("", clean)
    return clean, clean != text


FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")
"""First characters that make a spreadsheet run a cell (OWASP, "CSV injection")."""


def json_printable(encoded: str) -> str:
    r"""A JSON text with every unprintable character written as `\uXXXX`, which any JSON reader turns back.

    Line feeds stay: JSON has none inside its strings, only between its lines where it is indented.
    """
    if encoded.isprintable():
        return encoded
    return "".join(char if char.isprintable() or char == "\n" else _json_escape(char) for char in encoded)


def _json_escape(char: str) -> str:
    code = ord(char)
    if code < 0x10000:
        return f"\\u{code:04x}"
    code -= 0x10000
    return f"\\u{0xD800 + (code >> 10):04x}\\u{0xDC00 + (code & 0x3FF):04x}"


def csv_cell(text: str) -> str:
    r"""One text as a CSV cell: controls escaped, formulas disarmed by a leading `'`, quoted as RFC 4180 says."""
    shown = visible(text)
    if text.startswith(FORMULA_STARTS):
        shown = "'" + shown
    if any(char in shown for char in ',"'):
        return '"' + shown.replace('"', '""') + '"'
    return shown
