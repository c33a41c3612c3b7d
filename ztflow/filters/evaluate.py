"""Filter expressions on Arrow tables."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import reduce
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ztflow.columns.dictionaries import per_combination
from ztflow.columns.dtypes import BoolArray
from ztflow.errors import UsageError
from ztflow.filters.expression import ADDRESS_TEXTS, AllOf, AnyOf, Comparison, Expression, Not, Tree

_COMPARE: dict[str, Callable[[Any, Any], Any]] = {
    "==": pc.equal,
    "<": pc.less,
    "<=": pc.less_equal,
    ">": pc.greater,
    ">=": pc.greater_equal,
}


def expression_mask(expression: Expression, table: pa.Table) -> BoolArray:
    """One boolean per row; unknown cells as the expression language says.

    Raises:
        UsageError: If the table lacks a column of the expression.
    """
    missing = sorted(name for name in expression.columns if name not in (*table.column_names, *ADDRESS_TEXTS))
    if missing:
        raise UsageError(f"this table has no column {', '.join(missing)}")
    return _mask(expression.tree, table)


def _mask(tree: Tree, table: pa.Table) -> BoolArray:
    match tree:
        case Not(term):
            return ~_mask(term, table)
        case AllOf(terms):
            return reduce(np.logical_and, [_mask(term, table) for term in terms])
        case AnyOf(terms):
            return reduce(np.logical_or, [_mask(term, table) for term in terms])
        case Comparison():
            return _compared(tree, table)


def _column(name: str, table: pa.Table) -> pa.ChunkedArray:
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


def _compared(comparison: Comparison, table: pa.Table) -> BoolArray:
    column = _column(comparison.column, table)
    if comparison.other is not None:
        other = _column(comparison.other, table)
        if _is_text(column):
            column, other = column.cast(pa.string()), other.cast(pa.string())
        return _known(_COMPARE[comparison.operator](column, other))
    if _is_text(column):
        return per_combination([column], _text_test(comparison))
    mask = np.zeros(table.num_rows, np.bool_)
    for value in comparison.values:
        if value is None:
            mask |= pc.is_null(column).to_numpy()
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


def _text_test(comparison: Comparison) -> Callable[[str | None], bool]:
    wanted = comparison.values
    if comparison.operator == "=~":
        pattern = wanted[0]
        assert isinstance(pattern, re.Pattern)
        return lambda text: text is not None and pattern.search(text) is not None
    return lambda text: text in wanted
