"""Reads a command's inputs through `api`, with a progress bar, a hint when a pipe does not end, and Ctrl-C."""

from __future__ import annotations

import sys
from collections.abc import Callable, Generator, Iterator, Sequence
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

from ztflow import api
from ztflow.cli.options import Reading, Waypoints
from ztflow.cli.output import is_terminal, say
from ztflow.cli.progress import EndlessPipe, ProgressBar
from ztflow.cli.run import Run
from ztflow.cli.signals import patiently
from ztflow.errors import UsageError
from ztflow.model.tables import Flows, Halves, lines_of
from ztflow.place import (
    Inventory,
    inventories_near,
    inventory_beside,
    read_inventory,
    what_each_gave,
    what_is_near,
    what_was_beside,
)
from ztflow.read import ReadBatch, ReadReport, follow
from ztflow.read.following import SMALL_BATCH
from ztflow.read.sources.given import given
from ztflow.session import LIVE_WINDOW, GrowingSession, Total
from ztflow.session.growing import BOUNDED
from ztflow.session.waypoint_logs import layouts_of

if TYPE_CHECKING:
    from ztflow.aggregate.fold import Shape

Tabular = TypeVar("Tabular", Flows, Halves)
Sum = TypeVar("Sum", bound=Total)
Choice: TypeAlias = Callable[[Iterator[Flows]], Iterator[Flows]]

Verb: TypeAlias = Callable[..., Iterator[Any]]

_VERBS: dict[type, tuple[str, Verb, Verb]] = {
    Flows: ("flows", api.iter_flows, api.follow_flows),
    Halves: ("records", api.iter_records, api.follow_records),
}
"""What a table's rows are called, and how they are read: to the end, and as they come."""

_NONE = "none"
"""What `--inventory` takes to use none, not even one beside the logs."""

_ANSWERS_ONCE = "with -f, Ctrl-C ends it and gives the answer"


def _window(reading: Reading) -> timedelta:
    if reading.window is None:
        return LIVE_WINDOW
    from ztflow.filters.quantities import parse_duration

    try:
        window = parse_duration(reading.window)
    except UsageError as error:
        raise UsageError(f"--window: {error}") from None
    if not window:
        raise UsageError("--window: a window of nothing pairs nothing")
    return window


def _memory(reading: Reading) -> int | None:
    if reading.memory is None:
        return None
    from ztflow.filters.quantities import budget_of

    try:
        return budget_of(reading.memory).bound
    except UsageError as error:
        raise UsageError(f"--memory: {error}") from None


def _engine(reading: Reading) -> dict[str, Any]:
    """Who reads, if not this process."""
    if reading.engine is None:
        if reading.scheduler is not None:
            raise UsageError("--scheduler goes with --engine dask")
        return {}
    if reading.follow:
        raise UsageError("--engine reads finished logs; leave out --follow")
    return {"engine": reading.engine, "scheduler": reading.scheduler}


def _added_up(shape: Shape, *inputs: str, **how: Any) -> Iterator[Flows]:
    """What an answer needs of all flows, by another engine; `how` is as for `api.iter_flows`."""
    from ztflow.cluster import reading

    return reading(inputs=given(inputs), **how).folded(shape)


def _named(names: Sequence[str]) -> tuple[Inventory | None, bool]:
    """The inventories that were named, and whether to look beside the logs; says what each gave."""
    if _NONE in names:
        if len(names) > 1:
            raise UsageError(f"--inventory {_NONE} goes alone; write ./{_NONE} for a file")
        return None, False
    if not names:
        return None, True
    inventory = read_inventory(*names)
    for line in what_each_gave(inventory):
        say(line)
    return inventory, False


def words_read(sources: Sequence[str], reading: Reading) -> list[str]:
    """The words of a command that reads the same again: inputs, and the inventories that were named."""
    return [*sources, *(word for name in reading.inventory for word in ("--inventory", name))]


