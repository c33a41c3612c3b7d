"""Answers and exports of log stores: Loki, Elasticsearch, GCP, CloudWatch, Azure, Datadog.

Their layouts: docs/reference/wrappers.md#log-stores.

Each function takes the decoded object and gives what was inside, in the order of the document, or None when the
object is not of its kind.
"""

from __future__ import annotations

from typing import Any

from ztflow.model.provenance import NOBODY, Origin
from ztflow.read.unwrap.content import Content, Cut, Memory, cluster_ending, merged, text_of
from ztflow.read.unwrap.json_text import decoded
from ztflow.read.unwrap.marks import is_marked
from ztflow.read.unwrap.metadata import origin_of_file, origin_of_metadata, origin_of_tags, shared
from ztflow.read.unwrap.shippers import content
from ztflow.text.patterns import lazy_pattern

LINE_COLUMNS = (
    "@message", "LogMessage", "LogEntry", "Message", "Content", "message", "log", "line", "Line", "body", "Body",
    "_msg", "msg", "_raw",
)  # fmt: skip
"""Columns of tables that hold the line, in the order they are tried."""

_GCP_NODE = ("compute.googleapis.com/resource_name", "compute_googleapis_com_resource_name")
"""The label of the node; BigQuery's columns have no dots."""

_LABELS = lazy_pattern(r'(\w+)="((?:[^"\\]|\\.)*)"')


def loki(value: dict[str, Any]) -> list[Content] | None:
    """The answer of `query_range`, or a push body. A value may carry a third element with structured metadata."""
    data = value.get("data")
    streams = data.get("result") if isinstance(data, dict) else value.get("streams")
    if not isinstance(streams, list) or not all(isinstance(one, dict) for one in streams):
        return None
    if streams and not any("values" in one for one in streams):
        return None
    found: list[Content] = []
    for one in streams:
        labels = one.get("stream")
        origin = origin_of_metadata(labels) if isinstance(labels, dict) else NOBODY
        for entry in _list(one.get("values")):
            if not isinstance(entry, list) or len(entry) < 2:
                continue
            who = origin
            if len(entry) > 2 and isinstance(entry[2], dict):
                who = merged(origin_of_metadata(_metadata(entry[2])), origin)
            found.append(content(entry[1], who))
    return found


def _metadata(third: dict[str, Any]) -> dict[str, Any]:
    """Structured metadata of a Loki value: categorised, or flat in a push body."""
    inner = third.get("structuredMetadata")
    parsed = third.get("parsed")
    if isinstance(inner, dict) or isinstance(parsed, dict):
        return {**(parsed if isinstance(parsed, dict) else {}), **(inner if isinstance(inner, dict) else {})}
    return third


def logcli(value: dict[str, Any], memory: Memory) -> list[Content] | None:
    """`logcli -o jsonl`. Labels all streams share are missing here; logcli prints them once, on stderr."""
    labels, line = value.get("labels"), value.get("line")
    if not isinstance(labels, dict) or not isinstance(line, str):
        return None
    return [Content(line, origin=merged(origin_of_metadata(labels), memory.common))]


def labels_of(text: str) -> Origin:
    """Labels in LogQL's form: `{pod="ztunnel-x", node_name="n"}`."""
    return origin_of_metadata(dict(_LABELS.findall(text)))


def elastic(value: dict[str, Any]) -> list[Content] | None:
    """A `_search` answer, one hit, or a bare document with ECS keys, nested or dotted."""
    hits = value.get("hits")
    if isinstance(hits, dict) and isinstance(hits.get("hits"), list):
        return [inside for hit in hits["hits"] for inside in _document(hit)]
    if isinstance(value.get("_source"), dict) or (isinstance(value.get("fields"), dict) and "_index" in value):
        return _document(value)
    return None


def _document(hit: Any) -> list[Content]:
    if not isinstance(hit, dict):
        return []
    source = hit.get("_source")
    if not isinstance(source, dict):
        source = hit.get("fields")
    return [Content(value=source)] if isinstance(source, dict) else []


def gcp(value: dict[str, Any]) -> list[Content] | None:
    """A LogEntry: the node is among the entry's labels, not the resource's."""
    resource = value.get("resource")
    if "logName" not in value or not isinstance(resource, dict):
        return None
    labels, about = _dict(value.get("labels")), _dict(resource.get("labels"))
    zone = labels.get("k8s-pod/topology_kubernetes_io/zone") or labels.get("k8s-pod/topology.kubernetes.io/zone")
    origin = shared(
        Origin(
            pod=text_of(about.get("pod_name")),
            namespace=text_of(about.get("namespace_name")),
            node=next(filter(None, map(text_of, map(labels.get, _GCP_NODE))), None) or text_of(about.get("node_name")),
            container=text_of(about.get("container_name")),
            zone=text_of(zone),
        )
    )
    payload = value.get("jsonPayload")
    if isinstance(payload, dict):
        line = payload if "message" not in payload or "scope" in payload else payload["message"]
        return [content(line, origin)]
    inside = content(value.get("textPayload"), origin)
    split = value.get("split")
    if isinstance(split, dict) and inside.text:
        last = split.get("index", 0) == _int(split.get("totalSplits"), 1) - 1
        inside = inside._replace(part=Cut.END if last else Cut.MORE, stream=str(split.get("uid")))
    return [inside]


