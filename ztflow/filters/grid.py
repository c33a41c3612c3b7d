"""The filter grid's vocabulary: which end, which kind of name, which values, and how one value matches.

Pure text in, yes or no out; `masks` applies it to Arrow tables.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from enum import StrEnum
from fnmatch import translate
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from operator import ge, gt, le, lt
from typing import NamedTuple

from ztflow.errors import UsageError


class Side(StrEnum):
    """Which end of a connection a condition is about."""

    FROM = "from"
    TO = "to"
    EITHER = "either"


class Kind(StrEnum):
    """What a condition compares."""

    POD = "pod"
    NAMESPACE = "namespace"
    WORKLOAD = "workload"
    SERVICE = "service"
    IDENTITY = "identity"
    IP = "ip"
    PORT = "port"
    NODE = "node"


VALUE_NAME = {
    Kind.POD: "[NS/]POD",
    Kind.NAMESPACE: "NAME",
    Kind.WORKLOAD: "[NS/]NAME",
    Kind.SERVICE: "HOST",
    Kind.IDENTITY: "ID",
    Kind.IP: "CIDR",
    Kind.PORT: "PORT",
    Kind.NODE: "NAME",
}
"""Placeholder of a value of each kind on a help page."""

VALUE_HELP = {
    Kind.POD: "Pod name, with or without its namespace.",
    Kind.NAMESPACE: "Namespace.",
    Kind.WORKLOAD: "Workload: the pod's name or its owner's.",
    Kind.SERVICE: "Hostname, name.namespace, namespace/name or name.",
    Kind.IDENTITY: "SPIFFE id, Istio principal or namespace/service-account.",
    Kind.IP: "Address or CIDR.",
    Kind.PORT: "Number or range (8000-8099).",
    Kind.NODE: "Node.",
}
"""How a value of each kind is written; names may hold `*` and `?`."""


class End(NamedTuple):
    """One end of a connection as the log names it; None is unknown."""

    pod: str | None = None
    """`namespace/name`, from evidence outside the name field."""
    namespace: str | None = None
    name: str | None = None
    """As ztunnel logs it: for a pod the pod's."""
    workload: str | None = None
    """What it belongs to; None where only the pattern of its name tells."""
    service: str | None = None
    identity: str | None = None
    ips: tuple[str, ...] = ()
    ports: tuple[int, ...] = ()
    node: str | None = None


Test = Callable[[End], bool]

ORDERED: dict[str, Callable[[int, int], bool]] = {"<": lt, "<=": le, ">": gt, ">=": ge}


def pod_names(end: End) -> Iterable[str]:
    """Names a pod answers to, most exact first."""
    if end.pod is not None:
        yield end.pod
        yield end.pod.rpartition("/")[2]
    if end.name is not None:
        yield end.name
        if end.namespace is not None:
            yield f"{end.namespace}/{end.name}"


def workload_names(end: End) -> Iterable[str]:
    """Names a workload answers to: its own, and those of its pods."""
    from ztflow.place.names import workload_of_name

    for name in pod_names(end):
        yield name
        namespace, slash, pod = name.rpartition("/")
        yield f"{namespace}{slash}{end.workload or workload_of_name(pod)[0]}"


def service_names(hostname: str) -> Iterable[str]:
    """Names a service answers to: its hostname, and for one of a cluster `name.namespace`, `namespace/name`, `name`."""
    yield hostname
    name, _, rest = hostname.partition(".")
    namespace, _, domain = rest.partition(".")
    if domain == "svc" or domain.startswith("svc."):
        yield f"{name}.{namespace}"
        yield f"{name}.{namespace}.svc"
        yield f"{namespace}/{name}"
        yield name


def identity_names(identity: str) -> Iterable[str]:
    """Forms an identity is written in: the SPIFFE id, Istio's principal, `namespace/service-account`."""
    yield identity
    principal = identity.removeprefix("spiffe://")
    yield principal
    match = re.fullmatch(r"[^/]*/ns/([^/]+)/sa/([^/]+)", principal)
    if match:
        yield f"{match[1]}/{match[2]}"


def _wild(value: str) -> bool:
    return "*" in value or "?" in value


def searched(pattern: str) -> Callable[[str], bool]:
    """The test whether a regular expression is found in a text.

    Raises:
        UsageError: It is none.
    """
    try:
        compiled = re.compile(pattern)
    except re.error as error:
        raise UsageError(f"not a regular expression ({error})") from None
    return lambda text: compiled.search(text) is not None


