"""Bytes to physical lines: line ends, encodings, byte order marks, NULs, and lines that never end."""

from __future__ import annotations

import codecs
from typing import NamedTuple

from ztflow.read.limits import DOCUMENT_CHARS, LINE_BYTES, LINE_KEPT_CHARS
from ztflow.text.patterns import lazy_pattern

_UTF8_BOM = b"\xef\xbb\xbf"
_SNIFF = 4
_JOINED = 4 << 20
"""Bytes that are copied, so that the line they complete is read together with them: cheaper than reading it alone."""


class Lines(NamedTuple):
    """Whole physical lines, without their ends.

    Attributes:
        texts: The lines. Bytes that are not UTF-8 become lone surrogates, so that halves of a character that a
            runtime cut apart can still be put together; `healed` turns what is left into U+FFFD.
        mended: Indices of lines that were not plain UTF-8 with LF ends: CR, NUL, a byte order mark, bad bytes, UTF-16.
        overlong: Indices of lines past the limit, of which only the beginning is there.
    """

    texts: list[str]
    mended: frozenset[int] | range
    overlong: frozenset[int]


_NONE: frozenset[int] = frozenset()
_NO_LINES = Lines([], _NONE, _NONE)


_LONE_BYTES = lazy_pattern("[\ud800-\udfff]")


def is_damaged(text: str) -> bool:
    """Whether a text holds undecodable bytes, as lone surrogates."""
    return not text.isascii() and _LONE_BYTES.search(text) is not None


def healed(text: str) -> str:
    """`text` with undecodable bytes as U+FFFD; halves of one character that met again are whole."""
    try:
        return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    except UnicodeEncodeError:  # a surrogate that is no byte
        return _LONE_BYTES.sub("\ufffd", text)


