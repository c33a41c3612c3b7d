"""Files that stand twice: `kind export logs` writes each log under `pods` and again under `containers`.

Two files are one when the same pod wrote them (by their paths) and their bytes are equal. Files that differ, because
one was copied later, are both read, and `duplicates` finds their common lines.
"""

from __future__ import annotations

import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from hashlib import blake2b
from typing import IO, TypeAlias

from ztflow.read.sources.archives import Stream
from ztflow.read.sources.files import Found
from ztflow.read.sources.naming import origin_of_path

_IN_MEMORY = 16 << 20
"""Bytes of a possible copy that wait in memory until it is known whether it is one; the rest waits on disk."""
_PIECE = 1 << 20

Kin: TypeAlias = tuple[str, str | None, int]
"""Pod, container and size: what copies have in common before anything is read."""


class Twins:
    """Knows the files that were read, and gives each content once.

    A file is hashed only when another one could be its copy: in a folder one of equal size, in an archive any. A
    possible copy is read to its end before its first byte is given.

    Args:
        found: The inputs; what is in archives is seen as it comes.
    """

    def __init__(self, found: Sequence[Found]) -> None:
        kin = (kin_of(one.name, one.size) for one in found if one.inside)
        self._several = {key for key, count in Counter(kin).items() if key is not None and count > 1}
        self._archived = {one.name for one in found}
        self._digests: defaultdict[Kin, set[bytes]] = defaultdict(set)

    def once(self, stream: Stream) -> Iterator[bytes] | None:
        """The bytes of a stream; None when they were given before."""
        key = kin_of(stream.name, stream.size) if stream.inside else None
        if key is None or (stream.name in self._archived and key not in self._several):
            return stream.chunks
        known = self._digests[key]
        return self._noted(stream.chunks, known) if not known else self._unless_known(stream.chunks, known)

    @staticmethod
    def _noted(chunks: Iterator[bytes], known: set[bytes]) -> Iterator[bytes]:
        digest = blake2b()
        for chunk in chunks:
            digest.update(chunk)
            yield chunk
        known.add(digest.digest())

    @staticmethod
    def _unless_known(chunks: Iterator[bytes], known: set[bytes]) -> Iterator[bytes] | None:
        waiting = tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY)  # noqa: SIM115 - closed when it was given
        digest = blake2b()
        broken: Exception | None = None
        try:
            for chunk in chunks:
                digest.update(chunk)
                waiting.write(chunk)
        except Exception as error:  # noqa: BLE001 - what came before it is given first
            broken = error
        if broken is None and digest.digest() in known:
            waiting.close()
            return None
        known.add(digest.digest())
        return _given(waiting, broken)


def _given(waiting: IO[bytes], broken: Exception | None) -> Iterator[bytes]:
    with waiting:
        waiting.seek(0)
        while chunk := waiting.read(_PIECE):
            yield chunk
    if broken is not None:
        raise broken


def kin_of(name: str, size: int | None) -> Kin | None:
    """Pod, container and size of a file, by its name; None where a pod did not write it, or it may be of any size."""
    origin = origin_of_path(name)
    return (origin.pod, origin.container, size) if origin.pod is not None and size else None
