"""One answer of a ztunnel's port 15020 (`/metrics`, `/stats/prometheus`): connections closed and opened by labels.

ztunnel writes OpenMetrics whatever it is asked for: families without `_total`, samples with it, `# EOF` at the end. A
parser of the older text format finds no sample of such a family, so the end decides which parser reads it.

Source: istio/ztunnel 1.31.0-rc.0 `src/proxy/metrics.rs` (`CommonTrafficLabels`, families), `src/metrics/server.rs`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, NamedTuple

from ztflow.errors import SourceError
from ztflow.model.vocabulary import DirectionWord

_CLOSED_TOTAL = "istio_tcp_connections_closed_total"
"""One closed connection is one `connection complete` line: both are written by the same function."""
_OPENED = "istio_tcp_connections_opened_total"
_FAILED = "istio_tcp_connections_failed_total"
"""Exists from 1.29.0 on, where a connection cut by a policy change is flagged `DENY` too."""

COUNTED = (_CLOSED_TOTAL, _OPENED, _FAILED)
"""The counters that are read."""

MOMENT = 50_000
"""How long ztunnel works on an answer, microseconds: 10 to 50 ms in 140 scrapes of release 1.31."""

_DIRECTION: Mapping[str, DirectionWord] = {
    "source": "outbound",
    "destination": "inbound",
}
_ABSENT = "unknown"
"""What a label holds that does not apply."""
_DENY = "DENY"
_HEAD = 4096


class TimeFrom(StrEnum):
    """Where the time of a scrape is from."""

    GIVEN = "as given"
    FILE_NAME = "from the file's name"
    FILE_TIME = "from the file's own time"
    PROMETHEUS = "as Prometheus has it"


class Key(NamedTuple):
    """Labels that stand in the line as well, with the same texts.

    Identities count only where the connection was encrypted: on plaintext the label may hold one the line leaves out.
    """

    direction: DirectionWord | None
    src_namespace: str | None
    src_identity: str | None
    dst_namespace: str | None
    dst_identity: str | None
    dst_service: str | None
    mtls: bool


@dataclass(slots=True)
class Scrape:
    """What one ztunnel had counted at one moment, since its process began.

    Attributes:
        ztunnel: Its pod; None where neither the file nor the user names one.
        file: The file it was read from.
        time: When it was made, microseconds since 1970 UTC; None for unknown.
        precision: How exactly `time` is known, microseconds.
        time_from: Where `time` is from; None for unknown.
        closed: Connections closed, by labels.
        denied: Those of them that a policy refused.
        opened: Connections opened, those still open among them.
        cuts_are_denials: Whether it also counts connections cut by a policy change as denied (from 1.29.0 on).
        after_log: Whether it is known to be made after the end of the log, so that more may be closed than was logged.
    """

    ztunnel: str | None
    file: str
    time: int | None = None
    precision: int = 0
    time_from: TimeFrom | None = None
    closed: dict[Key, int] = field(default_factory=dict)
    denied: dict[Key, int] = field(default_factory=dict)
    opened: dict[Key, int] = field(default_factory=dict)
    cuts_are_denials: bool = False
    after_log: bool = False

    @property
    def total(self) -> int:
        """All connections closed."""
        return sum(self.closed.values())

    @property
    def open(self) -> int:
        """Connections opened and not closed."""
        return sum(self.opened.values()) - self.total

    def take(self, name: str, labels: Mapping[str, str], value: float) -> None:
        """Take in a sample of one of the counters `COUNTED`.

        Raises:
            SourceError: It is no whole number.
        """
        if name == _FAILED:
            self.cuts_are_denials = True
            return
        if not 0 <= value < 2**63 or value != int(value):
            raise SourceError(self.file, f"{name} counts {value:g}", hint="a counter is a whole number")
        key, count = _key(labels), int(value)
        into = self.closed if name == _CLOSED_TOTAL else self.opened
        into[key] = into.get(key, 0) + count
        if name == _CLOSED_TOTAL and labels.get("response_flags") == _DENY:
            self.denied[key] = self.denied.get(key, 0) + count


def is_exposition(head: bytes) -> bool:
    """Whether a file that begins so holds counters and not log lines."""
    return head[:_HEAD].lstrip().startswith((b"# HELP ", b"# TYPE ", b"# UNIT "))


def parse_scrape(data: bytes, file: str, ztunnel: str | None = None) -> list[Scrape]:
    """The counters in one exposition.

    Args:
        data: The text, decompressed.
        file: Its name, for errors.
        ztunnel: The pod that answered, where it is known. Samples that name a pod themselves (what Prometheus hands on)
            are kept apart by it.

    Returns:
        One scrape a pod.

    Raises:
        SourceError: It is no exposition, is cut, or is not of a ztunnel.
    """
    text = data.decode("utf-8", errors="replace")
    found: dict[str | None, Scrape] = {}
    ours = False
    for name, labels, value in _samples(text, file):
        ours = ours or name.startswith(("istio_", "workload_manager_"))
        if name not in COUNTED or labels.get("app", "ztunnel") != "ztunnel":
            continue
        pod = labels.get("pod") or ztunnel
        found.setdefault(pod, Scrape(pod, file)).take(name, labels, value)
    if not ours:
        raise SourceError(file, "no counter of a ztunnel is in it", hint="scrape port 15020 of each ztunnel pod")
    # A family without a value is absent: a ztunnel that has just begun has counted nothing.
    return list(found.values()) or [Scrape(ztunnel, file)]


def _samples(text: str, file: str) -> Iterator[tuple[str, Mapping[str, str], float]]:
    for family in _families(text, file):
        for sample in family.samples:
            yield sample.name, sample.labels, sample.value


def _families(text: str, file: str) -> list[Any]:
    from prometheus_client import parser
    from prometheus_client.openmetrics import parser as openmetrics

    whole = text.rstrip().endswith("# EOF")
    if not whole and f"# TYPE {_CLOSED_TOTAL.removesuffix('_total')} counter" in text:
        raise SourceError(
            file, "the scrape is cut: no `# EOF` at its end", hint="its counters are incomplete; scrape again"
        )
    read = openmetrics if whole else parser
    try:
        made: Iterable[Any] = read.text_string_to_metric_families(text.rstrip() + "\n")
        return list(made)
    except (ValueError, KeyError, IndexError, TypeError, AttributeError) as fault:
        raise SourceError(file, f"no Prometheus or OpenMetrics text: {fault}", hint="scrape port 15020") from fault


def _key(labels: Mapping[str, str]) -> Key:
    def text(name: str) -> str | None:
        value = labels.get(name)
        return None if not value or value == _ABSENT else value

    mtls = labels.get("connection_security_policy") == "mutual_tls"
    return Key(
        _DIRECTION.get(labels.get("reporter", "")),
        text("source_workload_namespace"),
        text("source_principal") if mtls else None,
        text("destination_workload_namespace"),
        text("destination_principal") if mtls else None,
        text("destination_service"),
        mtls,
    )
