"""Help pages without Rich: drawing them with it costs more than everything else `--help` does.

`rows_of` is the one list of options per heading; the help page and `docs/reference/cli.md` are made from it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from typer.core import TyperCommand, TyperGroup

from ztflow.cli.options import FILTERS, OUTPUT, READING, TALK
from ztflow.filters.grid import VALUE_HELP, VALUE_NAME, Kind

WIDTH = 100
"""Widest help page."""

HELP_ROW = ("-h, --help", "Print this page.")

HEADINGS = (OUTPUT, READING, FILTERS, TALK)


def _grid_rows(names: set[str]) -> list[tuple[str, str]]:
    """The grid in one row a kind instead of three."""
    return [
        (f"--from-{kind}, --to-{kind}, --{kind} {VALUE_NAME[kind]}", VALUE_HELP[kind]) for kind in Kind if kind in names
    ]


def rows_of(params: Sequence[Any]) -> dict[str, list[tuple[str, str]]]:
    """Heading → (how it is written, what it does) of every option; arguments stand under an empty heading.

    Args:
        params: The parameters of a command, as Typer made them.
    """
    names = {param.name for param in params}
    grid = {str(kind) for kind in Kind} & names
    hidden = {f"{side}_{kind}" for kind in grid for side in ("from", "to")} | grid
    rows: dict[str, list[tuple[str, str]]] = {}
    if grid:
        rows[FILTERS] = _grid_rows(grid)
    for param in params:
        if param.name in hidden or "--help" in param.opts:
            continue
        if param.param_type_name == "argument":
            rows.setdefault("", []).append((param.metavar or param.name.upper(), param.help or ""))
            continue
        heading = getattr(param, "rich_help_panel", None) or TALK
        rows.setdefault(heading, []).append((_written(param), param.help or ""))
    return rows


def usage_of(params: Sequence[Any]) -> list[str]:
    """How the arguments of a command are written."""
    arguments = [param for param in params if param.param_type_name == "argument"]
    return [param.metavar if param.required else f"[{param.metavar}]..." for param in arguments]


def _written(param: Any) -> str:
    short = [name for name in param.opts if not name.startswith("--")]
    names = ", ".join(short + [name for name in param.opts if name.startswith("--")])
    if param.is_flag:
        return names
    metavar = param.metavar or ""
    return f"{names}{metavar}" if metavar.startswith("[=") else f"{names} {metavar}".strip()


class PlainCommand(TyperCommand):
    """A command whose help page has headings."""

    def format_usage(self, ctx: Any, formatter: Any) -> None:
        """Write how to call it."""
        formatter.write_usage(ctx.command_path, " ".join(["[OPTIONS]", *usage_of(self.params)]))

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write the options under their headings."""
        rows = rows_of(self.get_params(ctx))
        for heading in ("", *HEADINGS):
            if heading in rows:
                with formatter.section(heading or "Arguments"):
                    formatter.write_dl(rows[heading] + [HELP_ROW] * (heading == TALK))


class PlainGroup(TyperGroup):
    """The program: its help page lists the commands in the order they were added."""

    def format_usage(self, ctx: Any, formatter: Any) -> None:
        """Write how to call it."""
        formatter.write_usage(ctx.command_path, "[COMMAND] [OPTIONS] [INPUT]...")

    def list_commands(self, ctx: Any) -> list[str]:
        """Names in the order they were added."""
        del ctx
        return list(self.commands)

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write the commands, then the options."""
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl([(name, command.get_short_help_str(80)) for name, command in self.commands.items()])
        with formatter.section("Options"):
            formatter.write_dl([("--version", "Print the version."), HELP_ROW])
