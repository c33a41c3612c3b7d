"""`known_inventory`: inventories that are named (`read_inventory`), and those beside the logs (`inventory_beside`).

Support tools leave pods and nodes in the same folder or archive as the logs (`read.sources.folders` knows the names).
An archive is gone through once for them before its logs are read.
"""

from __future__ import annotations

import stat
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from glob import glob, has_magic
from pathlib import Path
from typing import Any, TypeAlias

from ztflow.columns.gc_pause import gc_paused
from ztflow.errors import InventoryError, SourceError
from ztflow.place.inventory.facts import Inventory
from ztflow.read.limits import INVENTORIES_BYTES, INVENTORY_BYTES
from ztflow.read.sources.compression import compression_of
from ztflow.read.sources.files import Found, is_loki, open_found
from ztflow.read.sources.folders import files_below, is_archive_name, is_inventory_name, unreadable
from ztflow.text.patterns import lazy_pattern

Known: TypeAlias = str | Path | Sequence[str | Path] | Inventory | None
"""Inventory files, or what was read of them; none named: those beside the logs; None for no inventory."""

HINT = (
    "try `kubectl get pods -A -o wide`, `kubectl get nodes --show-labels` or "
    "`istioctl ztunnel-config workloads -o json`"
)
_HEAD = 512
_LOG_LINE = lazy_pattern(rb"\taccess\t|access: |connection (?:complete|opened|failed)")
_DUMPED = lazy_pattern(rb'(?:\{\s{0,8}"kind": "NodeList"|(?:---\n)?apiVersion: v1\nitems:\n)')
_POD_OBJECT = lazy_pattern(r"(.*)/pods/([^/]+)/\2\.ya?ml")


def known_inventory(
    inventory: Known, inputs: Sequence[Any], on_error: Callable[[SourceError], None] | None
) -> Inventory | None:
    """What is stated of places, by what was named or stands beside the inputs; None for nothing.

    Raises:
        SourceError: A file beside the inputs cannot be read, and `on_error` is not given.
        InventoryError: Nothing could be recognised in a file that was named.
    """
    if inventory is None or isinstance(inventory, Inventory):
        return inventory or None
    paths = [inventory] if isinstance(inventory, str | Path) else inventory
    if paths:
        return read_inventory(*paths) or None
    beside = inventory_beside(inputs)
    for error in beside.errors:
        if on_error is None:
            raise error
        on_error(error)
    return beside.inventory or None


@dataclass(slots=True)
class Beside:
    """What stands beside logs.

    Attributes:
        inventory: What it states.
        inputs: Inputs that had inventories in them, each with the files, as named there.
        barren: Files that are called an inventory and gave nothing.
        errors: Such files that cannot be read, or are damaged; nothing of them is used.
    """

    inventory: Inventory = field(default_factory=Inventory)
    inputs: dict[str, list[str]] = field(default_factory=dict)
    barren: list[str] = field(default_factory=list)
    errors: list[SourceError] = field(default_factory=list)


def read_inventory(*paths: str | Path) -> Inventory:
    """Read one or more inventory files; their statements are kept side by side, with their evidence.

    Recognised: `kubectl get pods|nodes|endpointslices|services` as table, JSON or YAML (lists, single, concatenated and
    multi-document objects), `kubectl describe nodes|pods`, `istioctl ztunnel-config workloads|services|connections|all`
    as table, JSON or YAML, ztunnel's `/config_dump` of any release, and CSV with `ip,pod,namespace,node,zone`.
    Compressed files are unpacked.

    Args:
        paths: The files; their formats are recognised by content. Of a folder or an archive what is called an
            inventory in it (`inventory_beside`).

    Returns:
        Every statement, and by reason how many rows gave none (`Inventory.unused`).

    Raises:
        SourceError: If a file cannot be read.
        InventoryError: If nothing in a file is recognised.

    Examples:
        >>> import ztflow
        >>> inventory = ztflow.read_inventory("fixtures/seed/pods-wide-1.txt")
        >>> ztflow.Topology(inventory).pod("istio-system", "ztunnel-fv5f8").node
        'ambient-worker'
    """
    inventory = Inventory()
    with gc_paused():
        for path in paths:
            _read(str(path), inventory)
    return inventory


