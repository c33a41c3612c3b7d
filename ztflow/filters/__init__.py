"""One typed filter for library and command line: Hubble's grid over both ends, verdict, direction, expressions.

Different conditions must all hold; the values of one condition are alternatives. An excluded condition (`--not`)
removes what it matches, each on its own. A row with an unknown value never matches: `--pod X` leaves it out,
`--not --pod X` keeps it.

Importing this module is cheap; Arrow is loaded when a filter meets a table.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from ztflow.errors import UsageError
from ztflow.filters.conditions import EndCondition, WordCondition, end_condition, word_condition
from ztflow.filters.grid import Kind, Side
from ztflow.model.vocabulary import Direction, Verdict

if TYPE_CHECKING:
    import pyarrow as pa

    from ztflow.filters.ends import Known
    from ztflow.filters.expression import Expression
    from ztflow.model.tables import Flows, Halves

    Tabular = TypeVar("Tabular", Flows, Halves)

VERDICTS = tuple(word.value for word in Verdict)
DIRECTIONS = tuple(word.value for word in Direction)


class ExpressionCondition(NamedTuple):
    """A condition in words; see `ztflow.filters.expression`."""

    expression: Expression
    exclude: bool = False


class Filter(NamedTuple):
    """Conditions on the rows of a flows or a halves table; an empty filter keeps everything. See `make_filter`.

    Attributes:
        ends: Conditions on the source, the destination or either.
        words: Conditions on verdict and direction.
        expressions: Conditions written as text.
    """

    ends: tuple[EndCondition, ...] = ()
    words: tuple[WordCondition, ...] = ()
    expressions: tuple[ExpressionCondition, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.ends or self.words or self.expressions)

    @property
    def all_ends(self) -> Iterator[EndCondition]:
        """Every condition on an end, also inside expressions."""
        yield from self.ends
        for condition in self.expressions:
            yield from condition.expression.ends

    def mask(self, table: pa.Table, *, known: Known | None = None) -> pa.Array:
        """One boolean per row of a flows or halves table, never null.

        Args:
            table: Columns of `schema.FLOWS` or `schema.HALVES`.
            known: Owners of pods, and the services' workloads seen in earlier tables of the same stream; updated. Only
                conditions on workloads and on the service of the *source* look at it.

        Cost: one test per distinct combination of names, Arrow and numpy per row.
        """
        from ztflow.filters.masks import filter_mask

        return filter_mask(self, table, known)

    def apply(self, rows: Tabular, *, known: Known | None = None) -> Tabular:
        """The rows that pass, with the counts of the whole input.

        Args:
            rows: Flows or halves.
            known: As for `mask`; owners are the table's unless it has some.
        """
        from ztflow.filters.masks import filtered

        return filtered(self, rows, known)


def make_filter(*expressions: str, **criteria: str | int | Sequence[str | int]) -> Filter:
    """A filter from keywords named like the command line's options.

    Args:
        expressions: Conditions in words; all must hold.
        criteria: `from_pod`, `to_pod`, `pod` and the same for every kind of name or number the command line filters
            by; `verdict`, `direction`; each also with `not_` in front. A value or a list of alternatives.

    Raises:
        UsageError: There is no filter of that name, or a value cannot be one of its kind.

    Examples:
        >>> import ztflow
        >>> flows = ztflow.read_flows("fixtures/seed/same-node.log", "fixtures/seed/cross-node.log")
        >>> slow = ztflow.make_filter("duration_ms > 100", from_namespace="ambient-demo", not_to_pod=["web-0", "web-1"])
        >>> [flow.duration_ms for flow in slow.apply(flows)]
        [203]
    """
    from ztflow.filters.expression import parse_expression

    ends: list[EndCondition] = []
    words: list[WordCondition] = []
    for name, given in criteria.items():
        bare = name.removeprefix("not_")
        exclude = bare != name
        values = (str(given),) if isinstance(given, str | int) else tuple(str(value) for value in given)
        if bare in ("verdict", "direction"):
            words.append(word_condition(bare, values, exclude=exclude))
            continue
        side, _, kind = bare.rpartition("_")
        if (side or "either") not in set(Side) or kind not in set(Kind):
            raise UsageError(f"no filter {name!r}; there are from_X, to_X and X for {', '.join(Kind)}")
        ends.append(end_condition(Side(side or "either"), Kind(kind), values, exclude=exclude))
    parsed = tuple(ExpressionCondition(parse_expression(text)) for text in expressions)
    return Filter(tuple(ends), tuple(words), parsed)
