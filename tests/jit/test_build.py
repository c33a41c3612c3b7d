"""Numba's private parts: reached in one module, there in the Numba installed, and refused in one never tested."""

from __future__ import annotations

import ast
import gc
import math
import re
import tomllib
from importlib.metadata import version
from pathlib import Path
from types import SimpleNamespace
from typing import NamedTuple

import pytest
from numba import njit, types
from numba.core.registry import cpu_target
from numba.np import arrayobj

import ztflow
from ztflow.errors import CompilerError
from ztflow.jit import build
from ztflow.jit.build import HOW, NEWEST, built
from ztflow.jit.link import FloatRow
from ztflow.pair.hmm.trellis import LookAhead


class Sizes(NamedTuple):
    sizes: FloatRow


PACKAGE = Path(ztflow.__file__).parent
PUBLIC = {"numba", "numba.extending", "llvmlite", "llvmlite.binding"}
"""What any module may import."""

WHAT_TO_DO = (
    "{package} {found} is newer than {newest}, the newest that ztflow was tested with. Its private parts may have "
    "changed. Read the other failures of this file, adapt ztflow/jit/build.py, run the whole test suite, then "
    "raise NEWEST in build.py and the upper bound in pyproject.toml."
)


@pytest.mark.parametrize("package", ["numba", "llvmlite"])
def test_what_is_installed_was_tested(package):
    found = version(package)
    newest = ".".join(map(str, NEWEST[package]))
    release = tuple(int(part) for part in found.split(".")[:2])
    assert release <= NEWEST[package], WHAT_TO_DO.format(package=package, found=found, newest=newest)


@pytest.mark.parametrize("package", ["numba", "llvmlite"])
def test_the_project_asks_for_nothing_newer(package):
    project = tomllib.loads((PACKAGE.parent / "pyproject.toml").read_text())["project"]
    (wanted,) = (line for line in project["dependencies"] if re.match(rf"{package}\b", line))
    major, minor = NEWEST[package]
    assert wanted.endswith(f",<{major}.{minor + 1}")


@pytest.mark.parametrize("package", ["numba", "llvmlite"])
def test_a_newer_one_is_refused(package):
    major, minor = NEWEST[package]
    build._check_version(package, f"{major}.{minor}.99")
    with pytest.raises(ImportError, match=rf"{package} {major}.{minor + 1}.0rc1 is newer"):
        build._check_version(package, f"{major}.{minor + 1}.0rc1")


def test_every_private_part_is_there():
    """Each one by itself, so that a failure names it."""
    dispatcher = njit(**HOW)(lambda number: number + 1)
    dispatcher.compile((types.int64,))
    overload = dispatcher.overloads[(types.int64,)]
    library = overload.library
    assert overload.fndesc.llvm_func_name in library.get_llvm_str()
    assert callable(library.codegen._tm.emit_object)
    assert library._final_module.get_function(overload.fndesc.llvm_func_name) is not None
    assert "NRT" not in library.get_llvm_str(), "_nrt no longer switches off the counting of references"
    assert callable(arrayobj.make_array)
    assert callable(arrayobj.populate_array)
    assert callable(arrayobj.make_array(types.Array(types.int64, 1, "C"))._getvalue)
    pair = types.BaseTuple.from_types([types.int64, types.float64], LookAhead)
    assert pair.instance_class is LookAhead
    target = cpu_target.target_context.codegen()
    assert isinstance(library, target._library_class)
    assert callable(target.set_env)
    for part in ("_optimize_final_module", "_finalize_final_module", "_finalize_dynamic_globals", "_ensure_finalized"):
        assert callable(getattr(library, part)), part
    assert callable(library.get_pointer_to_function)
    assert library._finalized is True


def test_others_compile_as_before_after_ours():
    """What is changed in Numba while ours is compiled is as it was afterwards, whether that worked or not."""
    target = cpu_target.target_context.codegen()
    before = target._library_class, target.set_env, gc.get_threshold()

    symbol, code = built(njit(**HOW)(lambda sizes: sizes[0] + math.log(sizes[1])), Sizes)
    assert symbol.encode() in code
    with pytest.raises(CompilerError):
        built(njit(**HOW)(lambda sizes: sizes.nothing_of_the_kind), Sizes)
    assert (target._library_class, target.set_env, gc.get_threshold()) == before
    assert njit(lambda number: math.log(number) + 1)(1.0) == 1.0


def test_private_parts_are_reached_in_one_module():
    reaching = set()
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [node.module] if isinstance(node, ast.ImportFrom) else []
            names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if any(name and name.split(".")[0] in {"numba", "llvmlite"} and name not in PUBLIC for name in names):
                reaching.add(path.stem)
            if isinstance(node, ast.Attribute) and node.attr in {"_tm", "_final_module", "_getvalue", "fndesc"}:
                reaching.add(path.stem)
            if isinstance(node, ast.Constant) and node.value == "_nrt":
                reaching.add(path.stem)
    assert reaching == {"build"}
    assert "the one module that reaches into numba's private parts" in build.__doc__.splitlines()[0].lower()


def doubled(best, first, end, by):
    best[0, 0] = 2 * by[first[0]] + end[0]


@pytest.mark.parametrize("lost", ["populate_array", "make_array"])
def test_a_private_function_that_is_gone_is_told(lost, monkeypatch):
    left = {name: getattr(arrayobj, name) for name in ("populate_array", "make_array") if name != lost}
    monkeypatch.setattr(build, "_arrays", SimpleNamespace(**left))
    with pytest.raises(CompilerError, match=rf"Numba {version('numba')} cannot compile it: .*{lost}"):
        built(njit(doubled), LookAhead)


def test_a_private_attribute_that_is_gone_is_told(monkeypatch):
    monkeypatch.delattr(cpu_target.target_context.codegen(), "_tm")
    with pytest.raises(CompilerError, match=r"cannot compile it: .*_tm"):
        built(njit(doubled), LookAhead)


def test_what_numba_cannot_compile_is_told():
    def wrong(best, first, end, by):
        return best.no_such_thing + first + end + by

    with pytest.raises(CompilerError, match="cannot compile it"):
        built(njit(wrong), LookAhead)
