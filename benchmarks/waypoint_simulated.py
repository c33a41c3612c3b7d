"""How much of simulated waypoints' logs is joined, and how much of that wrongly: other traffic than in captured runs.

    python benchmarks/waypoint_simulated.py [RUNS] [SEED]

Every run draws anew: rate, sizes, clocks, drift, requests a connection, idle times, odd headers, HTTP/2, retries, pool.
"""

from __future__ import annotations

import random
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

from waypoint_join import judge

from ztflow.simulate import Clocks, Scenario, preset, simulate


def drawn(rng: random.Random) -> Scenario:
    """A scenario."""
    base = preset("requests")
    assert base.http is not None
    http = replace(
        base.http, kept=rng.choice([0.2, 0.5, 0.8]), most=rng.choice([3, 8, 12]), idles=rng.choice([0, 0.1, 0.5]),
        unseen=rng.choice([0, 0, 0.005, 0.02]), http2=rng.choice([0, 0, 0.5, 1]),
        served=rng.choice([0.004, 0.02, 0.1]), retried=rng.choice([0, 0.05]),
        pool_idle=rng.choice([0.2, 10, 3600]), closes=rng.choice([0.0003, 0.0016, 0.01]),
        first=rng.choice([0.0003, 0.0009, 0.01]),
    )  # fmt: skip
    clocks = Clocks(
        waypoint=rng.choice([0, 0, 0.002, 0.005, -0.03, 0.3, -2.0, 4.2]), offset=rng.choice([0, 0, 0.001, 0.1]),
        drift=rng.choice([0, 0, 20]),
    )  # fmt: skip
    count = rng.choice([30, 80, 200, 400])
    return replace(
        base, connections=count, duration=count / rng.choice([2, 8, 15, 40]), http=http, clocks=clocks,
        sizes=rng.choice(["unique", "unique", "mixed", "equal"]),
    )  # fmt: skip


def main() -> None:
    runs, seed = (int(word) for word in (*sys.argv[1:], "30", "1")[:2])
    rng = random.Random(seed)
    lines = decided = wrong = lost = 0
    began = time.process_time()
    for number in range(runs):
        scenario = drawn(rng)
        with tempfile.TemporaryDirectory() as folder:
            simulate(scenario, rng.randrange(10**6)).write(folder)
            found = judge(Path(folder), 0.0)
        shift, offset = scenario.clocks.waypoint * 1000, scenario.clocks.offset * 1000
        print(f"{number + 1}: {scenario.connections} in {scenario.duration:.0f} s, {scenario.sizes}, clocks {shift:+g} "
              f"and {offset:g} ms: {found.lines} lines, {found.decided / max(found.lines, 1):.1%} decided, "
              f"{found.wrong} wrong, {found.lost} not among the candidates", flush=True)  # fmt: skip
        lines, decided = lines + found.lines, decided + found.decided
        wrong, lost = wrong + found.wrong, lost + found.lost
    print(f"all: {lines} lines, {decided / max(lines, 1):.1%} decided, {wrong} wrong, {lost} not among the candidates, "
          f"{time.process_time() - began:.0f} s of processor time")  # fmt: skip


if __name__ == "__main__":
    main()