def cloudwatch(value: dict[str, Any]) -> list[Content] | None:
    """`filter-log-events` and `get-log-events`, one event, or the rows of Logs Insights."""
    events = value.get("events")
    if isinstance(events, list) and all(isinstance(one, dict) and "message" in one for one in events):
        return [inside for one in events for inside in _event(one)]
    if "logStreamName" in value and "message" in value:
        return _event(value)
    results = value.get("results")
    if not isinstance(results, list) or not all(isinstance(row, list) for row in results):
        return None
    return [inside for row in results for inside in insights_row(row) or ()]


def insights_row(row: list[Any]) -> list[Content] | None:
    """One row of Logs Insights: a list of `{"field", "value"}`; None when the list is something else."""
    if not row or not all(isinstance(cell, dict) and "field" in cell and "value" in cell for cell in row):
        return None
    return cells_content({str(cell["field"]): cell["value"] for cell in row})


def _event(event: dict[str, Any]) -> list[Content]:
    stream = event.get("logStreamName")
    return [content(event["message"], origin_of_file(stream) if isinstance(stream, str) else NOBODY)]


def cells_content(cells: dict[str, Any]) -> list[Content]:
    """A row of a table with named columns: the line, and the ztunnel that wrote it."""
    line = next((cells[name] for name in LINE_COLUMNS if cells.get(name)), None)
    if line is None or (isinstance(line, str) and not is_marked(line)):
        line = next((cell for cell in cells.values() if isinstance(cell, str) and is_marked(cell)), line)
    if line is None:
        return []
    about = {name: _cell(cell) for name, cell in cells.items() if cell is not line}
    host = text_of(about.pop("Host", None))
    stream = text_of(about.pop("@logStream", None))
    origin = origin_of_metadata(about)
    if stream:
        origin = merged(origin, origin_of_file(stream))
    if host and origin.node is None:
        origin = shared(origin._replace(node=host))
    return [content(line, origin)]


def _cell(cell: Any) -> Any:
    """Labels are an object in one cell, in CSV as its text."""
    return (decoded(cell) or cell) if isinstance(cell, str) and cell[:2] == '{"' else cell


def azure_row(value: dict[str, Any]) -> list[Content] | None:
    """One row of ContainerLogV2 as an object (diagnostic export)."""
    if "LogMessage" not in value or not ("PodName" in value or "Computer" in value):
        return None
    return cells_content(value)


_DATADOG_ARCHIVE = {"message", "host", "date", "_id"}
"""Keys of an event in an archive (S3 and others), which is an event of the API without what is around it."""


def datadog(value: dict[str, Any]) -> list[Content] | None:
    """Events of the logs API. `host` is the node, with `-CLUSTER` behind it once the agent knows the cluster."""
    events = value.get("data")
    if not isinstance(events, list):
        if isinstance(value.get("attributes"), dict) and value.get("type") == "log":
            events = [value]
        elif isinstance(value.get("tags"), list) and value.keys() >= _DATADOG_ARCHIVE:
            events = [{"attributes": value}]
        else:
            return None
    found: list[Content] = []
    all_about = [about for event in events if (about := _dict(_dict(event).get("attributes")))]
    ending = cluster_ending({host for about in all_about if (host := text_of(about.get("host")))})
    for about in all_about:
        tags = _list(about.get("tags"))
        origin = origin_of_tags(tags)
        host = text_of(about.get("host"))
        if host and origin.node is None:
            clusters = [tag[18:] for tag in tags if isinstance(tag, str) and tag.startswith("kube_cluster_name:")]
            origin = shared(origin._replace(node=host.removesuffix(f"-{clusters[0]}" if clusters else ending)))
        parsed = about.get("attributes")
        message = about.get("message")
        if isinstance(parsed, dict) and "scope" in parsed and isinstance(message, str) and not is_marked(message):
            parsed = {"message": message, **parsed}
        found.append(content(parsed if message is None or _is_line(parsed) else message, origin))
    return found


def _is_line(value: Any) -> bool:
    return isinstance(value, dict) and "scope" in value and "message" in value


def _int(value: Any, default: int) -> int:
    return value if isinstance(value, int) else default


def _dict(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
