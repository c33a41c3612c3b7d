"""Shippers that put a decoded object behind a text prefix, and tables: one record a physical line.

The rows of docs/reference/wrappers.md#order-of-recognition that hold an object, CSV exports, and lines printed as a
quoted string.
"""

from __future__ import annotations

import ast
import csv
import re

import orjson

from ztflow.model.provenance import Origin
from ztflow.read.unwrap.content import TIME, Content, Memory, Part, find_head, merged
from ztflow.read.unwrap.metadata import origin_of_file, origin_of_metadata
from ztflow.read.unwrap.stores import LINE_COLUMNS, cells_content, labels_of

_STDOUT = re.compile(r"\[\d+\] (\S+): \[\[?\d+\.\d+, \{")
_RUBY_PAIR = re.compile(r'"([^"\s]+)"=>"([^"]*)"')
_RUBY_LINE = re.compile(r'"(?:log|message)"=>"')
_FLUENT_FILE = re.compile(r"(\S+): \[\d+(?:\.\d+)?, (\{.*\})\]$", re.DOTALL)
_FLUENTD_FILE = re.compile(rf"{TIME}\t(\S+)\t(\{{.*\}})$", re.DOTALL)
_FLUENTD_STDOUT = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d+ [+-]\d{4} (\S+): (\{.*\})$", re.DOTALL)
_AWS_TAIL = re.compile(
    r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)? (?:(\S+) )?(?=[{\[]|\d{4}-\d\d-\d\dT)"
)
_LOGCLI = re.compile(rf'{TIME} (\{{(?:\w+="(?:[^"\\]|\\.)*"(?:, )?)*\}})\s+')
_COMMON = re.compile(r"(?:\d{4}/\d\d/\d\d \d\d:\d\d:\d\d )?Common labels: (\{.*\})\s*$")
_REPR = re.compile(r"""b?(?:'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"),?""", re.DOTALL)

_COLUMN_NAMES = frozenset(LINE_COLUMNS) | {
    "TimeGenerated [UTC]", "TimeGenerated", "Computer", "PodName", "PodNamespace", "ContainerName", "@timestamp",
    "@logStream", "Date", "Host", "Service", "kubernetes.pod_name", "kubernetes.host", "_time", "timestamp", "Time",
}  # fmt: skip


def fluent_stdout(text: str, memory: Memory) -> list[Content] | None:
    """Fluent Bit's stdout: a Ruby look whose strings are not escaped, so it is cut at what follows the line."""
    del memory
    found = _STDOUT.match(text)
    line = _RUBY_LINE.search(text, found.end()) if found else None
    if found is None or line is None:
        return None
    end = text.find('", "kubernetes"=>{', line.end())
    if end < 0:
        end = text.rfind('"}]')
    inside = text[line.end() : end if end >= line.end() else len(text)]
    around = text[: line.start()] + text[end:] if end >= line.end() else text[: line.start()]
    pairs = dict(_RUBY_PAIR.findall(around))
    kubernetes = {
        f"kubernetes.{key}": value
        for key, value in pairs.items()
        if key in {"pod_name", "namespace_name", "host", "container_name"}
    }
    origin = merged(origin_of_metadata(kubernetes), origin_of_file(found[1]))
    part = Part.MORE if pairs.get("_p") == "P" or pairs.get("logtag") == "P" else Part.END
    return [Content(inside, origin=origin, part=part, stream=pairs.get("stream", ""))]


def tagged_json(text: str, memory: Memory) -> list[Content] | None:
    """`TAG: [sec, {…}]` (Fluent Bit file), `TIME⇥TAG⇥{…}` (Fluentd file), `TIME TAG: {…}` (Fluentd stdout)."""
    del memory
    if not text.endswith(("}", "]")):
        return None
    found = _FLUENT_FILE.match(text) or _FLUENTD_FILE.match(text) or _FLUENTD_STDOUT.match(text)
    return [Content(found[2], origin=origin_of_file(found[1]))] if found else None


def logcli_text(text: str, memory: Memory) -> list[Content] | None:
    """`TIME {labels} LINE`, padded to a common width; and the labels common to all lines, printed once."""
    if found := _COMMON.match(text):
        memory.common = labels_of(found[1]) if "=" in found[1] else _json_labels(found[1])
        return [Content(text, final=True)]
    found = _LOGCLI.match(text)
    if found is None:
        return None
    return [Content(text[found.end() :], origin=merged(labels_of(found[1]), memory.common))]


def _json_labels(text: str) -> Origin:
    try:
        labels = orjson.loads(text)
    except ValueError:
        return Origin()
    return origin_of_metadata(labels) if isinstance(labels, dict) else Origin()


def aws_tail(text: str, memory: Memory) -> list[Content] | None:
    """`aws logs tail`: `TIME STREAM MESSAGE`, or `TIME MESSAGE` without a zone."""
    del memory
    found = _AWS_TAIL.match(text)
    if found is None:
        return None
    origin = origin_of_file(found[1]) if found[1] else Origin()
    return [Content(text[found.end() :], origin=origin)]


def tail_opening(text: str) -> tuple[str, Origin] | None:
    """`aws logs tail --format json`: the message begins here and is pretty-printed over the next lines."""
    found = _AWS_TAIL.match(text)
    if found is None or text[found.end() :] != "{":
        return None
    return "{", origin_of_file(found[1]) if found[1] else Origin()


def quoted(text: str, memory: Memory) -> list[Content] | None:
    """A line printed as a JSON string (`jq` without `-r`) or as Python's `repr`."""
    del memory
    found = _REPR.fullmatch(text.strip())
    if found is None:
        return None
    inner = text.strip().rstrip(",")
    try:
        value = orjson.loads(inner) if inner.startswith('"') else ast.literal_eval(inner)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return None
    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace")
    if not isinstance(value, str) or not (value.startswith("{") or find_head(value)):
        return None
    return [Content(value.rstrip("\n"), mended=True)]


def table_header(text: str, memory: Memory) -> list[Content] | None:
    """The header of a CSV export: a known line column beside another known name."""
    if "," not in text or len(text) > 4096:
        return None
    cells = _row(text)
    known = sum(cell in _COLUMN_NAMES for cell in cells)
    if known < 2 or not any(cell in LINE_COLUMNS for cell in cells):
        return None
    memory.columns = cells
    memory.hosts = set() if "Host" in cells else None
    return [Content(text, final=True)]


def table_row(text: str, memory: Memory) -> list[Content] | None:
    """A row under that header; or, the header lost, a row one of whose cells is a line."""
    if memory.columns is not None:
        cells = _row(text)
        if len(cells) == len(memory.columns):
            found = cells_content(dict(zip(memory.columns, cells, strict=True)))
            # a line of another kind may have as many commas; then its time stands outside the column
            if found and (find_head(text) is None or ((head := find_head(found[0].text)) and not head.start())):
                if memory.hosts is not None and found[0].origin.node:
                    memory.hosts.add(found[0].origin.node)
                return found
    if '""' in text and '"' in text[:1] + text[text.find(",") + 1 :][:1]:
        for cell in _row(text):
            head = find_head(cell)
            if head and head.start() == 0:
                return [Content(cell)]
    return None


def _row(text: str) -> list[str]:
    try:
        return next(csv.reader([text]), [])
    except csv.Error:  # a field past csv's own limit, or a NUL
        return []
