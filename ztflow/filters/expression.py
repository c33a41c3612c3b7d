"""Filter expressions: conditions on columns, in a language of its own. Nothing in it is ever evaluated as Python.

```text
expression = all {"or" all}
all        = term {"and" term}
term       = "not" term | "(" expression ")" | condition
condition  = column operator value | column ["not"] "in" ( value | "[" value {"," value} "]" ) | column
operator   = "==" | "=" | "!=" | "<" | "<=" | ">" | ">=" | "=~" | "!~"
value      = null | true | false | another column | number | time | 'text' | "text" | bare word
```

Besides the columns it knows the names of the filter options (`port`, `from_pod`, `to_namespace`, …), which mean what
the option means, `bytes` (payload both ways), `duration`, `time` and other short words (`SHORT_WORDS`). A text is
compared as an option compares it: names may hold `*` and `?`, a pod, a service or an identity may be written in short,
an address as a range (`src_ip in 10.0.0.0/8`), and a port too (`8000-8099`).

A column alone is a condition when it holds yes or no (`mtls`). Durations (`duration_ms > 1.5s`) and sizes
(`request_bytes >= 10kB`) may carry a unit. `=~` searches a regular expression. A column with a closed vocabulary is
compared with its words only; such a word is never taken for the column of that name (`level == error`). An unknown
cell fulfils no condition except `== null` and the negated ones (`!=`, `!~`, `not in`), which are exactly the opposite
of their positive forms.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import TYPE_CHECKING, Any

from ztflow.errors import UsageError
from ztflow.filters.conditions import EndCondition, WordCondition, end_condition, word_condition
from ztflow.filters.grid import Kind, Side, text_test
from ztflow.filters.quantities import parse_duration, parse_size, parse_time
from ztflow.model.schema import FLOWS, HALVES, MANY, Column, Type
from ztflow.model.vocabulary import unknown_word
from ztflow.text.nearest import nearest
from ztflow.text.patterns import lazy_pattern

if TYPE_CHECKING:
    from pyparsing import ParserElement

MADE = {
    "src_addr": Type.TEXT, "dst_addr": Type.TEXT, "hbone_addr": Type.TEXT, "id": Type.TEXT, "bytes": Type.INT,
    "bytes_per_s": Type.FLOAT, "time": Type.TIME,
}  # fmt: skip
"""Columns that are made of others (`model.derived`), as an expression compares them."""

SHORT_WORDS = {
    "duration": "duration_ms", "life": "duration_ms", "request": "request_bytes", "response": "response_bytes",
}  # fmt: skip
"""Other words for columns, where a table has them: those of the options and of the headings people see."""

_OPTIONS = {
    (kind.value if side is Side.EITHER else f"{side}_{kind}"): (side, kind) for side in Side for kind in Kind
}  # fmt: skip
_WORDS = ("direction", "verdict")
_WORKLOADS = {"src_workload": Side.FROM, "dst_workload": Side.TO}
"""Columns of names without a namespace: `shop/web` can only mean what it means for the option."""

_TEXTS = (Type.CATEGORY, Type.TEXT)
_NUMBERS = (Type.INT, Type.PORT, Type.LINE, Type.FLOAT)

Value = str | int | float | bool | datetime | range | re.Pattern[str] | None


class ExpressionError(UsageError):
    """An invalid filter expression.

    Attributes:
        detail: What is wrong.
        expression: The whole text.
        column: Where, counted from 1.
    """

    def __init__(self, detail: str, expression: str, column: int) -> None:
        super().__init__(detail, expression, column)
        self.detail = detail
        self.expression = expression
        self.column = column

    def __str__(self) -> str:
        return f"{self.detail} at column {self.column} of {self.expression!r}"


@dataclass(frozen=True, slots=True)
class Comparison:
    """One column against values.

    Attributes:
        column: Name of the column.
        operator: `==`, `<`, `<=`, `>`, `>=`, `=~` or `in`; negated forms are wrapped in `Not`.
        values: What it is compared with; one value, except for `in`.
        other: Name of another column it is compared with instead.
    """

    column: str
    operator: str
    values: tuple[Value, ...] = ()
    other: str | None = None


@dataclass(frozen=True, slots=True)
class Not:
    """The opposite."""

    term: Tree


@dataclass(frozen=True, slots=True)
class AllOf:
    """Every term holds."""

    terms: tuple[Tree, ...]


@dataclass(frozen=True, slots=True)
class AnyOf:
    """At least one term holds."""

    terms: tuple[Tree, ...]


Tree = Comparison | EndCondition | WordCondition | Not | AllOf | AnyOf


@dataclass(frozen=True, slots=True)
class Expression:
    """A parsed filter expression.

    Attributes:
        text: As written.
        tree: What it means.
        columns: The columns it looks at.
        ends: The conditions on ends in it, named like options.
    """

    text: str
    tree: Tree
    columns: frozenset[str]
    ends: tuple[EndCondition, ...] = ()


@dataclass(frozen=True, slots=True)
class _Word:
    """A token with its place: an operand, a name or an operator."""

    text: str
    place: int
    quoted: bool = False


@dataclass(frozen=True, slots=True)
class _Raw:
    """A condition as written, before its names and values are checked."""

    column: _Word
    operator: _Word | None = None
    values: tuple[_Word, ...] = ()


_OPERATORS = {
    "=": ("==", False), "in": ("in", False), "!=": ("==", True), "!~": ("=~", True), "not in": ("in", True),
}  # fmt: skip
"""Operator → the positive one, and whether it is negated; the others are themselves."""

_SPAN = lazy_pattern(r"([0-9]{1,5})-([0-9]{1,5})")
_ESCAPED = lazy_pattern(r"\\(.)")
_RESERVED = ("and", "or", "not", "in")
MAX_LENGTH = 10_000
"""Longest expression; far beyond what people type, well below what would exhaust the parser's stack."""
MAX_DEPTH = 40
"""Deepest nesting of parentheses and `not`, for the same reason."""


