r"""Lines a second out of each envelope, as a share of the raw log's: `python benchmarks/bench_envelopes.py [LINES]`.

One log (`make_log.py`, mix `production`, seed 7) is written bare and as the programs print it: their order of keys,
spacing and escapes, numbers and times that differ from record to record. Each file is read to its table of access
lines (`ztflow.iter_records`) in a process that has done so before, so all are warm; they take turns, so that a busy
machine is busy for all; the best of the runs counts. `--other PYTHON` measures another build, by its interpreter, in
the same turns.

`of raw` is lines a second over those of the raw log (the bar is 60 % for the ten commonest), `CPU` the same by
processor seconds, `slow` the share of physical lines that the compiled reader left to the careful way. The last two are
envelopes that no reader knows, the second log twice as long: their lines a second should be alike.

`--only TEXT` picks envelopes, `--keep FOLDER` leaves the files there; with `ZTFLOW_KERNEL=off` all goes the
careful way.
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import nullcontext
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import make_log

UID = "af672fa0-03e1-405c-9a45-1327a9ffee25"
BATCH = 100
"""Records of one OpenTelemetry request, values of one Loki stream in a push body."""
ANSWER = 5000
"""Lines of one answer of Loki: its limit."""


class Line(NamedTuple):
    """A line of ztunnel and who wrote it."""

    pod: str
    text: str

    @property
    def node(self) -> str:
        """Where it runs."""
        return f"node-{self.pod[-5:]}"

    @property
    def nanos(self) -> int:
        """Its time, as a runtime would stamp it."""
        time = datetime.strptime(self.text[:26], "%Y-%m-%dT%H:%M:%S.%f").replace(tzinfo=UTC)
        return int(time.timestamp()) * 1_000_000_000 + time.microsecond * 1000 + 789

    @property
    def stamp(self) -> str:
        """Its time as a kubelet prints it."""
        return f"{self.text[:26]}789Z"

    @property
    def file(self) -> str:
        """Where the kubelet keeps it."""
        return f"/var/log/pods/istio-system_{self.pod}_{UID}/istio-proxy/0.log"


def go(value: Any) -> str:
    """JSON as Go writes it: compact, `<`, `>` and `&` escaped."""
    text = json.dumps(value, separators=(",", ":"), ensure_ascii=False)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def c(value: Any) -> str:
    """JSON as Fluent Bit and the collector write it: compact."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def each(form: Callable[[Line], str]) -> Callable[[Iterable[Line]], Iterator[str]]:
    """One physical line for each."""
    return lambda lines: map(form, lines)


def by_pod(lines: Iterable[Line], size: int) -> Iterator[list[Line]]:
    """Lines of one pod together, as a batch is filled before it is sent."""
    waiting: dict[str, list[Line]] = {}
    for line in lines:
        held = waiting.setdefault(line.pod, [])
        held.append(line)
        if len(held) == size:
            yield waiting.pop(line.pod)
    yield from waiting.values()


def fluent_bit(line: Line) -> str:
    """Standard output in `json_lines`, with the kubernetes filter."""
    return c({
        "date": line.nanos / 1e9, "time": line.stamp, "stream": "stdout", "_p": "F", "log": line.text,
        "kubernetes": {
            "pod_name": line.pod, "namespace_name": "istio-system", "pod_id": UID,
            "labels": {"app": "ztunnel", "controller-revision-hash": "6f5d8c7b9f", "pod-template-generation": "1"},
            "annotations": {"prometheus.io/port": "15020", "prometheus.io/scrape": "true"}, "host": line.node,
            "pod_ip": "10.244.2.2", "container_name": "istio-proxy", "docker_id": "3b" * 32,
            "container_image": "docker.io/istio/ztunnel:1.29.5-distroless",
        },
    })  # fmt: skip


def filebeat(lines: Iterable[Line]) -> Iterator[str]:
    """The file output: no order of keys, `log.offset` grows."""
    chance, offsets = random.Random(7), dict[str, int]()
    for line in lines:
        offset = offsets.get(line.pod, 0)
        offsets[line.pod] = offset + len(line.text) + 45
        log = {"offset": offset, "file": {"path": line.file}}
        node = {
            "name": line.node,
            "uid": UID,
            "labels": {"kubernetes_io/hostname": line.node, "kubernetes_io/os": "linux"},
        }
        parts: dict[str, Any] = {
            "stream": "stdout", "message": line.text, "log": log, "input": {"type": "filestream"},
            "agent": {"name": line.node, "type": "filebeat", "version": "7.17.29", "hostname": line.node, "id": UID},
            "ecs": {"version": "1.12.0"},
            "host": {"name": line.node, "os": {"type": "linux", "version": "12 (bookworm)"}, "containerized": False},
            "kubernetes": {
                "labels": {"app": "ztunnel", "controller-revision-hash": "6f5d8c7b9f"}, "node": node,
                "pod": {"name": line.pod, "uid": UID, "ip": "10.244.2.2"}, "namespace": "istio-system",
                "container": {"name": "istio-proxy"}, "daemonset": {"name": "ztunnel"},
            },
        }  # fmt: skip
        head = {
            "@timestamp": f"{line.text[:23]}Z",
            "@metadata": {"beat": "filebeat", "type": "_doc", "version": "7.17.29"},
        }
        yield go(head | shuffled(parts, chance))


