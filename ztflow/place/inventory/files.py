"""`parse_inventory`: what one file says of pods, nodes and addresses. Formats are recognised by content."""

from __future__ import annotations

import codecs
import contextlib
import json
import re
from typing import Any

from ztflow.errors import SourceError
from ztflow.place.inventory.address_lists import read_flat, read_list
from ztflow.place.inventory.descriptions import is_description, read_descriptions
from ztflow.place.inventory.facts import Inventory
from ztflow.place.inventory.kubectl_tables import read_tables
from ztflow.place.inventory.kubernetes_objects import READ_KINDS, read_object
from ztflow.place.inventory.ztunnel_dumps import is_dump, is_listing, read_dump, read_listing
from ztflow.read.limits import INVENTORIES_BYTES, NESTING
from ztflow.read.sources.compression import LIFT, MAGIC_BYTES, Budget, compression_of, decompressed
from ztflow.text.nesting import nests_too_deep
from ztflow.text.patterns import lazy_pattern

_BOMS = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"))
_JSON_START = lazy_pattern(r"^[ \t]*[{\[]", re.MULTILINE)
_YAML_START = lazy_pattern(r"^(?:---\s*$|apiVersion:|kind:|items:|- (?:[\w]+|\"\w+\"):|\w+:\s*$)", re.MULTILINE)
_NEXT_JSON = lazy_pattern(r"[ \t\r\n,]*[{\[]")
_JSON_TRIES = 64
"""How often a text is gone through for openings of JSON that turn out to be none."""
_LOGS, _LOGS_END = "==== START logs for container ", "==== END logs for container "
_YAML_TRIES = 4
_SMALL = 1 << 16
_KUBECTL_LIST = lazy_pattern(r"(?:---\n)?apiVersion: v1\nitems:\n")
_ITEM = lazy_pattern(r"^- apiVersion: ", re.MULTILINE)
_ITEM_KIND = lazy_pattern(r"^  kind: (\w+)$", re.MULTILINE)
_AFTER_ITEMS = lazy_pattern(r"^[^-\s]", re.MULTILINE)


def unpacked(name: str, data: bytes) -> bytes:
    """The bytes of an inventory, decompressed if need be, as often as need be.

    Raises:
        SourceError: If they are damaged, far more than compression can explain, or more than memory is given to.
    """
    whole = Budget()
    whole.taken = len(data)
    for _ in range(NESTING):
        compression = compression_of(data[:MAGIC_BYTES])
        if compression is None:
            break
        pieces, size = [], 0
        try:
            for piece in decompressed(iter((data,)), compression, name, whole):
                pieces.append(piece)
                size += len(piece)
                if size > INVENTORIES_BYTES:
                    break
        except SourceError as error:  # of what is damaged nothing is used
            raise SourceError(name, error.detail, hint=error.hint if LIFT in error.hint else "") from error
        if size > INVENTORIES_BYTES:
            raise SourceError(name, f"decompresses to more than {INVENTORIES_BYTES >> 20} MiB", hint=LIFT)
        data = b"".join(pieces)
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
    if data[:64].lstrip()[:1] not in {b"{", b"[", "{", "["}:
        data = data if isinstance(data, str) else _decode(data)
        if is_description(data):
            read_descriptions(data, name, modified, inventory)
            return True
    documents, rest = _documents(data)
    taken = [_take(document, name, modified, inventory) for document in documents]
    recognised = any(taken)
    if not recognised:
        rest = data if isinstance(data, str) else _decode(data)
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
    return read_flat(document, name, modified, inventory)


def _documents(data: bytes | str) -> tuple[list[Any], str]:
    """The JSON or YAML documents in a file, and what else is in it."""
    import orjson

    if isinstance(data, bytes):
        if data[:64].lstrip()[:1] in {b"{", b"["}:
            with contextlib.suppress(orjson.JSONDecodeError):
                return [orjson.loads(data)], ""
        data = _decode(data)
    data = without_logs(data)
    start = _JSON_START.search(data)
    if start is not None:
        documents, rest = _json_documents(data)
        if documents:
            return documents, rest
    start = _YAML_START.search(data)
    if start is not None:
        return _yaml_documents(data[start.start() :]), data[: start.start()]
    return [], data


def without_logs(text: str) -> str:
    """What `kubectl cluster-info dump` prints, without the logs in it."""
    if _LOGS not in text:
        return text
    kept: list[str] = []
    inside = False
    for line in text.splitlines(keepends=True):
        inside = inside or line.startswith(_LOGS)
        if not inside:
            kept.append(line)
        elif _LOGS_END in line:  # behind the last record where that had no line end
            inside = False
    return "".join(kept)


def _json_documents(text: str) -> tuple[list[Any], str]:
    """The JSON values that start a line (or follow another), one after another, and the text around them."""
    decoder = json.JSONDecoder()
    documents: list[Any] = []
    around: list[str] = []
    position = failed = 0
    left = _JSON_TRIES * max(len(text), _JSON_TRIES)
    while failed < left and (start := _JSON_START.search(text, position)) is not None:
        begin = start.end() - 1
        try:
            document, end = decoder.raw_decode(text, begin)
        except (ValueError, RecursionError) as error:  # no JSON, or a number of more digits than Python reads
            around.append(text[position : start.end()])
            position = start.end()
            # Counting the lines before the fault costs as much; a string that does not end is looked for to the end.
            ended = isinstance(error, json.JSONDecodeError) and not error.msg.startswith("Unterminated string")
            failed += _JSON_TRIES + (error.pos if isinstance(error, json.JSONDecodeError) and ended else len(text))
            continue
        around.append(text[position:begin])
        while isinstance(document, (dict, list)):
            documents.append(document)
            position = end
            follows = _NEXT_JSON.match(text, end)
            if follows is None:
                break
            try:
                document, end = decoder.raw_decode(text, follows.end() - 1)
            except (ValueError, RecursionError):
                break
    return documents, "".join([*around, text[position:]])


def _yaml_documents(text: str) -> list[Any]:
    """The YAML documents a text starts with; what follows them (a prompt) is cut off where YAML stops."""
    import yaml

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    text = _of_use(text)
    if nests_too_deep(text):
        return []
    for _ in range(_YAML_TRIES):
        try:
            documents = list(yaml.load_all(text, Loader=loader))
        except yaml.MarkedYAMLError as error:
            line = error.problem_mark.line if error.problem_mark is not None else 0
            text = "".join(text.splitlines(keepends=True)[:line])
        except (yaml.YAMLError, RecursionError, ValueError):
            return []
        else:
            return [document for document in documents if isinstance(document, (dict, list))]
    return []


def _of_use(text: str) -> str:
    """A list as kubectl prints it in YAML without the items nobody reads, which may be most of it.

    Cost: decoding YAML takes about a second for two megabytes.
    """
    if len(text) < _SMALL or _KUBECTL_LIST.match(text) is None:
        return text
    starts = [found.start() for found in _ITEM.finditer(text)]
    if not starts:
        return text
    last = _AFTER_ITEMS.search(text, starts[-1])
    ends = [*starts[1:], last.start() if last else len(text)]
    items = [text[start:end] for start, end in zip(starts, ends, strict=True)]
    kept = [item for item in items if (kind := _ITEM_KIND.search(item)) is None or kind[1] in READ_KINDS]
    return text[: starts[0]] + "".join(kept) + text[ends[-1] :]