@cache
def _grammar() -> ParserElement:
    import pyparsing as pp

    def word(pattern: str, name: str, *, quoted: bool = False) -> ParserElement:
        def make(_text: str, place: int, tokens: Any) -> _Word:
            text = tokens[0]
            return _Word(_ESCAPED.sub(r"\1", text[1:-1]) if quoted else text, place, quoted)

        return pp.Regex(pattern).set_parse_action(make).set_name(name)

    def keyword(text: str) -> ParserElement:
        return pp.CaselessKeyword(text).suppress().set_name(f"'{text}'")

    reserved = "|".join(_RESERVED)
    column = word(rf"(?!(?i:{reserved})\b)[A-Za-z_][\w-]*", "a column")
    operator = word(r"==|!=|<=|>=|=~|!~|[=<>]", "an operator")
    quoted = word(r'"(?:[^"\\]|\\.)*"|\'(?:[^\'\\]|\\.)*\'', "a value", quoted=True)
    value = (quoted | word(r"[^\s()\[\],'\"=<>~!]+", "a value")).set_name("a value")
    listing = pp.Suppress("[") - pp.Group(pp.DelimitedList(value)) - pp.Suppress("]").set_name("']'")
    values = (listing | pp.Group(value)).set_name("a value")

    def compared(tokens: Any) -> _Raw:
        return _Raw(tokens[0], tokens[1], (tokens[2],))

    def listed(negated: str) -> Callable[[Any], _Raw]:
        return lambda tokens: _Raw(tokens[0], _Word(negated, tokens[0].place), tuple(tokens[1]))

    expression = pp.Forward()
    condition = (
        (column + operator - value).set_parse_action(compared)
        | (column + keyword("in") - values).set_parse_action(listed("in"))
        | (column + keyword("not") + keyword("in") - values).set_parse_action(listed("not in"))
        | column.copy().add_parse_action(lambda tokens: _Raw(tokens[0]))
    )
    term = pp.Forward()
    any_term = (
        (keyword("not") - term).set_parse_action(lambda tokens: Not(tokens[0]))
        | (pp.Suppress("(") - expression - pp.Suppress(")").set_name("')'"))
        | condition
    )
    term <<= any_term.set_name("a condition")
    conjunction = (term + (keyword("and") - term)[...]).set_parse_action(lambda tokens: AllOf(tuple(tokens)))
    alternatives = conjunction + (keyword("or") - conjunction)[...]
    expression <<= alternatives.set_parse_action(lambda tokens: AnyOf(tuple(tokens)))
    whole: ParserElement = (expression + pp.StringEnd().set_name("'and', 'or' or the end")).parse_with_tabs()
    return whole


