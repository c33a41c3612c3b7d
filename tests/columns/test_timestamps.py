"""Many times at once are written as one by one."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ztflow.columns.timestamps import rfc3339, rfc3339_texts
from ztflow.model.provenance import micros_from_time
from ztflow.text.format import time_text

moments = st.datetimes(datetime(1000, 1, 1), datetime(9999, 12, 31, 23, 59, 59, 999999), timezones=st.just(UTC))  # noqa: DTZ001


@settings(deadline=None)
@given(st.lists(st.none() | moments, max_size=20))
def test_as_one_by_one(times):
    known = np.array([time is not None for time in times], bool)
    micros = np.array([0 if time is None else micros_from_time(time) for time in times], np.int64)
    wanted = [None if time is None else time_text(time) for time in times]
    assert rfc3339(micros, known).to_pylist() == wanted
    assert rfc3339_texts(micros[known]) == rfc3339(micros[known]).to_pylist() == [text for text in wanted if text]


@pytest.mark.parametrize("year", [1, 999, 1970, 2024, 9999, 10_000, 30_000])
def test_any_year(year):
    (micros,) = np.array([f"{year:04}-02-03T04:05:06.000007"], "datetime64[us]").astype(np.int64)
    text = f"{year:04}-02-03T04:05:06.000007Z"
    assert rfc3339(np.array([micros])).to_pylist() == rfc3339_texts(np.array([micros])) == [text]
    assert rfc3339(np.array([micros, 0]), np.array([False, True])).to_pylist() == [None, "1970-01-01T00:00:00.000000Z"]
    assert rfc3339(np.array([micros]), np.array([True])).type == pa.string()
