"""Rows of numbers as small bars of one line, and their direction as an arrow."""

from __future__ import annotations

from collections.abc import Sequence

_BARS = "▁▂▃▄▅▆▇█"
_NOTHING = "·"
_CHANGE = 0.2
"""By which share the later half has to differ from the earlier one to be called a rise or a fall."""


def sparkline(values: Sequence[float]) -> str:
    """One character a value, the largest highest; nothing is a dot, so that little is not mistaken for it.

    >>> sparkline([0, 1, 4, 8])
    '·▁▄█'
    """
    top = max(values, default=0)
    return "".join(_BARS[max(1, round(8 * value / top)) - 1] if value > 0 else _NOTHING for value in values)


def arrow(values: Sequence[float]) -> str:
    """Whether the later half is more (`↗`), less (`↘`) or about the same (`→`); nothing of nothing.

    >>> arrow([1, 1, 2, 3]), arrow([2, 2, 2, 2]), arrow([0, 0])
    ('↗', '→', '')
    """
    half = len(values) // 2
    before, after = sum(values[:half]), sum(values[len(values) - half :])
    if not before and not after:
        return ""
    if abs(after - before) <= _CHANGE * max(before, after):
        return "→"
    return "↗" if after > before else "↘"
