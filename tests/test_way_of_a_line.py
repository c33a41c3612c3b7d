"""Two access lines on a pipe pass through few modules: a reader who follows one through the code reads only these."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import ztflow

ROOT = Path(__file__).parents[1]
MOST = 82
"""Modules in which a function is entered from the command's start to the flow on the screen; it should only fall."""

ENTERED = """
import sys, threading
from ztflow.cli import main

FUNCTION = 1  # CO_OPTIMIZED: bodies of modules and classes, which importing runs, do not have it
entered = set()

def profile(frame, event, arg):
    code = frame.f_code
    if event != "call" or not code.co_flags & FUNCTION or code.co_filename in entered:
        return
    while frame is not None and frame.f_code.co_name != "<module>":
        frame = frame.f_back
    if frame is None or frame.f_code.co_filename == "<string>":  # not what a module runs while it is imported
        entered.add(code.co_filename)

threading.setprofile(profile)
sys.setprofile(profile)
sys.argv = ["ztflow", "flows", "-f"]
try:
    main()
finally:
    sys.setprofile(None)
    sys.stdout.flush()
    print(*sorted(entered), sep="\\n", file=sys.stderr)
"""


def test_a_line_of_a_pipe_enters_few_modules(tmp_path):
    lines = (ROOT / "fixtures" / "seed" / "cross-node.log").read_bytes()
    assert lines.count(b"access connection complete") == 2
    done = subprocess.run(
        [sys.executable, "-c", ENTERED], input=lines, capture_output=True, cwd=tmp_path, timeout=120, check=True
    )
    assert done.stdout.strip(), "a flow came out"
    package = f"{Path(ztflow.__file__).parent}/"
    entered = [name.removeprefix(package) for name in done.stderr.decode().splitlines() if name.startswith(package)]
    assert {"cli", "read", "parse", "pair", "writers"} <= {name.partition("/")[0] for name in entered}
    assert len(entered) <= MOST, entered
