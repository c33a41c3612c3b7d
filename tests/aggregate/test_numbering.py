"""Numbers of words and combinations: the same in every batch, however the rows are cut."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from flow_strategies import quick
from hypothesis import given
from hypothesis import strategies as st

from ztflow.aggregate.numbering import Combinations, TextColumn, Words
from ztflow.columns.dictionaries import coded_of

ROWS = st.lists(st.tuples(st.sampled_from(["a", "b", "c", None]), st.integers(-1, 2)), max_size=12)


def labels(words):
    return coded_of(pa.chunked_array([pa.array(words, pa.string())]))


@quick
@given(st.lists(ROWS, max_size=4))
def test_equal_rows_have_equal_numbers_in_all_batches(batches):
    words, combinations, seen, firsts = Words(), Combinations(), {}, []
    for rows in batches:
        codes = np.array([number for _, number in rows], np.int32)
        numbers, fresh = combinations.number([words.part(labels([word for word, _ in rows])), (codes, 3)], len(rows))
        for row, number in zip(rows, numbers.tolist(), strict=True):
            assert seen.setdefault(row, number) == number
        firsts += [rows[place] for place in fresh.tolist()]
    assert sorted(seen.values()) == list(range(combinations.size))
    assert firsts == list(seen)


@quick
@given(st.lists(st.lists(st.one_of(st.none(), st.text(max_size=3)), max_size=5), max_size=4))
def test_a_text_column_that_grows_is_its_parts(parts):
    column = TextColumn()
    for part in parts:
        column.add(labels(part))
    for kind in (pa.string(), pa.dictionary(pa.int32(), pa.string())):
        assert column.array(kind).to_pylist() == [word for part in parts for word in part]


def test_codes_of_many_words_are_not_cut():
    column, words = TextColumn(), [f"pod-{number}" for number in range(40_000)]
    for part in (words[:100], words[:300], words, words[-3:]):
        column.add(labels(part))
    assert column.array(pa.string()).to_pylist() == [*words[:100], *words[:300], *words, *words[-3:]]
