"""How well halves are paired, on captured runs whose truth is known and on simulated traffic.

    python benchmarks/accuracy.py RUN_DIR... [--scenario NAME]... [--markdown]
    python benchmarks/accuracy.py --sums RUN_DIR... [--markdown]
    python benchmarks/accuracy.py --left-out RUN_DIR... [--markdown]
    python benchmarks/accuracy.py --simulated [--seeds N] [--markdown]
    python benchmarks/accuracy.py --rates RUN_DIR...

A RUN_DIR holds `ztunnel-*.log[.gz]` and `truth.tsv[.gz]` (columns `kind, src_pod, dst_pod, asked, outbound, inbound,
next_hop_inbound`, halves as `file:line`); `pods.txt`, where it is there, is the inventory. Each run is scored as it is,
with clocks set off by half a second, with one node's log missing, with sizes masked (equal within a class of
connections, as in much real traffic), and masked with each of the others. Two baselines get
the same halves and the same candidates (equal addresses, identity and sizes): the nearest end first (greedy), and the
assignment with the least squared differences of ends (weight 1) and durations (¼), within a second.

Columns: precision and recall of pairs; of the pairs called `exact` or `unique`, the share that is right (sure) and
their share of all (sure_share); calibration, the mean distance of confidence from truth in ten bins, and what that
would be on average if every confidence were the true probability (chance: less cannot be expected); pairs of halves
from different clients or servers (foreign), and with a half whose partner was never written (invented); precision and
recall of both baselines; processor seconds ztflow took, reading included.

`--sums` prints instead what does not hang on single pairs: edges (source, address dialled, authority) whose number of
connections or bytes in either direction is not that of the truth, of all edges, and precision and recall of the hops
behind waypoints and gateways.

`--left-out` asks whether ztflow's default transition rates were made for these runs: each, sizes masked, is paired
again starting from the rates counted on the true pairs of all the other runs (learning goes on from there). Each column
has the figure with the defaults and that of the other start.

`--simulated` pairs bursts of `ztflow.simulate` and adds an oracle: the same model, whose transition rates were counted
on the true pairs of other traffic of the scenario (another seed), with clocks that are right, keeping four times as
many states. It knows the parameters, not the pairs. The simulator's own likelihood cannot be written down (batches,
thefts, pauses), so this is the best of this kind of model, not of all thinkable ones.

`--rates` prints what ztflow starts from (`ztflow/pair/hmm/transition_rates.py`): the steps of the true pairs.
"""

from __future__ import annotations

import argparse
import re
import tempfile
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

from methods import BASELINES, by_ztflow, counted, oracle, starting_from
from scoring import Truth, hops, position, text, wrong_edges

import ztflow
from ztflow.pair.hmm.transition_rates import TransitionRates
from ztflow.simulate import simulate
from ztflow.simulate.kinds import Kind
from ztflow.simulate.presets import BUSY_MACHINE, preset
from ztflow.simulate.scenario import Clocks
from ztflow.simulate.scenario import Scenario as Traffic

SKEW = (timedelta(seconds=0.5), timedelta(seconds=-0.5))
SIZE = re.compile(r'("?bytes_(sent|recv)"?[=:])(\d+)')
INBOUND = re.compile(r'direction"?[=:]"inbound"')
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")
CROWD = "10 000 in a second"
"""Has no oracle, which pairs a burst in one piece and would need hours and memory for this one."""
OTHER_SEED = 1000
"""Added to a seed: traffic the oracle learns from."""


@dataclass(frozen=True)
class Scenario:
    """What is done to a run before it is paired."""

    name: str
    masked: bool = False
    skewed: bool = False
    dropped: bool = False


SCENARIOS = (
    Scenario("as it is"),
    Scenario("skew", skewed=True),
    Scenario("drop", dropped=True),
    Scenario("masked", masked=True),
    Scenario("masked, skew", masked=True, skewed=True),
    Scenario("masked, drop", masked=True, dropped=True),
)


# -- making a run harder ---------------------------------------------------------------------------------


def degraded(run: Path, target: Path, scenario: Scenario) -> list[Path]:
    """The run's logs changed as the scenario says, line numbers as they were."""
    logs = sorted(run.glob("ztunnel-*.log*"))
    kept = logs[:-1] if scenario.dropped else logs
    result = []
    for number, path in enumerate(kept):
        skew = SKEW[number] if scenario.skewed and number < len(SKEW) else None
        target_path = target / path.name.removesuffix(".gz")
        with text(path) as source, target_path.open("w", newline="") as out:
            for line in source:
                changed = mask_sizes(line) if scenario.masked and "connection complete" in line else line
                out.write(shift_time(changed, skew) if skew else changed)
        result.append(target_path)
    return result


