"""What the engine dask costs: `python benchmarks/cluster.py LOG [--workers 1 2] [--block 32] [--plain] [--once]`.

Reads a log (`make_log.py`) with workers on this machine and prints, for each number of workers, the time by the clock,
the processor time a line of the workers, of the busiest one and of this process; bytes that were sent on to be paired,
a line; and how many flows came out. `--plain` first reads it without the engine, which all of that is compared with. A
longer log tells whether a line costs the same.

Every reading asks for the data set that the workers write, so what one process can take in is not what is measured;
the plain one writes a Parquet file. Each is done twice and the second time counts: what a process loads once is no cost
of lines. Of a long log that is little, so with `--once` the first time counts.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from pathlib import Path

from distributed import Client

from ztflow.api import iter_flows
from ztflow.cluster import Reading
from ztflow.cluster.connect import local_workers
from ztflow.model.tables import FLOWS_SCHEMA
from ztflow.read import ReadReport
from ztflow.writers import open_writer


def spent() -> float:
    times = os.times()
    return times.user + times.system


def plain(log: str, folder: str) -> tuple[float, float, int, int]:
    """Seconds by the clock and of the processor, access lines, flows."""
    start, used = time.perf_counter(), spent()
    report = ReadReport()
    count = 0
    with (Path(folder) / "plain.parquet").open("wb") as file:
        writer = open_writer("parquet", file, FLOWS_SCHEMA)
        for flows in iter_flows(log, inventory=None, report=report):
            writer.write(flows.to_arrow())
            count += len(flows)
        writer.close()
    return time.perf_counter() - start, spent() - used, report.stats.access, count


def with_workers(
    log: str, folder: str, count: int, block: int | None, times: int
) -> tuple[float, list[float], float, Reading]:
    """Seconds by the clock, of each worker's processor and of this one's; and the reading."""
    with local_workers(count) as cluster, Client(cluster, set_as_default=False) as client:
        for _ in range(times):
            start, used, before = time.perf_counter(), spent(), client.run(spent)
            reading = Reading([log], None, client, block=None if block is None else block << 20)
            reading.save(f"{folder}/{count}")
            clock, here = time.perf_counter() - start, spent() - used
            workers = [after - before[name] for name, after in client.run(spent).items()]
        return clock, workers, here, reading


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("log")
    options.add_argument("--workers", type=int, nargs="+", default=[1, 2])
    options.add_argument("--block", type=int, help="MiB; by the size of the log unless given")
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
            clock, workers, here, reading = with_workers(asked.log, folder, count, asked.block, times)
            report = reading.report
            lines, flows = report.stats.access, (report.paired_flows or 0) + (report.unpaired_halves or 0)
            first = clock if first is None else first
            compared = "" if base is None else f", {(sum(workers) + here) / lines / base:.2f} of plain"
            took, busiest, own = (1e6 * used / lines for used in (sum(workers), max(workers), here))
            print(
                f"{count} worker{'s' * (count > 1)}  {clock:7.1f} s  {took:6.2f} + {own:.2f} µs a line "
                f"(workers + here; busiest {busiest:.2f}){compared}, {reading.shuffled / lines:.0f} B sent on a line, "
                f"{first / clock:.2f} x, {flows:,} flows",
                flush=True,
            )


if __name__ == "__main__":
    main()
