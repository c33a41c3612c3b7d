"""The simulated waypoint: its lines, its pool and the truth about every request agree."""

from __future__ import annotations

import csv
import io
from collections import Counter, defaultdict
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from simulated import flows, position, rows

from ztflow.errors import UsageError
from ztflow.read import read_inputs
from ztflow.simulate import Clocks, Http, preset, simulate
from ztflow.simulate.l7.plan import ADDED, BY_ITSELF, End

SMALL = preset("requests").scaled(120)
MANY_ENDS = replace(SMALL.scaled(250), http=Http(
    tcp_services=1, retried=0.1, reset=0.05, late=0.02, unavailable=0.05, aborted=0.1, pool_idle=0.5, http2=0.3,
    upstream_http2=0.3, kept=0.7,
))  # fmt: skip


@pytest.fixture(scope="module")
def capture():
    return simulate(MANY_ENDS, 3)


def said(capture):
    """What the waypoint's log says, a row a request, by line."""
    text = capture.logs[capture.request_log.name]
    return {row["line"]: row for batch in read_inputs([io.BytesIO(text)]) if batch.requests
            for row in batch.requests.to_pylist()}  # fmt: skip


def test_every_request_has_a_line_inside_its_connection(capture):
    lines, access = said(capture), rows(capture)
    requests = capture.requests.to_pylist()
    assert Counter(position(row["waypoint_line"])[1] for row in requests) == Counter(dict.fromkeys(lines, 1))
    assert {row["end"] for row in requests} == {end.name.lower() for end in End}
    up, down = Counter(), Counter()
    for row in requests:
        line, outbound = lines[position(row["waypoint_line"])[1]], access[position(row["outbound"])]
        assert (line["method"] or "-", line["local"].rpartition(":")[0]) == (row["method"], outbound["hbone_host"])
        assert line["remote_ip"] == outbound["src_ip"]
        end = outbound["time"]
        assert line["start"] >= end - outbound["duration_ms"] * 1000 - 2000
        assert line["start"] + line["duration_ms"] * 1000 <= end
        up[row["connection"]] += line["received"]
        down[row["connection"]] += line["sent"]
    for row in capture.truth.to_pylist():
        if row["waypoint_line"] != "-":
            outbound = access[position(row["outbound"])]
            assert outbound["bytes_sent"] >= up[row["id"]]
            assert outbound["bytes_recv"] >= down[row["id"]]


def test_the_pool_serves_one_request_at_a_time_and_drops_what_is_idle(capture):
    way, requests = capture.waypoint, capture.waypoint.requests
    of_hop = defaultdict(list)
    for hop, start, end in zip(way.hop.tolist(), way.start.tolist(), way.end.tolist(), strict=True):
        of_hop[hop].append((start, end))
    refused = of_hop.pop(-1)
    assert len(refused) == int(requests.of(*BY_ITSELF).sum()) > 0
    shared = {hop: sorted(some) for hop, some in of_hop.items() if len(some) > 1}
    many = {
        int(way.hops.server[hop]) for hop, some in shared.items() if any(two[0] < one[1] for one, two in pairwise(some))
    }
    servers = {int(way.hops.server[hop]) for hop in shared}
    assert many, "servers that speak HTTP/2"
    assert servers - many, "servers that do not"
    for some in shared.values():
        latest = np.maximum.accumulate([end for _, end in some])
        assert max(begin - before for (begin, _), before in zip(some[1:], latest, strict=False)) <= 0.5 + 1e-9
    assert len(way.hops.server) < len(way.start)


def test_lines_of_the_pool_carry_what_their_requests_do(capture):
    lines, access = said(capture), rows(capture)
    pod = capture.cluster.pods[capture.waypoint.pod].name
    up, down, many = Counter(), Counter(), Counter()
    for row in capture.requests.to_pylist():
        line = lines[position(row["waypoint_line"])[1]]
        upstream = line["upstream"]
        assert (upstream is None) == (row["inbound"] == "-")
        if upstream is not None:
            hop = access[position(row["inbound"])]
            assert (hop["src_workload"], hop["dst_workload"]) == (pod, row["server_pod"])
            assert upstream == f"{hop['hbone_host']}:{hop['hbone_port']}"
            up[row["inbound"]] += line["received"]
            many[row["inbound"]] += 1
            down[row["inbound"]] += line["sent"] if row["end"] not in {"reset", "late"} else 0
    for place, count in many.items():
        hop = access[position(place)]
        tcp = (hop["bytes_recv"], hop["bytes_sent"]) == (up[place], down[place])
        assert tcp or (hop["bytes_recv"] > up[place] + ADDED * count and hop["bytes_sent"] >= down[place])
    failed = [row["first_inbound"] for row in capture.requests.to_pylist() if row["first_inbound"] != "-"]
    assert failed
    assert all(access[position(place)]["direction"] == "inbound" for place in failed)


def test_json_says_what_text_says():
    plain, as_json = simulate(SMALL, 5), simulate(replace(SMALL, format="json"), 5)
    one, other = said(plain), said(as_json)
    assert [row | {"line": 0} for row in one.values()] == [row | {"line": 0} for row in other.values()]
    assert len(one) == plain.requests.num_rows > 100


def test_its_clock_is_its_own():
    plain, late = simulate(SMALL, 5), simulate(replace(SMALL, clocks=Clocks(waypoint=1.5)), 5)
    one, other = said(plain), said(late)
    assert [row["start"] + 1_500_000 for row in one.values()] == [row["start"] for row in other.values()]


@pytest.mark.parametrize("wrapper", ["cri", "stern", "stern-json", "kubectl-prefix"])
def test_wrapped_lines_are_read(wrapper):
    bare, wrapped = simulate(SMALL, 5), simulate(replace(SMALL, wrapper=wrapper), 5)
    assert [row | {"pod": None} for row in said(wrapped).values()] == list(said(bare).values())


def test_what_is_written(tmp_path):
    capture = simulate(SMALL, 5)
    found = flows(capture, tmp_path)
    with (tmp_path / "requests.tsv").open(encoding="utf-8") as source:
        assert list(csv.DictReader(source, delimiter="\t")) == capture.requests.to_pylist()
    log = capture.request_log
    assert (tmp_path / log.name).read_bytes() == b"".join(log.lines) == capture.logs[log.name]
    assert len(found) > 100
    assert sum(name == log.name for _, name, _ in capture.arriving()) == len(log.lines)


@pytest.mark.parametrize(("release", "closes_well"), [("1.36", True), ("1.40", False)])
def test_words_of_the_release(release, closes_well):
    capture = simulate(replace(SMALL, http=Http(envoy=release)), 3)
    pod = capture.cluster.pods[capture.waypoint.pod].name
    well = [row["error"] is None for row in rows(capture).values() if row["src_workload"] == pod]
    assert any(well) == closes_well
    assert not all(well)


def test_shares_are_checked():
    for wrong in ({"refused": 1.5}, {"envoy": "1.0"}, {"refused": 0.6, "missing": 0.6}, {"most": 0}, {"idle": -1.0}):
        with pytest.raises(UsageError):
            Http(**wrong)
