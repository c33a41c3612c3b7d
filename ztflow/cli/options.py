"""The options commands share: each group of options is a decorator, and the command gets its values as one object.

What Click has no word for is here too: options under headings of the help page, arguments with a help text, words out
of a closed list with "did you mean".
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from enum import StrEnum
from functools import wraps
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import click

from ztflow.filters.grid import VALUE_HELP, VALUE_NAME, Kind, Side
from ztflow.model.vocabulary import Direction, GraphLevel, Verdict
from ztflow.text.nearest import nearest

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

    from ztflow.filters import Filter
    from ztflow.model.schema import Column

READING, FILTERS, OUTPUT, MESSAGES = "Reading", "Filters", "Output", "Messages"
"""Headings of the help page."""

GRAPH_LEVELS = tuple(GraphLevel)
"""What `--by` takes."""
ALIKE = 0.7
"""How alike a command or an option's word has to be to one there is to be taken for it."""

REPORT_FORMATS = ("table", "json", "markdown", "html", "csv", "jsonl")
"""What `-o` takes for a report. A test compares these three lists with those of the rooms, which load Arrow."""

EXCLUDED = "\0"
"""Put before the value of a filter that follows `--not`. No argument of a process can hold this character."""

Command: TypeAlias = Callable[..., int]
Decorator: TypeAlias = Callable[[Command], Command]


class Color(StrEnum):
    """When to use colour."""

    AUTO = "auto"
    ALWAYS = "always"
    NEVER = "never"


class Stats(StrEnum):
    """How to print the counts."""

    TEXT = "text"
    JSON = "json"


class Option(click.Option):
    """An option under a heading of the help page."""

    def __init__(self, *args: Any, heading: str, **rest: Any) -> None:
        super().__init__(*args, **rest)
        self.heading = heading


class Argument(click.Argument):
    """An argument with a text for the help page; Click's own `help` comes with 8.5, under a heading of its own."""

    def __init__(self, *args: Any, about: str, **rest: Any) -> None:
        super().__init__(*args, **rest)
        self.about = about


class Word(click.ParamType):  # type: ignore[type-arg]  # generic from Click 8.4 on; 8.2 is allowed
    """One word of a closed list. Like `click.Choice`, but it suggests the word that was meant.

    Args:
        words: The list, or what gives it when it is needed: a list that is expensive to import. An enum's words are
            handed to the command as its members.
    """

    name = "word"

    def __init__(self, words: Iterable[str] | Callable[[], Iterable[str]]) -> None:
        self._words = words
        self._make: Callable[[str], str] = words if isinstance(words, type) and issubclass(words, StrEnum) else str

    def words(self) -> list[str]:
        """The list."""
        return [str(word) for word in (self._words if isinstance(self._words, Iterable) else self._words())]

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The word, or a complaint."""
        mark, word = (EXCLUDED, value[1:]) if value.startswith(EXCLUDED) else ("", value)
        words = self.words()
        if word not in words:
            self.fail(f"{word!r} is not one of {', '.join(words)}{did_you_mean(word, words)}", param, ctx)
        return mark + word if mark else self._make(word)

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        """The words that begin like this."""
        from click.shell_completion import CompletionItem

        del ctx, param
        return [CompletionItem(word) for word in self.words() if word.startswith(incomplete)]


def did_you_mean(word: str, words: Iterable[str]) -> str:
    """`. Did you mean 'node'?` where one of the words is near, else nothing."""
    near = nearest(word, words, ALIKE)
    return f". Did you mean {near!r}?" if near else ""


def _files(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Have the shell complete file names."""
    from click.shell_completion import CompletionItem

    return [CompletionItem(incomplete, type="file")]


_LATER = "parameters"
"""Where a command's function keeps what makes its parameters."""


def later(decorator: Callable[[Any], Any]) -> Decorator:
    """A decorator that notes one of Click's, which makes a parameter, for `parameters`."""

    def decorate(command: Command) -> Command:
        command.__dict__.setdefault(_LATER, []).append(decorator)
        return command

    return decorate


def parameters(command: Command) -> list[click.Parameter]:
    """Makes the parameters of a command; all commands have some 600, and a run needs those of one, or none."""

    def holder() -> None:
        """Click keeps parameters with a function."""

    for decorator in command.__dict__[_LATER]:
        decorator(holder)
    made: list[click.Parameter] = holder.__dict__["__click_params__"]
    return made[::-1]


