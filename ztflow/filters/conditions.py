"""Conditions a row must fulfil: what one end is, and which word of a closed set it has.

Importing this module is cheap: no Arrow.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from ztflow.errors import UsageError
from ztflow.filters.grid import Kind, Side, value_test
from ztflow.model.vocabulary import Direction, Verdict, Word, unknown_word


class EndCondition(NamedTuple):
    """Something one end must be.

    Attributes:
        side: Which end.
        kind: What is compared.
        values: Alternatives, written as `grid.VALUE_HELP` says; None is an end without a known name of this kind.
        exclude: Whether matching rows are removed instead of kept.
        operator: `==`; in expressions also `=~` (a regular expression), and for ports `<`, `<=`, `>`, `>=`.
    """

    side: Side
    kind: Kind
    values: tuple[str | None, ...]
    exclude: bool = False
    operator: str = "=="

    @property
    def what(self) -> str:
        """Its option, without the dashes: `from-pod`."""
        return self.kind.value if self.side is Side.EITHER else f"{self.side}-{self.kind}"


class WordCondition(NamedTuple):
    """What the verdict or the direction must be.

    Attributes:
        column: `verdict` or `direction`. A flow has the directions of the halves that were seen.
        values: Alternatives.
        exclude: Whether matching rows are removed instead of kept.
    """

    column: str
    values: tuple[str, ...]
    exclude: bool = False


def end_condition(
    side: Side, kind: Kind, values: Iterable[str | None], *, exclude: bool = False, operator: str = "=="
) -> EndCondition:
    """A checked condition on an end.

    Raises:
        UsageError: If a value is invalid for this kind.
    """
    condition = EndCondition(side, kind, tuple(values), exclude, operator)
    for value in condition.values:
        value_test(kind, value, operator)
    return condition


def word_condition(column: str, values: Iterable[str], *, exclude: bool = False) -> WordCondition:
    """A checked condition on verdict or direction.

    Raises:
        UsageError: If a value is not one of the closed set.
    """
    condition = WordCondition(column, tuple(values), exclude)
    words: type[Word] = Verdict if column == "verdict" else Direction
    for value in condition.values:
        wrong = unknown_word(words, column, value)
        if wrong is not None:
            raise UsageError(wrong)
    return condition
