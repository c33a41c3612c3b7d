"""`python -m fuzz TARGET|all`: runs fuzzers for a while, and prints what they found; exit code 1 if anything."""

from __future__ import annotations

import argparse
import secrets
import sys
from pathlib import Path

from fuzz import TARGETS, load
from fuzz.running import replay, run


def main() -> int:
    """Run what the command line says."""
    parser = argparse.ArgumentParser(prog="python -m fuzz", description=__doc__.partition("\n")[0])
    parser.add_argument("target", choices=(*TARGETS, "all"))
    parser.add_argument("--seconds", type=float, default=60.0, help="how long, each target (60)")
    parser.add_argument("--runs", type=int, help="how many inputs, in place of --seconds")
    parser.add_argument("--seed", type=int, help="where chance begins; printed in any case")
    parser.add_argument("--keep", type=Path, default=Path("fuzz-findings"), help="where findings go (fuzz-findings)")
    parser.add_argument("--replay", type=Path, metavar="FILE", help="try one saved input")
    options = parser.parse_args()
    if options.replay is not None:
        replay(load(options.target), options.replay)
        return 0
    seed = secrets.randbelow(1 << 31) if options.seed is None else options.seed
    print(f"seed {seed}", flush=True)
    broken = 0
    for name in TARGETS if options.target == "all" else (options.target,):
        told = run(
            name, load(name), seed=seed, keep=options.keep, runs=options.runs, seconds=options.seconds,
            tell=lambda text: print(text, flush=True),
        )  # fmt: skip
        broken += len(told.found)
        print(f"{name}: {told.inputs:,} inputs in {told.seconds:.0f} s, {len(told.found)} found", flush=True)
    return int(broken > 0)


if __name__ == "__main__":
    sys.exit(main())
