"""One run of a command: its counts, its messages on stderr and its exit code.

| code | |
|---|---|
| 0 | success, whatever the log says |
| 1 | findings, where `--strict` or `--exit-code` asks for this code |
| 2 | the command line is invalid, or the output or a temporary file cannot be written |
| 3 | an input could not be read; the others were read |
| 70 | a bug in ztflow |
| 129, 130, 143 | ended by SIGHUP, Ctrl-C (without `--follow`), SIGTERM |
"""

from __future__ import annotations

import signal
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, nullcontext, suppress
from typing import TYPE_CHECKING, TextIO

from ztflow.cli.options import Stats, Talk
from ztflow.cli.output import hush, is_terminal, program_name, say, tell
from ztflow.cli.signals import Stopped, asked
from ztflow.errors import InputError, OutputError, RenamedColumnWarning, SlowPathWarning, SourceError, UsageError
from ztflow.files.scratch import clear_stale, temporary_folder
from ztflow.text.escapes import visible

if TYPE_CHECKING:
    from ztflow.model.provenance import ReadStats
    from ztflow.read import ReadReport

OK, FINDINGS, USAGE, UNREADABLE, BUG, INTERRUPTED = 0, 1, 2, 3, 70, 130

TOLD = 3
"""Problems, and inputs without ztunnel lines, that are named one by one; all are counted."""


class NoInputError(UsageError):
    """Nothing to read was named and nothing is piped in."""


class Run:
    """What a command knows while it runs.

    Attributes:
        talk: What to say besides the answer.
        reports: What became of the input, of each capture the command reads; empty until something was read.
        findings: Whether the command found what it was asked to fail on.
    """

    def __init__(self, talk: Talk) -> None:
        self.talk = talk
        self.reports: list[ReadReport] = []
        self.findings = False
        self._unreadable = 0
        self._cut_off = False

    def sources(self, inputs: Sequence[str]) -> list[str]:
        """What to read: what was named, or standard input when something is piped in.

        Raises:
            NoInputError: If nothing was named and stdin is a terminal.
        """
        from ztflow.read.sources.given import InputName

        if inputs:
            return [InputName(name) for name in inputs]
        if is_terminal(sys.stdin) or sys.stdin is None:
            raise NoInputError("nothing to read")
        return ["-"]

    def unreadable(self, error: SourceError) -> None:
        """Say that an input cannot be read; the others go on, and the run ends with code 3."""
        self._unreadable += 1
        say(str(error))

    def answers(self) -> bool:
        """Whether there is an answer: what could be read has an access line, or all could be read."""
        return not self._unreadable or any(report.stats.access for report in self.reports)

    def cut_off(self) -> None:
        """A signal ends the run before its answer."""
        self._cut_off = True

    def report(self) -> ReadReport:
        """Counts for one more reading of this run."""
        from ztflow.read import ReadReport

        self.reports.append(ReadReport())
        return self.reports[-1]

    def code(self) -> int:
        """The exit code of a run without errors; Ctrl-C is how following ends and changes nothing."""
        ended = asked()
        if ended not in {None, signal.SIGINT}:
            return 128 + ended
        if self._unreadable:
            return UNREADABLE
        strict = self.talk.strict and any(report.stats.problems for report in self.reports)
        return FINDINGS if self.findings or strict else OK

    def close(self) -> None:
        """Print the messages about the input and, last, the counts if they were asked for."""
        ended = asked()
        by = "" if ended is None or (ended == signal.SIGINT and not self._cut_off) else signal.Signals(ended).name
        if not self.reports and self.talk.stats is not Stats.JSON:
            if by:
                say(f"ended by {by} before anything was read")
            return
        from ztflow.read import ReadReport

        counts = ReadReport.of(self.reports)
        if by:
            say(f"ended by {by} after {counts.stats.lines:,} lines, {counts.stats.access:,} of them access lines")
        if counts.inputs or (self.reports and not self._unreadable):
            for line in remarks(counts, TOLD, cut_off=self._cut_off):
                say(line)
        if self.talk.stats is Stats.JSON:
            tell(as_json(counts))
        elif self.talk.stats is Stats.TEXT:
            for line in as_text(counts):
                tell(line)


def run_command(talk: Talk, body: Callable[[Run], None]) -> int:
    """Run a command's body and turn every error into an exit code and a few lines on stderr."""
    run = Run(talk)
    try:
        with slow_paths_said():
            code = _guarded(run, body)
    finally:
        run.close()
        with suppress(OutputError):
            clear_stale(temporary_folder())
    return code


