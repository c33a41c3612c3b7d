"""The reference pages of graph and reports name everything there is, and their examples print what they say."""

from __future__ import annotations

import contextlib
import io
import re
from pathlib import Path

import pytest

from ztflow.aggregate import LEVELS
from ztflow.aggregate.measures import MEASURE_NAMES
from ztflow.graph.formats import GRAPH_WRITERS
from ztflow.reports import REPORTS

ROOT = Path(__file__).parents[2]
REFERENCE = ROOT / "docs" / "reference"
EXAMPLE = re.compile(r"```python\n(.*?)```\n\n```text\n(.*?)```\n", re.DOTALL)


def test_the_graph_page_names_every_level_attribute_and_format():
    text = (REFERENCE / "graph.md").read_text()
    assert [name for name in (*LEVELS, *MEASURE_NAMES, *GRAPH_WRITERS) if f"`{name}`" not in text] == []


def test_the_reports_page_has_a_section_for_every_report():
    text = (REFERENCE / "reports.md").read_text()
    sections = re.findall(r"^## (\w+)$", text, re.MULTILINE)
    assert sections == ["summary", *REPORTS, "top", "diff"]


@pytest.mark.parametrize("page", ["graph.md", "policy.md", "reports.md"])
def test_examples_print_what_the_page_says(page, monkeypatch):
    monkeypatch.chdir(ROOT)
    ((code, wanted),) = EXAMPLE.findall((REFERENCE / page).read_text())
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(code, page, "exec"), {})
    assert printed.getvalue() == wanted
