"""Wrappers of text lines: prefixes of tailers, runtimes and stores, section markers, quoted lines.

Each is a function from the whole text to what was inside, or None when the text is not of its kind. Other kinds have
rooms of their own: `syslog`, `fluent_text`, `collector`, `logfmt`, `tables`. Page: docs/reference/wrappers.md.
"""

from __future__ import annotations

import ast
import re

import orjson

from ztflow.model.provenance import NOBODY, Origin
from ztflow.read.sources.naming import POD_NAME, ends_like_pod, origin_of_path
from ztflow.read.unwrap.content import RFC3339_TIME, Content, Cut, Memory, cri_head, find_head, merged
from ztflow.read.unwrap.marks import is_line
from ztflow.read.unwrap.metadata import origin_of_file, origin_of_metadata
from ztflow.read.unwrap.stores import labels_of
from ztflow.read.unwrap.syslog import writer_of
from ztflow.text.patterns import lazy_pattern

_KUBECTL = lazy_pattern(r"\[pod/([^/\]\s]+)/([^\]\s]+)\] ?")
_KUBETAIL = lazy_pattern(r"\[([^\]\s\[]+)(?: ([^\]\s]+))?\] (?=\d{4}-\d\d-\d\dT|(?:src\.addr|dst\.addr)=)")
_JOINT = lazy_pattern(r"[/:|]")
_TWO_TIMES = lazy_pattern(rf"{RFC3339_TIME}(?: \| |[ \t]+)(?=\d{{4}}-\d\d-\d\dT)")
_KUBELET_TIME = lazy_pattern(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}(?:Z|[+-]\d\d:\d\d) ")
_GRAFANA = lazy_pattern(rf"\d{{13,19}}\t{RFC3339_TIME}\t")
_KAIL = lazy_pattern(r"([a-z0-9][a-z0-9.-]*)/([a-z0-9][a-z0-9.-]*)\[([^\]\s]+)\]: ")
_START = lazy_pattern(r"==== START logs for container (\S+) of pod ([^/\s]+)/(\S+) ====$")
_END = lazy_pattern(r"==== END logs for container \S+ of pod \S+ ====$")
_QUOTE = lazy_pattern(r'\\.|(")', re.DOTALL)
_FOUND = lazy_pattern(r"Found \d+ pods?, using pod/(\S+)$")
_LIFECYCLE = lazy_pattern(r"[+-] (?:(\S+) )?(\S+) \u203a (\S+)$")
_SHORT_TIME = lazy_pattern(r"\d\d-\d\d \d\d:\d\d:\d\d ")
_CONTAINER = "istio-proxy"
"""ztunnel's container."""

_NAME = r"[A-Za-z0-9<][A-Za-z0-9.<>_-]*"
_NAMES = lazy_pattern(
    rf"({_NAME}) ({_NAME})(?: ({_NAME}))? (?:({RFC3339_TIME}) |\d\d-\d\d \d\d:\d\d:\d\d )?(?=\d{{4}}-|\{{\")"
)
_NODE = lazy_pattern(r"(?=.*[0-9.-])[a-z0-9][a-z0-9.-]*[a-z0-9]")
"""What a template may print for a node: a name of a host that is no plain word."""

_LEADING_NAMES = lazy_pattern(rf"({_NAME} {_NAME})(?: ({_NAME}))?(?: |$)")
_SUFFIX = lazy_pattern(r" \(([^()/\s]*)/([^()/\s]*)/([^()/\s]*)/([^()/\s]*)\)$")
_JSON_HEAD = lazy_pattern(r'\{"(?:level":"[a-z]+","time|timestamp)":"\d{4}-')
"""How ztunnel's own JSON line begins: 1.22.1 and later, 1.22.0."""

_MARKS = lazy_pattern(r"[\s>#|*`-]+")
"""What quoting, comments and indentation put before a line."""

_CRI = lazy_pattern(rf"(?:^|(?<=[^\w.:-])){RFC3339_TIME} std(?:out|err) [FP](?:[ :]|$)")
_PREFIX_CHARS = 1024
"""Longest prefix in which names and a runtime's head are looked for."""

_GREP = lazy_pattern(r"([^\s:][^:\n]*?)(?::\d+:|:|-\d+-|-)$")


def kubectl(text: str, memory: Memory) -> list[Content] | None:
    """`[pod/POD/CONTAINER] LINE`; of several prefixes glued to one line the last before ztunnel's time counts."""
    if not text.startswith("["):
        return None
    first = _KUBECTL.match(text)
    if first is None:
        return None
    last = first
    if text.find("[", first.end()) >= 0:
        head = find_head(text)
        for found in _KUBECTL.finditer(text, first.end(), head.start() if head else len(text)):
            last = found
    rest = Content(text[last.end() :], origin=_origin(memory, None, last[1], last[2]))
    if last is first:
        return [rest]
    glued = text[first.end() : last.start()]
    return [Content(glued, origin=_origin(memory, None, first[1], first[2])), rest]


