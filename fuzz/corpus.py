"""Seeds: the fixtures, in pieces small enough to be edited to some effect."""

from __future__ import annotations

import gzip
from functools import cache
from pathlib import Path
from typing import Final

FIXTURES: Final = Path(__file__).parents[1] / "fixtures"
_SKIPPED: Final = (".md", ".tsv", ".yaml")


def content(path: Path) -> bytes:
    """What a fixture holds, decompressed."""
    data = path.read_bytes()
    return gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data


@cache
def logs(most: int = 1500) -> tuple[bytes, ...]:
    """The beginning of every log of the fixtures, whole lines."""
    patterns = (
        "seed/*.log",
        "wrapped/*",
        "wrappers/*",
        "shippers/*",
        "real/*.log",
        "examples/*.log",
        "captured/*/*.log*",
    )
    paths = sorted(path for pattern in patterns for path in FIXTURES.glob(pattern) if path.is_file())
    whole = [content(path) for path in paths if path.suffix not in _SKIPPED]
    return tuple(data[: max(most, data.find(b"\n", most // 2) + 1)][: 4 * most] for data in whole)


@cache
def lines() -> tuple[bytes, ...]:
    """Single lines: some of every log, and one of every form and release that is documented."""
    found: dict[bytes, None] = {}
    for path in sorted(FIXTURES.glob("examples/*")):
        found |= dict.fromkeys(line for line in content(path).splitlines() if line.strip())
    for data in logs():
        found |= dict.fromkeys(line for line in data.splitlines()[:4] if line.strip())
    return tuple(found)


@cache
def inventories(most: int = 6000) -> tuple[bytes, ...]:
    """Every inventory of the fixtures, the beginning of large ones."""
    patterns = ("inventory/**/*", "seed/*.txt", "captured/*/pods*", "captured/*/nodes*")
    paths = sorted(path for pattern in patterns for path in FIXTURES.glob(pattern) if path.is_file())
    return tuple(content(path)[:most] for path in paths if path.suffix not in {".md", ".tsv"})


SAME_NODE: Final = FIXTURES / "seed" / "same-node.log"
"""A capture of a few lines."""
PODS: Final = FIXTURES / "seed" / "pods-wide-1.txt"
"""An inventory for it."""
