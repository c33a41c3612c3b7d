"""Every wrapper the table names gives its records, and the writer where the wrapper names one."""

import pytest

from tests.read.support import FIXTURES, column, read, table

WRAPPERS = FIXTURES / "wrappers"
ROWS = table(WRAPPERS / "README.tsv")

NODE_OF_POD = {"ztunnel-fv5f8": "ambient-worker", "ztunnel-62hp8": "ambient-worker2"}
OTHER_CLOUDS = {
    "azure-containerlogv2.csv": ("aks-nodepool1-12345678-vmss000000", "aks-nodepool1-12345678-vmss000001"),
    "azure-containerlogv2.json": ("aks-nodepool1-12345678-vmss000000", "aks-nodepool1-12345678-vmss000001"),
    "gcp-array.json": ("gke-mesh-default-pool-1c92a002-xud9", "gke-mesh-default-pool-1c92a002-qq6y"),
    "gcp-jsonpayload.jsonl": ("gke-mesh-default-pool-1c92a002-xud9", "gke-mesh-default-pool-1c92a002-qq6y"),
    "gcp.jsonl": ("gke-mesh-default-pool-1c92a002-xud9", "gke-mesh-default-pool-1c92a002-qq6y"),
}
NOWHERE = ("none", "-", "file name only", "file is on the node")
VARIES = "varies"
FILES = [row["file"] for row in ROWS]


def writer_is_named(where: str) -> bool:
    return not where.startswith(NOWHERE)


@pytest.fixture(params=ROWS, ids=FILES)
def row(request):
    return request.param


def test_the_table_lists_every_sample():
    assert {path.name for path in WRAPPERS.iterdir()} == {*FILES, "README.tsv"}


def test_gives_its_records(row):
    halves, report, _ = read(WRAPPERS / row["file"])
    assert len(halves) == report.stats.access == int(row["access_records"])
    cut = 1 if "truncated" in row["file"] else 0
    assert report.stats.problems == cut
    assert report.stats.physical_lines == physical_lines(row["file"])


def physical_lines(name: str) -> int:
    import gzip

    data = (WRAPPERS / name).read_bytes()
    if data.startswith(b"\x1f\x8b"):
        data = gzip.decompress(data)
    if data.startswith(b"\xff\xfe"):
        data = data.decode("utf-16").encode()
    return data.count(b"\n") + (not data.endswith(b"\n"))


def test_names_the_pod(row):
    halves, *_ = read(WRAPPERS / row["file"])
    pods = set(column(halves, "ztunnel_pod"))
    if row["pod_at"] == VARIES or not len(halves):
        return
    if writer_is_named(row["pod_at"]):
        assert pods <= set(NODE_OF_POD)
    else:
        assert pods == {None}


def test_names_the_node(row):
    halves, *_ = read(WRAPPERS / row["file"])
    if row["node_at"] == VARIES or not len(halves):
        return
    nodes = column(halves, "ztunnel_node")
    if row["file"].startswith("datadog"):
        # no pod column; the cluster's name, which Datadog appends to the host, is told by the two hosts together
        assert set(nodes) == set(NODE_OF_POD.values())
    elif writer_is_named(row["node_at"]) and "localNode" not in row["node_at"] and "local_node" not in row["node_at"]:
        expected = dict(zip(NODE_OF_POD, OTHER_CLOUDS.get(row["file"], NODE_OF_POD.values()), strict=True))
        assert nodes == [expected[pod] for pod in column(halves, "ztunnel_pod")]
    else:
        assert set(nodes) == {None}


SAME_LINES = (
    "time",
    "direction",
    "src_ip",
    "src_port",
    "dst_ip",
    "dst_port",
    "hbone_host",
    "bytes_sent",
    "duration_ms",
)


