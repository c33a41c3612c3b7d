"""Durations, sizes and times as people type them."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from ztflow import memory
from ztflow.errors import UsageError
from ztflow.memory import Budget
from ztflow.text.patterns import lazy_pattern

_DURATION_UNITS = {"us": 1, "ms": 1000, "s": 10**6, "m": 60 * 10**6, "h": 3600 * 10**6, "d": 86400 * 10**6}
_DURATION_PART = lazy_pattern(r"([0-9]+(?:\.[0-9]+)?)(us|ms|s|m|h|d)")
_SIZE = lazy_pattern(r"([0-9]+(?:\.[0-9]+)?)([kKMGT]?i?B|[kKMGT])")
_SIZE_UNITS = {"B": 1, "kB": 10**3, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12} | {
    f"{letter}{unit}": 1 << 10 * power
    for power, letters in enumerate(("kK", "M", "G", "T"), 1) for letter in letters for unit in ("iB", "")
}  # fmt: skip

_LONGEST = timedelta(days=36_500)
"""A century: beyond it a duration is a slip of the keyboard, and time arithmetic overflows."""


def parse_duration(text: str) -> timedelta:
    """A duration such as `500ms`, `10s`, `5m`, `1h30m`, `2d`.

    Raises:
        UsageError: If it is not one.
    """
    parts = _DURATION_PART.findall(text)
    if not parts or "".join(number + unit for number, unit in parts) != text or len(text) > 40:
        raise UsageError(f"{text!r} is not a duration such as 500ms, 10s, 5m, 1h30m or 2d")
    micros = sum(float(number) * _DURATION_UNITS[unit] for number, unit in parts)
    if micros > _LONGEST / timedelta(microseconds=1):
        raise UsageError(f"{text!r} is longer than {_LONGEST.days} days")
    return timedelta(microseconds=round(micros))


def parse_size(text: str) -> int:
    """Bytes from `1500`, `10kB`, `2.5MB` (powers of 1000), `4KiB` or `4K` (powers of 1024).

    Raises:
        UsageError: If it is not a size.
    """
    if text.isdecimal() and text.isascii() and len(text) <= 20:
        return int(text)
    match = _SIZE.fullmatch(text)
    if match is None or len(text) > 30 or match[2] not in _SIZE_UNITS:
        raise UsageError(f"{text!r} is not a size such as 1500, 10kB or 4MiB")
    return round(float(match[1]) * _SIZE_UNITS[match[2]])


def budget_of(size: int | str | None) -> Budget:
    """What each part may hold under a bound on memory, `memory.DEFAULT` for None.

    Raises:
        UsageError: It is no size, or less than can be kept.
    """
    if size is None:
        return memory.DEFAULT
    return memory.budget(parse_size(size) if isinstance(size, str) else size)


_TIME = lazy_pattern(
    r"\d{4}-\d{2}-\d{2}(?:[Tt ]\d{2}:\d{2}(?::\d{2}(?:\.\d{1,9})?)?(?:Z|z|[+-]\d{2}:?\d{2})?)?", re.ASCII
)


def parse_time(text: str) -> datetime:
    """An RFC 3339 time; seconds, the zone (UTC) and the time of day (midnight) may be left out.

    Raises:
        UsageError: If it is not a time.
    """
    match = _TIME.fullmatch(text)
    if match is not None:
        try:
            # More digits than microseconds are cut, not refused: kubectl prints nine.
            time = datetime.fromisoformat(re.sub(r"(\.\d{6})\d+", r"\1", text.upper()))
            return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)
        except (ValueError, OverflowError):
            pass
    raise UsageError(f"{text!r} is not a time such as 2024-06-16T12:48:51Z")


def parse_moment(text: str) -> datetime | timedelta:
    """A time (`parse_time`), or a duration back from a moment the caller knows (`parse_duration`).

    Raises:
        UsageError: If it is neither.
    """
    if re.match(r"\d{4}-", text):
        return parse_time(text)
    try:
        return parse_duration(text.removeprefix("-"))
    except UsageError:
        raise UsageError(f"{text!r} is neither a time such as 2024-06-16T12:48:51Z nor a duration such as 5m") from None
