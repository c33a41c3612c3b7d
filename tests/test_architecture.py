"""Imports go from higher layers to lower ones only, and `import ztflow` is cheap."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import networkx as nx
import pytest

import ztflow

PACKAGE = Path(ztflow.__file__).parent

LAYERS: tuple[tuple[str, ...], ...] = (
    ("errors", "version"),
    ("memory",),
    ("text", "columns", "files", "threads"),
    ("model",),
    ("jit",),
    ("parse",),
    ("kernel", "waypoint"),
    ("read",),
    ("runs",),
    ("place", "pair", "spill"),
    ("aggregate", "writers"),
    ("filters",),
    ("graph", "policy", "counters"),
    ("plot",),
    ("reports",),
    ("session", "page"),
    ("cluster",),
    ("api", "testing"),
    ("simulate",),
    ("cli",),
    ("__main__",),
)
"""Bottom first. A module imports from lower layers and from its own room, never sideways."""

LATE = {("model", room) for room in ("aggregate", "filters", "graph", "plot", "read", "reports", "writers")}
"""Imports inside a function that go up: the convenience methods of the tables."""

CIRCLES = {
    ("ztflow.model.answers", "ztflow.graph"),
    ("ztflow.model.answers", "ztflow.model.tables"),
    ("ztflow.model.answers", "ztflow.reports"),
    ("ztflow.model.answers", "ztflow.reports.summary"),
    ("ztflow.model.answers", "ztflow.reports.top"),
    ("ztflow.model.table", "ztflow.filters"),
    ("ztflow.filters", "ztflow.filters.masks"),
}
"""Imports that close a circle and may: a method that hands on to what works on its class, loaded when first called."""

RANK = {room: rank for rank, rooms in enumerate(LAYERS) for room in rooms}


def modules():
    return sorted(path for path in PACKAGE.rglob("*.py") if path != PACKAGE / "__init__.py")


def room_of(path):
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imported_rooms(node):
    if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "ztflow":
        parts = node.module.split(".")
        yield from [parts[1]] if len(parts) > 1 else [alias.name for alias in node.names if alias.name in RANK]
    if isinstance(node, ast.Import):
        yield from (alias.name.split(".")[1] for alias in node.names if alias.name.startswith("ztflow."))


@pytest.mark.parametrize("path", modules(), ids=lambda p: str(p.relative_to(PACKAGE)))
def test_imports_go_down(path):
    room = room_of(path)
    tree = ast.parse(path.read_text())
    assert room in RANK, f"give {room} a place in LAYERS"
    for node in ast.walk(tree):
        for other in imported_rooms(node):
            assert other == room or RANK[other] < RANK[room] or (room, other) in LATE, f"{room} imports {other}"


@pytest.mark.parametrize("path", modules(), ids=lambda p: str(p.relative_to(PACKAGE)))
def test_one_concept_a_module(path):
    assert len(path.read_text().splitlines()) <= 400


def test_a_public_constant_has_one_home_and_one_meaning():
    homes = defaultdict(set)
    for path in modules():
        for node in ast.parse(path.read_text()).body:
            targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
            for name in (part for target in targets if target is not None for part in ast.walk(target)):
                if isinstance(name, ast.Name) and name.id.isupper() and not name.id.startswith("_"):
                    homes[name.id].add(str(path.relative_to(PACKAGE)))
    assert homes["NO_TIME"] == {"columns/dtypes.py"}
    assert {name: found for name, found in homes.items() if len(found) > 1} == {}


def module_name(path):
    parts = ("ztflow", *path.relative_to(PACKAGE).with_suffix("").parts)
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imported_modules(path, known):
    """Modules of ours that one imports anywhere; also inside functions, and also where only a type checker looks.

    Those cost nothing at run time, but to understand one of two modules one has to read the other as well.
    """
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        if isinstance(node, ast.ImportFrom) and node.module:
            members = [f"{node.module}.{alias.name}" for alias in node.names]
            yield from (member if member in known else node.module for member in members)


def import_graph():
    files = {module_name(path): path for path in modules()}
    arrows = nx.DiGraph()
    for name, path in files.items():
        arrows.add_edges_from((name, other) for other in imported_modules(path, files) if other in files)
    return arrows


def test_no_two_modules_import_each_other_however_far_around():
    arrows = import_graph()
    arrows.remove_edges_from(CIRCLES)
    assert [sorted(circle) for circle in nx.strongly_connected_components(arrows) if len(circle) > 1] == []


@pytest.mark.parametrize(("one", "other"), sorted(CIRCLES))
def test_a_circle_that_may_be_is_one_and_is_closed_late(one, other):
    assert nx.has_path(import_graph(), other, one), f"no circle: take {one} -> {other} off CIRCLES"
    loaded = subprocess.run(
        [sys.executable, "-c", f"import {one}, sys; print({other!r} in sys.modules)"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert loaded.stdout == "False\n"


def loaded_by(code):
    run = subprocess.run(
        [sys.executable, "-c", f"{code}\nimport sys\nprint(*sys.modules)"], capture_output=True, text=True, check=True
    )
    return {name.split(".")[0] for name in run.stdout.split()}


def test_importing_ztflow_loads_nothing_heavy():
    heavy = {"pandas", "networkx", "numba", "pyarrow", "pyparsing", "numpy", "lap", "pydantic", "click", "rich"}
    assert loaded_by("import ztflow") & heavy == set()


def test_every_public_name_is_there():
    for name in ztflow.__all__:
        assert getattr(ztflow, name) is not None
    assert set(ztflow.__all__) <= set(dir(ztflow))
    with pytest.raises(AttributeError, match="nothing_of_the_kind"):
        _ = ztflow.nothing_of_the_kind


def test_the_package_is_typed():
    assert (PACKAGE / "py.typed").exists()


def test_the_column_tables_and_the_objects_agree():
    from ztflow.model.objects import AccessRecord, Flow
    from ztflow.model.schema import FLOWS, HALVES

    assert list(AccessRecord.model_fields) == [column.name for column in HALVES]
    assert list(Flow.model_fields) == [column.name for column in FLOWS]