def _read(name: str, inventory: Inventory) -> None:
    path = Path(name)
    try:
        if path.is_dir() or (is_archive_name(name) and _is_packed(path)):
            found = inventory_beside([name])
            if found.errors:
                raise found.errors[0]
            if not len(found.inventory):
                raise InventoryError(name, "holds no file that is called an inventory and is one", hint=HINT)
            inventory.add(found.inventory)
            return
        data = path.read_bytes()
        modified = path.stat().st_mtime_ns // 1000
    except OSError as error:
        raise SourceError(name, error.strerror or "cannot be read") from error
    before = len(inventory) + inventory.unused.total()
    from ztflow.place.inventory.files import parse_inventory, unpacked

    data = unpacked(name, data)
    if not parse_inventory(data, name, inventory, modified=modified):
        what = "holds no inventory that ztflow knows" if data.strip() else "is empty"
        raise InventoryError(name, what, hint=HINT)
    if len(inventory) + inventory.unused.total() == before:
        raise InventoryError(name, "is an inventory without a single row", hint=HINT)
    inventory.files.append(name)


def inventory_beside(inputs: Sequence[Any]) -> Beside:
    """What the folders and archives among some inputs hold of pods and nodes, besides logs.

    A folder or an archive that cannot be read is left out: reading the logs says so. Files above
    `limits.INVENTORY_BYTES` are, too.

    Args:
        inputs: As for `read.read_inputs`; only names are looked at, and only those of files and folders.
    """
    beside = Beside()
    left = INVENTORIES_BYTES
    with gc_paused():
        for one in inputs:
            if not isinstance(one, str | Path) or is_loki(str(one)):
                continue
            found = _Collected(str(one))
            for name, modified, data in _candidates(str(one), beside.errors.append):
                if len(data) > min(left, INVENTORY_BYTES):
                    beside.barren.append(name)
                    continue
                left -= len(data)
                found.take(name, modified, data)
            found.finish()
            beside.inventory.add(found.inventory)
            beside.barren += found.barren
            beside.errors += found.errors
            if found.inventory.files:
                beside.inputs[found.name] = found.inventory.files
    return beside


def inventories_near(inputs: Sequence[Any]) -> list[str]:
    """Files called an inventory in the folders of logs that are named one by one; they are not used.

    Args:
        inputs: As for `inventory_beside`.
    """
    files: dict[str, None] = {}
    for one in inputs:
        if not isinstance(one, str | Path) or one == "-" or is_loki(str(one)):
            continue
        named = [str(one)] if Path(one).exists() or not has_magic(str(one)) else glob(str(one), recursive=True)  # noqa: PTH207
        files.update(dict.fromkeys(name for name in named if Path(name).is_file()))
    near: dict[str, None] = {}
    for folder in dict.fromkeys(Path(name).parent for name in files):
        with suppress(OSError):
            held = sorted(entry for entry in folder.iterdir() if is_inventory_name(entry.name) and entry.is_file())
            near.update(dict.fromkeys(str(entry) for entry in held if str(entry) not in files))
    return list(near)