def parse_expression(text: str, columns: Sequence[Column] | None = None) -> Expression:
    """Read a filter expression and check it against the columns there are.

    Args:
        text: The expression.
        columns: Columns of the table it is for; those of flows and halves together when not given.

    Raises:
        ExpressionError: If the text is not an expression, names no column, or compares what cannot be compared.
    """
    import pyparsing as pp

    known = {column.name: column for column in (*HALVES, *FLOWS)} if columns is None else {c.name: c for c in columns}
    known |= {name: Column(name, kind, "") for name, kind in MADE.items() if name not in known}
    if len(text) > MAX_LENGTH:
        raise ExpressionError(f"an expression has at most {MAX_LENGTH} characters", text[:40] + "…", MAX_LENGTH)
    if text.count("(") + len(re.findall(r"(?i)\bnot\b", text)) > MAX_DEPTH:
        raise ExpressionError(f"an expression has at most {MAX_DEPTH} parentheses and 'not's", text, 1)
    try:
        raw = _grammar().parse_string(text)[0]
    except pp.ParseBaseException as error:
        raise ExpressionError(_expected(text, error), text, error.loc + 1) from None
    checker = _Checker(text, known, of_both=columns is None)
    tree = checker.check(raw)
    return Expression(text, tree, frozenset(checker.used), tuple(checker.ends))


def _expected(text: str, error: Any) -> str:
    """What the grammar wanted, in the reader's words."""
    found = text[error.loc :].split(maxsplit=1)
    instead = f", found {found[0]!r}" if found else " before the end"
    return f"{error.msg.replace('Expected', 'expected')}{instead}"


