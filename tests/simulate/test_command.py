"""`ztflow simulate`."""

from __future__ import annotations

import io
import json
import re
import sys
from pathlib import Path

import pytest

from ztflow.cli import main
from ztflow.simulate import PRESETS, simulate
from ztflow.simulate.scenario import LOG_WRAPPERS


class Out(io.TextIOWrapper):
    def __init__(self) -> None:
        super().__init__(io.BytesIO(), encoding="utf-8", write_through=True)


@pytest.fixture
def run(monkeypatch):
    def call(*words: str) -> tuple[int, bytes, str]:
        out, err = Out(), Out()
        monkeypatch.setattr(sys, "stdout", out)
        monkeypatch.setattr(sys, "stderr", err)
        code = main(["simulate", *words])
        return code, out.buffer.getvalue(), err.buffer.getvalue().decode()

    return call


def test_it_writes_a_run(run, tmp_path):
    code, out, talk = run("--scenario", "idle", "--seed", "3", "--output", str(tmp_path / "run"))
    assert (code, out) == (0, b"")
    capture = simulate("idle", 3)
    assert f"400 connections, {capture.access_lines:,} access lines in 3 files" in talk
    written = {path.name: path.read_bytes() for path in (tmp_path / "run").iterdir()}
    assert written.keys() == {*capture.logs, "truth.tsv", "pods.txt", "nodes.txt"}
    assert {name: written[name] for name in capture.logs} == dict(capture.logs)


def test_it_prints_what_stern_prints(run):
    code, out, talk = run("--scenario", "idle", "--connections", "50")
    assert (code, talk) == (0, "")
    lines = out.decode().splitlines()
    assert sum("\taccess\t" in line for line in lines) > 50
    assert all(line.startswith("ztunnel-") and " istio-proxy " in line for line in lines)


def test_wrapper_format_and_release_are_as_asked(run):
    words = ("--scenario", "idle", "--connections", "20", "--wrapper", "stern-json", "-o", "json")
    code, out, _ = run(*words, "--release", "1.22.0")
    assert code == 0
    told = [json.loads(json.loads(line)["message"]) for line in out.decode().splitlines()]
    assert {line["level"] for line in told} <= {"INFO", "WARN", "ERROR"}


def test_duration_keeps_the_rate(run):
    _, short, _ = run("--scenario", "idle", "--duration", "6")
    _, long, _ = run("--scenario", "idle", "--duration", "60")
    assert 5 < long.count(b"\taccess\t") / short.count(b"\taccess\t") < 20


def test_live_lines_have_the_time_of_the_clock(run):
    code, out, _ = run("--scenario", "idle", "--duration", "2", "--live", "--speed", "200")
    assert code == 0
    assert out.count(b"\taccess\t") > 4


def test_it_lists_the_scenarios(run):
    code, out, _ = run("--list")
    assert code == 0
    assert [line.split()[0] for line in out.decode().splitlines()] == list(PRESETS)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--scenario", "nonsense"], "'nonsense' is not one of idle, "),
        (["--wrapper", "paper"], "'paper' is not one of files, "),
        (["--release", "1.20.0"], "no access log"),
        (["--live", "--output", "x"], "--live"),
        (["--live", "--speed", "0"], "--speed"),
        (["--duration", "0"], "--duration"),
        (["--seed", "-1"], "--seed"),
        (["--scenario", "multinetwork", "--release", "1.24.6"], "1.26.0 or later"),
    ],
)
def test_what_means_nothing_is_code_2(run, words, says):
    code, out, talk = run(*words)
    assert (code, out) == (2, b"")
    assert says in talk


def test_an_output_that_is_a_file_is_code_2(run, tmp_path):
    (tmp_path / "taken").write_text("")
    code, _, talk = run("--scenario", "idle", "--output", str(tmp_path / "taken"))
    assert code == 2
    assert "taken" in talk


def test_a_run_that_breaks_off_leaves_no_half_file(run, tmp_path, monkeypatch):
    def half(*_args):
        yield b"half a l"
        raise BrokenPipeError

    assert run("--scenario", "idle", "--output", str(tmp_path))[0] == 0
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    monkeypatch.setattr("ztflow.simulate.capture.Capture.content", half)
    run("--scenario", "idle", "--output", str(tmp_path))
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


DOCS = (Path(__file__).parents[2] / "docs" / "how-to" / "simulate.md").read_text(encoding="utf-8")


def test_the_page_names_every_scenario_and_wrapper():
    for name, scenario in PRESETS.items():
        assert f"| `{name}` | {scenario.about} | {scenario.connections:,} in {scenario.duration:,.0f} s |" in DOCS
    assert all(f"`{wrapper}`" in DOCS for wrapper in LOG_WRAPPERS)


def test_the_page_prints_what_it_says(capsys):
    code = re.search(r"```python\n(.*?)```", DOCS, re.DOTALL)[1]
    exec(code, {})
    assert capsys.readouterr().out == re.search(r"```text\n(.*?)```", DOCS, re.DOTALL)[1]


def test_the_page_shows_what_is_said_on_stderr(run, tmp_path):
    _, _, talk = run("--scenario", "storm", "--seed", "1", "--output", str(tmp_path))
    assert talk.replace(str(tmp_path), "run") in DOCS
