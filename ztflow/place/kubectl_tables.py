"""Tables as `kubectl get` and `istioctl ztunnel-config` print them and as people paste them.

A paste holds prompts, several tables, rows without their header, translated headers, squeezed blanks. Each row is read
by the strongest means that fits: the byte offsets of its header (plugins insert columns, cells may be empty), else the
shape of the row itself. Sources: kubernetes pkg/printers/internalversion/printers.go, cli-runtime tabwriter;
istio istioctl/pkg/writer/ztunnel/configdump. Cost: linear, a few microseconds a row.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from ztflow.place.known import (
    AddressFact,
    Evidence,
    Inventory,
    NodeFact,
    OpenConnection,
    PodFact,
    ServiceFact,
    canonical_ip,
    canonical_ips,
)
from ztflow.place.names import ZONE_LABELS

_ANSI = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\x1b\][^\x07]*\x07")
_NAME = r"[a-z0-9](?:[-a-z0-9.]*[a-z0-9])?"
_DNS = re.compile(_NAME)
_IP_CHARS = r"[0-9a-fA-F.:]+"

_PHRASES = frozenset({
    "POD NAME", "NOMINATED NODE", "READINESS GATES", "SERVICE NAME", "SERVICE VIP", "POLICY NAME", "CERTIFICATE NAME",
    "VALID CERT", "SERIAL NUMBER", "NOT AFTER", "NOT BEFORE", "REMOTE TARGET", "NODE SELECTOR", "POD IP", "HOST IP",
    "NODE NAME", "POD NAMESPACE",
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
    "ACTION": "action", "SCOPE": "scope", "SERVICEACCOUNT": "service_account", "SA": "service_account",
}  # fmt: skip
"""Known headers and what their column says."""

_USED = frozenset({
    "name", "namespace", "ip", "node", "zone", "region", "labels", "status", "host_ip", "service_account",
    "internal_ip", "external_ip", "network", "service", "vip", "cluster_ip", "workload", "direction", "local",
    "remote", "remote_target", "protocol",
})  # fmt: skip
"""Roles whose cells become facts."""

_POD_ROW = re.compile(
    rf"\s*(?:(?P<namespace>{_NAME})\s+)?(?:pods?/)?(?P<name>{_NAME})\s+(?P<ready>\d+/\d+)\s+(?P<status>\S.*?)\s+"
    rf"(?P<restarts>\d+(?:\s+\([^()]*\))?)\s+(?P<age>\S+)\s+(?P<ip>{_IP_CHARS}|<[^<>]+>)\s+"
    rf"(?P<node>{_NAME}|<[^<>]+>)(?=\s|$)(?P<rest>.*)"
)
"""A pod row by itself: READY anchors it, status and age may be translated."""

_NODE_ROW = re.compile(
    rf"\s*(?:nodes?/)?(?P<name>{_NAME})\s+[^\s=:\"][^=:\"]*?\s(?P<version>v\d+\.\d+\.\d+\S*)(?=\s|$)"
    rf"(?:\s+(?P<internal_ip>{_IP_CHARS}|<[^<>]+>)(?=\s|$)\s+(?P<external_ip>{_IP_CHARS}|<[^<>]+>)(?=\s|$))?(?P<rest>.*)"
)
"""A node row by itself: the kubelet's version anchors it."""

_WORKLOAD_ROW = re.compile(
    rf"\s*(?P<namespace>{_NAME})\s+(?P<name>\S+)\s+(?P<ip>{_IP_CHARS}(?:,{_IP_CHARS})*)\s+"
    rf"(?:(?P<node>{_NAME})\s+)?(?P<waypoint>None|NA|{_NAME})\s+(?P<protocol>HBONE|TCP)\s*"
)
"""An istioctl workload row by itself: the protocol ends it."""

