"""Inputs as people name them: files, directories, globs, pipes, compressed, archived, broken, absent."""

import bz2
import gzip
import io
import lzma
import os
import subprocess
import sys
import tarfile
import threading
import zipfile
from pathlib import Path

import pyarrow as pa
import pytest

from tests.read.support import FIXTURES, column, read
from ztflow.errors import SourceError, UsageError
from ztflow.model.provenance import NOBODY
from ztflow.read import ReadReport, limits, read_inputs
from ztflow.read.sources.naming import origin_of_path

DATA = (FIXTURES / "wrappers" / "kubectl-plain.log").read_bytes()
ACCESS = DATA.count(b"connection complete")
LINES = DATA.splitlines(keepends=True)


def arrow(codec: str):
    def compress(data: bytes) -> bytes:
        sink = pa.BufferOutputStream()
        with pa.CompressedOutputStream(sink, codec) as out:
            out.write(data)
        return sink.getvalue().to_pybytes()

    return compress


COMPRESS = {
    "gzip": gzip.compress,
    "bzip2": bz2.compress,
    "xz": lzma.compress,
    "zstd": arrow("zstd"),
    "lz4": arrow("lz4"),
}


@pytest.fixture(params=COMPRESS)
def compress(request):
    return COMPRESS[request.param]


def test_compression_is_told_by_content(tmp_path, compress):
    path = tmp_path / "ztunnel-4k7rb.log"
    path.write_bytes(compress(DATA))
    halves, report, _ = read(path)
    assert len(halves) == ACCESS
    assert set(column(halves, "ztunnel_pod")) == {"ztunnel-4k7rb"}
    assert set(column(halves, "source_file")) == {str(path)}
    assert report.stats.bytes == len(DATA)


def test_members_behind_each_other_are_one_stream(tmp_path, compress):
    path = tmp_path / "a.log"
    first, second = b"".join(LINES[:5]), b"".join(LINES[5:])
    path.write_bytes(compress(first[:-7]) + compress(first[-7:] + second))
    halves, report, _ = read(path)
    assert len(halves) == ACCESS
    assert report.stats.physical_lines == len(LINES)


def test_a_cut_stream_gives_what_it_holds(tmp_path, compress):
    path = tmp_path / "a.log"
    other = os.urandom(400_000).hex().encode()
    path.write_bytes(compress(DATA + b"\n" + other + b"\n")[:-9])
    seen = []
    halves, report, _ = read(path, on_error=seen.append)
    assert len(halves) == ACCESS
    (error,) = report.errors
    assert error is seen[0]
    assert error.source == str(path)
    assert "early" in error.detail


