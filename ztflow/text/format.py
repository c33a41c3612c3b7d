"""Formats values for people: text by unit, sizes, durations, and HTML tables that escape everything.

Text out of a log may hold anything, so nothing here passes a value on unescaped. Units are decimal (1 kB = 1000 B),
as network prices are. Pure Python; no state.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from html import escape
from itertools import zip_longest
from typing import TYPE_CHECKING

from ztflow.text.escapes import json_printable, visible

if TYPE_CHECKING:
    import pyarrow as pa

ROWS_SHOWN = 20
"""Rows a notebook table shows before it says how many more there are: what fits a screen."""

_CELL_LIMIT = 120
"""Characters of one HTML cell; the rest stays in the tooltip."""

ABSENT = "-"
"""A cell without a value."""


class Unit(StrEnum):
    """What a number or text is, so that every output can show it well."""

    TEXT = "text"
    COUNT = "count"
    BYTES = "bytes"
    MS = "ms"
    SHARE = "share"
    """A fraction of 1, shown as per cent."""
    TIME = "time"
    MONEY = "money"
    NUMBER = "number"
    BYTES_PER_S = "bytes/s"
    """Told without `/s`, which the heading says."""
    PER_S = "1/s"
    """Likewise."""
    SPARK = "spark"
    """A `Spark`: numbers in equal steps of time, as little bars."""


def time_text(time: datetime) -> str:
    """RFC 3339 with six digits and `Z`."""
    return time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


_SI = ("", "k", "M", "G", "T", "P", "E")


def _scaled(count: int) -> tuple[float, str]:
    """The number in the unit that leaves at most three digits before the point, and the prefix of that unit."""
    value, power = float(count), 0
    while abs(value) >= 999.5 and power < len(_SI) - 1:
        value, power = value / 1000, power + 1
    return value, _SI[power]


def bytes_text(count: int) -> str:
    """`84 B`, `9.8 kB`, `1.2 GB`: three significant digits at most one decimal, decimal units."""
    value, prefix = _scaled(count)
    if not prefix:
        return f"{count} B"
    return f"{value:,.1f} {prefix}B" if abs(value) < 99.95 or prefix == "E" else f"{value:.0f} {prefix}B"


def short_size(count: int) -> str:
    """`bytes_text` for narrow columns, in at most five characters: `84`, `9.8k`, `123k`, `1.2M`."""
    value, prefix = _scaled(count)
    return f"{value:.1f}{prefix}" if prefix and value < 9.95 else f"{value:.0f}{prefix}"


def duration_text(ms: float) -> str:
    """`203 ms`, `1.2 s`, `30 s`, `4 min 5 s`, `2 h 3 min`."""
    if abs(ms) < 1000:
        return f"{ms:g} ms"
    if abs(ms) < 59_950:
        return f"{ms / 1000:.1f}".removesuffix(".0") + " s"
    seconds = round(ms / 1000)
    if abs(seconds) < 3600:
        return f"{seconds // 60} min {seconds % 60} s"
    return f"{seconds // 3600:,} h {seconds % 3600 // 60} min"


def short_duration(ms: int) -> str:
    """`duration_text` for narrow columns: `61ms`, `1.2s`, `42.0s`, `4m05s`, `1h02m`, `20.4h`, `3d04h`, `40d`."""
    if ms < 0:
        return "-" + short_duration(-ms)
    if ms < 1000:
        return f"{ms}ms"
    if ms < 59_950:
        return f"{ms / 1000:.1f}s"
    whole = round(ms / 1000)
    minutes, hours, days = whole // 60, whole // 3600, whole // 86400
    if hours < 1:
        return f"{minutes}m{whole % 60:02d}s"
    if hours < 10:
        return f"{hours}h{minutes % 60:02d}m"
    if days < 1:
        return f"{whole / 3600:.1f}h"
    return f"{days}d{hours % 24:02d}h" if days < 10 else f"{days}d"


def share_text(share: float) -> str:
    """Per cent with one decimal; never `0.0 %` for some nor `100.0 %` for not all."""
    percent = share * 100
    if 0 < percent < 0.05:
        return "<0.1 %"
    if 99.95 <= percent < 100:
        return ">99.9 %"
    return f"{percent:.1f} %"


def rate_text(rate: float) -> str:
    """How often a second, with three digits: `1,234`, `12.3`, `0.0123`; `<0.001` for less."""
    if 0 < rate < 0.001:
        return "<0.001"
    return f"{rate:,.0f}" if rate >= 100 else f"{rate:.3g}"


def bytes_rate_text(rate: float) -> str:
    """Bytes a second: `9.8 kB`; below one `0.12 B`, `<0.01 B` for less."""
    if 0 < rate < 0.01:
        return "<0.01 B"
    return bytes_text(round(rate)) if rate >= 1 or not rate else f"{rate:.2g} B"


_BARS = "▁▂▃▄▅▆▇█"
_NO_BAR = "·"

SPARK_CELLS = 60
"""Bars at most; more steps are put together."""


@dataclass(frozen=True, slots=True)
class Spark:
    """Numbers in equal steps of time.

    Attributes:
        steps: One a step, none of them negative.
    """

    steps: tuple[int, ...]

    def text(self, cells: int = SPARK_CELLS) -> str:
        """One bar for so many steps that they fit; `·` where there was nothing, the highest bar for the most."""
        values, count = self.steps, len(self.steps)
        if count > cells:
            values = tuple(sum(values[count * at // cells : count * (at + 1) // cells]) for at in range(cells))
        most = max(values, default=0)
        return "".join(_BARS[value * (len(_BARS) - 1) // most] if value else _NO_BAR for value in values)


def cell_text(value: object, unit: Unit = Unit.TEXT) -> str:
    """One value as one line of plain text, by its unit; None is `-`, hostile characters are escaped."""
    if value is None:
        return ABSENT
    if isinstance(value, Spark):
        return value.text()
    if isinstance(value, datetime):
        return time_text(value)
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int | float):
        match unit:
            case Unit.BYTES:
                return bytes_text(int(value))
            case Unit.MS:
                return duration_text(value)
            case Unit.SHARE:
                return share_text(value)
            case Unit.MONEY:
                return f"{value:,.2f}" if abs(value) >= 0.1 or value == 0 else f"{value:.2g}"
            case Unit.COUNT:
                return f"{value:,}"
            case Unit.BYTES_PER_S:
                return bytes_rate_text(value)
            case Unit.PER_S:
                return rate_text(value)
        return f"{value:,.3g}" if isinstance(value, float) else str(value)
    if isinstance(value, list | tuple):
        return ", ".join(cell_text(item) for item in value) if value else ABSENT
    return visible(str(value))


def json_text(value: object) -> str:
    """Compact JSON whose unprintable characters are escaped, so that it may go to a terminal."""
    import orjson

    try:
        encoded = orjson.dumps(value).decode()
    except TypeError:  # sums beyond 64 bits, and half of a surrogate pair
        encoded = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return json_printable(encoded)


def counted(count: int, what: str, several: str | None = None) -> str:
    """`1 flow`, `2,000 flows`: a number with its noun, in the singular and, where it is not `…s`, in the plural."""
    return f"{count:,} {what if count == 1 else several or what + 's'}"


ALL_OTHERS = "(others)"
"""Name of a row that sums up all that has no row; no name in Kubernetes has brackets."""


def hidden_text(hidden: int, what: str = "rows") -> str:
    """The sentence for rows that are there but not shown."""
    return f"… and {hidden:,} more {what[:-1] if hidden == 1 and what.endswith('s') else what}"


NUMERIC = frozenset(Unit) - {Unit.TEXT, Unit.TIME}
"""Units that are aligned to the right."""

TABLE_STYLE = (
    "border-collapse:collapse;font:12px/1.5 ui-monospace,SFMono-Regular,Menlo,Consolas,monospace;"
    "font-variant-numeric:tabular-nums"
)


def html_table(
    titles: Sequence[str],
    rows: Sequence[Sequence[object]],
    *,
    units: Sequence[Unit] = (),
    caption: str = "",
    hidden: int = 0,
    notes: Sequence[str] = (),
    marks: Sequence[Sequence[str]] = (),
) -> str:
    """An HTML `<table>` without scripts, readable in any notebook.

    Args:
        titles: Column headings.
        rows: Cells; escaped here.
        units: One unit a column; text where left out.
        caption: What the table is.
        hidden: How many further rows exist.
        notes: Sentences printed below.
        marks: CSS of each cell of the first rows: what is drawn in it (`cell_charts`).
    """
    units = [*units, *([Unit.TEXT] * (len(titles) - len(units)))]
    align = ["right" if unit in NUMERIC else "left" for unit in units]
    border = "padding:2px 10px 2px 0;border-bottom:1px solid rgba(128,128,128,.35);vertical-align:top"
    parts = [f'<table class="ztflow" style="{TABLE_STYLE}">']
    if caption:
        parts.append(
            f'<caption style="text-align:left;font-weight:bold;padding:4px 0">{escape(visible(caption))}</caption>'
        )
    heads = "".join(
        f'<th scope="col" style="{border};text-align:{side}">{escape(visible(title))}</th>'
        for title, side in zip(titles, align, strict=True)
    )
    parts.append(f"<thead><tr>{heads}</tr></thead><tbody>")
    for row, drawn in zip_longest(rows, marks, fillvalue=None):
        cells = []
        for value, unit, side, mark in zip(row or (), units, align, drawn or [""] * len(units), strict=True):
            text = cell_text(value, unit)
            tooltip = ""
            if len(text) > _CELL_LIMIT:
                tooltip = f' title="{escape(text)}"'
                text = text[: _CELL_LIMIT - 1] + "…"
            wrap = ";white-space:nowrap" if side == "right" or unit is Unit.TIME else ""
            shown = f";{mark}" if mark else ""
            cells.append(f'<td style="{border};text-align:{side}{wrap}{shown}"{tooltip}>{escape(text)}</td>')
        parts.append(f"<tr>{''.join(cells)}</tr>")
    parts.append("</tbody></table>")
    if hidden:
        parts.append(f'<p style="margin:4px 0">{escape(hidden_text(hidden))}</p>')
    parts.extend(f'<p style="margin:4px 0">{escape(visible(note))}</p>' for note in notes)
    return "\n".join(parts)


def table_html(name: str, table: pa.Table, rows: int = ROWS_SHOWN) -> str:
    """The first rows of an Arrow table as HTML; columns without any value are left out and named below.

    Args:
        name: What the rows are, for the caption.
        table: The rows.
        rows: How many to show; how many are not shown is said.
    """
    if not table.num_rows:
        return html_table([], [], caption=f"{name}: 0 rows")
    full = [column for column in table.column_names if table.column(column).null_count < table.num_rows]
    empty = [column for column in table.column_names if column not in full]
    shown = table.select(full).slice(0, rows)
    units = [
        Unit.TIME if _is_time(field) else Unit.NUMBER if _is_number(field) else Unit.TEXT for field in shown.schema
    ]
    return html_table(
        full,
        list(zip(*(column.to_pylist() for column in shown.columns), strict=True)),
        units=units,
        caption=f"{name}: {table.num_rows:,} rows",
        hidden=table.num_rows - shown.num_rows,
        notes=[f"without any value: {', '.join(empty)}"] if empty else [],
    )


def _is_time(field: pa.Field) -> bool:
    return str(field.type).startswith("timestamp")


def _is_number(field: pa.Field) -> bool:
    return str(field.type).startswith(("int", "uint", "float", "double"))
