"""The page on waypoints: every command is run, and says what the page shows.

`python tests/reports/test_how_to_waypoints.py` writes the true answers into the page.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "how-to" / "waypoints.md"
CAPTURE = ROOT / "fixtures" / "captured" / "1.31.0-head-envoy-1.39"
WAYPOINT = ROOT / "fixtures" / "waypoint"
CONSOLE = re.compile(r"```console\n\$ (?P<command>.*)\n(?P<output>(?:(?!```).*\n)*)```\n")


def true_answers(text: str, folder: Path) -> str:
    mesh = folder / "mesh"
    mesh.mkdir()
    for file in (*CAPTURE.glob("ztunnel-*"), CAPTURE / "pods.txt"):
        (mesh / file.name).symlink_to(file)
    (folder / "way").mkdir()
    (folder / "way" / "ztunnel.log.gz").symlink_to(WAYPOINT / "ztunnel.log.gz")
    (folder / "waypoint.log.gz").symlink_to(WAYPOINT / "way-7d9c8b6f5-t4t4t.log.gz")
    env = os.environ | {"COLUMNS": "100", "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}

    def answered(match: re.Match[str]) -> str:
        run = subprocess.run(
            ["sh", "-c", match["command"]], cwd=folder, env=env, capture_output=True, text=True, check=True
        )
        return f"```console\n$ {match['command']}\n{run.stdout}```\n"

    return CONSOLE.sub(answered, text)


def test_every_command_of_the_page_says_what_it_shows(tmp_path):
    text = PAGE.read_text(encoding="utf-8")
    assert len(CONSOLE.findall(text)) == text.count("```console\n") > 4
    assert true_answers(text, tmp_path) == text


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as place:
        PAGE.write_text(true_answers(PAGE.read_text(encoding="utf-8"), Path(place)), encoding="utf-8")
