"""Counters against lines: each closed connection is one `connection complete` line, so what is missing can be counted.

Two scrapes of one process say how many connections were closed between them; the lines of that time are taken off. A
process begins with its `version:` line, where all counters are 0. The moment of a scrape is known to some 10 ms only;
within that, the counters themselves say which lines came before it.

Source: istio/ztunnel 1.31.0-rc.0 `src/proxy/metrics.rs` (`record_internal`: counter and line in one function); equal in
2,360 of 2,360 label sets of 14 captured runs of release 1.31.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from ztflow.aggregate import View
from ztflow.columns.dtypes import AFTER_ALL, BEFORE_ALL, BoolArray, Integers
from ztflow.columns.grouping import group
from ztflow.counters.reasons import likely_reason
from ztflow.counters.result import Counters, KeyLoss, Stretch, ZtunnelCounters
from ztflow.counters.scrapes import Key, Scrape, TimeFrom
from ztflow.errors import UsageError
from ztflow.model.notices import silences
from ztflow.model.provenance import Fact, time_from_micros
from ztflow.model.tables import Halves
from ztflow.model.vocabulary import Direction, ErrorClass, LogLevel, Message
from ztflow.text.format import counted, time_text


def reconcile(
    halves: Halves, scrapes: Sequence[Scrape], events: Sequence[Fact] = (), notes: Sequence[str] = ()
) -> Counters:
    """How many lines each ztunnel counted and the log does not have.

    Args:
        halves: All access lines, not filtered.
        scrapes: From `read_scrapes`. One without a pod belongs to the only ztunnel of the log, if there is one.
        events: Facts of kind `version` (a process began) and `log_filter`, of all ztunnels.
        notes: What is to be said with it of where the scrapes are from.

    Raises:
        UsageError: Nothing says which ztunnel a scrape is of.

    Cost: one grouping of the lines; then O(lines + label sets) a scrape.
    """
    view = View(halves.to_arrow())
    view = view.where(view.equals("message", Message.COMPLETE.value))
    pods = view.labels("ztunnel_pod")
    only = pods.words[0] if len(pods.words) == 1 else None
    # Where no line names its ztunnel and one ztunnel was scraped, they belong together; nothing else is left.
    scraped = {scrape.ztunnel or only for scrape in scrapes}
    nobody = int((pods.codes < 0).sum())
    alone = len(scraped) == 1 and not len(pods.words)
    unnamed = next((scrape.file for scrape in scrapes if scrape.ztunnel is None), None)
    if unnamed is not None and None in scraped and not alone:
        raise UsageError(f"--metrics {unnamed}: no name says which ztunnel counted this; write POD={unnamed}")
    found = []
    for pod in sorted(scraped, key=str):
        mine = [scrape for scrape in scrapes if (scrape.ztunnel or only) == pod]
        rows = np.ones(len(view), bool) if alone else pods.codes == (pods.code(pod) if pod else -1)
        heard = [fact for fact in events if alone or fact.origin.pod == pod]
        said = ["no line names its ztunnel; all are taken as this one's"] if alone and nobody else []
        found.append(_Ztunnel(pod or "(unknown)", _Lines(view.where(rows)), mine, heard, said).counters())
    found.sort(key=lambda one: (-one.missing, one.ztunnel))
    return Counters(
        sum(one.closed for one in found),
        sum(one.lines for one in found),
        sum(one.missing for one in found),
        sum(one.denied_missing for one in found),
        tuple(found),
        tuple(sorted(word for word in pods.words if word not in scraped and (pods.codes == pods.code(word)).any())),
        0 if alone else nobody,
        tuple(notes),
    )


class _Lines:
    """The `connection complete` lines of one ztunnel in order of time, by the labels of its counters."""

    def __init__(self, view: View) -> None:
        times, told = view.numbers("time")
        self.timeless = int((~told).sum())
        order = np.argsort(np.where(told, times, BEFORE_ALL), kind="stable")
        view = view.take(order)
        self.times: Integers = np.where(told, times, BEFORE_ALL)[order]
        identities = view.known("hbone_host")
        names = ("direction", "src_namespace", "src_identity", "dst_namespace", "dst_identity", "dst_service")
        groups = group([*(view.part(name) for name in names), (identities.astype(np.int64), 2)], len(view))
        encrypted = identities[groups.first].tolist()
        self.keys = [
            Key(side, src, one if mtls else None, dst, other if mtls else None, service, mtls)
            for (side, src, one, dst, other, service), mtls in zip(
                view.rows(groups.first, *names), encrypted, strict=True
            )
        ]
        self.codes = groups.codes
        inbound = view.equals("direction", Direction.INBOUND.value)
        self.denied = inbound & view.equals("error_class", ErrorClass.POLICY_DENIED.value)
        self.cut = inbound & view.equals("error_class", ErrorClass.POLICY_CHANGED.value)
        self.ended_well = view.equals("level", LogLevel.INFO.value)
        lasted, measured = view.numbers("duration_ms")
        self.begins: Integers = np.where(measured, self.times - lasted * 1000, self.times)

    def between(self, first: int, last: int) -> dict[Key, int]:
        """Lines by labels, of the rows `first` to `last`."""
        found: dict[Key, int] = {}
        for key, count in zip(
            self.keys, np.bincount(self.codes[first:last], minlength=len(self.keys)).tolist(), strict=True
        ):
            if count:
                found[key] = found.get(key, 0) + count
        return found


@dataclass(slots=True)
class _Cut:
    """A moment at which the counters are known, and the row of the first line after it."""

    row: int
    time: int
    closed: Mapping[Key, int]
    denied: int
    uncertain: int = 0


class _Ztunnel:
    """The comparison for one ztunnel."""

    def __init__(
        self, name: str, lines: _Lines, scrapes: Sequence[Scrape], events: Sequence[Fact], notes: list[str]
    ) -> None:
        self._name = name
        self._lines = lines
        self._notes = notes
        self._starts = sorted(fact.time for fact in events if fact.kind == "version" and fact.time is not None)
        self._silences = silences(events)
        self._last = int(lines.times[-1]) if len(lines.times) else BEFORE_ALL
        self._scrapes = self._placed(scrapes)
        self._rows: list[int] = []
        """For each scrape the row of the first line after it."""

    def counters(self) -> ZtunnelCounters:
        stretches = list(self._stretches())
        last = self._scrapes[-1] if self._scrapes else None
        if last is not None and last.after_log and len(stretches) > 1 and stretches[-1].missing > 0:
            tail = stretches.pop()
            self._notes.append(
                f"{counted(tail.missing, 'connection')} more closed than lines until the scrape after the log's end "
                f"({_when(last)}): closed after it, or missing; in no number here"
            )
        covered = sum(one.lines for one in stretches)
        if self._lines.timeless:
            self._notes.append(f"{self._lines.timeless} lines without a time are taken as written at the start")
        return ZtunnelCounters(
            self._name,
            sum(one.closed for one in stretches),
            covered,
            sum(one.missing for one in stretches),
            sum(one.denied_missing for one in stretches),
            len(self._lines.times) - covered,
            0 if last is None else last.open,
            self._open_before(),
            tuple(stretches),
            tuple(self._notes),
        )

    def _open_before(self) -> int | None:
        """Connections open at the first scrape of the last process and still open at the last one."""
        anew = [number for number, two in enumerate(pairwise(self._scrapes), 1) if self._anew(*two)]
        begin = anew[-1] if anew else 0
        first = self._scrapes[begin] if self._scrapes else None
        if first is None or first.time is None or len(self._scrapes) - begin < 2:
            return None
        across = self._lines.begins[self._rows[begin] : self._rows[-1]] <= first.time
        return max(first.open - int(across.sum()), 0)

    def _placed(self, scrapes: Sequence[Scrape]) -> list[Scrape]:
        """The scrapes that can be used, in order of time.

        A file's own time after the end of the log says no more than that: of several such scrapes of one process only
        the one that counted most can be the one after the end; when the others were made, nobody knows.
        """
        told = [scrape for scrape in scrapes if self._is_told(scrape)]
        late = [scrape for scrape in scrapes if not self._is_told(scrape)]
        if late:
            most = max(late, key=lambda scrape: scrape.total)
            told.append(most)
            self._notes.append(f"{most.file} is taken as made after the last line; it has no other time")
            self._notes += [
                f"{scrape.file} is not used: only the time of the file is known, and that is after the last line"
                for scrape in late
                if scrape is not most
            ]
        self._notes += [
            f"{scrape.file}: its time is taken {scrape.time_from}"
            for scrape in told
            if scrape.time_from in {TimeFrom.FILE_NAME, TimeFrom.FILE_TIME} and scrape not in late
        ]
        return sorted(
            told, key=lambda scrape: (AFTER_ALL if scrape in late else scrape.time or AFTER_ALL, scrape.total)
        )

    def _is_told(self, scrape: Scrape) -> bool:
        return scrape.time is not None and (scrape.time_from is not TimeFrom.FILE_TIME or scrape.time <= self._last)

    def _stretches(self) -> Iterator[Stretch]:
        before: _Cut | None = None
        earlier: Scrape | None = None
        for scrape in self._scrapes:
            if earlier is None or before is None or self._anew(earlier, scrape):
                before = self._start(before, scrape, only=len(self._scrapes) == 1)
            here = self._cut(before, scrape) if before is not None else self._blind(scrape)
            self._rows.append(here.row)
            if before is not None:
                yield self._stretch(before, here, scrape)
            before, earlier = here, scrape

    def _anew(self, earlier: Scrape, later: Scrape) -> bool:
        """Whether the process began anew between two scrapes: a counter fell, or the log says so."""
        fell = any(later.closed.get(key, 0) < count for key, count in earlier.closed.items())
        begin, end = (BEFORE_ALL if earlier.time is None else earlier.time), self._time(later)
        return fell or any(begin < start <= end for start in self._starts)

    def _time(self, scrape: Scrape) -> int:
        return scrape.time if scrape.time is not None and self._is_told(scrape) else AFTER_ALL

    def _start(self, before: _Cut | None, scrape: Scrape, *, only: bool) -> _Cut | None:
        """The start of the process that made a scrape."""
        starts = [time for time in self._starts if time <= self._time(scrape)]
        if before is not None:
            starts = [time for time in starts if time > before.time]
        if starts:
            return _Cut(int(np.searchsorted(self._lines.times, starts[-1])), starts[-1], {}, 0)
        if before is not None:
            self._notes.append(
                "the counters began anew, and no line says when: what was closed until the scrape is left out"
            )
            return None
        if only:
            self._notes.append(
                "the log does not show the start of this ztunnel: lines written before it begins count as missing"
            )
            return _Cut(0, BEFORE_ALL, {}, 0)
        self._notes.append("the log does not show the start of this ztunnel: compared from the first scrape on")
        return None

    def _blind(self, scrape: Scrape) -> _Cut:
        time = self._time(scrape)
        return _Cut(
            int(np.searchsorted(self._lines.times, time, side="right")),
            time,
            scrape.closed,
            sum(scrape.denied.values()),
        )

    def _cut(self, before: _Cut, scrape: Scrape) -> _Cut:
        """The row at which a scrape was made.

        Near its time it is the last one at which no label set has more lines than were counted: a line that the
        counters do not know yet came later.
        """
        here = self._blind(scrape)
        if here.time == AFTER_ALL:
            return here
        near = max(scrape.precision, 1)
        low, high = np.searchsorted(self._lines.times, [here.time - near, here.time + near], side="left").tolist()
        low = max(low, before.row)
        if high <= low:
            here.row = max(here.row, before.row)
            return here
        left = {key: count - before.closed.get(key, 0) for key, count in scrape.closed.items()}
        for key, count in self._lines.between(before.row, low).items():
            left[key] = left.get(key, 0) - count
        if min(left.values(), default=0) < 0:
            here.uncertain = high - low
            return here
        row = low
        while row < high:
            key = self._lines.keys[int(self._lines.codes[row])]
            if left.get(key, 0) <= 0:
                break
            left[key] -= 1
            row += 1
        here.row = row
        # Where something is missing, a line near the scrape may fill a gap that is not its own.
        here.uncertain = row - low if any(left.values()) else 0
        return here

    def _stretch(self, before: _Cut, here: _Cut, scrape: Scrape) -> Stretch:
        lines = self._lines.between(before.row, here.row)
        closed = {key: count - before.closed.get(key, 0) for key, count in here.closed.items()}
        keys = [
            KeyLoss(key, closed.get(key, 0), lines.get(key, 0), closed.get(key, 0) - lines.get(key, 0))
            for key in {**closed, **lines}
        ]
        lost = [one for one in keys if one.missing]
        lost.sort(key=lambda one: (-abs(one.missing), str(one.key)))
        rows = slice(before.row, here.row)
        denials: BoolArray = self._lines.denied[rows]
        if scrape.cuts_are_denials:
            denials = denials | self._lines.cut[rows]
        denied = here.denied - before.denied
        counted, written = sum(closed.values()), here.row - before.row
        missing = counted - written
        return Stretch(
            None if before.time == BEFORE_ALL else time_from_micros(before.time),
            None if here.time == AFTER_ALL else time_from_micros(here.time),
            counted,
            written,
            missing,
            denied,
            denied - int(denials.sum()),
            here.uncertain,
            likely_reason(
                missing,
                written,
                int(self._lines.ended_well[rows].sum()),
                first=before.time == BEFORE_ALL,
                within=[one for one in self._silences if one.overlaps(before.time, here.time)],
            ),
            tuple(lost),
        )


def _when(scrape: Scrape) -> str:
    return "no time" if scrape.time is None else time_text(time_from_micros(scrape.time))
