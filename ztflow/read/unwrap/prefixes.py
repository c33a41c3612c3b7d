"""Wrappers that put something in front of the line (docs/reference/wrappers.md#order-of-recognition).

Each is a function from the whole text to what stood inside, or None when the text is not of its kind.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from typing import Generic, TypeVar

from ztflow.model.provenance import NOBODY, Origin
from ztflow.read.sources.naming import POD_NAME, origin_of_path
from ztflow.read.unwrap.content import TIME, Content, Memory, Part, find_head

T = TypeVar("T")

_CLUSTER = re.compile(r"-[A-Za-z][A-Za-z0-9-]{2,}")
"""A cluster's name has to be a word: node names of one pool share shorter endings and numbers by chance."""

HELD = 1000
"""Rows kept back until a second node shows; an export of one node alone cannot tell, and keeps the whole name."""


def cluster_ending(hosts: Collection[str]) -> str:
    """`-CLUSTER`, when all of at least two hosts end in it; else empty.

    Examples:
        >>> cluster_ending({"ambient-worker-mesh", "ambient-worker2-mesh"})
        '-mesh'
    """
    if len(hosts) < 2:
        return ""
    ending = min(hosts, key=len)
    while ending and not (ending[0] == "-" and all(host.endswith(ending) for host in hosts)):
        ending = ending[1:]
    return ending if _CLUSTER.fullmatch(ending) and all(host != ending for host in hosts) else ""


class HostColumn(Generic[T]):
    """Rows of an export whose hosts carry the cluster's name, until it is known where the node's name ends.

    Args:
        shorten: Gives a row without an ending of its node.

    Attributes:
        hosts: As they stand in the column.

    Memory: `HELD` rows.
    """

    def __init__(self, shorten: Callable[[T, str], T]) -> None:
        self.hosts: set[str] = set()
        self._shorten = shorten
        self._held: list[T] = []
        self._ending: str | None = None

    def settle(self, rows: list[T]) -> list[T]:
        """Rows whose node is sure now, in order."""
        if self._ending is not None:
            return [self._shorten(row, self._ending) for row in rows]
        self._held += rows
        if len(self.hosts) < 2 and len(self._held) < HELD:
            return []
        return self.finish()

    def finish(self) -> list[T]:
        """All rows held; nothing more will tell."""
        if self._ending is None:
            self._ending = cluster_ending(self.hosts)
        held, self._held = self._held, []
        return [self._shorten(row, self._ending) for row in held]

    @property
    def waiting(self) -> bool:
        """Whether rows are held."""
        return bool(self._held)


_KUBECTL = re.compile(r"\[(?:pod|[a-z]+)/([^/\]\s]+)/([^\]\s]+)\] ?")
_KUBETAIL = re.compile(r"\[([^\]\s\[]+)(?: ([^\]\s]+))?\] (?=\d{4}-\d\d-\d\dT|(?:src\.addr|dst\.addr)=)")
_CRI = re.compile(rf"{TIME} (stdout|stderr) ([FP])(?::[^ ]*)?(?: |$)")
_TWO_TIMES = re.compile(rf"{TIME}(?: \| |[ \t]+)(?=\d{{4}}-\d\d-\d\dT)")
_KUBELET_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}(?:Z|[+-]\d\d:\d\d) ")
_GRAFANA = re.compile(rf"\d{{13,19}}\t{TIME}\t")
_KAIL = re.compile(r"([a-z0-9][a-z0-9.-]*)/([a-z0-9][a-z0-9.-]*)\[([^\]\s]+)\]: ")
_START = re.compile(r"==== START logs for container (\S+) of pod ([^/\s]+)/(\S+) ====")
_END = re.compile(r"==== END logs for container \S+ of pod \S+ ====")
_FOUND = re.compile(r"Found \d+ pods?, using pod/(\S+)$")
_LIFECYCLE = re.compile(r"[+-] (?:(\S+) )?(\S+) \u203a (\S+)$")
_SHORT_TIME = re.compile(r"\d\d-\d\d \d\d:\d\d:\d\d ")
_NAME = r"[A-Za-z0-9<][A-Za-z0-9.<>_-]*"
_NAMES = re.compile(rf"({_NAME}) ({_NAME})(?: ({_NAME}))? (?:({TIME}) |\d\d-\d\d \d\d:\d\d:\d\d )?(?=\d{{4}}-|\{{\")")
_LEADING_NAMES = re.compile(rf"({_NAME} {_NAME})(?: ({_NAME}))?(?: |$)")
_SUFFIX = re.compile(r" \(([^()/\s]*)/([^()/\s]*)/([^()/\s]*)/([^()/\s]*)\)$")
_JSON_HEAD = re.compile(r'\{"(?:level":"[a-z]+","time|timestamp)":"\d{4}-')
"""How ztunnel's own JSON line begins: 1.22.1 and later, 1.22.0."""

