"""One rule of an AuthorizationPolicy → the clauses ztunnel gets for it, and what is lost on the way.

ztunnel sees connections, not requests. Of an ALLOW rule with anything about requests in it nothing is sent; of a DENY
rule the rest is, and where nothing is left of a source, an operation or a condition it stays as an empty match, which
never matches.

Source: istio/istio 1.31.0-rc.0 `pilot/pkg/serviceregistry/ambient/authorization.go` (`handleRule`, `stringToMatch`,
`stringToIP`, `stringToPort`).
"""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import ip_address, ip_network
from typing import Any, TypeAlias

from ztflow.policy.documents import Place
from ztflow.policy.model import Action, Clause, Match, Network, NoteKind, ServiceAccount, TextKind, TextMatch
from ztflow.text.patterns import lazy_pattern

Told: TypeAlias = tuple[NoteKind, str]

_REQUEST_OPERATION = ("hosts", "notHosts", "methods", "notMethods", "paths", "notPaths")
_REQUEST_SOURCE = ("remoteIpBlocks", "notRemoteIpBlocks", "requestPrincipals", "notRequestPrincipals")
_TRUST_DOMAINS = ("trustDomains", "notTrustDomains")
_SERVICE_ACCOUNTS = ("serviceAccounts", "notServiceAccounts")
_UNSEEN = "is about requests, which ztunnel does not see"
_LENGTH = lazy_pattern("0|[1-9][0-9]{0,2}")
_OPERATION = {"ports": "destination_ports", "notPorts": "not_destination_ports"}
_SOURCE = {
    "principals": "principals", "notPrincipals": "not_principals",
    "namespaces": "namespaces", "notNamespaces": "not_namespaces",
    "serviceAccounts": "service_accounts", "notServiceAccounts": "not_service_accounts",
    "ipBlocks": "source_ips", "notIpBlocks": "not_source_ips",
}  # fmt: skip
_WHEN = {
    "source.ip": "source_ips", "source.namespace": "namespaces", "source.principal": "principals",
    "destination.ip": "destination_ips", "destination.port": "destination_ports",
}  # fmt: skip
"""Keys of conditions that are about connections → the kind of condition of a match."""


class _Loss:
    """What is lost of one rule."""

    def __init__(self) -> None:
        self.requests: list[str] = []
        """Fields about requests."""
        self.broader: list[str] = []
        """Those of them without which a source or an operation says less than written."""
        self.emptied: list[str] = []
        """What is said of those of which nothing is left."""
        self.told: list[Told] = []

    def erased(self, place: Place, fields: list[str], left: Match) -> None:
        """Fields about requests are erased from a source or an operation, and this is left of it."""
        self.requests += fields
        if fields and left.empty:
            self.emptied.append(
                f"{place.path.removeprefix('spec.')}: {', '.join(fields)} {_UNSEEN}: it matches nothing"
            )
        elif fields:
            self.broader += fields

    def ignored(self, place: Place, what: str) -> None:
        self.told.append((NoteKind.IGNORED, f"{place.path.removeprefix('spec.')}: {what}"))


def convert_rule(
    rule: Place, action: Action, namespace: str, *, service_accounts: bool
) -> tuple[tuple[Clause, ...] | None, list[Told]]:
    """The clauses of a rule, None where it is not sent; and what to say about it.

    Args:
        rule: The rule.
        action: Of its policy.
        namespace: Of its policy.
        service_accounts: Whether `serviceAccounts` reach ztunnel and are understood there.

    Raises:
        UsageError: If it is not valid.
    """
    rule.fields({"from", "to", "when"})
    loss = _Loss()
    clauses: list[tuple[str, Clause]] = []
    operations = tuple(_operation(place, loss) for place in rule.get("to").items())
    sources = tuple(
        _source(place, action, namespace, loss, service_accounts=service_accounts) for place in rule.get("from").items()
    )
    if operations:
        clauses.append(("to", operations))
    if sources:
        clauses.append(("from", sources))
    clauses += [(f"when {place.get('key').text('')}", (_when(place, loss),)) for place in rule.get("when").items()]
    fields = ", ".join(dict.fromkeys(loss.requests))
    if loss.requests and action is Action.ALLOW:
        text = f"{fields} {_UNSEEN}: the rule is dropped and allows nothing"
        return None, [(NoteKind.RULE_DROPPED, text)]
    told = loss.told
    dead = [name for name, clause in clauses if all(match.empty for match in clause)]
    if dead:
        because = f": {fields} {_UNSEEN}" if fields else ""
        told.append((NoteKind.DEAD, f"nothing is left of `{'` and `'.join(dead)}`, so the rule never matches{because}"))
        return tuple(clause for _, clause in clauses), told
    told += [(NoteKind.IGNORED, text) for text in loss.emptied]
    if loss.broader:
        told.append((NoteKind.BROADER, f"{', '.join(loss.broader)} {_UNSEEN}: the rule refuses more than written"))
    reasons = (_never(name, clause) for name, clause in clauses)
    told += [(NoteKind.DEAD, reason) for reason in reasons if reason is not None]
    return tuple(clause for _, clause in clauses), told


def _operation(place: Place, loss: _Loss) -> Match:
    place.fields({"operation"})
    operation = place.get("operation")
    operation.fields({*_REQUEST_OPERATION, *_OPERATION})
    values: dict[str, Any] = {own: _ports(operation.get(name), loss) for name, own in _OPERATION.items()}
    made = Match(**values)
    loss.erased(operation, [name for name in _REQUEST_OPERATION if operation.get(name).texts()], made)
    return made


