"""The Typer app: every command under its name. Importing it loads Typer and nothing heavy."""

from __future__ import annotations

from typing import Annotated

import typer

from ztflow.cli.commands.diff import diff
from ztflow.cli.commands.explain import explain
from ztflow.cli.commands.flows import flows
from ztflow.cli.commands.graph import graph
from ztflow.cli.commands.records import records
from ztflow.cli.commands.report import report
from ztflow.cli.commands.simulate import simulate
from ztflow.cli.commands.summary import summary
from ztflow.cli.commands.warmup import warmup
from ztflow.cli.help import WIDTH, PlainCommand, PlainGroup
from ztflow.version import __version__

HELP = """Istio ambient's ztunnel access log as traffic flows: who talks to whom, from which node to which.

Without a command: a summary.

\b
  stern -n istio-system ztunnel -o json | ztflow
  ztflow flows ztunnel-*.log --inventory pods.txt --to-namespace shop
  ztflow COMMAND --help"""

_CONTEXT = {"help_option_names": ["-h", "--help"], "max_content_width": WIDTH}

app = typer.Typer(
    name="ztflow",
    cls=PlainGroup,
    help=HELP,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    no_args_is_help=False,
    context_settings=_CONTEXT,
)


def _version(wanted: bool) -> None:
    if wanted:
        print(f"ztflow {__version__}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Options of the program itself."""
    del version


for command in (summary, records, flows, graph, report, diff, explain, simulate, warmup):
    app.command(command.__name__, cls=PlainCommand, context_settings=_CONTEXT)(command)
