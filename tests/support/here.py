"""A Dask client that does at once, in this process, what it is told; what goes in and out is pickled as on the way."""

from __future__ import annotations

import random
from operator import itemgetter
from typing import Any

import cloudpickle


class Here:
    """As much of `distributed.Client` as `ztflow.cluster` uses.

    Args:
        workers: How many it says it has.
    """

    def __init__(self, workers: int = 2) -> None:
        self.workers = workers

    def submit(self, function, *args, pure, key=None, priority=0, workers=None, allow_other_workers=False):
        del key, priority
        assert not pure
        assert workers or not allow_other_workers, "Dask refuses that"
        if isinstance(function, itemgetter):
            return Done(self, function(*_results(args)))
        made = cloudpickle.dumps(function(*cloudpickle.loads(cloudpickle.dumps(_results(args)))))
        return Done(self, cloudpickle.loads(made))

    def map(self, function, *given, key, pure, priority=0, workers=None, allow_other_workers=False):
        assert len(set(key)) == len(key)
        where = {"workers": workers, "allow_other_workers": allow_other_workers}
        return [
            self.submit(function, *args, pure=pure, priority=priority, **where) for args in zip(*given, strict=True)
        ]

    def gather(self, futures):
        return [one.result() for one in futures]

    def who_has(self, futures):
        return {one.key: () for one in futures}

    def nthreads(self):
        return dict.fromkeys(range(self.workers), 1)

    def scheduler_info(self):
        return {"workers": {at: {"nthreads": 1, "memory_limit": 0} for at in range(self.workers)}}


class Done:
    key = "here"

    def __init__(self, client: Here, value: Any) -> None:
        self.client, self._value = client, value

    def result(self):
        return self._value

    def add_done_callback(self, call):
        call(self)


def _results(one):
    if isinstance(one, Done):
        return one.result()
    return type(one)(map(_results, one)) if type(one) in {list, tuple} else one


def shuffled_lines(text: str, seed: int) -> str:
    lines = text.splitlines(keepends=True)
    random.Random(seed).shuffle(lines)
    return "".join(lines)


def rows(table):
    return sorted(map(repr, table.to_arrow().unify_dictionaries().to_pylist()))


def assert_equal(many, one):
    assert rows(many) == rows(one)
    assert many.to_arrow().schema.equals(one.to_arrow().schema)
    assert (many.stats, many.problems, many.notices, many.span) == (one.stats, one.problems, one.notices, one.span)
    ends = many.to_arrow()["end"].drop_null().to_pylist()
    assert ends == sorted(ends)