def kubetail(text: str, memory: Memory) -> list[Content] | None:
    """`[POD] LINE` or `[POD CONTAINER] LINE`; log viewers (Kiali) do the same, templates also `[NS/POD:CONTAINER]`."""
    found = _KUBETAIL.match(text)
    if found is None:
        return None
    joined = [name for name in _JOINT.split(found[1]) if name]
    pods = [name for name in joined if POD_NAME.fullmatch(name) is not None] if len(joined) > 1 else joined
    if len(pods) != 1 or not _is_pod(pods[0]):
        return [Content(text[found.end() :])]
    before = joined[: joined.index(pods[0])]
    namespace = before[-1] if before and _is_namespace(before[-1]) else None
    return [Content(text[found.end() :], origin=_origin(memory, namespace, pods[0], found[2]))]


def cri(text: str, memory: Memory) -> list[Content] | None:
    """`RFC3339_TIME stdout F LINE`: containerd and CRI-O files; `P` is a part."""
    del memory
    found = cri_head(text)
    if found is None:
        return None
    part = Cut.MORE if found[3] == "P" else Cut.END
    return [Content(text[found.end() :], part=part, stream=found[2], stamp=found[1])]


def timestamps(text: str, memory: Memory) -> list[Content] | None:
    """`RFC3339_TIME LINE`: `kubectl logs --timestamps`, `stern -o raw -t`, a log viewer's `RFC3339_TIME | LINE`."""
    del memory
    found = _TWO_TIMES.match(text) or _KUBELET_TIME.match(text)
    return [Content(text[found.end() :])] if found else None


def grafana(text: str, memory: Memory) -> list[Content] | None:
    """`MILLIS⇥RFC3339_TIME⇥LINE`: Grafana's "Download logs" as text."""
    found = _GRAFANA.match(text)
    return [Content(text[found.end() :], origin=memory.common)] if found else None


def kail(text: str, memory: Memory) -> list[Content] | None:
    """`NS/POD[CONTAINER]: LINE`."""
    found = _KAIL.match(text)
    if found is None:
        return None
    sure = _is_pod(found[2]) or found[3] == _CONTAINER
    return [Content(text[found.end() :], origin=_origin(memory, *found.groups()) if sure else NOBODY)]


def sections(text: str, memory: Memory) -> list[Content] | None:
    """Markers that name the ztunnel of the bare lines after them; one may be glued to a line, but not in a value."""
    if "==== " in text:
        started, ended = _START.search(text), _END.search(text)
        found = started or ended
        if found is None or _is_in_value(text[: found.start()]):
            return None
        before = text[: found.start()]
        if started:
            memory.section = Origin(pod=started[3], namespace=started[2], container=started[1])
        elif ended:
            section, memory.section = memory.section, NOBODY
            if before:
                return [Content(before, origin=section), Content(ended[0], final=True)]
        marker = Content(text[len(before) :], final=True)
        return [Content(before), marker] if before else [marker]
    if found := _FOUND.match(text):
        memory.section = Origin(pod=found[1])
        return [Content(text, final=True)]
    return None


def _is_in_value(before: str) -> bool:
    """Whether a line goes on behind this: a quote is open, or a bare value has begun."""
    return before.endswith("=") or sum(found[1] is not None for found in _QUOTE.finditer(before)) % 2 == 1


def lifecycle(text: str, memory: Memory) -> list[Content] | None:
    """What stern prints about its own work: no lines of ztunnel, but they teach which names to expect."""
    if text[:1] not in {"+", "-"}:
        return None
    found = _LIFECYCLE.match(text)
    if found is None:
        return None
    names = f"{found[2]} {found[3]}" if found[1] is None else f"{found[1]} {found[2]} {found[3]}"
    memory.learn_names(names, Origin(pod=found[2], namespace=found[1], container=found[3]))
    return [Content(text, final=True)]


def names(text: str, memory: Memory) -> list[Content] | None:
    """Stern's default: `POD CONTAINER LINE`, with `-A` `NS POD CONTAINER LINE`, with `-t` a time before the line.

    A custom template may print other names in another order; the name that looks like a ztunnel pod decides.
    A line without ztunnel's time (the start-up block, a panic) belongs here only behind names already seen.
    """
    found = _NAMES.match(text)
    if found is not None:
        key = " ".join(name for name in found.group(1, 2, 3) if name)
        origin = memory.names.get(key)
        if origin is None:
            origin = _named(*found.group(1, 2, 3))
            memory.learn_names(key, origin)
        return [Content(text[found.end() :], origin=origin)]
    found = _LEADING_NAMES.match(text)
    if found is None:
        return None
    for key in (f"{found[1]} {found[2]}", found[1]):
        origin = memory.names.get(key)
        if origin is not None:
            rest = text[len(key) + 1 :]
            if short := _SHORT_TIME.match(rest):
                rest = rest[short.end() :]
            return [Content(rest, origin=origin)]
    return None


