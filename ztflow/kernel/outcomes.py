"""Writes what became of a line into the columns: its words as numbers, or a span for the slow path."""

from __future__ import annotations

from ztflow.jit.link import Array
from ztflow.kernel.buffers import Texts
from ztflow.kernel.dictionaries import NO_CODE
from ztflow.kernel.machine import i64, inlined


@inlined
def word_code(texts: Texts, column: int, which: int) -> int:
    """Number of a word of a closed vocabulary, in the order the words were met."""
    code = i64(texts.words[column, which])
    if code == NO_CODE:
        last = texts.words.shape[1] - 1
        code = i64(texts.words[column, last]) + 1
        texts.words[column, last] = code
        texts.words[column, which] = code
    return code


@inlined
def leave(slow: Array, span: int, line: int, lines: int, start: int, stop: int, prefix: int) -> None:
    """Write a span for the slow path."""
    slow[0, span] = line
    slow[1, span] = lines
    slow[2, span] = start
    slow[3, span] = stop
    slow[4, span] = prefix


@inlined
def leave_line(slow: Array, span: int, line: int, start: int, stop: int) -> int:
    """Leave a physical line to the slow path, in the span before if it follows on it; gives how many there are."""
    if span > 0 and slow[3, span - 1] == start and slow[1, span - 1] > 0:
        slow[1, span - 1] += 1
        slow[3, span - 1] = stop
        return span
    leave(slow, span, line, i64(1), start, stop, i64(NO_CODE))
    return span + 1
