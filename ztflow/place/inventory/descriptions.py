"""What `kubectl describe nodes` and `kubectl describe pods` print; a bug report keeps both.

Source: kubernetes/kubectl `pkg/describe/describe.go` (`describeNode`, `describePod`): a key at the line's start, its
value after blanks, further values of a key indented.
"""

from __future__ import annotations

import re
from collections import defaultdict
from datetime import UTC

from ztflow.place.inventory.facts import (
    Evidence,
    Inventory,
    NodeFact,
    PodFact,
    canonical_ip,
    canonical_ips,
    canonical_ranges,
    sorted_labels,
)
from ztflow.place.names import ZONE_LABELS, cron_job_of_job, deployment_of_replica_set
from ztflow.text.patterns import lazy_pattern

_START = lazy_pattern(r"^Name:[ \t]{2,}[a-z0-9][-a-z0-9.]{0,252}[ \t]*\r?$", re.MULTILINE)
_KIND = lazy_pattern(r"^(?:Roles|Namespace|Node|PodCIDRs?|Addresses|Labels):", re.MULTILINE)
_LINE = lazy_pattern(r"(?:([A-Z][A-Za-z ]{0,40}):|[ \t])[ \t]*(.{0,4096})")
_PHASES = frozenset({"Pending", "Running", "Succeeded", "Failed"})


def is_description(text: str) -> bool:
    """Whether a text holds descriptions of nodes or pods."""
    return _START.search(text) is not None and _KIND.search(text) is not None


def read_descriptions(text: str, file: str, modified: int | None, inventory: Inventory) -> None:
    """Add what descriptions state; other kinds of objects are counted."""
    evidence = Evidence(file, "kubectl description", modified, modified)
    starts = [found.start() for found in _START.finditer(text)]
    for start, end in zip(starts, [*starts[1:], len(text)], strict=True):
        said = _values(text[start:end])
        if "Node" in said and "Namespace" in said:
            _pod(said, evidence, inventory)
        elif "Roles" in said or "Addresses" in said or "PodCIDR" in said:
            _node(said, evidence, inventory)
        else:
            inventory.unused["description of something else"] += 1


def _values(text: str) -> dict[str, list[str]]:
    """The values of each key that stands at a line's start; the first block of a key counts."""
    said: defaultdict[str, list[str]] = defaultdict(list)
    key = None
    for line in text.splitlines():
        found = _LINE.match(line)
        if found is None:
            key = None
            continue
        if found[1] is not None:
            key = found[1] if found[1] not in said else None
        if key is not None:
            said[key] += [found[2].strip()] if found[2].strip() else []
    return said


def _first(said: dict[str, list[str]], key: str) -> str | None:
    value = said.get(key, [""])[0] if said.get(key) else ""
    return None if not value or value.startswith("<") else value


def _labels(said: dict[str, list[str]]) -> dict[str, str]:
    pairs = (line.partition("=") for line in said.get("Labels", ()))
    return {key: value for key, equals, value in pairs if equals}


def _place(labels: dict[str, str], what: str) -> str | None:
    return next((labels[key] for key in ZONE_LABELS[what] if labels.get(key)), None)


def _node(said: dict[str, list[str]], evidence: Evidence, inventory: Inventory) -> None:
    labels = _labels(said)
    addresses = [line.rpartition(" ")[2] for line in said.get("Addresses", ())]
    ranges = [part for key in ("PodCIDR", "PodCIDRs") for line in said.get(key, ()) for part in line.split(",")]
    inventory.nodes.append(
        NodeFact(
            said["Name"][0],
            canonical_ips(addresses),
            _place(labels, "zone"),
            _place(labels, "region"),
            None,
            evidence,
            canonical_ranges(ranges),
        )
    )


def _pod(said: dict[str, list[str]], evidence: Evidence, inventory: Inventory) -> None:
    node, _, host_ip = (_first(said, "Node") or "").partition("/")
    labels = _labels(said)
    listed = [_first(said, "IP"), *(line.rpartition(" ")[2] for line in said.get("IPs", ()))]
    ips = canonical_ips(listed)
    if not ips and not node:
        inventory.unused["pod without address and node"] += 1
        return
    kind, _, owner = (_first(said, "Controlled By") or "").partition("/")
    if kind == "ReplicaSet":
        kind, owner = deployment_of_replica_set(owner, labels.get("pod-template-hash"))
    elif kind == "Job":
        kind, owner = cron_job_of_job(owner)
    host = canonical_ip(host_ip)
    status = _first(said, "Status")
    inventory.pods.append(
        PodFact(
            _first(said, "Namespace"),
            said["Name"][0],
            ips,
            inventory.node_of(node or None, evidence.file),
            host_network=True if host is not None and host in ips else None,
            host_ip=host,
            phase=status if status in _PHASES else None,
            owner_kind=kind if owner and kind != "Node" else None,
            owner=owner if owner and kind != "Node" else None,
            service_account=_first(said, "Service Account"),
            zone=_place(labels, "zone"),
            region=_place(labels, "region"),
            start=_time(_first(said, "Start Time")),
            evidence=evidence,
            labels=sorted_labels(labels) if "Labels" in said else None,
        )
    )


def _time(text: str | None) -> int | None:
    """A time as Go's RFC1123Z prints it, in microseconds since 1970."""
    from email.utils import parsedate_to_datetime  # 14 ms, of which no log knows

    try:
        moment = parsedate_to_datetime(text or "")
        return round((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1_000_000)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
