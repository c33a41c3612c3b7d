"""A plain list with a header: `ip,pod,namespace,node,zone`, in any order, any of them missing."""

from __future__ import annotations

import csv
from typing import Any

from ztflow.place.inventory.facts import AddressFact, Evidence, Inventory, NodeFact, PodFact, canonical_ips, is_elided

_ROLE = {
    "ip": "ip", "ips": "ip", "address": "ip", "podip": "ip", "pod_ip": "ip", "pod ip": "ip",
    "pod": "pod", "name": "pod", "podname": "pod", "pod_name": "pod", "pod name": "pod",
    "namespace": "namespace", "ns": "namespace", "node": "node", "nodename": "node", "node_name": "node",
    "host": "node", "zone": "zone", "region": "region", "workload": "owner", "owner": "owner",
    "service_account": "service_account", "serviceaccount": "service_account", "cluster": "cluster",
}  # fmt: skip
_DELIMITERS = ",;\t|"
_BARE = ("ip", "pod", "namespace", "node", "zone")


def read_list(text: str, file: str, modified: int | None, inventory: Inventory) -> bool:
    """Add what a delimited list states; False when its first line is no such header (or five columns led by an IP).

    A pod cell may be `namespace/name`; an ip cell may hold several addresses split by blanks or `;`.
    """
    lines = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    if not lines:
        return False
    for delimiter in _DELIMITERS:
        names = [cell.strip().strip('"').lower() for cell in lines[0].split(delimiter)]
        roles = [_ROLE.get(name) for name in names]
        known = {role for role in roles if role is not None}
        if len(names) > 1 and known & {"ip", "pod", "node"} and known & {"node", "zone"} and len(known) > 1:
            _rows(lines[1:], roles, delimiter, Evidence(file, "address list", modified, modified), inventory)
            return True
    first = lines[0].split(",")
    if len(first) == len(_BARE) and canonical_ips([first[0].strip()]):
        _rows(lines, list(_BARE), ",", Evidence(file, "address list", modified, modified), inventory)
        return True
    return False


def _rows(lines: list[str], roles: list[str | None], delimiter: str, evidence: Evidence, inventory: Inventory) -> None:
    for line in lines:
        if not line.strip("|-:+= \t"):  # the line below the header of a Markdown table
            continue
        # Line by line, so that an unclosed quote costs one row and not the rest of the file.
        try:
            row = next(csv.reader((line,), delimiter=delimiter, skipinitialspace=True))
        except csv.Error:
            inventory.unused["row that cannot be read"] += 1
            continue
        cells = {role: cell.strip() for role, cell in zip(roles, row, strict=False) if role and cell.strip()}
        _row(cells, evidence, inventory)


def read_flat(row: dict[str, Any], file: str, modified: int | None, inventory: Inventory) -> bool:
    """Add what an object with such keys states (`jq '.items[] | {name, node: .spec.nodeName}'`); False for others."""
    roles = {key: _ROLE.get(key.lower()) for key, value in row.items() if isinstance(value, str)}
    known = set(roles.values())
    if not (known & {"ip", "pod"} and known & {"node", "zone"}):
        return False
    cells = {role: row[key].strip() for key, role in roles.items() if role is not None and row[key].strip()}
    _row(cells, Evidence(file, "address list", modified, modified), inventory)
    return True


def _row(cells: dict[str, str], evidence: Evidence, inventory: Inventory) -> None:
    ips = canonical_ips(cells.get("ip", "").replace(";", " ").replace(",", " ").split())
    namespace, slash, name = cells.get("pod", "").rpartition("/")
    node, zone = inventory.node_of(cells.get("node"), evidence.file), cells.get("zone")
    zone = None if zone is None or is_elided(zone) else zone
    if name and (ips or node or zone):
        inventory.pods.append(
            PodFact(
                namespace if slash else cells.get("namespace"),
                name,
                ips,
                node,
                owner=cells.get("owner"),
                service_account=cells.get("service_account"),
                zone=zone,
                region=cells.get("region"),
                cluster=cells.get("cluster"),
                evidence=evidence,
            )
        )
    elif ips and (node or zone):
        inventory.addresses.extend(AddressFact(ip, node, zone, evidence) for ip in ips)
    elif not (node and zone):
        inventory.unused["row without address and node"] += 1
    if node and zone:
        inventory.nodes.append(NodeFact(node, zone=zone, region=cells.get("region"), evidence=evidence))
