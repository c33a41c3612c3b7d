"""Hypothesis strategies for tests against ztunnel's log: rows, records, lines, and damaged lines.

Needs hypothesis: `pip install 'ztflow[testing]'`.

Examples:
    >>> from hypothesis import given
    >>> from ztflow import parse_line
    >>> @given(access_lines("1.24.0"))
    ... def test_reads(line):
    ...     assert parse_line(line) is not None
    >>> test_reads()
"""

from __future__ import annotations

from collections.abc import Callable

try:
    from hypothesis import strategies as st
except ModuleNotFoundError as error:  # pragma: no cover
    message = "ztflow.testing needs hypothesis; install it with: pip install 'ztflow[testing]'"
    raise ModuleNotFoundError(message, name=error.name) from error

from ztflow.model.error_classes import ERROR_TEXTS, IO_TEXTS, classify_error
from ztflow.model.objects import AccessRecord
from ztflow.model.provenance import RECORD_NAMES, Row
from ztflow.model.vocabulary import Direction, LogLevel, Message
from ztflow.parse import render_line
from ztflow.parse.names import wrong_name
from ztflow.parse.render import Format, release_tuple
from ztflow.parse.values import identity_parts
from ztflow.text.escapes import quote

RELEASES = ("1.22.0", "1.22.1", "1.22.2", "1.23.0", "1.24.0", "1.26.0", "1.29.0", "1.31.0")
"""One release for each form a line can have."""

_HOST_NAMES, _CLUSTERS, _QUOTED_NAMES = (1, 26, 0), (1, 31, 0), (1, 22, 2)
_EARLIEST, _LATEST = 1_600_000_000_000_000, 2_000_000_000_000_000

_ports = st.integers(1, 65535)
_ips = st.one_of(st.ip_addresses(v=4), st.ip_addresses(v=6)).map(str)
_label = st.from_regex(r"[a-z0-9]([-a-z0-9]{0,20}[a-z0-9])?", fullmatch=True)
_plain_names = st.one_of(
    st.builds("{}-{}".format, _label, _label), _label, st.builds("NetworkGateway/{}/172.18.0.5/0".format, _label)
)
_texts = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40)
_odd_texts = st.one_of(
    _texts,
    st.sampled_from(
        ['a"b', "tab\there", "new\nline", "back\\slash", "k=v src.addr=1.2.3.4:5", "é日本😀", "u\u0301", "\x1b[31m"]
    ),
)
_odd_names = st.one_of(
    st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1, max_size=40),
    st.sampled_from(["a:b", "é日本😀", "u\u0301"]),
).filter(lambda text: wrong_name(text) is None)
_services = st.builds("{}.{}.svc.cluster.local".format, _label, _label)
_identities = st.builds("spiffe://{}/ns/{}/sa/{}".format, st.just("cluster.local"), _label, _label)
_known_errors = st.sampled_from(ERROR_TEXTS).flatmap(
    lambda known: (
        st.just(known.text.strip())
        if known.exact
        else st.sampled_from([known.text + text for text, _ in IO_TEXTS] + [f"{known.text}ns/name"])
    )
)


def _names(release: tuple[int, int, int]) -> st.SearchStrategy[str]:
    return _plain_names if release < _QUOTED_NAMES else st.one_of(_plain_names, _plain_names, _odd_names)


def _errors(release: tuple[int, int, int]) -> st.SearchStrategy[str]:
    return _known_errors if release < _QUOTED_NAMES else st.one_of(_known_errors, _odd_texts)


def _level(message: str, *, fails: bool) -> LogLevel:
    if message == Message.FAILED:
        return LogLevel.WARN
    if message == Message.OPENED:
        return LogLevel.DEBUG
    return LogLevel.ERROR if fails else LogLevel.INFO


