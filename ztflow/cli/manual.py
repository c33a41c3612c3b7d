"""The manual page `ztflow(1)`, made from the commands; building the wheel puts it where man finds it."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator, Sequence

import click

from ztflow.cli import run
from ztflow.cli.completion import SHELLS, script
from ztflow.cli.help_page import help_rows
from ztflow.cli.options import FILTERS, MESSAGES, READING
from ztflow.text.patterns import lazy_pattern
from ztflow.version import __version__

ENVIRONMENT = {
    "NO_COLOR": "If set to anything, no colour unless --color always.",
    "TMPDIR": "Where what does not fit in memory waits, and is removed at the end.",
    "XDG_CACHE_HOME": "Compiled code is kept in its folder ztflow; in ~/.cache/ztflow otherwise.",
    "ZTFLOW_KERNEL": "off: read every line the slow way; the answer is the same.",
    "LOKI_USERNAME, LOKI_PASSWORD, LOKI_BEARER_TOKEN, LOKI_ORG_ID": "Who asks Loki, as for logcli.",
}

EXAMPLES = {
    "Live, from the whole cluster": "stern -n istio-system ztunnel -o json | ztflow",
    "With the nodes of the pods": "kubectl get pods -A -o wide > pods.txt; ztflow ztunnel-*.log --inventory pods.txt",
    "What policies refused in a namespace": "ztflow report denied logs/ --to-namespace shop",
    "Connections to a port, longest first": "ztflow flows logs/ --to-port 5432 --filter 'duration > 1s'",
}

_EXIT = lazy_pattern(r"^\| ([0-9, ]+) \| (.+) \|$", re.MULTILINE)


def shared_data(program: click.Group) -> dict[str, str]:
    """What an installation of the program holds beside the package: path below its prefix → text."""
    completions = (
        "share/bash-completion/completions/ztflow", "share/zsh/site-functions/_ztflow",
        "share/fish/vendor_completions.d/ztflow.fish",
    )  # fmt: skip
    scripts = {place: script(shell, program) + "\n" for shell, place in zip(SHELLS, completions, strict=True)}
    return {
        "share/man/man1/ztflow.1": page(program),
        "share/man/man1/kubectl-ztflow.1": ".so man1/ztflow.1\n",
    } | scripts


def page(program: click.Group) -> str:
    """The page of the program, in the macros of man(7)."""
    return "".join(f"{line}\n" for line in _lines(program))


def _lines(program: click.Group) -> Iterator[str]:
    commands = {name: (command, help_rows(command.params)) for name, command in program.commands.items()}
    shared = {heading: commands["flows"][1][heading] for heading in (READING, FILTERS, MESSAGES)}
    about = _paragraphs(program.help or "")
    yield f'.TH ZTFLOW 1 "" "ztflow {__version__}" "User Commands"'
    yield from (".SH NAME", r"ztflow \- Istio ambient's ztunnel access log as traffic flows")
    yield from (".SH SYNOPSIS", r".B ztflow", r"[\fICOMMAND\fR] [\fIOPTIONS\fR] [\fIINPUT\fR]...")
    yield from (".br", r".B kubectl ztflow", r"[\fICOMMAND\fR] [\fIOPTIONS\fR] [\fIINPUT\fR]...")
    yield from (".SH DESCRIPTION", *about, ".SH COMMANDS")
    for name, (command, rows) in commands.items():
        pieces = command.collect_usage_pieces(click.Context(command))
        yield from (f".SS {_text(' '.join(['ztflow', name, *pieces]))}", *_paragraphs(command.help or ""))
        for heading, found in rows.items():
            yield from _listed([row for row in found if row not in shared.get(heading, ())])
        alike = [heading for heading in shared if set(rows.get(heading, ())) & set(shared[heading])]
        yield from (".PP", _text(f"And options of most commands: {', '.join(alike)}."))
    yield ".SH OPTIONS OF MOST COMMANDS"
    for heading, found in shared.items():
        yield from (f".SS {heading}", *_listed(found))
    yield from (".SH EXIT STATUS", *_listed(_EXIT.findall(run.__doc__ or "")))
    yield from (".SH ENVIRONMENT", *_listed(list(ENVIRONMENT.items())), ".SH EXAMPLES")
    for what, command_line in EXAMPLES.items():
        yield from (".PP", f"{_text(what)}:", ".PP", ".RS 4", ".nf", _text(command_line), ".fi", ".RE")
    yield from (".SH SEE ALSO", r"\fBkubectl\fR(1), \fBstern\fR(1), \fBistioctl\fR(1)")


def _paragraphs(text: str) -> Iterator[str]:
    """A help text; a paragraph Click is told not to wrap keeps its lines."""
    for block in inspect.cleandoc(text).split("\n\n"):
        head, _, kept = block.partition("\b\n")
        if kept:
            yield from (".PP", ".nf", *map(_text, kept.splitlines()), ".fi")
        else:
            yield from (".PP", _text(" ".join(head.split())))


def _listed(rows: Sequence[tuple[str, str]]) -> Iterator[str]:
    for term, meaning in rows:
        yield from (".TP", rf"\fB{_text(term)}\fR", _text(meaning))


def _text(text: str) -> str:
    """Text no formatter takes for a request: hyphens stay what they are typed as."""
    escaped = text.replace("\\", r"\e").replace("-", r"\-").replace("'", r"\(aq").replace("`", r"\(ga")
    escaped = re.sub(r"[^\x00-\x7f]", lambda found: rf"\[u{ord(found[0]):04X}]", escaped)
    return rf"\&{escaped}" if escaped.startswith(".") else escaped
