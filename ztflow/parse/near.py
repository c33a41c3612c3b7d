"""Words that a damaged byte or a hasty hand left almost right: level, scope and message of an access line, and keys.

Only where the fields themselves show an access line is a word compared; then a line whose `access` reads `acess` is
read and counted as repaired, or refused, but never taken for a line of another scope. Keys one edit from a known one
are only told: a later ztunnel may have a key of that name.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from functools import lru_cache
from typing import Any, Final

from ztflow.model.schema import ACCESS_SCOPE, FIELD_BY_KEY, LOG_LEVELS, MESSAGE_TEXT, REQUIRED_KEYS
from ztflow.model.vocabulary import Message
from ztflow.parse.names import KNOWN_KEYS
from ztflow.text.patterns import lazy_pattern

_MOST_EDITS: Final = 3
"""Edits in the words before the fields, 22 letters and more: fewer than make any other words of ztunnel of them."""
_WIDEST_HEAD: Final = 120
_MARKS: Final = REQUIRED_KEYS[Message.FAILED][:3]
"""Keys every access line has."""

_FIRST_KEY = lazy_pattern(rf"[ \t](?:{KNOWN_KEYS})[ \t]*+=")
_KEYS = lazy_pattern(rf"[ \t]({KNOWN_KEYS})[ \t]*+=")
_TIME = lazy_pattern(r"[ \t]*+(?:[-:.+0-9TZ]{9,35}+(?=[ \t]))?+[ \t]*+")
_HEADS: Final = {
    f"{level}{ACCESS_SCOPE}{text.replace(' ', '')}": "\t".join(filter(None, (level, ACCESS_SCOPE, text)))
    for level in (*LOG_LEVELS, "")
    for text in MESSAGE_TEXT.values()
}
"""The words before the fields with nothing between, and as they should be."""


def one_edit(one: str, other: str) -> bool:
    """Whether two words differ by one letter: changed, lost, added, or two neighbours exchanged.

    Examples:
        >>> [one_edit(word, "access") for word in ("acess", "accses", "access", "success")]
        [True, True, False, False]
    """
    if one == other or abs(len(one) - len(other)) > 1:
        return False
    start = next((at for at, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))
    one, other = one[start:], other[start:]
    return one[1:] == other[1:] or one[1:] == other or one == other[1:] or (
        one[:2] == other[1::-1] and one[2:] == other[2:]
    )  # fmt: skip


def edits(one: str, other: str) -> int:
    """Edits between two words, two neighbours exchanged being one (optimal string alignment). Cost: a*b letters."""
    before: list[int] = []
    last = list(range(len(other) + 1))
    for at, a in enumerate(one, 1):
        line = [at]
        for place, b in enumerate(other, 1):
            best = min(last[place] + 1, line[-1] + 1, last[place - 1] + (a != b))
            if at > 1 and place > 1 and a == other[place - 2] and one[at - 2] == b:
                best = min(best, before[place - 2] + 1)
            line.append(best)
        before, last = last, line
    return last[-1]


@lru_cache(maxsize=1024)
def _nearest_head(words: str) -> str | None:
    """The right words before the fields for these, which have nothing between them; None when they are far from all."""
    if words in _HEADS:
        return _HEADS[words]
    near = [head for head in _HEADS if abs(len(head) - len(words)) <= _MOST_EDITS]
    ranked = sorted((edits(words, head), head) for head in near)
    return _HEADS[ranked[0][1]] if ranked and ranked[0][0] <= _MOST_EDITS else None


def corrected(text: str) -> str | None:
    """A plain line with the words before its fields put right; None when they are right, or it is no access line."""
    first = _FIRST_KEY.search(text, 0, 4 * _WIDEST_HEAD)
    if first is None or first.start() > _WIDEST_HEAD or sum(mark in text for mark in _MARKS) < len(_MARKS) - 1:
        return None
    if len(set(_KEYS.findall(text, first.start()))) < len(_MARKS):
        return None
    time = _TIME.match(text)
    assert time is not None
    words = text[time.end() : first.start()].strip(" \t:")
    if "..." in words or "\u2026" in words:  # abridged, not damaged
        return None
    head = _nearest_head("".join(words.split()).casefold())
    if head is None or words.split() == head.split():
        return None
    return f"{text[: time.end()]}{head}\t{text[first.start() + 1 :]}"


def near_keys(keys: Iterable[str]) -> list[tuple[str, str]]:
    """Of some keys those one edit from a known one, each with that one. A store's own (`_`, `@`) never count."""
    return [
        (key, known)
        for key in keys
        if key[:1] not in "_@" and (known := _nearest_key(key)) is not None
    ]  # fmt: skip


