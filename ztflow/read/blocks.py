"""`BlockParser`: reads a stream in blocks of whole lines, which different processes may read at the same time.

What a line means may depend on lines before it: a record that is not whole, an open JSON document, a header, a section,
names that were seen. All that is in `Carried`: what a parser knows at the end of a block. A block that was read with
what its predecessor really knew at its end was read as if in one go. So a block may be read before its predecessor is,
with a guess, and is read again where the guess was wrong.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from ztflow.model.provenance import NOBODY, Origin
from ztflow.read.framing.documents import Document
from ztflow.read.framing.lines import LineSplitter
from ztflow.read.framing.margins import Margin
from ztflow.read.framing.multiline import ConfigBlocks, WrappedRecord
from ztflow.read.limits import JOIN_CHARS
from ztflow.read.stream import StreamParser
from ztflow.read.unwrap import Unwrapper


@dataclass
class Carried:
    """What a parser knows at the end of a block that the next one depends on.

    Attributes:
        unwrapper: What earlier lines taught about wrappers.
        pending: The wrapped record that is held.
        document: The JSON document that is open.
        document_origin: Who wrote it.
        blocks: Configuration blocks that are being read.
        margin: Marks around the lines of the record.
        width: Of a screen the log was taken from.
        allowance: How much of held records may be read again.
        whole: Whether the stream can only be read in one go: saved rows, a waypoint's log, an encoding of its own.
    """

    unwrapper: Unwrapper
    pending: WrappedRecord | None = None
    document: Document = field(default_factory=Document)
    document_origin: Origin = NOBODY
    blocks: ConfigBlocks = field(default_factory=ConfigBlocks)
    margin: Margin | None = None
    width: int | None = None
    allowance: int = JOIN_CHARS
    whole: bool = False

    @property
    def holding(self) -> bool:
        """Whether lines are held that come out of a later block, under their own numbers."""
        return bool(
            self.pending is not None or self.document.active or self.unwrapper.waiting or self.blocks.has_untold
        )

    def alike(self, other: Carried) -> bool:
        """Whether a parser reads the same lines alike with the one and with the other; neither holds lines."""
        return self._told() == other._told()

    def _told(self) -> tuple[object, ...]:
        memory = self.unwrapper.memory
        return (
            memory.prefixes, memory.names, memory.section, memory.common, memory.columns, memory.padded,
            memory.resource, memory.attributes, self.blocks.told(), self.width, self.allowance,
        )  # fmt: skip


class BlockParser(StreamParser):
    """Reads a block of a stream.

    Args:
        source_file: As for `StreamParser`.
        origin: Likewise.
        wrapper: Likewise.
        carried: What is known from the blocks before; None for the first one.
        number: The last line before the block.
    """

    def __init__(
        self,
        source_file: str,
        *,
        origin: Origin = NOBODY,
        wrapper: str | None = None,
        carried: Carried | None = None,
        number: int = 0,
    ) -> None:
        super().__init__(source_file, origin=origin, wrapper=wrapper)
        self._number = number
        if carried is None:
            return
        self._splitter = LineSplitter(begun=True)
        self._unwrapper = carried.unwrapper
        self._unwrapper.parts.joined = self._unwrapper.parts.came_joined = 0
        self._pending, self._document = carried.pending, carried.document
        self._document_origin, self._margin = carried.document_origin, carried.margin
        self._width, self._allowance = carried.width, carried.allowance
        self._tally.blocks = carried.blocks

    @classmethod
    def probe(cls, head: bytes, origin: Origin, wrapper: str | None) -> Carried:
        """What the first bytes of a stream teach, without anything they hold."""
        parser = cls("", origin=origin, wrapper=wrapper)
        parser.feed(head)
        found = parser.carried()
        return Carried(Unwrapper(origin, wrapper), whole=found.whole) if found.holding else found

    def carried(self) -> Carried:
        """What the next block has to know; the parser must not be used any more."""
        whole = (
            not self._splitter.plain
            or self._tally.has_rows_of_others
            or self._unwrapper.memory.hosts is not None
        )  # fmt: skip
        return Carried(
            self._unwrapper, self._pending, self._document, self._document_origin, self._tally.blocks, self._margin,
            self._width, self._allowance, whole,
        )  # fmt: skip
