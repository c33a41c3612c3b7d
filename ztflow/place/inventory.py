"""`read_inventory`: which files say which pod, address and zone is where. Formats are recognised by content."""

from __future__ import annotations

import bz2
import codecs
import contextlib
import gc
import gzip
import json
import lzma
import re
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ztflow.errors import InventoryError, SourceError
from ztflow.place.address_lists import read_list
from ztflow.place.known import Inventory
from ztflow.place.kubectl_tables import read_tables
from ztflow.place.kubernetes_objects import read_object
from ztflow.place.ztunnel_dumps import is_dump, is_listing, read_dump, read_listing

_UNPACK = {b"\x1f\x8b": gzip.decompress, b"BZh": bz2.decompress, b"\xfd7zXZ\x00": lzma.decompress}
_BOMS = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"))
_JSON_START = re.compile(r"^[ \t]*[{\[]", re.MULTILINE)
_YAML_START = re.compile(r"^(?:---\s*$|apiVersion:|kind:|items:|- (?:[\w]+|\"\w+\"):|\w+:\s*$)", re.MULTILINE)
_HINT = (
    "try `kubectl get pods -A -o wide`, `kubectl get nodes --show-labels` or "
    "`istioctl ztunnel-config workloads -o json`"
)


def read_inventory(*paths: str | Path) -> Inventory:
    """Read one or more inventory files; their statements are kept side by side, with their evidence.

    Recognised: `kubectl get pods|nodes|endpointslices|services` as table, JSON or YAML (lists, single, concatenated and
    multi-document objects), `istioctl ztunnel-config workloads|services|connections|all` as table, JSON or YAML,
    ztunnel's `/config_dump` of any release, and CSV with `ip,pod,namespace,node,zone`. gzip, bz2 and xz are unpacked.

    Returns:
        Every statement, and by reason how many rows gave none (`Inventory.unused`).

    Raises:
        SourceError: If a file cannot be read.
        InventoryError: If nothing in a file is recognised.
    """
    inventory = Inventory()
    with _collector_paused():
        for path in paths:
            _read_file(str(path), inventory)
    return inventory


@contextlib.contextmanager
def _collector_paused() -> Iterator[None]:
    """No cyclic garbage collection inside: decoding a big file makes millions of objects and no garbage.

    Measured on 50 000 pods as JSON: half the time.
    """
    running = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if running:
            gc.enable()


def _read_file(name: str, inventory: Inventory) -> None:
    path = Path(name)
    try:
        data = path.read_bytes()
        modified = int(path.stat().st_mtime * 1_000_000)
    except OSError as error:
        raise SourceError(name, error.strerror or "cannot be read") from error
    before = len(inventory) + inventory.unused.total()
    data = _unpack(name, data)
    recognised = parse_inventory(data, name, inventory, modified=modified)
    if not recognised:
        what = "holds no inventory that ztflow knows" if data.strip() else "is empty"
        raise InventoryError(name, what, hint=_HINT)
    if len(inventory) + inventory.unused.total() == before:
        raise InventoryError(name, "is an inventory without a single row", hint=_HINT)
    inventory.files.append(name)


def _unpack(name: str, data: bytes) -> bytes:
    for magic, unpack in _UNPACK.items():
        if data.startswith(magic):
            try:
                return unpack(data)
            except (OSError, EOFError, lzma.LZMAError, zlib.error) as error:
                raise SourceError(name, f"broken archive: {error}") from error
    return data


def _decode(data: bytes) -> str:
    """As text; bytes that are none become replacement characters."""
    for bom, encoding in _BOMS:
        if data.startswith(bom):
            return data[len(bom) :].decode(encoding, errors="replace")
    if data[1:2] == b"\0" and data[3:4] == b"\0":
        return data.decode("utf-16-le", errors="replace")
    return data.decode("utf-8", errors="replace")


def parse_inventory(data: bytes | str, name: str, inventory: Inventory, *, modified: int | None = None) -> bool:
    """Add what one file states.

    Args:
        data: Its content, unpacked.
        name: Its name, for the evidence.
        inventory: Receives facts and counts.
        modified: Time of the file in microseconds, used where the content names no time.

    Returns:
        Whether anything in it was recognised.
    """
    documents, rest = _documents(data)
    taken = [_take(document, name, modified, inventory) for document in documents]
    recognised = any(taken)
    if rest.strip():
        recognised |= read_list(rest, name, modified, inventory) or read_tables(rest, name, modified, inventory)
    return recognised


def _take(document: Any, name: str, modified: int | None, inventory: Inventory) -> bool:
    if isinstance(document, list):
        if is_listing(document):
            read_listing(document, name, modified, inventory)
            return True
        taken = [_take(item, name, modified, inventory) for item in document if isinstance(item, dict)]
        return any(taken)
    if not isinstance(document, dict):
        return False
    if read_object(document, name, modified, inventory):
        return True
    if is_dump(document):
        read_dump(document, name, modified, inventory)
        return True
    return False


def _documents(data: bytes | str) -> tuple[list[Any], str]:
    """The JSON or YAML documents in a file, and what else stands in it."""
    import orjson

    if isinstance(data, bytes):
        if data[:64].lstrip()[:1] in {b"{", b"["}:
            with contextlib.suppress(orjson.JSONDecodeError):
                return [orjson.loads(data)], ""
        data = _decode(data)
    start = _JSON_START.search(data)
    if start is not None:
        with contextlib.suppress(orjson.JSONDecodeError):
            return [orjson.loads(data[start.start() :])], data[: start.start()]
        documents = list(_json_documents(data, start.start()))
        if documents:
            return documents, data[: start.start()]
    if _YAML_START.search(data):
        documents = _yaml_documents(data)
        if documents:
            return documents, ""
    return [], data


def _json_documents(text: str, position: int) -> Iterator[dict[str, Any] | list[Any]]:
    """Concatenated JSON values (`kubectl get -w -o json`), with prompts or a cut last one between them."""
    decoder = json.JSONDecoder()
    while (start := _JSON_START.search(text, position)) is not None:
        begin = start.end() - 1
        try:
            document, position = decoder.raw_decode(text, begin)
        except (json.JSONDecodeError, RecursionError):
            position = start.end()
            continue
        if isinstance(document, (dict, list)) and document:
            yield document
        while position < len(text) and text[position] in " \t\r\n,":
            position += 1
        if text[position : position + 1] in {"{", "["}:
            # Two values may stand on one line (`}{`); the search only finds line starts.
            position = text.rfind("\n", 0, position) + 1 if text[:position].endswith("\n") else position
            try:
                document, position = decoder.raw_decode(text, position)
            except (json.JSONDecodeError, RecursionError):
                position += 1
                continue
            if isinstance(document, (dict, list)) and document:
                yield document


def _yaml_documents(text: str) -> list[Any]:
    import yaml

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    documents: list[Any] = []
    with contextlib.suppress(yaml.YAMLError, RecursionError, ValueError):
        documents.extend(document for document in yaml.load_all(text, Loader=loader) if document)
    return [document for document in documents if isinstance(document, (dict, list))]
