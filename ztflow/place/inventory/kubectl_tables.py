"""Tables as `kubectl get` and `istioctl ztunnel-config` print them and as people paste them.

A paste holds prompts, several tables, rows without their header, translated headers, squeezed blanks. Each row is read
by the strongest means that fits (`table_cells`). Cost: linear, about 5 µs a row that is aligned with its header.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from ztflow.model.vocabulary import Direction
from ztflow.place.inventory.facts import (
    AddressFact,
    Evidence,
    Inventory,
    NodeFact,
    OpenConnection,
    PodFact,
    ServiceFact,
    canonical_ip,
    canonical_ips,
    canonical_ranges,
    is_elided,
    sorted_labels,
)
from ztflow.place.inventory.table_cells import (
    DNS_NAME,
    Header,
    cells_by_offset,
    cells_by_order,
    is_pod_row,
    read_header,
    row_alone,
)
from ztflow.place.names import ZONE_LABELS
from ztflow.text.patterns import lazy_pattern

_ANSI = lazy_pattern(r"\x1b\[[0-9;?]{0,64}[A-Za-z]|\x1b\][^\x07]{0,256}\x07")
_PS1_NAMESPACE = lazy_pattern(r"\(⎈\|[^|:()]*:([a-z0-9-]+)\)")
_OPTION_NAMESPACE = lazy_pattern(r"(?:\s-n[ =]?|\s--namespace[ =])([a-z0-9][a-z0-9-]*)(?=\s|$)")
_COMMAND = lazy_pattern(r"(?:^|\s)(?:kubectl|oc|k|kg\w*|istioctl|k3s|microk8s|minikube)\s")
_LONGEST = 8192
"""Characters of a line whose shape is looked at: more than any row of a table has, little enough for any pattern."""
_PHASE = {
    "Running": "Running", "Completed": "Succeeded", "Succeeded": "Succeeded", "Failed": "Failed", "Error": "Failed",
    "Evicted": "Failed", "OOMKilled": "Failed", "Pending": "Pending", "ContainerCreating": "Pending",
    "Preempted": "Failed", "NodeAffinity": "Failed", "Shutdown": "Failed", "DeadlineExceeded": "Failed",
    "ContainerStatusUnknown": "Failed", "UnexpectedAdmissionError": "Failed",
}  # fmt: skip
"""What the STATUS column says about the phase; anything else there (`CrashLoopBackOff`) is a live pod's."""

_MAP_IP = lazy_pattern(r"\bip:([0-9a-fA-F.:]{2,45})")
"""An address in a custom column of `.status.podIPs`: `[map[ip:10.244.1.5] map[ip:fd00::5]]`."""

_MORE = frozenset({"host_network", "labels", "host_ip", "service_account", "zone", "region"})
"""Roles that plain `kubectl get pods -o wide` does not print."""


def read_tables(text: str, file: str, modified: int | None, inventory: Inventory) -> bool:
    """Add what the tables in a text state to an inventory.

    Args:
        text: Decoded text; line ends of any kind.
        file: Name for the evidence.
        modified: Time of the file.
        inventory: Receives facts and counts.

    Returns:
        Whether any table or row was recognised.
    """
    reader = _TableReader(file, modified, inventory)
    if "\x1b" in text:
        text = _ANSI.sub("", text)
    for line in text.replace("\xa0", " ").splitlines():
        reader.line((line.expandtabs(8) if "\t" in line else line).rstrip())
    return reader.recognised


