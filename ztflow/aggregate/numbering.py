"""Numbers of words and of combinations of codes that stay the same from batch to batch."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ztflow.columns.dictionaries import NONE, Coded, category, codes_of
from ztflow.columns.dtypes import Codes, Integers
from ztflow.columns.grouping import group

_NARROW = ((1 << 7, np.int8), (1 << 15, np.int16))
"""Below how many words a code fits in so many bits."""


class Words:
    """The words of a text column that comes in batches. Cost: some 50 ns a word of a batch, or of those before."""

    def __init__(self) -> None:
        self.all = pa.array([], pa.string())

    def part(self, labels: Coded) -> tuple[Codes, int]:
        """The number of each row's word, `NONE` for null, and how many words there are by now: a part of `group`."""
        array = labels.array()
        words = array.dictionary
        places = np.full(len(words), NONE, np.int32)
        if len(self.all) and len(words):
            places = pc.fill_null(pc.index_in(words, value_set=self.all), NONE).to_numpy().astype(np.int32)
        fresh = np.flatnonzero(places == NONE)
        places[fresh] = len(self.all) + np.arange(len(fresh), dtype=np.int32)
        if len(fresh):
            self.all = pa.concat_arrays([self.all, words.take(pa.array(fresh)).cast(pa.string())])
        return np.append(places, np.int32(NONE))[codes_of(array)], len(self.all)


class TextColumn:
    """A text column that grows: its words, each once, and the codes of its rows in as few bits as will do."""

    def __init__(self) -> None:
        self._words = Words()
        self._codes: list[Integers] = []

    def add(self, labels: Coded) -> None:
        """Add rows."""
        codes, size = self._words.part(labels)
        self._codes.append(codes.astype(next((narrow for most, narrow in _NARROW if size <= most), np.int32)))

    def array(self, kind: pa.DataType) -> pa.Array:
        """All rows as Arrow has them."""
        codes = np.concatenate([np.zeros(0, np.int32), *self._codes])
        found = category(codes, self._words.all)
        return found.cast(kind) if pa.types.is_dictionary(kind) else found.dictionary_decode().cast(kind)


class Combinations:
    """Combinations of codes, numbered by first appearance.

    Attributes:
        size: How many there were so far.

    Cost: a grouping of the batch, and one of what was there with what is new. Memory: 4 bytes a code.
    """

    def __init__(self) -> None:
        self.size = 0
        self._known: list[Codes] = []

    def number(self, parts: Sequence[tuple[Integers, int]], rows: int) -> tuple[Integers, Integers]:
        """Number the rows of a batch.

        Args:
            parts: As for `group`; a code means the same in all batches.
            rows: How many rows there are.

        Returns:
            The number of each row; the first row of each combination that was never there before.
        """
        parts = parts or [(np.zeros(rows, np.int32), 1)]
        groups = group(parts, rows)
        distinct = [codes[groups.first].astype(np.int32, copy=False) for codes, _ in parts]
        known = self._known or [np.zeros(0, np.int32) for _ in parts]
        both = [np.concatenate(columns) for columns in zip(known, distinct, strict=True)]
        before = self.size
        found = group([(codes, size) for codes, (_, size) in zip(both, parts, strict=True)], before + len(groups))
        # Those known are all different and come first, so they keep their numbers.
        self._known, self.size = [codes[found.first] for codes in both], len(found)
        return found.codes[before:][groups.codes], groups.first[found.first[before:] - before]
