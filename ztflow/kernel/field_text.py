"""How an access line is spelt, taken from the field table: what the kernel compares bytes with.

Holds no code that runs per line and imports nothing heavy; the texts become machine code in `fields` and `lines`.
"""

from __future__ import annotations

from typing import Final

from ztflow.model.schema import ACCESS_SCOPE, LOG_FIELDS, MESSAGE_TEXT, Kind, LogField
from ztflow.model.vocabulary import Direction, LogLevel, Message

KEY: Final[dict[str, str]] = {field.columns[0]: f"{field.key}=" for field in LOG_FIELDS}
"""First column of a field → its key and the sign after it."""


def _between(first: str, last: str) -> tuple[LogField, ...]:
    """The fields between two others in a line."""
    keys = [field.key for field in LOG_FIELDS]
    return LOG_FIELDS[keys.index(first) + 1 : keys.index(last)]


_SRC_ADDRESS, _DST_ADDRESS = (field.key for field in LOG_FIELDS if field.kind is Kind.ADDRESS)
_DIRECTION = next(field.key for field in LOG_FIELDS if field.kind is Kind.DIRECTION)

SRC_FIELDS: Final = _between(_SRC_ADDRESS, _DST_ADDRESS)
"""Optional text fields behind `src.addr`: workload, namespace, identity, cluster."""

DST_FIELDS: Final = tuple(field for field in _between(_DST_ADDRESS, _DIRECTION) if field.kind is not Kind.AUTHORITY)
"""Optional text fields behind `dst.hbone_addr`: service, workload, namespace, identity, cluster."""

ACCESS: Final = f"\t{ACCESS_SCOPE}\tconnection "
COMPLETE: Final = f"{MESSAGE_TEXT[Message.COMPLETE].removeprefix('connection ')}\t{KEY['src_ip']}"
FAILED: Final = f"{MESSAGE_TEXT[Message.FAILED].removeprefix('connection ')}\t{KEY['src_ip']}"

TEXT_COLUMNS: Final = (
    "src_ip",
    *(field.columns[0] for field in SRC_FIELDS),
    "dst_ip",
    "hbone_host",
    *(field.columns[0] for field in DST_FIELDS),
    "error",
    "prefix",
    "around",
)
"""Columns whose texts the kernel keeps in dictionaries, in the order of their numbers. The last two are no columns
of the table: `prefix` is the whole text before the line, or stands for what is `around` a line inside JSON."""

WORD_COLUMNS: Final = ("level", "message", "direction")
"""Columns of a closed vocabulary."""

COLUMN_WORDS: Final[tuple[tuple[str, ...], ...]] = (
    (LogLevel.INFO.value, LogLevel.ERROR.value, LogLevel.WARN.value),
    (Message.COMPLETE.value, Message.FAILED.value),
    (Direction.OUTBOUND.value, Direction.INBOUND.value),
)
"""Their words, in the order of the numbers the kernel gives them."""

IN_STRING, OWN_JSON, OWN_JSON_IN_STRING = "s", "o", "e"
"""What the middle of an envelope is: a plain line as a JSON string, ztunnel's own JSON as such or as a string."""

AROUND = b"\n\n"
"""Begins the `prefix` of a line inside JSON; then come its kind and eight bytes that tell what is around it."""
AROUND_BYTES_OF_KEY = len(AROUND) + 9
"""Length of such a prefix; the text of `around` is it and what it stands for."""
