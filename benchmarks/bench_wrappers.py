"""What each wrapper costs: the same lines bare and wrapped, read to the halves table.

    python benchmarks/bench_wrappers.py [LINES] [--runs N] [--kernel on|off]

Prints CPU seconds, lines a second, MB a second and the rate as a share of that of bare lines, median of the runs. The
lines come from `make_log.py` (mix `production`, seed 7) with stern's prefix taken off. `slow` is the share of lines
that the compiled kernel left to the slow path; with `--kernel off` all of them take it.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import make_log
import orjson

from ztflow.kernel import warmup
from ztflow.read import ReadReport, read_inputs

KUBELET = "2026-01-01T00:00:00.123456789Z"


def stern_json(pod: str, line: str) -> bytes:
    return orjson.dumps(
        {"message": line, "nodeName": f"node-{pod}", "namespace": "istio-system", "podName": pod,
         "containerName": "istio-proxy", "labels": {"app": "ztunnel"}, "annotations": None}
    )  # fmt: skip


def fluent_bit(pod: str, line: str) -> bytes:
    return orjson.dumps(
        {"date": 1718541648.7, "time": KUBELET, "stream": "stdout", "_p": "F", "log": line,
         "kubernetes": {"pod_name": pod, "namespace_name": "istio-system", "host": f"node-{pod}",
                        "container_name": "istio-proxy"}}
    )  # fmt: skip


def docker(_: str, line: str) -> bytes:
    return orjson.dumps({"log": line + "\n", "stream": "stdout", "time": KUBELET})


def own_json(_: str, line: str) -> bytes:
    return make_log.own_json("", 0, line).encode()


LAYOUTS: dict[str, Callable[[str, str], bytes]] = {
    "bare": lambda _, line: line.encode(),
    "stern default": lambda pod, line: f"{pod} istio-proxy {line}".encode(),
    "kubectl --prefix": lambda pod, line: f"[pod/{pod}/istio-proxy] {line}".encode(),
    "kubectl --timestamps": lambda _, line: f"{KUBELET} {line}".encode(),
    "CRI": lambda _, line: f"{KUBELET} stdout F {line}".encode(),
    "stern -o json": stern_json,
    "Fluent Bit": fluent_bit,
    "Docker json-file": docker,
    "ztunnel's own JSON": own_json,
}


def read(path: Path) -> tuple[float, int, float]:
    """CPU seconds, access lines, share of lines that took the slow path."""
    report = ReadReport()
    start = time.process_time()
    rows = sum(len(batch.halves) for batch in read_inputs([path], drop_copies=False, report=report))
    return time.process_time() - start, rows, report.stats.slow_lines / report.stats.physical_lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("lines", type=int, nargs="?", default=100_000)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--kernel", choices=["on", "off"], default="on")
    args = parser.parse_args()
    if args.kernel == "off":
        os.environ["ZTFLOW_KERNEL"] = "off"
    else:
        warmup()
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "source.log"
        maker = Path(__file__).with_name("make_log.py")
        subprocess.run(
            [sys.executable, str(maker), str(args.lines), str(source)], check=True, stdout=subprocess.DEVNULL
        )
        lines = [line.split(" ", 2) for line in source.read_text().splitlines()]
        print(f"{'layout':<22}{'CPU s':>8}{'lines/s':>10}{'MB/s':>8}{'of bare':>9}{'access':>9}{'slow':>7}")
        bare = 0.0
        for name, layout in LAYOUTS.items():
            path = Path(folder) / f"{name.replace(' ', '_')}.log"
            path.write_bytes(b"".join(layout(pod, line) + b"\n" for pod, _, line in lines))
            measured = [read(path) for _ in range(args.runs)]
            seconds = statistics.median(cpu for cpu, *_ in measured)
            rate = len(lines) / seconds
            bare = bare or rate
            size = path.stat().st_size / 1e6
            _, access, slow = measured[0]
            print(
                f"{name:<22}{seconds:>8.2f}{rate:>10,.0f}{size / seconds:>8.1f}{rate / bare:>8.0%}{access:>10,}"
                f"{slow:>7.1%}"
            )


if __name__ == "__main__":
    main()
