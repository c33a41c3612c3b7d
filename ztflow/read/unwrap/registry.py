"""The wrappers, in the order they are tried. A new one is one function, one row here and one in the page.

The page is docs/reference/wrappers.md#order-of-recognition.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

from ztflow.read.unwrap import lined, prefixes, shippers, stores
from ztflow.read.unwrap.anywhere import anywhere
from ztflow.read.unwrap.content import Content, Memory

TextWrapper: TypeAlias = Callable[[str, Memory], list[Content] | None]
JsonWrapper: TypeAlias = Callable[[dict[str, Any]], list[Content] | None]

TEXT_WRAPPERS: tuple[tuple[str, TextWrapper], ...] = (
    ("csv", lined.table_row),
    ("kubectl", prefixes.kubectl),
    ("fluent", lined.fluent_stdout),
    ("kubetail", prefixes.kubetail),
    ("cri", prefixes.cri),
    ("kubectl", prefixes.timestamps),
    ("logcli", lined.logcli_text),
    ("cloudwatch", lined.aws_tail),
    ("grafana", prefixes.grafana),
    ("kail", prefixes.kail),
    ("fluent", lined.tagged_json),
    ("cluster-info", prefixes.sections),
    ("stern", prefixes.lifecycle),
    ("stern", prefixes.names),
    ("quoted", lined.quoted),
    ("csv", lined.table_header),
    ("prefix", prefixes.opaque),
)
"""Wrappers of text lines, in order. Several kinds of one product share a name."""

JSON_WRAPPERS: tuple[tuple[str, JsonWrapper], ...] = (
    ("stern", shippers.stern_json),
    ("fluent", shippers.kubernetes),
    ("docker", shippers.docker),
    ("otel", shippers.otlp),
    ("loki", stores.loki),
    ("elastic", stores.elastic),
    ("gcp", stores.gcp),
    ("cloudwatch", stores.cloudwatch),
    ("azure", stores.azure),
    ("azure", stores.azure_row),
    ("datadog", stores.datadog),
    ("stern", shippers.stern_extjson),
    ("otel", shippers.otel_row),
    ("json", anywhere),
)
"""Wrappers that are JSON objects, in order; `logcli` needs the labels seen earlier and stands apart."""

WRAPPERS: tuple[str, ...] = (
    "bare",
    *sorted({name for name, _ in TEXT_WRAPPERS} | {name for name, _ in JSON_WRAPPERS}),
)
"""Names `--wrapper` takes."""

ALIASES = {
    "aks": "azure", "aws": "cloudwatch", "containerd": "cri", "cri-o": "cri", "crio": "cri", "docker-json": "docker",
    "elasticsearch": "elastic", "fluent-bit": "fluent", "fluentbit": "fluent", "fluentd": "fluent", "gke": "gcp",
    "json-file": "docker", "kibana": "elastic", "opensearch": "elastic", "opentelemetry": "otel", "otlp": "otel",
    "raw": "bare", "stern-json": "stern", "vector": "fluent",
}  # fmt: skip
"""Other names people have for them."""

JSON_NAMES = frozenset({"bare", "logcli", *(name for name, _ in JSON_WRAPPERS)})
"""Names under which JSON may stand on the outside."""
