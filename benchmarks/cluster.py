"""What the engine dask costs: `python benchmarks/cluster.py LOG… [--workers 1 2] [--plain] [--once] [--memory 2G]`.

Reads logs (`make_log.py`; files, compressed or not, or folders of them) with workers on this machine and prints, for
each number of workers, the time by the clock, the processor time a line of the workers, of the busiest one and of this
process; bytes of columns that were parted to be paired, a line; the largest worker's memory; what other programs took
of the machine meanwhile, because that falsifies the clock; and how many flows came out. `--plain` first reads it
without the engine, which all of that is compared with. A longer log tells whether a line costs the same. `--memory` is
that of each worker; `--block` and `--rows` make blocks and parts smaller, and so tasks many.

Every reading asks for the data set that the workers write, so what one process can take in is not what is measured;
the plain one writes a Parquet file. Each is done twice and the second time counts: what a process loads once is no cost
of lines. Of a long log that is little, so with `--once` the first time counts.
"""

from __future__ import annotations

import argparse
import os
import resource
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from distributed import Client

from ztflow.api import iter_flows
from ztflow.cluster import Reading
from ztflow.cluster.connect import local_workers
from ztflow.filters.quantities import parse_size
from ztflow.model.tables import FLOWS_SCHEMA
from ztflow.read import ReadReport
from ztflow.writers import open_writer


def spent() -> float:
    times = os.times()
    return times.user + times.system


def plain(logs: Sequence[str], folder: str) -> tuple[float, float, int, int]:
    """Seconds by the clock and of the processor, access lines, flows."""
    start, used = time.perf_counter(), spent()
    report = ReadReport()
    count = 0
    with (Path(folder) / "plain.parquet").open("wb") as file:
        writer = open_writer("parquet", file, FLOWS_SCHEMA)
        for flows in iter_flows(*logs, inventory=None, report=report):
            writer.write(flows.to_arrow())
            count += len(flows)
        writer.close()
    return time.perf_counter() - start, spent() - used, report.stats.access, count


@dataclass(frozen=True, slots=True)
class Measured:
    """One reading: seconds by the clock, of each worker's processor, of this one's, of other programs'; and so on."""

    clock: float
    workers: list[float]
    here: float
    others: float
    memory: int
    reading: Reading


def with_workers(folder: str, count: int, asked: argparse.Namespace, times: int) -> Measured:
    """What the last of some readings took."""
    block = None if asked.block is None else asked.block << 20
    how = {"inventory": None, "block": block, "rows": asked.rows}
    memory = None if asked.memory is None else parse_size(asked.memory)
    with local_workers(count, memory) as cluster, Client(cluster, set_as_default=False) as client:
        for _ in range(times - 1):
            Reading(asked.log, scheduler=client, **how).save(f"{folder}/{count}")
        start, used, machine, before = time.perf_counter(), spent(), busy(), client.run(of_worker)
        reading = Reading(asked.log, scheduler=client, **how)
        reading.save(f"{folder}/{count}")
        clock, here = time.perf_counter() - start, spent() - used
        after = client.run(of_worker)
    took = [after[name][0] - one[0] for name, one in before.items()]
    others = busy() - machine - sum(took) - here
    return Measured(clock, took, here, others, max(one[1] for one in after.values()), reading)


def of_worker() -> tuple[float, int]:
    """Processor time, and the most memory the process had; so far."""
    return spent(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10


def busy() -> float:
    """Seconds that all processors worked since the machine was started; 0 where there is no /proc."""
    stat = Path("/proc/stat")
    if not stat.exists():
        return 0.0
    user, nice, system, _, _, *interrupts = map(int, stat.read_text().split("\n", 1)[0].split()[1:8])
    return (user + nice + system + sum(interrupts)) / os.sysconf("SC_CLK_TCK")


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("log", nargs="+")
    options.add_argument("--workers", type=int, nargs="+", default=[1, 2])
    options.add_argument("--block", type=int, help="MiB; by the size of the logs and the memory unless given")
    options.add_argument("--rows", type=int, help="access lines of a part; likewise")
    options.add_argument("--memory", help="of each worker: 2G; an equal share of the machine's unless given")
    options.add_argument("--plain", action="store_true")
    options.add_argument("--once", action="store_true")
    asked = options.parse_args()
    times = 1 if asked.once else 2
    base = None
    with tempfile.TemporaryDirectory() as folder:
        if asked.plain:
            clock, used, lines, flows = [plain(asked.log, folder) for _ in range(times)][-1]
            base = used / lines
            print(f"plain      {clock:7.1f} s  {1e6 * used / lines:6.2f} µs of processor a line, {flows:,} flows")
        first = None
        for count in asked.workers:
            made = with_workers(folder, count, asked, times)
            clock, workers, here, report = made.clock, made.workers, made.here, made.reading.report
            lines, flows = report.stats.access, (report.paired_flows or 0) + (report.unpaired_halves or 0)
            first = clock if first is None else first
            compared = "" if base is None else f", {(sum(workers) + here) / lines / base:.2f} of plain"
            took, busiest, own = (1e6 * used / lines for used in (sum(workers), max(workers), here))
            print(
                f"{count} worker{'s' * (count > 1)}  {clock:7.1f} s  {took:6.2f} + {own:.2f} µs a line "
                f"(workers + here; busiest {busiest:.2f}){compared}, {made.reading.shuffled / lines:.0f} B parted "
                f"a line, {made.memory >> 20} MB a worker, {first / clock:.2f} x, "
                f"others took {made.others / clock:.2f} processors, {flows:,} flows",
                flush=True,
            )


if __name__ == "__main__":
    main()
