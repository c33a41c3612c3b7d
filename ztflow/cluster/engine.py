"""One reading on a cluster, from inputs to flows or access lines in order of time: which task comes after which."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain
from operator import itemgetter
from threading import Lock
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pyarrow as pa

from ztflow.cluster.connect import Scheduler, connected
from ztflow.cluster.copies import Mask, kept, without_twins
from ztflow.cluster.pairing import Heard, paired
from ztflow.cluster.parsing import Part, Reader, registered
from ztflow.cluster.parting import Known, Merged, ends_of, links, merged_by, parted, whole_halves
from ztflow.cluster.placing import Sorted, in_order, placed
from ztflow.cluster.plan import BLOCK_BYTES, plan
from ztflow.cluster.saving import Saved, saved
from ztflow.errors import SourceError, UsageError
from ztflow.memory import DEFAULT
from ztflow.model.provenance import Fact, ReadReport, Written
from ztflow.model.tables import FLOWS_SCHEMA, Flows, Halves
from ztflow.pair import LegacyPairer
from ztflow.pair.exact_evidence import ConnectRequests
from ztflow.pair.stages.unpaired_reasons import SeenAddresses
from ztflow.place import Inventory, Topology, place_ztunnels
from ztflow.read import ReadBatch
from ztflow.read.sources.folders import Skipped
from ztflow.read.sources.given import Given
from ztflow.session import Session, no_flows
from ztflow.session.pairing import unheard
from ztflow.session.waypoint_logs import with_requests

if TYPE_CHECKING:
    from distributed import Client, Future

PAIRED_AT_ONCE: Final = 500_000
"""Access lines of a part, about: what a worker pairs at once, some 1 KB each."""

OnError = Callable[[SourceError], None]
Progress = Callable[[int, int | None], None]


@dataclass
class Reading:
    """What is read, how, and by whom.

    Args:
        inputs: As for `read.read_inputs`, and addresses of objects.
        inventory: As for `session.Session`.
        scheduler: See `connect.Scheduler`.
        memory: Bytes a worker may take that is started here.
        wrapper: As for `read.read_inputs`.
        on_error: As for `read.read_inputs`.
        progress: Likewise.
        report: Takes the counts.
        block: Bytes of a block of input.
        rows: Access lines that are paired by one task, about.
    """

    inputs: Sequence[Given]
    inventory: Inventory | None = None
    scheduler: Scheduler = None
    memory: int | None = None
    wrapper: str | None = None
    on_error: OnError | None = None
    progress: Progress | None = None
    report: ReadReport = field(default_factory=ReadReport)
    block: int = BLOCK_BYTES
    rows: int = PAIRED_AT_ONCE
    shuffled: int = 0
    """Bytes of access lines that were sent on to be paired."""

    def flows(self, requests: Sequence[pa.Table] = ()) -> Iterator[Flows]:
        """The flows in order of their end, in tables of about `PAIRED_AT_ONCE` rows; one at least.

        Args:
            requests: Lines of waypoints' logs; with such lines all flows are one table.
        """
        requests = [*requests]
        session = _Placing(self.inventory, self.report)
        tables = self._flows(session, requests)
        first = next(tables)  # by then all inputs are read
        if requests:
            yield with_requests(chain([first], tables), requests, self.report, session.topology)
        else:
            yield first
            yield from tables

    def save(self, folder: str) -> list[str]:
        """Have the workers write the flows as Parquet files in folders `hour=2026-11-23T14`; none comes here.

        Args:
            folder: Where to: a folder that all workers see, or an address. Files of that name are replaced.

        Returns:
            The files, in order of time.

        Raises:
            UsageError: There are lines of a waypoint's log, which are joined to all flows at once, or an inventory with
                open connections, which are compared with all.
        """
        with connected(self.scheduler, self.memory) as client:
            session, requests = _Placing(self.inventory, self.report), list[pa.Table]()
            stretches = self._stretches(client, session, requests)
            if requests or session.compares:
                raise UsageError(
                    "with logs of waypoints, or dumps of open connections, the flows have to come together"
                )
            wrote = [client.submit(saved, one, folder, at, pure=False) for at, one in enumerate(stretches)]
            del stretches
            found: list[Saved] = client.gather(wrote)
        for one in found:
            session.note(one)
        return [file for one in found for file in one.files]

    def _flows(self, session: _Placing, requests: list[pa.Table]) -> Iterator[Flows]:
        with connected(self.scheduler, self.memory) as client:
            given = False
            for table in _coming(self._stretches(client, session, requests)):
                given = True
                yield session.given(table)
            if (left := session.left()) is not None:
                yield left
            elif not given:
                yield session.given(FLOWS_SCHEMA.empty_table())

    def _stretches(self, client: Client, session: _Placing, requests: list[pa.Table]) -> list[Future]:
        """All flows on the workers, in stretches of time; takes the lines of waypoints' logs out of the input."""
        parts = self._parts(client)
        requests += [table for part, _ in parts for table in part.said.requests]
        facts = [fact for part, _ in parts for fact in part.said.facts]
        legacy = LegacyPairer(wait=None)
        ready = [legacy.push(facts), *(table for part, _ in parts for table in part.said.flows), legacy.finish()]
        rows = sum(part.said.rows for part, _ in parts)
        count = max(1, min(len(parts), _workers(client)), -(-rows // self.rows))
        pieces, heard = self._shuffled(client, session, parts, count, facts)
        del parts  # what nothing asks for any more leaves the workers
        topology = client.submit(_same, session.topology, pure=False)
        made = paired(client, [[piece[at] for piece in pieces] for at in range(count)], heard)
        del pieces, heard
        tables = [client.submit(placed, list(two), topology, pure=False) for two in made]
        if any(table.num_rows for table in ready):
            tables.append(client.submit(placed, [pa.concat_tables(ready)], topology, pure=False))
        return _in_time(client, tables, "end", count)

    def records(self) -> Iterator[Halves]:
        """The access lines in order of time, in tables of about `PAIRED_AT_ONCE` rows."""
        with connected(self.scheduler, self.memory) as client:
            session = _Placing(self.inventory, self.report)
            parts = self._parts(client)
            for part, _ in parts:
                for table in part.said.flows:
                    no_flows(ReadBatch(Halves(), [], part.said.name, table))
            facts = [fact for part, _ in parts for fact in part.said.facts]
            whole = [client.submit(whole_halves, part.halves, mask, part.offset, pure=False) for part, mask in parts]
            session.learn(facts, client.gather([client.submit(ends_of, one, pure=False) for one in whole]))
            topology = client.submit(_same, session.topology, pure=False)
            tables = [client.submit(_placed_lines, one, topology, pure=False) for one in whole]
            rows = sum(part.said.rows for part, _ in parts)
            for table in _coming(_in_time(client, tables, "time", max(1, -(-rows // self.rows)))):
                yield Halves(table, owners=session.owners)

    def _parts(self, client: Client) -> list[tuple[Part, Mask]]:
        """All inputs, read; copies found and counted."""
        skipped = Skipped(self.report.skipped)
        pieces = plan(self.inputs, skipped, self._failed, self.block)
        pieces = without_twins(client, pieces, self.report)
        meter = _Meter(sum(one.stop - one.start for some in pieces for one in some), self.progress)
        reader = Reader(client, self.wrapper, self._failed, meter)
        streams = [(parts, registered(parts, self.report)) for parts in reader.read(pieces)]
        return [one for some in kept(streams) for one in some]

    def _failed(self, error: SourceError) -> None:
        self.report.errors.append(error)
        if self.on_error is None:
            raise error
        self.on_error(error)

    def _shuffled(
        self, client: Client, session: _Placing, parts: list[tuple[Part, Mask]], count: int, facts: list[Fact]
    ) -> tuple[list[list[Future]], Future]:
        """The access lines of every part of the input, by part of the pairing; and what all have to know."""
        nothing = np.zeros(0, np.uint64)
        merged = Merged(nothing, nothing)
        traced = [part.halves for part, _ in parts if part.said.times.traced]
        if count > 1 and traced:
            merged = merged_by(client.gather([client.submit(links, halves, pure=False) for halves in traced]))
        made = [
            client.submit(parted, part.halves, mask, part.offset, count, merged, pure=False) for part, mask in parts
        ]
        lists, told = ([client.submit(itemgetter(at), one, pure=False) for one in made] for at in (0, 1))
        pieces = [[client.submit(itemgetter(at), one, pure=False) for at in range(count)] for one in lists]
        seen, ends = SeenAddresses(), list[pa.Table]()
        known: Known
        for one in told:
            known = one.result()
            seen.absorb(known.seen)
            ends.append(known.ends)
            self.shuffled += known.bytes
            for writer, wrote in known.written.items():
                self.report.written.setdefault(writer, Written()).add(wrote.ended_well, wrote.refused, wrote.first)
        requests = ConnectRequests()
        requests.learn(facts)
        session.learn(facts, ends)
        return pieces, client.submit(_same, Heard(seen, requests), pure=False)


class _Placing(Session):
    """The topology of all parts, and the counts of the flows that come out."""

    def __init__(self, inventory: Inventory | None, report: ReadReport) -> None:
        super().__init__(inventory, report=report, memory=DEFAULT)
        self.topology = Topology(inventory, most=1 << 40)  # in memory: it goes to the workers

    def learn(self, facts: list[Fact], ends: Sequence[pa.Table]) -> None:
        """Learn what places are known."""
        self.topology.learn(facts)
        for table in ends:
            self.topology.learn((), table)

    def given(self, table: pa.Table) -> Flows:
        """Flows that are placed, counted."""
        self._count(table)
        flows = Flows(table, owners=self.owners)
        if self._open is not None:
            self._open.note(table)
        return flows

    @property
    def compares(self) -> bool:
        """Whether an inventory has open connections, which are compared with all flows."""
        return self._open is not None

    def note(self, one: Saved) -> None:
        """Count flows that were written where they are."""
        report, (both, ambiguous) = self.report, one.paired
        report.paired_flows = (report.paired_flows or 0) + both
        report.ambiguous_flows = (report.ambiguous_flows or 0) + ambiguous
        report.unpaired_halves = (report.unpaired_halves or 0) + one.lines - 2 * both
        report.logs += one.logs
        report.logs.expected = unheard(self.topology)

    def left(self) -> Flows | None:
        """The open connections of dumps that are in no flow."""
        if self._open is None:
            return None
        table = self._open.table()
        self.report.open_flows, self.report.open_settled = table.num_rows, self._open.settled
        return self._placed_below(table) if table.num_rows else None


@dataclass
class _Meter:
    """Bytes read of bytes in all, counted from several threads."""

    total: int
    progress: Progress | None
    done: int = 0
    lock: Any = field(default_factory=Lock)

    def __call__(self, count: int) -> None:
        with self.lock:
            self.done += count
            if self.progress is not None:
                self.progress(self.done if not self.total else min(self.done, self.total), self.total or None)


def _in_time(client: Client, made: list[Future], time: str, count: int) -> list[Future]:
    """The rows of tables on the workers in stretches of time, in order."""
    points: list[Any] = client.gather([client.submit(itemgetter(1), one, pure=False) for one in made])
    tables = [client.submit(itemgetter(0), one, pure=False) for one in made]
    return Sorted(client, tables, points, time).stretches(count)


def _coming(stretches: list[Future]) -> Iterator[pa.Table]:
    """The tables of stretches that have any rows; a worker keeps none that was given."""
    while stretches:
        table = stretches.pop(0).result()
        if table is not None:
            yield table


def _placed_lines(halves: pa.Table, topology: Topology) -> tuple[pa.Table, Any]:
    return in_order(place_ztunnels(halves, topology), "time")


def _same(one: Any) -> Any:
    return one


def _workers(client: Client) -> int:
    return max(1, len(client.nthreads()))