@lru_cache(maxsize=4096)
def _nearest_key(key: str) -> str | None:
    if key in FIELD_BY_KEY:
        return None
    return next((known for known in FIELD_BY_KEY if one_edit(key, known)), None)


# ---- decoded JSON ---------------------------------------------------------------------------------------------------

_HEAD_KEYS: Final = {
    "scope": ("scope", "target"), "message": ("message",), "level": ("level",), "time": ("time", "timestamp"),
}  # fmt: skip
_OWN_TIME = lazy_pattern(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{1,6}Z")


def mended_fields(fields: dict[str, Any]) -> dict[str, Any]:
    """A decoded access line whose scope, message, level or time is damaged, put right; anything else as it is.

    The fields must show it: both addresses and the direction. Damage is a key or a word some edits from the right
    one; a scope or a message that is gone is what the fields say. A time is taken from a damaged key only where it is
    one as ztunnel writes it.

    Returns:
        `fields` itself when nothing is to be put right.
    """
    is_sound = fields.get("scope") == ACCESS_SCOPE and fields.get("level") in LOG_LEVELS and "time" in fields
    if is_sound and fields.get("message") in MESSAGE_TEXT.values():
        return fields
    if not all(_has(fields, key) for key in _MARKS):
        return fields
    found = {part: _found(fields, part) for part in _HEAD_KEYS}
    scope, message = found["scope"], found["message"]
    said = _message(fields, message)
    if (scope is None and message is None) or said is None or (scope is not None and not _is_access(fields[scope])):
        return fields
    mended = dict(fields)
    for part, key in found.items():
        known = {"scope": ACCESS_SCOPE, "message": said}.get(part)
        value = known if known is not None or key is None else _level(fields[key]) if part == "level" else fields[key]
        names = _HEAD_KEYS[part]
        if value is None or (part == "time" and key not in names and not _OWN_TIME.fullmatch(value)):
            continue
        if key is not None:
            del mended[key]
        mended[key if key is not None and key in names else names[0]] = value
    return fields if mended == fields else mended


def _has(fields: Mapping[str, Any], key: str) -> bool:
    """Whether an object has a key of the log, as it is, rewritten with `_`, or nested."""
    outer, _, inner = key.partition(".")
    nested = fields.get(outer)
    return key in fields or key.replace(".", "_") in fields or (isinstance(nested, dict) and inner in nested)


def _found(fields: Mapping[str, Any], what: str) -> str | None:
    """The key that holds a part of the head: the right one, or the only one that is one edit from it."""
    names = _HEAD_KEYS[what]
    right = next((name for name in names if fields.get(name) is not None), None)
    if right is not None:
        return right
    near = [
        key
        for key, value in fields.items()
        if isinstance(value, str) and key[:1] not in "_@" and any(one_edit(key.casefold(), name) for name in names)
    ]
    return near[0] if len(near) == 1 else None


def _is_access(value: Any) -> bool:
    return isinstance(value, str) and edits(value.casefold()[:20], ACCESS_SCOPE) <= 2


def _message(fields: Mapping[str, Any], key: str | None) -> str | None:
    """The message that a text is near to, or that the fields tell."""
    if key is None:
        return next(
            (
                MESSAGE_TEXT[what]
                for what in (Message.COMPLETE, Message.FAILED)
                if _has_all(fields, REQUIRED_KEYS[what])
            ),
            None,
        )
    value = fields[key]
    if not isinstance(value, str):
        return None
    if value in MESSAGE_TEXT.values():
        return value
    text = " ".join(value.casefold().split())[:40]
    best = min(MESSAGE_TEXT.values(), key=lambda right: edits(text, right))
    return best if edits(text, best) <= _MOST_EDITS else None


def _has_all(fields: Mapping[str, Any], keys: Collection[str]) -> bool:
    return all(_has(fields, key) for key in keys)


def _level(value: Any) -> Any:
    """A level word put right when one edit makes it one; anything else as it is."""
    if not isinstance(value, str):
        return value
    word = value.casefold()
    return next((level for level in LOG_LEVELS if one_edit(word, level)), value)
