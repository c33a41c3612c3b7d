"""Counters of ztunnels that a Prometheus has scraped: which scrapes it kept of them, and what each held.

Asked are raw samples (`query` with a range selector), whose times are those of the scrapes. `query_range` gives at each
step the last sample of up to five minutes before under the time of the step: between such times and the lines of a log
lie as many connections as were closed in that while. All samples of one scrape have one time, so that they can be put
together again; `istio_build`, which a ztunnel always has, tells of scrapes at which nothing had been counted yet.

Source: prometheus/prometheus `docs/querying/api.md`, `docs/querying/basics.md` (staleness); `benchmarks/prometheus.py`
shows it with a real one.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from typing import Any, ClassVar, NamedTuple, TypeAlias
from urllib.parse import urlsplit

import orjson

from ztflow.aggregate import View
from ztflow.counters.scrapes import COUNTED, MOMENT, Scrape, TimeFrom
from ztflow.errors import SourceError, UsageError
from ztflow.model.provenance import Fact, time_from_micros
from ztflow.model.tables import Halves
from ztflow.read.sources.http_answer import TooBigError, data_of
from ztflow.read.sources.http_client import HttpClient, RefusalError
from ztflow.read.sources.http_server import Server, credentials, settings_of
from ztflow.text.format import counted, time_text

LATER = 300
"""Seconds after the end of a log in which a scrape still says something of its last lines."""

SCRAPES_USED = 60
"""Scrapes of one ztunnel that are compared; of more, evenly chosen ones: each stretch is a row to read."""

_MILLI, _SECOND = 1_000, 1_000_000
_NAMES = "|".join(name.removesuffix("_total").rpartition("_")[2] for name in COUNTED)
_BUILD = 'istio_build{component="ztunnel"}'
_OF_THE_METRIC = frozenset({"__name__", "component", "tag"})
"""Labels of `istio_build` that do not name its ztunnel."""

Labels: TypeAlias = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Prometheus(Server):
    """A Prometheus, or what answers its API: Thanos, Mimir, VictoriaMetrics."""

    product: ClassVar[str] = "Prometheus"
    variables: ClassVar[str] = "PROMETHEUS"
    example: ClassVar[str] = "http://host/path"
    refused: ClassVar[str] = "does it answer the HTTP API of Prometheus?"


class Found(NamedTuple):
    """What a Prometheus has of the ztunnels of a log.

    Attributes:
        scrapes: Scrapes, with pod and time.
        notes: What was left out, and why.
    """

    scrapes: list[Scrape]
    notes: list[str]


class _Target(NamedTuple):
    """What a ztunnel is called there."""

    ztunnel: str | None
    labels: Labels


def parse_prometheus(url: str, environ: Mapping[str, str] | None = None) -> Prometheus:
    """The Prometheus at an address.

    Args:
        url: `http[s]://[USER:PASSWORD@]HOST[:PORT][/PREFIX]`.
        environ: `PROMETHEUS_USERNAME`, `…_PASSWORD`, `…_BEARER_TOKEN`, `…_ORG_ID`; proxy and TLS as for Loki.

    Raises:
        SourceError: The address cannot be understood.
    """
    environ = os.environ if environ is None else environ
    scheme, separator, rest = url.partition("://")
    if not separator:
        scheme, rest = "http", url
    userinfo, _, where = rest.rpartition("@")
    shown = f"{scheme}://{where.partition('?')[0].rstrip('/')}"
    try:
        parts = urlsplit(shown)
        usable = parts.scheme in {"http", "https"} and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        usable = False
    if not usable:
        hint = "http[s]://[USER:PASSWORD@]HOST[:PORT][/PREFIX]; a password's own @, /, ? and : percent-encoded"
        raise SourceError("--prometheus …" if userinfo else f"--prometheus {url}", "is no address", hint=hint)
    headers, secrets = credentials(environ, "PROMETHEUS", userinfo, None, shown)
    transport = settings_of(environ, "PROMETHEUS")
    return Prometheus(shown, shown.removesuffix("/api/v1"), headers=headers, secrets=secrets, transport=transport)


def scrapes_in(
    server: Prometheus, begin: int, end: int, ztunnels: Sequence[str], *, starts: Iterable[int] = (), until: int = 0
) -> Found:
    """The scrapes of the ztunnels of a log, made while it was written, and the first one after its end.

    Args:
        server: From `parse_prometheus`.
        begin: First time in the log, microseconds since 1970 UTC.
        end: The last one.
        ztunnels: Pods that wrote it; none where no line names its pod.
        starts: Times at which a ztunnel began anew; scrapes around them are used whatever is left out.
        until: When the log was still being written or copied, if that is after its last line: the first scrape after
            the last line then tells what is missing at its end. A later one may count what was closed after the end.

    Raises:
        SourceError: It cannot be reached, refuses, has no ztunnel in this time, or its labels do not say which is one.

    Cost: two questions and, for each ztunnel, two; of one with more than `SCRAPES_USED` scrapes one a scrape used.
    """
    with HttpClient(server, Event()) as client:
        return _Asking(client, begin, end, sorted(starts), until).found(ztunnels)


def scrapes_for(server: Prometheus, halves: Halves, events: Sequence[Fact] = ()) -> Found:
    """The scrapes of the ztunnels that wrote some access lines, made while they did.

    Arguments and errors are those of `scrapes_in` and `reconcile.reconcile`.

    Raises:
        UsageError: No line has a time.
    """
    view = View(halves.to_arrow())
    times, told = view.numbers("time")
    if not told.any():
        raise UsageError("--prometheus: no access line has a time, so nothing can be asked for")
    starts = [fact.time for fact in events if fact.kind == "version" and fact.time is not None]
    begin, end = int(times[told].min()), int(times[told].max())
    pods, files = (sorted(set(view.labels(name).words)) for name in ("ztunnel_pod", "source_file"))
    return scrapes_in(server, min([begin, *starts]), end, pods, starts=starts, until=_written_until(files))


def _written_until(files: Sequence[str]) -> int:
    """Until when all inputs were written, by their own times; 0 where one has none (a pipe, a part of an archive)."""
    try:
        return min(Path(file).stat().st_mtime_ns // 1000 for file in files)
    except (OSError, ValueError):
        return 0


class _Asking:
    def __init__(self, client: HttpClient, begin: int, end: int, starts: Sequence[int], until: int) -> None:
        self._client = client
        self._begin, self._end, self._starts = begin, end, starts
        self._last = end + LATER * _SECOND
        self._until = max(until, end)

    def found(self, ztunnels: Sequence[str]) -> Found:
        """As for `scrapes_in`."""
        span = self._last - self._begin
        kept = self._query(f"count_over_time({_BUILD}[{span // _MILLI + 1}ms])", self._last)
        named = [_target(series["metric"], ztunnels) for series in kept]
        known = list({_inside(one.labels): one for one in named}.values())
        when = f"from {time_text(time_from_micros(self._begin))} to {time_text(time_from_micros(self._last))}"
        if not known:
            raise self._client.error(
                f"has no ztunnel ({_BUILD}) {when}", "is port 15020 of the ztunnels scraped, and was it then?"
            )
        if len(known) == 1 and known[0].ztunnel is None and len(ztunnels) <= 1:
            known = [_Target(ztunnels[0] if ztunnels else None, known[0].labels)]
        wanted = [one for one in known if one.ztunnel in ztunnels or (one.ztunnel is None and not ztunnels)]
        if not wanted:
            shown = ", ".join(f'{name}="{text}"' for name, text in sorted(known[0].labels.items()))
            raise self._client.error(
                f"has {counted(len(known), 'ztunnel')} {when}, and no label names a pod of the log: {{{shown}}}",
                "relabel __meta_kubernetes_pod_name to pod, or give --metrics POD=FILE",
            )
        notes = self._others([one for one in known if one not in wanted])
        scrapes: list[Scrape] = []
        for target in wanted:
            mine, all_of_them = self._scrapes(target)
            scrapes += mine
            if len(mine) < all_of_them:
                who = target.ztunnel or "the ztunnel"
                notes.append(f"{who}: {len(mine)} of {all_of_them:,} scrapes are compared, evenly chosen.")
        what = (
            f"{counted(len(scrapes), 'scrape')} from {self._client.server.name}, each at the time Prometheus gives it."
        )
        return Found(scrapes, [what, *notes])

    def _others(self, others: Sequence[_Target]) -> list[str]:
        """What is there of ztunnels that did not write this log."""
        if not others:
            return []
        names = sorted(one.ztunnel or " ".join(sorted(one.labels.values())) for one in others)
        more = "" if len(names) <= 3 else ", …"
        what = counted(len(others), "ztunnel")
        return [f"{self._client.server.name} has {what} of which the log has no line: {', '.join(names[:3])}{more}."]

    def _scrapes(self, target: _Target) -> tuple[list[Scrape], int]:
        """The scrapes of one ztunnel that are compared, and how many there are."""
        build = _selector("istio_build", {**target.labels, "component": "ztunnel"})
        times = sorted({time for series in self._raw(build, self._begin, self._last) for time, _ in series["values"]})
        after = [time for time in times if time > self._end]
        inside = times[: len(times) - len(after)]
        all_of_them = len(inside) + bool(after)
        chosen = self._chosen(inside) + after[:1]
        made = {time: self._empty(target, time) for time in chosen}
        if not made:
            return [], 0
        precision = max(MOMENT, self._duration(target))
        name = f'{{__name__=~"istio_tcp_connections_({_NAMES})_total",{_inside(target.labels)}}}'
        spans = [(chosen[0], chosen[-1])] if len(chosen) == all_of_them else [(time, time) for time in chosen]
        for first, last in spans:
            for series in self._raw(name, first, last):
                for time, value in series["values"]:
                    if time in made:
                        made[time].take(series["metric"]["__name__"], series["metric"], value)
        for scrape in made.values():
            scrape.precision = precision
        return list(made.values()), all_of_them

    def _empty(self, target: _Target, time: int) -> Scrape:
        scrape = Scrape(target.ztunnel, self._client.server.name, time, time_from=TimeFrom.PROMETHEUS)
        scrape.after_log = time > self._until
        return scrape

    def _chosen(self, times: list[int]) -> list[int]:
        """The scrapes to compare: of many evenly chosen ones, and those next to a start."""
        if len(times) <= SCRAPES_USED:
            return times
        chosen = {round(at * (len(times) - 1) / (SCRAPES_USED - 1)) for at in range(SCRAPES_USED)}
        for start in self._starts:
            at = sum(time < start for time in times)
            chosen |= {max(at - 1, 0), min(at, len(times) - 1)}
        return [times[at] for at in sorted(chosen)]

    def _duration(self, target: _Target) -> int:
        """How long a scrape took at most, microseconds; the time of a sample is that of its begin."""
        selector = _selector("scrape_duration_seconds", target.labels)
        span = (self._last - self._begin) // _MILLI + 1
        took = [series["value"][1] for series in self._query(f"max_over_time({selector}[{span}ms])", self._last)]
        return max((int(float(one) * _SECOND) for one in took), default=0)

    def _raw(self, selector: str, first: int, last: int) -> Iterator[Mapping[str, Any]]:
        """The raw samples from one time to another, both included; in parts where they are too many for one answer."""
        try:
            # Newer releases leave out the first moment of a range.
            yield from self._query(f"{selector}[{(last - first) // _MILLI + 1}ms]", last)
        except (TooBigError, RefusalError) as error:
            if last - first < 2 * _MILLI or (isinstance(error, RefusalError) and "too many samples" not in error.text):
                raise
            middle = first + (last - first) // (2 * _MILLI) * _MILLI
            yield from self._raw(selector, first, middle)
            yield from self._raw(selector, middle + _MILLI, last)

    def _query(self, promql: str, time: int) -> list[Mapping[str, Any]]:
        """The series of an answer, times in microseconds."""
        server = self._client.server
        body = self._client.body("/api/v1/query", {"query": promql, "time": f"{time / _SECOND:.3f}"})
        data = data_of(body, server.name, server.address, server.product)
        try:
            return [_read(series) for series in data["result"]]
        except (LookupError, TypeError, ValueError, OverflowError) as error:
            detail = f"the answer is not Prometheus's: {type(error).__name__}: {error}"
            raise self._client.error(self._client.clean(detail), f"is {server.address} a Prometheus?") from error


def _read(series: Any) -> Mapping[str, Any]:
    labels = {str(name): str(text) for name, text in series["metric"].items()}
    values = series["values"] if "values" in series else [series["value"]]
    read = [(round(float(time) * _MILLI) * _MILLI, float(value)) for time, value in values]
    return {"metric": labels, "values": read, "value": read[-1]}


def _target(labels: Labels, ztunnels: Sequence[str]) -> _Target:
    """Which ztunnel some series are of: its pod's label, or any that holds the name of a pod of the log."""
    own = {name: text for name, text in labels.items() if name not in _OF_THE_METRIC}
    named = [text for text in own.values() if text in ztunnels]
    return _Target(named[0] if named else own.get("pod"), own)


def _selector(name: str, labels: Labels) -> str:
    return f"{name}{{{_inside(labels)}}}"


def _inside(labels: Labels) -> str:
    """Labels as a selector has them; JSON escapes text as Go does."""
    return ",".join(f"{name}={orjson.dumps(text).decode()}" for name, text in sorted(labels.items()))
