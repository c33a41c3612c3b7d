"""Whether report waypoints counts requests as they were made, by the truth of a run.

    python benchmarks/waypoint_requests.py RUN…

A run is as for `waypoint_join.py`, with `requests.tsv` (`client_pod`, `status` as the client saw it, `server_pod` where
a server saw the request, `outbound` and `waypoint_line`) and `pods.txt`. Compared are sums by server and code, by
client and code, and what the waypoint refused; and the requests that are joined to a connection, with the one they went
over.
"""

from __future__ import annotations

import csv
import gzip
import sys
import time
from collections import Counter
from pathlib import Path

import ztflow
from ztflow.place.names import workload_of_name


def rows_of(run: Path, name: str) -> list[dict[str, str]]:
    data = next(run.glob(f"{name}*")).read_bytes()
    text = (gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data).decode()
    return [*csv.DictReader(text.splitlines(), delimiter="\t")]


def judged(found: Counter[tuple[str, int]], true: Counter[tuple[str, int]]) -> str:
    wrong = sum(((found - true) + (true - found)).values())
    return f"{len(true)} sums of {sum(true.values())} requests, {wrong} off"


def main() -> None:
    for run in map(Path, sys.argv[1:]):
        through = [row for row in rows_of(run, "requests.tsv") if row["waypoint_line"] != "-"]
        by_server = Counter((row["server_pod"], int(row["status"])) for row in through if row["server_pod"] != "-")
        by_client = Counter((workload_of_name(row["client_pod"])[0], int(row["status"])) for row in through)
        refused = Counter(workload_of_name(row["client_pod"])[0] for row in through if row["server_pod"] == "-")
        went = {row["waypoint_line"]: row["outbound"] for row in through}
        went |= {
            row["waypoint_line"]: row["outbound"] for row in rows_of(run, "truth.tsv") if row["kind"] == "waypoint-tcp"
        }
        began = time.process_time()
        flows = ztflow.read_flows(
            *sorted(run.glob("ztunnel-*.log*")), waypoint=[*run.glob("way-*.log*")], inventory=run / "pods.txt"
        )
        read = time.process_time()
        answer = flows.report("waypoints").requests
        took = time.process_time() - read
        assert answer is not None
        servers: Counter[tuple[str, int]] = Counter()
        for server in answer.servers:
            servers.update({((server.pod or "").partition("/")[2], code): n for code, n in server.sums.codes.items()})
        clients: Counter[tuple[str, int]] = Counter()
        for pair in answer.pairs:
            clients.update({(pair.source.partition("/")[2], code): n for code, n in pair.sums.codes.items()})
        denied: Counter[str] = Counter()
        for row in answer.refused:
            denied[row.source.partition("/")[2]] += row.requests
        right = wrong = 0
        columns = ("outbound_file", "outbound_line", "waypoint_file", "waypoint_lines")
        for flow in flows.to_arrow().select(columns).to_pylist():
            of = f"{Path(flow['outbound_file'] or '').name.removesuffix('.gz')}:{flow['outbound_line']}"
            for line in flow["waypoint_lines"] or ():
                place = f"{Path(flow['waypoint_file']).name.removesuffix('.gz')}:{line}"
                right, wrong = right + (went.get(place) == of), wrong + (went.get(place) != of)
        total = answer.total
        print(
            f"{run.name}: {total.requests} requests, {total.tcp} plain TCP; "
            f"by server and code {judged(servers, by_server)};"
        )
        print(f"  by client and code {judged(clients, by_client)}; refused {sum(denied.values())}, in truth "
              f"{sum(refused.values())}, {sum(((denied - refused) + (refused - denied)).values())} off;")  # fmt: skip
        print(f"  joined {total.joined}, of which {right} to the right connection and {wrong} to a wrong one, "
              f"{total.maybe} undecided, {total.stray} in none; {read - began:.1f} s of processor time to read and "
              f"join, {took:.2f} s for the report")  # fmt: skip


if __name__ == "__main__":
    main()
