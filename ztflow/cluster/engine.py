"""One reading on a cluster, from inputs to flows or access lines in order of time: which task comes after which."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import chain
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Final

import pyarrow as pa

from ztflow.aggregate.fold import Shape
from ztflow.cluster.connect import Scheduler, at_hand, beside, connected, handed, on_each
from ztflow.cluster.copies import Mask, kept, without_twins
from ztflow.cluster.folding import added_up, together
from ztflow.cluster.pairing import Heard, Matched, concluded, matched
from ztflow.cluster.parsing import Part, Reader, parts_of, registered
from ztflow.cluster.parting import Known, ends_of, kept_of, links, merged_by, parted_again
from ztflow.cluster.placing import Finish, as_they_are, in_order, placed, stretches
from ztflow.cluster.plan import expected_lines, plan
from ztflow.cluster.progress import SHARE_PAIRED, SHARE_PLACED, SHARE_READ, Meter, Progress
from ztflow.cluster.saving import Saved, saved
from ztflow.cluster.sizing import Sizes
from ztflow.errors import SourceError, UsageError
from ztflow.memory import DEFAULT
from ztflow.model.provenance import Fact, ReadReport, Written
from ztflow.model.table import empty
from ztflow.model.tables import Flows, Halves
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

_TOO_LARGE: Final = 2
"""How many times as many parts have to be needed as were planned, for all to be parted anew."""

OnError = Callable[[SourceError], None]


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
        progress: Called now and then with bytes of input that are done, all steps counted, and bytes in all.
        report: Takes the counts.
        block: Bytes of a block of input; by the size of all of it and the workers' memory unless given.
        rows: Access lines that are paired by one task, about; likewise.
    """

    inputs: Sequence[Given]
    inventory: Inventory | None = None
    scheduler: Scheduler = None
    memory: int | None = None
    wrapper: str | None = None
    on_error: OnError | None = None
    progress: Progress | None = None
    report: ReadReport = field(default_factory=ReadReport)
    block: int | None = None
    rows: int | None = None
    shuffled: int = 0
    """Bytes of access lines that were sent on to be paired."""
    _meter: Meter = field(init=False, repr=False)
    _sizes: Sizes = field(init=False, repr=False)

    def flows(self, requests: Sequence[pa.Table] = ()) -> Iterator[Flows]:
        """The flows in order of their end, in tables of about as many rows as a part has; one at least.

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

        A file has the flows of one hour and one part, in order of their end; the files of an hour are in no order.

        Args:
            folder: Where to: a folder that all workers see, or an address. Files of that name are replaced.

        Returns:
            The files, hour by hour.

        Raises:
            UsageError: There are lines of a waypoint's log, which are joined to all flows at once, or an inventory with
                open connections, which are compared with all.
        """
        with connected(self.scheduler, self.memory) as client:
            session, requests = _Placing(self.inventory, self.report), list[pa.Table]()

            def apart() -> Finish:
                if requests or session.compares:
                    raise UsageError(
                        "with logs of waypoints, or dumps of open connections, the flows have to come together"
                    )
                return partial(saved, folder=folder)

            wrote = self._paired(client, session, requests, apart)
            self._meter.after(wrote, 1 - SHARE_READ - SHARE_PAIRED)
            found: list[Saved] = client.gather(wrote)
        for one in found:
            session.note(one)
        self._meter.finish()
        return sorted(file for one in found for file in one.files)

    def folded(self, shape: Shape) -> Iterator[Flows]:
        """What an answer needs of all flows: added up by the workers, one table (`FoldedFlows`).

        With lines of waypoints' logs, or dumps of open connections, which are about single flows: those of `flows`.

        Args:
            shape: What the answer tells apart.
        """
        session, requests = _Placing(self.inventory, self.report), list[pa.Table]()
        with connected(self.scheduler, self.memory) as client:

            def finish() -> Finish:
                return as_they_are if requests or session.compares else partial(added_up, shape=shape)

            made = self._paired(client, session, requests, finish)
            if requests or session.compares:
                tables = self._in_order(client, session, made)
                if requests:
                    tables = iter([with_requests(tables, requests, self.report, session.topology)])
                yield from tables
                return
            self._meter.after(made, 1 - SHARE_READ - SHARE_PAIRED)
            flows, counts = together(client, made, shape, session.owners)
        for one in counts:
            session.note(one)
        self._meter.finish()
        yield flows

    def _flows(self, session: _Placing, requests: list[pa.Table]) -> Iterator[Flows]:
        with connected(self.scheduler, self.memory) as client:
            made = self._paired(client, session, requests, lambda: as_they_are)
            yield from self._in_order(client, session, made)

    def _in_order(self, client: Client, session: _Placing, made: list[Future]) -> Iterator[Flows]:
        """Flows of parts, in order of their end."""
        self._meter.after(made, SHARE_PLACED)
        coming = self._last(stretches(client, made, "end", len(made)))
        made.clear()  # what nothing asks for any more leaves the workers
        given = False
        for table in self._coming(coming):
            given = True
            yield session.given(table)
        if (left := session.left()) is not None:
            yield left
        elif not given:
            yield session.given(empty(Flows))

    def _paired(
        self,
        client: Client,
        session: _Placing,
        requests: list[pa.Table],
        finish: Callable[[], Finish],
    ) -> list[Future]:
        """All flows, part by part, on the workers; takes the lines of waypoints' logs out of the input.

        Args:
            client: The cluster.
            session: Learns places.
            requests: Filled with the lines of waypoints' logs.
            finish: Asked what becomes of the flows of a part, when all is read.
        """
        parts, planned = self._parts(client, shuffled=True)
        requests += [table for part, _ in parts for table in part.said.requests]
        then = finish()
        facts = [fact for part, _ in parts for fact in part.said.facts]
        legacy = LegacyPairer(wait=None)
        ready = [legacy.push(facts), *(table for part, _ in parts for table in part.said.flows), legacy.finish()]
        rows = sum(part.said.rows for part, _ in parts)
        made, ends = self._matched(client, parts, planned, facts)
        del parts  # what nothing asks for any more leaves the workers
        session.learn(facts, ends)  # while the workers pair
        topology = on_each(client, made.workers, session.topology)
        third = concluded(client, made, rows, topology, then)
        if any(table.num_rows for table in ready):
            worker, number = made.workers[0], len(third)
            given = [[pa.concat_tables(ready)]], [topology[worker]], [number], [then]
            third += beside(client, [worker], placed, *given)
        return third

    def records(self) -> Iterator[Halves]:
        """The access lines in order of time, in tables of about as many rows as a part has."""
        with connected(self.scheduler, self.memory) as client:
            session = _Placing(self.inventory, self.report)
            parts, _ = self._parts(client, shuffled=False)
            for part, _ in parts:
                for table in part.said.flows:
                    no_flows(ReadBatch(Halves(), [], part.said.name, table))
            facts = [fact for part, _ in parts for fact in part.said.facts]
            count = max(1, -(-sum(part.said.rows for part, _ in parts) // self._sizes.most_rows))
            whole = [
                client.submit(kept_of, part.read, part.stream, mask, part.offset, pure=False) for part, mask in parts
            ]
            session.learn(facts, client.gather(at_hand(client, ends_of, whole)))
            topology = handed(client, session.topology)
            made = [client.submit(_placed_lines, one, topology, pure=False) for one in whole]
            del parts, whole
            self._meter.after(made, SHARE_PAIRED + SHARE_PLACED)
            for table in self._coming(self._last(stretches(client, made, "time", count))):
                yield Halves(table, owners=session.owners)

    def _last(self, tasks: list[Future]) -> list[Future]:
        self._meter.after(tasks, 1 - SHARE_READ - SHARE_PAIRED - SHARE_PLACED)
        return tasks

    def _coming(self, stretches: list[Future]) -> Iterator[pa.Table]:
        """The tables of stretches that have any rows; a worker keeps none that was given."""
        while stretches:
            table = stretches.pop(0).result()
            if not stretches:
                self._meter.finish()
            if table is not None:
                yield table

    def _parts(self, client: Client, *, shuffled: bool) -> tuple[list[tuple[Part, Mask]], int]:
        """All inputs, read; copies found and counted. And in how many parts the access lines are, if they are to be."""
        skipped = Skipped(self.report.skipped)
        self._sizes = Sizes.of(client, self.block, self.rows)
        pieces = plan(self.inputs, skipped, self._failed, self._sizes)
        pieces = without_twins(client, pieces, self.report)
        every = [one for some in pieces for one in some]
        planned = self._sizes.parts_of(sum(expected_lines(one) for one in every), len(every))
        self._meter = Meter(sum(one.stop - one.start for one in every), self.progress)
        reader = Reader(client, self.wrapper, planned if shuffled else None, self._failed, self._meter.read)
        streams = [(parts, registered(parts, self.report)) for parts in reader.read(pieces)]
        return [one for some in kept(streams) for one in some], planned

    def _failed(self, error: SourceError) -> None:
        self.report.errors.append(error)
        if self.on_error is None:
            raise error
        self.on_error(error)

    def _matched(
        self, client: Client, parts: list[tuple[Part, Mask]], planned: int, facts: list[Fact]
    ) -> tuple[Matched, list[pa.Table]]:
        """Two steps of the pairing, of the access lines from all parts of the input; and all ends.

        They were read in parts; only what showed that these were the wrong ones has them made anew.
        """
        rows = sum(part.said.rows for part, _ in parts)
        wanted = self._sizes.parts_of(rows, len(parts))
        count = wanted if wanted > _TOO_LARGE * planned else planned
        traced = [part for part, _ in parts if part.said.times.traced]
        merged = merged_by(
            client.gather([client.submit(links, part.read, part.stream, pure=False) for part in traced])
            if count > 1
            else []
        )
        seen, ends = SeenAddresses(), list[pa.Table]()
        anew = {
            at: client.submit(parted_again, part.read, part.stream, mask, count, merged, pure=False)
            for at, (part, mask) in enumerate(parts)
            if mask is not None or count != planned or len(merged.group)
        }
        pieces = dict(zip(anew, parts_of(client, list(anew.values()), count), strict=True))
        others = dict(zip(anew, at_hand(client, itemgetter(1), list(anew.values())), strict=True))
        for at, (part, _) in enumerate(parts):
            known: Known = others[at].result() if at in anew else part.said.known
            seen.absorb(known.seen)
            ends.append(known.ends)
            self.shuffled += known.bytes
            for writer, wrote in known.written.items():
                self.report.written.setdefault(writer, Written()).add(wrote.ended_well, wrote.refused, wrote.first)
        requests = ConnectRequests()
        requests.learn(facts)
        # Where fewer lines came than their bytes made expect, a task takes several parts.
        groups = wanted if wanted * _TOO_LARGE <= count else count
        together = [range(one * count // groups, (one + 1) * count // groups) for one in range(groups)]
        every = [pieces.get(at, part.pieces) for at, (part, _) in enumerate(parts)]
        lines = [(0 if at in anew else part.stream, part.offset) for at, (part, _) in enumerate(parts)]
        return matched(
            client, [[piece[at] for at in some for piece in every] for some in together],
            [lines * len(some) for some in together], Heard(seen, requests), self._meter,
        ), ends  # fmt: skip


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


def _placed_lines(halves: pa.Table, topology: Topology) -> tuple[pa.Table, Any]:
    return in_order(place_ztunnels(halves, topology), "time")
