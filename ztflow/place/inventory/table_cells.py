"""Cells of printed tables: the headers, the cells under them, and rows recognised without a header.

Sources: kubernetes pkg/printers/internalversion/printers.go and cli-runtime tabwriter (at least three blanks between
columns, single blanks inside cells); istio istioctl/pkg/writer/ztunnel/configdump (one blank).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from ztflow.text.patterns import lazy_pattern

_NAME = r"[a-z0-9](?:[-a-z0-9.]*[a-z0-9])?"
DNS_NAME = lazy_pattern(_NAME)
_IP_CHARS = r"[0-9a-fA-F.:]+"
_LEFT_OUT = r"[-a-z0-9.]{0,253}(?:\.\.\.|…)[-a-z0-9.]{0,253}"
"""A name of which somebody left out a part, or all."""

_PHRASES = frozenset({
    "POD NAME", "NOMINATED NODE", "READINESS GATES", "SERVICE NAME", "SERVICE VIP", "POLICY NAME", "CERTIFICATE NAME",
    "VALID CERT", "SERIAL NUMBER", "NOT AFTER", "NOT BEFORE", "REMOTE TARGET", "NODE SELECTOR", "POD IP", "HOST IP",
    "NODE NAME", "POD NAMESPACE", "NETWORK GATEWAY", "POD CIDR", "POD CIDRS", "HOST NETWORK", "SERVICE ACCOUNT",
})  # fmt: skip
"""Headers of more than one word."""

_ROLE = {
    "NAME": "name", "POD NAME": "name", "POD": "name", "PODNAME": "name", "POD_NAME": "name", "POD-NAME": "name",
    "NAMESPACE": "namespace", "NS": "namespace", "POD NAMESPACE": "namespace", "POD_NAMESPACE": "namespace",
    "IP": "ip", "ADDRESS": "ip", "PODIP": "ip", "POD IP": "ip", "POD_IP": "ip", "POD-IP": "ip", "IPS": "ip",
    "PODIPS": "ip", "NODE": "node", "NODENAME": "node", "NODE NAME": "node", "NODE_NAME": "node", "NODE-NAME": "node",
    "ZONE": "zone", "REGION": "region", "LABELS": "labels", "STATUS": "status", "PHASE": "status", "READY": "ready",
    "RESTARTS": "restarts", "AGE": "age", "VERSION": "version", "ROLES": "roles", "INTERNAL-IP": "internal_ip",
    "EXTERNAL-IP": "external_ip", "OS-IMAGE": "os", "WAYPOINT": "waypoint", "PROTOCOL": "protocol",
    "NETWORK": "network", "SERVICE NAME": "service", "SERVICE VIP": "vip", "CLUSTER-IP": "cluster_ip",
    "WORKLOAD": "workload", "DIRECTION": "direction", "LOCAL": "local", "REMOTE": "remote",
    "REMOTE TARGET": "remote_target", "POLICY NAME": "policy", "CERTIFICATE NAME": "certificate",
    "NOMINATED NODE": "nominated", "READINESS GATES": "gates", "DESIRED": "desired", "ENDPOINTS": "endpoints",
    "ADDRESSTYPE": "address_type", "PORTS": "ports", "PORT(S)": "ports", "TYPE": "type", "HOSTIP": "host_ip",
    "HOST IP": "host_ip", "UP-TO-DATE": "up_to_date", "AVAILABLE": "available", "CURRENT": "current",
    "NETWORK GATEWAY": "network_gateway", "PODCIDR": "pod_ranges", "POD CIDR": "pod_ranges", "POD-CIDR": "pod_ranges",
    "POD_CIDR": "pod_ranges", "PODCIDRS": "pod_ranges", "POD CIDRS": "pod_ranges", "CIDR": "pod_ranges",
    "CIDRS": "pod_ranges", "HOSTNETWORK": "host_network", "HOST NETWORK": "host_network",
    "HOST-NETWORK": "host_network", "HOSTNET": "host_network", "SERVICE ACCOUNT": "service_account",
    "ACTION": "action", "SCOPE": "scope", "SERVICEACCOUNT": "service_account", "SA": "service_account",
}  # fmt: skip
"""Known headers and what their column says."""

_USED = frozenset({
    "name", "namespace", "ip", "node", "zone", "region", "labels", "status", "host_ip", "service_account",
    "internal_ip", "external_ip", "network", "service", "vip", "cluster_ip", "workload", "direction", "local",
    "remote", "remote_target", "protocol", "pod_ranges", "host_network",
})  # fmt: skip
"""Roles whose cells become facts."""

_POD_ROW = lazy_pattern(
    rf"\s*(?:(?P<namespace>{_NAME})\s+)?(?:pods?/)?(?P<name>{_NAME})\s+(?P<ready>\d+/\d+)\s+(?P<status>\S.*?)\s+"
    rf"(?P<restarts>\d+(?:\s+\([^()]*\))?)\s+(?P<age>\S+)\s+(?P<ip>{_IP_CHARS}|<[^<>]+>)\s+"
    rf"(?P<node>{_NAME}|<[^<>]+>|{_LEFT_OUT})(?=\s|$)(?P<rest>.*)"
)
"""A pod row by itself: READY anchors it, status and age may be translated."""

_NODE_ROW = lazy_pattern(
    rf"\s*(?:nodes?/)?(?P<name>{_NAME})\s+[^\s=:\"][^=:\"]*?\s(?P<version>v\d+\.\d+\.\d+\S*)(?=\s|$)"
    rf"(?:\s+(?P<internal_ip>{_IP_CHARS}|<[^<>]+>)(?=\s|$)\s+(?P<external_ip>{_IP_CHARS}|<[^<>]+>)(?=\s|$))?(?P<rest>.*)"
)
"""A node row by itself: the kubelet's version anchors it."""

