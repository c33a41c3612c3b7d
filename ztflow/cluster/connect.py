"""The cluster: one that is running, by its scheduler, or workers on this machine for one reading."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pickle import HIGHEST_PROTOCOL, dumps, loads
from typing import TYPE_CHECKING, Any, Final, TypeAlias
from uuid import uuid4

from ztflow.errors import UsageError

if TYPE_CHECKING:
    from distributed import Client, Future, LocalCluster

Scheduler: TypeAlias = "str | Client | None"
"""The address of a scheduler (`tcp://10.0.0.7:8786`), a client of one, or None for workers on this machine."""

SCHEDULER_PATIENCE = "10s"
"""How long a scheduler is waited for."""


_ONE_HEAP: Final = {
    "ARROW_DEFAULT_MEMORY_POOL": "system",
    "MALLOC_ARENA_MAX": "1",
    "MALLOC_MMAP_THRESHOLD_": str(32 << 20),
}
_FREE_KEPT: Final = 256 << 20
"""Bytes of freed memory that a worker keeps, at most; a sixteenth of its own where that is less."""
"""With what environment workers are started here: freed memory is kept for the next array, see `cli.one_heap`.

Dask starts workers with a trim threshold of 64 KiB, which also fixes glibc's mmap threshold at 128 KiB (mallopt(3)):
each larger array is asked of the system anew, which clears its pages. Measured: 5.4 of 14.8 µs a line, 0.4 with this.
"""

_LESS_WATCHED: Final = {
    "distributed.admin.system-monitor.interval": "5s",
    "distributed.admin.tick.interval": "1s",
    "distributed.worker.profile.enabled": False,
}
"""What Dask looks at for its dashboard, which is not served here. Measured: a fifth of the time of workers with nothing
to do, and of this process."""


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
        from distributed import Client
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
    with local_workers(None, memory) as cluster, Client(cluster, set_as_default=False) as client:
        yield client


def local_workers(count: int | None, memory: int | None = None) -> LocalCluster:
    """A scheduler and processes of one thread on this machine, heard on it alone; `count` None for one a core.

    A scheduler serves HTTP even without a dashboard: on 8787, with a warning where that is taken, as by a second
    reading (`Scheduler.__init__` of distributed 2026.8). So the port is whichever is free.
    """
    from dask import config
    from distributed import LocalCluster

    kept = _FREE_KEPT if memory is None else min(_FREE_KEPT, memory // 16)
    environment = {**config.get("distributed.nanny.pre-spawn-environ", {}), **_ONE_HEAP}
    environment["MALLOC_TRIM_THRESHOLD_"] = str(kept)
    with config.set({"distributed.nanny.pre-spawn-environ": environment, **_LESS_WATCHED}):
        return LocalCluster(
            n_workers=count,
            threads_per_worker=1,
            processes=True,
            memory_limit="auto" if memory is None else memory,
            scheduler_kwargs={"dashboard": False, "dashboard_address": "127.0.0.1:0"},
        )


def at_hand(client: Client, function: Callable[..., Any], of: Sequence[Future], *given: Iterable[Any]) -> list[Future]:
    """Tasks that take no time to speak of, each where the result is of which what it gives is a part.

    They come before whatever else that worker has to do, because others wait for what they give. They are handed over
    in one go, which takes the scheduler half as long as one after the other.

    Args:
        client: The cluster.
        function: What they do.
        of: What each takes a part of.
        given: Further arguments, as for `map`.
    """
    keys = [_kept_here(function) for _ in of]
    return list(client.map(function, of, *map(list, given), key=keys, priority=1, pure=False)) if keys else []


def beside(client: Client, workers: Sequence[str], function: Callable[..., Any], *given: Iterable[Any]) -> list[Future]:
    """Tasks, each for the worker that has, or is to have, what is large of its arguments; for another if that is lost.

    Args:
        client: The cluster.
        workers: Whose each task is.
        function: What they do.
        given: Their arguments, as for `map`.
    """
    rows = list(zip(*given, strict=True))
    made: dict[int, Future] = {}
    for worker in dict.fromkeys(workers):
        mine = [at for at, one in enumerate(workers) if one == worker]
        keys = [_kept_here(function) for _ in mine]
        tasks = client.map(
            function, *(list(one) for one in zip(*(rows[at] for at in mine), strict=True)),
            key=keys, workers=[worker], allow_other_workers=True, priority=1, pure=False,
        )  # fmt: skip
        made.update(zip(mine, tasks, strict=True))
    return [made[at] for at in range(len(workers))]


def _kept_here(function: Callable[..., Any]) -> str:
    """The name of a task that no idle worker takes from the one it is given to, and with it what it needs.

    Dask knows such tasks by the first two words (`stealing.fast_tasks`), which end before one that begins with a digit.
    """
    return f"split-shuffle-1{getattr(function, '__name__', 'part')}-{uuid4().hex}"


def threads_of(client: Client) -> list[str]:
    """The address of each thread's worker."""
    return [address for address, threads in client.nthreads().items() for _ in range(threads)]


def handed(client: Client, thing: Any) -> Future:
    """Something, on one worker; when that is lost, another gets it."""
    return client.submit(loads, _sent(client, thing), pure=False)


def on_each(client: Client, workers: Iterable[str], thing: Any) -> dict[str, Future]:
    """Something that many tasks need, on each worker; it goes from one to the other as bytes.

    Otherwise the first would have to pickle it for each of the others, beside tasks that hold Python's lock.
    """
    each = list(dict.fromkeys(workers))
    return dict(zip(each, beside(client, each, loads, [_sent(client, thing)] * len(each)), strict=True))


def _sent(client: Client, thing: Any) -> Future:
    """Something pickled, on a worker: what a task is given passes the scheduler, which else would do that again.

    That it is large is no reason for Dask to warn.
    """
    from dask import config

    with config.set({"distributed.admin.large-graph-warning-threshold": "1TB"}):
        return client.submit(bytes, dumps(thing, HIGHEST_PROTOCOL), priority=1, pure=False)
