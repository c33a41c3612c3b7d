"""Inventories of every kind, with swapped types and damage: facts, or an error that names the file."""

from __future__ import annotations

import json
from contextlib import suppress
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import yaml
from hypothesis import strategies as st

from fuzz.corpus import SAME_NODE, content, inventories
from fuzz.edits import as_json, edited, edited_json
from fuzz.target import Target
from ztflow.api import read_flows
from ztflow.errors import SourceError
from ztflow.model.vocabulary import Verdict
from ztflow.place import Inventory, read_inventory
from ztflow.place.inventory.files import parse_inventory


def check(data: bytes) -> None:
    """Whatever it states, the flows of a log are placed with it."""
    inventory = Inventory()
    recognised = parse_inventory(data, "x", inventory)
    assert recognised in {True, False}
    if inventory:
        flows = read_flows(SAME_NODE, inventory=inventory)
        told_open = flows["verdict"].to_pylist().count(Verdict.OPEN)  # by a dump, without a line
        assert len(flows) - told_open == len(read_plain())
        flows.to_arrow().validate(full=True)
        for by in ("workload", "service", "zone"):
            flows.graph(by=by)
    with TemporaryDirectory() as folder:
        path = Path(folder, "pods.json")
        path.write_bytes(data)
        try:
            read_inventory(path)
        except SourceError as error:
            assert error.source.startswith(str(path))


@cache
def read_plain() -> Any:
    """The flows of the log without an inventory."""
    return read_flows(SAME_NODE, inventory=None)


def _values() -> list[Any]:
    """What the inventories hold that are JSON or YAML, lists cut to two items."""
    found = []
    for data in inventories(1 << 20):
        with suppress(ValueError, yaml.YAMLError):
            value = json.loads(data) if data[:1] in b"{[" else yaml.load(data, yaml.CSafeLoader)
            if isinstance(value, dict | list):
                found.append(short(value))
    return found


def short(value: Any) -> Any:
    """A value whose lists have two items at most."""
    if isinstance(value, dict):
        return {key: short(part) for key, part in value.items()}
    return [short(part) for part in value[:2]] if isinstance(value, list) else value


def as_yaml(value: Any) -> bytes:
    """As YAML."""
    try:
        return yaml.dump(value, Dumper=yaml.CSafeDumper, allow_unicode=False).encode("utf-8", "replace")
    except UnicodeEncodeError:  # half a surrogate pair, which YAML has no way to write
        return as_json(value)


_values_of = edited_json(_values())
TARGET = Target(
    st.one_of(edited(inventories()), _values_of.map(as_json), _values_of.map(as_yaml), edited(inventories(1500))),
    check,
)
assert content(SAME_NODE)
