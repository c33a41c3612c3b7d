"""`Halves` and `Flows`: the two Arrow tables of ztflow, each with a declared schema.

Cost: importing this module imports pyarrow (about 90 ms); the package root therefore loads it late.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, ClassVar, Self, overload

import pyarrow as pa

from ztflow.model.answers import Answers
from ztflow.model.provenance import Origin, Problem, ReadStats, Row, WaypointJoin
from ztflow.model.schema import FLOWS, HALVES, RECORD, Column
from ztflow.model.table import Table, arrow_schema, empty
from ztflow.model.vocabulary import BOTH_HALVES, Producer

if TYPE_CHECKING:
    from ztflow.model.notices import Notice
    from ztflow.model.objects import AccessRecord, Flow

HALVES_SCHEMA = arrow_schema(HALVES)
FLOWS_SCHEMA = arrow_schema(FLOWS)


def pairings(flows: pa.Table) -> Counter[str | None]:
    """How many flows there are of each word of `paired`, `vocabulary.Paired`. Cost: one pass over the codes."""
    counts = flows["paired"].value_counts()
    return Counter(dict(zip(counts.field("values").to_pylist(), counts.field("counts").to_pylist(), strict=True)))


def lines_of(flows: pa.Table) -> int:
    """How many access lines some flows were made of: two where both sides were seen, one, or none of an open one."""
    found = pairings(flows)
    return found.total() - found[None] + sum(found[word] for word in BOTH_HALVES)


class Halves(Table):
    """Access lines as an Arrow table (`schema.HALVES`), with the counts of how they were read.

    Iterating gives one `AccessRecord` a row. In a notebook the table shows itself.

    Args:
        table: Columns `schema.HALVES`; None for no rows.
        stats: How many lines were read and what became of them.
        problems: Access lines that could not be read (the first 1,000 of each input).
        owners: Pod (`namespace/name`) → owning workload, as an inventory stated it.

    Examples:
        >>> import ztflow
        >>> halves = ztflow.read_records("fixtures/seed/cross-node.log")
        >>> [(record.direction, record.bytes_sent, record.bytes_recv) for record in halves]
        [('inbound', 9832, 84), ('outbound', 84, 9832)]
    """

    columns: ClassVar[Sequence[Column]] = HALVES
    schema: ClassVar[pa.Schema] = HALVES_SCHEMA
    time: ClassVar[str] = "time"

    if TYPE_CHECKING:

        @overload
        def __getitem__(self, key: int) -> AccessRecord: ...
        @overload
        def __getitem__(self, key: slice) -> Self: ...
        @overload
        def __getitem__(self, key: str) -> pa.ChunkedArray: ...
        @overload
        def __getitem__(self, key: list[str]) -> pa.Table: ...
        def __getitem__(self, key: int | slice | str | list[str]) -> Any: ...

    def __iter__(self) -> Iterator[AccessRecord]:
        return map(self._object, self.rows())

    @staticmethod
    def _object(row: dict[str, Any]) -> AccessRecord:
        from ztflow.model.objects import AccessRecord

        if row["extra"] is not None:
            row["extra"] = dict(row["extra"])
        return AccessRecord.model_validate(row)


class HalvesBuilder:
    """Collects scanner rows and turns them into one Arrow batch.

    Cost: one tuple a row until `take`; columns are built by Arrow, not by Python loops over cells.
    """

    def __init__(self) -> None:
        self._rows: list[Row] = []
        self._origins: list[Origin] = []
        self._lines: list[int] = []
        self._files: list[str | None] = []

    def __len__(self) -> int:
        return len(self._rows)

    def append(self, row: Row, origin: Origin, line_number: int, source_file: str | None = None) -> None:
        """Add one access line; `source_file` where it says itself which file it was in."""
        self._files.append(source_file)
        self._rows.append(row)
        self._origins.append(origin)
        self._lines.append(line_number)

    def take(self, source_file: str) -> pa.Table:
        """The collected rows as a table of `schema.HALVES`; the builder is empty afterwards."""
        count = len(self._rows)
        if not count:
            return empty(Halves)
        columns: list[Sequence[Any]] = list(zip(*self._rows, strict=True))
        columns[-1] = [None if extra is None else list(extra.items()) for extra in columns[-1]]
        pods, namespaces, nodes, _, _ = zip(*self._origins, strict=True)
        columns += [pods, namespaces, nodes, [name or source_file for name in self._files], self._lines]
        arrays = [pa.array(values, type=field.type) for values, field in zip(columns, HALVES_SCHEMA, strict=True)]
        assert HALVES_SCHEMA.names[: len(RECORD)][-1] == "extra"
        self._rows, self._origins, self._lines, self._files = [], [], [], []
        return pa.Table.from_arrays(arrays, schema=HALVES_SCHEMA)


class Flows(Answers):
    """Connections as an Arrow table (`schema.FLOWS`), with the counts of how the input was read.

    Iterating gives one `Flow` a row. In a notebook the table shows itself.

    Args:
        table: Columns `schema.FLOWS`; None for no rows.
        stats: How many lines were read and what became of them.
        problems: Access lines that could not be read.
        owners: Pod (`namespace/name`) → owning workload, as an inventory stated it.
        evicted: Halves given up because a memory bound was hit.
        notices: What makes shares and totals of the log doubtful (`notices.notices_of`).
        producers: Lines of other programs that stood among ztunnel's, by program.

    Attributes:
        requests: What the logs of waypoints say (`aggregate.requests.SERVED`), None where none was read. Filters leave
            them as they are; time limits are theirs too.
        joins: What became of the lines of those logs, where they were joined.
        read: How many connections the reading gave, whatever filters left of them.
        span: First and last time of all connections of the reading, whatever filters left of them: what rates are over.
            None where they were not read, or no line carries a time.

    Examples:
        >>> import ztflow
        >>> flows = ztflow.read_flows("fixtures/seed/cross-node.log")
        >>> [(flow.src_workload, flow.src_name, flow.locality, flow.response_bytes) for flow in flows]
        [('doks-debug', 'doks-debug-rdhgq', 'cross_node', 9832)]
        >>> flows.stats.access
        2
    """

    columns: ClassVar[Sequence[Column]] = FLOWS
    schema: ClassVar[pa.Schema] = FLOWS_SCHEMA
    time: ClassVar[str] = "end"

    def __init__(
        self,
        table: pa.Table | None = None,
        *,
        stats: ReadStats | None = None,
        problems: Sequence[Problem] = (),
        owners: Mapping[str, str] | None = None,
        evicted: int = 0,
        notices: Sequence[Notice] = (),
        producers: Mapping[Producer, int] | None = None,
    ) -> None:
        super().__init__(table, stats=stats, problems=problems, owners=owners)
        self.evicted = evicted
        self.span: tuple[datetime | None, datetime | None] = (None, None)
        self.notices = tuple(notices)
        self.producers: Mapping[Producer, int] = producers or {}
        self.requests: pa.Table | None = None
        self.joins: tuple[WaypointJoin, ...] = ()
        self.read = 0

    if TYPE_CHECKING:

        @overload
        def __getitem__(self, key: int) -> Flow: ...
        @overload
        def __getitem__(self, key: slice) -> Self: ...
        @overload
        def __getitem__(self, key: str) -> pa.ChunkedArray: ...
        @overload
        def __getitem__(self, key: list[str]) -> pa.Table: ...
        def __getitem__(self, key: int | slice | str | list[str]) -> Any: ...

    def __iter__(self) -> Iterator[Flow]:
        return map(self._object, self.rows())

    @staticmethod
    def _object(row: dict[str, Any]) -> Flow:
        from ztflow.model.objects import Flow

        return Flow.model_validate(row)
