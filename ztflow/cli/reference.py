"""`docs/reference/cli.md`, made from the Typer app: `python -m ztflow.cli.reference docs/reference`."""

# ruff: noqa: E501 - rows of Markdown tables cannot be broken

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

PAGE = "cli.md"

_HEAD = """# Command line

Made by `python -m ztflow.cli.reference docs/reference` from the program itself; a test holds it current.

```text
ztflow [OPTIONS] [INPUT]...            the summary
ztflow COMMAND [OPTIONS] [INPUT]...
```

The first word that is a command is the command; write `./flows` for a file of that name. Without INPUT standard input
is read when something is piped in (`-`); on a terminal that is a short hint and code 2. Several inputs are one capture,
merged by time. Data goes to stdout, everything else to stderr. Text out of the log is escaped before it reaches a
terminal: control characters, escape sequences and invisible or reordering characters are written as `\\u{…}`.

## Exit codes

| code | |
|---|---|
| 0 | done: also when nothing in the input was ours, when some access lines could not be read, when the reader of a pipe left, and when Ctrl-C ended `--follow` or the live summary |
| 1 | findings, where asked for: `--strict` and an access line that could not be read, `--exit-code` and something to act on |
| 2 | the command line means nothing, or the output cannot be written |
| 3 | an input or inventory could not be read; the other inputs were |
| 70 | a bug in ztflow; `--debug` shows the traceback |
| 130 | interrupted without `--follow` |

## Formats of rows (`records`, `flows`)

| `-o` | for | |
|---|---|---|
| `table` | people | The default. Fits the terminal: names give way first, then the last columns. Nothing is cut when stdout is no terminal. |
| `wide` | people | Every column a person reads, nothing shortened. |
| `jsonl` | programs | One object a row. Keys are the columns of [fields](fields.md); null keys are left out; `src_addr`, `dst_addr` and `hbone_addr` stand beside the columns they are made of; times are RFC 3339 with six digits and `Z`. Characters a terminal could obey are written as `\\uXXXX`, which every JSON reader turns back. |
| `csv` | spreadsheets | A header and every column. A text that begins with `=`, `+`, `-`, `@`, a tab or a carriage return gets a `'` in front, so that no spreadsheet runs it; control characters are escaped. Programs read `jsonl` or `parquet`, which change nothing. |
| `parquet` | programs | One file with the types of [fields](fields.md); needs `--output FILE` or a pipe. |

`--output FILE` chooses the format by the suffix when `-o` is not given: `.jsonl`, `.csv`, `.parquet`, `.json`, `.dot`,
`.mmd`, `.graphml`, `.gexf`, `.html`, `.md`.

## Filters

Different options must all hold; the values of one option, given several times, are alternatives. `--not` turns round
the option that follows: what it matches is removed. What is unknown matches no value, so it is never selected by a name
and never removed by one. Names may hold `*` and `?`.

- `--pod web-0` is either end, `--from-pod` the source, `--to-pod` the destination; likewise for every other kind.
- `--to-ip` and `--to-port` look at the address that was dialled and at the target behind the tunnel.
- `--from-service` means a client that was itself seen to answer for that service: the log names no service of a source.
- `--from-node` of an access line is the node of the ztunnel that wrote it, where that is the source's side.
- `--direction` of a flow is that of its halves that were seen.
- `--first` and `--last` count after all filters; `--stats` counts the whole input before them.

`--filter EXPR` takes conditions on columns (`docs/reference/fields.md`), and `src_addr`, `dst_addr`, `hbone_addr`:

```text
verdict == denied and dst_namespace != shop
duration_ms > 1.5s or request_bytes >= 10MB
dst_workload in [web, cart] and not mtls
outbound_error =~ "reset by peer" and end > 2024-06-16T12:48:00Z
src_node == dst_node and policy != null
```

Operators are `== != < <= > >= =~ !~ in`, joined by `and`, `or`, `not` and parentheses; text may stand without quotes.
An unknown cell fulfils no condition but `== null` and the negated ones (`!=`, `!~`, `not in`, `not`), which are the exact
opposite of the positive ones. A column that holds yes or no is a condition by itself. A column with a fixed set of words
([closed columns](fields.md#closed-columns)) is compared with these words only: any other is refused, with the nearest one.

## Times

`--since` and `--until` take a time (`2024-06-16T12:48:51Z`, `2024-06-16`) or a duration back (`90s`, `5m`, `2h`, `1d`):
back from the last connection in the log, with `--follow` back from now. They look at the end of connections; rows
without a time stay. Pairing sees all lines, whatever the limits.

## Counts

`--stats` prints what became of every line; `--stats=json` prints one object as the last line of stderr, whatever the
exit code: `physical_lines`, `lines` = `access` + `other` + `not_ours` + `problems`, `repaired`, `duplicates`, `halves` =
`access` - `duplicates` = 2 · `paired_flows` + `unpaired_halves` (flows of 1.18 to 1.21 come on top), `ambiguous_flows`,
`evicted`. `records` pairs nothing, so its pairing counts are null.
"""


def page() -> str:
    """The page as Markdown."""
    import typer

    from ztflow.cli.app import app
    from ztflow.cli.help import rows_of, usage_of
    from ztflow.cli.options import FILTERS, OUTPUT, READING, TALK

    group: Any = typer.main.get_command(app)
    commands = {name: (command, rows_of(command.params)) for name, command in group.commands.items()}
    shared = {heading: commands["flows"][1][heading] for heading in (READING, FILTERS, TALK)}
    parts = [_HEAD, "\n## Options of most commands\n"]
    parts += [_table(heading, rows) for heading, rows in shared.items()]
    for name, (command, rows) in commands.items():
        parts.append(f"\n## `ztflow {name}`\n\n{command.help.strip()}\n")
        usage = " ".join(["ztflow", name, "[OPTIONS]", *usage_of(command.params)])
        parts.append(f"\n```text\n{usage}\n```\n")
        alike = [heading for heading in shared if set(rows.get(heading, ())) & set(shared[heading])]
        own = [heading for heading in ("", OUTPUT, *shared) if heading in rows and heading not in alike]
        parts += [_table(heading or "Arguments", rows[heading]) for heading in own]
        told = [_likewise(heading, rows[heading], shared[heading]) for heading in alike]
        parts.append(f"\nAs above: {', '.join(told)}.\n")
    return "".join(parts)


def _table(heading: str, rows: list[tuple[str, str]]) -> str:
    lines = [f"| `{_cell(written)}` | {_cell(text)} |\n" for written, text in rows]
    return f"\n| {heading} | |\n|---|---|\n{''.join(lines)}"


def _likewise(heading: str, rows: list[tuple[str, str]], shared: list[tuple[str, str]]) -> str:
    """The heading, and which of its options the command does not have."""
    missing = [written.split()[0] for written, _ in shared if written not in dict(rows)]
    without = f" (without {', '.join(f'`{option}`' for option in missing)})" if missing else ""
    return f"{heading}{without}"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def main(folder: str) -> None:
    """Write the page into a folder."""
    Path(folder, PAGE).write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1])
