"""Damage to a line's text that copying or a terminal does; undone only when the line cannot be read as it is."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator

from ztflow.model.vocabulary import LogLevel, Message

_REAL = re.compile(
    r"\x1b(?:\[[0-?]*[ -/]*[@-~]"  # CSI, of which SGR (colour) is `ESC [ … m`
    r"|\][^\x07\x1b]{0,512}(?:\x07|\x1b\\)"  # OSC: titles and links
    r"|[@-Z\\-_])"  # two-character escapes
)
_SPELLED = re.compile(r"(?:\^\[|#x1B|\\u001b|\\x1b|\\033|\\e)\[[0-9;]*m", re.IGNORECASE)
"""An escape somebody printed by name: `cat -v`, XML, JSON."""

_RESIDUE = re.compile(r"\[(?:\d{1,3}(?:;\d{1,3})*)?m(?![\w\]])|\[(?:\d{1,3}(?:;\d{1,3})*)m(?=[A-Za-z0-9])")
"""`[92m` whose ESC was lost. Never `[::]:15008` or `[pod/…]`: only digits and semicolons, closed by `m`."""


def strip_sequences(text: str) -> str:
    """`text` without terminal control sequences; for text that contains ESC."""
    return _REAL.sub("", text)


_LIKE = re.compile(r"\[[0-9;]*m")


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


_TYPOGRAPHY = str.maketrans({
    "\u201c": '"', "\u201d": '"', "\u201e": '"', "\u201f": '"', "\u00ab": '"', "\u00bb": '"', "\uff02": '"',
    "\u2018": "'", "\u2019": "'",
    "\u00a0": " ", "\u2007": " ", "\u202f": " ", "\u2009": " ", "\u3000": " ",
    "\u2013": "-", "\u2014": "-", "\u2011": "-", "\u2010": "-", "\u2212": "-",
    "\u200b": None, "\u200c": None, "\u200d": None, "\u2060": None, "\ufeff": None, "\u00ad": None,
})  # fmt: skip
"""What word processors, wikis and chats make of quotes, blanks and hyphens."""

_MARKDOWN = re.compile(r"\\([_*\[\]`<>#.=-])")
_CELL = re.compile(r'((?:[^"]|"")*)"(?:,|$)')
_BARE_TIME = re.compile(rf"^\s*\d\d:\d\d:\d\d\.\d{{6}}Z\s+(?=(?:{'|'.join(LogLevel)})\b)")
_KUBELET_TIME = re.compile(r"(?<=.)\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}(?:Z|[+-]\d\d:\d\d) ", re.DOTALL)
_SPELLED_TAB = re.compile(r"\\t|\\u0009")
_MARKS = re.compile(r"^(?:\s*(?:[>#|*`$-]+|\d+[.:|]?)\s+)+(?=\S)")
_ENDED = f"{Message.COMPLETE}|{Message.FAILED}"
_HALLMARK = re.compile(rf"connection\s+(?:{_ENDED})\b.*(?:src|dst)\.addr", re.DOTALL)
_ESCAPED = re.compile(rf"connection (?:{_ENDED})\\+(?:t|u0009)(?:src|dst)\.addr=")


def is_access_like(text: str) -> bool:
    """Whether a text that was not recognised still shows the marks of an access line."""
    return "connection" in text and _HALLMARK.search(text) is not None


def is_escaped_access(text: str) -> bool:
    """Whether a text holds an access line the way a JSON string does: the object around it is broken."""
    return "\\" in text and _ESCAPED.search(text) is not None


def mended(text: str) -> Iterator[str]:
    """Readings of a damaged text, each one repair further than the last; only such as change something."""
    for repair in (_typography, _entities, _markdown, _doubled_quotes, _escaped, _marks, _dateless, _stamped):
        better = repair(text)
        if better != text:
            text = better
            yield text


def _typography(text: str) -> str:
    return text if text.isascii() else text.translate(_TYPOGRAPHY)


def _entities(text: str) -> str:
    return html.unescape(text) if "&" in text else text


def _markdown(text: str) -> str:
    return _MARKDOWN.sub(r"\1", text) if "\\" in text else text


def _doubled_quotes(text: str) -> str:
    """CSV's doubled quotes, and the cell's own closing quote with what follows it."""
    if '=""' not in text:
        return text
    cell = _CELL.match(text)
    return (cell[1] if cell else text).replace('""', '"')


def _escaped(text: str) -> str:
    """The inside of a JSON string whose outer quotes were lost."""
    if '=\\"' not in text:
        return text
    return _SPELLED_TAB.sub("\t", text).replace('\\"', '"').replace("\\\\", "\\")


def _marks(text: str) -> str:
    """Quote marks, list bullets, comment signs, line numbers, code fences before the line."""
    return _MARKS.sub("", text).rstrip("`")


def _dateless(text: str) -> str:
    """A time that lost its date is no time; it is left out rather than guessed."""
    return _BARE_TIME.sub("", text)


def _stamped(text: str) -> str:
    """Old kubelets stamped each part of a line that the runtime had cut; the stamps stand in the middle then."""
    return _KUBELET_TIME.sub("", text)
