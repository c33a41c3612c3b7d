"""Starting fast: what a process loads before it has anything to do."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = {"pyarrow", "numpy", "pandas", "networkx", "lap", "pyparsing", "rich", "yaml", "orjson", "numba"}


UNASKED = {
    "ztflow.aggregate", "ztflow.cli.commands.report", "ztflow.cli.commands.summary", "ztflow.cluster", "ztflow.graph",
    "ztflow.jit.build", "ztflow.place.inventory.files", "ztflow.policy", "ztflow.read.saved.tables",
    "ztflow.read.sources.loki", "ztflow.reports", "ztflow.waypoint", "numpy.ma.core", "pydoc",
}  # fmt: skip
"""What flows of a plain log need nothing of."""


def modules_of(*words: str) -> set[str]:
    """The modules a process has loaded after running the command line."""
    code = (
        "import sys\nfrom ztflow.cli import main\ncode = main()\nprint('LOADED', code, *sys.modules, file=sys.stderr)\n"
    )
    run = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True, check=True)
    said, _, modules = run.stderr.partition("LOADED 0 ")
    assert said == ""
    return set(modules.split())


def loaded_by(*words: str) -> set[str]:
    """Their top packages."""
    return {name.split(".")[0] for name in modules_of(*words)}


@pytest.mark.parametrize("words", [["--help"], ["--version"], ["flows", "--help"], ["report", "--help"]])
def test_help_loads_nothing_heavy(words):
    assert loaded_by(*words) & HEAVY == set()


@pytest.mark.parametrize("words", [[], ["flows", "-o", "jsonl"], ["records"], ["report", "traffic"]])
def test_answers_need_neither_pandas_nor_graphs_nor_a_compiler(words, seed):
    loaded = loaded_by(*words, str(seed / "same-node.log"))
    assert "pyarrow" in loaded
    assert loaded & {"pandas", "networkx", "pyparsing", "numba"} == set()


def test_flows_of_a_plain_log_load_no_more_than_they_need(seed, tmp_path):
    loaded = modules_of("flows", str(seed / "same-node.log"), "--output", str(tmp_path / "flows.parquet"))
    assert {"ztflow.pair.pairer", "ztflow.writers.parquet", "pyarrow.parquet"} <= loaded
    assert loaded & UNASKED == set()


def test_what_is_spared_is_there_when_it_is_asked_for():
    code = (
        "import sys\nfrom ztflow.cli.spared import spare\nspare()\nimport numpy as np, pyarrow as pa\n"
        "assert pa.array(np.unique(np.arange(3))).to_pylist() == [0, 1, 2] and 'numpy.ma.core' not in sys.modules\n"
        "masked = np.ma.masked_array([1, 2], mask=[False, True])\n"
        "assert pa.array(masked).to_pylist() == [1, None] and np.ma.is_masked(masked)\n"
        "import numpy.ma.core\nassert isinstance(masked, np.ma.MaskedArray)\n"
        "import pyarrow.compute as pc\nassert pc.add(1, 2).as_py() == 3 and pc.utf8_lower.__doc__\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_graph_needs_no_pandas(seed):
    assert "pandas" not in loaded_by("graph", "-o", "graphml", str(seed / "same-node.log"))


def test_somebody_elses_process_keeps_its_pandas(seed):
    code = (
        "import ztflow\nfrom ztflow.cli import main\n"
        f"main(['flows', {str(seed / 'same-node.log')!r}, '-o', 'jsonl'])\n"
        f"assert len(ztflow.read_flows({str(seed / 'same-node.log')!r}).to_pandas()) == 1\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
