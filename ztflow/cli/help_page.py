"""What a help page says: options and arguments under headings, for `--help`, the manual page and the docs."""

from __future__ import annotations

from collections.abc import Sequence

import click

from ztflow.cli.options import FILTERS, MESSAGES, OUTPUT, READING, Argument, Option
from ztflow.filters.grid import VALUE_HELP, VALUE_NAME, Kind

HEADINGS = ("Arguments", OUTPUT, READING, FILTERS, MESSAGES)


def help_rows(params: Sequence[click.Parameter]) -> dict[str, list[tuple[str, str]]]:
    """Heading → (how it is written, what it does) of every option and argument; the filter grid in one row a kind."""
    names = {param.name for param in params}
    grid = [kind for kind in Kind if kind in names]
    rows = {heading: list[tuple[str, str]]() for heading in HEADINGS}
    rows[FILTERS] = [(f"--from-{kind}, --to-{kind}, --{kind} {VALUE_NAME[kind]}", VALUE_HELP[kind]) for kind in grid]
    for param in params:
        if isinstance(param, Argument):
            rows["Arguments"].append(((param.metavar or "").strip("[]."), param.about))
        elif isinstance(param, Option) and str(param.name).rpartition("_")[2] not in grid:
            rows[param.heading].append((_written(param), param.help or ""))
    return {heading: found for heading, found in rows.items() if found}


def _written(option: Option) -> str:
    """`-o, --format FORMAT`, the short form first."""
    names = ", ".join(sorted(option.opts, key=lambda name: name.startswith("--")))
    between = "" if option.metavar is None or option.metavar.startswith("[=") else " "
    return f"{names}{between}{option.metavar or ''}"