class _Collected:
    """What one input holds."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.inventory = Inventory()
        self.barren: list[str] = []
        self.errors: list[SourceError] = []
        self._objects: list[tuple[str, int | None, bytes]] = []
        """Files with one pod each, which lists of the same pods may make needless."""
        self._facts: set[Any] = set()

    def take(self, name: str, modified: int | None, data: bytes) -> None:
        if _POD_OBJECT.fullmatch(name):
            self._objects.append((name, modified, data))
        else:
            self._parse(name, modified, data)

    def finish(self) -> None:
        lists = {path for path in self.inventory.files if "/core/pods." in path}
        for name, modified, data in self._objects:
            found = _POD_OBJECT.fullmatch(name)
            if found is None or not any(f"{found[1]}/core/pods.{kind}" in lists for kind in ("yaml", "yml", "json")):
                self._parse(name, modified, data)

    def _parse(self, name: str, modified: int | None, data: bytes) -> None:
        if _LOG_LINE.search(data, 0, 1 << 16):
            return
        from ztflow.place.inventory.files import parse_inventory, unpacked

        read = Inventory()
        try:
            parse_inventory(unpacked(name, data), name, read, modified=modified)
        except SourceError as error:
            self.errors.append(error)
            return
        if not len(read):
            if read.unused:
                self.barren.append(name)
            return
        read.files.append(name)
        # Each ztunnel's dump has the whole mesh in it; what two files say alike is kept once.
        read.pods = [fact for fact in read.pods if self._is_new(fact[:-1])]
        read.services = [fact for fact in read.services if self._is_new(fact[:-1])]
        self.inventory.add(read)

    def _is_new(self, fact: Any) -> bool:
        if fact in self._facts:
            return False
        self._facts.add(fact)
        return True


def _candidates(name: str, fail: Callable[[SourceError], None]) -> Iterator[tuple[str, int | None, bytes]]:
    """Files called an inventory in one input: name, time, bytes (one more than is read, of too large ones)."""
    paths = [name]
    if not Path(name).exists() and has_magic(name):
        paths = sorted(glob(name, recursive=True))  # noqa: PTH207 - the pattern may be absolute
    for path in paths:
        with suppress(OSError, ValueError):
            if Path(path).is_dir():
                for file in files_below(path, {}, _ignore, lambda _: False):
                    if is_archive_name(file.path):
                        yield from _in_archive(file.path, fail)
                    elif is_inventory_name(file.path):
                        try:
                            with Path(file.path).open("rb") as opened:
                                data = opened.read(INVENTORY_BYTES + 1)
                        except OSError as error:
                            fail(unreadable(error, file.path))
                        else:
                            yield file.path, file.modified, data
            else:
                yield from _in_archive(path, fail)
                yield from _in_dump(path)


def _in_archive(path: str, fail: Callable[[SourceError], None]) -> Iterator[tuple[str, int | None, bytes]]:
    if not _is_packed(Path(path)):
        return

    def member_fails(error: SourceError) -> None:
        if is_inventory_name(error.source):  # what is wrong with the archive, reading the logs says
            fail(error)

    with suppress(SourceError):
        for stream in open_found(Found(path, path=path), is_inventory_name, member_fails):
            if not stream.inside or not is_inventory_name(stream.name):
                continue
            parts: list[bytes] = []
            size = 0
            try:
                for chunk in stream.chunks:
                    parts.append(chunk)
                    size += len(chunk)
                    if size > INVENTORY_BYTES:
                        break
            except SourceError as error:
                member_fails(error)
                continue
            yield stream.name, stream.modified, b"".join(parts)


def _in_dump(path: str) -> Iterator[tuple[str, int | None, bytes]]:
    """What `kubectl cluster-info dump` printed: nodes and pods in one text with the logs, the nodes first."""
    if not stat.S_ISREG(Path(path).stat().st_mode):
        return
    with suppress(SourceError):
        for stream in open_found(Found(path, path=path), lambda _: False, _ignore):
            first = next(stream.chunks, b"")
            if stream.inside or _DUMPED.match(first) is None:
                return
            parts = [first]
            for chunk in stream.chunks:
                parts.append(chunk)
                if sum(map(len, parts)) > INVENTORY_BYTES:
                    return
            from ztflow.place.inventory.files import without_logs

            text = without_logs(b"".join(parts).decode("utf-8", errors="replace"))
            yield path, Path(path).stat().st_mtime_ns // 1000, text.encode()


def _ignore(_error: SourceError) -> None:
    """The reading of the logs says it."""


def _is_packed(path: Path) -> bool:
    """Whether a file is compressed or an archive, by its first bytes; never opens a pipe."""
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            return False
        with path.open("rb") as file:
            head = file.read(_HEAD)
    except OSError:
        return False
    return compression_of(head) is not None or head[257:262] == b"ustar" or head.startswith(b"PK\x03\x04")
