"""The pictures of the page on plots are what its commands draw; `python tests/plot/test_how_to.py` draws them."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "how-to" / "plots.md"
PICTURES = ROOT / "docs" / "reference" / "pictures"
LOGS = ROOT / "fixtures" / "captured" / "1.29.5-storm"
COMMANDS = re.compile(r"```sh\nztflow (plot .*)\n```")


def test_the_pictures_are_what_the_commands_draw(storm):
    found = COMMANDS.findall(PAGE.read_text("utf-8"))
    assert len(found) == PAGE.read_text("utf-8").count("```sh\n") == PAGE.read_text("utf-8").count("![") > 3
    assert "`fixtures/captured/1.29.5-storm`" in PAGE.read_text("utf-8")
    for command in found:
        _, kind, source, *options = shlex.split(command)
        named = dict(zip(options[::2], options[1::2], strict=True))
        picture = named.pop("-o")
        assert source == "logs/"
        assert f"](../reference/pictures/{picture})" in PAGE.read_text("utf-8")
        drawn = storm.plot.svg(kind, **{name.removeprefix("--"): value for name, value in named.items()})
        assert drawn.svg + "\n" == (PICTURES / picture).read_text("utf-8")


if __name__ == "__main__":
    for command in COMMANDS.findall(PAGE.read_text("utf-8")):
        words = [str(LOGS) if word == "logs/" else word for word in shlex.split(command)]
        subprocess.run([Path(sys.executable).parent / "ztflow", *words], cwd=PICTURES, check=True)
