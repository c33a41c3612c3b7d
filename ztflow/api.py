"""Public reading functions: files and pipes in, tables out. Each is a thin layer over `ztflow.session`.

`read_*` gives one table, `iter_*` the same in tables of bounded size, `follow_*` live input as it comes. The command
line uses these functions. An invalid inventory raises when the function is called, before anything is read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias, TypeVar

import pyarrow as pa

from ztflow.errors import SourceError, UsageError
from ztflow.filters.period import Moment, between
from ztflow.filters.quantities import budget_of
from ztflow.memory import DEFAULT, Budget
from ztflow.model.notices import notices_of
from ztflow.model.tables import Flows, Halves
from ztflow.place import Known, known_inventory
from ztflow.read import ReadBatch, ReadReport, follow, read_inputs
from ztflow.read.sources.given import Given, Source, given
from ztflow.session import LIVE_WINDOW, LiveSession, Pipeline, RecordSession, Session, no_flows
from ztflow.session.waypoint_logs import layouts_of, read_waypoint_logs, with_requests

if TYPE_CHECKING:
    from ztflow.cluster import Scheduler
    from ztflow.waypoint.formats import Layout

Waypoint: TypeAlias = str | Path | Sequence[str | Path]
OnError: TypeAlias = Callable[[SourceError], None]
Progress: TypeAlias = Callable[[int, int | None], None]
Memory: TypeAlias = int | str | None
Stop: TypeAlias = Callable[[], bool]
Engine: TypeAlias = Literal["dask"] | None

Tabular = TypeVar("Tabular", Flows, Halves)


def read_records(
    *inputs: Source,
    inventory: Known = (),
    wrapper: str | None = None,
    memory: Memory = None,
    since: Moment | None = None,
    until: Moment | None = None,
    on_error: OnError | None = None,
    progress: Progress | None = None,
    engine: Engine = None,
    scheduler: Scheduler = None,
) -> Halves:
    """The access lines of all inputs as one table, merged by time.

    Args:
        inputs: Files, directories, globs, `-` for stdin, open files, the log itself as text or bytes, or lists of
            these.
        inventory: As for `read_flows`; with one, each line has the node of its ztunnel where it is known.
        wrapper: Format the lines are wrapped in; detected automatically by default; see docs/reference/inputs.md.
        memory: Bound on what the process has in memory while it reads, in bytes or as `"1GiB"`; `memory.DEFAULT` unless
            given. What does not fit waits on disk. The table itself comes on top of it.
        since: Leave out lines before this time, or from earlier than this before the last line.
        until: Leave out lines after this time, or from later than this before the last line.
        on_error: Called with an input that cannot be read, which is then left out; without it the error is raised.
        progress: Called now and then with bytes read and, where known, bytes in all.
        engine: `"dask"` has workers read, of `memory` each, also addresses; see docs/how-to/many-machines.md.
        scheduler: Where that Dask is; workers on this machine unless given.

    Raises:
        SourceError: An input cannot be read and `on_error` is not given.
        InventoryError: Nothing could be recognised in an inventory file.
        UsageError: An input is nothing that can be read, or the engine is not there.
    """
    report = ReadReport()
    parts = iter_records(
        *inputs,
        inventory=inventory,
        wrapper=wrapper,
        memory=memory,
        on_error=on_error,
        progress=progress,
        report=report,
        engine=engine,
        scheduler=scheduler,
    )
    return between(whole(Halves, parts, report), since, until)


def iter_records(
    *inputs: Source,
    inventory: Known = (),
    wrapper: str | None = None,
    memory: Memory = None,
    on_error: OnError | None = None,
    progress: Progress | None = None,
    report: ReadReport | None = None,
    engine: Engine = None,
    scheduler: Scheduler = None,
) -> Iterator[Halves]:
    """The access lines of all inputs in tables of bounded size, merged by time, by way of the disk when they are large.

    Arguments and errors are those of `read_records`; `report` is filled with the counts while lines come.
    """
    report = ReadReport() if report is None else report
    sources = given(inputs)
    if engine is not None:
        from ztflow.cluster import reading

        how = reading(engine, sources, inventory, scheduler, memory, wrapper, on_error, progress, report)
        return how.records()
    session = RecordSession(known_inventory(inventory, sources, on_error), report=report, memory=_budget(memory))
    batches = read_inputs(sources or ["-"], wrapper=wrapper, report=report, on_error=on_error, progress=progress)
    return _finished(session, batches)


def read_flows(
    *inputs: Source,
    inventory: Known = (),
    waypoint: Waypoint = (),
    envoy_format: str | None = None,
    window: timedelta | None = None,
    wrapper: str | None = None,
    memory: Memory = None,
    since: Moment | None = None,
    until: Moment | None = None,
    on_error: OnError | None = None,
    progress: Progress | None = None,
    engine: Engine = None,
    scheduler: Scheduler = None,
) -> Flows:
    """The connections in all inputs, both halves where seen, each end placed on its node where evidence allows.

    Args:
        inputs: As for `read_records`; several are one capture.
        inventory: Files that say which pod is on which node (kubectl, istioctl or ztunnel output, or CSV), or what
            `place.read_inventory` made of them. The owners of pods stay with the flows (`Flows.owners`). Unless given,
            what folders and archives among the inputs hold beside the logs (`place.inventory_beside`); None for none.
        waypoint: Access logs of waypoints (Envoy), joined to the connections; what is found of them among the inputs is
            too. `report("waypoints")` counts their requests. See docs/explanation/waypoint-logs.md.
        envoy_format: How their lines are written, where that is not what Istio sets.
        window: Accepted and not used: finite input is paired in log-time order whatever order it came in.
        wrapper: As for `read_records`.
        memory: As for `read_records`.
        since: As for `read_records`, of the ends of connections; pairing sees all lines.
        until: Likewise.
        on_error: As for `read_records`.
        progress: As for `read_records`.
        engine: As for `read_records`; the flows are the same.
        scheduler: As for `read_records`.

    Raises:
        SourceError: An input cannot be read and `on_error` is not given.
        InventoryError: Nothing could be recognised in an inventory file.
    """
    del window
    report = ReadReport()
    parts = iter_flows(
        *inputs,
        inventory=inventory,
        waypoint=waypoint,
        envoy_format=envoy_format,
        wrapper=wrapper,
        memory=memory,
        on_error=on_error,
        progress=progress,
        report=report,
        engine=engine,
        scheduler=scheduler,
    )
    return between(whole(Flows, parts, report), since, until)


def iter_flows(
    *inputs: Source,
    inventory: Known = (),
    waypoint: Waypoint = (),
    envoy_format: str | None = None,
    wrapper: str | None = None,
    memory: Memory = None,
    on_error: OnError | None = None,
    progress: Progress | None = None,
    report: ReadReport | None = None,
    engine: Engine = None,
    scheduler: Scheduler = None,
) -> Iterator[Flows]:
    """The connections in all inputs in tables of bounded size, in order of their end; see `session.Session`.

    Arguments and errors are those of `read_flows`; `report` is filled with the counts while flows come. All inputs are
    read before the first flow comes. With the log of a waypoint, all flows are one table.
    """
    report = ReadReport() if report is None else report
    sources = given(inputs)
    if engine is not None:
        logs = _waypoint_logs(waypoint, envoy_format, report, on_error)
        from ztflow.cluster import reading

        how = reading(engine, sources, inventory, scheduler, memory, wrapper, on_error, progress, report)
        return how.flows(logs)
    session = Session(known_inventory(inventory, sources, on_error), report=report, memory=_budget(memory))
    logs = _waypoint_logs(waypoint, envoy_format, report, on_error)
    batches = read_inputs(sources or ["-"], wrapper=wrapper, report=report, on_error=on_error, progress=progress)
    return _finished(session, batches, logs)


def read_capture(
    *inputs: Source,
    inventory: Known = (),
    wrapper: str | None = None,
    memory: Memory = None,
    on_error: OnError | None = None,
    progress: Progress | None = None,
    report: ReadReport | None = None,
    stop: Stop | None = None,
) -> tuple[Halves, Flows]:
    """Access lines, as they came, and connections of one reading, for the reports that need both.

    Arguments and errors are those of `read_flows`; saved flows are an error, too, for their lines are not there.
    `report` is filled with the counts. With `stop` the inputs are read as they grow, until it says yes or they end.
    """
    report = ReadReport() if report is None else report
    kept: list[Halves] = []

    def note(batch: ReadBatch) -> None:
        no_flows(batch)
        kept.append(batch.halves)

    flows = read_noted(
        *inputs,
        note=note,
        inventory=inventory,
        wrapper=wrapper,
        memory=memory,
        on_error=on_error,
        progress=progress,
        report=report,
        stop=stop,
    )
    return whole(Halves, kept, report), flows


def read_noted(
    *inputs: Source,
    note: Callable[[ReadBatch], None],
    inventory: Known = (),
    wrapper: str | None = None,
    memory: Memory = None,
    on_error: OnError | None = None,
    progress: Progress | None = None,
    report: ReadReport | None = None,
    stop: Stop | None = None,
) -> Flows:
    """Connections, with a look at each batch that was read: its access lines, and the facts of the other lines.

    Arguments and errors are those of `read_capture`; `note` is called with every batch, in order.
    """
    report = ReadReport() if report is None else report
    sources = given(inputs)

    def noted(batches: Iterable[ReadBatch]) -> Iterator[ReadBatch]:
        for batch in batches:
            note(batch)
            yield batch

    batches = (
        read_inputs(sources or ["-"], wrapper=wrapper, report=report, on_error=on_error, progress=progress)
        if stop is None
        else follow(sources or ["-"], wrapper=wrapper, report=report, on_error=on_error, stop=stop)
    )
    session = Session(known_inventory(inventory, sources, on_error), report=report, memory=_budget(memory))
    return whole(Flows, _finished(session, noted(batches)), report)


def follow_records(
    *inputs: Source,
    inventory: Known = (),
    wrapper: str | None = None,
    memory: Memory = None,
    report: ReadReport | None = None,
    on_error: OnError | None = None,
    stop: Stop | None = None,
) -> Iterator[Halves]:
    """Access lines as they come; empty tables as a heartbeat when none do. Ends when the pipe ends.

    Arguments and errors are those of `read_records`; nodes are named by what is known when a line comes. `report` is
    filled with the running totals. `stop` is asked at every heartbeat; when it says yes, the reading ends.
    """
    report = ReadReport() if report is None else report
    sources = given(inputs)
    session = RecordSession(
        known_inventory(inventory, sources, on_error), live=True, report=report, memory=_budget(memory)
    )
    return _live(session, follow(sources or ["-"], wrapper=wrapper, report=report, on_error=on_error, stop=stop))


def follow_flows(
    *inputs: Source,
    inventory: Known = (),
    waypoint: Waypoint = (),
    envoy_format: str | None = None,
    window: timedelta | None = None,
    wrapper: str | None = None,
    memory: Memory = None,
    report: ReadReport | None = None,
    on_error: OnError | None = None,
    stop: Stop | None = None,
) -> Iterator[Flows]:
    """Flows as soon as no later line can change them; empty tables as a heartbeat. See `session.LiveSession`.

    Args:
        inputs: As for `read_records`.
        inventory: As for `read_flows`.
        waypoint: Access logs of waypoints: their requests are added up (`ReadReport.requests`), and joined to nothing.
        envoy_format: As for `read_flows`.
        window: How far the nodes' streams may lag behind each other; `session.LIVE_WINDOW` unless given.
        wrapper: As for `read_records`.
        memory: As for `read_records`.
        report: Filled with the running totals.
        on_error: As for `read_records`.
        stop: Asked at every heartbeat; when it says yes, what is pending comes out and the reading ends.

    Raises:
        SourceError: As for `read_records`.
        InventoryError: As for `read_flows`.
    """
    sources, report = given(inputs), ReadReport() if report is None else report
    session = LiveSession(
        known_inventory(inventory, sources, on_error),
        window=LIVE_WINDOW if window is None else window,
        report=report,
        memory=_budget(memory),
    )
    logs, layouts = _named_logs(waypoint, envoy_format)
    batches = follow(
        sources or ["-"], wrapper=wrapper, report=report, on_error=on_error, stop=stop, waypoints=logs, layouts=layouts
    )
    return _live(session, batches)


def _budget(memory: Memory) -> Budget:
    return DEFAULT if memory is None else budget_of(memory)


def whole(kind: type[Tabular], parts: Iterable[Tabular], report: ReadReport) -> Tabular:
    """All tables of a reading as one, with its counts."""
    made = kind.concat(parts)
    made.stats, made.problems = report.stats, tuple(report.problems)
    if isinstance(made, Flows):
        from ztflow.aggregate.view import View

        tell(made, report)
        made.span, made.read = View(made.to_arrow()).span(), len(made)
    return made


def tell(flows: Flows, report: ReadReport) -> None:
    """Give flows what is known of their reading."""
    flows.evicted, flows.notices = report.evicted, tuple(notices_of(report))
    flows.producers, flows.joins = report.producers, tuple(report.waypoints)
    flows.requests = pa.concat_tables(report.requests) if report.requests else None


def _finished(
    session: Pipeline[Tabular], batches: Iterable[ReadBatch], requests: Sequence[pa.Table] = ()
) -> Iterator[Tabular]:
    requests = [*requests]
    with session:
        for batch in batches:
            session.feed(batch)
            requests += [] if batch.requests is None else [batch.requests]
        if requests and isinstance(session, Session):
            yield with_requests(session.finish(), requests, session.report, session.topology)
        else:
            yield from session.finish()


def _waypoint_logs(
    waypoint: Waypoint, envoy_format: str | None, report: ReadReport, on_error: OnError | None
) -> list[pa.Table]:
    logs, layouts = _named_logs(waypoint, envoy_format)
    return read_waypoint_logs(logs, layouts, report, on_error) if logs else []


def _named_logs(waypoint: Waypoint, envoy_format: str | None) -> tuple[Sequence[Given], Sequence[Layout]]:
    """The logs of waypoints that were named, and how their lines may be written."""
    paths = [waypoint] if isinstance(waypoint, str | Path) else [*waypoint]
    if not paths:
        if envoy_format is not None:
            raise UsageError("a format of Envoy's log goes with the log of a waypoint: give --waypoint")
        return (), ()
    return given(paths), layouts_of(envoy_format)


def _live(session: Pipeline[Tabular], batches: Iterable[ReadBatch]) -> Iterator[Tabular]:
    with session:
        for batch in batches:
            yield session.feed(batch)
        yield from session.finish()
