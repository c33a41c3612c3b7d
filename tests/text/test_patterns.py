"""Patterns compiled at first use answer as compiled ones do, and nothing compiles a pattern while it is imported."""

from __future__ import annotations

import ast
import pickle
import re
from pathlib import Path

import pytest

import ztflow
from ztflow.text.patterns import lazy_pattern

PACKAGE = Path(ztflow.__file__).parent


def test_it_answers_as_a_compiled_pattern():
    late, early = lazy_pattern(r"(a)|B", re.IGNORECASE), re.compile(r"(a)|B", re.IGNORECASE)
    assert late.pattern == early.pattern
    assert (late.flags, late.groups) == (early.flags, early.groups)
    assert late.sub("-", "xAb") == early.sub("-", "xAb") == "x--"
    assert late.findall(string="aB") == ["a", ""]
    assert lazy_pattern(rb"\d").search(b"x1")[0] == b"1"
    assert pickle.loads(pickle.dumps(late)).match("b") is not None


def test_a_mistake_is_found_when_it_is_used():
    late = lazy_pattern("(")
    with pytest.raises(re.error):
        late.match("x")
    with pytest.raises(AttributeError):
        lazy_pattern("x").no_such_method  # noqa: B018


def when_imported(tree):
    """The nodes of a module that run while it is imported."""
    for node in ast.iter_child_nodes(tree):
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            yield node
            yield from when_imported(node)


def test_nothing_compiles_a_pattern_while_it_is_imported():
    early = [
        f"{path.relative_to(PACKAGE)}:{node.lineno}"
        for path in PACKAGE.rglob("*.py")
        for node in when_imported(ast.parse(path.read_bytes()))
        if isinstance(node, ast.Attribute) and ast.unparse(node) == "re.compile"
    ]
    assert early == []
