"""The front door: files and pipes in, tables out. The command line and notebooks use the same functions."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from time import monotonic
from typing import BinaryIO, TypeAlias

import pyarrow as pa
import pyarrow.compute as pc

from ztflow.errors import SourceError
from ztflow.model.provenance import Fact, Problem, ReadStats
from ztflow.model.tables import Flows, Halves
from ztflow.pair import LegacyPairer, Pairer
from ztflow.place import Inventory, Topology, place_flows, read_inventory
from ztflow.read import ReadBatch, ReadReport, follow, read_inputs
from ztflow.spill import EndOrder, LogOrder

Source: TypeAlias = str | Path | BinaryIO
Paths: TypeAlias = str | Path | Sequence[str | Path]
OnError: TypeAlias = Callable[[SourceError], None]
Progress: TypeAlias = Callable[[int, int | None], None]

LIVE_WINDOW = timedelta(seconds=1)
"""How far the nodes' streams may lag behind each other when following: what stern and the kubelet take at most."""


@dataclass
class LiveReport:
    """Running totals of a live reading, filled while it goes on.

    Attributes:
        stats: How many lines were read and what became of them.
        problems: Access lines that could not be read.
        evicted: Halves given up because a memory bound was hit.
        stop: Set it to end the reading at the next heartbeat; what is pending comes out first.
    """

    stats: ReadStats = field(default_factory=ReadStats)
    problems: Sequence[Problem] = ()
    evicted: int = 0
    stop: bool = False


def read_records(
    *inputs: Source,
    wrapper: str | None = None,
    since: datetime | timedelta | None = None,
    until: datetime | timedelta | None = None,
    on_error: OnError | None = None,
    progress: Progress | None = None,
) -> Halves:
    """The access lines of all inputs as one table, merged by time.

    Args:
        inputs: Files, directories, globs, `-` for stdin, or open binary files.
        wrapper: What stands around the lines, where it cannot be told from them; see docs/reference/inputs.md.
        since: Leave out lines before this time, or from earlier than this before the last line.
        until: Leave out lines after this time, or from later than this before the last line.
        on_error: Called with an input that cannot be read, which is then left out; without it the error is raised.
        progress: Called now and then with bytes read and, where known, bytes in all.

    Raises:
        SourceError: An input cannot be read and `on_error` is not given.
    """
    report = ReadReport()
    parts = list(iter_records(*inputs, wrapper=wrapper, on_error=on_error, progress=progress, report=report))
    table = _between(Halves.concat(parts).to_arrow(), "time", since, until)
    return Halves(table, stats=report.stats, problems=report.problems)


def iter_records(
    *inputs: Source,
    wrapper: str | None = None,
    on_error: OnError | None = None,
    progress: Progress | None = None,
    report: ReadReport | None = None,
) -> Iterator[Halves]:
    """The access lines of all inputs in tables of bounded size, merged by time; see `read_records`.

    One stream comes out as it is read; several are merged by way of the disk when they are large.
    `report` is filled with the counts while they come.
    """
    batches = _batches(inputs, wrapper, on_error, progress, ReadReport() if report is None else report)
    with LogOrder() as order:
        for batch in batches:
            order.add(batch.halves.to_arrow())
        for table in order.slices():
            yield Halves(table)


def read_flows(
    *inputs: Source,
    inventory: Paths = (),
    window: timedelta | None = None,
    wrapper: str | None = None,
    since: datetime | timedelta | None = None,
    until: datetime | timedelta | None = None,
    on_error: OnError | None = None,
    progress: Progress | None = None,
) -> Flows:
    """The connections in all inputs, both halves where seen, each end placed on its node where evidence allows.

    Args:
        inputs: As for `read_records`; several are one capture.
        inventory: Files that say which pod is on which node: kubectl, istioctl or ztunnel output, or CSV.
        window: Has no effect on finite input, which is paired in log-time order whatever order it came in.
        wrapper: As for `read_records`.
        since: As for `read_records`, of the ends of connections; pairing sees all lines.
        until: Likewise.
        on_error: As for `read_records`.
        progress: As for `read_records`.

    Raises:
        SourceError: An input cannot be read and `on_error` is not given.
        InventoryError: Nothing could be recognised in an inventory file.
    """
    del window
    report = ReadReport()
    parts = list(
        iter_flows(*inputs, inventory=inventory, wrapper=wrapper, on_error=on_error, progress=progress, report=report)
    )
    flows = Flows.concat(parts)
    table = _between(flows.to_arrow(), "end", since, until)
    return Flows(table, stats=report.stats, problems=report.problems, evicted=parts[-1].evicted)