def option(heading: str, *names: str, file: bool = False, **rest: Any) -> Decorator:
    """Give a command an option.

    Args:
        heading: Where it is on the help page.
        names: How it is written, the long form first.
        file: Whether its value is a file, so that the shell can complete it.
        rest: As for `click.option`.
    """
    return later(click.option(*names, cls=Option, heading=heading, shell_complete=_files if file else None, **rest))


def argument(name: str, *, metavar: str, about: str, file: bool = False, **rest: Any) -> Decorator:
    """Give a command an argument; `file` as for `option`."""
    complete = _files if file else None
    return later(click.argument(name, cls=Argument, metavar=metavar, about=about, shell_complete=complete, **rest))


def names_listed(_ctx: click.Context, _param: click.Parameter, given: Sequence[str]) -> tuple[str, ...]:
    """Names, several at once with commas between them, however often the option was given."""
    return tuple(name.strip() for text in given for name in text.split(",") if name.strip())


def _group(name: str, members: Sequence[str], make: Callable[..., object], *options: Decorator) -> Decorator:
    """A decorator that gives a command these options and hands over the values of `members` as `name`."""

    def decorate(command: Command) -> Command:
        @wraps(command)
        def gathered(**values: Any) -> int:
            group = make(**{member: values.pop(member) for member in members})
            return command(**values, **{name: group})

        for one in reversed(options):
            one(gathered)
        return gathered

    return decorate


def group_of(name: str, kind: type[NamedTuple], *options: Decorator) -> Decorator:
    """A decorator that gives a command these options and hands over their values as one object of a class."""
    return _group(name, kind._fields, kind, *options)


input_arguments = argument(
    "inputs", nargs=-1, metavar="[INPUT]...", file=True,
    about="Files, directories or globs. Use - for standard input, the default when input is piped in. Compression is "
    "detected from the content.",
)  # fmt: skip


class Reading(NamedTuple):
    """How to read the inputs."""

    inventory: Sequence[str] = ()
    wrapper: str | None = None
    since: str | None = None
    until: str | None = None
    follow: bool = False
    window: str | None = None
    memory: str | None = None
    engine: str | None = None
    scheduler: str | None = None


def _wrappers() -> Iterable[str]:
    from ztflow.read.unwrap.registry import ALIASES, WRAPPERS

    return (*WRAPPERS, *sorted(ALIASES))


_READING = (
    option(READING, "--inventory", metavar="FILE", multiple=True, file=True,
           help="Output of kubectl get pods -o wide|json, kubectl get nodes or istioctl ztunnel-config, or a "
           "config_dump, or a folder or archive with such files: tells which pod and node an address belongs to. "
           "Repeatable. Without it, those found beside the logs in a folder or archive are used; none uses none."),
    option(READING, "--wrapper", metavar="NAME", type=Word(_wrappers),
           help="Format the log lines are wrapped in (stern, cri, …); detected automatically by default."),
    option(READING, "--since", metavar="TIME",
           help="Leave out what ended before this time: 2024-06-16T12:48:51Z, or 5m, 2h before the last time in the "
           "log (with --follow: before now)."),
    option(READING, "--until", metavar="TIME", help="Leave out what ended after this time."),
    option(READING, "--follow", "-f", is_flag=True, help="Keep reading as the input grows, until Ctrl-C."),
    option(READING, "--window", metavar="DURATION",
           help="With --follow: how long to wait for the other log line of a connection, in log time."),
    option(READING, "--memory", metavar="SIZE",
           help="Use no more memory than this (1GiB, 600MiB, 2G; 768MiB unless given); what does not fit waits on "
           "disk, in TMPDIR."),
    option(READING, "--engine", metavar="NAME", type=Word(lambda: ["dask"]),
           help="Have workers read: dask. Inputs may then be addresses (s3://BUCKET/PATH), and --memory is that of a "
           "worker. Flows and access lines are the same."),
    option(READING, "--scheduler", metavar="ADDRESS",
           help="With --engine dask: the scheduler of a cluster (tcp://HOST:8786); workers on this machine unless "
           "given."),
)  # fmt: skip

reading_options = group_of("reading", Reading, *_READING)

whole_reading_options = _group("reading", ["inventory", "wrapper", "since", "until"], Reading, *_READING[:4])
"""For a command that needs the end of its inputs and cannot follow them."""


class Waypoints(NamedTuple):
    """Logs of waypoints to join."""

    waypoint: Sequence[str] = ()
    envoy_format: str | None = None


