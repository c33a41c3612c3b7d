"""Sizes and durations in the least room; with more room, `ztflow.display` spells them out."""

from __future__ import annotations

_SI = ("", "k", "M", "G", "T", "P", "E")


def short_size(count: int) -> str:
    """Bytes in at most five characters, decimal multiples: `84`, `9.8k`, `123k`, `1.2M`."""
    value = float(count)
    for prefix in _SI:
        if value < 999.5 or prefix == _SI[-1]:
            return f"{value:.1f}{prefix}" if prefix and value < 9.95 else f"{value:.0f}{prefix}"
        value /= 1000
    raise AssertionError


def short_duration(milliseconds: int) -> str:
    """Milliseconds in at most five characters: `61ms`, `1.2s`, `42.0s`, `4m05s`, `1h02m`, `20.4h`, `3d04h`, `40d`."""
    if milliseconds < 0:
        return "-" + short_duration(-milliseconds)
    if milliseconds < 1000:
        return f"{milliseconds}ms"
    seconds = milliseconds / 1000
    if seconds < 59.95:
        return f"{seconds:.1f}s"
    whole = round(seconds)
    minutes, hours, days = whole // 60, whole // 3600, whole // 86400
    if hours < 1:
        return f"{minutes}m{whole % 60:02d}s"
    if hours < 10:
        return f"{hours}h{minutes % 60:02d}m"
    if days < 1:
        return f"{whole / 3600:.1f}h"
    return f"{days}d{hours % 24:02d}h" if days < 10 else f"{days}d"