def _pattern(value: str) -> Callable[[str], bool]:
    if not _wild(value):
        return value.__eq__
    compiled = re.compile(translate(value.replace("[", "[[]")))
    return lambda text: compiled.match(text) is not None


def _network(value: str) -> IPv4Network | IPv6Network:
    try:
        return _unmapped(ip_network(value, strict=False))
    except ValueError:
        raise UsageError(f"{value!r} is not an IP address or a CIDR such as 10.0.0.0/8 or fd00::/8") from None


def _unmapped(network: IPv4Network | IPv6Network) -> IPv4Network | IPv6Network:
    """An IPv4-mapped IPv6 network as the IPv4 network it means."""
    if isinstance(network, IPv6Network) and network.prefixlen >= 96:
        mapped = network.network_address.ipv4_mapped
        if mapped is not None:
            return IPv4Network((mapped, network.prefixlen - 96))
    return network


def _within(text: str, network: IPv4Network | IPv6Network) -> bool:
    try:
        address = ip_address(text)
    except ValueError:
        return False
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    return address in network


def _ports(value: str) -> range:
    match = re.fullmatch(r"([0-9]{1,5})(?:-([0-9]{1,5}))?", value)
    first, last = (int(match[1]), int(match[2] or match[1])) if match else (1, 0)
    if not 0 <= first <= last <= 65535:
        raise UsageError(f"{value!r} is not a port or a range such as 8000-8099")
    return range(first, last + 1)


def names_of(kind: Kind, end: End) -> Iterable[str]:
    """What an end is called, as values of this kind are written; nothing where that is unknown."""
    if kind is Kind.POD:
        return pod_names(end)
    if kind is Kind.WORKLOAD:
        return workload_names(end)
    if kind is Kind.SERVICE:
        return () if end.service is None else service_names(end.service)
    if kind is Kind.IDENTITY:
        return () if end.identity is None else identity_names(end.identity)
    if kind is Kind.IP:
        return end.ips
    if kind is Kind.PORT:
        return map(str, end.ports)
    name = end.node if kind is Kind.NODE else end.namespace
    return () if name is None else (name,)


def value_test(kind: Kind, value: str | None, operator: str = "==") -> Test:
    """The test one value of a kind puts to an end. An unknown name passes no test but that of None.

    Args:
        kind: What is compared.
        value: As `VALUE_HELP` says; None for an end whose name is not known.
        operator: As for `conditions.EndCondition`.

    Raises:
        UsageError: If the value cannot mean anything for this kind.
    """
    if value is None:
        return lambda end: next(iter(names_of(kind, end)), None) is None
    if not value:
        raise UsageError(f"an empty {kind} matches nothing")
    if operator == "=~":
        found = searched(value)
        return lambda end: any(map(found, names_of(kind, end)))
    if kind is Kind.PORT:
        ports = _ports(value)
        if operator == "==":
            return lambda end: any(port in ports for port in end.ports)
        compare = ORDERED[operator]
        if len(ports) > 1:
            raise UsageError(f"a range such as {value} has no order; use == or in")
        return lambda end: any(compare(port, ports[0]) for port in end.ports)
    if operator != "==":
        raise UsageError(f"{kind} has no order; use == or =~")
    if kind is Kind.IP and not _wild(value):
        network = _network(value)
        return lambda end: any(_within(ip, network) for ip in end.ips)
    matches = _pattern(value)
    return lambda end: any(map(matches, names_of(kind, end)))


_COLUMN_KINDS = {
    f"{side}_{kind}": kind for side in ("src", "dst") for kind in (Kind.POD, Kind.IDENTITY, Kind.SERVICE, Kind.IP)
} | {"policy": Kind.POD}
"""Columns whose values are written as those of an option; a policy's name has the form of a pod's."""


def text_test(column: str, value: str) -> Callable[[str], bool]:
    """The test a value puts to the texts of a column: written as for the option that looks at it, `*` and `?` too.

    Raises:
        UsageError: If the value cannot mean anything for this column.
    """
    kind = _COLUMN_KINDS.get(column)
    if column == "hbone_host" and "/" in value:
        kind = Kind.IP
    if kind is None or not value:
        return _pattern(value)
    test = value_test(kind, value)
    if kind is Kind.IP:
        return lambda text: test(End(ips=(text,)))
    if kind is Kind.SERVICE:
        return lambda text: test(End(service=text))
    if kind is Kind.IDENTITY:
        return lambda text: test(End(identity=text))
    return lambda text: test(End(pod=text))
