"""Durations, sizes and times as people type them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from ztflow.errors import UsageError
from ztflow.filters.quantities import parse_duration, parse_moment, parse_size, parse_time


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("500ms", 0.5),
        ("10s", 10),
        ("1.5s", 1.5),
        ("5m", 300),
        ("1h30m", 5400),
        ("2d", 172800),
        ("1m30s500ms", 90.5),
        ("0s", 0),
    ],
)
def test_durations(text, seconds):
    assert parse_duration(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize(
    "text", ["", "5", "m", "-5m", "5 m", "5x", "m5", "1e3s", "1..5s", "99999999999d", "٥m", "9" * 500 + "s"]
)
def test_no_durations(text):
    with pytest.raises(UsageError):
        parse_duration(text)


@pytest.mark.parametrize(
    ("text", "count"), [("0", 0), ("1500", 1500), ("10kB", 10_000), ("2.5MB", 2_500_000), ("4KiB", 4096), ("1B", 1)]
)
def test_sizes(text, count):
    assert parse_size(text) == count


@pytest.mark.parametrize("text", ["", "kB", "-1", "1 kB", "1ZB", "1.2.3kB", "9" * 30])
def test_no_sizes(text):
    with pytest.raises(UsageError):
        parse_size(text)


@pytest.mark.parametrize(
    "text",
    ["2024-06-16T12:48:51Z", "2024-06-16T12:48:51.000000000Z", "2024-06-16 12:48:51", "2024-06-16T14:48:51+02:00",
     "2024-06-16t12:48:51z"],
)  # fmt: skip
def test_times(text):
    assert parse_time(text) == datetime(2024, 6, 16, 12, 48, 51, tzinfo=UTC)


def test_a_day_is_its_midnight():
    assert parse_time("2024-06-16") == datetime(2024, 6, 16, tzinfo=UTC)


@pytest.mark.parametrize(
    "text", ["", "12:48", "2024", "2024-02-30", "2024-06-16T25:00:00Z", "2024-06-16T12:48:51Zjunk", "yesterday"]
)
def test_no_times(text):
    with pytest.raises(UsageError):
        parse_time(text)


def test_a_moment_is_a_time_or_a_way_back():
    assert parse_moment("5m") == timedelta(minutes=5) == parse_moment("-5m")
    assert parse_moment("2024-06-16T00:00:00Z") == datetime(2024, 6, 16, tzinfo=UTC)
    with pytest.raises(UsageError, match="neither a time"):
        parse_moment("soon")
    with pytest.raises(UsageError, match="not a time"):
        parse_moment("2024-06-99")
