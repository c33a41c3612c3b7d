"""The exception tree, and the closed list of reasons a line can be refused for.

`InputError` is the data's fault, `UsageError` the caller's. For any bytes whatever, only `InputError` leaves the
parser. Attributes carry the facts; `str(error)` is one line that says what, where, and what to try.
"""

from __future__ import annotations

from enum import StrEnum


class Reason(StrEnum):
    """Why an access line could not be read; every `problem` has exactly one."""

    CUT_SHORT = "cut short"
    """The line ends before its last mandatory field, or inside a quoted value or number."""
    MISSING_FIELD = "missing field"
    """A field that this kind of line always has is missing."""
    REPEATED_FIELD = "repeated field"
    """A key appears twice. ztunnel never writes that, so two lines may have been run together."""
    BAD_VALUE = "bad value"
    """A value has the wrong type for its field, or cannot be one of it: a name with a blank in it."""
    BAD_ESCAPE = "bad escape"
    """A quoted value contains a backslash sequence that Rust never writes."""
    BAD_SYNTAX = "bad syntax"
    """Something else where a `key=value` pair should begin."""
    BAD_TIME = "bad time"
    """The time column does not contain a valid time of the years 1970 to 2261."""
    BAD_JSON = "bad json"
    """A JSON line that cannot be decoded, or a field with the wrong JSON type."""
    TOO_LONG = "too long"
    """The line is longer than the limit."""
    TOO_DEEP = "too deep"
    """Wrappers are nested deeper than the limit."""
    UNDECODABLE = "undecodable"
    """Bytes that are not text in any encoding ztflow knows."""


class ZtflowError(Exception):
    """Base of everything ztflow raises on purpose."""


class InputError(ZtflowError, ValueError):
    """The input is at fault: a line, a file, an inventory."""


class UsageError(ZtflowError, ValueError):
    """The caller is at fault: an argument that cannot mean anything."""


class ParseError(InputError):
    """An access line that could not be read.

    Attributes:
        reason: One of `Reason`.
        detail: What exactly is wrong, in a few words.
        line: The text that was parsed (after unwrapping).
        column: Where it went wrong, counted from 1 in `line`; None when no place can be named.
        hint: What to try; may be empty.
    """

    def __init__(
        self, reason: Reason, detail: str, *, line: str = "", column: int | None = None, hint: str = ""
    ) -> None:
        super().__init__(reason, detail, line, column, hint)
        self.reason = reason
        self.detail = detail
        self.line = line
        self.column = column
        self.hint = hint

    def __reduce__(self) -> tuple[object, ...]:
        return (_rebuild_parse_error, (self.reason, self.detail, self.line, self.column, self.hint))

    def __str__(self) -> str:
        where = "" if self.column is None else f" at column {self.column}"
        hint = f"; {self.hint}" if self.hint else ""
        return f"{self.reason.value}{where}: {self.detail}{hint}"


def _rebuild_parse_error(reason: Reason, detail: str, line: str, column: int | None, hint: str) -> ParseError:
    return ParseError(reason, detail, line=line, column=column, hint=hint)


class SourceError(InputError):
    """An input that could not be opened or read: missing, a permission, a broken archive.

    Attributes:
        source: The input as the user named it.
    """

    def __init__(self, source: str, detail: str, *, hint: str = "") -> None:
        super().__init__(source, detail, hint)
        self.source = source
        self.detail = detail
        self.hint = hint

    def __str__(self) -> str:
        hint = f"; {self.hint}" if self.hint else ""
        return f"{self.source}: {self.detail}{hint}"


class InventoryError(SourceError):
    """An inventory file in which nothing could be recognised."""


class OutputError(ZtflowError, OSError):
    """Something could not be written: the output, or a temporary file.

    Attributes:
        name: What could not be written, as the user knows it.
        detail: Why.
        hint: What to try; may be empty.
    """

    def __init__(self, name: str, detail: str, hint: str = "") -> None:
        super().__init__(f"cannot write {name}: {detail}{'; ' if hint else ''}{hint}")
        self.name = name
        self.detail = detail
        self.hint = hint

    def __reduce__(self) -> tuple[object, ...]:
        return (OutputError, (self.name, self.detail, self.hint))


class CompilerError(ZtflowError, RuntimeError):
    """Compiled code cannot be made or loaded on this machine; everything works without it, only slower."""


class SlowPathWarning(UserWarning):
    """Something takes much longer than it has to: compiled code was wanted and is not used. Says why, and the price."""


class RenamedColumnWarning(UserWarning):
    """A filter names a column that held something else in earlier builds, and finds nothing by what it holds now."""
