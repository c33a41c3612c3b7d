"""What became of the input, in numbers: for `--stats`, for remarks on stderr, and for the summary."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import orjson
import pyarrow.compute as pc

from ztflow.model.provenance import Problem, ReadStats
from ztflow.model.tables import Flows
from ztflow.model.vocabulary import BOTH_HALVES, Paired
from ztflow.read import ReadReport
from ztflow.text.format import counted


@dataclass(slots=True)
class Counts:
    """The counts of one run, of the whole input: filters and time limits do not change them.

    Attributes:
        stats: What became of every line.
        problems: Access lines that could not be read, the first of them.
        paired_flows: Flows with both halves; None when nothing was paired.
        ambiguous_flows: Those of them whose partner was one of several equal ones.
        unpaired_halves: Flows with one half.
        evicted: Halves given up because a memory bound was hit.
        inputs: Counts of each finished input.
        skipped: Files of directories that were not read.
    """

    stats: ReadStats = field(default_factory=ReadStats)
    problems: Sequence[Problem] = ()
    paired_flows: int | None = None
    ambiguous_flows: int | None = None
    unpaired_halves: int | None = None
    evicted: int = 0
    inputs: Sequence[tuple[str, ReadStats]] = ()
    skipped: Sequence[str] = ()

    def add_flows(self, flows: Flows) -> None:
        """Count flows as they come."""
        found = pc.value_counts(flows.to_arrow()["paired"].cast("string")).to_pylist()
        by_word = {entry["values"]: entry["counts"] for entry in found}
        paired = sum(by_word.get(word, 0) for word in BOTH_HALVES)
        self.paired_flows = (self.paired_flows or 0) + paired
        self.ambiguous_flows = (self.ambiguous_flows or 0) + by_word.get(Paired.AMBIGUOUS, 0)
        self.unpaired_halves = (self.unpaired_halves or 0) + len(flows) - paired

    def plus(self, more: Counts) -> Counts:
        """These counts and those of another capture, for a command that reads several."""
        stats = ReadStats()
        stats.add(self.stats)
        stats.add(more.stats)
        return Counts(
            stats,
            [*self.problems, *more.problems],
            (self.paired_flows or 0) + (more.paired_flows or 0),
            (self.ambiguous_flows or 0) + (more.ambiguous_flows or 0),
            (self.unpaired_halves or 0) + (more.unpaired_halves or 0),
            self.evicted + more.evicted,
            [*self.inputs, *more.inputs],
            [*self.skipped, *more.skipped],
        )

    def count_flows_anew(self, flows: Flows) -> None:
        """Count flows that replace those counted before."""
        self.paired_flows = self.ambiguous_flows = self.unpaired_halves = 0
        self.evicted = flows.evicted
        self.add_flows(flows)

    def json(self) -> str:
        """One JSON object; the pairing counts are null for a command that pairs nothing."""
        stats = self.stats
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
                "paired_flows": self.paired_flows,
                "ambiguous_flows": self.ambiguous_flows,
                "unpaired_halves": self.unpaired_halves,
                "evicted": self.evicted,
                "slow_lines": stats.slow_lines,
            }
        ).decode()

    def text(self) -> Iterator[str]:
        """The same for a person."""
        stats = self.stats
        yield (
            f"lines     {stats.lines:,} ({stats.physical_lines:,} physical): {stats.access:,} access, "
            f"{stats.other:,} other ztunnel, {stats.not_ours:,} not ours, {stats.problems:,} problems"
        )
        yield f"mended    {stats.repaired:,} repaired, {stats.duplicates:,} duplicates left out"
        if stats.slow_lines < stats.physical_lines:
            share = (stats.physical_lines - stats.slow_lines) / stats.physical_lines
            yield f"bulk      {share:.1%} of the lines by the compiled reader, {stats.slow_lines:,} one by one"
        if self.paired_flows is not None:
            yield (
                f"flows     {self.paired_flows:,} paired ({self.ambiguous_flows or 0:,} ambiguous), "
                f"{self.unpaired_halves or 0:,} unpaired halves, {self.evicted:,} evicted"
            )

    def take(self, report: ReadReport) -> None:
        """Take over what a reading counted so far."""
        self.stats, self.problems = report.stats, report.problems
        self.inputs, self.skipped = report.inputs, report.skipped

    def remarks(self, said: int) -> Iterator[str]:
        """What has to be said unasked: what was empty, had nothing of ours, was left out, or could not be read.

        Args:
            said: Inputs and problems told one by one; all are counted.
        """
        yield from self._barren(said)
        if self.skipped:
            names = ", ".join(self.skipped[:said]) + (", …" if len(self.skipped) > said else "")
            what = counted(len(self.skipped), "file that looks", "files that look")
            yield f"left out {what} like no log: {names}"
        stats = self.stats
        if not stats.problems:
            return
        yield f"{counted(stats.problems, 'access line')} could not be read:"
        for problem in self.problems[:said]:
            column = "" if problem.column is None else f" at column {problem.column}"
            yield f"  {problem.source_file}:{problem.line_number}: {problem.reason}{column}: {problem.detail}"
        if stats.problems > said:
            yield f"  … and {stats.problems - said:,} more"

    def _barren(self, said: int) -> Iterator[str]:
        """The inputs that gave nothing, and why; one sentence when that is all of them."""
        barren = [(name, stats) for name, stats in self.inputs if not stats.access and not stats.problems]
        if not self.stats.physical_lines and len(barren) != 1:
            yield "empty, nothing to read"
        elif not self.stats.access and not self.stats.problems and len(barren) != 1:
            yield _nothing_of_ours(self.stats)
        else:
            for name, stats in barren[:said]:
                yield f"{name}: {_nothing_of_ours(stats)}"
            if len(barren) > said:
                yield f"… and {counted(len(barren) - said, 'more input')} without an access line"


def _nothing_of_ours(stats: ReadStats) -> str:
    if not stats.physical_lines:
        return "empty, nothing to read"
    ours = f"{counted(stats.other, 'other line')} of ztunnel, " if stats.other else ""
    return f"no ztunnel access line in {counted(stats.lines, 'line')} ({ours}{stats.not_ours:,} not ours)"
