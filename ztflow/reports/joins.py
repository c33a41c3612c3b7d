"""Keys of halves (their place in the input), to join flows with halves."""

from __future__ import annotations

import numpy as np

from ztflow.aggregate import View
from ztflow.columns.dtypes import Integers

_LINES = 2**40
"""More lines than one input has."""

NO_ROW = -1


def places(view: View, file: str, line: str, files: dict[str, int]) -> Integers:
    """One integer for (file, line number), `NO_ROW` where either is unknown.

    Args:
        view: The table.
        file: Its column with the file's name.
        line: Its column with the line number.
        files: Numbers of file names, shared by the tables to join; new names are added.
    """
    labels = view.labels(file)
    numbers = np.array([files.setdefault(text, len(files)) for text in labels.words] + [0], dtype=np.int64)
    lines, known = view.numbers(line)
    key: Integers = numbers[labels.codes] * _LINES + lines.astype(np.int64)
    return np.where(known & (labels.codes >= 0), key, NO_ROW)


def find(wanted: Integers, among: Integers) -> Integers:
    """Row of each wanted key among others, `NO_ROW` where it does not occur; of equal keys any one."""
    order = np.argsort(among, kind="stable")
    ordered = among[order]
    if not len(ordered):
        return np.full(len(wanted), NO_ROW)
    at = np.searchsorted(ordered, wanted).clip(max=len(ordered) - 1)
    return np.where((ordered[at] == wanted) & (wanted != NO_ROW), order[at], NO_ROW)