def test_a_damaged_stream_is_named(tmp_path):
    path = tmp_path / "a.log.gz"
    packed = bytearray(gzip.compress(DATA))
    packed[len(packed) // 2] ^= 255
    path.write_bytes(packed)
    with pytest.raises(SourceError, match=r"a\.log\.gz: the gzip data is damaged"):
        read(path)


def test_compressed_twice_and_in_an_archive(tmp_path):
    path = tmp_path / "a.tar.xz"
    inner = io.BytesIO()
    with tarfile.open(fileobj=inner, mode="w") as tar:
        for name, data in {
            "bug-report/proxies/istio-system/ztunnel-4k7rb/istio-proxy.log": DATA,
            "bug-report/proxies/istio-system/ztunnel-9xw2d/istio-proxy.log.gz": gzip.compress(DATA),
            "bug-report/cluster/k8s-resources": b"kind: List",
        }.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    path.write_bytes(lzma.compress(gzip.compress(inner.getvalue())))
    halves, report, _ = read(path, drop_copies=False)
    assert len(halves) == 2 * ACCESS
    assert set(column(halves, "ztunnel_pod")) == {"ztunnel-4k7rb", "ztunnel-9xw2d"}
    assert set(column(halves, "ztunnel_namespace")) == {"istio-system"}
    assert [name for name, _ in report.inputs] == [
        f"{path}/bug-report/proxies/istio-system/ztunnel-4k7rb/istio-proxy.log",
        f"{path}/bug-report/proxies/istio-system/ztunnel-9xw2d/istio-proxy.log.gz",
    ]


def test_zip_archive(tmp_path):
    path = tmp_path / "dump.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("istio-system/ztunnel-4k7rb/logs.txt", DATA)
        archive.writestr("nodes.json", "{}")
    halves, *_ = read(path)
    assert set(column(halves, "ztunnel_pod")) == {"ztunnel-4k7rb"}


def test_an_archive_without_logs_is_named(tmp_path):
    path = tmp_path / "a.tar"
    with tarfile.open(path, "w") as tar:
        tar.addfile(tarfile.TarInfo("readme.md"))
    with pytest.raises(SourceError, match="is an archive without log files"):
        read(path)


@pytest.mark.parametrize("cut", [200, 700, 3000])
def test_a_cut_archive_is_named(tmp_path, cut):
    path = tmp_path / "a.tar"
    with tarfile.open(path, "w") as tar:
        info = tarfile.TarInfo("a.log")
        info.size = len(DATA)
        tar.addfile(info, io.BytesIO(DATA))
    whole = path.read_bytes()
    path.write_bytes(whole[:cut])
    report = ReadReport()
    list(read_inputs([path], report=report, on_error=lambda _: None))
    stats = report.stats
    assert stats.lines == stats.access + stats.other + stats.not_ours + stats.problems
    assert report.errors or cut == 200  # 200 bytes are no archive yet


def test_directory(tmp_path):
    (tmp_path / "b").mkdir()
    (tmp_path / "ztunnel-4k7rb.log").write_bytes(DATA)
    (tmp_path / "b" / "ztunnel-9xw2d.log.gz").write_bytes(gzip.compress(DATA.replace(b"192.168", b"10.0")))
    (tmp_path / "pods.txt").write_text("NAME READY\n")
    (tmp_path / ".hidden.log").write_bytes(DATA)
    (tmp_path / "link.log").symlink_to(tmp_path / "ztunnel-4k7rb.log")
    (tmp_path / "dangling.log").symlink_to(tmp_path / "nowhere")
    (tmp_path / "notes.md").write_text("x")
    failed = []
    halves, report, _ = read(str(tmp_path), on_error=failed.append)
    names = ["ztunnel-4k7rb.log", "b/ztunnel-9xw2d.log.gz"]
    assert [name for name, _ in report.inputs] == [f"{tmp_path}/{name}" for name in names]
    assert len(halves) == 2 * ACCESS
    assert [Path(name).name for name in report.skipped] == ["notes.md"]
    assert [str(error) for error in failed] == [f"{tmp_path}/dangling.log: is a link to nothing"]


def test_a_directory_of_texts_without_any_log_name(tmp_path):
    (tmp_path / "capture.txt").write_bytes(DATA)
    (tmp_path / "notes.md").write_text("x")
    halves, report, _ = read(f"{tmp_path}/")
    assert len(halves) == ACCESS
    assert [name for name, _ in report.inputs] == [f"{tmp_path}/capture.txt"]


def test_a_directory_without_logs_is_named(tmp_path):
    (tmp_path / "a.png").write_bytes(b"x")
    with pytest.raises(SourceError, match="is a directory without log files; name the files"):
        read(tmp_path)


def test_glob(tmp_path):
    for name in ("ztunnel-4k7rb.log", "ztunnel-9xw2d.log", "other.txt"):
        (tmp_path / name).write_bytes(DATA.replace(b"192.168", name[8:9].encode() + b".1"))
    _, report, _ = read(f"{tmp_path}/ztunnel-*.log")
    assert [Path(name).name for name, _ in report.inputs] == ["ztunnel-4k7rb.log", "ztunnel-9xw2d.log"]
    with pytest.raises(SourceError, match="no file matches this pattern"):
        read(f"{tmp_path}/nothing-*.log")


def test_a_missing_file_is_named_with_its_neighbour(tmp_path):
    (tmp_path / "ztunnel-4k7rb.log").write_bytes(DATA)
    with pytest.raises(SourceError) as caught:
        read(tmp_path / "ztunnel-4k7rd.log")
    assert str(caught.value) == (
        f"{tmp_path}/ztunnel-4k7rd.log: no such file or directory; did you mean {tmp_path}/ztunnel-4k7rb.log?"
    )


def test_other_inputs_are_read_although_one_is_missing(tmp_path):
    (tmp_path / "a.log").write_bytes(DATA)
    errors = []
    halves, report, _ = read(tmp_path / "none.log", tmp_path / "a.log", on_error=errors.append)
    assert len(halves) == ACCESS
    assert len(errors) == len(report.errors) == 1


def test_a_forbidden_file_is_named(tmp_path, monkeypatch):
    path = tmp_path / "a.log"
    path.write_bytes(DATA)

    def forbidden(self, *_args, **_options):
        raise PermissionError(13, "Permission denied", str(self))

    monkeypatch.setattr(Path, "open", forbidden)  # root may read everything, so modes cannot be used here
    with pytest.raises(SourceError, match=r"a\.log: permission denied; are you allowed to read it\?"):
        read(path)


def test_an_empty_file_is_fine(tmp_path):
    (tmp_path / "a.log").write_bytes(b"")
    halves, report, _ = read(tmp_path / "a.log")
    assert len(halves) == 0
    assert report.stats.lines == report.stats.physical_lines == 0
    assert report.inputs[0][0] == f"{tmp_path}/a.log"


def test_names_with_odd_bytes(tmp_path):
    path = os.fsdecode(os.fsencode(tmp_path) + b"/\xff.log")
    Path(path).write_bytes(DATA)
    halves, *_ = read(path)
    assert column(halves, "source_file")[0].endswith("/\ufffd.log")


def test_open_files(tmp_path):
    path = tmp_path / "ztunnel-4k7rb.log"
    path.write_bytes(DATA)
    with path.open("rb") as file:
        halves, report, _ = read(file, io.BytesIO(gzip.compress(DATA.replace(b"192.168", b"10.9"))))
    assert len(halves) == 2 * ACCESS
    assert [name for name, _ in report.inputs] == [str(path), "-"]


def test_stdin():
    code = (
        "from ztflow.read import read_inputs, ReadReport; r = ReadReport()\n"
        "for b in read_inputs(['-'], report=r): assert set(b.halves.to_arrow()['source_file'].to_pylist()) <= {'-'}\n"
        "print(r.stats.access, r.stats.lines)"
    )
    for data in (DATA, gzip.compress(DATA)):
        done = subprocess.run([sys.executable, "-c", code], input=data, capture_output=True, check=True)
        assert done.stdout.split() == [str(ACCESS).encode(), str(len(LINES)).encode()]


def test_a_fifo(tmp_path):
    path = tmp_path / "pipe.log"
    os.mkfifo(path)
    writer = threading.Thread(target=lambda: path.write_bytes(DATA))
    writer.start()
    halves, *_ = read(path)
    writer.join()
    assert len(halves) == ACCESS


def test_progress_ends_at_the_total(tmp_path):
    for name in ("a.log", "b.log"):
        (tmp_path / name).write_bytes(DATA)
    (tmp_path / "c.log.gz").write_bytes(gzip.compress(DATA))
    seen = []
    read(tmp_path, progress=lambda done, total: seen.append((done, total)))
    total = sum(path.stat().st_size for path in tmp_path.iterdir())
    assert seen[-1] == (total, total)
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)


