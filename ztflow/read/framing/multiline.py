"""Records over several physical lines: broken by a terminal or a mail program, or ztunnel's configuration.

Records are broken in one of two ways: at words or fields (a blank was at the break), or at a fixed column (nothing was
there). Which one is decided for the whole record by the widths of its lines; the parser tells whether it was right. A
block of ztunnel's configuration names the node (`localNode`); each of its lines counts as one other line, and blocks of
several ztunnels may be interleaved.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from ztflow.model.provenance import LogLine, Origin
from ztflow.model.schema import FIELD_BY_KEY, LOG_LEVELS
from ztflow.model.vocabulary import Message
from ztflow.read.framing.margins import begins_record
from ztflow.read.limits import BLOCK_LINES, JOIN_CHARS, JOIN_LINES, STREAMS
from ztflow.text.patterns import lazy_pattern

_KEYS = "|".join(re.escape(key) for key in FIELD_BY_KEY)
_KEY_START = lazy_pattern(rf"(?:{_KEYS})\s*=")
_OPEN_QUOTE = lazy_pattern(r'(?<![A-Za-z_.])([A-Za-z_.]++)\s*+=\s*+"(?:[^"\\]|\\.)*+$')
_HEAD_WORDS = ("access", "connection", *(word.value for word in Message), *LOG_LEVELS)
_HEADS = tuple(f"{level} access connection {what} src.addr=" for level in LOG_LEVELS for what in Message)
_TIMES = lazy_pattern(r"\s*(?:\d{4}-\d\d-\d\dT)?\d\d:\d\d:\d\d\.\d{6}Z(?:\s+|$)")
_CLOSED_DURATION = lazy_pattern(r'\sduration\s*=\s*"?\d+ms(?:"|\s|$)')
_ERROR_LEVEL = lazy_pattern(r"(?:^|\s)error\s+access\s+connection\s")
_ERROR_FIELD = lazy_pattern(r"\serror\s*=")
_ENDED = lazy_pattern(r"duration\s*=|connection\s*failed")
_SAID = lazy_pattern(rf"connection\s*(?:{'|'.join(Message)})")
_MIN_WIDTH = 20
_TAB_WIDTH = 8


def unfinished_head(text: str) -> bool:
    """Whether a text is the beginning of an access line that stops before its first field."""
    time = _TIMES.match(text)
    rest = " ".join((text[time.end() :] if time else text).split())
    if not time and not rest.startswith(tuple(f"{level} access" for level in LOG_LEVELS)):
        return False
    return any(head.startswith(rest) for head in _HEADS)


def unfinished(text: str) -> bool:
    """Whether an access line that could not be read ends before it must: its end may be on the next line."""
    if _OPEN_QUOTE.search(text) or (_ERROR_LEVEL.search(text) and not _ERROR_FIELD.search(text)):
        return True
    return "connection failed" not in text and not _CLOSED_DURATION.search(text)


class _Joined:
    """Lines put together one by one; each costs what it adds, and what is behind the last quote.

    Attributes:
        text: What the lines are together.
        lines: How many they are.
        widest: The widest of them that another follows, as far as that matters.
    """

    __slots__ = ("_from", "lines", "text", "widest")

    def __init__(self, first: str, widest: int) -> None:
        self.text = first
        self.lines = 1
        self.widest = widest
        self._from = 0

    def add(self, width: int, after: str, *, hard: bool) -> None:
        """One more line, behind one of this width."""
        text, begin = self.text, after.lstrip()
        quote = self.open_quote()
        if quote is None and (_KEY_START.match(begin) or _between_head_words(text, begin)):
            text = f"{text.rstrip()} {begin}"
        elif hard:
            text = text + after if width >= self.widest else f"{text.rstrip()} {begin}"
        elif quote is not None and quote[1] != "error":
            text = text.rstrip() + begin
        elif text.endswith("="):
            text += begin
        else:
            text = f"{text.rstrip()} {begin}"
        self.text = text
        self.lines += 1

    def open_quote(self) -> re.Match[str] | None:
        """The field whose value goes on behind the text."""
        found = _OPEN_QUOTE.search(self.text, self._from)
        # what was closed stays closed, and a key with a quote to come begins behind the last quote there is
        self._from = found.start() if found else self.text.rfind('"') + 1
        return found


@dataclass(slots=True)
class WrappedRecord:
    """The physical lines of a record whose end has not been seen.

    Attributes:
        texts: The lines as they are written; the first without its wrapper.
        widths: Their physical widths.
        numbers: Their physical line numbers.
        origin: Who wrote it, by the wrapper of the first line.
        tried: Whether it was read once although too much had been read again.
    """

    origin: Origin
    texts: list[str] = field(default_factory=list)
    widths: list[int] = field(default_factory=list)
    numbers: list[int] = field(default_factory=list)
    tried: bool = False
    _size: int = 0
    _made: dict[bool, _Joined] = field(default_factory=dict)

    def add(self, text: str, width: int, number: int) -> None:
        """One more physical line."""
        self.texts.append(text)
        self.widths.append(width)
        self.numbers.append(number)
        self._size += len(text)

    def accepts(self, text: str) -> bool:
        """Whether a line without any wrapper can go on here."""
        if not text.strip() or len(self.texts) >= JOIN_LINES or self._size + len(text) > JOIN_CHARS:
            return False
        if begins_record(text) and _SAID.search(self.texts[0]):
            return False
        begin = text.lstrip()
        if _KEY_START.match(begin) or begin.startswith(_HEAD_WORDS):
            return True
        if self.widths[-1] >= _MIN_WIDTH and len(text) <= self.widths[-1]:
            return True
        self.joined(hard=False)
        return self._made[False].open_quote() is not None

    def candidates(self, width: int | None) -> list[str]:
        """The record as one line, most likely reading first; empty while its last field has not come."""
        soft = self.joined(hard=False)
        hard = self.joined(hard=True)
        both = [hard, soft] if self.is_hard(width) else [soft, hard]
        return [one for one in dict.fromkeys(both) if _ENDED.search(one)]

    def is_hard(self, width: int | None) -> bool:
        """Whether the lines look cut at a fixed column: all but the last as wide, save for blanks lost at the break."""
        before = self.widths[:-1]
        widest = max(before, default=0)
        if width is not None and widest == width:
            return True
        full = sum(one == widest for one in before)
        return full >= 2 and all(widest - one <= _TAB_WIDTH for one in before)

    def joined(self, *, hard: bool) -> str:
        """The lines put together as one of the two kinds."""
        widest = max(self.widths[:-1], default=0) if hard else 0
        before = self._made.get(hard)
        if before is None or before.widest != widest or before.lines > len(self.texts):
            before = self._made[hard] = _Joined(self.texts[0], widest)
        for width, text in zip(self.widths[before.lines - 1 : -1], self.texts[before.lines :], strict=True):
            before.add(width, text, hard=hard)
        return before.text

    def certain(self) -> int:
        """How many of the lines surely belong to the record, when it cannot be read as a whole."""
        count = 1
        while count < len(self.texts) and _KEY_START.match(self.texts[count].lstrip()):
            count += 1
        return count


def _between_head_words(text: str, begin: str) -> bool:
    """Whether a break is between two whole words of `info access connection complete`."""
    return text.rstrip().endswith(_HEAD_WORDS) and begin.startswith(_HEAD_WORDS) and "=" not in text


STARTS = "running with config: "

_YAML = lazy_pattern(r"\s*(?:- |[A-Za-z_][\w.-]*\s*:(?:\s|$)|['\"\[\]{}]|[|>]?\s*$)|\s+\S|proxy_args|\.\.\.")
_NODE = lazy_pattern(r"^\s*(?:localNode|local_node):", re.MULTILINE)


class _Block:
    __slots__ = ("first", "lines", "told")

    def __init__(self, first: LogLine) -> None:
        self.first = first
        self.lines = [first.text]
        self.told = False


class ConfigBlocks:
    """The configuration blocks that are being read, one a ztunnel.

    Memory: `BLOCK_LINES` lines a ztunnel.
    """

    def __init__(self) -> None:
        self._blocks: dict[Origin, _Block] = {}

    def start(self, line: LogLine) -> LogLine | None:
        """A line that begins a block. Gives the ztunnel's previous block when it was still open."""
        previous = self.end(line.origin)
        if len(self._blocks) < STREAMS:
            self._blocks[line.origin] = _Block(line)
        return previous

    def __bool__(self) -> bool:
        return bool(self._blocks)

    def told(self) -> dict[Origin, int]:
        """The ztunnels of blocks that came out and may go on, with the lines of each so far."""
        return {origin: len(block.lines) for origin, block in self._blocks.items() if block.told}

    @property
    def has_untold(self) -> bool:
        """Whether a block is open that has not come out yet."""
        return any(not block.told for block in self._blocks.values())

    def takes(self, text: str, origin: Origin) -> bool:
        """Whether a line without ztunnel's time is the next of its ztunnel's block; it is kept then."""
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
        """The block as far as it came, once, when another record of the same ztunnel follows and the node is known.

        It stays open: bare output of several pods can have the rest of it further down.
        """
        block = self._blocks.get(origin)
        if block is None or block.told or not _NODE.search("\n".join(block.lines)):
            return None
        block.told = True
        return _joined(block)

    def end(self, origin: Origin) -> LogLine | None:
        """Close a ztunnel's block."""
        block = self._blocks.pop(origin, None)
        return None if block is None or block.told else _joined(block)

    def finish(self) -> list[LogLine]:
        """Close all of them."""
        return [line for line in (self.end(origin) for origin in list(self._blocks)) if line is not None]


def _joined(block: _Block) -> LogLine:
    return block.first._replace(text="\n".join(block.lines))