class _TableReader:
    """Reads lines one after another; remembers the header and the namespace that hold for the next."""

    def __init__(self, file: str, modified: int | None, inventory: Inventory) -> None:
        self.kubectl = Evidence(file, "kubectl table", modified, modified)
        self.istioctl = Evidence(file, "istioctl table", modified, modified)
        self.inventory = inventory
        self.header: Header | None = None
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
            if match is not None and self.take(known.kind, dict(zip(known.taken, match.groups(), strict=True))):
                self.recognised = True
                return
        if not line.strip() or line.lstrip().startswith("------"):
            return
        if len(line) > _LONGEST:
            self.inventory.unused["line that is no table row"] += 1
            return
        header = read_header(line)
        if header is not None:
            self.header = header
            self.recognised = True
            return
        if self.prompt(line):
            return
        if self.header is not None and self.row_under_header(self.header, line):
            self.recognised = True
            return
        alone = row_alone(line)
        if alone is not None and self.take(*alone):
            self.recognised = True
            return
        self.inventory.unused["line that is no table row"] += 1

    def prompt(self, line: str) -> bool:
        """Whether the line is a shell prompt; it ends the table before it and may name the namespace."""
        shell = _PS1_NAMESPACE.search(line)
        if shell is None and not (_COMMAND.search(line) and " get" in line):
            return False
        if is_pod_row(line):
            return False
        option = _OPTION_NAMESPACE.search(line)
        self.namespace = option[1] if option else shell[1] if shell else None
        self.header = None
        return True

    def row_under_header(self, header: Header, line: str) -> bool:
        cells = cells_by_offset(header, line) or cells_by_order(header, line)
        if cells is None:
            return False
        if header.kind == "other":
            self.inventory.unused["row of a table without nodes"] += 1
            return True
        return self.take(header.kind, cells)

    def take(self, kind: str, cells: dict[str, str]) -> bool:
        """Turn the cells of one row into a fact; False when they cannot be such a row."""
        said = {role: text for role, cell in cells.items() if cell and cell[0] != "<" and (text := cell.rstrip())}
        node = said.get("node")
        if (node is not None and is_elided(node)) or any("..." in cell or "…" in cell for cell in said.values()):
            said = {role: cell for role, cell in said.items() if not is_elided(cell)}
            if not self._takers[kind](said):
                return False
            self.inventory.elided[self.kubectl.file] += node is not None and "node" not in said
            return True
        return self._takers[kind](said)

    def take_pods(self, cells: dict[str, str]) -> bool:
        name = cells.get("name", "").removeprefix("pod/").removeprefix("pods/")
        listed, node = cells.get("ip"), cells.get("node")
        ips = _addresses(listed)
        if listed is not None and not ips:
            return False
        if not name:
            return self.take_address(ips, node, cells.get("zone"))
        if not DNS_NAME.fullmatch(name) or (node is not None and not DNS_NAME.fullmatch(node)):
            return False
        if not ips and node is None and "zone" not in cells:
            self.inventory.unused["pod without address and node"] += 1
            return True
        status = cells.get("status", "").rsplit(":", 1)[-1]
        phase = _PHASE.get(status, "Running" if status else None)
        fact = PodFact(cells.get("namespace", self.namespace), name, ips, node, phase=phase, evidence=self.kubectl)
        if cells.keys() & _MORE:
            labels = _labels(cells.get("labels"))
            fact = fact._replace(
                host_ip=canonical_ip(cells.get("host_ip")),
                host_network={"true": True, "false": False}.get(cells.get("host_network", "").lower()),
                service_account=cells.get("service_account"),
                zone=cells.get("zone") or _first(labels, ZONE_LABELS["zone"]),
                region=cells.get("region") or _first(labels, ZONE_LABELS["region"]),
                labels=sorted_labels(labels) if labels else None,
            )
        self.inventory.pods.append(fact)
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
        if not DNS_NAME.fullmatch(name):
            return False
        labels = _labels(cells.get("labels"))
        self.inventory.nodes.append(
            NodeFact(
                name,
                canonical_ips([cells.get("internal_ip"), cells.get("external_ip")]),
                cells.get("zone") or _first(labels, ZONE_LABELS["zone"]),
                cells.get("region") or _first(labels, ZONE_LABELS["region"]),
                evidence=self.kubectl,
                pod_ranges=canonical_ranges(cells.get("pod_ranges", "").strip("[]").replace(",", " ").split()),
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
        if not DNS_NAME.fullmatch(name):
            return False
        vips = canonical_ips(cells.get("cluster_ip", "").split(","))
        namespace = cells.get("namespace", self.namespace)
        self.inventory.services.append(ServiceFact(namespace, name, vips=vips, evidence=self.kubectl))
        return True

    def take_connections(self, cells: dict[str, str]) -> bool:
        """A row of `istioctl ztunnel-config connections`: names replace the addresses, `--raw` keeps these."""
        direction = cells.get("direction", "").lower()
        pod, _, namespace = cells.get("workload", "").partition(".")
        if direction not in set(Direction) or not pod or not {"local", "remote"} <= cells.keys():
            return False
        local, remote = cells["local"], cells["remote"]
        inbound = direction == Direction.INBOUND
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


def _addresses(cell: str | None) -> tuple[str, ...]:
    if cell is None:
        return ()
    return canonical_ips(_MAP_IP.findall(cell) if "map[" in cell else cell.strip("[]").replace(" ", ",").split(","))


def _labels(text: str | None) -> dict[str, str]:
    """`key=value,key=value` as a dictionary."""
    if not text:
        return {}
    return {key: value for key, equals, value in (item.partition("=") for item in text.split(",")) if equals}


def _first(labels: dict[str, str], keys: Iterable[str]) -> str | None:
    return next((labels[key] for key in keys if labels.get(key)), None)
