"""What stands behind a line on its physical line: the next line, glued to it, or what a viewer or template put there.

Asked only for a text that cannot be read as it is, or has fields that ztunnel does not write, so that nothing of
ztunnel's is taken for an ending.
"""

from __future__ import annotations

import re

from ztflow.errors import ParseError
from ztflow.model.provenance import NOBODY, LogLine, Origin
from ztflow.parse import scan
from ztflow.parse.values import RELAYED_TIME
from ztflow.read.sources.naming import POD_NAME
from ztflow.read.unwrap.collector import without_attributes
from ztflow.read.unwrap.content import HEAD, RFC3339_TIME, merged
from ztflow.read.unwrap.json_text import objects_within
from ztflow.text.patterns import lazy_pattern

_JSON_HEAD = r'\{"(?:level":"[a-z]+","time|timestamp)":"\d{4}-'
_HEADS = lazy_pattern(
    rf"({HEAD})(?P<access>[\t ]+access[\t ]+connection [a-z]+[\t ]+(?:src|dst)\.addr=)?+|{_JSON_HEAD}"
)
_LAST_FIELD = lazy_pattern(r'[ \t](?:duration|error)="(?:[^"\\]|\\.)*+"')
_QUOTE = lazy_pattern(r'\\.|(")', re.DOTALL)
_STAMP = (
    rf"(?:{RFC3339_TIME}|{RELAYED_TIME}|\d{{4}}-\d\d-\d\d \d\d:\d\d:\d\d(?:[.,]\d{{1,9}})?|\d{{10}}(?:\.\d{{1,9}})?)"
)
_ENDING = lazy_pattern(
    rf"[\s|(\[@]*+{_STAMP}[\s|)\]]*$"
    r"|\s*[\u2500-\u259f\u23d0|].*$"  # a frame, and what is in the next pane
    r"|\s*[(\[<{][^\"]*[)\]>}]\s*$"  # a template's names
    r"|[\s\"'`)\]}>,;\\]++$",  # what closes a quotation
    re.DOTALL,
)
_NAMED = lazy_pattern(r"(?<![\w.-])([a-z0-9][a-z0-9-]*)/$")
_LAST_WORDS = lazy_pattern(r"(?:\[[^\[\]]*+\]|(?:(?<=\s)\S++ ){1,3})[ \t:|]*+\Z")
_LAST_CHARS = 256
_LONGEST = 4096
"""Longest ending and longest gap between two lines in which names are looked for."""


def parted(line: LogLine) -> list[LogLine]:
    """The lines in a text that is not one as it stands; empty when it is not of several, and has no known ending.

    Of names between two lines it is told by the end of the text whom they name: where something stands behind the last
    line, each ending belongs to the line before it.
    """
    bare = without_attributes(line.text)
    if bare is not None:
        return [line._replace(text=bare[0], origin=merged(bare[1], line.origin))]
    texts = _at_heads(line.text)
    if not texts:
        return []
    pieces = [_without_ending(text) for text in texts]
    behind = pieces[-1][1].strip() != ""
    if len(texts) == 1:
        text, ending = pieces[0]
        if not behind or not _is_ending(ending) or not _is_read(text):
            return []
    found: list[LogLine] = []
    for at, (text, ending) in enumerate(pieces):
        names = ending if behind else _before_next(*pieces[at - 1]) if at else ""
        if behind and ending.strip() and not _is_ending(ending):
            text += ending  # noqa: PLW2901 - whatever this is, it is part of the problem
        found.append(line._replace(text=text, origin=merged(_named(names), line.origin), repaired=True))
    return found


def _at_heads(text: str) -> list[str]:
    """The text cut before each time and level of ztunnel that is not inside a value.

    The head of a whole access line is inside none: there a quote was lost, or the end of the line before.
    """
    if (first := _HEADS.match(text)) is None:
        return []
    starts = [0]
    quotes = 0
    at = 0
    for head in _HEADS.finditer(text, first.end()):
        quotes += sum(found[1] is not None for found in _QUOTE.finditer(text, at, head.start()))
        at = head.start()
        if quotes % 2 == 0 or head["access"] is not None:
            starts.append(at)
            quotes = 0
    return [text[start:stop] for start, stop in zip(starts, [*starts[1:], len(text)], strict=True)]


def _without_ending(text: str) -> tuple[str, str]:
    """A line up to its last field or brace, and what is behind that."""
    end = len(text)
    if text.startswith("{"):
        end = next((stop for start, _, stop in objects_within(text) if not start), end)
        return text[:end], text[end:]
    for last in _LAST_FIELD.finditer(text):
        end = last.end()
    return text[:end], text[end:]


def _before_next(text: str, ending: str) -> str:
    """What may name the ztunnel of the line behind this one; behind another line than one of access its last words."""
    if ending or _LAST_FIELD.search(text) is not None:
        return ending
    found = _LAST_WORDS.search(text[-_LAST_CHARS:])
    return "" if found is None else found[0]


def _is_ending(text: str) -> bool:
    """Whether a text behind a line is one of those that viewers and templates put there, not a rest of the line."""
    if _ENDING.match(text) is not None:
        return True
    return "=" not in text and '"' not in text and POD_NAME.search(text[:_LONGEST]) is not None


def _named(ending: str) -> Origin:
    """The one ztunnel pod in an ending, with its namespace where that is before it."""
    found = list(POD_NAME.finditer(ending[:_LONGEST]))
    if len({one[1] for one in found}) != 1:
        return NOBODY
    namespace = _NAMED.search(ending[: found[0].start()])
    return Origin(pod=found[0][1], namespace=None if namespace is None or namespace[1] == "pod" else namespace[1])


def _is_read(text: str) -> bool:
    try:
        return scan(text) is not None
    except ParseError:
        return False