_WORKLOAD_ROW = lazy_pattern(
    rf"\s*(?P<namespace>{_NAME})\s+(?P<name>\S+)\s+(?P<ip>{_IP_CHARS}(?:,{_IP_CHARS})*)\s+"
    rf"(?:(?P<node>{_NAME}|{_LEFT_OUT})\s+)?(?P<waypoint>None|NA|{_NAME})\s+(?P<protocol>HBONE|TCP)\s*"
)
"""An istioctl workload row by itself: the protocol ends it."""

_RESTARTS = lazy_pattern(r"(\d+)\s+\((\S+ ago)\)")


class Column(NamedTuple):
    """A column of a table: what it says and where its header starts."""

    role: str
    offset: int


class Header(NamedTuple):
    """A header line."""

    columns: tuple[Column, ...]
    kind: str
    """`pods`, `workloads`, `nodes`, `services`, `cluster_services`, `connections` or `other`."""
    aligned: re.Pattern[str] | None = None
    """A row whose cells are all under the header's words; None for tables whose rows are not used."""
    taken: tuple[str, ...] = ()
    """Roles that are groups of `aligned`."""


def is_pod_row(line: str) -> bool:
    """Whether a line is a row of pods or workloads by its shape."""
    return any(shape.fullmatch(line) for shape in (_WORKLOAD_ROW, _POD_ROW))


def read_header(line: str) -> Header | None:
    """The header a line is, or None."""
    words = [(match[0], match.start()) for match in re.finditer(r"\S+", line)]
    if len(words) < 2:
        return None
    columns: list[Column] = []
    known = 0
    index = 0
    while index < len(words):
        word, offset = words[index]
        if not re.fullmatch(r"[A-Z][A-Z0-9_():/.-]*", word) and (word.upper() not in _ROLE):
            return None
        word = word.upper()
        phrase = f"{word} {words[index + 1][0].upper()}" if index + 1 < len(words) else ""
        adjacent = bool(phrase) and words[index + 1][1] == offset + len(word) + 1
        if adjacent and phrase in _PHRASES:
            word, index = phrase, index + 1
        role = _ROLE.get(word, "")
        known += bool(role)
        columns.append(Column(role or f"?{word}", offset))
        index += 1
    if known < (2 if line.upper() == line else max(2, len(columns))):
        return None  # custom columns may have any case; then every word has to be one
    kind = _table_kind({column.role for column in columns})
    return Header(tuple(columns), kind, *((None, ()) if kind == "other" else _aligned(columns)))


