"""The word somebody meant who wrote another: the one home of "did you mean"."""

from __future__ import annotations

from collections.abc import Iterable

CLOSE = 0.6
"""How alike two words are, as difflib counts, for one to be meant by the other."""


def nearest(word: str, words: Iterable[str], cutoff: float = CLOSE) -> str | None:
    """The one of the words that is spelled much like this one, or the only one that begins so.

    Args:
        word: What was written; capitals do not count.
        words: What could have been.
        cutoff: How alike the two have to be, 0 to 1.
    """
    from difflib import get_close_matches

    known = {one.lower(): one for one in words}
    asked = word.lower()
    found = get_close_matches(asked, known, 1, cutoff)
    if not found and len(asked) > 1:
        found = [one for one in known if one.startswith(asked)]
    return known[found[0]] if len(found) == 1 else None