def shuffled(value: Any, chance: random.Random) -> Any:
    """The members of every object in some order, as beats write their maps."""
    if not isinstance(value, dict):
        return value
    return {key: shuffled(value[key], chance) for key in chance.sample([*value], len(value))}


def attribute(key: str, value: str) -> dict[str, Any]:
    """One of OpenTelemetry's."""
    return {"key": key, "value": {"stringValue": value}}


def open_telemetry(size: int) -> Callable[[Iterable[Line]], Iterator[str]]:
    """The file exporter behind filelog and its container operator; attributes have no order."""

    def requests(lines: Iterable[Line]) -> Iterator[str]:
        chance = random.Random(7)
        for batch in by_pod(lines, size):
            pod, node, file = batch[0].pod, batch[0].node, batch[0].file
            resource = [
                attribute("k8s.container.name", "istio-proxy"), attribute("k8s.container.restart_count", "0"),
                attribute("k8s.namespace.name", "istio-system"), attribute("k8s.pod.name", pod),
                attribute("k8s.pod.uid", UID), attribute("k8s.node.name", node),
            ]  # fmt: skip
            own = [
                attribute("log.file.name", "0.log"), attribute("log.file.path", file),
                attribute("log.iostream", "stdout"), attribute("logtag", "F"),
            ]  # fmt: skip
            records = [
                {
                    "timeUnixNano": str(line.nanos),
                    "observedTimeUnixNano": str(line.nanos + chance.randrange(9 * 10**9)),
                    "body": {"stringValue": line.text}, "attributes": chance.sample(own, 4),
                }
                for line in batch
            ]  # fmt: skip
            scope = {
                "name": "github.com/open-telemetry/opentelemetry-collector-contrib/receiver/filelogreceiver",
                "version": "0.165.0",
            }
            logs = {"scope": scope, "logRecords": records}
            yield go(
                {
                    "resourceLogs": [
                        {"resource": {"attributes": chance.sample(resource, len(resource))}, "scopeLogs": [logs]}
                    ]
                }
            )

    return requests


def loki_labels(line: Line) -> dict[str, str]:
    """A stream's labels."""
    return {
        "container": "istio-proxy",
        "namespace": "istio-system",
        "node_name": line.node,
        "pod": line.pod,
        "stream": "stdout",
    }


def loki_push(lines: Iterable[Line]) -> Iterator[str]:
    """Bodies of `/loki/api/v1/push`."""
    for batch in by_pod(lines, BATCH):
        values = [[str(line.nanos), line.text] for line in batch]
        yield go({"streams": [{"stream": loki_labels(batch[0]), "values": values}]})


def loki_query(lines: Iterable[Line]) -> Iterator[str]:
    """Answers of `query_range`, newest line first."""
    held: list[Line] = []
    for line in lines:
        held.append(line)
        if len(held) == ANSWER:
            yield _answer(held)
            held = []
    if held:
        yield _answer(held)


def _answer(lines: list[Line]) -> str:
    streams: dict[str, list[Line]] = {}
    for line in reversed(lines):
        streams.setdefault(line.pod, []).append(line)
    result = [
        {"stream": loki_labels(some[0]), "values": [[str(line.nanos), line.text] for line in some]}
        for some in streams.values()
    ]
    summary = {"bytesProcessedPerSecond": 1, "linesProcessedPerSecond": 2, "execTime": 0.025, "queueTime": 0.0001}
    return go({"status": "success", "data": {"resultType": "streams", "result": result, "stats": {"summary": summary}}})


RAW = "raw"
ENVELOPES: dict[str, Callable[[Iterable[Line]], Iterator[str]]] = {
    RAW: each(lambda line: line.text),
    "stern": each(lambda line: f"{line.pod} istio-proxy {line.text}"),
    "stern -o json": each(
        lambda line: make_log.stern_json(line.pod, int.from_bytes(line.pod[-1:].encode()), line.text)
    ),
    "kubectl --prefix": each(lambda line: f"[pod/{line.pod}/istio-proxy] {line.text}"),
    "kubectl --timestamps": each(lambda line: f"{line.stamp} {line.text}"),
    "CRI file": each(lambda line: f"{line.stamp} stdout F {line.text}"),
    "Docker json-file": each(lambda line: make_log.docker(line.pod, 0, line.text)),
    "Fluent Bit json_lines": each(fluent_bit),
    "OpenTelemetry": open_telemetry(BATCH),
    "OpenTelemetry, single": open_telemetry(1),
    "Filebeat ndjson": filebeat,
    "Loki push": loki_push,
    "Loki query_range": loki_query,
    "own JSON": each(lambda line: make_log.own_json("", 0, line.text)),
}