_MARKS = re.compile(r"[\s>#|*`-]+")
"""What quoting, comments and indentation put before a line."""

_GREP = re.compile(r"([^\s:][^:\n]*?)(?::\d+:|:|-\d+-|-)$")


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
    """`[POD] LINE` or `[POD CONTAINER] LINE`; log viewers (Kiali) do the same."""
    found = _KUBETAIL.match(text)
    return [Content(text[found.end() :], origin=_origin(memory, None, found[1], found[2]))] if found else None


def cri(text: str, memory: Memory) -> list[Content] | None:
    """`TIME stdout F LINE`: containerd and CRI-O files; `P` is a part."""
    del memory
    found = _CRI.match(text)
    if found is None:
        return None
    part = Part.MORE if found[2] == "P" else Part.END
    return [Content(text[found.end() :], part=part, stream=found[1])]


def timestamps(text: str, memory: Memory) -> list[Content] | None:
    """`TIME LINE`: `kubectl logs --timestamps`, `stern -o raw -t`, a log viewer's `TIME | LINE`."""
    del memory
    found = _TWO_TIMES.match(text) or _KUBELET_TIME.match(text)
    return [Content(text[found.end() :])] if found else None


def grafana(text: str, memory: Memory) -> list[Content] | None:
    """`MILLIS⇥TIME⇥LINE`: Grafana's "Download logs" as text."""
    found = _GRAFANA.match(text)
    return [Content(text[found.end() :], origin=memory.common)] if found else None


def kail(text: str, memory: Memory) -> list[Content] | None:
    """`NS/POD[CONTAINER]: LINE`."""
    found = _KAIL.match(text)
    return [Content(text[found.end() :], origin=_origin(memory, found[1], found[2], found[3]))] if found else None


def sections(text: str, memory: Memory) -> list[Content] | None:
    """Markers that name the writer of the bare lines after them; a marker may be glued to a line."""
    if "==== " in text:
        if started := _START.search(text):
            memory.section = Origin(pod=started[3], namespace=started[2], container=started[1])
            before = text[: started.start()]
        elif ended := _END.search(text):
            before = text[: ended.start()]
            section, memory.section = memory.section, NOBODY
            if before:
                return [Content(before, origin=section), Content(ended[0], final=True)]
        else:
            return None
        marker = Content(text[len(before) :], final=True)
        return [Content(before), marker] if before else [marker]
    if found := _FOUND.match(text):
        memory.section = Origin(pod=found[1])
        return [Content(text, final=True)]
    return None


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
    return text[: found.start()], Origin(pod=pod, namespace=namespace, node=node, container=container)


def opaque(text: str, memory: Memory) -> list[Content] | None:
    """Anything before ztunnel's time or its JSON: grep's `FILE:`, quote marks, line numbers, another tool's columns.

    A file name, or the one name in it that looks like a ztunnel pod, names the writer; nothing else is guessed.
    """
    head = find_head(text) or (_JSON_HEAD.search(text) if text.endswith("}") else None)
    if head is None or not head.start():
        return None
    before = text[: head.start()]
    origin = NOBODY
    if grep := _GREP.match(before):
        origin = origin_of_path(grep[1])
    if origin is NOBODY:
        pods = set(POD_NAME.findall(before))
        origin = _origin(memory, None, pods.pop(), None) if len(pods) == 1 else NOBODY
    return [Content(text[head.start() :], origin=origin, mended=_MARKS.fullmatch(before) is not None)]


def _named(first: str, second: str, third: str | None) -> Origin:
    """Which of two or three names is what: the ztunnel pod by its look, the rest by stern's order."""
    pods = [POD_NAME.fullmatch(name) is not None for name in (first, second, third) if name]
    if third is None:
        if pods == [False, True]:
            # `POD C` turned round by a template: a namespace or a node stands first
            return Origin(pod=second, namespace=first) if _is_namespace(first) else Origin(pod=second, node=first)
        return Origin(pod=first, container=second)
    if pods == [True, False, False]:
        return Origin(pod=first, container=second) if second == "istio-proxy" else Origin(pod=first)
    if pods == [False, False, True]:
        if _is_namespace(first):
            return Origin(pod=third, namespace=first, node=second)
        return Origin(pod=third, namespace=second, node=first)
    return Origin(pod=second, namespace=first, container=third)


def _is_namespace(name: str) -> bool:
    """Namespaces ztunnel is installed in end in `-system` or are named after Istio; nodes are not."""
    return name.endswith("-system") or name in {"default", "istio", "ambient", "ztunnel"}


def _origin(memory: Memory, namespace: str | None, pod: str | None, container: str | None) -> Origin:
    """One shared object a writer."""
    key = f"{namespace or ''} {pod or ''} {container or ''}\n"
    origin = memory.names.get(key)
    if origin is None:
        origin = Origin(pod=pod, namespace=namespace, container=container)
        memory.learn_names(key, origin)
    return origin