def iter_flows(
    *inputs: Source,
    inventory: Paths = (),
    wrapper: str | None = None,
    on_error: OnError | None = None,
    progress: Progress | None = None,
    report: ReadReport | None = None,
) -> Iterator[Flows]:
    """The connections in all inputs in tables of bounded size, in order of their end; see `read_flows`.

    Everything is read before the first flow comes: what the last line says of a node may place the first connection.
    Memory: `spill.IN_MEMORY` halves and `spill.FLOWS_IN_MEMORY` flows, however large the inputs; what is more waits on
    disk. `report` is filled with the counts; the last table's `evicted` is that of all.
    """
    topology = Topology(_inventory(inventory))
    legacy = LegacyPairer()
    pairer = Pairer(window=timedelta(0))
    batches = _batches(inputs, wrapper, on_error, progress, ReadReport() if report is None else report)
    with LogOrder() as order, EndOrder() as ordered:
        for batch in batches:
            topology.learn(batch.facts, batch.halves.to_arrow())
            pairer.learn(batch.facts)
            ordered.hold(legacy.push(batch.facts))
            order.add(batch.halves.to_arrow())
        ordered.hold(legacy.finish())
        for halves, edge in order.portions():
            if edge is None:
                ordered.hold(pairer.finish(halves).to_arrow())
            else:
                flows = pairer.push(halves, before=edge)
                for table in ordered.push(flows.to_arrow(), pairer.settled):
                    yield _placed(topology, table)
        for table in ordered.finish():
            yield _placed(topology, table, evicted=pairer.evicted)


def pair_and_place(halves: Halves, facts: Sequence[Fact], known: Inventory) -> Flows:
    """The flows of a finished set of halves and of what the other lines said, in order of end, placed."""
    topology = Topology(known, facts, halves.to_arrow())
    pairer, legacy = Pairer(window=timedelta(0)), LegacyPairer()
    pairer.learn(facts)
    with EndOrder() as ordered:
        for table in (pairer.finish(halves).to_arrow(), legacy.push(facts), legacy.finish()):
            ordered.hold(table)
        flows = _placed(topology, *ordered.finish())
    return Flows(flows.to_arrow(), stats=halves.stats, problems=halves.problems, evicted=pairer.evicted)


def follow_records(
    *inputs: Source, wrapper: str | None = None, report: LiveReport | None = None, on_error: OnError | None = None
) -> Iterator[Halves]:
    """Access lines as they come; empty tables as a heartbeat when none do. Ends when the pipe ends."""
    for batch, _ in _live(inputs, wrapper, report or LiveReport(), on_error):
        yield batch


def follow_flows(
    *inputs: Source,
    inventory: Paths = (),
    window: timedelta | None = None,
    wrapper: str | None = None,
    report: LiveReport | None = None,
    on_error: OnError | None = None,
) -> Iterator[Flows]:
    """Flows as soon as no later line can change them; empty tables as a heartbeat.

    Args:
        inputs: As for `read_records`.
        inventory: As for `read_flows`.
        window: How far the nodes' streams may lag behind each other; `LIVE_WINDOW` unless given. When nothing comes,
            log time goes on with the clock on the wall.
        wrapper: As for `read_records`.
        report: Filled with the running totals.
        on_error: As for `read_records`.
    """
    report = report or LiveReport()
    known = _inventory(inventory)
    pairer = Pairer(window=LIVE_WINDOW if window is None else window)
    legacy = LegacyPairer()
    topology = Topology(known)
    quiet_since = monotonic()
    for halves, facts in _live(inputs, wrapper, report, on_error):
        if len(halves) or facts:
            topology.learn(facts, halves.to_arrow())
            pairer.learn(facts)
        if len(halves):
            quiet_since = monotonic()
            flows = pairer.push(halves)
        else:
            flows = pairer.advance(past=timedelta(seconds=monotonic() - quiet_since))
        report.evicted = pairer.evicted
        yield _placed(topology, flows.to_arrow(), legacy.push(facts))
    yield _placed(topology, pairer.finish().to_arrow(), legacy.finish())


def _placed(topology: Topology, *tables: pa.Table, evicted: int = 0) -> Flows:
    table = pa.concat_tables(tables).unify_dictionaries()
    return Flows(place_flows(table, topology) if table.num_rows else None, evicted=evicted)


def _live(
    inputs: Sequence[Source], wrapper: str | None, report: LiveReport, on_error: OnError | None
) -> Iterator[tuple[Halves, list[Fact]]]:
    read = ReadReport()
    batches = follow(inputs or ["-"], wrapper=wrapper, report=read, on_error=on_error, stop=lambda: report.stop)
    for batch in batches:
        report.stats = read.stats
        report.problems = read.problems
        yield batch.halves, batch.facts
    # What was held at the end may have been no access line: no batch comes for it, but it counts.
    report.stats = read.stats
    report.problems = read.problems


def _inventory(paths: Paths) -> Inventory:
    return read_inventory(*([paths] if isinstance(paths, str | Path) else paths))


def _batches(
    inputs: Sequence[Source],
    wrapper: str | None,
    on_error: OnError | None,
    progress: Progress | None,
    report: ReadReport,
) -> Iterator[ReadBatch]:
    return read_inputs(inputs or ["-"], wrapper=wrapper, report=report, on_error=on_error, progress=progress)


def _between(
    table: pa.Table, name: str, since: datetime | timedelta | None, until: datetime | timedelta | None
) -> pa.Table:
    """The rows within the times; times relative to the last row are resolved against it. Rows without a time stay."""
    times = table.column(name)
    last = pc.max(times).as_py()
    keep = None
    for bound, compare in ((since, pc.greater_equal), (until, pc.less_equal)):
        if bound is None or last is None:
            continue
        instant = last - bound if isinstance(bound, timedelta) else bound
        inside = pc.fill_null(compare(times, pa.scalar(instant, times.type)), True)
        keep = inside if keep is None else pc.and_(keep, inside)
    return table if keep is None else table.filter(keep)
