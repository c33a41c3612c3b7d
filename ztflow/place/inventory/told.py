"""What an inventory gave, in a line for a person."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from ztflow.place.inventory.facts import Inventory
from ztflow.place.inventory.found import HINT, Beside
from ztflow.text.format import counted

_SHOWN = 2
"""Files named one by one."""
_FEW = 8
"""Files with a line each; a folder that is named as an inventory may hold hundreds."""


def what_each_gave(inventory: Inventory) -> Iterator[str]:
    """One line for each file that was read: `pods.txt: 14 pods on 3 nodes`; one for all where they are many."""
    if len(inventory.files) > _FEW:
        yield f"{len(inventory.files):,} files: {_gave(inventory)}"
        hidden = inventory.elided.total()
        if hidden:
            yield f"the node is left out (`...`) in {counted(hidden, 'row')}: unknown there"
        return
    for file in inventory.files:
        yield f"{file}: {_gave(inventory.of_file(file))}"
        if inventory.elided[file]:
            yield f"{file}: the node is left out (`...`) in {counted(inventory.elided[file], 'row')}: unknown there"


def what_was_beside(beside: Beside) -> Iterator[str]:
    """One line for each input with inventories in it, and one for those that gave nothing."""
    for name, files in beside.inputs.items():
        inside = Inventory()
        for file in files:
            inside.add(beside.inventory.of_file(file))
        pods, nodes = _names(inside)
        parts = [f"pods: {len(pods):,}"] if pods else []
        parts += [f"nodes: {len(nodes):,}"] if nodes else []
        zones = {node.zone for node in inside.nodes if node.zone}
        parts += [f"zones: {len(zones):,}"] if zones else []
        what = ", ".join(parts) or _gave(inside)
        each = {file: _gave(beside.inventory.of_file(file)) for file in files} if 1 < len(files) <= _SHOWN else {}
        source = "" if files == [name] else f", from {_shown(name, files, each)}"
        yield f"{name}: {what}{source} (not used with --inventory none)"
        hidden = sum(beside.inventory.elided[file] for file in files)
        if hidden:
            yield f"{name}: the node is left out (`...`) in {counted(hidden, 'row')}: unknown there"
    if beside.barren:
        more = f" and {len(beside.barren) - _SHOWN:,} more" if len(beside.barren) > _SHOWN else ""
        yield f"no pod, node or address in {', '.join(beside.barren[:_SHOWN])}{more}; {HINT}"


def what_is_near(names: Sequence[str]) -> Iterator[str]:
    """One line for files that are called an inventory, stand beside logs and are not used."""
    if names:
        more = f" and {len(names) - _SHOWN:,} more" if len(names) > _SHOWN else ""
        used = " ".join(f"--inventory {name}" for name in names[:_SHOWN])
        yield f"beside the logs, not used: {', '.join(names[:_SHOWN])}{more}; they tell pods and nodes with {used}"


def _shown(name: str, files: list[str], each: Mapping[str, str]) -> str:
    """The first files, without the folders all are below; the one they are in is kept. And what each gave."""
    files = sorted(files)
    inside = [file[len(name) :].lstrip("/").split("/") for file in files]
    common = 0
    while all(len(parts) > common + 1 and parts[common] == inside[0][common] for parts in inside):
        common += 1
    if any(len(parts) == common + 1 for parts in inside):
        common = max(common - 1, 0)
    names = [
        "/".join(parts[common:]) + (f" ({each[file]})" if file in each else "")
        for file, parts in zip(files[:_SHOWN], inside, strict=False)
    ]
    more = f" and {len(files) - _SHOWN:,} more" if len(files) > _SHOWN else ""
    return f"{', '.join(names)}{more}"


def _names(inventory: Inventory) -> tuple[set[tuple[str | None, str]], set[str]]:
    """Pods, and nodes that are named anywhere."""
    pods = {(pod.namespace, pod.name) for pod in inventory.pods}
    placed = [*(pod.node for pod in inventory.pods), *(one.node for one in inventory.addresses)]
    placed += [ztunnel.node for ztunnel in inventory.ztunnels]
    return pods, {node.name for node in inventory.nodes} | {node for node in placed if node}


def _gave(inventory: Inventory) -> str:
    """`14 pods on 3 nodes, 2 zones`."""
    pods, _ = _names(inventory)
    on = {pod.node for pod in inventory.pods if pod.node}
    nodes = {node.name for node in inventory.nodes}
    zones = {node.zone for node in inventory.nodes if node.zone}
    ranges = {one for node in inventory.nodes for one in node.pod_ranges}
    counts = (
        (f"{counted(len(pods), 'pod')} on {counted(len(on), 'node')}" if on else counted(len(pods), "pod"), len(pods)),
        (counted(len(nodes), "node"), 0 if pods and nodes <= on else len(nodes)),
        (counted(len(zones), "zone"), len(zones)),
        (counted(len(ranges), "range of pods", "ranges of pods"), len(ranges)),
        (counted(len(inventory.addresses), "address", "addresses"), len(inventory.addresses)),
        (counted(len(inventory.services), "service"), len(inventory.services)),
        (counted(len(inventory.connections), "open connection"), len(inventory.connections)),
    )
    parts = [text for text, count in counts if count]
    if parts or inventory.ztunnels:
        return ", ".join(parts) or counted(len(inventory.ztunnels), "ztunnel")
    reasons = ", ".join(f"{reason}: {count:,}" for reason, count in inventory.unused.most_common(2))
    return f"gave nothing ({reasons}); {HINT}"
