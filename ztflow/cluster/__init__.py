"""Reads logs that are too many for one machine with Dask; the rows are those one process makes. Start reading here.

    plan      inputs → blocks of plain files, other files whole                            here
    parsing   blocks → access lines, facts, counts; each block as if all were one           workers
    copies    lines that several inputs hold                                                here, of most logs nothing
    parting   lines by group: a pair never straddles two parts                              workers
    pairing   `pair.by_group`, step after step; clock offsets and chains of all between     workers
    placing   flows on their nodes, by what all lines tell; in stretches of time            workers
    engine    which task comes after which, and what is put together between them           here

Dask moves results, keeps them on disk where a worker's memory is full, and makes those anew that a lost worker had. So
a task never changes what it was given, and nothing that counts is kept outside of results. `connect` finds the cluster.
"""

from __future__ import annotations

from ztflow.cluster.connect import Scheduler
from ztflow.cluster.engine import Reading
from ztflow.cluster.plan import is_address

__all__ = ["Reading", "Scheduler", "is_address"]
