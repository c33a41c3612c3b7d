"""Wrappers of text lines: prefixes, objects behind a text prefix, and tables (docs/reference/wrappers.md).

Each is a function from the whole text to what was inside, or None when the text is not of its kind. Also CSV exports,
and lines printed as a quoted string.
"""

from __future__ import annotations

import ast
import csv
import re

import orjson

from ztflow.model.provenance import NOBODY, Origin
from ztflow.read.sources.naming import POD_NAME, origin_of_path
from ztflow.read.unwrap.content import RFC3339_TIME, Content, Cut, Memory, cri_head, find_head, merged
from ztflow.read.unwrap.marks import is_line
from ztflow.read.unwrap.metadata import origin_of_file, origin_of_metadata
from ztflow.read.unwrap.stores import LINE_COLUMNS, cells_content, labels_of

_KUBECTL = re.compile(r"\[(?:pod|[a-z]+)/([^/\]\s]+)/([^\]\s]+)\] ?")
_KUBETAIL = re.compile(r"\[([^\]\s\[]+)(?: ([^\]\s]+))?\] (?=\d{4}-\d\d-\d\dT|(?:src\.addr|dst\.addr)=)")
_TWO_TIMES = re.compile(rf"{RFC3339_TIME}(?: \| |[ \t]+)(?=\d{{4}}-\d\d-\d\dT)")
_KUBELET_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}(?:Z|[+-]\d\d:\d\d) ")
_GRAFANA = re.compile(rf"\d{{13,19}}\t{RFC3339_TIME}\t")
_KAIL = re.compile(r"([a-z0-9][a-z0-9.-]*)/([a-z0-9][a-z0-9.-]*)\[([^\]\s]+)\]: ")
_START = re.compile(r"==== START logs for container (\S+) of pod ([^/\s]+)/(\S+) ====")
_END = re.compile(r"==== END logs for container \S+ of pod \S+ ====")
_FOUND = re.compile(r"Found \d+ pods?, using pod/(\S+)$")
_LIFECYCLE = re.compile(r"[+-] (?:(\S+) )?(\S+) \u203a (\S+)$")
_SHORT_TIME = re.compile(r"\d\d-\d\d \d\d:\d\d:\d\d ")
_NAME = r"[A-Za-z0-9<][A-Za-z0-9.<>_-]*"
_NAMES = re.compile(
    rf"({_NAME}) ({_NAME})(?: ({_NAME}))? (?:({RFC3339_TIME}) |\d\d-\d\d \d\d:\d\d:\d\d )?(?=\d{{4}}-|\{{\")"
)
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
    return [Content(text[found.end() :], origin=_origin(memory, found[1], found[2], found[3]))] if found else None


def sections(text: str, memory: Memory) -> list[Content] | None:
    """Markers that name the ztunnel of the bare lines after them; a marker may be glued to a line."""
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

    A file name, or the one name in it that looks like a ztunnel pod, names the ztunnel; nothing else is guessed.
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
    """Roles of two or three names: the ztunnel pod by its look, the rest by stern's order."""
    pods = [POD_NAME.fullmatch(name) is not None for name in (first, second, third) if name]
    if third is None:
        if pods == [False, True]:
            # `POD C` turned round by a template: a namespace or a node is first
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
    """One shared object a ztunnel."""
    key = f"{namespace or ''} {pod or ''} {container or ''}\n"
    origin = memory.names.get(key)
    if origin is None:
        origin = Origin(pod=pod, namespace=namespace, container=container)
        memory.learn_names(key, origin)
    return origin


_STDOUT = re.compile(r"\[\d+\] (\S+): \[\[?\d+\.\d+, \{")
_RUBY_PAIR = re.compile(r'"([^"\s]+)"=>"([^"]*)"')
_RUBY_LINE = re.compile(r'"(?:log|message)"=>"')
_FLUENT_FILE = re.compile(r"(\S+): \[\d+(?:\.\d+)?, (\{.*\})\]$", re.DOTALL)
_FLUENTD_FILE = re.compile(rf"{RFC3339_TIME}\t(\S+)\t(\{{.*\}})$", re.DOTALL)
_FLUENTD_STDOUT = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d+ [+-]\d{4} (\S+): (\{.*\})$", re.DOTALL)
_AWS_TAIL = re.compile(
    r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)? (?:(\S+) )?(?=[{\[]|\d{4}-\d\d-\d\dT)"
)
_LOGCLI = re.compile(rf'{RFC3339_TIME} (\{{(?:\w+="(?:[^"\\]|\\.)*"(?:, )?)*\}})\s+')
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
    part = Cut.MORE if pairs.get("_p") == "P" or pairs.get("logtag") == "P" else Cut.END
    return [Content(inside, origin=origin, part=part, stream=pairs.get("stream", ""))]


def tagged_json(text: str, memory: Memory) -> list[Content] | None:
    """`TAG: [sec, {…}]` (Fluent Bit file), `TIME⇥TAG⇥{…}` (Fluentd file), `TIME TAG: {…}` (Fluentd stdout)."""
    del memory
    if not text.endswith(("}", "]")):
        return None
    found = _FLUENT_FILE.match(text) or _FLUENTD_FILE.match(text) or _FLUENTD_STDOUT.match(text)
    return [Content(found[2], origin=origin_of_file(found[1]))] if found else None


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
            # a line of another kind may have as many commas; then its time is outside the column
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
