"""Inputs to tables, with the counts kept in the run: finished inputs at once, live ones as they come."""

from __future__ import annotations

import signal
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from datetime import timedelta
from types import FrameType
from typing import Any

from ztflow import api
from ztflow.cli.counting import Counts
from ztflow.cli.options import Reading
from ztflow.cli.progress import ReadingBar
from ztflow.cli.run import Run
from ztflow.errors import UsageError
from ztflow.filters.quantities import parse_duration
from ztflow.flows import Flows
from ztflow.halves import Halves
from ztflow.origin import Fact


def _window(reading: Reading) -> timedelta | None:
    if reading.window is None:
        return None
    try:
        window = parse_duration(reading.window)
    except UsageError as error:
        raise UsageError(f"--window: {error}") from None
    if not window:
        raise UsageError("--window: a window of nothing pairs nothing")
    return window


def records(run: Run, inputs: list[str], reading: Reading) -> Halves:
    """The access lines of finished inputs."""
    with ReadingBar() as bar:
        halves = api.read_records(*inputs, wrapper=reading.wrapper, on_error=run.unreadable, progress=bar)
    run.counts = Counts(halves.stats, halves.problems)
    return halves


def flows(run: Run, inputs: list[str], reading: Reading) -> Flows:
    """The flows of finished inputs."""
    with ReadingBar() as bar:
        found = api.read_flows(
            *inputs, inventory=reading.inventory or (), window=_window(reading), wrapper=reading.wrapper,
            on_error=run.unreadable, progress=bar,
        )  # fmt: skip
    run.counts = Counts(found.stats, found.problems, evicted=found.evicted)
    run.counts.add_flows(found)
    return found


def live_batches(run: Run, inputs: list[str], reading: Reading) -> Generator[tuple[Halves, list[Fact]]]:
    """Access lines and facts of inputs that grow, as they come; Ctrl-C ends them."""
    from ztflow.read import ReadReport, follow

    read = ReadReport()
    report = api.LiveReport()
    counts = run.counts = Counts()
    with _stopping(report):
        batches = follow(
            inputs, wrapper=reading.wrapper, report=read, on_error=run.unreadable, stop=lambda: report.stop
        )
        for batch in batches:
            counts.stats, counts.problems = read.stats, read.problems
            yield batch.halves, batch.facts
    counts.stats, counts.problems = read.stats, read.problems


def live_records(run: Run, inputs: list[str], reading: Reading) -> Generator[Halves]:
    """The access lines of inputs that grow, as they come; Ctrl-C ends them."""
    report = api.LiveReport()
    counts = run.counts = Counts()
    with _stopping(report):
        for halves in api.follow_records(*inputs, wrapper=reading.wrapper, report=report, on_error=run.unreadable):
            counts.stats, counts.problems = report.stats, report.problems
            yield halves
    counts.stats, counts.problems = report.stats, report.problems


def live_flows(run: Run, inputs: list[str], reading: Reading) -> Generator[Flows]:
    """The flows of inputs that grow, as soon as they are sure; Ctrl-C ends them and what is pending comes out."""
    report = api.LiveReport()
    counts = run.counts = Counts(paired_flows=0, ambiguous_flows=0, unpaired_halves=0)
    with _stopping(report):
        for found in api.follow_flows(
            *inputs, inventory=reading.inventory or (), window=_window(reading), wrapper=reading.wrapper,
            report=report, on_error=run.unreadable,
        ):  # fmt: skip
            counts.stats, counts.problems, counts.evicted = report.stats, report.problems, report.evicted
            if len(found):
                counts.add_flows(found)
            yield found
    counts.stats, counts.problems, counts.evicted = report.stats, report.problems, report.evicted


def owners(reading: Reading) -> dict[str, str]:
    """Pod (`namespace/name`) → owning workload, as far as the inventories state it."""
    if not reading.inventory:
        return {}
    from ztflow.place import Topology, read_inventory

    return Topology(read_inventory(*reading.inventory)).owners()


def capture(run: Run, inputs: list[str], reading: Reading) -> tuple[Halves, Flows]:
    """Access lines and flows for a command that answers once: with `--follow` those until the pipe ends or Ctrl-C.

    May be called for several captures of one run; their counts add up.
    """
    from ztflow.cli.growing import GrowingCapture

    growing = GrowingCapture(reading.inventory or (), kept=None)
    before = run.counts
    if reading.follow:
        for halves, facts in live_batches(run, inputs, reading):
            growing.add(halves, facts)
    else:
        from ztflow.read import ReadReport, read_inputs

        report = ReadReport()
        with ReadingBar() as bar:
            batches = read_inputs(inputs, wrapper=reading.wrapper, on_error=run.unreadable, progress=bar, report=report)
            for batch in batches:
                growing.add(batch.halves, batch.facts)
        run.counts = Counts(report.stats, report.problems)
    found = growing.flows()
    assert run.counts is not None
    counts = run.counts
    counts.evicted = found.evicted
    counts.add_flows(found)
    result = Flows(found.to_arrow(), stats=counts.stats, problems=counts.problems, evicted=found.evicted)
    if before is not None:
        run.counts = before.plus(counts)
    return growing.halves(), result


@contextmanager
def _stopping(report: api.LiveReport) -> Iterator[None]:
    """While it lasts, Ctrl-C asks the reading to end; a second one interrupts whatever is going on."""

    def stop(_number: int, _frame: FrameType | None) -> None:
        if report.stop:
            raise KeyboardInterrupt
        report.stop = True

    before: Any = signal.signal(signal.SIGINT, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
