"""One flow for people: its fields in groups, how it was paired and placed, and its log lines with what they say."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from ztflow.model.objects import Flow
from ztflow.model.vocabulary import Direction, FlowPath, NodeLocality, Paired, Unpaired, Verdict, Word
from ztflow.parse.explanation import explain, wrapped
from ztflow.text.escapes import visible
from ztflow.text.format import bytes_text, duration_text, time_text

_GROUPS: Mapping[str, tuple[str, ...]] = {
    "When": ("start", "end", "duration_ms", "inbound_duration_ms"),
    "Source": (
        "src_pod", "src_name", "src_workload", "src_namespace", "src_identity", "src_addr", "src_node", "src_zone",
        "src_cluster",
    ),
    "Destination": (
        "dst_service", "dst_pod", "dst_name", "dst_workload", "dst_namespace", "dst_identity", "dst_addr",
        "hbone_addr", "dst_node", "dst_zone", "dst_cluster",
    ),
    "What": (
        "request_bytes", "response_bytes", "path", "mtls", "verdict", "error_class", "policy", "outbound_error",
        "inbound_error",
    ),
    "Evidence": (
        "paired", "alternatives", "confidence", "unpaired_reason", "locality", "zone_locality", "locality_evidence",
        "outbound_ztunnel", "inbound_ztunnel",
    ),
}  # fmt: skip

_WORDS: Mapping[str, type[Word]] = {
    "paired": Paired, "unpaired_reason": Unpaired, "verdict": Verdict, "path": FlowPath, "locality": NodeLocality,
}  # fmt: skip

_SIDES = {Direction.OUTBOUND.value: "The client's side", Direction.INBOUND.value: "The server's side"}


def _shown(name: str, value: Any) -> str:
    if isinstance(value, datetime):
        return time_text(value)
    if isinstance(value, bool):
        return "yes" if value else "no"
    if name.endswith("_bytes"):
        return f"{bytes_text(value)} ({value:,} B)" if value >= 1000 else bytes_text(value)
    if name.endswith("_ms"):
        return f"{duration_text(value)} ({value:,} ms)" if value >= 1000 else duration_text(value)
    if name in _WORDS:
        return f"{value} ({_WORDS[name](value).meaning})"
    return visible(str(value))


def _end(name: str | None, namespace: str | None, address: str | None) -> str:
    shown = "/".join(part for part in (namespace, name) if part) if name else address
    return visible(shown or "?")


def headline(flow: Flow) -> str:
    """The flow in one line."""
    source = _end(flow.src_name, flow.src_namespace, flow.src_ip)
    target = _end(flow.dst_name, flow.dst_namespace, flow.hbone_host or flow.dst_ip)
    port = flow.hbone_port or flow.dst_port
    facts = [f"{source} → {target}{'' if port is None else f':{port}'}", str(flow.verdict)]
    if flow.duration_ms is not None:
        facts.append(duration_text(flow.duration_ms))
    if flow.request_bytes is not None and flow.response_bytes is not None:
        facts.append(f"{bytes_text(flow.request_bytes)} there, {bytes_text(flow.response_bytes)} back")
    return f"{visible(flow.id or '?')}  {', '.join(facts)}"


def flow_lines(flow: Flow, raw: Mapping[str, str]) -> Iterator[str]:
    """The flow as lines of text, safe to show.

    Args:
        flow: The flow.
        raw: Its log lines, by `Direction`.
    """
    yield headline(flow)
    unknown = []
    for title, names in _GROUPS.items():
        known = [(name, value) for name in names if (value := getattr(flow, name)) is not None]
        unknown += [name for name in names if getattr(flow, name) is None]
        if known:
            yield ""
            yield title
            yield from (f"  {name:<20} {_shown(name, value)}" for name, value in known)
    if flow.next_hop_file is not None:
        yield f"  {'next hop':<20} {visible(f'{flow.next_hop_file}:{flow.next_hop_line}')} (inferred)"
    yield ""
    yield from wrapped(f"Not known: {', '.join(unknown) or 'nothing'}.")
    for side, title in _SIDES.items():
        yield ""
        if side not in raw:
            yield f"{title}: no line was found"
            continue
        file, number = getattr(flow, f"{side}_file"), getattr(flow, f"{side}_line")
        yield f"{title}: {visible(file)}:{number}"
        yield from (f"  {line}" for line in explain_raw(raw[side]))
        yield f"  {visible(raw[side].replace(chr(9), ' '))}"


def explain_raw(line: str) -> list[str]:
    """What a log line says, whatever is around it; nothing where it cannot be told from this line alone."""
    from ztflow.read.framing.repair import mended
    from ztflow.read.unwrap import Unwrapper

    unwrapper = Unwrapper()
    for piece in (*unwrapper.line(line, 1), *unwrapper.finish()):
        for text in (piece.text, *mended(piece.text)):
            if said := explain(text).in_words():
                return said
    return []
