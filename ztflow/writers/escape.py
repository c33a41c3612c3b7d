"""Log text made safe for JSON lines on a terminal and for spreadsheets; for people, `escapes.visible` does it."""

from __future__ import annotations

from ztflow.escapes import visible

FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")
"""First characters that make a spreadsheet run a cell (OWASP, "CSV injection")."""


def json_printable(encoded: str) -> str:
    r"""A JSON text with every unprintable character written as `\uXXXX`, which any JSON reader turns back."""
    if encoded.isprintable():
        return encoded
    return "".join(char if char.isprintable() else _json_escape(char) for char in encoded)


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
