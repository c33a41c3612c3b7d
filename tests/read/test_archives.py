"""Folders and archives as support tools leave them: each line once, the ztunnel from the path, nothing hides the rest."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import random
import tarfile
import zipfile
from pathlib import Path

import pyarrow as pa
import pytest

from tests.read.support import FIXTURES
from ztflow.errors import SourceError
from ztflow.model.tables import Halves
from ztflow.read import ReadReport, read_inputs

LOG = (FIXTURES / "wrappers" / "kubectl-plain.log").read_bytes()
ACCESS = LOG.count(b"connection complete")
UID, ID = "d06658be-e5d3-5e62-9631-a958e00164b4", "f2" * 32
KIND = "logs/node-a/"
KIND_LOGS = {
    f"{KIND}containers/ztunnel-4k7rb_istio-system_istio-proxy-{ID}.log": LOG,
    f"{KIND}pods/istio-system_ztunnel-4k7rb_{UID}/istio-proxy/0.log": LOG,
    f"{KIND}containerd.log": b"time=x level=info\n",
    f"{KIND}kubelet.log": b"I1123 started\n",
    f"{KIND}pods/kube-system_coredns-6f6b679f8f-abcde_{UID}/coredns/0.log": b"plugin/ready\n",
}
INSPECT = (
    "must-gather.local.1/quay-io-sha256-2d71/namespaces/istio-system/pods/ztunnel-4k7rb/istio-proxy/istio-proxy/logs"
)


def tar(members: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for name, data in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return out.getvalue()


def zipped(members: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return out.getvalue()


PACKED = {
    "a.tar": tar,
    "a.tgz": lambda members: gzip.compress(tar(members)),
    "a.tar.bz2": lambda members: bz2.compress(tar(members)),
    "a.tar.xz": lambda members: lzma.compress(tar(members)),
    "a.tar.zst": lambda members: pa.compress(tar(members), codec="zstd", asbytes=True),
    "a.zip": zipped,
}


def read(*inputs, **options):
    report = ReadReport()
    errors: list[SourceError] = []
    batches = list(read_inputs([str(one) for one in inputs], report=report, on_error=errors.append, **options))
    return Halves.concat(batch.halves for batch in batches), report, [str(error) for error in errors]


def pods(halves: Halves) -> set[tuple[str | None, str | None]]:
    table = halves.to_arrow()
    return set(zip(table["ztunnel_pod"].to_pylist(), table["ztunnel_node"].to_pylist(), strict=True))


def unpack(folder: Path, members: dict[str, bytes]) -> Path:
    for name, data in members.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    return folder


@pytest.mark.parametrize("name", PACKED)
@pytest.mark.parametrize("backwards", [False, True])
def test_kind_writes_each_log_twice_and_each_line_is_read_once(tmp_path, name, backwards):
    members = dict(reversed(KIND_LOGS.items())) if backwards else KIND_LOGS
    (tmp_path / name).write_bytes(PACKED[name](members))
    halves, report, errors = read(tmp_path / name)
    assert (report.stats.access, report.stats.duplicates, len(report.copies), errors) == (ACCESS, 0, 1, [])
    assert pods(halves) == {("ztunnel-4k7rb", "node-a")}
    assert len(report.inside) == len(report.inputs) == len(KIND_LOGS) - 1


def test_a_folder_of_kind_is_read_as_its_archive(tmp_path):
    halves, report, errors = read(unpack(tmp_path / "x", KIND_LOGS))
    assert (report.stats.access, report.stats.duplicates, len(report.copies), errors) == (ACCESS, 0, 1, [])
    assert pods(halves) == {("ztunnel-4k7rb", "node-a")}


def test_a_copy_that_was_taken_later_is_read_for_its_new_lines(tmp_path):
    grown = LOG + LOG.splitlines(keepends=True)[-1].replace(b"2024-06", b"2024-07")
    members = {name: grown if data is LOG and "pods/" in name else data for name, data in KIND_LOGS.items()}
    (tmp_path / "a.tar").write_bytes(tar(members))
    halves, report, _ = read(tmp_path / "a.tar")
    assert (len(halves), report.stats.duplicates, report.copies) == (grown.count(b"connection complete"), ACCESS, [])


def test_equal_files_of_two_pods_are_no_copies(tmp_path):
    other = {name.replace("4k7rb", "9xw2d"): data for name, data in KIND_LOGS.items() if "pods/" in name}
    _, report, _ = read(unpack(tmp_path / "x", {**other, next(iter(KIND_LOGS)): LOG}))
    assert (report.stats.access, report.copies) == (2 * ACCESS, [])


def test_rotated_and_previous_logs_of_must_gather(tmp_path):
    lines = LOG.splitlines(keepends=True)
    parts = [b"".join(lines[start::4]) for start in range(4)]
    members = {
        f"{INSPECT}/current.log": parts[0],
        f"{INSPECT}/previous.log": parts[1],
        f"{INSPECT}/previous.insecure.log": b"",
        f"{INSPECT}/rotated/0.log.20261123-003731.gz": gzip.compress(parts[2]),
        f"{INSPECT}/rotated/0.log.20261123-003732": parts[3],
        "must-gather.local.1/timestamp": b"2026",
    }
    (tmp_path / "m.tar.gz").write_bytes(gzip.compress(tar(members)))
    halves, report, errors = read(tmp_path / "m.tar.gz")
    assert (len(halves), report.stats.duplicates, errors) == (ACCESS, 0, [])
    assert {pod for pod, _ in pods(halves)} == {"ztunnel-4k7rb"}


INNER = {"x/ztunnel-4k7rb.log.gz": gzip.compress(LOG)}


@pytest.mark.parametrize("outer", [tar, zipped])
@pytest.mark.parametrize("inner", ["in.tar", "in.tgz", "in.tar.gz", "in.zip", "in.tar.xz"])
def test_an_archive_in_an_archive(tmp_path, outer, inner):
    forms = {**PACKED, "a.tar.gz": PACKED["a.tgz"]}
    (tmp_path / "out").write_bytes(outer({f"artifact/{inner}": forms[inner.replace("in.", "a.")](INNER)}))
    halves, report, errors = read(tmp_path / "out")
    assert (len(halves), errors) == (ACCESS, [])
    assert [name for name, _ in report.inputs] == [f"{tmp_path}/out/artifact/{inner}/x/ztunnel-4k7rb.log.gz"]


def test_an_archive_in_a_folder(tmp_path):
    (tmp_path / "bug-report.tgz").write_bytes(PACKED["a.tgz"](INNER))
    (tmp_path / "other.log").write_bytes(b"x\n")
    halves, _, errors = read(tmp_path)
    assert (len(halves), errors) == (ACCESS, [])


@pytest.mark.parametrize("name", PACKED)
def test_an_archive_through_a_pipe(name):
    end, begin = os.pipe()
    report = ReadReport()
    data = PACKED[name](INNER)
    assert len(data) < 65536, "fits into the pipe"
    os.write(begin, data)
    os.close(begin)
    with open(end, "rb") as stream:  # noqa: PTH123 - a descriptor
        found = list(read_inputs([stream], report=report))
    assert sum(len(batch.halves) for batch in found) == ACCESS


@pytest.mark.parametrize("name", PACKED)
def test_an_archive_of_texts_without_any_log_name(tmp_path, name):
    (tmp_path / name).write_bytes(PACKED[name]({"x/capture.txt": LOG}))
    halves, _, errors = read(tmp_path / name)
    assert (len(halves), errors) == (ACCESS, [])


def test_an_archive_without_logs_is_named(tmp_path):
    (tmp_path / "a.tar").write_bytes(tar({"x.png": b"x"}))
    assert read(tmp_path / "a.tar")[2] == [f"{tmp_path}/a.tar: is an archive without log files"]


@pytest.mark.parametrize(("size", "at"), [(4000, 2000), (3 << 20, -100_000)], ids=["at once", "later"])
def test_one_damaged_member_hides_no_other(tmp_path, size, at):
    damaged = bytearray(gzip.compress(random.Random(1).randbytes(size)))
    damaged[at] ^= 0xFF
    members = {"a/ztunnel-9xw2d.log.gz": bytes(damaged), "b/in.tgz": b"\x1f\x8b broken", "c/ztunnel-4k7rb.log": LOG}
    for form in (tar, zipped):
        (tmp_path / "a").write_bytes(form(members))
        halves, _, errors = read(tmp_path / "a")
        assert len(halves) == ACCESS
        assert len(errors) == 2
        assert errors[0].startswith(f"{tmp_path}/a/a/ztunnel-9xw2d.log.gz: the gzip data")
        assert errors[1].startswith(f"{tmp_path}/a/b/in.tgz: the gzip data is damaged")


def test_a_bad_check_sum_in_a_zip_hides_no_other(tmp_path):
    data = bytearray(zipped({"a.log": b"x" * 100, "ztunnel-4k7rb.log": LOG}, zipfile.ZIP_STORED))
    data[40] ^= 1
    (tmp_path / "a.zip").write_bytes(data)
    halves, _, errors = read(tmp_path / "a.zip")
    assert len(halves) == ACCESS
    assert len(errors) == 1
    assert errors[0].startswith(f"{tmp_path}/a.zip/a.log: the archive is damaged: Bad CRC-32")


@pytest.mark.parametrize("name", PACKED)
def test_what_comes_before_a_cut_is_read(tmp_path, name):
    data = PACKED[name]({"ztunnel-4k7rb.log": LOG, "noise.log": random.Random(1).randbytes(3 << 20)})
    (tmp_path / name).write_bytes(data[: len(data) // 2])
    halves, _, errors = read(tmp_path / name)
    assert len(halves) == (0 if name == "a.zip" else ACCESS)  # the table of contents of a zip is at its end
    assert len(errors) == 1
    assert errors[0].startswith(f"{tmp_path}/{name}: ")


@pytest.mark.parametrize("form", [tar, zipped, lambda members: zipped({"in.tgz": gzip.compress(tar(members))})])
def test_a_bomb_is_not_read_on_however_it_is_wrapped(tmp_path, monkeypatch, form):
    monkeypatch.setattr("ztflow.read.sources.compression.RATIO_FROM", 1 << 20)
    monkeypatch.setattr("ztflow.read.sources.compression.DECOMPRESSION_RATIO", 100)
    twice = gzip.compress(gzip.compress(bytes(64 << 20)))
    (tmp_path / "a").write_bytes(form({"a.log.gz": twice}))
    _, report, errors = read(tmp_path / "a")
    assert len(errors) == 1
    assert "decompresses to more than 100 times its size; no log does" in errors[0]
    assert report.stats.bytes < 8 << 20


def test_many_small_members_together_are_a_bomb_too(tmp_path, monkeypatch):
    monkeypatch.setattr("ztflow.read.sources.compression.RATIO_FROM", 1 << 20)
    monkeypatch.setattr("ztflow.read.sources.compression.DECOMPRESSION_RATIO", 100)
    members = {f"{number}.log": bytes(900_000) for number in range(60)}
    (tmp_path / "a.zip").write_bytes(zipped(members))
    _, report, errors = read(tmp_path / "a.zip")
    assert "decompresses to more than 100 times its size" in errors[0]
    assert report.stats.bytes < 30 * 900_000


def test_the_header_of_a_tar_has_a_bound(tmp_path):
    member = tarfile.TarInfo("x")
    member.type, member.size = tarfile.GNUTYPE_LONGNAME, 64 << 20
    (tmp_path / "a.tar").write_bytes(member.tobuf(tarfile.GNU_FORMAT) + bytes(1 << 16))
    (error,) = read(tmp_path / "a.tar")[2]
    assert error.startswith(f"{tmp_path}/a.tar: the archive is damaged: a header of 67,108,864 bytes")


def test_an_encrypted_member_says_so(tmp_path):
    data = bytearray(zipped({"a.log": b"x"}, zipfile.ZIP_STORED))
    data[6] |= 1
    data[data.index(b"PK\x01\x02") + 8] |= 1
    (tmp_path / "a.zip").write_bytes(data)
    assert read(tmp_path / "a.zip")[2] == [f"{tmp_path}/a.zip/a.log: is encrypted; unpack it first"]


def test_flipped_bits_are_errors_with_a_name(tmp_path):
    """Whatever is wrong with an archive: an error that names it, nothing else."""
    drawn = random.Random(7)
    members = {**INNER, "ztunnel-9xw2d.log": LOG[:2000], "in.zip": zipped(INNER), "in.tgz": gzip.compress(tar(INNER))}
    for form in PACKED.values():
        whole = form(members)
        for _ in range(20):
            data = bytearray(whole)
            for _ in range(drawn.randint(1, 4)):
                data[drawn.randrange(len(data))] ^= 1 << drawn.randrange(8)
            (tmp_path / "a").write_bytes(data[: drawn.choice((len(data), drawn.randrange(len(data)) + 1))])
            _, _, errors = read(tmp_path / "a")
            assert all(error.startswith(f"{tmp_path}/a") for error in errors)


def test_one_bad_entry_of_a_folder_hides_nobody(tmp_path, monkeypatch):
    unpack(tmp_path, {"a/ztunnel-4k7rb.log": LOG, "b/x.log": b"x\n"})
    (tmp_path / "gone.log").symlink_to(tmp_path / "nowhere")
    (tmp_path / "loop.log").symlink_to(tmp_path / "loop.log")
    os.mkfifo(tmp_path / "pipe.log")
    scandir = os.scandir

    def guarded(path):
        if str(path).endswith("/b"):
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", guarded)  # root may read everything, so modes cannot be used here
    halves, _, errors = read(tmp_path)
    assert len(halves) == ACCESS
    assert sorted(errors) == [
        f"{tmp_path}/b: permission denied; are you allowed to read it?",
        f"{tmp_path}/gone.log: is a link to nothing",
        f"{tmp_path}/loop.log: too many levels of symbolic links",
        f"{tmp_path}/pipe.log: is no file; a pipe is read when it is named itself",
    ]


def test_one_bad_match_of_a_pattern_hides_nobody(tmp_path):
    (tmp_path / "ztunnel-4k7rb.log").write_bytes(LOG)
    (tmp_path / "gone.log").symlink_to(tmp_path / "nowhere")
    os.mkfifo(tmp_path / "pipe.log")
    halves, _, errors = read(f"{tmp_path}/*.log")
    assert len(halves) == ACCESS
    assert [error.partition(": ")[2] for error in errors] == [
        "is a link to nothing",
        "is no file; a pipe is read when it is named itself",
    ]


def test_a_pipe_nobody_writes_to_hides_nobody(tmp_path, monkeypatch):
    monkeypatch.setattr("ztflow.read.sources.files.WRITER_PATIENCE", 0.1)
    (tmp_path / "ztunnel-4k7rb.log").write_bytes(LOG)
    os.mkfifo(tmp_path / "pipe")
    halves, _, errors = read(tmp_path / "pipe", tmp_path / "ztunnel-4k7rb.log")
    assert (len(halves), errors) == (ACCESS, [f"{tmp_path}/pipe: nobody writes to this pipe"])


def test_a_first_line_that_is_no_csv_is_no_saved_table(tmp_path):
    (tmp_path / "a.log").write_bytes(b"src_pod,a\rb,c,d,e,f,g,h,i,j,k\n" + LOG)
    halves, _, errors = read(tmp_path / "a.log")
    assert (len(halves), errors) == (ACCESS, [])
