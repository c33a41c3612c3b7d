"""How deep a text nests, before a parser written in C is given it: PyYAML 6 ends the process on 100,000 brackets."""

from __future__ import annotations

import re

import numpy as np

from ztflow.text.patterns import lazy_pattern

DEEPEST = 1000
"""Deeper than any Kubernetes object, and shallower than what a stack of 8 MiB holds."""

_INDENTED = lazy_pattern(rf"^[ \t?:-]{{{DEEPEST},}}", re.MULTILINE)


def nests_too_deep(text: str) -> bool:
    """Whether a YAML or JSON text may nest deeper than `DEEPEST`; brackets inside texts count, too.

    Examples:
        >>> nests_too_deep('{"a": [1, {}]}'), nests_too_deep("[" * 2000), nests_too_deep("- " * 2000)
        (False, True, True)
    """
    if _INDENTED.search(text) is not None:
        return True
    data = np.frombuffer(text.encode("utf-8", "replace"), np.uint8)
    opened = (data == ord("{")) | (data == ord("["))
    closed = (data == ord("}")) | (data == ord("]"))
    if int(opened.sum()) <= DEEPEST:
        return False
    level = np.cumsum(opened.astype(np.int32) - closed)
    return bool((level - np.minimum.accumulate(np.minimum(level, 0))).max() > DEEPEST)
