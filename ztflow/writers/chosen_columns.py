"""The text table of columns that were named one by one: each under its own name, its values by their type."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pyarrow as pa

from ztflow.text.escapes import visible
from ztflow.text.format import ABSENT, bytes_text, short_duration
from ztflow.writers.cells import map_distinct, time_texts
from ztflow.writers.text_columns import Cells, TextColumn

_TIME_WIDTH = 27
_SECONDS = 19
"""Characters of a time to the second; on a terminal, where a day's date is not announced, that is what there is."""


def _size(value: float) -> str:
    return bytes_text(int(value))


def _per_second(value: float) -> str:
    return f"{bytes_text(int(value))}/s"


def _shown(name: str) -> Callable[[float], str]:
    """How a number of a column is told, by the unit its name ends in."""
    if name == "bytes_per_s":
        return _per_second
    if "bytes" in name:
        return _size
    if name == "duration" or name.endswith("_ms"):
        return lambda value: short_duration(int(value))
    return "{:.4g}".format if name == "confidence" else str


def _list(array: pa.Array) -> Cells:
    return [ABSENT if text is None else text for text in array.to_pylist()]


def _column(field: pa.Field, width: int | None) -> TextColumn:
    name, kind, title = field.name, field.type, field.name.replace("_", " ").upper()
    if pa.types.is_timestamp(kind):
        end = _TIME_WIDTH if width is None else _SECONDS
        return TextColumn(title, lambda batch: [
            ABSENT if text is None else text[:end] for text in time_texts(batch.column(name)).to_pylist()
        ], width=end)  # fmt: skip
    if pa.types.is_boolean(kind):
        words = {True: "yes", False: "no", None: ABSENT}
        return TextColumn(title, lambda batch: [words[value] for value in batch.column(name).to_pylist()], width=5)
    if pa.types.is_map(kind):
        return TextColumn(title, lambda batch: [
            ABSENT if pairs is None else visible("; ".join(f"{key}={value}" for key, value in pairs))
            for pairs in batch.column(name).to_pylist()
        ])  # fmt: skip
    if pa.types.is_dictionary(kind) or pa.types.is_string(kind):
        return TextColumn(title, lambda batch: _list(map_distinct(batch.column(name), visible)))
    show = _shown(name)
    room = max(9, len(title))
    return TextColumn(
        title,
        lambda batch: [ABSENT if value is None else show(value) for value in batch.column(name).to_pylist()],
        width=None if width is None else room,
        right=True,
    )


def chosen_columns(schema: pa.Schema, width: int | None) -> Sequence[TextColumn]:
    """Every column of a schema as it is named.

    Args:
        schema: The columns, in the order they are shown in.
        width: Cells of the terminal; None is not a terminal.
    """
    return [_column(field, width) for field in schema]