def mask_sizes(line: str) -> str:
    """Take away the running number that makes each connection's sizes unique; empty stays empty."""
    request = "recv" if INBOUND.search(line) else "sent"

    def mask(match: re.Match[str]) -> str:
        size = int(match[3])
        return f"{match[1]}{size and size // 100_000 * 100_000 + (100 if match[2] == request else 300)}"

    return SIZE.sub(mask, line)


def shift_time(line: str, by: timedelta) -> str:
    """The line with its first time set off."""

    def shift(match: re.Match[str]) -> str:
        moved = datetime.fromisoformat(match[0]) + by
        return moved.strftime("%Y-%m-%dT%H:%M:%S.%fZ")

    return TIME.sub(shift, line, count=1)


# -- the tables ------------------------------------------------------------------------------------------

COLUMNS = ("pairs", "precision", "recall", "sure", "sure_share", "calibration", "chance", "foreign", "invented")


def cell(value: float | None) -> str:
    return "-" if value is None else str(value) if isinstance(value, int) else f"{value:.3f}"


def both(precision: float | None, recall: float | None) -> str:
    return f"{cell(precision)} / {cell(recall)}"


def printed(head: tuple[str, ...], rows: Iterable[tuple[str, ...]], *, markdown: bool) -> None:
    """Print rows as they come."""
    for row in (head, *([("---",) * len(head)] if markdown else [])):
        print(laid_out(row, markdown=markdown))
    for row in rows:
        print(laid_out(row, markdown=markdown), flush=True)


def laid_out(row: tuple[str, ...], *, markdown: bool) -> str:
    if markdown:
        return "| " + " | ".join(row) + " |"
    first, second, *rest = row
    return f"{first:<24}{second:<15}" + "".join(f"{text:<15}" for text in rest)


def scored(truth: Truth, logs: list[Path], inventory: list[Path]) -> tuple[dict, list[str], float]:
    """Columns of ztflow, those of the baselines, and processor seconds."""
    began = time.process_time()
    score = truth.score(by_ztflow(logs, inventory).pairs)
    took = time.process_time() - began
    others = [truth.score(method(logs)) for method in BASELINES.values()]
    return score, [both(other["precision"], other["recall"]) for other in others], took


def captured(runs: list[Path], wanted: list[str] | None, *, sums: bool) -> Iterator[tuple[str, ...]]:
    """A row for each run and scenario."""
    for run in runs:
        inventory = [path for path in [run / "pods.txt"] if path.exists()]
        for scenario in SCENARIOS:
            if wanted and scenario.name not in wanted:
                continue
            with tempfile.TemporaryDirectory() as folder:
                logs = degraded(run, Path(folder), scenario)
                truth = Truth(run, logs)
                if sums:
                    yield (run.name, scenario.name, *sums_and_hops(truth, logs, inventory))
                    continue
                score, others, took = scored(truth, logs, inventory)
                yield (run.name, scenario.name, *(cell(score[name]) for name in COLUMNS), *others, f"{took:.1f}")


def left_out(runs: list[Path]) -> Iterator[tuple[str, ...]]:
    """A row for each run: with the defaults, and with the start fitted to the other runs."""
    with tempfile.TemporaryDirectory() as folder:
        made = masked(runs, Path(folder))
        for run, (logs, truth) in made.items():
            inventory = [path for path in [run / "pods.txt"] if path.exists()]
            shipped = truth.score(by_ztflow(logs, inventory).pairs)
            with starting_from(
                TransitionRates.counted(counted(*(known for other, known in made.items() if other != run)))
            ):
                fitted = truth.score(by_ztflow(logs, inventory).pairs)
            names = ("recall", "sure", "sure_share", "calibration")
            yield (run.name, cell(shipped["pairs"]), *(f"{cell(shipped[n])} / {cell(fitted[n])}" for n in names))


def masked(runs: list[Path], folder: Path) -> dict[Path, tuple[list[Path], Truth]]:
    """The runs with sizes masked, and their truth."""
    made = {}
    for run in runs:
        (folder / run.name).mkdir()
        logs = degraded(run, folder / run.name, Scenario("masked", masked=True))
        made[run] = logs, Truth(run, logs)
    return made


