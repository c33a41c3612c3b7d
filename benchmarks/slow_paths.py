"""What it costs when compiled code is not used: the figures in the warnings of `ztflow.errors.SlowPathWarning`.

    python benchmarks/slow_paths.py [LINES]

Processor seconds with and without: reading a made log to halves, the same to paired flows, and adding up all ways to
pair a burst of 60 equal connections.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from time import process_time

import numpy as np

from ztflow.kernel import warmup
from ztflow.kernel.policy import SWITCH
from ztflow.pair.hmm import forward_backward
from ztflow.pair.hmm.transition_rates import Pace, default_rates, gap_classes
from ztflow.pair.hmm.transitions import Burst, reads
from ztflow.pair.reach import REACH

READ = "import sys, time, ztflow; ztflow.{0}(sys.argv[1]); print(time.process_time())"


def seconds(function: str, path: Path, switch: str) -> float:
    """Processor seconds of a fresh Python that calls a function of the library on a file."""
    done = subprocess.run(
        [sys.executable, "-c", READ.format(function), str(path)], capture_output=True, text=True, check=True,
        env={**os.environ, SWITCH: switch},
    )  # fmt: skip
    return float(done.stdout)


def burst(size: int) -> Burst:
    """Equal connections whose ends are told apart by their times alone."""
    chance = np.random.default_rng(7)
    early = np.cumsum(chance.exponential(40, size))
    late = np.sort(early + chance.exponential(200, size) + 20)
    pace = Pace.of(late, np.array([200.0]), REACH.usual_delay)
    gaps = [gap_classes(late, pace.service, back) for back in (1, 2)]
    return Burst(
        np.array([size, size]), np.array([pace.least, 1.0]), late, early, np.zeros((size, size)),
        *reads(late, early, pace.least, pace.spread), *default_rates().weights(gaps[0]), *gaps,
    )  # fmt: skip


def taken(call: Callable[[], object]) -> float:
    """Processor seconds of a call."""
    began = process_time()
    call()
    return process_time() - began


def main(lines: int) -> None:
    """Print a table."""
    warmup()
    forward_backward.warmup()
    print(f"{'':24} {'compiled':>9} {'not':>9} {'ratio':>6}")

    def row(what: str, fast: float, slow: float) -> None:
        print(f"{what:24} {fast:9.3f} {slow:9.3f} {slow / fast:6.1f}")

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "made.log"
        subprocess.run(
            [sys.executable, str(Path(__file__).with_name("make_log.py")), str(lines), str(path)], check=True
        )
        for function in ("read_records", "read_flows"):
            row(f"{function}, {lines} lines", seconds(function, path, "on"), seconds(function, path, "off"))
    equal, beam = burst(60), forward_backward.Beam(400, 12.0)
    forward_backward.sum_paths(equal, beam)
    fast = taken(lambda: forward_backward.sum_paths(equal, beam))
    forward_backward.runner = lambda: forward_backward.InPython("switched off")
    row("burst of 60", fast, taken(lambda: forward_backward.sum_paths(equal, beam)))


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 300_000)
