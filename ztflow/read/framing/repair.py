"""Damage that copying does to the text of a line; undone only when the line cannot be read as it is."""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Iterator

from ztflow.errors import ParseError
from ztflow.model.provenance import NOBODY, LogLine, Row
from ztflow.model.vocabulary import LogLevel, Message
from ztflow.parse import Outcome, outcome
from ztflow.parse.names import KNOWN_KEYS
from ztflow.parse.near import corrected, near_keys
from ztflow.read.framing.margins import margin_of, without_border
from ztflow.read.framing.multiline import WrappedRecord
from ztflow.read.limits import JOIN_CHARS, JOIN_LINES
from ztflow.text.patterns import lazy_pattern

_TYPOGRAPHY = str.maketrans({
    "\u201c": '"', "\u201d": '"', "\u201e": '"', "\u201f": '"', "\u00ab": '"', "\u00bb": '"', "\uff02": '"',
    "\u2018": "'", "\u2019": "'",
    "\u00a0": " ", "\u2007": " ", "\u202f": " ", "\u2009": " ", "\u3000": " ",
    "\u2013": "-", "\u2014": "-", "\u2011": "-", "\u2010": "-", "\u2212": "-",
    "\u200b": None, "\u200c": None, "\u200d": None, "\u2060": None, "\ufeff": None, "\u00ad": None,
})  # fmt: skip
"""What word processors, wikis and chats make of quotes, blanks and hyphens."""

_MARKDOWN = lazy_pattern(r"\\([_*\[\]`<>#.=-])")
_CELL = lazy_pattern(r'((?:[^"]|"")*)"(?:,|$)')
_BARE_TIME = lazy_pattern(rf"^\s*\d\d:\d\d:\d\d\.\d{{6}}Z\s+(?=(?:{'|'.join(LogLevel)})\b)")
_RFC3339 = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:\d\d)"
_KUBELET_TIME = lazy_pattern(
    rf"(?<=.){_RFC3339} (?![ \t]*(?i:{'|'.join(LogLevel)})\b)(?:std(?:out|err) [FP] )?|(?<=.)std(?:out|err) [FP] ",
    re.DOTALL,
)
_LAST_CHARS = 100
_CLOCK = r"\d\d:\d\d:\d\d(?:[.,]\d{1,9})?"
_VIEWERS_TIMES = (
    _RFC3339,
    rf"\d{{4}}-\d\d-\d\d {_CLOCK}(?: ?(?:Z|UTC|[+-]\d\d:?\d\d))?",
    rf"[A-Z][a-z]{{2}} \d{{1,2}}, \d{{4}} @ {_CLOCK}",
    rf"\d\d/[A-Z][a-z]{{2}}/\d{{4}}:{_CLOCK} [+-]\d{{4}}",
    r"\d{10}(?:\.\d{1,9}|\d{3}|\d{6}|\d{9})?",
)
_TIME_AT_END = lazy_pattern(
    rf"""(?<=[\w"')\].])(?:[\s,;|]+["'])?[\s,;|]*[\[(<]?(?:{"|".join(_VIEWERS_TIMES)})[\])"'>]?\s*\Z"""
)
"""A time that a viewer put behind the line: RFC 3339, with a blank for the `T`, Kibana's, a web server's, Unix time."""

_TOUCHING = lazy_pattern(rf'(?<=\S)(?<!=")(?=(?:{KNOWN_KEYS})=)')
_SOME_KEY = lazy_pattern(r"(?<=[ \t])([A-Za-z_][\w.]*)(?=[ \t]*=)")
_SPELLED_TAB = lazy_pattern(r"\\t|\\u0009")
_MARKS = lazy_pattern(r"^(?:\s*(?:[>#|*`$+<;%!-]+|//+|[│┃║▏▌┆┊╎]|\d+[.:|]?)\s+)+(?=\S)")
_ENDED = f"{Message.COMPLETE}|{Message.FAILED}"
_HALLMARK = lazy_pattern(rf"connection\s+(?:{_ENDED})\b.*(?:src|dst)\.addr", re.DOTALL)
_ESCAPED = lazy_pattern(rf"connection (?:{_ENDED})\\+(?:t|u0009)(?:src|dst)\.addr=")


def is_access_like(text: str) -> bool:
    """Whether a text that was not recognised still shows the marks of an access line."""
    return "connection" in text and _HALLMARK.search(text) is not None


def is_escaped_access(text: str) -> bool:
    """Whether a text holds an access line the way a JSON string does: the object around it is broken."""
    return "\\" in text and _ESCAPED.search(text) is not None


_REPAIRS: tuple[Callable[[str], str], ...]


def read_mended(line: LogLine) -> tuple[Row, LogLine] | None:
    """The row of a line if it is an access line that can be read, as it is or mended, and the line so read."""
    try:
        what, row = outcome(line)
        if what is Outcome.ACCESS:
            assert row is not None
            return row, line
        if line.fields is not None or not is_access_like(line.text):
            return None
    except ParseError:
        if line.fields is not None:
            return None
    for text in mended(line.text):
        better = line._replace(text=text, repaired=True)
        try:
            what, row = outcome(better)
        except ParseError:
            continue
        if what is Outcome.ACCESS and row is not None:
            return row, better
    return None


def mended(text: str) -> Iterator[str]:
    """Readings of a damaged text, each one repair further than the last; only such as change something."""
    for reading in (text, *_unfolded(text)):
        if reading is not text:
            yield reading
        for repair in _REPAIRS:
            better = repair(reading)
            if better != reading:
                reading = better  # noqa: PLW2901  each repair goes on from the last
                yield reading


def _unfolded(text: str) -> list[str]:
    """A record with line ends inside, as one line: a fold that came inside a JSON string."""
    first, *rest = text.strip("\r\n").splitlines() or [""]
    if not rest or len(rest) >= JOIN_LINES or len(text) > JOIN_CHARS:
        return []
    margin = margin_of(first)
    record = WrappedRecord(NOBODY)
    for number, line in enumerate((first, *rest)):
        inside = line if margin is None else margin.off(line)
        record.add(inside, len(inside), number)
    return record.candidates(None)


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
    """Quote marks, list bullets, comment signs, line numbers, code fences before the line; a frame around it."""
    return without_border(_MARKS.sub("", text)).rstrip("`")


def _dateless(text: str) -> str:
    """A time that lost its date is no time; it is left out rather than guessed."""
    return _BARE_TIME.sub("", text)


def _stamped(text: str) -> str:
    """Old kubelets stamped each part of a line that the runtime had cut; the stamps are in the middle then."""
    return _KUBELET_TIME.sub("", text)


def _timed_at_end(text: str) -> str:
    """A viewer's own time behind the line."""
    end = text[-_LAST_CHARS:]
    return text[: -len(end)] + _TIME_AT_END.sub("", end)


def _touching(text: str) -> str:
    """Two fields between which the blank was lost: at the end of a trimmed part, or in copying."""
    return _TOUCHING.sub(" ", text)


def _words(text: str) -> str:
    """Level, scope and message, some letters from right."""
    return corrected(text) or text


def _keys(text: str) -> str:
    """Keys one letter from right, where the right one is missing."""
    keys = dict.fromkeys(_SOME_KEY.findall(text))
    right = {key: known for key, known in near_keys(keys) if known not in keys}
    return _SOME_KEY.sub(lambda found: right.get(found[1], found[1]), text) if right else text


_REPAIRS = (
    _typography, _entities, _markdown, _doubled_quotes, _escaped, _marks, _dateless, _stamped, _timed_at_end, _touching,
    _words, _keys,
)  # fmt: skip
