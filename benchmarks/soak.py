"""A live summary that goes on for long: memory and processor time by log time, and whether its totals are exact.

`python benchmarks/soak.py [--seconds 600] [--within N] [--rate 20000] [--real-time] [--names new|few]` writes access
lines through a real pipe to `ztflow` on a pseudo-terminal, which repaints as it does for a person: `--rate` lines a
second of log time, every connection (two lines) of a pair never seen before, but for one in five, which is of twenty
busy pairs. Without `--real-time` it writes as fast as the pipe is emptied; it ends after `--within` seconds at most.
Prints the child's memory and its processor time every `--every` seconds of log time, how flat memory is, and compares
what the last screen says with what was written.
"""

from __future__ import annotations

import argparse
import fcntl
import os
import pty
import re
import signal
import struct
import subprocess
import sys
import termios
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

START = datetime(2026, 1, 1, tzinfo=UTC)
PAGE, TICK = os.sysconf("SC_PAGE_SIZE"), os.sysconf("SC_CLK_TCK")
BUSY = 20
"""Pairs that come again and again; the first twice as often as the second, and so on, down to a floor."""
NODES = 20


@dataclass
class Written:
    """What was written so far."""

    lines: int = 0
    connections: int = 0
    bytes: int = 0


def busy_pair(number: int) -> int:
    """Which of the busy pairs the n-th busy connection is of: the first half of the time the first one."""
    pair = 0
    while number % 2 == 0 and pair < BUSY - 1:
        number //= 2
        pair += 1
    return pair