def test_a_bomb_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("ztflow.read.sources.compression.RATIO_FROM", 1 << 20)
    monkeypatch.setattr("ztflow.read.sources.compression.DECOMPRESSION_RATIO", 100)
    path = tmp_path / "a.log.gz"
    path.write_bytes(gzip.compress(DATA) + gzip.compress(b"\n" * (8 << 20)))
    report = ReadReport()
    batches = list(read_inputs([path], report=report, on_error=lambda _: None))
    assert sum(len(batch.halves) for batch in batches) == ACCESS
    assert "more than 100 times" in report.errors[0].detail
    assert limits.DECOMPRESSION_RATIO > 100


def test_an_unknown_wrapper_is_the_callers_fault(tmp_path):
    (tmp_path / "a.log").write_bytes(DATA)
    with pytest.raises(UsageError, match="no wrapper is called 'stren'; known: bare, "):
        read(tmp_path / "a.log", wrapper="stren")


@pytest.mark.parametrize(
    ("path", "pod", "namespace", "container"),
    [
        ("ztunnel-4k7rb.log", "ztunnel-4k7rb", None, None),
        ("a/b/ztunnel-4k7rb.log.gz", "ztunnel-4k7rb", None, None),
        ("ztunnel-4k7rb.log.1", "ztunnel-4k7rb", None, None),
        ("istio-system_ztunnel-4k7rb.txt", "ztunnel-4k7rb", None, None),
        ("canary-ztunnel-1-29-4k7rb.log", "canary-ztunnel-1-29-4k7rb", None, None),
        ("/var/log/pods/istio-system_ztunnel-fv5f8_6f1f-2d/istio-proxy/0.log", "ztunnel-fv5f8", "istio-system", "istio-proxy"),
        ("n1/var/log/pods/istio-system_ztunnel-fv5f8_6f1f-2d/istio-proxy/3.log.20240616-124500.gz", "ztunnel-fv5f8", "istio-system", "istio-proxy"),
        (f"/var/log/containers/ztunnel-fv5f8_istio-system_istio-proxy-{'3b' * 32}.log", "ztunnel-fv5f8", "istio-system", "istio-proxy"),
        ("bug-report/proxies/istio-system/ztunnel-fv5f8/istio-proxy.log", "ztunnel-fv5f8", "istio-system", None),
        ("dump/istio-system/ztunnel-fv5f8/logs.txt", "ztunnel-fv5f8", "istio-system", None),
        (f"kube.var.log.containers.ztunnel-fv5f8_istio-system_istio-proxy-{'3b' * 32}.log", "ztunnel-fv5f8", "istio-system", "istio-proxy"),
        (f"kube.ztunnel-fv5f8_istio-system_istio-proxy-{'3b' * 32}.log", "ztunnel-fv5f8", "istio-system", "istio-proxy"),
        (f"x.var.log.pods.istio-system_ztunnel-fv5f8_{'3b' * 16}.istio-proxy.0.log", "ztunnel-fv5f8", "istio-system", "istio-proxy"),
        ("kube.istio-system.ztunnel-fv5f8.istio-proxy", "ztunnel-fv5f8", None, None),
        (f"k8s_istio-proxy_ztunnel-fv5f8_istio-system_{'3b' * 16}_0", "ztunnel-fv5f8", "istio-system", "istio-proxy"),
        ("ns/namespaces/istio-system/pods/ztunnel-fv5f8/istio-proxy/istio-proxy/logs/current.log", "ztunnel-fv5f8", "istio-system", "istio-proxy"),
        ("namespaces/istio-system/pods/ztunnel-fv5f8/istio-proxy/istio-proxy/logs/rotated/0.log.20261123-003731.gz", "ztunnel-fv5f8", "istio-system", "istio-proxy"),
        ("istio-system-ztunnel-4k7rb-1795565000000000000.log", "ztunnel-4k7rb", "istio-system", None),
        ("mesh-ztunnel-4k7rb-1795565000000000000.log", "ztunnel-4k7rb", "mesh", None),
        ("mesh-a-ztunnel-4k7rb-1795565000000000000.log", None, None, None),
        ("istio-system-ztunnel-1795565000000000000.log", None, None, None),
        ("istio-system-canary-ztunnel-4k7rb.log", "canary-ztunnel-4k7rb", "istio-system", None),
        ("ztunnel-4k7rb-node1.log", "ztunnel-4k7rb", None, None),
        ("ztunnel-v2345-4k7rb.log", "ztunnel-v2345-4k7rb", None, None),
        ("ztunnel-v2245-4k7rb.log", None, None, None),
        ("ztunnel-4k7rb/istio-proxy.log", "ztunnel-4k7rb", None, None),
        ("ztunnel-4k7rb/ztunnel-9xw2d.log", "ztunnel-9xw2d", None, None),
        ("home/me/logs.txt", None, None, None),
        ("ztunnel-0a1e3.log", "ztunnel-0a1e3", None, None),
        ("ztunnel.log", None, None, None),
        ("ztunnel-debug.log", None, None, None),
        ("ztunnel-startup-translated.log", None, None, None),
        ("ztunnel-4k7rb-and-ztunnel-9xw2d.log", None, None, None),
        ("node-a.log", None, None, None),
        ("-", None, None, None),
    ],
)  # fmt: skip
def test_what_a_file_name_says(path, pod, namespace, container):
    origin = origin_of_path(path)
    assert (origin.pod, origin.namespace, origin.container, origin.node) == (pod, namespace, container, None)


