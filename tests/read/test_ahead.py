"""Gathering bytes, here or ahead on another thread, changes nothing but the size of the chunks."""

from __future__ import annotations

import itertools
import threading

import pyarrow as pa
import pytest

from ztflow.errors import SourceError
from ztflow.read import read_inputs
from ztflow.read.sources import files
from ztflow.read.sources.files import ahead, gathered


def chunks(sizes, *, broken=False):
    for number, size in enumerate(sizes):
        yield bytes([number % 251]) * size
    if broken:
        raise SourceError("x", "it broke off")


def here(given):
    return gathered(given, 2000)


@pytest.mark.parametrize("way", [ahead, here])
@pytest.mark.parametrize("sizes", [[], [1], [5, 5, 5], [1000] * 50, [1, 5000, 1, 5000]])
def test_the_same_bytes_in_bigger_chunks(monkeypatch, sizes, way):
    monkeypatch.setattr(files, "BIG_CHUNK", 4000)
    found = list(way(chunks(sizes)))
    assert b"".join(found) == b"".join(chunks(sizes))
    assert all(len(chunk) >= 2000 for chunk in found[:-1])
    assert all(len(chunk) < 2000 + max(sizes, default=0) for chunk in found)


@pytest.mark.parametrize("way", [ahead, here])
@pytest.mark.parametrize("sizes", [[], [1], [5, 5, 5], [1000] * 7, [1000] * 50])
def test_an_error_comes_after_all_bytes_before_it(monkeypatch, sizes, way):
    monkeypatch.setattr(files, "BIG_CHUNK", 4000)
    found = []

    def take():
        for chunk in way(chunks(sizes, broken=True)):
            found.append(chunk)  # noqa: PERF402 - what came before the error is what matters

    with pytest.raises(SourceError, match="it broke off"):
        take()
    assert b"".join(found) == b"".join(chunks(sizes))


def test_stopping_early_leaves_no_thread(monkeypatch):
    monkeypatch.setattr(files, "BIG_CHUNK", 4000)
    before = threading.active_count()
    reader = ahead(chunks(itertools.repeat(1000)))
    next(reader)
    reader.close()
    assert threading.active_count() == before


@pytest.mark.parametrize("codec", ["gzip", "zstd", "lz4"])
def test_a_compressed_log_is_read_in_as_few_batches_as_a_plain_one(tmp_path, codec):
    """Each batch costs some milliseconds, and decompressors give pieces of 32 KiB to 1 MiB."""
    line = b"2024-11-05T12:00:01.013201Z\tinfo\taccess\tconnection complete\tsrc.addr=10.0.0.1:80 dst.addr=10.0.0.2:90 "
    data = (line + b'direction="inbound" bytes_sent=1 bytes_recv=22 duration="333ms"\n') * 60_000
    log = tmp_path / "a.log"
    with pa.OSFile(str(log), "wb") as file, pa.CompressedOutputStream(file, codec) as packed:
        packed.write(data)
    batches = [len(batch.halves) for batch in read_inputs([str(log)]) if batch]
    assert sum(batches) == 60_000
    assert len(batches) <= -(-len(data) // files.CHUNK)
