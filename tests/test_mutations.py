"""The table of faults fits the code: each can still be put in, and its tests are there."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def table():
    spec = importlib.util.spec_from_file_location("mutations", ROOT / "benchmarks" / "mutations.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.MUTATIONS


@pytest.mark.parametrize("mutation", table(), ids=lambda mutation: mutation.name)
def test_each_fault_can_be_put_in(mutation):
    text = (ROOT / mutation.file).read_text()
    assert text.count(mutation.old) == 1
    compile(text.replace(mutation.old, mutation.new), mutation.file, "exec")
    assert mutation.tests
    assert [path for path in mutation.tests if not (ROOT / path.partition("::")[0]).exists()] == []
