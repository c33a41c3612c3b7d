"""What the program itself wrote, damaged, given back to it: tables, reports and graphs of every form."""

from __future__ import annotations

from tempfile import TemporaryDirectory
from typing import Final

from fuzz.corpus import PODS, SAME_NODE
from fuzz.edits import edited
from fuzz.program import ran, written
from fuzz.target import Target

_FORMS: Final = {
    "flows.jsonl": ["flows", "-o", "jsonl"], "flows.csv": ["flows", "-o", "csv"], "flows.parquet": ["flows", "-o", "parquet"],
    "flows.txt": ["flows", "-o", "wide"], "records.jsonl": ["records", "-o", "jsonl"], "records.csv": ["records", "-o", "csv"],
    "records.parquet": ["records", "-o", "parquet"], "summary.json": ["summary", "-o", "json"],
    "traffic.json": ["report", "traffic", "-o", "json"], "graph.json": ["graph", "-o", "json"],
    "graph.graphml": ["graph", "-o", "graphml"], "graph.csv": ["graph", "-o", "csv"],
}  # fmt: skip
SAVED: Final = {name: ran([*words, "--inventory", str(PODS), str(SAME_NODE)]).out for name, words in _FORMS.items()}
_NAMES: Final = {data[:40]: name for name, data in SAVED.items()}
_COMMANDS: Final = (
    ["flows", "-o", "jsonl"],
    ["records"],
    ["summary"],
    ["graph", "-o", "json"],
    ["report", "traffic"],
    ["report", "loss"],
)


def check(data: bytes) -> None:
    """Read by name and from a pipe, compared with a log, and as an inventory."""
    with TemporaryDirectory() as folder:
        path = written(folder, _NAMES.get(data[:40], "flows.parquet"), data)
        words = _COMMANDS[sum(data) % len(_COMMANDS)]
        ran([*words, path])
        ran(words, data)
        ran(["diff", path, str(SAME_NODE)])
        ran(["flows", "--inventory", path, str(SAME_NODE)])


TARGET = Target(edited(tuple(SAVED.values())), check)
