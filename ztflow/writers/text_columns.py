"""What the text tables of flows and of records show, for every width of terminal: titles, cells, widths.

The columns are chosen by the width of the terminal alone, so a live table never jumps. The last to go are time, source
and destination, then nodes, bytes, duration, verdict, pairing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import pyarrow as pa
import pyarrow.compute as pc

from ztflow.model.schema import logged_name
from ztflow.model.vocabulary import Direction, LogLevel, NodeLocality, Paired, Verdict
from ztflow.text.escapes import visible
from ztflow.text.format import ABSENT, bytes_text, short_duration, short_size
from ztflow.writers.cells import address_text, float_text, joined, map_distinct, time_texts

BOLD, DIM, RED, YELLOW, CYAN, GREEN = "1", "2", "31", "33", "36", "32"
"""SGR codes of the sixteen colours every terminal has."""

_STYLES: dict[str, str] = {
    Verdict.DENIED: RED,
    Verdict.FAILED: RED,
    "cross": CYAN,
    NodeLocality.CROSS_NODE: CYAN,
    Paired.AMBIGUOUS: YELLOW,
    "ambig": YELLOW,
    Paired.RELAXED: YELLOW,
    "relax": YELLOW,
    LogLevel.ERROR: RED,
    LogLevel.WARN: YELLOW,
    "?": DIM,
    Verdict.UNKNOWN: DIM,
    ABSENT: DIM,
}

Cells = list[str]


@dataclass(frozen=True, slots=True)
class TextColumn:
    """One column of a text table.

    Attributes:
        title: Its heading.
        cells: Makes its texts from a batch; every text is safe to show.
        width: Fixed width; None takes a share of what is left.
        weight: Size of that share.
        right: Whether it is aligned to the right.
        styles: SGR code by cell text, where colour is on.
    """

    title: str
    cells: Callable[[pa.RecordBatch], Cells]
    width: int | None = None
    weight: float = 1.0
    right: bool = False
    styles: dict[str, str] = field(default_factory=lambda: _STYLES)


def _list(array: pa.Array) -> Cells:
    return [ABSENT if text is None else text for text in array.to_pylist()]


def _text(array: pa.Array) -> pa.Array:
    return array.cast(pa.string()) if pa.types.is_dictionary(array.type) else array


def _words(name: str, words: dict[str, str] | None = None) -> Callable[[pa.RecordBatch], Cells]:
    """The column as it is, or said in other words."""

    def change(text: str) -> str:
        return visible(words.get(text, text) if words else text)

    return lambda batch: _list(map_distinct(batch.column(name), change))


def _number(name: str, show: Callable[[int], str] = str) -> Callable[[pa.RecordBatch], Cells]:
    return lambda batch: [ABSENT if value is None else show(value) for value in batch.column(name).to_pylist()]


def _float(name: str) -> Callable[[pa.RecordBatch], Cells]:
    return lambda batch: _list(float_text(pc.round(batch.column(name), 4)))


def _time(name: str, start: int, stop: int) -> Callable[[pa.RecordBatch], Cells]:
    """A slice of the RFC 3339 text: `0, 27` is all of it, `11, 19` hours to seconds, `11, 23` to milliseconds."""
    return lambda batch: _list(pc.utf8_slice_codeunits(time_texts(batch.column(name)), start, stop))


def _full_name(batch: pa.RecordBatch, side: str) -> pa.Array:
    namespace, name = _text(batch.column(f"{side}_namespace")), _logged(batch, side)
    return pc.if_else(pc.is_valid(name), joined([namespace, name], "/"), None)


def _logged(batch: pa.RecordBatch, side: str) -> pa.Array:
    return _text(batch.column(logged_name(batch.schema.names, side)))


def _end(side: str, *, namespace: bool, port: bool = False) -> Callable[[pa.RecordBatch], Cells]:
    """What is shown for one end: its name as logged, else the service, else the address."""

    def cells(batch: pa.RecordBatch) -> Cells:
        names = [_full_name(batch, side) if namespace else _logged(batch, side)]
        if side == "dst":
            names += [_text(batch.column("dst_service")), _text(batch.column("hbone_host"))]
        names.append(_text(batch.column(f"{side}_ip")))
        shown = map_distinct(pc.coalesce(*names), visible)
        if not port:
            return _list(shown)
        ports = pc.coalesce(batch.column("hbone_port"), batch.column("dst_port")).cast(pa.string())
        return _list(joined([shown, ports], ":"))

    return cells


def _address(side: str, host: str) -> Callable[[pa.RecordBatch], Cells]:
    return lambda batch: _list(address_text(batch.column(host), batch.column(f"{side}_port"), visible))


_SHORT_LOCALITY: dict[str, str] = {
    NodeLocality.SAME_NODE: "same",
    NodeLocality.CROSS_NODE: "cross",
    NodeLocality.UNKNOWN: "?",
}


def _nodes(batch: pa.RecordBatch) -> Cells:
    """`node-a` when both ends are there, `node-a → node-b` otherwise, `?` for an end that is not placed."""
    names = (batch.column(name).to_pylist() for name in ("locality", "src_node", "dst_node"))
    shown: dict[tuple[str | None, ...], str] = {}
    cells = []
    for key in zip(*names, strict=True):
        if key not in shown:
            locality, source, target = key
            if source is None and target is None:
                shown[key] = _SHORT_LOCALITY.get(locality or "", ABSENT)
            elif source == target:
                shown[key] = visible(source or "")
            else:
                shown[key] = f"{visible(source or '?')} → {visible(target or '?')}"
        cells.append(shown[key])
    return cells


def _place(kind: str) -> Callable[[pa.RecordBatch], Cells]:
    """Where a half is in the input: `file:line`."""

    def cells(batch: pa.RecordBatch) -> Cells:
        name, line = ("source_file", "line_number") if kind == "record" else (f"{kind}_file", f"{kind}_line")
        file = map_distinct(batch.column(name), visible)
        return _list(pc.binary_join_element_wise(file, batch.column(line).cast(pa.string()), ":"))

    return cells


def _bool(name: str) -> Callable[[pa.RecordBatch], Cells]:
    return lambda batch: [{True: "yes", False: "no", None: ABSENT}[value] for value in batch.column(name).to_pylist()]


_SHORT_VERDICT: dict[str, str] = {Verdict.FORWARDED: "ok", Verdict.UNKNOWN: "?"}
_SHORT_PAIRED: dict[str, str] = {
    Paired.AMBIGUOUS: "ambig",
    Paired.RELAXED: "relax",
    Paired.OUTBOUND_ONLY: "out",
    Paired.INBOUND_ONLY: "in",
}
_PAIRED: dict[str, str] = {Paired.OUTBOUND_ONLY: "outbound", Paired.INBOUND_ONLY: "inbound"}

NARROW, MEDIUM = 110, 150
"""Terminal widths below which the narrow and the medium columns are used."""


READABLE = 8
"""Cells below which a name tells nothing."""


def fitting(columns: Sequence[TextColumn], width: int) -> Sequence[TextColumn]:
    """The first columns that fit the terminal with names that can still be read; what matters most comes first."""
    kept = list(columns)
    while len(kept) > 1 and sum(column.width or READABLE for column in kept) + len(kept) - 1 > width:
        kept.pop()
    return kept


def flow_columns(width: int | None) -> Sequence[TextColumn]:
    """The table of flows for a terminal of that width; None is not a terminal: only the overlong is cut."""
    if width is not None and width < NARROW:
        return (
            TextColumn("TIME", _time("end", 11, 19), 8),
            TextColumn("SOURCE", _end("src", namespace=False)),
            TextColumn("DESTINATION", _end("dst", namespace=False, port=True), weight=1.3),
            TextColumn("NODES", _words("locality", _SHORT_LOCALITY), 5),
            TextColumn("REQ", _number("request_bytes", short_size), 5, right=True),
            TextColumn("RESP", _number("response_bytes", short_size), 5, right=True),
            TextColumn("LIFE", _number("duration_ms", short_duration), 5, right=True),
            TextColumn("VERDICT", _words("verdict", _SHORT_VERDICT), 7),
            TextColumn("PAIRED", _words("paired", _SHORT_PAIRED), 6),
        )
    medium = width is not None and width < MEDIUM
    time = TextColumn("TIME", _time("end", 11, 23), 12) if width else TextColumn("TIME", _time("end", 0, 27), 27)
    nodes = (
        TextColumn("NODES", _words("locality", _SHORT_LOCALITY), 5)
        if medium
        else TextColumn("NODES", _nodes, weight=0.8)
    )
    return (
        time,
        TextColumn("SOURCE", _end("src", namespace=not medium)),
        TextColumn("DESTINATION", _end("dst", namespace=not medium, port=True), weight=1.3),
        nodes,
        TextColumn("REQUEST", _number("request_bytes", bytes_text), 8, right=True),
        TextColumn("RESPONSE", _number("response_bytes", bytes_text), 8, right=True),
        TextColumn("LIFE", _number("duration_ms", short_duration), 6, right=True),
        TextColumn("VERDICT", _words("verdict"), 9),
        TextColumn("PAIRED", _words("paired", _PAIRED), 9),
    )


def record_columns(width: int | None) -> Sequence[TextColumn]:
    """The table of access lines for a terminal of that width; None is not a terminal: only the overlong is cut."""
    narrow = width is not None and width < NARROW
    shown = short_size if narrow else bytes_text
    bytes_width = 5 if narrow else 8
    time = (
        TextColumn("TIME", _time("time", 0, 27), 27) if width is None else TextColumn("TIME", _time("time", 11, 23), 12)
    )
    columns = [
        time,
        TextColumn("DIR", _words("direction", {Direction.OUTBOUND: "out", Direction.INBOUND: "in"}), 3),
        TextColumn("SOURCE", _end("src", namespace=not narrow)),
        TextColumn("DESTINATION", _end("dst", namespace=not narrow, port=True), weight=1.3),
        TextColumn("SENT", _number("bytes_sent", shown), bytes_width, right=True),
        TextColumn("RECV", _number("bytes_recv", shown), bytes_width, right=True),
        TextColumn("LIFE", _number("duration_ms", short_duration), 6, right=True),
        TextColumn("ZTUNNEL", _words("ztunnel_pod"), weight=0.7),
    ]
    if narrow:
        columns.append(TextColumn("ERROR", _words("error_class"), 8, styles={}))
    else:
        columns.append(TextColumn("ERROR", _words("error"), weight=0.9, styles={}))
    return columns


def _wide_end(side: str, title: str) -> tuple[TextColumn, ...]:
    return (
        TextColumn(f"{title} ADDRESS", _address(side, f"{side}_ip")),
        TextColumn(title, _end(side, namespace=True)),
        TextColumn(f"{title} IDENTITY", _words(f"{side}_identity")),
    )


def wide_flow_columns() -> Sequence[TextColumn]:
    """Every column of a flow a person reads; only the overlong is cut."""
    return (
        TextColumn("END", _time("end", 0, 27)),
        *_wide_end("src", "SOURCE"),
        TextColumn("SOURCE NODE", _words("src_node")),
        TextColumn("SOURCE ZONE", _words("src_zone")),
        *_wide_end("dst", "DESTINATION"),
        TextColumn("TARGET", _address("hbone", "hbone_host")),
        TextColumn("SERVICE", _words("dst_service")),
        TextColumn("DESTINATION NODE", _words("dst_node")),
        TextColumn("DESTINATION ZONE", _words("dst_zone")),
        TextColumn("LOCALITY", _words("locality")),
        TextColumn("REQUEST BYTES", _number("request_bytes"), right=True),
        TextColumn("RESPONSE BYTES", _number("response_bytes"), right=True),
        TextColumn("DURATION MS", _number("duration_ms"), right=True),
        TextColumn("PATH", _words("path")),
        TextColumn("MTLS", _bool("mtls")),
        TextColumn("VERDICT", _words("verdict")),
        TextColumn("ERROR CLASS", _words("error_class")),
        TextColumn("POLICY", _words("policy")),
        TextColumn("PAIRED", _words("paired")),
        TextColumn("ALTERNATIVES", _number("alternatives"), right=True),
        TextColumn("CONFIDENCE", _float("confidence"), right=True),
        TextColumn("UNPAIRED REASON", _words("unpaired_reason")),
        TextColumn("OUTBOUND", _place("outbound")),
        TextColumn("INBOUND", _place("inbound")),
        TextColumn("OUTBOUND ERROR", _words("outbound_error"), styles={}),
        TextColumn("INBOUND ERROR", _words("inbound_error"), styles={}),
    )


def wide_record_columns() -> Sequence[TextColumn]:
    """Every column of an access line a person reads; only the overlong is cut."""
    return (
        TextColumn("TIME", _time("time", 0, 27)),
        TextColumn("LEVEL", _words("level")),
        TextColumn("MESSAGE", _words("message")),
        TextColumn("DIRECTION", _words("direction")),
        *_wide_end("src", "SOURCE"),
        *_wide_end("dst", "DESTINATION"),
        TextColumn("TARGET", _address("hbone", "hbone_host")),
        TextColumn("SERVICE", _words("dst_service")),
        TextColumn("BYTES SENT", _number("bytes_sent"), right=True),
        TextColumn("BYTES RECV", _number("bytes_recv"), right=True),
        TextColumn("DURATION MS", _number("duration_ms"), right=True),
        TextColumn("ZTUNNEL", _words("ztunnel_pod")),
        TextColumn("NODE", _words("ztunnel_node")),
        TextColumn("LINE", _place("record")),
        TextColumn("ERROR CLASS", _words("error_class")),
        TextColumn("ERROR", _words("error"), styles={}),
    )
