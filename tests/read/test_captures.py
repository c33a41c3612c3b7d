"""Captures of real clusters: printed by real stern and kubectl, pasted into blogs and issues, or the seed itself."""

import pytest

from tests.read.support import FIXTURES, column, read, table
from ztflow.model.schema import HALVES

WRAPPED = sorted((FIXTURES / "wrapped").glob("*.gz"))
FULL = [path for path in WRAPPED if not path.name.startswith("kubectl-ds")]
SEED = sorted((FIXTURES / "seed").glob("*.log"))
REAL = FIXTURES / "real"
PODS = {"ztunnel-4k7rb": "node-a", "ztunnel-9xw2d": "node-b", "ztunnel-m8s5v": "node-c"}
PLACE = ("source_file", "line_number")
WITHOUT_POD = ("stern-raw", "kubectl.log", "kubectl-timestamps.log")
WITH_NODE = ("-json", "template-node")


@pytest.mark.parametrize("path", FULL, ids=lambda path: path.name)
def test_every_output_mode_gives_all_lines(path):
    halves, report, facts = read(path)
    stats = report.stats
    assert (stats.access, stats.problems, stats.duplicates, stats.repaired) == (244, 0, 0, 0)
    assert column(halves, "message").count("failed") == 2
    assert stats.lines - stats.access - stats.other == stats.not_ours == (6 if path.name == "stern-color.log.gz" else 0)
    named = not path.name.startswith(WITHOUT_POD)
    assert set(column(halves, "ztunnel_pod")) == (set(PODS) if named else {None})
    if any(mark in path.name for mark in WITH_NODE) and "stdin" not in path.name:
        assert column(halves, "ztunnel_node") == [PODS[pod] for pod in column(halves, "ztunnel_pod")]
    else:
        assert set(column(halves, "ztunnel_node")) == {None}
    if "highlight" not in path.name:  # that one was grepped for access lines
        told = {(fact.origin.pod, fact.values["node"]) for fact in facts if fact.kind == "local_node"}
        assert told == (set(PODS.items()) if named else {(None, node) for node in PODS.values()})


def test_every_output_mode_gives_the_same_lines():
    keys = [
        name
        for name in (half.name for half in HALVES)
        if name not in {"ztunnel_pod", "ztunnel_namespace", "ztunnel_node", *PLACE}
    ]
    seen = []
    for path in FULL:
        halves, *_ = read(path)
        seen.append(sorted(zip(*(column(halves, key) for key in keys), strict=True), key=repr))
    assert all(one == seen[0] for one in seen)


def test_seed_as_it_is():
    data = b"".join(path.read_bytes() for path in SEED)
    from ztflow.read import StreamParser

    parser = StreamParser()
    rows = len(parser.feed(data)) + len(parser.finish())
    stats = parser.stats
    assert rows == stats.access == 6
    assert stats.problems == 0
    assert stats.lines == stats.access + stats.other + stats.not_ours
    assert stats.physical_lines == data.count(b"\n") + (not data.endswith(b"\n"))


def test_seed_file_by_file():
    counts = {}
    for path in SEED:
        halves, report, _ = read(path)
        counts[path.stem] = (len(halves), report.stats.other, report.stats.problems)
    assert counts == {
        "cross-node": (2, 0, 0),
        "ingress-wrapped": (2, 0, 0),
        "istio-cni": (0, 0, 0),
        "same-node": (2, 0, 0),
        "ztunnel-startup-translated": (0, 11, 0),
    }


def test_wrapped_records_keep_their_first_line_and_writer():
    halves, *_ = read(FIXTURES / "seed" / "ingress-wrapped.log")
    assert column(halves, "line_number") == [3, 13]
    assert column(halves, "ztunnel_pod") == ["ztunnel-fv5f8", "ztunnel-62hp8"]
    assert column(halves, "duration_ms") == [2166, 2331]


CUT = {
    "agentgateway-strict-repro.log": "its addresses were left out by the author",
    "istio-istio-53843.log": "one of the two is `connection completed` of proxy::outbound, which is no access line",
    "l4demo-se-cluster-01.log": "time and addresses were left out by the author",
    "ossm-east-west-failover.log": "source, direction and time were left out by the author",
    "tetrate-tsb-ambient.log": "the last line lacks its closing quote",
}
"""Captures in which an access line is really cut, and why; each must be a counted problem."""


@pytest.mark.parametrize("row", table(REAL / "INDEX.tsv"), ids=lambda row: row["file"])
def test_real_pastes(row):
    halves, report, _ = read(REAL / row["file"])
    stats = report.stats
    listed = int(row["access lines"])
    truncated = "TRUNCATED" in row["file"]
    if row["file"] == "istio-istio-53843.log":
        listed -= 1
    missing = 1 if row["file"] in CUT and row["file"] != "istio-istio-53843.log" else 0
    assert len(halves) == stats.access == listed - missing
    assert stats.problems == missing + truncated
