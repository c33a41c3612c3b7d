"""Compressed files and archives, inside each other too: read as far as they are whole, and the error names the member."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import tarfile
import zipfile
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

import pyarrow as pa

from fuzz.corpus import PODS, SAME_NODE
from fuzz.edits import edited
from fuzz.target import Target
from ztflow.errors import SourceError
from ztflow.place import inventory_beside, read_inventory
from ztflow.read import ReadReport, read_inputs

LOG = SAME_NODE.read_bytes()
TEXTS = {"a/ztunnel-9xw2d.log": LOG, "b/ztunnel-4k7rb.log": LOG, "pods.txt": PODS.read_bytes()}


def tarred(members: Mapping[str, bytes], form: int = tarfile.PAX_FORMAT) -> bytes:
    """A tar, one name in it longer than its header has room for."""
    room = io.BytesIO()
    with tarfile.open(fileobj=room, mode="w", format=form) as archive:
        for name, data in members.items():
            about = tarfile.TarInfo(f"{'long/' * 30}{name}" if name.startswith("b/") else name)
            about.size = len(data)
            archive.addfile(about, io.BytesIO(data))
    return room.getvalue()


def zipped(members: Mapping[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """A zip."""
    room = io.BytesIO()
    with zipfile.ZipFile(room, "w", method) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return room.getvalue()


def arrow_packed(codec: str, data: bytes) -> bytes:
    """A frame as pyarrow compresses it."""
    room = io.BytesIO()
    with pa.CompressedOutputStream(room, codec) as stream:
        stream.write(data)
        stream.flush()
        return room.getvalue()


def samples() -> dict[str, bytes]:
    """Every format and every way one is inside another, by the name its file should have."""
    packed = {
        "a.log.gz": gzip.compress(LOG),
        "a.log.bz2": bz2.compress(LOG),
        "a.log.xz": lzma.compress(LOG),
        "a.log.zst": arrow_packed("zstd", LOG),
        "a.log.lz4": arrow_packed("lz4", LOG),
    }
    inner = {**packed, "pods.txt": gzip.compress(TEXTS["pods.txt"])}
    return {
        **packed,
        "two.log.gz": gzip.compress(LOG) + b"\0" * 8 + gzip.compress(LOG),
        "a.tar": tarred(TEXTS),
        "gnu.tar": tarred(TEXTS, tarfile.GNU_FORMAT),
        "a.tar.gz": gzip.compress(tarred(TEXTS)),
        "a.tar.zst": arrow_packed("zstd", tarred(TEXTS)),
        "a.zip": zipped(TEXTS),
        "stored.zip": zipped(TEXTS, zipfile.ZIP_STORED),
        "bz2.zip": zipped(TEXTS, zipfile.ZIP_BZIP2),
        "lzma.zip": zipped(TEXTS, zipfile.ZIP_LZMA),
        "packed.tar": tarred(inner),
        "packed.zip": zipped(inner),
        "tar.zip": zipped({"in.tar.gz": gzip.compress(tarred(TEXTS))}),
        "zip.tar.gz": gzip.compress(tarred({"in.zip": zipped(TEXTS)})),
        "thrice.log.gz": gzip.compress(bz2.compress(lzma.compress(LOG))),
    }


NAMES = {data[:8]: name for name, data in samples().items()}


def check(data: bytes) -> None:
    """Read from a file, from a stream, and as an inventory."""
    with TemporaryDirectory() as folder:
        path = Path(folder, NAMES.get(data[:8], "a.tar"))
        path.write_bytes(data)
        _read(path, str(path))
        _read(io.BytesIO(data), "-")
        inventory_beside([path])
        try:
            read_inventory(path)
        except SourceError as error:
            assert error.source.startswith(str(path)), error


def _read(source: Path | io.BytesIO, name: str) -> None:
    report = ReadReport()
    errors: list[SourceError] = []
    batches = list(read_inputs([source], report=report, on_error=errors.append))
    stats = report.stats
    assert stats.lines == stats.access + stats.other + stats.not_ours + stats.problems
    assert sum(len(batch.halves) for batch in batches) == stats.access - stats.duplicates
    for error in errors:
        assert error.source.startswith(name), error
        assert len(error.detail.splitlines()) == 1, error


TARGET = Target(edited(tuple(samples().values()), most=4), check)