def test_the_records_are_the_ones_of_the_plain_capture(row):
    """All samples show one small cluster: a record may be missing from a sample, but never be another one."""
    if row["file"] in {"ztunnel-pre-1.22.log", "damaged-truncated-last.log"}:
        return
    plain, *_ = read(
        WRAPPERS / "stern-default.log", WRAPPERS / "kubectl-plain.log", WRAPPERS / "docker-json-partial.jsonl"
    )
    halves, *_ = read(WRAPPERS / row["file"])
    known = set(zip(*(column(plain, name) for name in SAME_LINES), strict=True))
    assert set(zip(*(column(halves, name) for name in SAME_LINES), strict=True)) <= known


@pytest.mark.parametrize("name", ["vector.jsonl", "gcp.jsonl"])
def test_zone_comes_from_the_shipper(name):
    from ztflow.read.unwrap import Unwrapper

    unwrapper = Unwrapper()
    text = (WRAPPERS / name).read_text().splitlines()[1]
    (piece,) = unwrapper.line(text, 1)
    assert piece.origin.zone in {"region-1a", "europe-west1-d"}


@pytest.mark.parametrize(
    ("file", "wrapper"),
    [("cri.log", "cri"), ("stern-default.log", "stern"), ("stern-json.jsonl", "stern"), ("loki-api.json", "loki"),
     ("damaged-utf16le.log", "kubectl"), ("fluent-bit.jsonl", "fluent"), ("ztunnel-json.jsonl", "bare"),
     ("kubectl-plain.log", "bare"), ("datadog.csv", "csv"), ("docker-json.jsonl", "docker")],
)  # fmt: skip
def test_a_forced_wrapper_reads_its_own(file, wrapper):
    free, *_ = read(WRAPPERS / file)
    forced, *_ = read(WRAPPERS / file, wrapper=wrapper)
    assert forced.to_arrow().equals(free.to_arrow())


def test_a_forced_wrapper_leaves_others_alone():
    halves, report, _ = read(WRAPPERS / "damaged-mixed.log", wrapper="cri")
    assert report.stats.access == 2  # the CRI line, and the bare one
    assert report.stats.problems == 3  # access lines behind something that is not to be taken off
    assert len(halves) == 2


@pytest.mark.parametrize(
    ("hosts", "nodes"),
    [
        (["a-1-prod", "a-2-prod"], ["a-1", "a-2"]),
        (["ip-1.ec2.internal-my-mesh", "ip-2.ec2.internal-my-mesh"], ["ip-1.ec2.internal", "ip-2.ec2.internal"]),
        (["only-one-prod", "only-one-prod"], ["only-one-prod", "only-one-prod"]),
        (["aks-pool-12345678-vmss000000", "aks-pool-12345678-vmss000001"], None),
        (["node-a", "pool-a"], None),
        (["one", "two"], None),
    ],
)
def test_the_clusters_name_in_datadogs_host(hosts, nodes):
    from ztflow.read import StreamParser

    line = (WRAPPERS / "datadog.csv").read_text().splitlines()[1]
    before, _, after = line.partition('"ambient-worker2-mesh"')
    text = "\n".join(["Date,Host,Service,Message", *(f"{before}{host}{after}" for host in hosts)])
    parser = StreamParser()
    halves = [value for part in (parser.feed(text.encode()), parser.finish()) for value in column(part, "ztunnel_node")]
    assert halves == (nodes or hosts)
    assert parser.stats.not_ours == 1


def test_every_wrapper_is_documented():
    from ztflow.read import WRAPPERS as NAMES
    from ztflow.read.unwrap.registry import ALIASES

    page = (FIXTURES.parent / "docs" / "reference" / "inputs.md").read_text()
    assert [name for name in NAMES if f"`{name}`" not in page] == []
    assert set(ALIASES.values()) <= set(NAMES)


@pytest.mark.parametrize(
    ("alias", "file"), [("vector", "vector.jsonl"), ("crio", "crio-partial.log"), ("raw", "kubectl-plain.log")]
)
def test_other_names_of_wrappers(alias, file):
    assert len(read(WRAPPERS / file, wrapper=alias)[0]) == len(read(WRAPPERS / file)[0]) > 0