_RESTARTS = re.compile(r"(\d+)\s+\((\S+ ago)\)")
_PS1_NAMESPACE = re.compile(r"\(⎈\|[^|:()]*:([a-z0-9-]+)\)")
_OPTION_NAMESPACE = re.compile(r"(?:\s-n[ =]?|\s--namespace[ =])([a-z0-9][a-z0-9-]*)(?=\s|$)")
_COMMAND = re.compile(r"(?:^|[$#%>➜]\s.*?|\s)(?:kubectl|oc|k|kg\w*|kgpo\w*|istioctl|k3s|microk8s|minikube)\s")
_PHASE = {
    "Running": "Running", "Completed": "Succeeded", "Succeeded": "Succeeded", "Failed": "Failed", "Error": "Failed",
    "Evicted": "Failed", "OOMKilled": "Failed", "Pending": "Pending", "ContainerCreating": "Pending",
    "Preempted": "Failed", "NodeAffinity": "Failed", "Shutdown": "Failed", "DeadlineExceeded": "Failed",
    "ContainerStatusUnknown": "Failed", "UnexpectedAdmissionError": "Failed",
}  # fmt: skip
"""What the STATUS column says about the phase; whatever else stands there (`CrashLoopBackOff`) is a live pod's."""


class _Column(NamedTuple):
    role: str
    offset: int


class _Header(NamedTuple):
    columns: tuple[_Column, ...]
    kind: str
    """`pods`, `workloads`, `nodes`, `services`, `cluster_services`, `connections` or `other`."""
    aligned: re.Pattern[str] | None = None
    """A row whose cells all stand under the header's words; None for tables whose rows are not used."""
    taken: tuple[str, ...] = ()
    """Roles that are groups of `aligned`."""


def read_tables(text: str, evidence_file: str, captured: int | None, inventory: Inventory) -> bool:
    """Add what the tables in a text state to an inventory.

    Args:
        text: Decoded text; line ends of any kind.
        evidence_file: Name for the evidence.
        captured: When the text was taken.
        inventory: Receives facts and counts.

    Returns:
        Whether any table or row was recognised.
    """
    reader = _TableReader(evidence_file, captured, inventory)
    if "\x1b" in text:
        text = _ANSI.sub("", text)
    for line in text.replace("\xa0", " ").splitlines():
        reader.line((line.expandtabs(8) if "\t" in line else line).rstrip())
    return reader.recognised


