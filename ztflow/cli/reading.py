"""Inputs to tables, with the counts kept in the run: finished inputs at once, live ones as they come."""

from __future__ import annotations

import signal
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from datetime import timedelta
from types import FrameType
from typing import Any, TypeAlias

import pyarrow as pa
import pyarrow.compute as pc

from ztflow import api
from ztflow.cli.counting import Counts
from ztflow.cli.options import Reading
from ztflow.cli.progress import ReadingBar
from ztflow.cli.run import Run
from ztflow.errors import UsageError
from ztflow.filters.quantities import parse_duration
from ztflow.model.provenance import Fact
from ztflow.model.tables import Flows, Halves
from ztflow.place import Topology, read_inventory
from ztflow.read import ReadReport, follow, read_inputs

Choice: TypeAlias = Callable[[Iterator[Flows]], Iterator[Flows]]


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


def _ztunnel_nodes(reading: Reading) -> dict[str, str]:
    """Pod name → node, where the inventories name one node only."""
    nodes: dict[str, set[str]] = {}
    for pod in read_inventory(*(reading.inventory or ())).pods:
        if pod.node is not None:
            nodes.setdefault(pod.name, set()).add(pod.node)
    return {name: next(iter(found)) for name, found in nodes.items() if len(found) == 1}


def _with_nodes(halves: Halves, nodes: dict[str, str]) -> Halves:
    """The access lines with the node of the ztunnel that wrote them, where the log does not say it itself."""
    if not nodes or not len(halves):
        return halves
    table = halves.to_arrow()
    said, field = table["ztunnel_node"].cast(pa.string()), table.schema.field("ztunnel_node")
    known = pa.array([nodes.get(pod) for pod in table["ztunnel_pod"].to_pylist()], pa.string())
    column = pc.coalesce(said, known).dictionary_encode().cast(field.type)
    return Halves(table.set_column(table.schema.names.index("ztunnel_node"), field, column))


def records(run: Run, inputs: list[str], reading: Reading) -> Generator[Halves]:
    """The access lines of finished inputs, merged by time, in tables of bounded size."""
    report = ReadReport()
    nodes = _ztunnel_nodes(reading)
    counts = run.counts = Counts()
    with ReadingBar() as bar:
        for halves in api.iter_records(
            *inputs, wrapper=reading.wrapper, on_error=run.unreadable, progress=bar, report=report
        ):
            bar.hide()
            counts.take(report)
            yield _with_nodes(halves, nodes)
    counts.take(report)


def flows(run: Run, inputs: list[str], reading: Reading) -> Generator[Flows]:
    """The flows of finished inputs in order of their end, in tables of bounded size."""
    _window(reading)
    report = ReadReport()
    counts = run.counts = Counts(paired_flows=0, ambiguous_flows=0, unpaired_halves=0)
    with ReadingBar() as bar:
        for found in api.iter_flows(
            *inputs, inventory=reading.inventory or (), wrapper=reading.wrapper, on_error=run.unreadable,
            progress=bar, report=report,
        ):  # fmt: skip
            bar.hide()
            counts.take(report)
            counts.evicted = max(counts.evicted, found.evicted)
            counts.add_flows(found)
            yield found
    counts.take(report)


def live_batches(run: Run, inputs: list[str], reading: Reading) -> Generator[tuple[Halves, list[Fact]]]:
    """Access lines and facts of inputs that grow, as they come; Ctrl-C ends them."""
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
    nodes = _ztunnel_nodes(reading)
    counts = run.counts = Counts()
    with _stopping(report):
        for halves in api.follow_records(*inputs, wrapper=reading.wrapper, report=report, on_error=run.unreadable):
            counts.stats, counts.problems = report.stats, report.problems
            yield _with_nodes(halves, nodes)
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


def all_flows(run: Run, inputs: list[str], reading: Reading, choose: Choice = iter) -> Flows:
    """All flows for a command that answers once: with `--follow` those until the pipe ends or Ctrl-C.

    May be called for several captures of one run; their counts add up.

    Args:
        run: The run.
        inputs: What to read.
        reading: How to read.
        choose: What of the tables, as they come, is kept until the answer; everything unless given. The counts are of
            everything.
    """
    before = run.counts
    read = live_flows if reading.follow else flows
    parts = [part.to_arrow() for part in choose(read(run, inputs, reading))]
    table = pa.concat_tables(parts or [Flows.schema.empty_table()]).unify_dictionaries()
    counts = run.counts
    assert counts is not None
    if before is not None:
        run.counts = before.plus(counts)
    return Flows(table, stats=counts.stats, problems=counts.problems, evicted=counts.evicted)


def capture(run: Run, inputs: list[str], reading: Reading) -> tuple[Halves, Flows]:
    """Access lines and flows for a report that needs both."""
    from ztflow.cli.growing import GrowingCapture

    growing = GrowingCapture(reading.inventory or (), kept=None)
    if reading.follow:
        for halves, facts in live_batches(run, inputs, reading):
            growing.add(halves, facts)
    else:
        report = ReadReport()
        with ReadingBar() as bar:
            for batch in read_inputs(
                inputs, wrapper=reading.wrapper, on_error=run.unreadable, progress=bar, report=report
            ):
                growing.add(batch.halves, batch.facts)
        run.counts = Counts()
        run.counts.take(report)
    counts = run.counts
    assert counts is not None
    found = growing.flows()
    counts.count_flows_anew(found)
    result = Flows(found.to_arrow(), stats=counts.stats, problems=counts.problems, evicted=found.evicted)
    return growing.halves(), result


def owners(reading: Reading) -> dict[str, str]:
    """Pod (`namespace/name`) → owning workload, as far as the inventories state it."""
    return Topology(read_inventory(*reading.inventory)).owners() if reading.inventory else {}


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
