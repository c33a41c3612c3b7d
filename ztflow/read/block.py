"""ztunnel's start-up configuration: one record over 30 to 100 physical lines, `running with config: …`.

Every line of it counts as one other line; the whole tells the node (`localNode`). Several pods' blocks may arrive
interleaved, so there is one for each writer.
"""

from __future__ import annotations

import re

from ztflow.origin import LogLine, Origin
from ztflow.read.limits import BLOCK_LINES, STREAMS

STARTS = "running with config: "

_YAML = re.compile(r"\s*(?:- |[A-Za-z_][\w.-]*\s*:(?:\s|$)|['\"\[\]{}]|[|>]?\s*$)|\s+\S|proxy_args|\.\.\.")
_NODE = re.compile(r"^\s*(?:localNode|local_node):", re.MULTILINE)


class _Block:
    __slots__ = ("first", "lines", "told")

    def __init__(self, first: LogLine) -> None:
        self.first = first
        self.lines = [first.text]
        self.told = False


class ConfigBlocks:
    """The configuration blocks that are being read, one a writer.

    Memory: `BLOCK_LINES` lines a writer.
    """

    def __init__(self) -> None:
        self._blocks: dict[Origin, _Block] = {}

    def start(self, line: LogLine) -> LogLine | None:
        """A line that begins a block. Gives the writer's previous block when it was still open."""
        previous = self.end(line.origin)
        if len(self._blocks) < STREAMS:
            self._blocks[line.origin] = _Block(line)
        return previous

    def __bool__(self) -> bool:
        return bool(self._blocks)

    def takes(self, text: str, origin: Origin) -> bool:
        """Whether a line without ztunnel's time is the next of its writer's block; it is kept then."""
        block = self._blocks.get(origin)
        if block is None:
            return False
        if len(block.lines) >= BLOCK_LINES or not _YAML.match(text):
            return False
        block.lines.append(text)
        return True

    def ended_by(self, text: str, origin: Origin) -> LogLine | None:
        """The whole block, when this line (just taken) is its end: a lone TAB, or nothing."""
        return self.end(origin) if not text.strip() else None

    def passed_by(self, origin: Origin) -> LogLine | None:
        """The block as far as it came, once, when another record of the same writer follows and the node is known.

        It stays open: bare output of several pods can have the rest of it further down.
        """
        block = self._blocks.get(origin)
        if block is None or block.told or not _NODE.search("\n".join(block.lines)):
            return None
        block.told = True
        return _joined(block)

    def end(self, origin: Origin) -> LogLine | None:
        """Close a writer's block."""
        block = self._blocks.pop(origin, None)
        return None if block is None or block.told else _joined(block)

    def finish(self) -> list[LogLine]:
        """Close all of them."""
        return [line for line in (self.end(origin) for origin in list(self._blocks)) if line is not None]


def _joined(block: _Block) -> LogLine:
    return block.first._replace(text="\n".join(block.lines))
