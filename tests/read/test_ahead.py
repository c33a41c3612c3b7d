"""Reading ahead on another thread changes nothing but the size of the chunks."""

from __future__ import annotations

import itertools
import threading

import pytest

from ztflow.errors import SourceError
from ztflow.read.sources import files
from ztflow.read.sources.files import ahead


def chunks(sizes, *, broken=False):
    for number, size in enumerate(sizes):
        yield bytes([number % 251]) * size
    if broken:
        raise SourceError("x", "it broke off")


@pytest.mark.parametrize("sizes", [[], [1], [5, 5, 5], [1000] * 50, [1, 5000, 1, 5000]])
def test_the_same_bytes_in_bigger_chunks(monkeypatch, sizes):
    monkeypatch.setattr(files, "BIG_CHUNK", 4000)
    found = list(ahead(chunks(sizes)))
    assert b"".join(found) == b"".join(chunks(sizes))
    assert all(len(chunk) >= 2000 for chunk in found[:-1])
    assert all(len(chunk) < 2000 + max(sizes, default=0) for chunk in found)


@pytest.mark.parametrize("sizes", [[], [1], [5, 5, 5], [1000] * 7, [1000] * 50])
def test_an_error_comes_after_all_bytes_before_it(monkeypatch, sizes):
    monkeypatch.setattr(files, "BIG_CHUNK", 4000)
    found = []

    def take():
        for chunk in ahead(chunks(sizes, broken=True)):
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
