"""The counts of a reading in words: for `--stats` and for remarks on stderr."""

from __future__ import annotations

from collections.abc import Iterator

import orjson

from ztflow.model.provenance import ReadStats
from ztflow.read import ReadReport
from ztflow.text.format import counted


def as_json(counts: ReadReport) -> str:
    """One JSON object; the pairing counts are null for a command that pairs nothing."""
    stats = counts.stats
    return orjson.dumps(
        {
            "physical_lines": stats.physical_lines,
            "lines": stats.lines,
            "access": stats.access,
            "other": stats.other,
            "not_ours": stats.not_ours,
            "problems": stats.problems,
            "repaired": stats.repaired,
            "duplicates": stats.duplicates,
            "halves": stats.access - stats.duplicates,
            "paired_flows": counts.paired_flows,
            "ambiguous_flows": counts.ambiguous_flows,
            "unpaired_halves": counts.unpaired_halves,
            "evicted": counts.evicted,
            "slow_lines": stats.slow_lines,
        }
    ).decode()


def as_text(counts: ReadReport) -> Iterator[str]:
    """The same for a person."""
    stats = counts.stats
    yield (
        f"lines     {stats.lines:,} ({stats.physical_lines:,} physical): {stats.access:,} access, "
        f"{stats.other:,} other ztunnel, {stats.not_ours:,} not ours, {stats.problems:,} problems"
    )
    yield f"mended    {stats.repaired:,} repaired, {stats.duplicates:,} duplicates left out"
    if stats.slow_lines < stats.physical_lines:
        share = (stats.physical_lines - stats.slow_lines) / stats.physical_lines
        yield f"bulk      {share:.1%} of the lines by the compiled reader, {stats.slow_lines:,} one by one"
    if counts.paired_flows is not None:
        yield (
            f"flows     {counts.paired_flows:,} paired ({counts.ambiguous_flows or 0:,} ambiguous), "
            f"{counts.unpaired_halves or 0:,} unpaired halves, {counts.evicted:,} evicted"
        )


def remarks(counts: ReadReport, said: int) -> Iterator[str]:
    """What has to be said unasked: what was empty, had nothing of ours, was left out, or could not be read.

    Args:
        counts: The counts.
        said: Inputs and problems told one by one; all are counted.
    """
    yield from _barren(counts, said)
    if counts.skipped:
        names = ", ".join(counts.skipped[:said]) + (", …" if len(counts.skipped) > said else "")
        what = counted(len(counts.skipped), "file that looks", "files that look")
        yield f"left out {what} like no log: {names}"
    problems = counts.stats.problems
    if not problems:
        return
    yield f"{counted(problems, 'access line')} could not be read:"
    for problem in counts.problems[:said]:
        column = "" if problem.column is None else f" at column {problem.column}"
        yield f"  {problem.source_file}:{problem.line_number}: {problem.reason}{column}: {problem.detail}"
    if problems > said:
        yield f"  … and {problems - said:,} more"


def _barren(counts: ReadReport, said: int) -> Iterator[str]:
    """The inputs that gave nothing, and why; one sentence when that is all of them."""
    stats = counts.stats
    barren = [(name, one) for name, one in counts.inputs if not one.access and not one.problems]
    if not stats.physical_lines and len(barren) != 1:
        yield "empty, nothing to read"
    elif not stats.access and not stats.problems and len(barren) != 1:
        yield _nothing_of_ours(stats)
    else:
        for name, one in barren[:said]:
            yield f"{name}: {_nothing_of_ours(one)}"
        if len(barren) > said:
            yield f"… and {counted(len(barren) - said, 'more input')} without an access line"


def _nothing_of_ours(stats: ReadStats) -> str:
    if not stats.physical_lines:
        return "empty, nothing to read"
    ours = f"{counted(stats.other, 'other line')} of ztunnel, " if stats.other else ""
    return f"no ztunnel access line in {counted(stats.lines, 'line')} ({ours}{stats.not_ours:,} not ours)"
