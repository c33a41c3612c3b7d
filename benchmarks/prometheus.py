"""`report loss --prometheus` against a real Prometheus that scrapes recorded answers of ztunnels.

    python benchmarks/prometheus.py [--prometheus PROGRAM] [--run FOLDER] [--record FILE]

Without a program it takes Debian's package (`apt-get download`, `dpkg -x` into a temporary folder; no root, nothing is
installed). A small server hands out what the ztunnels of `fixtures/captured/1.31.0-head-quiet` answered, each answer
with the time it had then, one after the other, and Prometheus scrapes it. Printed is what is missing by files and by
Prometheus, and what `query_range` makes of the same samples. `--record` writes the answers of the API, by question, for
`tests/counters/test_prometheus.py`.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import json
import shutil
import socket
import subprocess
import tempfile
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlencode
from urllib.request import urlopen

import ztflow
from ztflow.counters import read_scrapes, reconcile
from ztflow.counters.prometheus import parse_prometheus, scrapes_for
from ztflow.model.provenance import ReadReport
from ztflow.read.sources import http_client

RUN = Path(__file__).parent.parent / "fixtures/captured/1.31.0-head-quiet"
"""A folder with logs, answers and the times of the scrapes."""
CONFIG = """
storage: {{tsdb: {{out_of_order_time_window: 10y}}}}
global: {{scrape_interval: 500ms, scrape_timeout: 400ms}}
scrape_configs:
  - job_name: ztunnel
    static_configs:
{targets}
"""
TARGET = "      - {{targets: ['127.0.0.1:{port}'], labels: {{pod: {pod}, __metrics_path__: /{pod}/metrics}}}}"


def program(folder: Path) -> Path:
    """Debian's Prometheus, unpacked into a folder."""
    subprocess.run(["apt-get", "download", "-q", "prometheus"], cwd=folder, check=True, stdout=subprocess.DEVNULL)
    (package,) = folder.glob("prometheus_*.deb")
    subprocess.run(["dpkg", "-x", package, folder], check=True)
    return folder / "usr/bin/prometheus"


def answers(run: Path) -> dict[str, list[str]]:
    """What each ztunnel answered, each sample with the time at which the scrape began."""
    found: dict[str, list[str]] = {}
    with (run / "scrapes.tsv").open() as file:
        for row in csv.DictReader(file, delimiter="\t"):
            text = gzip.decompress((run / f"{row['ztunnel']}.metrics-{row['scrape']}.txt.gz").read_bytes()).decode()
            at = round(float(row["begun"]) * 1000)
            lines = [line if line.startswith("#") else f"{line} {at}" for line in text.splitlines() if line != "# EOF"]
            found.setdefault(row["ztunnel"], []).append("\n".join(lines) + "\n")
    return found


class Ztunnels(ThreadingHTTPServer):
    """Hands out the answers; each one twice, for Prometheus may miss one."""

    def __init__(self, run: Path) -> None:
        self.answers = answers(run)
        self.asked = dict.fromkeys(self.answers, 0)
        super().__init__(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def done(self) -> bool:
        """Whether all were handed out."""
        return all(self.asked[pod] > 2 * len(texts) for pod, texts in self.answers.items())


class Handler(BaseHTTPRequestHandler):
    """One scrape."""

    server: Ztunnels

    def do_GET(self) -> None:
        """Answer it."""
        pod = self.path.split("/")[1]
        texts = self.server.answers[pod]
        text = texts[min(self.server.asked[pod] // 2, len(texts) - 1)]
        self.server.asked[pod] += 1
        self.send_response(200)
        self.send_header("Content-Type", "text/plain; version=0.0.4")
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def free_port() -> int:
    """A port nobody listens at."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port


def main() -> None:
    """Start everything, compare, say what came out."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--prometheus", type=Path, default=shutil.which("prometheus"))
    options.add_argument("--record", type=Path)
    options.add_argument("--run", type=Path, default=RUN)
    given = options.parse_args()
    with tempfile.TemporaryDirectory(prefix="prometheus-") as name:
        folder = Path(name)
        binary = Path(given.prometheus) if given.prometheus else program(folder)
        ztunnels, port = Ztunnels(given.run), free_port()
        targets = "\n".join(TARGET.format(port=ztunnels.server_port, pod=pod) for pod in ztunnels.answers)
        (folder / "prometheus.yml").write_text(CONFIG.format(targets=targets))
        flags = {
            "config.file": folder / "prometheus.yml", "storage.tsdb.path": folder / "data",
            "web.listen-address": f"127.0.0.1:{port}", "log.level": "error", "storage.tsdb.retention.time": "10y",
        }  # fmt: skip
        running = subprocess.Popen([binary, *(f"--{flag}={value}" for flag, value in flags.items())], cwd=folder)
        try:
            while not ztunnels.done:
                time.sleep(0.1)
            compare(f"http://127.0.0.1:{port}", given.run, given.record)
        finally:
            running.terminate()
            running.wait()


def compare(address: str, run: Path, record: Path | None) -> None:
    """What is missing, by files and by Prometheus."""
    report = ReadReport()
    halves, _ = ztflow.read_capture(*sorted(run.glob("*.log.gz")), inventory=None, report=report)
    with (run / "scrapes.tsv").open() as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    files = read_scrapes(*(f"{run}/{row['ztunnel']}.metrics-{row['scrape']}.txt.gz@{row['begun']}" for row in rows))
    kept: dict[str, object] = {}
    original = http_client.HttpClient.body

    def body(self: http_client.HttpClient, path: str, asked: dict[str, object], *, patient: bool = True) -> bytes:
        answer = original(self, path, asked, patient=patient)
        kept[f"{path}?{urlencode(asked)}"] = json.loads(answer)
        return answer

    http_client.HttpClient.body = body  # type: ignore[method-assign]
    began = time.process_time()
    found = scrapes_for(parse_prometheus(address), halves, report.events)
    took = time.process_time() - began
    print(f"asked {len(kept)} questions for {len(found.scrapes)} scrapes, {took:.2f} s of processor")
    for what, scrapes in (("files", files), ("prometheus", found.scrapes)):
        made = reconcile(halves, scrapes, report.events, found.notes)
        told = {one.ztunnel: [part.missing for part in one.stretches] for one in made.ztunnels}
        print(f"{what:<12}missing {made.missing} of {made.closed}: {told}")
        for one in made.ztunnels:
            print(f"{'':<12}{one.ztunnel}: {one.notes}")
    if record is not None:
        record.write_bytes(gzip.compress(json.dumps(kept, sort_keys=True).encode(), mtime=0))
    steps(address, max(fact.time or 0 for fact in report.events) / 1e6)


def steps(address: str, moment: float) -> None:
    """What `query_range` says of the times of its values, in seconds from a moment."""
    metric = 'sum by (pod) (istio_tcp_connections_closed_total{pod="ztunnel-9xw2d"})'
    span = {"start": moment - 40, "end": moment + 40}
    for name, asked in (
        ("query_range", {"query": metric, "step": "5", **span}),
        ("query", {"query": 'istio_build{pod="ztunnel-9xw2d"}[10m]', "time": moment + 300}),
    ):
        with urlopen(f"{address}/api/v1/{name}?{urlencode(asked)}") as answer:
            for series in json.load(answer)["data"]["result"]:
                print(f"{name:<12}", [(round(at - moment, 3), int(value)) for at, value in series["values"]])


if __name__ == "__main__":
    main()
