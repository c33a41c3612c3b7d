"""The wrappers, in the order they are tried. A new one is one function, one row here and one in the page.

The page is docs/reference/wrappers.md#order-of-recognition.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from ztflow.read.unwrap import collector, fluent_text, grids, logfmt, shippers, stores, syslog, tables, text_wrappers
from ztflow.read.unwrap.anywhere import anywhere
from ztflow.read.unwrap.content import Content, Memory

TextWrapper: TypeAlias = Callable[[str, Memory], list[Content] | None]
JsonWrapper: TypeAlias = Callable[..., list[Content] | None]

TEXT_WRAPPERS: tuple[tuple[str, TextWrapper], ...] = (
    ("stern", text_wrappers.names),
    ("fluent", fluent_text.csv_row),
    ("csv", tables.table_row),
    ("kubectl", text_wrappers.kubectl),
    ("fluent", fluent_text.ruby),
    ("otel", collector.debug_dump),
    ("otel", collector.debug_record),
    ("kubetail", text_wrappers.kubetail),
    ("kubetail", tables.padded_row),
    ("cri", text_wrappers.cri),
    ("kubectl", text_wrappers.timestamps),
    ("logcli", text_wrappers.logcli_text),
    ("syslog", syslog.syslog),
    ("syslog", syslog.rfc5424),
    ("syslog", syslog.controls),
    ("cloudwatch", text_wrappers.aws_tail),
    ("grafana", text_wrappers.grafana),
    ("kail", text_wrappers.kail),
    ("fluent", fluent_text.tagged_json),
    ("fluent", fluent_text.ltsv),
    ("cluster-info", text_wrappers.sections),
    ("stern", text_wrappers.lifecycle),
    ("logfmt", logfmt.logfmt),
    ("quoted", text_wrappers.quoted),
    ("csv", tables.table_header),
    ("kubetail", tables.padded_header),
    ("prefix", text_wrappers.opaque),
)
"""Wrappers of text lines, in order. Several kinds of one product share a name."""

JSON_WRAPPERS: tuple[tuple[str, JsonWrapper], ...] = (
    ("stern", shippers.stern_json),
    ("logcli", stores.logcli),
    ("journald", shippers.journald),
    ("fluent", shippers.kubernetes),
    ("docker", shippers.docker),
    ("otel", shippers.otlp),
    ("loki", stores.loki),
    ("elastic", stores.elastic),
    ("gcp", stores.gcp),
    ("cloudwatch", stores.cloudwatch),
    ("azure", grids.azure),
    ("azure", stores.azure_row),
    ("datadog", stores.datadog),
    ("stern", shippers.stern_extjson),
    ("otel", shippers.otel_row),
    ("json", grids.grid),
    ("json", shippers.encoded),
    ("json", anywhere),
)
"""Wrappers that are JSON objects, in order: from the object (`logcli`: and what earlier lines taught) to its inside."""

WRAPPERS: tuple[str, ...] = (
    "bare",
    *sorted({*dict(TEXT_WRAPPERS), *dict(JSON_WRAPPERS)}),
)
"""Names `--wrapper` takes."""

ALIASES = {
    "aks": "azure", "aws": "cloudwatch", "containerd": "cri", "cri-o": "cri", "crio": "cri", "docker-json": "docker",
    "elasticsearch": "elastic", "fluent-bit": "fluent", "fluentbit": "fluent", "fluentd": "fluent", "gke": "gcp",
    "json-file": "docker", "kibana": "elastic", "opensearch": "elastic", "opentelemetry": "otel", "otlp": "otel",
    "raw": "bare", "stern-json": "stern", "vector": "fluent",
}  # fmt: skip
"""Other common names of wrappers."""

JSON_NAMES = frozenset({"bare", *dict(JSON_WRAPPERS)})
"""Names under which JSON may be outermost."""
