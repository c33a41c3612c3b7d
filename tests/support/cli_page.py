"""`docs/reference/cli.md`, made from the commands: `python tests/support/cli_page.py docs/reference`."""

from __future__ import annotations

import sys
from pathlib import Path

PAGE = "cli.md"

_HEAD = """# Command line

Made by `python tests/support/cli_page.py docs/reference` from the program itself; a test keeps it current.

```text
ztflow [OPTIONS] [INPUT]...            the summary
ztflow COMMAND [OPTIONS] [INPUT]...
```

If the first word is a command, that command runs; otherwise it is an input of `ztflow summary`. A first word of letters
that is neither a command nor a file is refused. Options may come before or after the command. To read a file that has the
name of a command, write `./flows`.

Without INPUT, ztflow reads standard input (`-`). If that is a terminal, it prints a short hint and exits with code 2.
Several inputs are read as one capture, sorted by time.

Data goes to stdout, messages go to stderr. Log text is escaped before it is printed: control characters, terminal escape
sequences and invisible or reordering characters are shown as `\\u{…}`.

A misspelled command, option or value is refused with the closest match: `Did you mean 'node'?`

## Exit codes

| code | |
|---|---|
| 0 | Success. Also if the input has no ztunnel access lines, if some access lines could not be parsed, if the reader of a pipe closed it (without a word, as ripgrep does it; `pipefail` need not be switched off for `\\| head`), and if Ctrl-C ended `--follow` or the live summary. |
| 1 | There are findings, and you asked for this code: `--strict` and an access line could not be parsed, or `--exit-code` and the report has findings to act on. |
| 2 | The command line is invalid (unknown option, bad value), or the output or a temporary file cannot be written: no room, no permission, stdout closed. |
| 3 | An input or inventory could not be read. Other inputs were read. |
| 70 | A bug in ztflow; `--debug` shows the traceback. |
| 129 | Ended by SIGHUP, with or without `--follow`. |
| 130 | Ended by Ctrl-C without `--follow`, or by a second Ctrl-C with it, or while the reader of a pipe takes nothing. |
| 143 | Ended by SIGTERM, with or without `--follow`. |

The first signal ends a command that reads to an end at once. One with `--follow` finishes: what is pending is decided and
written, then it ends; a second signal cuts that short. What waits for another program (a FIFO without a writer, a pipe
nobody reads) does so for less than a second after a signal. A signal the caller had ignored (`nohup`) stays ignored,
except for Ctrl-C with `--follow`.

## Files that are written

A file of `--output` is written in a hidden folder beside its place and takes that place when it is whole and on the disk.
Until then an old file stands as it was, whatever ends the run. Mode and owner of an old file are kept; where the owner
cannot be kept, or the file is write-protected, it is not replaced. Of a symbolic link the file it points to is replaced; of
a file with several names (hard links) the others keep what it held. Devices, FIFOs and `/dev/stdout` are written directly.

An output that is one of the files that are read – by whatever name: an input, also one found in a folder or by a glob, an
inventory, a price file, standard input – is refused before anything is read. Where inputs could not be read and the others
hold no access line, an old output is left as it was, and no new one is made.

With `--follow`, `records` and `flows` write whole files one after the other into a folder of the output's name, which
Arrow, pandas, Polars and Spark read as one table:

```text
flows.parquet/flows-00001.parquet
flows.parquet/flows-00002.parquet
```

The first is finished a second after its first row; each further one spans twice the time, one minute at most. A stop
finishes the last. So all that was decided is there after Ctrl-C, SIGTERM and SIGHUP; SIGKILL costs what came since the last
file. Numbers go on after the highest that is there. If the output's name is that of a file, it is left alone and the series
stands beside it (`flows-00001.parquet`).

Temporary files (what does not fit in memory) go where `TMPDIR` says, else to the system's folder for them. They are removed
whatever ends the run; what a killed one left, there or beside an output, is removed by the next run there. It removes only
folders with the mark of ztflow and of the same user, and only when no process holds their lock.

## Shell completion

Commands, options, the words an option accepts, and file names complete in bash (4.4 or later), zsh and fish. Add one line
to the shell's start-up file:

```sh
eval "$(ztflow completion bash)"        # ~/.bashrc
eval "$(ztflow completion zsh)"         # ~/.zshrc, after compinit
ztflow completion fish | source         # ~/.config/fish/config.fish
```

Installed below a prefix that the shell looks into (`/usr`, `/usr/local`), nothing has to be added: the scripts are in its
`share` folder.

## Manual page, and `kubectl ztflow`

`man ztflow` shows what this page shows, wherever man knows the installation: it looks beside the folders in `PATH`. Else
`ztflow man | man -l -`. With `kubectl-ztflow` in `PATH`, which is installed with ztflow, `kubectl ztflow …` is the same as
`ztflow …`, and kubectl (1.26 or later) completes its words.

## Formats of rows (`records`, `flows`)

| `-o` | for | |
|---|---|---|
| `table` | people | The default. Fits the terminal: long names are shortened first, then the last columns are dropped. If stdout is not a terminal, nothing is shortened. |
| `wide` | people | Every column that is meant for people, unshortened; a cell of more than 1024 characters is cut in its middle (`…`). |
| `jsonl` | programs | One JSON object per row. Keys are the columns of [fields](fields.md), plus `src_addr`, `dst_addr` and `hbone_addr`, which join an address and its port. Every key is in every line, null where the value is unknown, for programs that learn the keys from the first lines. Times are RFC 3339 with six decimals and `Z`. Characters that could control a terminal are written as `\\uXXXX`, which every JSON parser decodes. |
| `csv` | spreadsheets | A header and every column. A text that begins with `=`, `+`, `-`, `@`, a tab or a carriage return gets a `'` in front, so that no spreadsheet runs it as a formula; control characters are escaped. Programs should read `jsonl` or `parquet`, where values are unchanged. |
| `parquet` | programs | One file with the types of [fields](fields.md). Needs `--output FILE` or a pipe. |
| `raw` | programs | The lines of the log behind the rows, of a flow the client's first, byte for byte (on a terminal escaped), so that `ztflow` reads them again. A record that a wrapper cut into several lines gives its first, a line that many records share is written once. Inputs are read a second time; standard input waits in TMPDIR until then. Not with `--follow`. |

If `-o` is not given, the suffix of `--output FILE` sets the format: `.jsonl`, `.csv`, `.parquet`, `.json`, `.dot`, `.mmd`,
`.graphml`, `.gexf`, `.cyjs`, `.svg`, `.html`, `.md`; `.txt`, `.log`, `.out` and no suffix are a table. A suffix that the
command does not write is refused.

## Columns and order

`--columns id,src_name,duration` shows these columns only, in this order, in every form but `raw`. `--sort -bytes,src_name`
puts rows in order: `-` is descending, unknown comes last, rows that are equal stay in order of time. All rows are in memory
then, with `--first N` no more than N and a table; `--first` and `--last` count in that order. Besides the columns of
[fields](fields.md) there are:

| column | |
|---|---|
| `id` | `file:line` of the row's log line (of a flow the client's, else the server's): what `ztflow show` takes. |
| `duration`, `time` | Other names of `duration_ms`, and of the time a row is sorted by. |
| `bytes`, `bytes_per_s` | Payload both ways, as far as known, and the same by the life of the connection. |
| `src_addr`, `dst_addr`, `hbone_addr` | Address and port. |

Reports (`report`, `top`, `diff`, `check`, the summary) have tables. Their columns are named as the headings, in small
letters, with `_` for a blank and `_per_` for `/`: `--sort -p99`, `--columns source,bytes_per_s`. Only tables that have all
of the columns are shown; `--table TITLE` chooses one by the beginning of its title. `-o csv` and `-o jsonl` hold one table,
in full; a message says which others there are. With any of the three, `-o json` holds the tables as they are shown.

```sh
ztflow flows ztunnel-*.log --sort -duration --first 10 --columns id,src_name,dst_name,duration,bytes
ztflow flows ztunnel-*.log --to-namespace shop --verdict denied -o raw > denied.log
ztflow show ztunnel-4k7rb.log:1352 ztunnel-*.log
ztflow top ztunnel-*.log --by namespace --sort -failed -n 5
ztflow report latency ztunnel-*.log --sort -p99 --columns source,destination,p50,p99 -o csv
```

## Filters

A row must match every filter option that is given. If one option is given several times, one of its values must match.
`--not` negates the option that follows: rows that match it are left out. Names may contain the wildcards `*` and `?`.
A row whose value is unknown never matches: `--pod X` leaves it out, `--not --pod X` keeps it.

- `--pod web-0` matches either end, `--from-pod` the source, `--to-pod` the destination; the same holds for the other
  kinds of name.
- `--to-ip` and `--to-port` match the address the client dialled and the address behind the tunnel.
- `--from-service` matches clients that were themselves seen to serve that service, because the log names no service for
  a source.
- `--from-node`, for an access line, is the node of the ztunnel that logged it, if that is the source's ztunnel.
- `--direction`, for a flow, is the direction of the log lines that were found for it.
- A name that no row has is said on stderr, with the nearest and the others there are; the exit code stays 0.
- `--first` and `--last` count the rows that pass the filters. `--stats` counts the whole input.

`--filter EXPR` takes a condition on the columns of `docs/reference/fields.md`, and on `src_addr`, `dst_addr` and
`hbone_addr`:

```text
verdict == denied and dst_namespace != shop
duration > 1.5s or bytes >= 10MB
dst_workload in [web, cart] and not mtls
to_port == 5432 and src_ip in 10.0.0.0/8
src_pod == shop/web-* or dst_service == db
outbound_error =~ "reset by peer" and time > 2024-06-16T12:48:00Z
src_node == dst_node and policy != null
```

The operators are `== != < <= > >= =~ !~ in`; join conditions with `and`, `or`, `not` and parentheses. Text needs quotes
only if it contains spaces or special characters. Comparisons with an empty cell are false, except `== null` and the
negated operators (`!=`, `!~`, `not in`, `not`), which are true. A column of true and false is a condition by itself. A
column with a fixed set of words ([closed columns](fields.md#closed-columns)) is compared with these words only: any other
is refused, with the nearest one.

The names of the options are names here too, and mean the same: `pod`, `from_pod`, `to_pod` and so on for every kind,
`direction`, `verdict`. So are `bytes` (payload both ways), `duration`, `request`, `response` and `time`. A text is compared
as an option compares it: it may hold `*` and `?`; a pod, a service or an identity may be written in short; an address may
be a range (`10.0.0.0/8`), and so may a port (`8000-8099`).

`dst_port` and `dst_ip` are what the client's side dialled, as logged: in a tunnel port 15008. `to_port` and `to_ip` are
that or what is behind the tunnel, as `--to-port` and `--to-ip` are. Where the two differ, a line on stderr says for how
many rows.

## Times

`--since` and `--until` take a time (`2024-06-16T12:48:51Z`, `2024-06-16`) or a duration (`90s`, `5m`, `2h`, `1d`). A
duration counts back from the last connection in the log; with `--follow` it counts back from now. Both options compare
the end of a connection. Rows without a time are kept. The limits do not affect pairing, which sees every line.

## Counts

`--stats` prints on stderr how many lines were parsed, skipped or broken. `--stats=json` prints the counts as one JSON
object on the last line of stderr, whatever the exit code (unless the command line itself cannot be parsed):

| count | |
|---|---|
| `physical_lines` | Lines in the files. |
| `lines` | Log lines: `access` + `other` + `not_ours` + `problems`. |
| `access`, `other`, `not_ours`, `problems` | Access lines, other ztunnel lines, lines that are not from ztunnel, access lines that could not be parsed. |
| `repaired` | Damaged lines that could be repaired. |
| `duplicates` | Copies of a line, counted once. |
| `cut_times` | Access lines whose time was cut or lost on the way: none, or whole seconds. |
| `joined`, `came_joined` | Lines joined from the parts a container runtime had cut them into; lines that came joined by their shipper and still carry the tag of a part. |
| `halves` | `access` - `duplicates`. This is also 2 · `paired_flows` + `unpaired_halves`, unless the log has lines of ztunnel 1.18 to 1.21: they are no access lines, but their connections are counted. |
| `paired_flows`, `ambiguous_flows`, `unpaired_halves` | Connections with both log lines; how many of these had more than one possible partner; log lines without a partner. Null for `records`, which does not pair. |
| `evicted` | Log lines given up because a memory limit was reached. |
| `slow_lines` | Lines that the compiled reader did not take. |
"""


