"""`ztflow advise`: drafts of least-privilege policies from what was seen."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ztflow.cli.options import (
    COUNT,
    FILTERS,
    OUTPUT,
    Reading,
    Talk,
    Word,
    input_arguments,
    message_options,
    option,
    whole_reading_options,
)
from ztflow.cli.run import Run, run_command

if TYPE_CHECKING:
    from ztflow.policy.advice import Wanted

_KINDS = ("authorizationpolicy", "networkpolicy")
_SOURCES = ("principals", "service-accounts")
_FORMATS = ("table", "json", "markdown", "html", "yaml")

_AT_THE_END = "advise answers at its end, Ctrl-C gives up"


def _writable() -> Sequence[str]:
    from ztflow.policy.advice import WRITABLE

    return WRITABLE


def _breakable() -> Sequence[str]:
    from ztflow.policy.advice import BREAKABLE

    return BREAKABLE


@input_arguments
@option(
    OUTPUT,
    "--output",
    metavar="DIR",
    file=True,
    help="Write the drafts into this folder, one file a workload, "
    "and what got no rule into refused.jsonl there. Without it nothing is written but the report.",
)
@option(
    OUTPUT,
    "--replace",
    is_flag=True,
    help="Replace files in that folder whatever they are. Without it only drafts that nobody has edited are replaced.",
)
@option(OUTPUT, "--kind", metavar="|".join(_KINDS), type=Word(_KINDS), default=_KINDS[0], help="Which policies.")
@option(
    OUTPUT,
    "--sources",
    metavar="|".join(_SOURCES),
    type=Word(_SOURCES),
    default=_SOURCES[0],
    help="How to name clients. service-accounts, of any trust domain, needs --release 1.25 or later.",
)
@option(
    OUTPUT,
    "--default-deny",
    is_flag=True,
    help="Also draft, in a folder of its own, what refuses the rest of each "
    "namespace in which every workload has a draft.",
)
@option(
    OUTPUT,
    "--strict-mtls",
    is_flag=True,
    help="Also draft, in a folder of its own, a PeerAuthentication STRICT "
    "for each of them that lets in no plaintext today.",
)
@option(
    OUTPUT,
    "--dry-run",
    is_flag=True,
    help="Mark the drafts istio.io/dry-run, so that ztunnel only logs what it "
    "would refuse; needs --release 1.29 or later.",
)
@option(OUTPUT, "--release", metavar="RELEASE", help="Oldest release of istiod and the ztunnels, as 1.29 or 1.29.5.")
@option(
    OUTPUT,
    "--format",
    "-o",
    "form",
    metavar="FORMAT",
    type=Word(_FORMATS),
    help="The report on stdout: table (the default), json, markdown, html; yaml prints the drafts instead.",
)
@option(
    OUTPUT,
    "--rows",
    metavar="N",
    type=COUNT,
    help="Show at most N rows of each table; 0 shows all. JSON always has all rows.",
)
@option(
    OUTPUT,
    "--exit-code",
    is_flag=True,
    help="Exit with code 1 if a workload is held back, or with --since-policy if anything differs.",
)
@option(
    FILTERS,
    "--namespace",
    "-n",
    "namespaces",
    metavar="NAME",
    multiple=True,
    help="Advise for the workloads of this namespace only; traffic from everywhere counts. Repeatable.",
)
@option(FILTERS, "--window", metavar="DURATION", help="Advise nothing if the log covers less time than this: 7d, 12h.")
@option(
    FILTERS,
    "--with",
    "with_",
    metavar="REASON",
    multiple=True,
    type=Word(_writable),
    help="Write rules for connections that get none for this reason (seen_once, gateway_source, …). Repeatable.",
)
@option(
    FILTERS,
    "--without",
    metavar="REASON",
    multiple=True,
    type=Word(_breakable),
    help="Write a draft although it will refuse connections without a rule for this reason (plaintext, …). Repeatable.",
)
@option(
    FILTERS,
    "--since-policy",
    metavar="FILE",
    multiple=True,
    file=True,
    help="Compare with these policies, in any form that check --policy takes: show and write only what the log adds "
    "to them or no longer needs. Repeatable.",
)
@whole_reading_options
@message_options
def advise(
    inputs: Sequence[str], *, output: str | None, replace: bool, kind: str, sources: str, default_deny: bool,
    strict_mtls: bool, dry_run: bool, release: str | None, form: str | None, rows: int | None, exit_code: bool,
    namespaces: Sequence[str], window: str | None, with_: Sequence[str], without: Sequence[str],
    since_policy: Sequence[str], reading: Reading, talk: Talk,
) -> int:  # fmt: skip
    """Draft least-privilege policies from what was seen. Nothing is applied."""

    def body(run: Run) -> None:
        from ztflow.cli.destinations import check_destination
        from ztflow.cli.options import Grid
        from ztflow.cli.output import say
        from ztflow.cli.output_options import ReportOutput
        from ztflow.cli.reading import Reader
        from ztflow.cli.report_output import write_report
        from ztflow.cli.rows import Selection
        from ztflow.model.tables import Flows
        from ztflow.policy.advice import Seen, advise, check_folder, manifest, write_folder
        from ztflow.policy.advice.folder import REFUSED_FILE
        from ztflow.reports.advice import advice_report
        from ztflow.text.format import counted

        wanted = _wanted(
            network=kind == _KINDS[1], by_account=sources == _SOURCES[1], default_deny=default_deny, strict=strict_mtls,
            dry_run=dry_run, release=release, namespaces=namespaces, window=window, with_=with_, without=without,
            since_policy=since_policy,
        )  # fmt: skip
        selection = Selection(Flows, reading=reading, grid=Grid({}))
        named = run.sources(inputs)
        if output is not None:
            read = [*reading.inventory, *since_policy]
            check_folder(output, [*named, *read])
            check_destination("yaml", output, named, read, series=True)
        reader = Reader(run, reading)
        seen = Seen()
        for table in selection.finished(reader.rows(Flows, named, _AT_THE_END), Flows):
            seen.add(table)
        advice = advise(seen, reader.inventory, wanted)
        report = advice_report(advice, run.reports[-1])
        texts = {document.file: manifest(document) for document in advice.documents}
        if output is not None and run.answers():
            left = write_folder(output, {**texts, REFUSED_FILE: report.refusals()}, replace=replace)
            drafted = counted(len(texts), "policy", "policies")
            say(f"{output}: {drafted} drafted, none applied; {REFUSED_FILE} lists the rest")
            for name in left:
                say(f"{output}/{name}: of an earlier advice, no longer part of it")
        run.findings |= exit_code and report.findings > 0
        if form == "yaml":
            _print("---\n".join(texts.values()), run)
        else:
            write_report(run, report, form or "table", ReportOutput(rows=rows))

    return run_command(talk, body)


def _print(text: str, run: Run) -> None:
    from ztflow.cli.destinations import destination

    with destination(None, run.answers) as stream:
        stream.write(text.encode())


def _wanted(
    *, network: bool, by_account: bool, default_deny: bool, strict: bool, dry_run: bool, release: str | None,
    namespaces: Sequence[str], window: str | None, with_: Sequence[str], without: Sequence[str],
    since_policy: Sequence[str],
) -> Wanted:  # fmt: skip
    """What was asked for, checked.

    Raises:
        UsageError: An option is invalid, or they do not go together.
    """
    from ztflow.errors import UsageError
    from ztflow.filters.quantities import parse_duration
    from ztflow.policy import NEWEST_RELEASE, Mesh, Release, load_policies
    from ztflow.policy.advice import Asked, Reason, Wanted

    try:
        least = None if window is None else parse_duration(window)
    except UsageError as error:
        raise UsageError(f"--window: {error}") from None
    told = None if release is None else Release.parse(release)
    return Wanted(
        asked=Asked(
            window=least,
            with_=frozenset(map(Reason, with_)),
            without=frozenset(map(Reason, without)),
            network=network,
            namespaces=frozenset(namespaces),
        ),
        service_accounts=by_account,
        dry_run=dry_run,
        release=told,
        default_deny=default_deny,
        strict=strict,
        earlier=load_policies(since_policy, Mesh(told or NEWEST_RELEASE)) if since_policy else None,
    )
