"""Line templates: `render_line` writes each kind of line once; numbers are filled in for millions of lines."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import IntEnum

from ztflow.model.provenance import micros_from_time, time_from_micros
from ztflow.parse.render import render_line
from ztflow.simulate.cluster import NAMESPACE, Node
from ztflow.simulate.layout import Layout, Numbers, Speaker
from ztflow.simulate.scenario import Scenario, Wrapper
from ztflow.simulate.startup import Statement
from ztflow.text.patterns import lazy_pattern

CONTAINER = "istio-proxy"


class Hole(IntEnum):
    """What is filled in."""

    TIME = 0
    PORT = 1
    SENT = 2
    RECEIVED = 3
    DURATION = 4
    TRACE = 5
    SHIPPED = 6
    """Time the container runtime gives the line, nine digits."""


_EXAMPLE = Numbers(
    time=631_152_000_123_457, src_port=65_521, bytes_sent=8_111_222_333_444_555, bytes_recv=8_666_777_888_999_000,
    duration_ms=876_543_212_345, trace_id="fedcba98765432100123456789abcdef",
)  # fmt: skip
_TIME_TEXT = time_from_micros(_EXAMPLE.time).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
assert micros_from_time(time_from_micros(_EXAMPLE.time)) == _EXAMPLE.time
_SHIPPED_TEXT = "\0shipped\0"
_TEXT = {
    _TIME_TEXT: Hole.TIME,
    f":{_EXAMPLE.src_port}": Hole.PORT,
    str(_EXAMPLE.bytes_sent): Hole.SENT,
    str(_EXAMPLE.bytes_recv): Hole.RECEIVED,
    f"{_EXAMPLE.duration_ms}ms": Hole.DURATION,
    _EXAMPLE.trace_id: Hole.TRACE,
    _SHIPPED_TEXT: Hole.SHIPPED,
}
_FILLED = {Hole.PORT: ":%d", Hole.SENT: "%d", Hole.RECEIVED: "%d", Hole.DURATION: "%dms"}
_HOLES = lazy_pattern("|".join(map(re.escape, _TEXT)))


@dataclass(frozen=True, slots=True)
class Template:
    """A text for `%`: one physical line or more, each with its end."""

    text: str
    holes: tuple[Hole, ...]
    lines: int = 1


class Templates:
    """Makes templates, wrapped as the scenario says."""

    def __init__(self, scenario: Scenario, layout: Layout) -> None:
        self._scenario, self._layout = scenario, layout

    def access(self, speaker: Speaker, node: Node) -> Template:
        """The template of an access line."""
        row = self._layout.row(speaker, _EXAMPLE)
        text = render_line(row, release=self._scenario.release, format=self._scenario.format)
        return _template([text], node, self._scenario.wrapper)

    def other(self, statement: Statement, node: Node) -> Template:
        """The template of any other line; several physical lines when plain and long."""
        text = statement.render(_TIME_TEXT, self._scenario.version, self._scenario.format)
        return _template(text.split("\n"), node, self._scenario.wrapper)


def _template(lines: Sequence[str], node: Node, wrapper: Wrapper) -> Template:
    place = (node.ztunnel, NAMESPACE, node.name, "ztunnel")
    whole = "".join(f"{wrapped(line, place, wrapper, _SHIPPED_TEXT)}\n" for line in lines)
    holes: list[Hole] = []
    parts: list[str] = []
    last = 0
    for match in _HOLES.finditer(whole):
        hole = _TEXT[match[0]]
        holes.append(hole)
        parts += [whole[last : match.start()].replace("%", "%%"), _FILLED.get(hole, "%s")]
        last = match.end()
    parts.append(whole[last:].replace("%", "%%"))
    return Template("".join(parts), tuple(holes), len(lines))


def wrapped(line: str, place: tuple[str, str, str, str], wrapper: Wrapper, shipped: str) -> str:
    """One physical line as the tool prints it.

    Args:
        line: As the process wrote it.
        place: Pod, its namespace, its node, and what its label `app` says.
        wrapper: The tool.
        shipped: Time the container runtime gives it.
    """
    pod, namespace, node, app = place
    if wrapper == "cri":
        return f"{shipped} stdout F {line}"
    if wrapper == "stern":
        return f"{pod} {CONTAINER} {line}"
    if wrapper == "kubectl-prefix":
        return f"[pod/{pod}/{CONTAINER}] {line}"
    if wrapper == "stern-json":
        told = {
            "message": line,
            "nodeName": node,
            "namespace": namespace,
            "podName": pod,
            "containerName": CONTAINER,
            "labels": {"app": app},
        }
        text = json.dumps(told, ensure_ascii=False, separators=(",", ":"))
        # Go escapes these in every string, wherever the JSON goes; here the wrapper has none of its own.
        for letter in "<>&":
            text = text.replace(letter, f"\\u{ord(letter):04x}")
        return text.replace(json.dumps(_SHIPPED_TEXT)[1:-1], _SHIPPED_TEXT)
    return line


def file_name(node: Node, wrapper: Wrapper) -> str:
    """The file a ztunnel's lines are in."""
    return log_name(node.ztunnel, NAMESPACE, wrapper) if wrapper in {"files", "cri"} else "ztunnel-merged.log"


def log_name(pod: str, namespace: str, wrapper: Wrapper) -> str:
    """The file a pod's lines are in when it has one of its own."""
    if wrapper == "cri":
        # As the kubelet names its links in /var/log/containers; the container's id is a digest of its name here.
        return f"{pod}_{namespace}_{CONTAINER}-{_digest(pod)}.log"
    return f"{pod}.log"


def _digest(text: str) -> str:
    import hashlib

    return hashlib.sha256(text.encode()).hexdigest()


def fill(templates: Iterable[Template], rows: Iterable[tuple[object, ...]]) -> list[str]:
    """Templates of equal holes with their values put in."""
    return [template.text % row for template, row in zip(templates, rows, strict=True)]
