"""Notebooks and examples show what they do; `python tests/test_examples.py` writes the true outputs into them."""

from __future__ import annotations

import ast
import contextlib
import io
import json
import re
import runpy
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]
NOTEBOOKS = sorted((ROOT / "docs" / "tutorial").glob("*.ipynb"))
SCRIPTS = sorted((ROOT / "examples").glob("*.py"))

SHOWN = re.compile(r"^    \$ python (?P<command>examples/\S+.*)\n(?P<output>(?:    .*\n|\n)*)", re.MULTILINE)
"""A command in the docstring of a script, and what it prints."""


def lines(text: str) -> list[str]:
    """As a notebook holds a text."""
    return text.splitlines(keepends=True)


def displayed(value: Any) -> dict[str, list[str]]:
    """What a notebook shows of a value: what it makes of itself, else its text."""
    methods = {"text/html": "_repr_html_", "image/svg+xml": "_repr_svg_"}
    shown = {kind: getattr(value, name)() for kind, name in methods.items() if hasattr(value, name)}
    return {kind: lines(text) for kind, text in (shown or {"text/plain": repr(value)}).items()}


def run(notebook: dict[str, Any], folder: Path) -> dict[str, Any]:
    """The notebook with what its cells print and show now; they run in its folder, one after another."""
    names: dict[str, object] = {}
    for cell in notebook["cells"]:
        if cell["cell_type"] != "code":
            continue
        body = ast.parse("".join(cell["source"])).body
        last = body.pop() if isinstance(body[-1], ast.Expr) and "print(" not in cell["source"][-1] else None
        printed, outputs = io.StringIO(), []
        with contextlib.redirect_stdout(printed), contextlib.chdir(folder):
            exec(compile(ast.Module(body, []), "cell", "exec"), names)
            if isinstance(last, ast.Expr):
                data = displayed(eval(compile(ast.Expression(last.value), "cell", "eval"), names))
                outputs = [{"data": data, "execution_count": None, "metadata": {}, "output_type": "execute_result"}]
        if printed.getvalue():
            outputs.insert(0, {"name": "stdout", "output_type": "stream", "text": lines(printed.getvalue())})
        cell["outputs"] = outputs
    return notebook


def true_notebook(path: Path) -> str:
    return json.dumps(run(json.loads(path.read_text("utf-8")), path.parent), indent=1, ensure_ascii=False) + "\n"


def true_script(path: Path) -> str:
    """The script with what its commands print now."""

    def told(match: re.Match[str]) -> str:
        printed = io.StringIO()
        words = match["command"].split()
        before, sys.argv = sys.argv, words
        try:
            with contextlib.redirect_stdout(printed), contextlib.chdir(ROOT):
                runpy.run_path(str(ROOT / words[0]), run_name="__main__")
        finally:
            sys.argv = before
        shown = "".join(f"    {line}" if line.strip() else line for line in lines(printed.getvalue()))
        return f"    $ python {match['command']}\n{shown}"

    return SHOWN.sub(told, path.read_text("utf-8"))


def test_there_are_some():
    assert NOTEBOOKS
    assert len(SCRIPTS) > 2


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.name)
def test_a_notebook_shows_what_it_gives(path):
    text = path.read_text("utf-8")
    assert true_notebook(path) == text
    assert len(text) < 400_000


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)
def test_an_example_prints_what_it_says(path):
    text = path.read_text("utf-8")
    assert SHOWN.search(text), "its docstring shows a command"
    assert true_script(path) == text


if __name__ == "__main__":
    for path in NOTEBOOKS:
        path.write_text(true_notebook(path), "utf-8")
    for path in SCRIPTS:
        path.write_text(true_script(path), "utf-8")