class LineSplitter:
    """Cuts a stream of bytes into physical lines; the same lines for any chunking.

    Memory: the unfinished line, at most `LINE_BYTES` (a line that begins like JSON: `DOCUMENT_CHARS`).

    Args:
        begun: Whether the stream's first bytes, which tell its encoding, were read by another.
    """

    def __init__(self, *, begun: bool = False) -> None:
        self._tail = bytearray()
        self._dropping = False
        self._head: bytes | None = None if begun else b""
        self._decoder: codecs.IncrementalDecoder | None = None
        self._bom = False

    @property
    def empty(self) -> bool:
        """Whether no byte is held back."""
        return not self._tail and not self._head

    @property
    def plain(self) -> bool:
        """Whether what comes next is read as a new splitter reads it that was told of the begin."""
        return self.empty and self._decoder is None and not self._bom and not self._dropping

    def split(self, data: bytes) -> tuple[Lines, list[memoryview]]:
        """Lines these bytes complete, and the other whole lines behind, in blocks to be given to `lines` in pieces.

        When the bytes are not plain enough for that, all lines, and nothing behind.
        """
        if self._head is not None and len(self._head) + len(data) >= _SNIFF:
            data, self._head = self._sniffed(self._head + data), None
        first = data.find(b"\n") + 1
        cut = data.rfind(b"\n") + 1
        if self._head is not None or self._decoder is not None or self._bom or not first:
            return self.feed(data), []
        if self._dropping:
            lines = self.feed(data[:first])
            self._keep(data[cut:])
            return lines, [memoryview(data)[first:cut]]
        if not self._tail:
            blocks = [memoryview(data)[:cut]]
        elif len(data) <= _JOINED:
            blocks = [memoryview(b"".join((self._tail, data[:cut])))]
        else:
            blocks = [memoryview(b"".join((self._tail, data[:first]))), memoryview(data)[first:cut]]
        self._tail.clear()
        self._keep(data[cut:])
        return _NO_LINES, [block for block in blocks if block]

    def lines(self, block: bytes) -> Lines:
        """The lines of a block, whose last byte is a line end."""
        return self._lines(block, first_overlong=False)

    def feed(self, data: bytes) -> Lines:
        """The lines these bytes complete."""
        if self._head is not None:
            self._head += data
            if len(self._head) < _SNIFF:
                return _NO_LINES
            data, self._head = self._sniffed(self._head), None
        if self._decoder is not None:
            data = self._decoder.decode(data).encode("utf-8", "replace")
        cut = data.rfind(b"\n")
        if cut < 0:
            self._keep(data)
            return _NO_LINES
        block = data[: cut + 1]
        if self._tail:
            block = bytes(self._tail) + block
            self._tail.clear()
        dropping, self._dropping = self._dropping, False
        self._keep(data[cut + 1 :])
        return self._lines(block, first_overlong=dropping)

    def finish(self) -> Lines:
        """The last line, when it has no end."""
        data = b""
        if self._head:
            data, self._head = self._sniffed(self._head), None
        if self._decoder is not None:
            data = self._decoder.decode(data, True).encode("utf-8", "replace")
        self._keep(data)
        if not self._tail:
            return _NO_LINES
        block = bytes(self._tail)
        self._tail.clear()
        dropping, self._dropping = self._dropping, False
        # the first bytes may have been held for their encoding, line ends among them
        return self._lines(block if block.endswith(b"\n") else block + b"\n", first_overlong=dropping)

    def _sniffed(self, head: bytes) -> bytes:
        """`head` without a byte order mark; sets the decoder when the bytes are UTF-16."""
        if head.startswith(_UTF8_BOM):
            self._bom = True
            return head[3:]
        order = _utf16_order(head)
        if order:
            self._decoder = codecs.getincrementaldecoder(order)("replace")
            return head[2:] if head[:2] in {b"\xff\xfe", b"\xfe\xff"} else head
        return head

    def _keep(self, data: bytes) -> None:
        if not self._tail:
            data = data.lstrip(b"\0")  # the hole a truncated log leaves; it may be longer than any line
        if self._dropping or not data:
            return
        room = _limit(bytes(self._tail[:64]) + data[:64]) - len(self._tail)
        if len(data) > room:
            self._dropping = True
            del self._tail[LINE_KEPT_CHARS:]
            self._tail += data[: max(0, LINE_KEPT_CHARS - len(self._tail))]
        else:
            self._tail += data

    def _lines(self, block: bytes, *, first_overlong: bool) -> Lines:
        plain = (
            not first_overlong
            and not self._bom
            and self._decoder is None
            and b"\r" not in block
            and b"\0" not in block
            and b"\xef\xbb\xbf" not in block
        )
        if plain:
            try:
                texts = block[:-1].decode().split("\n")
            except UnicodeDecodeError:
                pass
            else:
                # a character has at most four bytes, so lines this short are within the limit whatever they hold
                if len(block) <= LINE_BYTES or max(map(len, texts)) <= LINE_BYTES // 4:
                    return Lines(texts, _NONE, _NONE)
        lines: list[str] = []
        mended: set[int] = set()
        overlong: set[int] = set()
        for part in block[:-1].split(b"\n"):
            self._line(part, lines, mended, overlong, dropped=first_overlong and not lines)
        return Lines(lines, frozenset(mended), frozenset(overlong))

    def _line(self, part: bytes, lines: list[str], mended: set[int], overlong: set[int], *, dropped: bool) -> None:
        index = len(lines)
        part = part.lstrip(b"\0")
        if self._bom or self._decoder is not None:
            mended.add(index)
            self._bom = False
        if dropped or len(part) > _limit(part):
            overlong.add(index)
            part = part[:LINE_KEPT_CHARS]
        clean = part
        if clean.endswith(b"\r"):
            clean = clean.rstrip(b"\r")
        if b"\0" in clean:
            clean = clean.replace(b"\0", b"")
        if clean.startswith(_UTF8_BOM):
            clean = clean[3:]
        try:
            text = clean.decode()
        except UnicodeDecodeError:
            text = clean.decode("utf-8", "surrogateescape")
            mended.add(index)
        if clean is not part or b"\r" in clean:
            mended.add(index)
        lines.append(text)


def _limit(line: bytes) -> int:
    return DOCUMENT_CHARS if line[:64].lstrip()[:1] in {b"{", b"["} else LINE_BYTES


def _utf16_order(head: bytes) -> str | None:
    """UTF-16 by its mark, or by ASCII with a NUL beside every letter."""
    if head[:2] == b"\xff\xfe":
        return "utf-16-le"
    if head[:2] == b"\xfe\xff":
        return "utf-16-be"
    a, b, c, d = head[:4] if len(head) >= _SNIFF else (0, 0, 0, 0)
    if b == d == 0 and a and c and a < 128 and c < 128:
        return "utf-16-le"
    if a == c == 0 and b and d and b < 128 and d < 128:
        return "utf-16-be"
    return None