class _TableReader:
    """Reads lines one after another; remembers the header and the namespace that hold for the next."""

    def __init__(self, file: str, captured: int | None, inventory: Inventory) -> None:
        self.kubectl = Evidence(file, "kubectl table", captured)
        self.istioctl = Evidence(file, "istioctl table", captured)
        self.inventory = inventory
        self.header: _Header | None = None
        self.namespace: str | None = None
        self.recognised = False
        self._takers: dict[str, Callable[[dict[str, str]], bool]] = {
            "pods": self.take_pods,
            "workloads": self.take_workloads,
            "nodes": self.take_nodes,
            "services": self.take_services,
            "cluster_services": self.take_cluster_services,
            "connections": self.take_connections,
        }

    def line(self, line: str) -> None:
        """Read one line, whatever it is."""
        known = self.header
        if known is not None and known.aligned is not None:
            match = known.aligned.fullmatch(line)
            if match is not None and self.take(known.kind, {role: match[role].rstrip() for role in known.taken}):
                self.recognised = True
                return
        if not line.strip() or line.lstrip().startswith("------"):
            return
        header = _read_header(line)
        if header is not None:
            self.header = header
            self.recognised = True
            return
        if self.prompt(line):
            return
        if self.header is not None and self.row_under_header(self.header, line):
            self.recognised = True
            return
        if self.row_alone(line):
            self.recognised = True
            return
        self.inventory.unused["line that is no table row"] += 1

    def prompt(self, line: str) -> bool:
        """Whether the line is a shell prompt; it ends the table before it and may name the namespace."""
        shell = _PS1_NAMESPACE.search(line)
        if shell is None and not (_COMMAND.search(line) and " get" in line):
            return False
        if _row_shape(line):
            return False
        option = _OPTION_NAMESPACE.search(line)
        self.namespace = option[1] if option else shell[1] if shell else None
        self.header = None
        return True

    def row_under_header(self, header: _Header, line: str) -> bool:
        cells = _cells_by_offset(header, line) or _cells_by_order(header, line)
        if cells is None:
            return False
        if header.kind == "other":
            self.inventory.unused["row of a table without nodes"] += 1
            return True
        return self.take(header.kind, cells)

    def row_alone(self, line: str) -> bool:
        for kind, shape in (("workloads", _WORKLOAD_ROW), ("pods", _POD_ROW), ("nodes", _NODE_ROW)):
            match = shape.fullmatch(line)
            if match is not None:
                cells = {role: cell for role, cell in match.groupdict().items() if cell is not None}
                rest = cells.pop("rest", "")
                if "=" in rest:
                    cells["labels"] = rest.split()[-1]
                return self.take(kind, cells)
        return False

    def take(self, kind: str, cells: dict[str, str]) -> bool:
        """Turn the cells of one row into a fact; False when they cannot be such a row."""
        cells = {role: cell for role, cell in cells.items() if cell and not (cell[0] == "<" and cell[-1] == ">")}
        return self._takers[kind](cells)

    def take_pods(self, cells: dict[str, str]) -> bool:
        name = cells.get("name", "").removeprefix("pod/").removeprefix("pods/")
        ips = canonical_ips(cells.get("ip", "").split(","))
        node = cells.get("node")
        if "ip" in cells and not ips:
            return False
        if not name:
            return self.take_address(ips, node, cells.get("zone"))
        if not _DNS.fullmatch(name) or (node is not None and not _DNS.fullmatch(node)):
            return False
        if not ips and node is None and "zone" not in cells:
            self.inventory.unused["pod without address and node"] += 1
            return True
        labels = _labels(cells.get("labels"))
        status = cells.get("status", "").rsplit(":", 1)[-1]
        host = canonical_ip(cells.get("host_ip"))
        self.inventory.pods.append(
            PodFact(
                cells.get("namespace", self.namespace),
                name,
                ips,
                node,
                host_ip=host,
                phase=_PHASE.get(status, "Running" if status else None),
                service_account=cells.get("service_account"),
                zone=cells.get("zone") or _first(labels, ZONE_LABELS["zone"]),
                region=cells.get("region") or _first(labels, ZONE_LABELS["region"]),
                evidence=self.kubectl,
            )
        )
        return True

    def take_address(self, ips: tuple[str, ...], node: str | None, zone: str | None) -> bool:
        if ips and (node or zone):
            self.inventory.addresses.extend(AddressFact(ip, node, zone, self.kubectl) for ip in ips)
            return True
        if node and zone:
            self.inventory.nodes.append(NodeFact(node, zone=zone, evidence=self.kubectl))
            return True
        return False

    def take_workloads(self, cells: dict[str, str]) -> bool:
        ips = canonical_ips(cells.get("ip", "").split(","))
        if "name" not in cells or "namespace" not in cells:
            return False
        if not ips and "node" not in cells:
            self.inventory.unused["workload without address and node"] += 1
            return True
        self.inventory.pods.append(
            PodFact(
                cells["namespace"],
                cells["name"],
                ips,
                cells.get("node"),
                network=cells.get("network"),
                evidence=self.istioctl,
            )
        )
        return True

    def take_nodes(self, cells: dict[str, str]) -> bool:
        name = cells.get("name", "").removeprefix("node/").removeprefix("nodes/")
        if not _DNS.fullmatch(name):
            return False
        labels = _labels(cells.get("labels"))
        self.inventory.nodes.append(
            NodeFact(
                name,
                canonical_ips([cells.get("internal_ip"), cells.get("external_ip")]),
                cells.get("zone") or _first(labels, ZONE_LABELS["zone"]),
                cells.get("region") or _first(labels, ZONE_LABELS["region"]),
                evidence=self.kubectl,
            )
        )
        return True

    def take_services(self, cells: dict[str, str]) -> bool:
        if "service" not in cells:
            return False
        vips = canonical_ips(cells.get("vip", "").split(","))
        fact = ServiceFact(cells.get("namespace"), cells["service"], vips=vips, evidence=self.istioctl)
        self.inventory.services.append(fact)
        return True

    def take_cluster_services(self, cells: dict[str, str]) -> bool:
        name = cells.get("name", "").removeprefix("service/")
        if not _DNS.fullmatch(name):
            return False
        vips = canonical_ips(cells.get("cluster_ip", "").split(","))
        namespace = cells.get("namespace", self.namespace)
        self.inventory.services.append(ServiceFact(namespace, name, vips=vips, evidence=self.kubectl))
        return True

    def take_connections(self, cells: dict[str, str]) -> bool:
        """A row of `istioctl ztunnel-config connections`: names stand where addresses were, `--raw` keeps these."""
        direction = cells.get("direction", "").lower()
        pod, _, namespace = cells.get("workload", "").partition(".")
        if direction not in {"inbound", "outbound"} or not pod or not {"local", "remote"} <= cells.keys():
            return False
        local, remote = cells["local"], cells["remote"]
        inbound = direction == "inbound"
        self.inventory.connections.append(
            OpenConnection(
                namespace or None,
                pod,
                direction,
                remote if inbound else local,
                cells.get("remote_target"),
                local if inbound else remote,
                cells.get("protocol"),
                evidence=self.istioctl,
            )
        )
        return True


