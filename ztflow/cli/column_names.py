"""How columns are named on the command line, for `--columns` and `--sort`."""

from __future__ import annotations

from collections.abc import Sequence

import click

ROW_COLUMNS_HELP = (
    "Those of the reference page fields, and id, bytes, bytes_per_s, duration, src_addr, dst_addr, hbone_addr."
)
REPORT_COLUMNS_HELP = (
    "They are named as the headings, with _ for a blank: same_node, bytes_per_s. Other tables are left out."
)
SORT_HELP = "Sort by these columns, with commas between them; - before one is descending. Unknown comes last."


def names_listed(_ctx: click.Context, _param: click.Parameter, given: Sequence[str]) -> tuple[str, ...]:
    """Names, several at once with commas between them, however often the option was given."""
    return tuple(name.strip() for text in given for name in text.split(",") if name.strip())