def unknown(lines: Iterable[Line]) -> Iterator[str]:
    """Objects of no program, never twice with the same keys."""
    for number, line in enumerate(lines):
        yield c({f"k{number}": {"n": number}, "deep": {f"a{number % 977}": [{"x": [line.text]}]}, "z": number / 7})


def written(lines: int, folder: Path, only: str) -> dict[str, tuple[Path, int]]:
    """The files, and how many lines of ztunnel each holds."""
    source = folder / "source.log"
    make_log.write(lines, source, seed=7, plain=False)
    every = [Line(*line.split(" ", 2)[::2]) for line in source.read_text().splitlines()]
    some = every[: lines // 10]
    found = {name: (every, layout) for name, layout in ENVELOPES.items()}
    found |= {"not known": (some[: len(some) // 2], unknown), "not known, twice": (some, unknown)}
    files: dict[str, tuple[Path, int]] = {}
    for name, (held, layout) in found.items():
        if name == RAW or only in name:
            path = folder / f"{name.replace(' ', '_').replace(',', '')}.log"
            with path.open("w", encoding="utf-8") as file:
                file.writelines(f"{one}\n" for one in layout(held))
            files[name] = path, len(held)
    return files


WORKER = """
import json, os, sys, time, ztflow
from ztflow.read import ReadReport
from ztflow.kernel import warmup
if os.environ.get("ZTFLOW_KERNEL") != "off":
    warmup()
for path in sys.stdin:
    report, wall, cpu = ReadReport(), time.perf_counter(), time.process_time()
    rows = sum(map(len, ztflow.iter_records(path.rstrip(), report=report)))
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    stats = report.stats
    print(json.dumps([wall, cpu, rows, stats.slow_lines / max(stats.physical_lines, 1), stats.problems]), flush=True)
"""
"""Reads each file named on standard input; seconds, processor seconds, rows, share of slow lines, problems."""


class Build:
    """A process that measures one build."""

    def __init__(self, python: str) -> None:
        self._process = subprocess.Popen(
            [python, "-c", WORKER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def read(self, path: Path) -> list[float]:
        """Read a file once."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        print(path, file=self._process.stdin, flush=True)
        found: list[float] = json.loads(self._process.stdout.readline())
        return found

    def close(self) -> None:
        """End it."""
        self._process.communicate()


def main() -> None:
    """Print a table for each build."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("lines", type=int, nargs="?", default=300_000)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--only", default="")
    parser.add_argument("--other", metavar="PYTHON")
    parser.add_argument("--keep", type=Path, metavar="FOLDER")
    args = parser.parse_args()
    builds = {"this build": Build(sys.executable)} | ({"the other": Build(args.other)} if args.other else {})
    with tempfile.TemporaryDirectory() if args.keep is None else nullcontext(args.keep) as folder:
        files = written(args.lines, Path(folder), args.only)
        runs: dict[tuple[str, str], list[list[float]]] = {}
        for _ in range(args.runs):
            for name, (path, _) in files.items():
                for build, process in builds.items():
                    runs.setdefault((build, name), []).append(process.read(path))
        for build, process in builds.items():
            process.close()
            show(build, files, {name: found for (whose, name), found in runs.items() if whose == build})


def show(build: str, files: dict[str, tuple[Path, int]], runs: dict[str, list[list[float]]]) -> None:
    """The table of one build."""
    title = f"{'':<23}{'lines/s':>11}{'of raw':>8}{'CPU':>7}{'MB/s':>7}{'rows':>10}{'slow':>7}{'problems':>9}"
    print(f"{build}\n{title}")
    best = {name: [min(column) for column in zip(*found, strict=True)] for name, found in runs.items()}
    raw = [files[RAW][1] / seconds for seconds in best[RAW][:2]]
    for name, (path, count) in files.items():
        wall, cpu, rows, slow, problems = best[name]
        print(
            f"{name:<23}{count / wall:>11,.0f}{count / wall / raw[0]:>8.0%}{count / cpu / raw[1]:>7.0%}"
            f"{path.stat().st_size / wall / 1e6:>7.0f}{rows:>10,.0f}{slow:>7.1%}{problems:>9.0f}"
        )


if __name__ == "__main__":
    main()