@pytest.mark.parametrize(
    ("path", "beside", "node"),
    [
        ("out/node-a/pods/istio-system_ztunnel-fv5f8_6f1f-2d/istio-proxy/0.log", {"kubelet.log", "journal.log", "pods"}, "node-a"),
        (f"node-a/containers/ztunnel-fv5f8_istio-system_istio-proxy-{'3b' * 32}.log", {"inspect.json", "serial.log"}, "node-a"),
        ("mesh-control-plane/pods/istio-system_ztunnel-fv5f8_6f1f-2d/istio-proxy/0.log", (), "mesh-control-plane"),
        ("kind-worker2/pods/istio-system_ztunnel-fv5f8_6f1f-2d/istio-proxy/0.log", (), "kind-worker2"),
        ("case-17/pods/istio-system_ztunnel-fv5f8_6f1f-2d/istio-proxy/0.log", {"pods", "journal.log"}, None),
        ("/var/log/pods/istio-system_ztunnel-fv5f8_6f1f-2d/istio-proxy/0.log", (), None),
    ],
)  # fmt: skip
def test_a_node_is_named_only_by_the_layout_of_kind(path, beside, node):
    assert origin_of_path(path, beside) == ("ztunnel-fv5f8", "istio-system", node, "istio-proxy", None)


def test_hostile_paths_cost_nothing():
    for path in ("a" * 4000, "ztunnel-" * 500, "a-" * 2000 + "_", "pods/" * 800, "/" * 4000, "a" * 10_000_000):
        assert origin_of_path(path) == NOBODY
