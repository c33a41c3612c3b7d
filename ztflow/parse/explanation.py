"""Explains how a line was read, or why it could not be: for `ztflow explain` and the library.

Imports pyparsing (about 70 ms), so load it only when it is asked for.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from textwrap import wrap

from ztflow.errors import ParseError
from ztflow.model.denials import denial_of
from ztflow.model.objects import AccessRecord
from ztflow.model.provenance import Fact, LogLine
from ztflow.model.schema import FIELD_BY_KEY
from ztflow.parse import grammar
from ztflow.parse.classify import decoded, outcome, statement_of
from ztflow.parse.facts import fact_of
from ztflow.parse.meaning import in_words
from ztflow.parse.scanner import was_damaged
from ztflow.parse.values import EXPECTED
from ztflow.text.escapes import BadEscapeError, decode, visible, visible_width

PROBLEM = "problem"
_WINDOW = 96
"""Columns of the line shown around a problem; a terminal is rarely narrower."""
_LINE = 100
"""Characters of a line of sentences."""
_WIDEST_KEY = 40
"""Cells that keys are padded to at most; ztunnel's longest have 16."""


@dataclass(frozen=True, slots=True)
class ExplainedField:
    """One `key=value` as it was found.

    Attributes:
        key: As it is written.
        value: Decoded text; the raw text where it does not decode.
        column: Where the key begins, from 1; None when a JSON text does not show it.
        columns: The columns it fills; empty for a key that goes to `extra`.
    """

    key: str
    value: str
    column: int | None
    columns: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Explanation:
    """How a text was read.

    Attributes:
        text: The text, without its line end.
        outcome: `access`, `other`, `not ours` or `problem`.
        record: The record, where there is one (also of a `connection opened` line).
        error: Why it could not be read.
        expected: What the grammar expected at `column`.
        damaged: Whether it was read in spite of damage (blanks for tabs, a lost time …).
        fields: The fields as far as they could be told apart, in their order.
        scope: Scope of another line of ztunnel.
        fact: What such a line says, where ztflow uses it.
    """

    text: str
    outcome: str
    record: AccessRecord | None = None
    error: ParseError | None = None
    expected: str | None = None
    damaged: bool = False
    fields: tuple[ExplainedField, ...] = field(default=())
    scope: str | None = None
    fact: Fact | None = None

    @property
    def column(self) -> int | None:
        """Where it went wrong, from 1."""
        return None if self.error is None else self.error.column

    @property
    def hint(self) -> str:
        """What to try; may be empty."""
        return "" if self.error is None else self.error.hint

    @property
    def caret(self) -> tuple[str, str] | None:
        """The text around the problem, safe to print, and a line with a caret under the place."""
        if self.column is None:
            return None
        at = self.column - 1
        start = max(0, min(at - _WINDOW * 2 // 3, len(self.text) - _WINDOW))
        end = start + _WINDOW
        before = ("…" if start else "") + visible(self.text[start:at])
        after = visible(self.text[at:end]) + ("…" if end < len(self.text) else "")
        return before + after, " " * visible_width(before) + "^"

    def to_text(self) -> str:
        """The explanation as plain text; nothing in it can act on a terminal."""
        return "\n".join([*self._verdict(), *self._words(), *self._fields(), *self._meaning()])

    def in_words(self) -> list[str]:
        """What the line says in sentences, as lines of 100 characters, safe to show; nothing for other lines."""
        return [] if self.record is None else [line for said in in_words(self.record) for line in wrapped(said)]

    def _words(self) -> list[str]:
        said = self.in_words()
        return ["", *(f"  {line}" for line in said)] if said else []

    def _verdict(self) -> list[str]:
        if self.error is not None:
            lines = [f"{self.outcome}: {visible(str(self.error))}"]
            if self.caret is not None:
                lines += [f"  {part}" for part in self.caret]
            if self.expected and self.expected not in str(self.error):
                lines.append(f"  expected {self.expected}")
            return lines
        if self.record is not None:
            note = ", read in spite of damage" if self.damaged else ""
            return [f"{self.outcome}: connection {self.record.message}{note}"]
        if self.scope is not None:
            return [f"{self.outcome}: a line of ztunnel's scope {visible(self.scope)}"]
        return [f"{self.outcome}: no line of ztunnel"]

    def _fields(self) -> list[str]:
        if not self.fields:
            return []
        keys = min(_WIDEST_KEY, max(visible_width(visible(one.key)) for one in self.fields))
        lines = ["", "  column  key" + " " * (keys - 3) + "  value"]
        for one in self.fields:
            place = "" if one.column is None else str(one.column)
            key = visible(one.key)
            pad = " " * (keys - visible_width(key))
            unknown = "" if one.columns else "   (not a key ztflow knows: kept in `extra`)"
            lines.append(f"  {place:>6}  {key}{pad}  {visible(one.value)}{unknown}")
        return lines

    def _meaning(self) -> list[str]:
        lines: list[str] = []
        if self.record is not None and self.record.error_class is not None:
            meant = denial_of(self.record.error_class, self.record.error)
            if meant is not None:
                told = f"{self.record.error_class}: {meant.summary}. {meant.cause} {meant.advice}"
                lines += ["", *(f"  {line}" for line in wrapped(told))]
        if self.fact is not None:
            said = ", ".join(
                f"{name}={visible(str(value))}" for name, value in self.fact.values.items() if value is not None
            )
            lines += ["", f"  {self.fact.kind}: {said}"]
        return lines


def wrapped(text: str) -> list[str]:
    """A sentence as lines, safe to show."""
    return wrap(visible(text), _LINE, break_long_words=False, break_on_hyphens=False)


def explain(text: str) -> Explanation:
    """How ztflow reads one line of ztunnel's own text (wrappers taken off).

    Never raises for what is in the text.
    """
    line = text.rstrip("\r\n")
    whole = LogLine(line, 1)
    try:
        found, row = outcome(whole)
    except ParseError as error:
        expected = _expected(line, error)
        return Explanation(line, PROBLEM, error=error, expected=expected, fields=tuple(_fields_of(line)))
    if row is None:
        statement = statement_of(line, decoded(line) if line.lstrip(" \t").startswith("{") else None)
        scope = None if statement is None else statement.scope
        return Explanation(line, found.value, scope=scope, fact=fact_of(whole, ""))
    record = AccessRecord.from_row(row)
    return Explanation(line, found.value, record=record, damaged=was_damaged(line), fields=tuple(_fields_of(line)))


def _expected(line: str, error: ParseError) -> str | None:
    """What should have been where the line went wrong."""
    if error.column is None or line.lstrip(" \t").startswith("{"):
        return None
    found = grammar.read_line(line.rstrip("\t "))
    if found is None:
        return None
    if found.broken is not None:
        return found.broken.expected
    at = error.column - 1
    for token in found.tokens:
        if token.value_at <= at <= token.value_at + len(token.text) and token.key in FIELD_BY_KEY:
            return EXPECTED[FIELD_BY_KEY[token.key].kind]
    return None


def _fields_of(line: str) -> list[ExplainedField]:
    if line.lstrip(" \t").startswith("{"):
        return _json_fields(line)
    stripped = line.rstrip("\t ")
    found = grammar.read_line(stripped) or grammar.read_headless(stripped)
    if found is None:
        return []
    fields = []
    for token in found.tokens:
        try:
            value = decode(token.text) if token.quoted else token.text
        except BadEscapeError:
            value = token.text
        fields.append(_explained(token.key, value, token.at + 1))
    return fields


def _json_fields(line: str) -> list[ExplainedField]:
    found: list[ExplainedField] = []
    for key, value in (decoded(line) or {}).items():
        at = line.find(f'"{key}"')
        if not isinstance(value, dict | list):
            found.append(_explained(key, str(value), at + 1 if at >= 0 else None))
    return found


def _explained(key: str, value: str, column: int | None) -> ExplainedField:
    known = FIELD_BY_KEY.get(key)
    return ExplainedField(key, value, column, known.columns if known else ())
