"""Reading a fixture whole."""

from __future__ import annotations

import csv
from pathlib import Path

from ztflow.model.tables import Halves
from ztflow.read import ReadReport, read_inputs

FIXTURES = Path(__file__).parents[2] / "fixtures"


def read(*inputs, **options) -> tuple[Halves, ReadReport, list]:
    """All halves, the report and all facts of some inputs; the conservation of lines is checked on the way."""
    report = ReadReport()
    batches = list(read_inputs(inputs, report=report, **options))
    stats = report.stats
    assert stats.lines == stats.access + stats.other + stats.not_ours + stats.problems
    facts = [fact for batch in batches for fact in batch.facts]
    return Halves.concat(batch.halves for batch in batches), report, facts


def column(halves: Halves, name: str) -> list:
    return halves.to_arrow().column(name).to_pylist()


def table(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file, delimiter="\t"))