class _Checker:
    """Turns conditions as written into comparisons that are sure to evaluate."""

    def __init__(self, text: str, known: dict[str, Column], *, of_both: bool) -> None:
        self._text = text
        self._known = known
        self._of_both = of_both
        self.used: set[str] = set()
        self.ends: list[EndCondition] = []

    def check(self, node: Any) -> Tree:
        if isinstance(node, _Raw):
            return self._condition(node)
        if isinstance(node, Not):
            return Not(self.check(node.term))
        terms = tuple(self.check(term) for term in node.terms)
        return terms[0] if len(terms) == 1 else type(node)(terms)

    def _fail(self, detail: str, word: _Word) -> ExpressionError:
        return ExpressionError(detail, self._text, word.place + 1)

    def _column(self, word: _Word) -> Column:
        name = word.text.replace("-", "_")
        column = self._known.get(name) or self._known.get(SHORT_WORDS.get(name, ""))
        if column is None:
            near = nearest(name, [*self._known, *_OPTIONS, *_WORDS, *SHORT_WORDS])
            hint = f"; did you mean {near}?" if near else ""
            raise self._fail(f"no column {word.text!r}{hint}", word)
        if column.type in MANY:
            raise self._fail(f"{column.name} holds many values and cannot be compared", word)
        self.used.add(column.name)
        return column

    def _condition(self, raw: _Raw) -> Tree:
        name = raw.column.text.replace("-", "_")
        if name in _OPTIONS or (name in _WORDS and (name not in self._known or self._is_a_word(raw))):
            return self._option(name, raw)
        column = self._column(raw.column)
        if raw.operator is None:
            if column.type is not Type.BOOL:
                raise self._fail(f"{column.name} alone is no condition; compare it with something", raw.column)
            return Comparison(column.name, "==", (True,))
        positive, negated = _OPERATORS.get(raw.operator.text, (raw.operator.text, False))
        tree = self._comparison(column, positive, raw)
        return Not(tree) if negated else tree

    def _is_a_word(self, raw: _Raw) -> bool:
        """Whether a direction or verdict may be asked of a table that has it without having the column."""
        asked = {value.text for value in raw.values}
        return self._of_both and raw.operator is not None and raw.operator.text[-1] in "=n" and "null" not in asked

    def _option(self, name: str, raw: _Raw) -> Tree:
        """A condition that is named like an option, and means what that means."""
        if raw.operator is None:
            raise self._fail(f"{name} alone is no condition; compare it with something", raw.column)
        operator, negated = _OPERATORS.get(raw.operator.text, (raw.operator.text, False))
        if name in _WORDS and operator not in {"==", "in"}:
            raise self._fail(f"{name} is one of a few words; use == or in", raw.operator)
        values = [None if value.text == "null" and not value.quoted else value.text for value in raw.values]
        try:
            if name in _OPTIONS:
                made: EndCondition | WordCondition = end_condition(
                    *_OPTIONS[name], values, operator="==" if operator == "in" else operator
                )
            else:
                made = word_condition(name, [str(value) for value in values])
        except UsageError as error:
            raise self._fail(str(error), raw.values[0]) from None
        if isinstance(made, EndCondition):
            self.ends.append(made)
        return Not(made) if negated else made

    def _comparison(self, column: Column, operator: str, raw: _Raw) -> Comparison | EndCondition:
        assert raw.operator is not None
        if column.name in _WORKLOADS and operator in {"==", "in"} and all("/" in value.text for value in raw.values):
            self.ends.append(end_condition(_WORKLOADS[column.name], Kind.WORKLOAD, [one.text for one in raw.values]))
            return self.ends[-1]
        word = raw.values[0]
        ordered = operator in ("<", "<=", ">", ">=")
        if ordered and column.type in (*_TEXTS, Type.BOOL):
            raise self._fail(f"{column.name} has no order; use == or =~", raw.operator)
        if operator == "=~":
            if column.type not in _TEXTS:
                raise self._fail(f"{column.name} is not text, so it cannot be searched", raw.operator)
            return Comparison(column.name, operator, (self._pattern(word),))
        own = column.words is not None and word.text in set(column.words)  # `level == error` is not the column `error`
        if operator != "in" and not word.quoted and not own and word.text in self._known:
            other = self._column(word)
            if self._family(other) != self._family(column):
                raise self._fail(f"{column.name} and {other.name} are of different kinds", word)
            return Comparison(column.name, operator, other=other.name)
        values = tuple(self._value(column, value, ordered=ordered) for value in raw.values)
        return Comparison(column.name, operator, values)

    @staticmethod
    def _family(column: Column) -> Type:
        return Type.TEXT if column.type in _TEXTS else Type.INT if column.type in _NUMBERS else column.type

    def _pattern(self, word: _Word) -> re.Pattern[str]:
        try:
            return re.compile(word.text)
        except re.error as error:
            raise self._fail(f"not a regular expression ({error})", word) from None

    def _value(self, column: Column, word: _Word, *, ordered: bool) -> Value:
        if not word.quoted and word.text == "null":
            if ordered:
                raise self._fail("null has no order; use == null or != null", word)
            return None
        wrong = None if column.words is None else unknown_word(column.words, column.name, word.text)
        if wrong is not None:
            raise self._fail(wrong, word)
        try:
            if column.type in _TEXTS:
                text_test(column.name, word.text)
                return word.text
            if column.type is Type.PORT and not ordered and (span := _SPAN.fullmatch(word.text)):
                return range(int(span[1]), int(span[2]) + 1)
            return self._typed(column, word.text)
        except UsageError as error:
            raise self._fail(f"{column.name}: {error}", word) from None

    @staticmethod
    def _typed(column: Column, text: str) -> Value:
        if column.type is Type.TIME:
            return parse_time(text)
        if column.type is Type.BOOL:
            if text not in ("true", "false"):
                raise UsageError(f"{text!r} is neither true nor false")
            return text == "true"
        if column.name.endswith("_ms") and text[-1:].isalpha():
            return parse_duration(text).total_seconds() * 1000
        if "bytes" in column.name and text[-1:].isalpha():
            return parse_size(text)
        if not re.fullmatch(r"-?[0-9]{1,30}(\.[0-9]{1,9})?", text):
            raise UsageError(f"{text!r} is not a number")
        return float(text) if "." in text else int(text)
