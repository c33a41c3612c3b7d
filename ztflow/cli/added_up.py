"""What an answer needs of all flows of a reading, added up as they come."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import datetime

from ztflow import api
from ztflow.aggregate import View
from ztflow.aggregate.fold import Fold, Shape
from ztflow.aggregate.folded_flows import FoldedFlows
from ztflow.memory import give_back
from ztflow.model.tables import Flows
from ztflow.read import ReadReport


def folded(
    shape: Shape, parts: Iterable[Flows], report: ReadReport, choose: Callable[[Iterator[Flows]], Iterator[Flows]]
) -> Flows:
    """What an answer needs of all flows of a reading, with its counts.

    Args:
        shape: What the answer tells apart.
        parts: The tables, as they come; or one that is folded.
        report: Has the counts when they have come.
        choose: What of them the answer is about.
    """
    fold, read = Fold(shape), 0
    firsts, lasts = set[datetime](), set[datetime]()

    def noted() -> Iterator[Flows]:
        nonlocal read
        for table in parts:
            read += len(table)
            first, last = View(table.to_arrow()).span()
            if first is not None and last is not None:
                firsts.add(first)
                lasts.add(last)
            yield table

    made: Flows | None = None
    for table in choose(noted()):
        if isinstance(table, FoldedFlows):
            made = table
        else:
            fold.add(table)
    made = fold.flows() if made is None else made
    del fold
    give_back()  # what was there to add them up; the answer needs room
    made.stats, made.problems = report.stats, tuple(report.problems)
    api.tell(made, report)
    made.span, made.read = (min(firsts, default=None), max(lasts, default=None)), read
    return made
