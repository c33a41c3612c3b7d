"""The examples in docstrings give what they say. They run from the root of the repository, as the pages' examples do."""

from __future__ import annotations

import doctest
from importlib import import_module
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

ROOT = Path(__file__).parents[1]
MODULES = [
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
    for path in sorted((ROOT / "ztflow").rglob("*.py"))
    if ">>> " in path.read_text(encoding="utf-8")
]


@pytest.fixture
def patient():
    """Hypothesis in an example must not fail because the machine is busy."""
    usual = settings.default
    settings.register_profile("patient", usual, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    settings.load_profile("patient")
    yield
    settings.register_profile("usual", usual)
    settings.load_profile("usual")


@pytest.mark.parametrize("module", MODULES)
@pytest.mark.usefixtures("patient")
def test_examples_are_true(module, monkeypatch):
    monkeypatch.chdir(ROOT)
    result = doctest.testmod(import_module(module), optionflags=doctest.FAIL_FAST)
    assert result.attempted
    assert not result.failed
