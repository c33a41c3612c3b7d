"""The page an operator follows: every command is run, and says what the page shows.

`python tests/policy/advice/test_how_to.py` writes the true answers into the page.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[3]
PAGE = ROOT / "docs" / "how-to" / "policy.md"
CAPTURE = ROOT / "fixtures" / "policy" / "1.31.0-head-strict"
LABELS = ROOT / "fixtures" / "inventory" / "captured" / "pods.json"
CONSOLE = re.compile(r"```console\n((?:\$ .*\n)+)((?:(?!```|\$ ).*\n)*)```\n")


def true_answers(text: str, folder: Path) -> str:
    """The page with what its commands print, run one after the other in a folder with the capture."""
    (folder / "week").mkdir()
    for log in CAPTURE.glob("ztunnel-*"):
        (folder / "week" / log.name).symlink_to(log)
    (folder / "pods.json").symlink_to(LABELS)
    (folder / "existing.yaml").symlink_to(CAPTURE / "config.yaml")
    env = os.environ | {"COLUMNS": "100", "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}

    def answered(match: re.Match[str]) -> str:
        script = "".join(line.removeprefix("$ ") for line in match[1].splitlines(keepends=True))
        run = subprocess.run(
            ["sh", "-c", script], cwd=folder, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            check=False,
        )  # fmt: skip
        assert run.returncode in {0, 1}, run.stdout
        return f"```console\n{match[1]}{run.stdout}```\n"

    return CONSOLE.sub(answered, text)


def test_every_command_of_the_page_says_what_it_shows(tmp_path):
    text = PAGE.read_text()
    assert len(CONSOLE.findall(text)) == text.count("```console\n") > 8
    assert true_answers(text, tmp_path) == text
    assert "cluster.local/ns/shop/sa/web" not in (tmp_path / "broken.yaml").read_text()


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as place:
        PAGE.write_text(true_answers(PAGE.read_text(), Path(place)))
