"""One truth for both ways and for every cut: records, counts, facts and problems do not tell how bytes were read.

`ZTFLOW_EXAMPLES=5000 python -m pytest tests/kernel/test_every_cut.py` looks longer.
"""

from __future__ import annotations

import os
import random

import pytest
from wrapped_blocks import block

from tests.kernel.test_same_with_and_without import Always
from tests.read.test_properties import cut, outcome
from ztflow.kernel.table_layout import JSON_BYTES
from ztflow.read import StreamParser, bulk
from ztflow.read.limits import DOCUMENT_CHARS

EXAMPLES = int(os.environ.get("ZTFLOW_EXAMPLES", "120"))
ROUNDS = 8


@pytest.fixture
def compiled(monkeypatch):
    """Switches the compiled way on for blocks of any size, or off."""

    def switch(*, on: bool) -> None:
        monkeypatch.setattr(bulk, "LEAST", 1)
        monkeypatch.setattr(bulk, "POLICY", Always(on))
        monkeypatch.setattr(bulk, "_ACCESS", b"")

    return switch


@pytest.mark.parametrize("round_", range(ROUNDS))
def test_compiled_and_careful_and_every_cut(compiled, round_):
    for seed in range(round_, EXAMPLES, ROUNDS):
        data = block(seed)
        chance = random.Random(seed)
        places = [chance.randrange(len(data) + 1) for _ in range(chance.randint(1, 6))]
        lines = data.splitlines(keepends=True) if b"\r" not in data else [line + b"\n" for line in data.split(b"\n")]
        lines = [data] if b"".join(lines) != data else lines
        compiled(on=False)
        want = outcome([data])
        assert outcome(cut(data, places)) == want, seed
        compiled(on=True)
        for chunks in [data], cut(data, places), lines:
            assert outcome(chunks) == want, seed


def test_the_compiled_way_reads_most_of_them(compiled):
    """Else the test above would compare the careful way with itself."""
    compiled(on=True)
    slow = lines = 0
    for seed in range(40):
        parser = StreamParser("x.log")
        parser.feed(block(seed) * 3)
        slow, lines = slow + parser.stats.slow_lines, lines + parser.stats.physical_lines
    assert slow < 0.9 * lines  # parts, pretty documents and what is damaged are many here


def test_the_careful_way_holds_whatever_is_taken_apart():
    assert JSON_BYTES <= DOCUMENT_CHARS
