"""Damage that copying does to the text of a line; undone only when the line cannot be read as it is."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator

from ztflow.model.vocabulary import LogLevel, Message

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
    """Old kubelets stamped each part of a line that the runtime had cut; the stamps are in the middle then."""
    return _KUBELET_TIME.sub("", text)
