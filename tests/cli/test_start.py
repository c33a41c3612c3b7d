"""Starting fast: what a process loads before it has anything to do."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = {"pyarrow", "numpy", "pandas", "networkx", "lap", "pyparsing", "rich", "yaml", "orjson", "numba"}


def loaded_by(*words: str) -> set[str]:
    """The top modules a process has loaded after running the command line."""
    code = (
        "import sys\n"
        "from ztflow.cli import main\n"
        "code = main()\n"
        "print('LOADED', code, *{name.split('.')[0] for name in sys.modules}, file=sys.stderr)\n"
    )
    run = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True, check=True)
    said, _, modules = run.stderr.partition("LOADED 0 ")
    assert said == ""
    return set(modules.split())


@pytest.mark.parametrize("words", [["--help"], ["--version"], ["flows", "--help"], ["report", "--help"]])
def test_help_loads_nothing_heavy(words):
    assert loaded_by(*words) & HEAVY == set()


@pytest.mark.parametrize("words", [[], ["flows", "-o", "jsonl"], ["records"], ["report", "traffic"]])
def test_answers_need_neither_pandas_nor_graphs_nor_a_compiler(words, seed):
    loaded = loaded_by(*words, str(seed / "same-node.log"))
    assert "pyarrow" in loaded
    assert loaded & {"pandas", "networkx", "pyparsing", "numba"} == set()


def test_a_graph_needs_no_pandas(seed):
    assert "pandas" not in loaded_by("graph", "-o", "graphml", str(seed / "same-node.log"))


def test_somebody_elses_process_keeps_its_pandas(seed):
    code = (
        "import ztflow\nfrom ztflow.cli import main\n"
        f"main(['flows', {str(seed / 'same-node.log')!r}, '-o', 'jsonl'])\n"
        f"assert len(ztflow.read_flows({str(seed / 'same-node.log')!r}).to_pandas()) == 1\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
