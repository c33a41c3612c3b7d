"""The page on frames: its blocks run one after another, and print what they show. As a program it writes the outputs."""

from __future__ import annotations

import contextlib
import io
import os
import re
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "how-to" / "frames.md"
BLOCK = re.compile(r"```python\n(?P<code>(?:.*\n)*?)```\n\n```text\n(?P<output>(?:.*\n)*?)```\n")


def true_outputs(text: str, folder: Path) -> str:
    (folder / "logs").symlink_to(ROOT / "fixtures" / "captured" / "1.29.5-json")
    names: dict[str, object] = {}

    def run(match: re.Match[str]) -> str:
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed), contextlib.chdir(folder):
            exec(match["code"], names)
        return f"```python\n{match['code']}```\n\n```text\n{printed.getvalue()}```\n"

    return BLOCK.sub(run, text)


def test_every_block_prints_what_it_shows(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    text = PAGE.read_text(encoding="utf-8")
    assert len(BLOCK.findall(text)) == text.count("```python\n") > 6
    assert true_outputs(text, tmp_path) == text


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        PAGE.write_text(true_outputs(PAGE.read_text(encoding="utf-8"), Path(folder)), encoding="utf-8")