class Reader:
    """What one run reads, and how. Inventories that are named are read when it is made, once.

    Args:
        run: The run.
        reading: The options.
        waypoints: Logs of waypoints, for flows.
        counts_requests: Whether the command shows how many requests there were, so that it needs no join.

    Raises:
        UsageError: If an option is invalid.
        InventoryError: If nothing could be recognised in an inventory file.

    Attributes:
        inventory: What is used, None for nothing; of what stands beside the logs once these are read.
    """

    def __init__(
        self, run: Run, reading: Reading, waypoints: Waypoints | None = None, *, counts_requests: bool = False
    ) -> None:
        self._run = run
        self._window = _window(reading)
        self._follow = reading.follow
        self.inventory, self._beside = _named(reading.inventory)
        self._memory = _memory(reading)
        logs = Waypoints() if waypoints is None else waypoints
        if logs.waypoint and reading.follow:
            if not counts_requests:
                raise UsageError(
                    "--waypoint joins whole logs; leave out --follow (report waypoints and the summary can follow it)"
                )
            if reading.since is not None or reading.until is not None:
                raise UsageError("--waypoint with --follow counts every request; leave out --since and --until")
        named = logs.waypoint or logs.envoy_format is not None
        self._layouts = layouts_of(logs.envoy_format) if named else None  # an invalid one is refused before all reading
        self._logs: dict[str, Any] = {"waypoint": logs.waypoint, "envoy_format": logs.envoy_format}
        self._how: dict[str, Any] = {"wrapper": reading.wrapper, "on_error": run.unreadable}
        self._engine = _engine(reading)

    def _inventory(self, inputs: list[str]) -> Inventory | None:
        """What was named, else what stands beside the logs; says what that is."""
        if self._beside and inputs != ["-"]:
            beside = inventory_beside(inputs)
            for error in beside.errors:
                self._run.unreadable(error)
            for line in what_was_beside(beside):
                say(line)
            self.inventory = beside.inventory or None
            if self.inventory is None and is_terminal(sys.stderr):
                for line in what_is_near(inventories_near(inputs)):
                    say(line)
        return self.inventory

    def rows(self, kind: type[Tabular], inputs: list[str], hint: str | None = None) -> Generator[Tabular]:
        """Access lines or flows: of finished inputs in tables of bounded size, with `--follow` as they come.

        Args:
            kind: Which of the two.
            inputs: What to read.
            hint: What to say of a pipe that does not end, of a command that answers once; else that `-f` shows rows as
                they come.
        """
        word, read, live = _VERBS[kind]
        how = self._how | {"memory": self._memory, "inventory": self._inventory(inputs), "report": self._run.report()}
        how |= self._engine
        if word == "flows":
            how |= self._logs
        if self._follow:
            return self._live(live, inputs, how | ({"window": self._window} if word == "flows" else {}))
        return self._finished(read, inputs, how, hint or f"use -f to see {word} as they come", kept=hint is not None)

    @staticmethod
    def _live(read: Verb, inputs: list[str], how: dict[str, Any]) -> Generator[Any]:
        with patiently() as stop:
            yield from read(*inputs, stop=stop, **how)

    @staticmethod
    def _finished(
        read: Verb, inputs: list[str], how: dict[str, Any], hint: str, *, kept: bool = False
    ) -> Generator[Any]:
        """Tables of finished inputs; *kept* is whether they are held until all are there, and not printed."""
        report: ReadReport = how["report"]
        lines, shown = 0, kept or not is_terminal(sys.stdout)
        with ProgressBar("sorting" if read is api.iter_records else "pairing") as bar, EndlessPipe(inputs, hint):
            for table in read(*inputs, progress=bar, **how):
                if not shown:
                    bar.hide()
                elif isinstance(table, Flows):
                    lines += lines_of(table.to_arrow())
                    bar.paired(lines, report.stats.access - report.stats.duplicates)
                yield table

    def all_flows(self, inputs: list[str], choose: Choice = iter) -> Flows:
        """All flows for a command that answers once: with `--follow` those until the pipe ends or Ctrl-C.

        Args:
            inputs: What to read.
            choose: What of the tables, as they come, is kept until the answer; everything unless given. The counts are
                of everything.
        """
        tables = self.rows(Flows, inputs, _ANSWERS_ONCE)
        return api.whole(Flows, choose(tables), self._run.reports[-1])

    def folded_flows(self, inputs: list[str], shape: Shape, choose: Choice | None) -> Flows:
        """As `all_flows`, for an answer that can be made of what is added up: memory does not grow with the flows.

        Args:
            inputs: What to read.
            shape: What the answer tells apart.
            choose: As for `all_flows`; None for everything, which another engine adds up itself.
        """
        from ztflow.cli.added_up import folded

        if choose is None and self._engine and self._layouts is None:
            how = self._how | self._engine | {"memory": self._memory, "inventory": self._inventory(inputs)}
            how |= {"report": self._run.report()}
            tables = self._finished(partial(_added_up, shape), inputs, how, _ANSWERS_ONCE, kept=True)
        else:
            tables = self.rows(Flows, inputs, _ANSWERS_ONCE)
        return folded(shape, tables, self._run.reports[-1], choose or iter)

    def _here(self) -> None:
        """Refuse another engine, where what was read is looked at beside the flows."""
        if self._engine:
            raise UsageError("this answer needs the access lines themselves; leave out --engine")

    def capture(self, inputs: list[str]) -> tuple[Halves, Flows]:
        """Access lines and flows for a report that needs both."""
        if self._engine:
            return self._read_twice(inputs)
        how = self._how | {"memory": self._memory, "inventory": self._inventory(inputs), "report": self._run.report()}
        if self._follow:
            with patiently() as stop:
                return api.read_capture(*inputs, stop=stop, **how)
        with ProgressBar() as bar, EndlessPipe(inputs, _ANSWERS_ONCE):
            return api.read_capture(*inputs, progress=bar, **how)

    def _read_twice(self, inputs: list[str]) -> tuple[Halves, Flows]:
        """Access lines and flows by another engine, which gives either; what is unreadable is told once."""
        once = [
            one
            for one in inputs
            if one == "-" or (Path(one).exists() and not (Path(one).is_file() or Path(one).is_dir()))
        ]
        if once:
            raise UsageError(f"this answer reads its inputs twice with --engine, and {once[0]} can be read once only")
        flows = self.all_flows(inputs)
        report = ReadReport()
        how = self._how | self._engine | {"memory": self._memory, "inventory": self.inventory, "report": report}
        how["on_error"] = lambda _: None
        tables = self._finished(api.iter_records, inputs, how, _ANSWERS_ONCE, kept=True)
        return api.whole(Halves, tables, report), flows

    def noted_flows(self, inputs: list[str], note: Callable[[ReadBatch], None]) -> Flows:
        """All flows, for a report that also wants to see what was read, batch after batch."""
        self._here()
        how = self._how | {
            "memory": self._memory,
            "inventory": self._inventory(inputs),
            "report": self._run.report(),
            "note": note,
        }
        if self._follow:
            with patiently() as stop:
                return api.read_noted(*inputs, stop=stop, **how)
        with ProgressBar() as bar, EndlessPipe(inputs, _ANSWERS_ONCE):
            return api.read_noted(*inputs, progress=bar, **how)

    def growing(
        self,
        inputs: list[str],
        total: Sum,
        *,
        note: Callable[[ReadBatch], None] | None = None,
        ended: Callable[[], bool] = lambda: False,
    ) -> tuple[GrowingSession[Sum], Iterator[bool]]:
        """For growing inputs: a session, and an iterator that feeds it and gives whether something was read.

        Args:
            inputs: What to read.
            total: Takes in the flows that are not kept.
            note: Sees every batch, after it was fed.
            ended: Asked like a signal whether to end the reading.
        """
        report, memory = self._run.report(), BOUNDED
        if self._memory is not None:
            from ztflow.filters.quantities import budget_of

            memory = budget_of(self._memory)
        session = GrowingSession(self._inventory(inputs), total, window=self._window, report=report, memory=memory)
        return session, self._feed(session, inputs, report, note, ended)

    def _feed(
        self,
        session: GrowingSession[Sum],
        inputs: list[str],
        report: ReadReport,
        note: Callable[[ReadBatch], None] | None,
        ended: Callable[[], bool],
    ) -> Iterator[bool]:
        seen = 0
        with patiently() as stop:
            for batch in follow(
                inputs,
                report=report,
                stop=lambda: stop() or ended(),
                waypoints=given(self._logs["waypoint"]),
                layouts=self._layouts,
                at_once=SMALL_BATCH,
                **self._how,
            ):
                session.feed(batch)
                if note is not None:
                    note(batch)
                lines = report.stats.lines
                yield lines > seen
                seen = lines