def _row_shape(line: str) -> bool:
    return any(shape.fullmatch(line) for shape in (_WORKLOAD_ROW, _POD_ROW))


def _read_header(line: str) -> _Header | None:
    """The header a line is, or None."""
    words = [(match[0], match.start()) for match in re.finditer(r"\S+", line)]
    if len(words) < 2:
        return None
    columns: list[_Column] = []
    known = 0
    index = 0
    while index < len(words):
        word, offset = words[index]
        if not re.fullmatch(r"[A-Z][A-Z0-9_():/.-]*", word):
            return None
        phrase = f"{word} {words[index + 1][0]}" if index + 1 < len(words) else ""
        adjacent = bool(phrase) and words[index + 1][1] == offset + len(word) + 1
        if adjacent and phrase in _PHRASES:
            word, index = phrase, index + 1
        role = _ROLE.get(word, "")
        known += bool(role)
        columns.append(_Column(role or f"?{word}", offset))
        index += 1
    if known < 2:
        return None
    kind = _table_kind({column.role for column in columns})
    return _Header(tuple(columns), kind, *((None, ()) if kind == "other" else _aligned(columns)))


def _aligned(columns: Sequence[_Column]) -> tuple[re.Pattern[str], tuple[str, ...]]:
    """The pattern of a row that stands under its header: each cell starts with no blank (or is all blank)."""
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
    if "node" in roles or ("ip" in roles and "name" in roles):
        return "pods"
    if "name" in roles and (roles & {"roles", "internal_ip", "version"} or roles <= {"name", "zone", "region"}):
        return "nodes"
    return "other"


def _cells_by_offset(header: _Header, line: str) -> dict[str, str] | None:
    """The cells under the header's words; None when the row does not stand under them."""
    cells: dict[str, str] = {}
    columns = header.columns
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


def _cells_by_order(header: _Header, line: str) -> dict[str, str] | None:
    """The cells in the header's order, for rows whose blanks were squeezed; None when the number differs."""
    for cells in (re.split(r" {2,}", line.strip()), _RESTARTS.sub(r"\1", line).split()):
        if len(cells) == len(header.columns):
            return dict(zip((column.role for column in header.columns), cells, strict=True))
    return None


def _labels(text: str | None) -> dict[str, str]:
    """`key=value,key=value` as a dictionary."""
    if not text:
        return {}
    return {key: value for key, equals, value in (item.partition("=") for item in text.split(",")) if equals and value}


def _first(labels: dict[str, str], keys: Iterable[str]) -> str | None:
    return next((labels[key] for key in keys if labels.get(key)), None)
