"""Columns as codes: null is -1 everywhere, a word may come twice, and nothing is lost on the way back to texts."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ztflow.columns.dictionaries import (
    NONE,
    Coded,
    coded_of,
    combinations,
    per_combination,
    per_word,
    text_hash,
    text_hashes,
    used,
)
from ztflow.columns.grouping import group

WORDS = st.lists(st.one_of(st.none(), st.sampled_from(["a", "b", "c", ""])), max_size=12)


def column(texts, *, chunks=1, encoded=True):
    cut = len(texts) // chunks + 1
    pieces = [pa.array(texts[start : start + cut], pa.string()) for start in range(0, len(texts), cut)]
    whole = pa.chunked_array(pieces, pa.string())
    return whole.dictionary_encode() if encoded else whole


@given(WORDS, st.integers(1, 3), st.booleans())
def test_codes_go_back_to_the_texts(texts, chunks, encoded):
    found = coded_of(column(texts, chunks=chunks, encoded=encoded))
    assert found.texts() == texts
    assert found.known().tolist() == [text is not None for text in texts]
    assert found.array().to_pylist() == texts
    assert [code for code, text in zip(found.codes.tolist(), texts, strict=True) if text is None] == [
        NONE
    ] * texts.count(None)
    assert found.mask("a").tolist() == [text == "a" for text in texts]
    rows = np.arange(len(texts))[::2]
    assert found.take(rows).texts() == texts[::2]
    assert found.where(np.array([text != "b" for text in texts], np.bool_)).texts() == [
        None if text == "b" else text for text in texts
    ]


ODD = pa.DictionaryArray.from_arrays(pa.array([0, 1, 2, 3, None], pa.int32()), pa.array(["a", "b", "a", "unused"]))


def test_a_word_that_comes_twice_is_one_after_distinct():
    odd = Coded(np.array([0, 1, 2, NONE], np.int32), pa.array(["a", "b", "a", "unused"]))
    assert odd.mask("a").tolist() == [True, False, True, False]
    once = odd.distinct()
    assert once.texts() == ["a", "b", "a", None]
    assert once.codes[0] == once.codes[2] == once.code("a")
    assert once.code("nowhere") == -2
    assert once.distinct() is once


def test_used_words_are_numbered_anew():
    codes, words = used(ODD)
    assert [None if code == NONE else words[code].as_py() for code in codes.tolist()] == ["a", "b", "a", "unused", None]
    codes, words = used(ODD.slice(1, 1))
    assert (codes.tolist(), words.to_pylist()) == ([0], ["b"])


def test_more_words_keep_the_codes_there_are():
    words, codes = coded_of(column(["a", None, "b"])).with_words(["b", "c"])
    assert ([words[code].as_py() for code in codes], words.to_pylist()[:2]) == (["b", "c"], ["a", "b"])
    assert Coded.nulls(3).with_words(["x"])[1] == [0]


@given(st.lists(st.tuples(st.sampled_from(["a", "b", None]), st.sampled_from([1, 2, None])), max_size=20))
def test_combinations_are_the_distinct_rows_in_order(rows):
    columns = [
        column([text for text, _ in rows]),
        pa.chunked_array([pa.array([number for _, number in rows], pa.int64())]),
    ]
    found, which = combinations(columns)
    assert found == list(dict.fromkeys(rows))
    assert [found[number] for number in which.tolist()] == rows
    assert per_combination(columns, lambda text, number: text == "a" and number is None).tolist() == [
        row == ("a", None) for row in rows
    ]


@pytest.mark.parametrize("size", [3, 2**31, 2**61])
def test_null_is_a_group_of_its_own_however_large_the_key(size):
    codes = np.array([-1, 0, -1, 2, 0])
    groups = group([(codes, size), (codes, 3), (codes[::-1].copy(), size)], 5)
    rows = list(zip(codes.tolist(), codes[::-1].tolist(), strict=True))
    assert groups.first.tolist() == [rows.index(row) for row in dict.fromkeys(rows)]
    assert [rows[groups.first[number]] for number in groups.codes.tolist()] == rows


@given(st.lists(st.one_of(st.none(), st.text(st.characters(codec="utf-8"))), max_size=12), st.integers(0, 3))
def test_hashes_of_many_words_are_those_of_each(texts, start):
    words = pa.array(texts, pa.string()).slice(start)
    wanted = [0 if text is None else text_hash(text) for text in texts[start:]]
    assert text_hashes(words).tolist() == wanted
    assert per_word(pa.chunked_array([words]), text_hash, np.uint64).tolist() == wanted