def print_rates(runs: list[Path]) -> None:
    """The arrays of `transition_rates`."""
    with tempfile.TemporaryDirectory() as folder:
        counts = counted(*masked(runs, Path(folder)).values())
    for name, found in zip(counts._fields, counts, strict=True):
        rows = found.round().astype(int).tolist()
        print(f"{name.upper()} = (\n" + "".join(f"    {tuple(row)},\n" for row in rows) + ")")


def sums_and_hops(truth: Truth, logs: list[Path], inventory: list[Path]) -> tuple[str, ...]:
    """Edges that do not add up, all edges, and how well hops are chained."""
    flows = by_ztflow(logs, inventory).flows
    records = {
        position(row["source_file"], row["line_number"]): row
        for row in ztflow.read_records(*logs).to_arrow().to_pylist()
    }
    wrong, every = wrong_edges(truth, flows, records)
    return (str(every), str(wrong), both(*hops(truth, flows)))


def traffic() -> dict[str, Traffic]:
    """Simulated bursts of equal connections."""
    twins = preset("twins").scaled(3500)
    times = ("same_node", "cross_node", "wake", "reading", "work", "settle", "pause", "stir")
    slow = {name: getattr(twins.delays, name) * 2 for name in times}
    return {
        "twins": twins,
        "twins, clocks off": replace(twins, clocks=Clocks(offset=0.3)),
        "twins, half as fast": replace(twins, delays=replace(twins.delays, **slow)),
        "twins, busy machine": replace(twins, delays=BUSY_MACHINE),
        "equal": preset("equal"),
        CROWD: replace(
            twins, connections=10_000, duration=5.0, mix=((Kind.BURST, 1.0),), burst=(10_000, 10_000), burst_width=1.0
        ),
    }


def simulated(seeds: int) -> Iterator[tuple[str, ...]]:
    """A row for each scenario and seed."""
    for name, scenario in traffic().items():
        for seed in range(1, seeds + 1):
            with (
                tempfile.TemporaryDirectory() as a,
                tempfile.TemporaryDirectory() as b,
                tempfile.TemporaryDirectory() as c,
            ):
                truth, logs = made(scenario, seed, Path(b))
                score, others, took = scored(truth, logs, [])
                best = None
                if name != CROWD:
                    right = replace(scenario, clocks=Clocks())
                    other, other_logs = made(right, seed + OTHER_SEED, Path(a))
                    told, right_logs = made(right, seed, Path(c))
                    best = told.score(oracle(TransitionRates.counted(counted((other_logs, other))))(right_logs))[
                        "recall"
                    ]
                columns = (*(cell(score[column]) for column in COLUMNS), *others)
                yield (name, f"seed {seed}", *columns, f"{took:.1f}", cell(best))


def made(scenario: Traffic, seed: int, folder: Path) -> tuple[Truth, list[Path]]:
    """Simulated logs and their truth."""
    simulate(scenario, seed).write(folder)
    logs = sorted(folder.glob("ztunnel-*.log*"))
    return Truth(folder, logs), logs


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", nargs="*", type=Path)
    parser.add_argument("--scenario", action="append", choices=[s.name for s in SCENARIOS])
    parser.add_argument("--sums", action="store_true", help="edges that add up, and hops")
    parser.add_argument("--left-out", action="store_true", help="start from what fits the other runs")
    parser.add_argument("--simulated", action="store_true", help="simulated bursts beside an oracle")
    parser.add_argument("--seeds", type=int, default=2, help="simulated captures of each kind")
    parser.add_argument("--rates", action="store_true", help="print what ztflow starts from")
    parser.add_argument("--markdown", action="store_true", help="print a Markdown table")
    args = parser.parse_args()
    if args.simulated == bool(args.run):
        parser.error("give run directories or --simulated")
    head = ("run", "scenario", *COLUMNS, *BASELINES, "seconds")
    if args.rates:
        print_rates(args.run)
    elif args.simulated:
        printed((*head, "oracle"), simulated(args.seeds), markdown=args.markdown)
    elif args.left_out:
        head = ("run", "pairs", "recall", "sure", "sure_share", "calibration")
        printed(head, left_out(args.run), markdown=args.markdown)
    elif args.sums:
        rows = captured(args.run, args.scenario, sums=True)
        printed(("run", "scenario", "edges", "wrong", "hops"), rows, markdown=args.markdown)
    else:
        printed(head, captured(args.run, args.scenario, sums=False), markdown=args.markdown)


if __name__ == "__main__":
    main()