@st.composite
def access_rows(draw: st.DrawFn, release: str = "1.24.0", *, odd: bool = True) -> Row:
    """Rows as `scan` gives them for lines that a ztunnel of `release` can write; all three messages.

    Args:
        draw: Hypothesis' own.
        release: See `RELEASES`.
        odd: Whether names and errors may be arbitrary text where the release quotes them.
    """
    version = release_tuple(release)
    names = _names(version) if odd else _plain_names
    optional: Callable[[st.SearchStrategy[str]], str | None] = lambda values: draw(st.none() | values)  # noqa: E731
    message = draw(st.sampled_from([Message.COMPLETE.value] * 2 + [word.value for word in Message]))
    fails = message == Message.FAILED or (message == Message.COMPLETE and draw(st.booleans()))
    hbone = message != Message.FAILED and draw(st.booleans())
    row: dict[str, object] = dict.fromkeys(RECORD_NAMES)
    row["time"] = draw(st.integers(_EARLIEST, _LATEST))
    row["message"] = message
    row["level"] = _level(message, fails=fails).value
    row["direction"] = draw(st.sampled_from([word.value for word in Direction]))
    for end in ("src", "dst"):
        row[f"{end}_ip"], row[f"{end}_port"] = draw(_ips), draw(_ports)
        if message == Message.FAILED:
            continue
        row[f"{end}_workload"], row[f"{end}_namespace"] = optional(names), optional(names)
        identity = optional(_identities) if hbone else None
        row[f"{end}_identity"] = identity
        if identity is not None:
            row[f"{end}_trust_domain"], row[f"{end}_service_account"] = identity_parts(identity)
        if version >= _CLUSTERS:
            row[f"{end}_cluster"] = optional(names)
    if message != Message.FAILED:
        row["dst_service"] = optional(_services)
    if hbone:
        row["hbone_host"] = draw(_ips | _services if version >= _HOST_NAMES else _ips)
        row["hbone_port"] = draw(_ports)
    if message == Message.COMPLETE:
        row["bytes_sent"], row["bytes_recv"] = draw(st.integers(0, 2**63 - 1)), draw(st.integers(0, 2**40))
        row["duration_ms"] = draw(st.integers(0, 2**40))
    if fails:
        error = draw(_errors(version) if odd else _known_errors)
        row["error"], row["error_class"] = error, classify_error(error)
    return tuple(row.values())


def access_records(release: str = "1.24.0", *, odd: bool = True) -> st.SearchStrategy[AccessRecord]:
    """Records a ztunnel of `release` can write."""
    return access_rows(release, odd=odd).map(AccessRecord.from_row)


def access_lines(release: str | None = None, *, format: Format = "plain", odd: bool = True) -> st.SearchStrategy[str]:  # noqa: A002
    """Access lines as a ztunnel of `release` (any of `RELEASES` when None) writes them."""
    releases = st.just(release) if release is not None else st.sampled_from(RELEASES)
    return releases.flatmap(lambda one: access_rows(one, odd=odd).map(lambda row: render_line(row, one, format)))


_DEBRIS = [
    '"',
    " ",
    "\t",
    "=",
    "\\",
    "x",
    "0",
    " x=1",
    ' y="1 2"',
    "\n",
    "\r",
    "{",
    "}",
    "é",
    "\x00",
    "\x1b[0m",
    "정보 ",
    " access ",
]


@st.composite
def _mutated(draw: st.DrawFn, line: str) -> str:
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, len(line)))
        to = min(len(line), at + draw(st.integers(0, 40)))
        line = draw(
            st.sampled_from(
                [
                    line[:at],
                    line[at:],
                    line[:at] + line[to:],
                    line[:to] + line[at:],
                    line[:at] + draw(st.sampled_from(_DEBRIS)) + line[at:],
                    line.replace("\t", " "),
                    line.replace("\t", "    "),
                    line.replace("=", draw(st.sampled_from([" =", "= ", "  ="])), 1),
                    line + line,
                    line[:at].swapcase() + line[at:],
                ]
            )
        )
    return line


def mutated_lines() -> st.SearchStrategy[str]:
    """Access lines, plain and JSON, that something happened to: cuts, debris, glue, lost tabs, lost heads."""
    return st.one_of(access_lines(), access_lines(format="json")).flatmap(_mutated)


_scopes = st.sampled_from(
    [
        "ztunnel",
        "state",
        "xds::client:xds{id=3}",
        "inpod::statemanager",
        "proxy::inbound",
        "proxy::outbound",
        "hyper_util",
    ]
)
_times = st.sampled_from(["2024-11-05T12:00:01.013201Z", "2024-06-16T10:13:59.559505Z"])
_other_lines = st.builds(
    "{}\t{}\t{}\t{}\t{}".format,
    _times,
    st.sampled_from(list(LogLevel)),
    _scopes,
    st.sampled_from(
        ["listener established", "received request", "pod received, starting proxy", "deny policy match", "version: "]
    ),
    st.builds(
        " ".join,
        st.lists(st.builds("{}={}".format, st.sampled_from(["uid", "policy", "conn", "req"]), _texts.map(quote))),
    ),
)
_full_lines = st.builds(
    "{}  INFO {}: ztunnel::proxy::{}: {}".format,
    _times,
    st.sampled_from(["outbound{id=0af7651916cd43dd8448eb211c80319c}", "inbound{id=0a peer_ip=10.0.0.1 peer_id=None}"]),
    st.sampled_from(list(Direction)),
    st.sampled_from(["complete dur=1.5ms", "got CONNECT request to 10.0.0.1:80", "failed dur=1s err=x"]),
)


def log_lines() -> st.SearchStrategy[str]:
    """Anything that may occur in a stream: access lines, other lines of ztunnel, old releases, noise."""
    return st.one_of(access_lines(), mutated_lines(), _other_lines, _full_lines, st.text(max_size=200))


__all__ = ["RELEASES", "access_lines", "access_records", "access_rows", "log_lines", "mutated_lines"]
