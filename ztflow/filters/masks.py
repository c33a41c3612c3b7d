"""Whole filters on Arrow tables, one boolean a row, and the rows that pass."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import numpy as np
import pyarrow as pa

from ztflow.columns.dtypes import BoolArray
from ztflow.filters.ends import Known, end_mask, word_mask
from ztflow.filters.evaluate import expression_mask
from ztflow.filters.former_names import as_it_was, former_columns, warn_of
from ztflow.filters.grid import Kind

if TYPE_CHECKING:
    from ztflow.filters import Filter
    from ztflow.model.tables import Flows, Halves

    Tabular = TypeVar("Tabular", Flows, Halves)


def filter_mask(rows: Filter, table: pa.Table, known: Known | None = None) -> pa.Array:
    """See `Filter.mask`."""
    known = Known() if known is None else known
    mask = _mask(rows, table, known)
    if not known.passed:
        known.passed = bool(mask.any())
        former = former_columns(rows, table)
        if known.passed:
            known.former = {}
        elif former and _mask(rows, as_it_was(table, former), Known(known.owners, known.services)).any():
            known.former = former
    return pa.array(mask)


def _mask(rows: Filter, table: pa.Table, known: Known) -> BoolArray:
    mask = np.ones(table.num_rows, np.bool_)
    if any(condition.kind is Kind.SERVICE for condition in rows.all_ends):
        known.learn(table)
    for end in rows.ends:
        mask &= end_mask(table, end, known) ^ end.exclude
    for word in rows.words:
        mask &= word_mask(table, word) ^ word.exclude
    for condition in rows.expressions:
        mask &= expression_mask(condition.expression, table, known) ^ condition.exclude
    return mask


def filtered(rows: Filter, table: Tabular, known: Known | None = None) -> Tabular:
    """See `Filter.apply`."""
    if not rows or not len(table):
        return table
    whole, known = known is None, known or Known()
    known.owners = known.owners or table.owners
    chosen = table.with_rows(table.to_arrow().filter(filter_mask(rows, table.to_arrow(), known)))
    if whole:
        warn_of(known.former)
    return chosen
