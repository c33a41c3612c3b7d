"""Reads logs that are too many for one machine with Dask; the rows are those one process makes. Start reading here.

    plan      inputs → blocks of plain files, other files whole                            here
    parsing   blocks → access lines, facts, counts; each block as if all were one           workers
    parting   lines by group: a pair never straddles two parts; in the task that read them  workers
    copies    lines that several inputs hold                                                here, of most logs nothing
    pairing   `pair.by_group`, step after step; clock offsets and chains of all between     workers
    placing   flows on their nodes, by what all lines tell; in stretches of time, if wanted  workers
    saving    each part as Parquet files, where that is asked for                           workers
    folding   each part added up for an answer, likewise                                    workers
    sizing    how large blocks and parts are, by what workers may take                      here
    sending   tables from worker to worker, in half the bytes                               workers
    engine    which task comes after which, and what is put together between them           here
    progress  how much of all that is done                                                  here

A task costs Dask some milliseconds, wherever it runs: there are few, and large ones. What takes a part of a result runs
where that is (`connect.at_hand`), for Dask would move all of it.

Dask moves results, keeps them on disk where a worker's memory is full, and makes those anew that a lost worker had. So
a task never changes what it was given, and nothing that counts is kept outside of results. `connect` finds the cluster.
"""

from __future__ import annotations

from collections.abc import Sequence

from ztflow.cluster.connect import Scheduler
from ztflow.cluster.engine import OnError, Reading
from ztflow.cluster.plan import is_address
from ztflow.cluster.progress import Progress
from ztflow.errors import UsageError
from ztflow.filters.quantities import budget_of
from ztflow.model.provenance import ReadReport
from ztflow.place import Known, known_inventory
from ztflow.read.sources.given import Given

__all__ = ["Reading", "Scheduler", "reading"]


def reading(
    engine: str,
    inputs: Sequence[Given],
    inventory: Known,
    scheduler: Scheduler,
    memory: int | str | None,
    wrapper: str | None,
    on_error: OnError | None,
    progress: Progress | None,
    report: ReadReport,
) -> Reading:
    """A reading by an engine that is named; arguments are those of `api.read_flows`.

    Raises:
        UsageError: There is no such engine.
        InventoryError: Nothing could be recognised in an inventory file.
    """
    if engine != "dask":
        raise UsageError(f"no engine is called {engine!r}; there is dask")
    known = known_inventory(inventory, [one for one in inputs if not is_address(one)], on_error)
    bound = None if memory is None else budget_of(memory).bound
    return Reading(inputs or ["-"], known, scheduler, bound, wrapper, on_error, progress, report)