def _source(place: Place, action: Action, namespace: str, loss: _Loss, *, service_accounts: bool) -> Match:
    place.fields({"source"})
    source = place.get("source")
    source.fields({*_REQUEST_SOURCE, *_TRUST_DOMAINS, *_SOURCE})
    requests = [name for name in _REQUEST_SOURCE if source.get(name).texts()]
    unknown = [name for name in _TRUST_DOMAINS if source.get(name).texts()]
    if not service_accounts:
        unknown += [name for name in _SERVICE_ACCOUNTS if source.get(name).texts()]
    values: dict[str, Any] = {
        own: _READ[own](source.get(name), namespace, loss) for name, own in _SOURCE.items() if name not in unknown
    }
    made = Match(**values)
    loss.erased(source, requests, made)
    if unknown:
        fields = ", ".join(unknown)
        if made.empty:
            loss.ignored(
                source, f"{fields} is not sent to ztunnel, and nothing else is in this source: it matches nobody"
            )
        else:
            kind = NoteKind.WIDER if action is Action.ALLOW else NoteKind.BROADER
            does = "allows" if action is Action.ALLOW else "refuses"
            where = source.path.removeprefix("spec.")
            loss.told.append((kind, f"{where}: {fields} is not sent to ztunnel, so the rule {does} more than written"))
    return made


def _when(place: Place, loss: _Loss) -> Match:
    place.fields({"key", "values", "notValues"})
    key = place.get("key").text("")
    if not key:
        raise place.wrong("needs a key")
    own = _WHEN.get(key)
    values, others = place.get("values"), place.get("notValues")
    if own is None:
        values.texts(), others.texts()
        loss.requests.append(key)
        return Match()
    read = _READ[own]
    both: dict[str, Any] = {own: read(values, "", loss), f"not_{own}": read(others, "", loss)}
    return Match(**both)


def _texts(place: Place, _namespace: str, _loss: _Loss) -> tuple[TextMatch, ...]:
    return tuple(map(TextMatch.parse, place.texts()))


def _accounts(place: Place, namespace: str, _loss: _Loss) -> tuple[ServiceAccount, ...]:
    pairs = (text.partition("/") for text in place.texts())
    return tuple(ServiceAccount(one, two) if slash else ServiceAccount(namespace, one) for one, slash, two in pairs)


def _ports(place: Place, loss: _Loss) -> tuple[int, ...]:
    """As Go's `strconv.ParseUint`; what is no port is dropped."""
    found = []
    for text in place.texts():
        if text.isascii() and text.isdigit() and len(text) < 11 and int(text) < 65536:
            found.append(int(text))
        else:
            loss.ignored(place, f"{text!r:.60} is no port and is dropped")
    return tuple(found)


def _networks(place: Place, _namespace: str, loss: _Loss) -> tuple[Network, ...]:
    """As Go's `netip.ParsePrefix` and `ParseAddr`; what is neither is dropped."""
    found: list[Network] = []
    for text in place.texts():
        address, slash, bits = text.partition("/")
        try:
            parsed = ip_address(address if slash else address.partition("%")[0])
            length = _LENGTH.fullmatch(bits) if slash else None
            if slash and (length is None or "%" in address):
                loss.ignored(place, f"{text!r:.60} is no range of addresses and is dropped")
            else:
                found.append(ip_network(f"{parsed}/{bits or parsed.max_prefixlen}", strict=False))
        except ValueError:
            loss.ignored(place, f"{text!r:.60} is no address or range and is dropped")
    return tuple(found)


_READ: dict[str, Callable[[Place, str, _Loss], tuple[Any, ...]]] = {
    "principals": _texts, "not_principals": _texts, "namespaces": _texts, "not_namespaces": _texts,
    "service_accounts": _accounts, "not_service_accounts": _accounts,
    "source_ips": _networks, "not_source_ips": _networks, "destination_ips": _networks,
    "destination_ports": lambda place, _, loss: _ports(place, loss),
}  # fmt: skip


def _never(name: str, clause: Clause) -> str | None:
    """Why a clause can never match although its matches have conditions; None where it can."""
    reasons = []
    for match in clause:
        reason = None if match.empty else impossible(match)
        if reason is None and not match.empty:
            return None
        reasons.append(reason or "")
    return f"`{name}` never matches: {next((reason for reason in reasons if reason), '')}"


def impossible(match: Match) -> str | None:
    """Why no connection can fulfil a match with conditions; None where one can."""
    for texts, what in ((match.principals, "principal"), (match.namespaces, "namespace")):
        said = [_no_such(text, what) for text in texts]
        if said and all(said):
            return said[0]
    return None


def _no_such(wanted: TextMatch, what: str) -> str | None:
    """Why a text can be no client's principal or namespace; None where it can."""
    text = wanted.text
    if wanted.kind is TextKind.PRESENCE:
        return None
    if "*" in text:
        return (
            f"the star in {what} {str(wanted)!r:.80} is an ordinary character; only one at an end stands for anything"
        )
    if what == "principal" and text.startswith("spiffe://") and wanted.kind is not TextKind.SUFFIX:
        return f"principals are written without spiffe:// ({str(wanted)!r:.80})"
    if what == "principal" and wanted.kind is TextKind.EXACT and not _is_principal(text):
        return f"{text!r:.80} is no principal; one reads cluster.local/ns/NAMESPACE/sa/ACCOUNT"
    return None


def _is_principal(text: str) -> bool:
    parts = text.split("/")
    return len(parts) == 5 and parts[1] == "ns" and parts[3] == "sa"
