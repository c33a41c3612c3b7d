"""Fixtures several rooms use."""

from __future__ import annotations

import tempfile

import pytest


@pytest.fixture
def empty_cache(tmp_path, monkeypatch):
    """Empty places for compiled code; the folder that holds both."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temp"))
    (tmp_path / "temp").mkdir()
    return tmp_path
