"""`ztflow check --policy FILE`: what policies would do to the connections of a capture."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ztflow.cli.options import (
    READING,
    REPORT_FORMATS,
    Grid,
    Reading,
    Rows,
    Talk,
    filter_options,
    input_arguments,
    limit_options,
    message_options,
    option,
    reading_options,
)
from ztflow.cli.output_options import ReportOutput, report_output_options
from ztflow.cli.run import Run, run_command

if TYPE_CHECKING:
    from ztflow.policy import Mesh
    from ztflow.policy.log_lines import PolicyLines


@input_arguments
@report_output_options
@option(
    READING,
    "--policy",
    "policies",
    metavar="FILE",
    multiple=True,
    required=True,
    file=True,
    help="AuthorizationPolicy and PeerAuthentication documents (YAML or JSON, lists too), a ztunnel's config_dump or "
    "its static configuration, or a folder of these. Repeatable; together they are all policies that would hold.",
)
@option(
    READING,
    "--release",
    metavar="RELEASE",
    help="Release of istiod and ztunnel, such as 1.29.5; else the one ztunnel's own lines name, else 1.31.",
)
@option(
    READING,
    "--root-namespace",
    "root",
    metavar="NAME",
    default="istio-system",
    help="Istio's root namespace, whose policies hold for the whole mesh; istio-system unless given.",
)
@option(
    READING,
    "--dry-run-sent",
    is_flag=True,
    help="istiod has AMBIENT_ENABLE_DRY_RUN_AUTHORIZATION_POLICY=true; known anyway where the log has dry-run lines.",
)
@reading_options
@filter_options
@limit_options
@message_options
def check(
    inputs: Sequence[str], output: ReportOutput, *, policies: Sequence[str], release: str | None, root: str,
    dry_run_sent: bool, reading: Reading, grid: Grid, rows: Rows, talk: Talk,
) -> int:  # fmt: skip
    """Tell which recorded connections a set of policies would refuse or allow, and which rules do nothing."""

    def body(run: Run) -> None:
        from ztflow.cli.destinations import check_destination
        from ztflow.cli.output import chosen_format
        from ztflow.cli.reading import Reader
        from ztflow.cli.report_output import write_report
        from ztflow.cli.rows import Selection
        from ztflow.errors import UsageError
        from ztflow.model.tables import Flows
        from ztflow.policy import NEWEST_RELEASE, Mesh, PolicyFiles, Release, Workloads
        from ztflow.policy.log_lines import PolicyLines
        from ztflow.reports import check as compare

        form = chosen_format(output.format, output.output, REPORT_FORMATS)
        told = None if release is None else Release.parse(release)
        selection = Selection(Flows, reading=reading, grid=grid, rows=rows)
        sources = run.sources(inputs)
        check_destination(form, output.output, sources, [*reading.inventory, *policies], follow=reading.follow)
        if "-" in policies and "-" in sources:
            raise UsageError("--policy - and the log cannot both come from standard input")
        mesh = Mesh(told or NEWEST_RELEASE, root_namespace=root, sends_dry_run=dry_run_sent)
        files = PolicyFiles.read(policies)
        loaded = files.converted(mesh)
        reader = Reader(run, reading)
        lines = PolicyLines()
        flows = selection.apply(reader.noted_flows(sources, lines.learn))
        better = _better(mesh, told, lines)
        if better != mesh:
            loaded = files.converted(better)
        made = compare(
            flows,
            loaded,
            Workloads(reader.inventory, loaded.keys),
            release=better.receiver,
            dry_lines=lines.refusals(),
            selected=bool(selection),
        )
        run.findings |= output.exit_code and made.findings > 0
        write_report(run, made, form, output)

    return run_command(talk, body)


def _better(mesh: Mesh, told: object, lines: PolicyLines) -> Mesh:
    """The mesh as the log shows it: the oldest release its ztunnels name, and whether dry-run policies reach them."""
    from dataclasses import replace

    if told is None and lines.releases:
        mesh = replace(mesh, istiod=min(lines.releases))
    return replace(mesh, sends_dry_run=True) if lines.dry_run else mesh
