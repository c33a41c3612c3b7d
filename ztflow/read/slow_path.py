"""The line-by-line way as the compiled one needs it, and which ztunnel wrote the lines behind a prefix."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import numpy as np

from ztflow.columns.dtypes import BoolArray, Codes
from ztflow.model.provenance import LogLine, Origin, ReadStats
from ztflow.model.tables import HalvesBuilder
from ztflow.model.vocabulary import Producer
from ztflow.read.limits import PREFIXES
from ztflow.read.unwrap import Unwrapper
from ztflow.read.unwrap.content import find_head
from ztflow.text.escapes import may_have_residue

if TYPE_CHECKING:
    from ztflow.kernel.known_words import Vocabulary

_SOME_HEAD: Final = "2024-11-05T12:00:01.013201Z\tinfo\t"
_REFUSED_AFTER: Final = 64
"""Lines behind one prefix that are given to the slow path one by one before it gets all of them at once."""
_UNPROVED: Final = 64
"""Envelopes that no reader knows, beyond as many as were proved, before no more are tried: each costs some 0.1 ms."""


@dataclass(slots=True)
class SlowPath:
    """What the stream does line by line.

    Attributes:
        read: Reads these whole lines; the first has this number.
        record: Takes a line with everything around it off.
        unwrapper: Knows which ztunnel wrote a line, by the text before it.
        settled: Whether nothing is held that the next line could change.
        counts: Whether other lines need only be counted.
        builder: Where it puts its rows.
        stats: Where lines are counted.
        source_file: The stream's name.
        producers: Where lines of other programs that are known are counted.
        origins: Every ztunnel that wrote a line so far, with a number.
    """

    read: Callable[[bytes, int], None]
    record: Callable[[LogLine], None]
    unwrapper: Unwrapper
    settled: Callable[[], bool]
    counts: Callable[[], bool]
    builder: HalvesBuilder
    stats: ReadStats
    source_file: str
    producers: dict[Producer, int]
    origins: dict[Origin, int] = field(default_factory=dict)
    _envelopes: dict[tuple[object, str], Origin | None] = field(default_factory=dict)
    _unproved: int = 0

    def origin(self, prefix: str) -> Origin | None:
        """Who wrote a line behind this prefix (`""`: bare), if the stream would take its quick way; else None.

        A prefix with a line end in it is an envelope (`kernel.json_tree`).
        """
        if not prefix:
            return self.unwrapper.bare()
        if "\n" in prefix:
            return self._origin_inside(prefix)
        head = find_head(prefix + _SOME_HEAD)
        if head is None or head.start() != len(prefix) or prefix[0] == "{" or may_have_residue(prefix):
            return None
        known = self.unwrapper.known(prefix)
        return self.unwrapper.quick_prefix(prefix) if known is None else known

    def _origin_inside(self, around: str) -> Origin | None:
        """The same for an envelope; nothing before its JSON can be learned, so it is proved once."""
        from ztflow.read.unwrap.envelopes import is_json, origin_inside

        key = self.unwrapper.json_state() if is_json(around) else self.unwrapper.state(), around
        if key not in self._envelopes:
            if len(self._envelopes) >= PREFIXES:
                self._envelopes.clear()
            proved = len(self._envelopes) - self._unproved
            if self._unproved > _UNPROVED + proved:
                return None
            before, _, behind = around.partition("\n")
            self._envelopes[key] = origin_inside(self.unwrapper, before, behind[0], behind[1:])
            self._unproved += self._envelopes[key] is None
        return self._envelopes[key]

    def state(self) -> object:
        """Everything `origin` depends on."""
        return self.unwrapper.state()


class Prefixes:
    """Which ztunnel writes behind each prefix of a vocabulary, as known when last asked.

    Attributes:
        lookup: Number of the origin by number of the prefix + 1, the bare line first; -1 for one to be looked at.
        all_known: Whether none is -1.
        inside: Which are around lines inside JSON, likewise.
    """

    def __init__(self, slow: SlowPath, vocabulary: Vocabulary) -> None:
        self.lookup: Codes = np.zeros(0, np.int32)
        self.all_known = False
        self.inside: BoolArray = np.zeros(1, np.bool_)
        self._slow = slow
        self._vocabulary = vocabulary
        self._state: object = None
        self._left: dict[int, int] = {}

    @property
    def outdated(self) -> bool:
        """Whether something was learned since."""
        return self._slow.state() != self._state

    def renew(self) -> None:
        """Ask for those that are new; for all when something was learned."""
        state = self._slow.state()
        done = len(self.lookup) if state == self._state else 0
        self._state = state
        count = len(self._vocabulary.prefixes) + 1
        if done == count:
            return
        found = [self._code(prefix) for prefix in range(done - 1, count - 1)]
        self.lookup = np.concatenate([self.lookup[:done], np.array(found, np.int32)])
        self.inside = np.array([False, *self._vocabulary.inside])
        self.all_known = not (self.lookup < 0).any()

    @property
    def texts(self) -> list[str | None]:
        """The prefixes and envelopes, by number."""
        return self._vocabulary.prefixes

    def left(self, prefix: int) -> None:
        """Count a line behind this prefix that took the slow path; after many the kernel leaves all of them to it."""
        if prefix < 0 or self.lookup[prefix + 1] >= 0:
            return
        self._left[prefix] = self._left.get(prefix, 0) + 1
        if self._left[prefix] == _REFUSED_AFTER:
            self._vocabulary.refuse_prefix(prefix)

    def _code(self, prefix: int) -> int:
        origins = self._slow.origins
        text = "" if prefix < 0 else self._vocabulary.prefixes[prefix]
        origin = None if text is None else self._slow.origin(text)
        return -1 if origin is None else origins.setdefault(origin, len(origins))