def suffix(text: str) -> tuple[str, Origin] | None:
    """`LINE (NODE/NS/POD/CONTAINER)`: the template of stern's README."""
    found = _SUFFIX.search(text)
    if found is None:
        return None
    node, namespace, pod, container = (part or None for part in found.groups())
    if pod is not None and not _is_pod(pod):  # another template's order
        pods = [part for part in found.groups() if POD_NAME.fullmatch(part)]
        return text[: found.start()], Origin(pod=pods[0]) if len(pods) == 1 else NOBODY
    return text[: found.start()], Origin(pod=pod, namespace=namespace, node=node, container=container)


def opaque(text: str, memory: Memory) -> list[Content] | None:
    """Anything before ztunnel's time or its JSON: grep's `FILE:`, quote marks, line numbers, another tool's columns.

    A file name, or the one name in it that looks like a ztunnel pod, names the ztunnel; nothing else is guessed. A
    runtime's head between the two is kept: it may stand before a part.
    """
    part = _CRI.search(text, 0, _PREFIX_CHARS)
    if part is not None and part.start():
        (inside,) = cri(text[part.start() :], memory) or [Content(text)]
        before = text[: part.start()]
        if before.startswith("{") and before.endswith("}"):  # a line that lost its end
            return [Content(before), inside]
        return [inside._replace(origin=_origin_before(before, memory), stream=f"{writer_of(before)} {inside.stream}")]
    head = find_head(text) or (_JSON_HEAD.search(text) if text.endswith("}") else None)
    if head is None or not head.start():
        return None
    before = text[: head.start()]
    mended = _MARKS.fullmatch(before) is not None
    return [Content(text[head.start() :], origin=_origin_before(before, memory), mended=mended)]


def _origin_before(before: str, memory: Memory) -> Origin:
    """The ztunnel that any text before a line names."""
    if grep := _GREP.match(before):
        origin = origin_of_path(grep[1])
        if origin is not NOBODY:
            return origin
    pods = set(POD_NAME.findall(before[-_PREFIX_CHARS:]))
    return _origin(memory, None, pods.pop(), None) if len(pods) == 1 else NOBODY


def _named(first: str, second: str, third: str | None) -> Origin:
    """Roles of two or three names: the ztunnel pod by its look, the rest by stern's order."""
    pods = [POD_NAME.fullmatch(name) is not None for name in (first, second, third) if name]
    if not any(pods) and not any(map(_is_pod, (first, second))) and _CONTAINER not in {second, third}:
        return NOBODY  # words of another tool: a wrong name is worse than none
    if third is None:
        if pods == [False, True]:
            # `POD C` turned round by a template: a namespace or a node is first
            if _is_namespace(first):
                return Origin(pod=second, namespace=first)
            return Origin(pod=second, node=first if _NODE.fullmatch(first) else None)
        return Origin(pod=first, container=second)
    if pods == [True, False, False]:
        return Origin(pod=first, container=second) if second == _CONTAINER else Origin(pod=first)
    if pods == [False, False, True]:
        if _is_namespace(first):
            return Origin(pod=third, namespace=first, node=second)
        return Origin(pod=third, namespace=second, node=first)
    return Origin(pod=second, namespace=first, container=third)


def _is_pod(name: str) -> bool:
    """Whether a name ends as Kubernetes ends those of pods, or begins as ztunnel's do; it may be of any DaemonSet."""
    return name.startswith("ztunnel-") or ends_like_pod(name) is not None


def _is_namespace(name: str) -> bool:
    """Namespaces ztunnel is installed in end in `-system` or are named after Istio; nodes are not."""
    return name.endswith("-system") or name in {"default", "istio", "ambient", "ztunnel"}


def _origin(memory: Memory, namespace: str | None, pod: str | None, container: str | None) -> Origin:
    """One shared object a ztunnel."""
    key = f"{namespace or ''} {pod or ''} {container or ''}\n"
    origin = memory.names.get(key)
    if origin is None:
        origin = Origin(pod=pod, namespace=namespace, container=container)
        memory.learn_names(key, origin)
    return origin


_AWS_TAIL = lazy_pattern(
    r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)? (?:(\S+) )?(?=[{\[]|\d{4}-\d\d-\d\dT)"
)
_LOGCLI = lazy_pattern(rf'{RFC3339_TIME} (\{{(?:\w+="(?:[^"\\]|\\.)*"(?:, )?)*\}})\s+')
_COMMON = lazy_pattern(r"(?:\d{4}/\d\d/\d\d \d\d:\d\d:\d\d )?Common labels: (\{.*\})\s*$")
_REPR = lazy_pattern(r"""b?(?:'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"),?""", re.DOTALL)


def logcli_text(text: str, memory: Memory) -> list[Content] | None:
    """`RFC3339_TIME {labels} LINE`, padded to a common width; and the labels common to all lines, printed once."""
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
    """`aws logs tail`: `RFC3339_TIME STREAM MESSAGE`, or `RFC3339_TIME MESSAGE` without a zone."""
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
    if not isinstance(value, str) or not (value[:1] in {"{", "[", '"'} or is_line(value)):
        return None
    return [Content(value.rstrip("\n"), mended=True)]