waypoint_options = group_of(
    "waypoints",
    Waypoints,
    option(READING, "--waypoint", metavar="FILE", multiple=True, file=True,
           help="Access log of a waypoint (Envoy): its requests are joined to the connections, and report waypoints "
           "shows them. Repeatable; lines of it among the inputs are found by themselves."),
    option(READING, "--envoy-format", metavar="FORMAT",
           help="How the lines of --waypoint are written, if not as Istio sets it: Envoy's format string, or a JSON "
           "object of key to format string."),
)  # fmt: skip


class Talk(NamedTuple):
    """What to say besides the answer, and how to end."""

    color: Color = Color.AUTO
    stats: Stats | None = None
    strict: bool = False
    debug: bool = False


help_option = later(click.help_option("-h", "--help", cls=Option, heading=MESSAGES, help="Print this page."))

message_options = group_of(
    "talk",
    Talk,
    option(MESSAGES, "--color", metavar="auto|always|never", type=Word(Color), default=Color.AUTO,
           help="Use colour. auto: only on a terminal, and not if NO_COLOR is set."),
    option(MESSAGES, "--stats", metavar="[=json]", type=Word(Stats),
           help="At the end, print on stderr how many lines were parsed, skipped or broken; --stats=json prints one "
           "JSON object."),
    option(MESSAGES, "--strict", is_flag=True, help="Exit with code 1 if an access line could not be parsed."),
    option(MESSAGES, "--debug", is_flag=True, help="Show a traceback when ztflow itself fails."),
    help_option,
)  # fmt: skip


class Rows(NamedTuple):
    """How many rows to keep."""

    first: int | None = None
    last: int | None = None


COUNT = click.IntRange(min=0)
COUNT.name = "number"  # as complaints call it

limit_options = group_of(
    "rows",
    Rows,
    option(FILTERS, "--first", metavar="N", type=COUNT, help="Keep only the first N rows that pass the filters."),
    option(FILTERS, "--last", metavar="N", type=COUNT, help="Keep only the last N rows that pass the filters."),
)

output_option = option(
    OUTPUT, "--output", metavar="FILE", file=True,
    help="Write to a file instead of stdout. Without -o, its suffix sets the format.",
)  # fmt: skip


def grid_options() -> Iterable[tuple[str, Side, Kind]]:
    """Every option of the filter grid: its name, the end it is about, what it compares."""
    for kind in Kind:
        for side in Side:
            yield f"--{kind}" if side is Side.EITHER else f"--{side}-{kind}", side, kind


def _field(name: str) -> str:
    return name.strip("-").replace("-", "_")


class Grid:
    """The filter grid over both ends, verdict, direction and expressions, as it was typed."""

    def __init__(self, values: Mapping[str, Sequence[str]]) -> None:
        """Keep the values by field name; a value begins with `EXCLUDED` where its option followed `--not`."""
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
            UsageError: If a value is invalid.
        """
        from ztflow.filters import ExpressionCondition, Filter
        from ztflow.filters.conditions import end_condition, word_condition

        ends = [
            end_condition(side, kind, values, exclude=exclude)
            for name, side, kind in grid_options()
            for exclude, values in self._given(_field(name))
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


FILTER_OPTIONS = (*(name for name, _, _ in grid_options()), "--direction", "--verdict", "--filter")
"""Options `--not` may go before."""

_END = {Side.FROM: "the source", Side.TO: "the destination", Side.EITHER: "either end"}


def _not_alone(_ctx: click.Context, _param: click.Parameter, value: bool) -> None:
    """Refuse a `--not` that is left over: one before a filter never gets here (`app.spelled_out`)."""
    if value:
        raise click.UsageError("--not goes before a filter, as in --not --from-pod NAME")


filter_options = _group(
    "grid",
    [_field(name) for name in FILTER_OPTIONS],
    lambda **values: Grid({name: given for name, given in values.items() if given}),
    *(
        option(FILTERS, name, metavar=VALUE_NAME[kind], multiple=True,
               help=f"{'IP' if kind is Kind.IP else kind.capitalize()} of {_END[side]}: {VALUE_HELP[kind]}")
        for name, side, kind in grid_options()
    ),
    *(
        option(FILTERS, f"--{name}", metavar="WORD", multiple=True, type=Word(words),
               help=f"One of {', '.join(words)}.")
        for name, words in (("direction", tuple(Direction)), ("verdict", tuple(Verdict)))
    ),
    option(FILTERS, "--filter", metavar="EXPR", multiple=True,
           help="A condition on columns, such as 'duration_ms > 1s and dst_namespace != shop'."),
    option(FILTERS, "--not", is_flag=True, expose_value=False, callback=_not_alone,
           help="Negate the filter option that follows."),
)  # fmt: skip
