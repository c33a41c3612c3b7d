"""Filter expressions on Arrow tables."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import reduce
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ztflow.columns.dictionaries import per_combination
from ztflow.columns.dtypes import BoolArray
from ztflow.errors import UsageError
from ztflow.filters.asked import Asked
from ztflow.filters.conditions import EndCondition, WordCondition
from ztflow.filters.ends import Known, end_mask, word_mask
from ztflow.filters.expression import ADDRESS_TEXTS, BOTH_WAYS, AllOf, AnyOf, Comparison, Expression, Not, Tree
from ztflow.filters.grid import text_test
from ztflow.model.schema import FLOWS, HALVES, Type

_COMPARE: dict[str, Callable[[Any, Any], Any]] = {
    "==": pc.equal,
    "<": pc.less,
    "<=": pc.less_equal,
    ">": pc.greater,
    ">=": pc.greater_equal,
}


_NAMES = {column.name for column in (*HALVES, *FLOWS) if column.type is Type.CATEGORY and column.words is None}
"""Columns of names, of which one that is nowhere may be a slip of the keyboard."""

_BEHIND = {"dst_port": "hbone_port", "dst_ip": "hbone_host"}
"""What was dialled → what is behind the tunnel, where there is one."""


def expression_mask(expression: Expression, table: pa.Table, known: Known | None = None) -> BoolArray:
    """One boolean per row; unknown cells as the expression language says.

    Args:
        expression: The expression.
        table: Flows or halves.
        known: As for `Filter.mask`.

    Raises:
        UsageError: If the table lacks a column of the expression.
    """
    made = (*ADDRESS_TEXTS, BOTH_WAYS, "time")
    missing = sorted(name for name in expression.columns if name not in (*table.column_names, *made))
    if missing:
        raise UsageError(f"this table has no column {', '.join(missing)}")
    known = Known() if known is None else known
    for one in _comparisons(expression.tree):
        other = _BEHIND.get(one.column)
        if other is not None and other not in expression.columns and one.other is None and None not in one.values:
            apart = Known()
            hidden = _compared(replace(one, column=other), table, apart) & ~_compared(one, table, apart)
            known.behind[one.column] = known.behind.get(one.column, 0) + int(hidden.sum())
    return _mask(expression.tree, table, known)


def _comparisons(tree: Tree) -> Iterator[Comparison]:
    if isinstance(tree, Comparison):
        yield tree
    elif isinstance(tree, Not):
        yield from _comparisons(tree.term)
    elif isinstance(tree, AllOf | AnyOf):
        for term in tree.terms:
            yield from _comparisons(term)


def _mask(tree: Tree, table: pa.Table, known: Known) -> BoolArray:
    match tree:
        case Not(term):
            return ~_mask(term, table, known)
        case AllOf(terms):
            return reduce(np.logical_and, [_mask(term, table, known) for term in terms])
        case AnyOf(terms):
            return reduce(np.logical_or, [_mask(term, table, known) for term in terms])
        case EndCondition():
            return end_mask(table, tree, known)
        case WordCondition():
            return word_mask(table, tree)
        case Comparison():
            return _compared(tree, table, known)


def _column(name: str, table: pa.Table) -> pa.ChunkedArray:
    if name == BOTH_WAYS:
        pairs = (("request_bytes", "response_bytes"), ("bytes_sent", "bytes_recv"))
        one, other = next((table[a], table[b]) for a, b in pairs if a in table.column_names)
        return pc.add(one.cast(pa.float64(), safe=False), other.cast(pa.float64(), safe=False))
    if name == "time" and name not in table.column_names:
        return table["end"]
    if name not in ADDRESS_TEXTS:
        return table[name]
    from ztflow.writers.cells import address_text

    prefix = name.removesuffix("_addr")
    host = table["hbone_host" if prefix == "hbone" else f"{prefix}_ip"]
    ports = table[f"{prefix}_port"]
    if not table.num_rows:
        return pa.chunked_array([], pa.string())
    batches = pa.table({"host": host, "port": ports}).to_batches()
    return pa.chunked_array([address_text(batch["host"], batch["port"], str) for batch in batches])


def _is_text(column: pa.ChunkedArray) -> bool:
    return bool(pa.types.is_dictionary(column.type) or pa.types.is_string(column.type))


def _compared(comparison: Comparison, table: pa.Table, known: Known) -> BoolArray:
    column = _column(comparison.column, table)
    if comparison.other is not None:
        other = _column(comparison.other, table)
        if _is_text(column):
            column, other = column.cast(pa.string()), other.cast(pa.string())
        return _known(_COMPARE[comparison.operator](column, other))
    if _is_text(column):
        return per_combination([column], _text_test(comparison, known))
    mask = np.zeros(table.num_rows, np.bool_)
    for value in comparison.values:
        if value is None:
            mask |= pc.is_null(column).to_numpy()
        elif isinstance(value, range):
            mask |= _known(pc.and_(pc.greater_equal(column, value.start), pc.less(column, value.stop)))
        else:
            operator = "==" if comparison.operator == "in" else comparison.operator
            mask |= _known(_COMPARE[operator](column, _scalar(value, column.type)))
    return mask


def _scalar(value: Any, kind: pa.DataType) -> pa.Scalar:
    """The value as a scalar Arrow can compare: of the column's type, or a float where the type cannot hold it."""
    try:
        return pa.scalar(value, kind)
    except (pa.ArrowInvalid, OverflowError, TypeError):
        return pa.scalar(float(value))


def _known(result: pa.ChunkedArray) -> BoolArray:
    mask: BoolArray = pc.fill_null(result, fill_value=False).to_numpy()
    return mask


def _text_test(comparison: Comparison, known: Known) -> Callable[[str | None], bool]:
    wanted = comparison.values
    if comparison.operator == "=~":
        pattern = wanted[0]
        assert isinstance(pattern, re.Pattern)
        return lambda text: text is not None and pattern.search(text) is not None
    texts = [str(value) for value in wanted if value is not None]
    if comparison.column not in _NAMES:
        tests = [text_test(comparison.column, text) for text in texts]
        return lambda text: any(test(text) for test in tests) if text is not None else None in wanted
    asked = known.asked.get(comparison)
    if asked is None:
        asked = known.asked[comparison] = Asked(
            comparison.column, texts, lambda value: text_test(comparison.column, value or "")
        )
    return lambda text: asked.passes(text, text) if text is not None else None in wanted
