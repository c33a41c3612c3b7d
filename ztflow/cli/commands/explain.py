"""`ztflow explain`: how a line was read, or why it could not be."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from ztflow.cli.options import Talk, argument, message_options
from ztflow.cli.run import Run, run_command

if TYPE_CHECKING:
    from ztflow.model.provenance import Origin
    from ztflow.read.unwrap.proposals import Tried


@argument(
    "line", nargs=-1, metavar="[LINE]...",
    about="The log line, in quotes, or FILE:LINE. Use - to read lines from standard input, the default when input is "
    "piped in.",
)  # fmt: skip
@message_options
def explain(line: Sequence[str], talk: Talk) -> int:
    """Show what a log line says and how it was parsed, or why not.

    Where something was around the line, it also shows which envelope that was, and which others were tried.
    """

    def body(run: Run) -> None:
        from ztflow.cli.destinations import destination

        given = run.sources(line)
        texts = _piped() if given == ["-"] else _given(given)
        with destination(None) as stream:
            between = b""
            for text in texts:
                for heading, told, failed in _explained(text):
                    run.findings |= talk.strict and failed
                    shown = "\n".join([*heading, told])
                    stream.write(between + shown.encode(errors="backslashreplace") + b"\n")
                    between = b"\n"

    return run_command(talk, body)


def _given(words: Sequence[str]) -> Iterator[str]:
    """The lines the words name as FILE:LINE, or the words as one line."""
    from ztflow.read.raw_lines import place_of, raw_line

    places = [place_of(word) if _is_place(word) else None for word in words]
    if places and None not in places:
        yield from (raw_line(*place) for place in places if place is not None)
    else:
        yield " ".join(words)


def _is_place(word: str) -> bool:
    """Whether a word may be FILE:LINE and not a part of a line, such as `src.addr=10.0.0.1:80`."""
    from ztflow.read.raw_lines import outer_file

    return outer_file(word.rpartition(":")[0]) is not None or not any(mark in word for mark in "= \t")


def _piped() -> Iterator[str]:
    """Lines of standard input; those of one JSON document as one text."""
    import sys

    from ztflow.errors import SourceError
    from ztflow.read.framing.documents import Document
    from ztflow.read.unwrap import Unwrapper, decoded

    if sys.stdin is None:
        raise SourceError("-", "standard input is closed")
    unwrapper, document = Unwrapper(), Document()
    for number, line in enumerate(sys.stdin.buffer, 1):
        text = line.decode(errors="replace").rstrip("\r\n")
        if document.active or (unwrapper.document_start(text) is not None and decoded(text) is None):
            yield from (part.text for part in document.feed(text, number))
        elif text.strip():
            yield text
    yield from (part.text for part in document.finish())


def _explained(text: str) -> Iterator[tuple[list[str], str, bool]]:
    """Each record of a text, wrappers off: what to say before it, how it was read, and whether it could not be.

    Where damage had to be undone, the reading after that.
    """
    from ztflow.model.provenance import LogLine
    from ztflow.parse import Outcome
    from ztflow.parse import explain as explain_text
    from ztflow.read.framing.repair import mended
    from ztflow.read.saved.objects import wrong_values
    from ztflow.read.saved.recognise import own_row
    from ztflow.read.tally import unread
    from ztflow.read.unwrap import Unwrapper
    from ztflow.text.escapes import visible

    unwrapper = Unwrapper()
    unwrapper.proposals.layers = []
    pieces = (*unwrapper.line(text, 1), *unwrapper.finish())
    heading = list(_envelopes(unwrapper.proposals.layers))
    for piece in pieces:
        if piece.fields is not None and (kind := own_row(piece.fields)) is not None:
            problems = wrong_values(kind, piece.fields)
            told = f"problem: {problems[0]}" if problems else f"a row of {kind} that ztflow saved: read as it stands"
            yield [*heading, *_written_by(piece.origin)], visible(told), bool(problems)
            continue
        first = explain_text(piece.text)
        better = (explain_text(other) for other in mended(piece.text))
        found = first if first.record else next((other for other in better if other.record is not None), first)
        problem = piece.problem
        if found.outcome in {Outcome.OTHER, Outcome.NOT_OURS} and not problem:
            line = LogLine(piece.text, 1, piece.origin, piece.fields)
            error = unread(line, Outcome(found.outcome), piece.place)
            problem = "" if error is None else error.detail
        where = [visible(f"found in   {piece.place}")] if piece.place else []
        told = visible(f"problem: {problem}") if problem else found.to_text()
        yield [*heading, *_written_by(piece.origin), *where], told, bool(problem) or found.error is not None
        heading = []


def _envelopes(layers: Sequence[Sequence[Tried]]) -> Iterator[str]:
    """Which readers of envelopes were tried, layer by layer, and why those not taken were not; equal layers once."""
    from textwrap import wrap

    from ztflow.read.unwrap.proposals import TAKEN
    from ztflow.text.escapes import visible

    for layer in dict.fromkeys(map(tuple, layers)):
        taken = [one for one in layer if one.verdict == TAKEN]
        yield visible(f"envelope   {taken[0].name}: {taken[0].shape}") if taken else "envelope   none that is known"
        refused: dict[str, dict[str, None]] = {}
        for one in layer:
            if one.name not in {other.name for other in taken}:
                refused.setdefault(one.verdict, {})[one.name] = None
        for verdict, names in refused.items():
            yield from wrap(f"{verdict}: {', '.join(names)}", 100, initial_indent=" " * 11, subsequent_indent=" " * 13)


def _written_by(origin: Origin) -> list[str]:
    from ztflow.text.escapes import visible

    known = [
        f"{name} {visible(value)}"
        for name, value in (("pod", origin.pod), ("namespace", origin.namespace), ("node", origin.node))
        if value is not None
    ]
    return [f"written by {', '.join(known)}"] if known else []
