"""`ztflow explain`: how a line was read, or why it could not be."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from ztflow.cli.options import Talk, argument, message_options
from ztflow.cli.run import Run, run_command

if TYPE_CHECKING:
    from ztflow.model.provenance import Origin
    from ztflow.parse.explanation import Explanation


@argument(
    "line", nargs=-1, metavar="[LINE]...",
    about="The log line, in quotes. Use - to read lines from standard input, the default when input is piped in.",
)  # fmt: skip
@message_options
def explain(line: Sequence[str], talk: Talk) -> int:
    """Show how a log line is parsed, field by field, or why it is not."""

    def body(run: Run) -> None:
        from ztflow.cli.destinations import destination

        given = run.sources(line)
        texts = _piped() if given == ["-"] else iter([" ".join(given)])
        with destination(None) as stream:
            between = b""
            for text in texts:
                for origin, explanation in _explained(text):
                    run.findings |= talk.strict and explanation.error is not None
                    shown = "\n".join([*_written_by(origin), explanation.to_text()])
                    stream.write(between + shown.encode(errors="backslashreplace") + b"\n")
                    between = b"\n"

    return run_command(talk, body)


def _piped() -> Iterator[str]:
    import sys

    from ztflow.errors import SourceError

    if sys.stdin is None:
        raise SourceError("-", "standard input is closed")
    for line in sys.stdin.buffer:
        text = line.decode(errors="replace").rstrip("\r\n")
        if text.strip():
            yield text


def _explained(text: str) -> Iterator[tuple[Origin, Explanation]]:
    """Each record of a physical line, wrappers off; where damage had to be undone, the reading after that."""
    from ztflow.parse import explain as explain_text
    from ztflow.read.framing.repair import mended
    from ztflow.read.unwrap import Unwrapper

    unwrapper = Unwrapper()
    for piece in (*unwrapper.line(text, 1), *unwrapper.finish()):
        first = explain_text(piece.text)
        better = (explain_text(other) for other in mended(piece.text))
        found = first if first.record else next((other for other in better if other.record is not None), first)
        yield piece.origin, found


def _written_by(origin: Origin) -> list[str]:
    from ztflow.text.escapes import visible

    known = [
        f"{name} {visible(value)}"
        for name, value in (("pod", origin.pod), ("namespace", origin.namespace), ("node", origin.node))
        if value is not None
    ]
    return [f"written by {', '.join(known)}"] if known else []
