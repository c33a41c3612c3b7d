"""The notebooks in `examples` print what they show; `python tests/test_examples.py` writes the true outputs into them."""

from __future__ import annotations

import contextlib
import io
import json
from pathlib import Path
from typing import Any

import pytest

EXAMPLES = Path(__file__).parents[1] / "examples"
NOTEBOOKS = sorted(EXAMPLES.glob("*.ipynb"))


def run(notebook: dict[str, Any]) -> dict[str, Any]:
    """The notebook with what its cells print now; they run in their folder, one after another."""
    names: dict[str, object] = {}
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            printed = io.StringIO()
            with contextlib.redirect_stdout(printed), contextlib.chdir(EXAMPLES):
                exec("".join(cell["source"]), names)
            lines = printed.getvalue().splitlines(keepends=True)
            cell["outputs"] = [{"name": "stdout", "output_type": "stream", "text": lines}]
    return notebook


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.name)
def test_a_notebook_prints_what_it_shows(path):
    shown = path.read_text(encoding="utf-8")
    assert run(json.loads(shown)) == json.loads(shown)


if __name__ == "__main__":
    for path in NOTEBOOKS:
        text = json.dumps(run(json.loads(path.read_text(encoding="utf-8"))), indent=1, ensure_ascii=False)
        path.write_text(f"{text}\n", encoding="utf-8")