def second(at: int, rate: int, written: Written, *, few: bool, denied: bool) -> bytes:
    """The lines of one second of log time."""
    base = START + timedelta(seconds=at)
    day, step = base.strftime("%Y-%m-%dT%H:%M:%S"), 2_000_000 // rate
    parts = []
    for turn in range(rate // 2):
        n = at * (rate // 2) + turn
        k = 1 << 22 | busy_pair(n // 5 + 1) if n % 5 == 0 or few else n
        micros = turn * step
        request, response = n % 5000 + 84, n % 9000 + 200
        written.bytes += request + response
        src, dst = f"10.{k >> 16 & 255}.{k >> 8 & 255}.{k & 255}", f"11.{k >> 16 & 255}.{k >> 8 & 255}.{k & 255}"
        shared = (
            f' src.workload="c{k}x" src.namespace="shop" src.identity="spiffe://cluster.local/ns/shop/sa/web" '
            f'dst.addr={dst}:15008 dst.hbone_addr={dst}:8080 dst.service="svc-{k}.data.svc.cluster.local" '
            f'dst.workload="s{k}x" dst.namespace="data" dst.identity="spiffe://cluster.local/ns/data/sa/db" '
        )
        level, error = ("error", ' error="http status: 401 Unauthorized"') if denied else ("info", "")
        parts.append(
            f"ztunnel-n{k % NODES:04d} istio-proxy {day}.{micros:06d}Z\t{level}\taccess\tconnection complete\t"
            f'src.addr={src}:{20000 + n % 40000}{shared}direction="outbound" '
            f'bytes_sent={request} bytes_recv={response} duration="{n % 800}ms"{error}\n'
            f"ztunnel-n{(k + 7) % NODES:04d} istio-proxy {day}.{micros:06d}Z\t{level}\taccess\tconnection complete\t"
            f'src.addr={src}:{10000 + n % 50000}{shared}direction="inbound" '
            f'bytes_sent={response} bytes_recv={request} duration="{n % 800}ms"{error}\n'
        )
    written.lines += 2 * len(parts)
    written.connections += len(parts)
    return "".join(parts).encode()


@dataclass
class Sample:
    """The child at a moment of log time: resident memory in MiB (of it anonymous), processor seconds so far."""

    at: int
    resident: float
    anonymous: float
    processor: float


def look(pid: int, at: int) -> Sample:
    """Read the child's figures from /proc."""
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    size = {name: int(re.findall(rf"{name}:\s+(\d+)", status)[0]) / 1024 for name in ("VmRSS", "RssAnon")}
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return Sample(at, size["VmRSS"], size["RssAnon"], (int(fields[11]) + int(fields[12])) / TICK)


class Screen:
    """A pseudo-terminal of 200 by 50 that is always emptied; keeps the end of what was written on it."""

    def __init__(self) -> None:
        self._mine, self.child = pty.openpty()
        fcntl.ioctl(self.child, termios.TIOCSWINSZ, struct.pack("HHHH", 50, 200, 0, 0))
        self.tail = b""
        self._thread = threading.Thread(target=self._empty, daemon=True)
        self._thread.start()

    def _empty(self) -> None:
        while True:
            try:
                part = os.read(self._mine, 1 << 16)
            except OSError:
                return
            if not part:
                return
            self.tail = (self.tail + part)[-64_000:]

    def text(self) -> str:
        """What is on it at the end, without control codes."""
        os.close(self.child)
        self._thread.join(5)
        return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", self.tail.decode(errors="replace")).replace("\r", "")


def run(chosen: argparse.Namespace) -> tuple[Written, list[Sample], str]:
    """Feed the child; what was written, what it took, what it showed at last."""
    screen, written, samples = Screen(), Written(), []
    child = subprocess.Popen(
        [sys.executable, "-m", "ztflow", "summary", "--color", "never", *chosen.more],
        stdin=subprocess.PIPE, stdout=screen.child, env=os.environ | {"TERM": "xterm"},
    )  # fmt: skip
    assert child.stdin is not None
    began = time.monotonic()
    for at in range(chosen.seconds):
        if time.monotonic() - began > chosen.within:
            break
        if chosen.real_time:
            time.sleep(max(0.0, began + at - time.monotonic()))
        child.stdin.write(second(at, chosen.rate, written, few=chosen.names == "few", denied=chosen.denied))
        samples.append(look(child.pid, at + 1))
        if (at + 1) % chosen.every == 0:
            print(line_of(samples, chosen.every), flush=True)
    end = look(child.pid, len(samples))
    child.stdin.close()
    if child.wait(120) != 0:
        sys.exit(
            f"ended with {child.returncode}: {signal.strsignal(-child.returncode) if child.returncode < 0 else ''}"
        )
    return written, [*samples, end], screen.text()


def line_of(samples: list[Sample], every: int) -> str:
    """One row of the table."""
    last, before = samples[-1], samples[-every - 1] if len(samples) > every else Sample(0, 0, 0, 0)
    peak = max(one.resident for one in samples[-every:])
    spent = last.processor - before.processor
    return f"{last.at:>7} s  {last.resident:>7.0f} MiB  {last.anonymous:>7.0f} MiB  {peak:>7.0f} MiB  {spent:>7.1f} s"


def agreement(written: Written, shown: str) -> Iterator[str]:
    """Each total that is not what was written."""
    last = shown[shown.rfind("\nlines ") :]
    lines = re.search(r"lines\s+([\d,]+):", last)
    flows = re.search(r"flows\s+([\d,]+)", last)
    for name, found, wanted in (("lines", lines, written.lines), ("flows", flows, written.connections)):
        told = int(found[1].replace(",", "")) if found else None
        if told != wanted:
            yield f"{name}: written {wanted:,}, shown {told}"
    table = last[last.find("\nSOURCE ") :].strip("\n").partition("\n\n")[0]
    head, *body = table.split("\n")
    rows = [row[: head.find("FLOWS") + len("FLOWS")].split()[-1] for row in body]
    total = sum(int(row.replace(",", "")) for row in rows)
    if total != written.connections:
        yield f"rows of the table: {total:,} connections in {len(rows)} rows, written {written.connections:,}"


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=int, default=600, help="of log time")
    parser.add_argument("--rate", type=int, default=20_000, help="lines a second of log time")
    parser.add_argument("--every", type=int, default=30, help="seconds of log time between two rows")
    parser.add_argument("--within", type=float, default=float("inf"), help="seconds on the clock after which it ends")
    parser.add_argument("--real-time", action="store_true", help="write no faster than log time")
    parser.add_argument("--names", choices=["new", "few"], default="new", help="ever new pairs, or the busy ones only")
    parser.add_argument("--denied", action="store_true", help="every connection is denied")
    parser.add_argument("more", nargs="*", help="words for ztflow, after --")
    chosen = parser.parse_args()
    print(f"{'log time':>9}  {'memory':>11}  {'anonymous':>11}  {'peak':>11}  {'processor':>9}")
    written, samples, shown = run(chosen)
    print(shown[shown.rfind("\nwindow ") :])
    half = [one.resident for one in samples[: len(samples) // 2]]
    print(f"written: {written.lines:,} lines, {written.connections:,} connections, {written.bytes:,} bytes of payload")
    print(f"memory: at most {max(one.resident for one in samples):.0f} MiB; "
          f"{max(half):.0f} MiB in the first half")  # fmt: skip
    wrong = list(agreement(written, shown))
    print("\n".join(wrong) if wrong else "totals are exact, and the rows of the table add up to them")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
