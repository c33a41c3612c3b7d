"""Which ztunnel wrote a record, from the metadata a shipper or store keeps beside it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

from ztflow.model.provenance import NOBODY, Origin
from ztflow.read.sources.naming import origin_of_path
from ztflow.read.unwrap.content import merged, text_of
from ztflow.text.patterns import lazy_pattern

_ROLE_BY_ENDING = (
    ("podname", "pod"),
    ("kubernetespod", "pod"),
    ("k8spod", "pod"),
    ("nodename", "node"),
    ("kuberneteshost", "node"),
    ("k8snode", "node"),
    ("k8shost", "node"),
    ("namespacename", "namespace"),
    ("podnamespace", "namespace"),
    ("kubernetesnamespace", "namespace"),
    ("kubenamespace", "namespace"),
    ("k8snamespace", "namespace"),
    ("containername", "container"),
    ("kubernetescontainer", "container"),
    ("k8scontainer", "container"),
    ("topologykubernetesiozone", "zone"),
    ("cloudavailabilityzone", "zone"),
)
_ROLE_BY_NAME = {
    "pod": "pod",
    "node": "node",
    "computer": "node",
    "namespace": "namespace",
    "container": "container",
    "zone": "zone",
}
_PATHS = {
    "filename", "logfilepath", "file", "logstreamname", "logstream", "source", "tag", "fluentbittag", "filepath",
    "logpath", "logfile", "logfilename",
}  # fmt: skip

_OTHERS = frozenset({
    "src", "dst", "source", "destination", "peer", "client", "server", "upstream", "downstream", "agent", "collector",
})  # fmt: skip
"""First words of keys that describe somebody else than the writer of the line."""

_NEUTRAL = lazy_pattern(
    r"^(?:(?:fields|labels|tags|attributes|metadata|resources?|_source|[._]sdata|[a-z0-9_-]++@[0-9]++)\.)+"
)
"""Containers of keys that say nothing about whom the keys describe."""

_SELECTOR = lazy_pattern(r'([A-Za-z_][\w./-]*)="((?:[^"\\]|\\.)*)"')
_SEPARATORS = lazy_pattern(r"[^a-z0-9]")
_DEPTH = 5
_STREAM_NAME = lazy_pattern(r"(.+?)-application\.var\.log\.containers\.(.+)$")
"""Container Insights: the node is before the fixed middle; it may hold dashes and dots itself."""


_INSTANCE = lazy_pattern(r"([a-z0-9-]+)/([a-z0-9.-]+):([a-z0-9-]+)")
"""The label Grafana Alloy gives what it reads from a cluster's API: namespace, pod, container."""

_CONTAINER_NAME = lazy_pattern(r"/?k8s_([^_/]+)_([^_/]+)_([^_/]+)_")
"""How Docker calls a container of Kubernetes: container, pod, namespace."""


@lru_cache(maxsize=4096)
def _role(path: str) -> str | None:
    """What a key path means: `pod`, `node`, …, `path` for one that holds a log file's path, or None."""
    path = _NEUTRAL.sub("", path.lower()).removesuffix(".keyword")
    first, *more = re.split(r"[._/]", path, maxsplit=1)
    if more and first in _OTHERS:
        return None
    plain = _SEPARATORS.sub("", path)
    for ending, role in _ROLE_BY_ENDING:
        if plain.endswith(ending):
            return role
    last = _SEPARATORS.sub("", re.split(r"[./]", path)[-1])
    if plain in _PATHS:
        return "path"
    return _ROLE_BY_NAME.get(plain) if plain == last else None


def _leaves(value: Mapping[str, Any], prefix: str = "", depth: int = 0) -> Iterator[tuple[str, str]]:
    for key, inner in value.items():
        path = f"{prefix}{key}"
        if isinstance(inner, list) and len(inner) == 1:
            inner = inner[0]  # noqa: PLW2901 - Elasticsearch `fields` wraps every value in an array
        if isinstance(inner, str):
            if inner:
                yield path, inner
        elif isinstance(inner, dict) and depth < _DEPTH:
            yield from _leaves(inner, path + ".", depth + 1)