def _aligned(columns: Sequence[Column]) -> tuple[re.Pattern[str], tuple[str, ...]]:
    """The pattern of a row that is aligned with its header: each cell starts with no blank (or is all blank)."""
    taken: dict[str, None] = {}
    parts = [re.escape(" " * columns[0].offset)]
    for column, following in zip(columns, [*columns[1:], None], strict=True):
        width = None if following is None else following.offset - column.offset - 1
        cell = r"\S.*|" if width is None else rf"\S.{{{width - 1}}}| {{{width}}}" if width else ""
        name = ""
        if column.role in _USED and column.role not in taken:
            taken[column.role] = None
            name = f"?P<{column.role}>"
        parts.append(f"({name or '?:'}{cell})" + ("" if following is None else " "))
    return re.compile("".join(parts)), tuple(taken)


def _table_kind(roles: set[str]) -> str:
    if {"workload", "direction", "remote"} <= roles:
        return "connections"
    if "service" in roles:
        return "services"
    if "cluster_ip" in roles and "name" in roles:
        return "cluster_services"
    if roles & {"policy", "certificate", "desired", "address_type", "up_to_date"}:
        return "other"
    if "name" in roles and "node" in roles and "ready" not in roles and "status" not in roles:
        istioctl = roles & {"waypoint", "protocol", "network"} or roles == {"name", "namespace", "ip", "node"}
        return "workloads" if istioctl and "namespace" in roles else "pods"
    if "node" in roles or ("ip" in roles and "name" in roles and "pod_ranges" not in roles):
        return "pods"
    of_nodes = roles & {"roles", "internal_ip", "version", "pod_ranges"} or roles <= {"name", "zone", "region"}
    if "name" in roles and of_nodes:
        return "nodes"
    return "other"


def cells_by_offset(header: Header, line: str) -> dict[str, str] | None:
    """The cells under the header's words; None when the row is not aligned with them."""
    cells: dict[str, str] = {}
    # A header of two words that nobody knows looks like two columns: where a cell goes through, it is one.
    columns = [
        column
        for index, column in enumerate(header.columns)
        if not (index and column.role.startswith("?") and line[column.offset - 1 : column.offset].strip())
    ]
    for index, (role, offset) in enumerate(columns):
        end = columns[index + 1].offset if index + 1 < len(columns) else len(line)
        if index and len(line) > offset and line[offset - 1] != " ":
            return None
        cell = line[offset:end]
        if cell[:1] == " " and cell.strip():
            return None
        cells.setdefault(role, cell.strip())
    first = cells[columns[0].role]
    if not first or any(" " in cells.get(role, "") for role in ("name", "namespace", "ip", "node", "ready")):
        return None
    return cells


def cells_by_order(header: Header, line: str) -> dict[str, str] | None:
    """The cells in the header's order, for rows whose blanks were squeezed; None when the number differs."""
    for cells in (re.split(r" {2,}", line.strip()), _RESTARTS.sub(r"\1", line).split()):
        if len(cells) == len(header.columns):
            return dict(zip((column.role for column in header.columns), cells, strict=True))
    return None


def row_alone(line: str) -> tuple[str, dict[str, str]] | None:
    """(table kind, cells) of a row whose shape tells what it is; None for any other line."""
    for kind, shape in (("workloads", _WORKLOAD_ROW), ("pods", _POD_ROW), ("nodes", _NODE_ROW)):
        match = shape.fullmatch(line)
        if match is not None:
            cells = {role: cell for role, cell in match.groupdict().items() if cell is not None}
            rest = cells.pop("rest", "")
            if "=" in rest:
                cells["labels"] = rest.split()[-1]
            return kind, cells
    return None