def page() -> str:
    """The page as Markdown."""
    import click

    from ztflow.cli.app import program
    from ztflow.cli.help_page import help_rows
    from ztflow.cli.options import FILTERS, MESSAGES, READING

    commands = {name: (command, help_rows(command.params)) for name, command in program.commands.items()}
    shared = {heading: commands["flows"][1][heading] for heading in (READING, FILTERS, MESSAGES)}
    parts = [_HEAD, "\n## Options of most commands\n"]
    parts += [_table(heading, rows) for heading, rows in shared.items()]
    for name, (command, rows) in commands.items():
        context = click.Context(command, info_name=f"ztflow {name}")
        usage = " ".join(["ztflow", name, *command.collect_usage_pieces(context)])
        parts.append(f"\n## `ztflow {name}`\n\n{(command.help or '').strip()}\n\n```text\n{usage}\n```\n")
        alike = [heading for heading in shared if set(rows.get(heading, ())) & set(shared[heading])]
        parts += [_table(heading, found) for heading, found in rows.items() if heading not in alike]
        told = [_likewise(heading, rows[heading], shared[heading]) for heading in alike]
        parts.append(f"\nAs above: {', '.join(told)}.\n")
    return "".join(parts)


def _table(heading: str, rows: list[tuple[str, str]]) -> str:
    lines = [f"| `{_cell(written)}` | {_cell(text)} |\n" for written, text in rows]
    return f"\n| {heading} | |\n|---|---|\n{''.join(lines)}"


def _likewise(heading: str, rows: list[tuple[str, str]], shared: list[tuple[str, str]]) -> str:
    """The heading, and which of its options the command does not have."""
    missing = [written.split()[0].rstrip(",") for written, _ in shared if written not in dict(rows)]
    without = f" (without {', '.join(f'`{option}`' for option in missing)})" if missing else ""
    return f"{heading}{without}"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def main(folder: str) -> None:
    """Write the page into a folder."""
    Path(folder, PAGE).write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1])