@lru_cache(maxsize=4096)
def shared(origin: Origin) -> Origin:
    """The one object for all records of a ztunnel."""
    return origin


@lru_cache(maxsize=4096)
def origin_of_file(path: str) -> Origin:
    """What a log file's path, a tag made of one, or a CloudWatch stream name says."""
    if found := _CONTAINER_NAME.match(path):
        return Origin(pod=found[2], namespace=found[3], container=found[1])
    if found := _STREAM_NAME.match(path):
        return origin_of_path(found[2])._replace(node=found[1])
    return origin_of_path(path)


def origin_of_metadata(value: Mapping[str, Any]) -> Origin:
    """Pod, namespace, container, node and zone wherever they are in a record's metadata.

    Key paths differ by product and are configurable in most of them, so names are looked up by what they end in, at
    any depth; the first of each role wins. A log file's path fills what is missing.
    """
    found: dict[str, str] = {}
    instance = value.get("instance")
    if isinstance(instance, str) and (named := _INSTANCE.fullmatch(instance)):
        value = {"pod": named[2], "namespace": named[1], "container": named[3], **value}
    source = value.get("source")
    if isinstance(source, dict) and "podName" in source and "containerName" in source:  # kubetail's: not a peer's
        about = source.get("metadata")
        value = {**value, **source, **(about if isinstance(about, dict) else {}), "source": None}
    selector = value.get("_stream")
    if isinstance(selector, str) and selector[:1] == "{":  # VictoriaLogs: all that tells the writer, in one text
        value = {**value, **dict(_SELECTOR.findall(selector))}
    tags = value.get("ddtags", value.get("tags"))
    if isinstance(tags, str | list):
        told = origin_of_tags(tags.split(",") if isinstance(tags, str) else tags)
        found |= {name: text for name, text in told._asdict().items() if text}
    paths: list[Origin] = []
    for path, text in _leaves(value):
        role = _role(path)
        if role == "path" or (role in {None, "container"} and text.removeprefix("/").startswith("k8s_")):
            paths.append(origin_of_file(text))
        elif role is not None:
            found.setdefault(role, text)
    origin = Origin(**found) if found else NOBODY
    if paths:
        origin = merged(origin, next((one for one in paths if one.pod), paths[0]))
    return shared(origin) if origin != NOBODY else NOBODY


def origin_of_kubernetes(value: Mapping[str, Any]) -> Origin:
    """The `kubernetes` object of Fluent Bit, Fluentd or Vector: the common case, without a search."""
    get = value.get
    pod = text_of(get("pod_name"))
    if pod is None:
        return origin_of_metadata({"kubernetes": value})
    labels = get("node_labels")
    zone = labels.get("topology.kubernetes.io/zone") if isinstance(labels, dict) else None
    return shared(
        Origin(
            pod=pod,
            namespace=text_of(get("namespace_name")) or text_of(get("pod_namespace")),
            node=text_of(get("host")) or text_of(get("pod_node_name")) or text_of(get("node_name")),
            container=text_of(get("container_name")),
            zone=text_of(zone),
        )
    )


def origin_of_tags(tags: list[Any]) -> Origin:
    """Datadog's `key:value` tags."""
    names = {
        "pod_name": "pod", "kube_namespace": "namespace", "kube_container_name": "container", "kube_node": "node",
        "zone": "zone",
    }  # fmt: skip
    found: dict[str, str] = {}
    for tag in tags:
        key, colon, value = tag.partition(":") if isinstance(tag, str) else ("", "", "")
        if colon and value and key in names:
            found.setdefault(names[key], value)
    return shared(Origin(**found)) if found else NOBODY