def _guarded(run: Run, body: Callable[[Run], None]) -> int:
    try:
        body(run)
    except BrokenPipeError:  # the reader had enough (`| head`)
        hush(sys.stdout)
        return run.code()
    except Stopped as stop:
        run.cut_off()
        return stop.code
    except KeyboardInterrupt:
        return INTERRUPTED
    except NoInputError:
        called = program_name()
        tell(f"Usage: {called} [COMMAND] [OPTIONS] [INPUT]...")
        tell(f"Nothing to read: name a file, or pipe a log in: stern -n istio-system ztunnel -o json | {called}")
        tell(f"'{called} --help' says more.")
        return USAGE
    except UsageError as error:
        complain(error)
        return USAGE
    except InputError as error:
        say(str(error))
        return UNREADABLE
    except OSError as error:
        if run.talk.debug and not isinstance(error, OutputError):
            raise
        hush(sys.stdout)
        if isinstance(error, OutputError):
            say(str(error))
        else:
            say(f"{error.filename or 'output'}: {error.strerror or error}")
        return run.code() if asked() == signal.SIGHUP else USAGE  # what hung up was the terminal it is written to
    except Exception as error:
        if run.talk.debug:
            raise
        say(f"a bug in ztflow: {type(error).__name__}: {error}; run it again with --debug and report what it prints")
        return BUG
    return run.code()


def complain(error: UsageError) -> None:
    """Say what is wrong with the command line; for an expression also where, with a caret."""
    from ztflow.filters.expression import ExpressionError

    if not isinstance(error, ExpressionError):
        say(str(error))
        return
    say(f"--filter: {error.detail}")
    shown = visible(error.expression)
    before = visible(error.expression[: error.column - 1])
    tell(f"  {shown}")
    tell(f"  {' ' * len(before)}^")


@contextmanager
def slow_paths_said() -> Iterator[None]:
    """While it is open, each of our warnings is one line on stderr; on a terminal so is a wait for the compiler."""
    with warnings.catch_warnings(), _waits_said() if is_terminal(sys.stderr) else nullcontext():
        others = warnings.showwarning

        def show(
            message: Warning | str, category: type[Warning], filename: str, lineno: int,
            file: TextIO | None = None, line: str | None = None,
        ) -> None:  # fmt: skip
            if issubclass(category, SlowPathWarning | RenamedColumnWarning):
                say(str(message))
            else:
                others(message, category, filename, lineno, file, line)

        warnings.simplefilter("always", SlowPathWarning)
        warnings.simplefilter("always", RenamedColumnWarning)
        warnings.showwarning = show
        yield


