"""Every fuzzer for a moment, always with the same inputs; and that a fuzzer finds, shrinks and keeps what breaks."""

from __future__ import annotations

import pytest
from hypothesis import strategies as st

from fuzz import TARGETS, load
from fuzz.running import run
from fuzz.target import Target

RUNS = {
    "parser": 300, "envelopes": 40, "inventories": 40, "archives": 150, "loki": 80, "filters": 60, "policies": 40, "saved": 8, "commands": 40,
    "values": 6,
}  # fmt: skip
"""Inputs each, about two seconds."""


def test_every_target_is_run():
    assert set(RUNS) == set(TARGETS)


@pytest.mark.filterwarnings("default::DeprecationWarning")
@pytest.mark.parametrize("name", TARGETS)
def test_nothing_is_found(name, tmp_path):
    told = run(name, load(name), seed=1, keep=tmp_path, runs=RUNS[name])
    assert [text for _, text in told.found.values()] == []
    assert told.inputs >= RUNS[name] // 2  # hypothesis tries no input twice
    assert list(tmp_path.iterdir()) == []


def test_what_is_found_is_shrunk_and_kept(tmp_path, capsys):
    def check(data: bytes) -> None:
        assert b"\0" not in data, "no zero, please"

    broken = Target(st.binary(max_size=100), check)
    (tried,) = (run("broken", broken, seed=seed, keep=tmp_path, runs=400).found for seed in [5])
    ((path, text),) = tried.values()
    assert path.read_bytes() == b"\0"
    assert "no zero, please" in text
    assert f"--replay {path}" in capsys.readouterr().out
