"""The option groups commands share, and how a command function takes them.

A group is a dataclass: its fields are the options, its instance is what the command gets. `takes` gives Typer a flat
signature and the command its groups.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from enum import StrEnum
from typing import Annotated, Any, get_type_hints

import typer

from ztflow.cli.argv import EXCLUDED
from ztflow.filters import (
    DIRECTIONS,
    VERDICTS,
    ExpressionCondition,
    Filter,
    end_condition,
    word_condition,
)
from ztflow.filters.grid import VALUE_HELP, VALUE_NAME, Kind, Side
from ztflow.model.schema import Column

READING, FILTERS, OUTPUT, TALK = "Reading", "Filters", "Output", "Messages"
"""Headings of the help page."""


class Color(StrEnum):
    """When to use colour."""

    AUTO = "auto"
    ALWAYS = "always"
    NEVER = "never"


class Stats(StrEnum):
    """How to print the counts."""

    TEXT = "text"
    JSON = "json"


@dataclass(frozen=True, kw_only=True, slots=True)
class Inputs:
    """What to read."""

    inputs: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="INPUT",
            help="Files, directories, globs; - is standard input and the default when something is piped in. "
            "Compressed files are recognised by content.",
            show_default=False,
        ),
    ] = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Reading:
    """How to read it."""

    inventory: Annotated[
        list[str] | None,
        typer.Option(
            "--inventory",
            metavar="FILE",
            help="kubectl get pods -o wide|json, nodes, istioctl ztunnel-config, config_dump: says which pod and node "
            "an address is. Repeatable.",
            rich_help_panel=READING,
        ),
    ] = None
    wrapper: Annotated[
        str | None,
        typer.Option(
            "--wrapper",
            metavar="NAME",
            help="What stands around each line (stern, cri, …), where it is not recognised by itself.",
            rich_help_panel=READING,
        ),
    ] = None
    since: Annotated[
        str | None,
        typer.Option(
            "--since",
            metavar="TIME",
            help="Leave out what ended before: 2024-06-16T12:48:51Z, or 5m, 2h back from the last time in the log "
            "(with --follow: from now).",
            rich_help_panel=READING,
        ),
    ] = None
    until: Annotated[
        str | None,
        typer.Option("--until", metavar="TIME", help="Leave out what ended after.", rich_help_panel=READING),
    ] = None
    follow: Annotated[
        bool,
        typer.Option("--follow", "-f", help="Keep reading as the input grows; Ctrl-C ends.", rich_help_panel=READING),
    ] = False
    window: Annotated[
        str | None,
        typer.Option(
            "--window",
            metavar="DURATION",
            help="With --follow: how long to wait for the other half of a connection, in log time.",
            rich_help_panel=READING,
        ),
    ] = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Talk:
    """What to say besides the answer, and how to end."""

    color: Annotated[
        Color,
        typer.Option(
            "--color",
            metavar="auto|always|never",
            help="Colour; auto is on for a terminal unless NO_COLOR is set.",
            rich_help_panel=TALK,
        ),
    ] = Color.AUTO
    stats: Annotated[
        Stats | None,
        typer.Option(
            "--stats",
            metavar="[=json]",
            help="Print what became of every line on stderr at the end; --stats=json as one JSON object.",
            rich_help_panel=TALK,
        ),
    ] = None
    strict: Annotated[
        bool,
        typer.Option("--strict", help="Exit 1 when an access line could not be read.", rich_help_panel=TALK),
    ] = False
    debug: Annotated[
        bool, typer.Option("--debug", help="Show a traceback when something breaks.", rich_help_panel=TALK)
    ] = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Rows:
    """How many rows to keep."""

    first: Annotated[
        int | None,
        typer.Option("--first", metavar="N", min=0, help="Only the first N, after filters.", rich_help_panel=FILTERS),
    ] = None
    last: Annotated[
        int | None,
        typer.Option("--last", metavar="N", min=0, help="Only the last N, after filters.", rich_help_panel=FILTERS),
    ] = None


@dataclass(frozen=True, kw_only=True, slots=True)
class TableOutput:
    """How to print rows, and where."""

    format: Annotated[
        str | None,
        typer.Option(
            "--format",
            "-o",
            metavar="FORMAT",
            help="table (fits the terminal; the default), wide, jsonl, csv, parquet.",
            rich_help_panel=OUTPUT,
        ),
    ] = None
    output: Annotated[
        str | None,
        typer.Option(
            "--output",
            metavar="FILE",
            help="Write to a file instead of stdout; its suffix says the format where -o does not.",
            rich_help_panel=OUTPUT,
        ),
    ] = None


@dataclass(frozen=True, kw_only=True, slots=True)
class ReportOutput:
    """How to print a report, and where."""

    format: Annotated[
        str | None,
        typer.Option(
            "--format",
            "-o",
            metavar="FORMAT",
            help="table (the default), json, markdown, html.",
            rich_help_panel=OUTPUT,
        ),
    ] = None
    output: Annotated[
        str | None,
        typer.Option(
            "--output",
            metavar="FILE",
            help="Write to a file instead of stdout; its suffix says the format where -o does not.",
            rich_help_panel=OUTPUT,
        ),
    ] = None
    rows: Annotated[
        int | None,
        typer.Option(
            "--rows",
            metavar="N",
            min=0,
            help="Rows of each table; 0 is all. JSON always has all.",
            rich_help_panel=OUTPUT,
        ),
    ] = None
    exit_code: Annotated[
        bool,
        typer.Option("--exit-code", help="Exit 1 when there is something to act on.", rich_help_panel=OUTPUT),
    ] = False


def grid_options() -> Iterable[tuple[str, Side, Kind]]:
    """Every option of the filter grid: its name, the end it is about, what it compares."""
    for kind in Kind:
        for side in Side:
            yield f"--{kind}" if side is Side.EITHER else f"--{side}-{kind}", side, kind


def _field(option: str) -> str:
    return option.strip("-").replace("-", "_")


class Grid:
    """The filter grid over both ends, verdict, direction and expressions, as it was typed."""

    def __init__(self, values: Mapping[str, Sequence[str]]) -> None:
        """Keep the values by field name; a value begins with `EXCLUDED` where `--not` stood before its option."""
        self._values = values

    def _given(self, name: str) -> Iterable[tuple[bool, tuple[str, ...]]]:
        """The values that are wanted together, then those that are not."""
        values = self._values.get(name, ())
        kept = tuple(value for value in values if not value.startswith(EXCLUDED))
        removed = tuple(value.removeprefix(EXCLUDED) for value in values if value.startswith(EXCLUDED))
        return [(exclude, some) for exclude, some in ((False, kept), (True, removed)) if some]

    def filter(self, columns: Sequence[Column]) -> Filter:
        """The filter that was asked for, for a table of these columns.

        Raises:
            UsageError: If a value means nothing.
        """
        ends = [
            end_condition(side, kind, values, exclude=exclude)
            for option, side, kind in grid_options()
            for exclude, values in self._given(_field(option))
        ]
        words = [
            word_condition(name, values, exclude=exclude)
            for name in ("direction", "verdict")
            for exclude, values in self._given(name)
        ]
        expressions = []
        for exclude, texts in self._given("filter"):
            from ztflow.filters.expression import parse_expression

            expressions += [ExpressionCondition(parse_expression(text, columns), exclude) for text in texts]
        return Filter(tuple(ends), tuple(words), tuple(expressions))

    @classmethod
    def options(cls) -> list[tuple[str, Any, Any]]:
        """Name, annotation and default of every option."""
        made: list[tuple[str, Any, Any]] = []
        for option, side, kind in grid_options():
            where = {Side.FROM: "the source", Side.TO: "the destination", Side.EITHER: "either end"}[side]
            what = "IP" if kind is Kind.IP else kind.capitalize()
            info = typer.Option(
                option, metavar=VALUE_NAME[kind], help=f"{what} of {where}: {VALUE_HELP[kind]}", rich_help_panel=FILTERS
            )
            made.append((_field(option), Annotated[list[str] | None, info], None))
        for name, words in (("direction", DIRECTIONS), ("verdict", VERDICTS)):
            info = typer.Option(
                f"--{name}", metavar="WORD", help=f"One of {', '.join(words)}.", rich_help_panel=FILTERS
            )
            made.append((name, Annotated[list[str] | None, info], None))
        info = typer.Option(
            "--filter",
            metavar="EXPR",
            help="A condition on columns: 'duration_ms > 1s and dst_namespace != shop'.",
            rich_help_panel=FILTERS,
        )
        made.append(("filter", Annotated[list[str] | None, info], None))
        info = typer.Option("--not", help="Turn round the filter that follows.", rich_help_panel=FILTERS)
        made.append(("turned", Annotated[bool, info], False))
        return made

    @classmethod
    def made(cls, values: dict[str, Any]) -> Grid:
        """The group of what Typer read."""
        return cls({name: given for name, given in values.items() if given and name != "turned"})


FILTER_OPTIONS = frozenset([option for option, _, _ in grid_options()] + ["--direction", "--verdict", "--filter"])
"""Options `--not` may stand before."""


def _options(group: Any) -> list[tuple[str, Any, Any]]:
    if not is_dataclass(group):
        made: list[tuple[str, Any, Any]] = group.options()
        return made
    hints = get_type_hints(group, include_extras=True)
    return [(field.name, hints[field.name], field.default) for field in fields(group)]


def takes(*groups: type) -> Callable[[Callable[..., int]], Callable[..., int]]:
    """Give a command the options of some groups.

    The command's parameters that are annotated with a group get an instance of it; its other parameters are options
    of its own. Typer sees one flat function.
    """

    def decorate(command: Callable[..., int]) -> Callable[..., int]:
        hints = get_type_hints(command, include_extras=True)
        flattened: list[inspect.Parameter] = []
        names: dict[str, list[str]] = {}

        def add(name: str, annotation: Any, default: Any) -> None:
            keyword = inspect.Parameter.KEYWORD_ONLY
            flattened.append(inspect.Parameter(name, keyword, default=default, annotation=annotation))

        for parameter in inspect.signature(command).parameters.values():
            kind = hints[parameter.name]
            if kind in groups:
                options = _options(kind)
                names[parameter.name] = [name for name, _, _ in options]
                for option in options:
                    add(*option)
            else:
                add(parameter.name, kind, parameter.default)

        def flat(**values: Any) -> int:
            arguments: dict[str, Any] = {}
            for name, members in names.items():
                given = {member: values.pop(member) for member in members}
                kind: Any = hints[name]
                arguments[name] = kind.made(given) if hasattr(kind, "made") else kind(**given)
            return command(**arguments, **values)

        flat.__name__ = command.__name__
        flat.__doc__ = command.__doc__
        flat.__module__ = command.__module__
        flat.__signature__ = inspect.Signature(flattened, return_annotation=int)  # type: ignore[attr-defined]
        flat.__annotations__ = {parameter.name: parameter.annotation for parameter in flattened} | {"return": int}
        return flat

    return decorate
