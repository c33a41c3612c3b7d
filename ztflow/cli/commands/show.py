"""`ztflow show`: one flow with all that is known about it, and its log lines."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from ztflow.cli.options import (
    OUTPUT,
    Reading,
    Talk,
    Word,
    argument,
    message_options,
    option,
    output_option,
    whole_reading_options,
)
from ztflow.cli.run import Run, run_command

if TYPE_CHECKING:
    from ztflow.model.objects import Flow
    from ztflow.model.tables import Flows

SHOW_FORMATS = ("text", "json")


@argument(
    "words", nargs=-1, metavar="FLOW... [INPUT]...", file=True,
    about="FLOW: FILE:LINE of one of its log lines, as --columns id and -o wide give it. INPUT: the logs that may have "
    "its other line; without any, only the files of the flows are read.",
)  # fmt: skip
@option(OUTPUT, "--format", "-o", metavar="FORMAT", type=Word(SHOW_FORMATS), default="text",
        help="text (the default) or json, an object a line.")  # fmt: skip
@output_option
@whole_reading_options
@message_options
def show(words: Sequence[str], format: str, output: str | None, reading: Reading, talk: Talk) -> int:  # noqa: A002
    """One flow: its fields, both halves, evidence, log lines."""

    def body(run: Run) -> None:
        from ztflow.cli.destinations import check_destination, destination
        from ztflow.cli.raw_rows import kept_stdin
        from ztflow.cli.reading import Reader
        from ztflow.read.raw_lines import raw_lines, text_of

        places, inputs = _told_apart(words)
        sources = run.sources([*inputs, *_not_among(places, inputs)])
        check_destination(format, output, sources, reading.inventory)
        with kept_stdin(sources) as standing_for:
            flows = Reader(run, reading).all_flows(sources)
            if not run.answers():
                return
            found = [flow for place in _as_named(places, flows) for flow in _at(place, flows)]
            wanted = [place for flow in found for place in _sides(flow).values()]
            lines = {place: text_of(line) for place, line in raw_lines(wanted, standing_for).items()}
        raw = [{side: lines[place] for side, place in _sides(flow).items()} for flow in found]
        shown = [
            _json(flow, texts) if format == "json" else _text(flow, texts)
            for flow, texts in zip(found, raw, strict=True)
        ]
        with destination(output, run.answers) as stream:
            stream.write(("" if format == "json" else "\n").join(shown).encode(errors="backslashreplace"))

    return run_command(talk, body)


def _told_apart(words: Sequence[str]) -> tuple[list[tuple[str, int]], list[str]]:
    from ztflow.errors import UsageError
    from ztflow.read.raw_lines import place_of

    places, inputs = [], []
    for word in words:
        place = place_of(word)
        if place is None:
            inputs.append(word)
        else:
            places.append(place)
    if not places:
        named = f"{words[0]!r} is none" if words else "none is named"
        raise UsageError(f"a flow is named by FILE:LINE of one of its log lines, and {named}; "
                         "ztflow flows --columns id,src_name,dst_name INPUT… lists them")  # fmt: skip
    return places, inputs


def _not_among(places: Sequence[tuple[str, int]], inputs: Sequence[str]) -> list[str]:
    """The files of flows that the inputs do not hold."""
    from os.path import realpath

    from ztflow.read.raw_lines import outer_file
    from ztflow.read.sources.files import find_inputs

    held = {
        realpath(one.path) for one in find_inputs([i for i in inputs if i != "-"], on_error=lambda _: None) if one.path
    }
    names = dict.fromkeys("-" if name == "-" else outer_file(name) or name for name, _ in places)
    return [name for name in names if name not in inputs and (name == "-" or realpath(name) not in held)]


def _as_named(places: Sequence[tuple[str, int]], flows: Flows) -> Iterator[str]:
    """The places with their files named as the tables name them: `./a.log` may be `a.log` there."""
    from os.path import realpath

    from ztflow.model.vocabulary import Direction

    names = {
        realpath(name): name
        for side in Direction
        for name in flows[f"{side}_file"].unique().to_pylist() if name is not None
    }  # fmt: skip
    for name, number in places:
        yield f"{names.get(realpath(name), name)}:{number}"


def _at(place: str, flows: Flows) -> list[Flow]:
    rows = flows.all_at(place)
    return [flows[row] for row in rows] if len(rows) > 1 else [flows.at(place)]


def _sides(flow: Flow) -> dict[str, tuple[str, int]]:
    from ztflow.model.vocabulary import Direction

    held = {
        Direction.OUTBOUND.value: (flow.outbound_file, flow.outbound_line),
        Direction.INBOUND.value: (flow.inbound_file, flow.inbound_line),
    }
    return {side: (file, line) for side, (file, line) in held.items() if file is not None and line is not None}


def _text(flow: Flow, raw: dict[str, str]) -> str:
    from ztflow.cli.flow_text import flow_lines

    return "".join(line + "\n" for line in flow_lines(flow, raw))


def _json(flow: Flow, raw: dict[str, str]) -> str:
    from ztflow.text.format import json_text

    lines = [
        {"side": side, "file": file, "line": line, "text": raw[side]} for side, (file, line) in _sides(flow).items()
    ]
    return json_text({"id": flow.id, **flow.model_dump(mode="json"), "lines": lines}) + "\n"
