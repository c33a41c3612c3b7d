"""The cluster: one that is running, by its scheduler, or workers on this machine for one reading."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeAlias

from ztflow.errors import UsageError

if TYPE_CHECKING:
    from distributed import Client

Scheduler: TypeAlias = "str | Client | None"
"""The address of a scheduler (`tcp://10.0.0.7:8786`), a client of one, or None for workers on this machine."""

SCHEDULER_PATIENCE = "10s"
"""How long a scheduler is waited for."""


@contextmanager
def connected(scheduler: Scheduler, memory: int | None) -> Iterator[Client]:
    """A client of the cluster; workers started for it end with it.

    Args:
        scheduler: See `Scheduler`.
        memory: Bytes a worker may take that is started here; an equal share of the machine's unless given. Beyond 60 %
            of it Dask moves results to the worker's disk, at 80 % it waits, at 95 % it starts the worker anew.

    Raises:
        UsageError: Dask is not installed, or nothing answers at the address.
    """
    try:
        from distributed import Client, LocalCluster
    except ImportError as error:
        raise UsageError("the engine dask is not installed: pip install 'ztflow[dask]'") from error
    if scheduler is not None and not isinstance(scheduler, str):
        yield scheduler
        return
    if scheduler is not None:
        try:
            client = Client(scheduler, timeout=SCHEDULER_PATIENCE, set_as_default=False)
        except Exception as error:
            raise UsageError(f"no Dask scheduler answers at {scheduler}: {error}") from error
        with client:
            yield client
        return
    limit: int | str = "auto" if memory is None else memory
    with (
        LocalCluster(threads_per_worker=1, processes=True, memory_limit=limit, dashboard_address=None) as cluster,
        Client(cluster, set_as_default=False) as client,
    ):
        yield client
