"""The program: every command under its name, the default command, and the help pages.

Importing it loads Click and nothing heavy. What Click has no word for is here: headings on a help page, a first word
that is no command and so an input of the default command, `--not`, and `--stats` with or without a value.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, MutableMapping, Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any, cast

import click

from ztflow.cli.help_page import help_rows
from ztflow.cli.options import (
    ALIKE,
    EXCLUDED,
    FILTER_OPTIONS,
    MESSAGES,
    Argument,
    Option,
    parameters,
)
from ztflow.text.nearest import nearest
from ztflow.text.patterns import lazy_pattern
from ztflow.version import __version__

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

DEFAULT_COMMAND = "summary"

HELP_WIDTH = 100
"""Widest help page."""

_WORD = lazy_pattern(r"[A-Za-z]+(-[A-Za-z]+)*")
"""What looks like a command and not like a file."""


def spelled_out(words: Sequence[str]) -> list[str]:
    """The words of a command as Click can read them.

    `--stats` becomes `--stats=text`, for Click would take the next word as its value. `--not --pod x` becomes
    `--pod=x` with `EXCLUDED` before the x; a `--not` anywhere else stays, and its option refuses it.
    """
    spelled: list[str] = []
    for place, word in enumerate(words):
        if word == "--":
            return [*spelled, *words[place:]]
        name, equals, value = word.partition("=")
        if spelled[-2:-1] == ["--not"] and spelled[-1] in FILTER_OPTIONS:
            spelled[-2:] = [f"{spelled[-1]}={EXCLUDED}{word}"]
        elif spelled[-1:] == ["--not"] and equals and name in FILTER_OPTIONS:
            spelled[-1:] = [f"{name}={EXCLUDED}{value}"]
        else:
            spelled.append("--stats=text" if word == "--stats" else word)
    return spelled


class Command(click.Command):
    """A command whose help page has headings, and whose parameters are made when they are looked at."""

    def __init__(self, name: str, function: Callable[..., int]) -> None:
        super().__init__(
            name, callback=function, help=function.__doc__, add_help_option=False, context_settings=_CONTEXT
        )
        del self.params

    def __getattr__(self, name: str) -> Any:
        if name != "params" or self.callback is None:
            raise AttributeError(name)
        self.params = parameters(self.callback)
        return self.params

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Read the words."""
        return super().parse_args(ctx, spelled_out(args))

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the options under their headings."""
        for heading, rows in help_rows(self.get_params(ctx)).items():
            with formatter.section(heading):
                formatter.write_dl(rows)


class _Commands(Mapping[str, click.Command]):
    """The commands by name, each loaded when it is asked for."""

    def __init__(self, modules: Mapping[str, str]) -> None:
        """Keep the module of `commands` each is in."""
        self._modules = modules
        self._loaded: dict[str, Command] = {}

    def __getitem__(self, name: str) -> click.Command:
        if name not in self._loaded:
            module = import_module(f"ztflow.cli.commands.{self._modules[name]}")
            self._loaded[name] = Command(name, getattr(module, name))
        return self._loaded[name]

    def __contains__(self, name: object) -> bool:
        return name in self._modules

    def __iter__(self) -> Iterator[str]:
        return iter(self._modules)

    def __len__(self) -> int:
        return len(self._modules)


class Program(click.Group):
    """The commands, and the default one where the first word is none of them; options may come before the command."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Read the words; a shell that completes the first of them has none yet, and is offered the commands."""
        return super().parse_args(ctx, self.command_first(args) if args or not ctx.resilient_parsing else args)

    def command_first(self, words: list[str]) -> list[str]:
        """The words with the command in front, the default one where no command is given.

        Raises:
            click.UsageError: If the first word is neither a file nor a command, but spelled much like one.
        """
        if words[:1] in (["--help"], ["-h"], ["--version"]) or (words and words[0] in self.commands):
            return words
        place = self._first_word(words)
        if place is None:
            return [DEFAULT_COMMAND, *words]
        word = words[place]
        if word in self.commands:
            return [word, *words[:place], *words[place + 1 :]]
        if _WORD.fullmatch(word) and not os.path.lexists(word):
            raise click.UsageError(f"No command and no file is called {word!r}{self._meant(word)}")
        return [DEFAULT_COMMAND, *words]

    def _meant(self, word: str) -> str:
        """What to try instead of a word that is neither a command nor a file."""
        from ztflow.cli.commands.report import REPORT_NAMES

        words = {name: f"report {name}" for name in REPORT_NAMES} | {name: name for name in self.commands}
        near = nearest(word, self.commands, ALIKE) or nearest(word, words, 0.8)
        return f". Did you mean {words[near]!r}?" if near else f"; the commands are {', '.join(self.commands)}"

    def _first_word(self, words: Sequence[str]) -> int | None:
        """Where the first word is that is neither an option nor an option's value."""
        params = (param for command in self.commands.values() for param in command.params)
        options = (param for param in params if isinstance(param, Option) and not param.is_flag)
        valued = {name for option in options for name in option.opts} - {"--stats"}
        skip = False
        for place, word in enumerate(words):
            if skip:
                skip = False
            elif word == "--":
                return None
            elif word.startswith("--"):
                skip = word in valued
            elif word.startswith("-") and word != "-":
                skip = "-" + word[-1] in valued and all("-" + letter not in valued for letter in word[1:-1])
            else:
                return place
        return None

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names in the order they were added."""
        del ctx
        return list(self.commands)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the commands, then the options."""
        self.format_commands(ctx, formatter)
        click.Command.format_options(self, ctx, formatter)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Commands, and what the default one takes where no command begins like this."""
        found = super().shell_complete(ctx, incomplete)
        if found and not incomplete.startswith("-"):
            return found
        default = self.commands[DEFAULT_COMMAND]
        takers = [default] if incomplete.startswith("-") else [p for p in default.params if isinstance(p, Argument)]
        return found + [item for taker in takers for item in taker.shell_complete(ctx, incomplete)]


_CONTEXT = {"max_content_width": HELP_WIDTH}

_COMMANDS = (
    "summary", "records", "flows", "show", "top", "graph", "plot", "page", "report", "diff", "advise", "check",
    "explain", "simulate", "warmup", "completion", "man",
)  # fmt: skip
"""The commands, in the order of the help page."""

_MODULES = {"records": "rows", "flows": "rows"}
"""The module of `commands` a command is in, where it is not called like the command."""

program = Program(
    "ztflow",
    commands=cast(
        "MutableMapping[str, click.Command]", _Commands({name: _MODULES.get(name, name) for name in _COMMANDS})
    ),
    help="""Read Istio ambient's ztunnel access log as traffic flows: who talks to whom, from which node to which.

    Without a command: a summary.

    \b
      stern -n istio-system ztunnel -o json | ztflow
      ztflow flows ztunnel-*.log --inventory pods.txt --to-namespace shop
      ztflow COMMAND --help""",
    options_metavar="[COMMAND] [OPTIONS]",
    subcommand_metavar="[INPUT]...",
    add_help_option=False,
    context_settings=_CONTEXT,
)
click.version_option(__version__, message="ztflow %(version)s", help="Print the version.")(program)
click.help_option("-h", "--help", cls=Option, heading=MESSAGES, help="Print this page.")(program)