@contextmanager
def _waits_said() -> Iterator[None]:
    import logging

    from ztflow.cli.progress import compiling

    class Saying(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if record.levelno >= logging.INFO:
                say(record.getMessage())
            if record.name == "ztflow":  # the compiler: it begins with a message, and ends with one for nobody
                waits.close()
                if record.levelno >= logging.INFO:
                    waits.enter_context(compiling())

    logger, saying, waits = logging.getLogger("ztflow"), Saying(), ExitStack()
    level = logger.level
    logger.addHandler(saying)
    logger.setLevel(logging.DEBUG)
    try:
        yield
    finally:
        waits.close()
        logger.removeHandler(saying)
        logger.setLevel(level)


def as_json(counts: ReadReport) -> str:
    """One JSON object; the pairing counts are null for a command that pairs nothing."""
    import orjson

    stats = counts.stats
    return orjson.dumps(
        {
            "physical_lines": stats.physical_lines,
            "lines": stats.lines,
            "access": stats.access,
            "other": stats.other,
            "not_ours": stats.not_ours,
            "problems": stats.problems,
            "waypoint": stats.waypoint,
            "waypoint_problems": stats.waypoint_problems,
            "repaired": stats.repaired,
            "duplicates": stats.duplicates,
            "joined": stats.joined,
            "came_joined": stats.came_joined,
            "cut_times": stats.cut_times,
            "halves": stats.access - stats.duplicates,
            "paired_flows": counts.paired_flows,
            "ambiguous_flows": counts.ambiguous_flows,
            "unpaired_halves": counts.unpaired_halves,
            "evicted": counts.evicted,
            "forgotten": counts.forgotten,
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
    if stats.joined or stats.came_joined:
        yield f"parts     {stats.joined:,} lines joined from parts, {stats.came_joined:,} came joined by their shipper"
    if stats.waypoint:
        yield f"waypoint  {stats.waypoint:,} of the lines not ours, {stats.waypoint_problems:,} of them not readable"
    if stats.slow_lines < stats.physical_lines:
        share = (stats.physical_lines - stats.slow_lines) / stats.physical_lines
        yield f"bulk      {share:.1%} of the lines by the compiled reader, {stats.slow_lines:,} one by one"
    if counts.paired_flows is not None:
        yield (
            f"flows     {counts.paired_flows:,} paired ({counts.ambiguous_flows or 0:,} ambiguous), "
            f"{counts.unpaired_halves or 0:,} unpaired halves, {counts.evicted:,} evicted"
        )


def remarks(counts: ReadReport, said: int, *, cut_off: bool = False) -> Iterator[str]:
    """Messages printed in any case: inputs that gave nothing, were left out or unreadable; times that were cut.

    Args:
        counts: The counts.
        said: Inputs and problems told one by one; all are counted.
        cut_off: Whether reading did not come to its end, so that what was not read says nothing about an input.
    """
    from ztflow.text.format import counted

    if not cut_off:
        yield from _barren(counts, said)
    if counts.skipped:
        names = ", ".join(counts.skipped[:said]) + (", …" if len(counts.skipped) > said else "")
        what = counted(len(counts.skipped), "file that looks", "files that look")
        yield f"left out {what} like no log: {names}"
    if not counts.stats.access and counts.producers:
        from ztflow.model.notices import producer_lines

        yield from producer_lines(counts.producers, connections=False)
    if opened := counts.open_flows + counts.open_settled:
        what = counted(opened, "connection was", "connections were")
        yield (
            f"{what} open when ztunnels were dumped: {counts.open_flows:,} without a line, as flows with verdict open; "
            f"{counts.open_settled:,} the other half of one, ended in the log, or of another time"
        )
    if cut := counts.stats.cut_times:
        yield f"{counted(cut, 'access line has', 'access lines have')} a time cut on the way: no date, or whole seconds"
    if counts.copies:
        what = counted(len(counts.copies), "file that is", "files that are")
        yield f"left out {what} a copy of another, as kind writes each log twice"
    if counts.evicted:
        yield f"{counted(counts.evicted, 'access line')} had to be paired too early; with more --memory they can wait"
    if counts.forgotten:
        what = counted(counts.forgotten, "pod, address or ztunnel", "pods, addresses and ztunnels")
        yield f"the place of {what} was forgotten; with more --memory they are kept"
    if counts.stats.waypoint:
        from ztflow.cli.waypoint_remarks import of_waypoints

        yield from of_waypoints(counts)
    problems = counts.stats.problems
    if not problems:
        return
    yield f"{counted(problems, 'access line')} could not be read:"
    told = counts.problems[:said]
    for problem in told:
        column = "" if problem.column is None else f" at column {problem.column}"
        yield f"  {problem.source_file}:{problem.line_number}: {problem.reason}{column}: {problem.detail}"
    if problems > len(told):
        yield f"  … and {problems - len(told):,} more"


def _barren(counts: ReadReport, said: int) -> Iterator[str]:
    """Inputs without access lines, and why; one sentence when that is all inputs."""
    from ztflow.read.sources.folders import is_inventory_name
    from ztflow.text.format import counted

    stats = counts.stats
    barren = [(name, one) for name, one in counts.inputs if not one.access and not one.problems and not one.waypoint]
    found = set(counts.inside)
    others = [name for name, one in barren if name in found and not one.other]  # of other programs, which nobody named
    if not stats.physical_lines and len(barren) != 1:
        yield "empty, nothing to read"
    elif not stats.access and not stats.problems and len(barren) != 1:
        yield _nothing_of_ours(stats)
    else:
        named = [(name, one) for name, one in barren if name not in found or one.other]
        for name, one in named[:said]:
            hint = f"; is it an inventory? Then --inventory {name}" if is_inventory_name(name) else ""
            yield f"{name}: {_nothing_of_ours(one)}{hint}"
        if len(named) > said:
            yield f"… and {counted(len(named) - said, 'more input')} without an access line"
        if others:
            yield f"no ztunnel line in {counted(len(others), 'other file')} of folders and archives"


def _nothing_of_ours(stats: ReadStats) -> str:
    from ztflow.text.format import counted

    if not stats.physical_lines:
        return "empty, nothing to read"
    ours = f"{counted(stats.other, 'other line')} of ztunnel, " if stats.other else ""
    return f"no ztunnel access line in {counted(stats.lines, 'line')} ({ours}{stats.not_ours:,} not ours)"
