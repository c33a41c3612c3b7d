"""Terminal control sequences: real ones, and what is left of them after a copy."""

from __future__ import annotations

import re

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
