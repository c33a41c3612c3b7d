"""`GrowingFile`: a followed name, through rotation, truncation and recreation.

It is looked at now and then, and more than one rotation may have gone by since the last look: what came and went under
the name is then beside it under others. What of it is gone is said.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from time import monotonic
from typing import Final

from ztflow.errors import SourceError
from ztflow.read.open_files import Files, Identity, Part
from ztflow.read.rotated import content, first_of, same_beginning
from ztflow.read.sources.compression import MAGIC_BYTES, compression_of
from ztflow.read.tally import ReadBatch

STAYS: Final = 5.0
"""Seconds a file is still read after it lost its name: its writer opens the new one later, or never writes again."""


GIVEN_UP: Final = 1.0
"""Seconds after which a file that is not open, and not found, is given up: it may be just about to get another name."""

_NONE: Final = (-1, -1)
"""The identity of no file."""


class GrowingFile:
    """A name that is followed, and the files it was the name of.

    Args:
        name: A file.
        files: All files.
        fresh: Whether the file came after following began; then so did what is beside it.

    Raises:
        OSError: It cannot be opened.
    """

    def __init__(self, name: str, files: Files, *, fresh: bool) -> None:
        self.name = name
        self._path = Path(name)
        self._files = files
        self._leaving: list[Part] = []
        self._part: Part | None = Part(self._path, name, files, self._emptied)
        self._identity = self._part.identity
        self._absent = 0.0
        """Since when the file cannot be found under any name."""
        self._seen = -1
        """The number of the folder when the files beside it were last gone through."""
        self._before: list[tuple[os.stat_result, bytes]] = []
        """What was beside it before; to be read only if it is an input itself, which the first turn knows."""
        if not fresh:
            self._seen, beside = files.beside(self._path)
            for path, _ in beside:
                with suppress(OSError):
                    self._before.append((path.stat(), first_of(path)))

    def turn(self) -> Iterator[ReadBatch]:
        """Read what was written since the last look.

        Raises:
            OSError: It cannot be read.
        """
        while self._before:
            self._files.note(*self._before.pop())
        yield from self._left()
        part = self._part
        if part is not None:
            try:
                yield from part.grown()
            except FileNotFoundError:
                self._absent = self._absent or monotonic()
                if monotonic() - self._absent < GIVEN_UP:
                    return
                self._absent = 0.0
                self._lost(f"was rotated while not open; what it got behind its first {part.position:,} bytes is lost")
                yield from self._let_go(part)
                part = None
            else:
                self._absent = 0.0
                yield from part.lines.idle()
        try:
            about = self._path.stat()
        except FileNotFoundError:  # moved away; the next one may come under the same name
            if part is not None and part.is_deleted:
                self._part, self._identity = None, _NONE
                self._leaving.append(part)
            return
        if (about.st_dev, about.st_ino) != self._identity:
            yield from self._changed(about)
        elif self._files.beside(self._path)[0] != self._seen:
            yield from self._missed(part, replaced=False)

    def _changed(self, about: os.stat_result) -> Iterator[ReadBatch]:
        """The name is another file's now."""
        self._identity = (about.st_dev, about.st_ino)
        part, self._part = self._part, None
        if part is not None:
            part.since = monotonic()
            self._leaving.append(part)
            with suppress(FileNotFoundError):
                yield from part.grown()
        yield from self._missed(part, replaced=part is not None)
        if not self._files.is_known(about, self._path):  # else it got this name by a rotation
            self._identity = _NONE
            with suppress(FileNotFoundError):  # it got another name just now; the next look sees which
                self._part = Part(self._path, self.name, self._files, self._emptied)
                self._identity = self._part.identity
                yield from self._part.grown()

    def _emptied(self, part: Part) -> Iterator[ReadBatch]:
        return self._missed(part, replaced=True)

    def _missed(self, part: Part | None, *, replaced: bool) -> Iterator[ReadBatch]:
        """Read what came and went under the name since the last look: what a copy has more, and whole files.

        Args:
            part: The file that had the name.
            replaced: Whether it lost the name since the last look, or was emptied.
        """
        self._seen, beside = self._files.beside(self._path, anew=replaced)
        missed: list[tuple[int, Path, Identity]] = []
        numbers: set[int] = set()
        former, known = None, False
        for path, when in beside:
            with suppress(OSError):
                about = path.stat()
                first = first_of(path)
                number = int(when) if when.isdigit() and len(when) < 4 else None
                renamed = part is not None and (about.st_dev, about.st_ino) == part.identity
                if part is not None and (renamed or same_beginning(first, part.first)):
                    former = number
                    known = True
                    if not renamed:
                        yield from part.rest_of(path)
                        self._files.note(about, first)
                elif self._files.is_known(about, path) or self._files.has(first):
                    known = True
                elif about.st_size:
                    missed.append((about.st_mtime_ns, path, (about.st_dev, about.st_ino)))
                if number is not None:
                    numbers.add(number)
        for _, path, identity in sorted(missed):
            with suppress(FileNotFoundError):
                yield from self._whole(path, identity)
        if replaced and former is not None and (gone := sum(number not in numbers for number in range(1, former))):
            self._lost(f"was rotated {former} times since the last look, and {gone} of the files are gone unread")
        elif replaced and missed and not known:
            self._lost(
                f"was rotated {len(missed)} times or more since the last look; older files are gone unread, if any"
            )

    def _whole(self, path: Path, identity: Identity) -> Iterator[ReadBatch]:
        with path.open("rb") as file:
            packed = compression_of(file.read(MAGIC_BYTES)) is not None
        if not packed:
            missed = Part(path, self.name, self._files, lambda _: iter(()), identity)
            self._leaving.append(missed)
            yield from missed.grown()
            return
        lines = self._files.lines(self.name)
        self._files.note(path.stat(), first_of(path))
        try:
            for piece in content(path):
                yield from lines.feed(piece)
        except SourceError as error:
            self._files.lost(error)
        yield from lines.finish()

    def _lost(self, what: str) -> None:
        self._files.lost(SourceError(self.name, what, hint="follow fewer files, or keep more rotated ones"))

    def _left(self) -> Iterator[ReadBatch]:
        """What is still written to files that lost the name."""
        for part in tuple(self._leaving):
            with suppress(FileNotFoundError):
                yield from part.grown()
            yield from part.lines.idle()
            if monotonic() - part.since > STAYS:
                self._leaving.remove(part)
                yield from part.lines.finish()
                part.close()

    def _let_go(self, part: Part) -> Iterator[ReadBatch]:
        self._part, self._identity = None, _NONE
        yield from part.lines.finish()
        part.close()

    def _all(self) -> list[Part]:
        return [*self._leaving, *([] if self._part is None else [self._part])]

    def finish(self) -> Iterator[ReadBatch]:
        """Give what is held."""
        for part in self._all():
            yield from part.lines.finish()

    def close(self) -> None:
        """Close all files."""
        for part in self._all():
            part.close()
