"""Policies as a ztunnel shows or takes them: `/config_dump`, istioctl's copy of it, and the static configuration.

The shape is the same everywhere: `policies` a list (1.22: a map by key) of `{name, namespace, scope, action, rules,
dryRun}`, where `rules` are rules of clauses of matches. JSON has `{"Exact": "x"}`, the static YAML `!Exact x`.

Source: istio/ztunnel `src/rbac.rs` (serde) at 1.22.1 … 1.31.0-rc.0.
"""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_network
from typing import Any

from ztflow.policy.documents import Place
from ztflow.policy.model import (
    FIELDS,
    Action,
    ByKey,
    Match,
    Policy,
    PolicySet,
    Rule,
    Scope,
    ServiceAccount,
    TextKind,
    TextMatch,
)  # fmt: skip
from ztflow.text.patterns import lazy_pattern

_UPPER = lazy_pattern("([A-Z])")
_POLICY = frozenset({"name", "namespace", "scope", "action", "rules", "dryRun", "dry_run"})


def is_dump(document: Any) -> bool:
    """Whether a decoded document is a dump, a static configuration, or istioctl's list of policies."""
    if isinstance(document, list):
        return bool(document) and _is_policy(document[0])
    if not isinstance(document, dict) or "kind" in document:
        return False
    listed = document.get("policies")
    if isinstance(listed, list | dict):
        entries = list(_entries(listed))
        return not entries or _is_policy(entries[0])
    return _is_policy(document)


def _is_policy(entry: Any) -> bool:
    return isinstance(entry, dict) and {"name", "namespace", "scope", "action"} <= entry.keys()


def _entries(store: Any) -> Iterator[Any]:
    yield from store.values() if isinstance(store, dict) else store if isinstance(store, list) else ()


def read_dump(document: Any, source: str) -> PolicySet:
    """The policies of a dump and what its workloads say is attached to them.

    Raises:
        UsageError: If a policy in it has a shape no release writes.
    """
    whole = document if isinstance(document, dict) and not _is_policy(document) else {"policies": document}
    listed = whole.get("policies")
    listed = [listed] if _is_policy(listed) else listed
    policies = tuple(
        _policy(Place(entry, source, f"policies[{n}]"), source) for n, entry in enumerate(_entries(listed))
    )
    keys: dict[str, frozenset[str]] = {}
    for entry in _entries(whole.get("workloads")):
        if isinstance(entry, dict) and isinstance(entry.get("name"), str):
            attached = entry.get("authorizationPolicies", entry.get("authorization_policies")) or []
            pod = f"{entry.get('namespace') or ''}/{entry['name']}"
            keys[pod] = keys.get(pod, frozenset()) | {key for key in attached if isinstance(key, str)}
    return PolicySet(policies, (), keys)


def _policy(place: Place, source: str) -> Policy:
    fields = place.fields(_POLICY) or {}
    namespace, name = place.get("namespace").text(""), place.get("name").text("")
    place = Place(place.value, f"{source}: policy {namespace}/{name}", "")
    scope = Scope(place.get("scope").word([one.value for one in Scope], ""))
    action = Action(place.get("action").word(["Allow", "Deny"], "").upper())
    rules = tuple(_rule(one, number) for number, one in enumerate(place.get("rules").items()))
    dry_run = fields.get("dryRun", fields.get("dry_run")) is True
    return Policy(
        namespace, name, scope, action, rules, dry_run, ByKey() if scope is Scope.WORKLOAD else None, source=source
    )


def _rule(place: Place, number: int) -> Rule:
    clauses = tuple(tuple(_match(match) for match in clause.items()) for clause in place.items())
    return Rule(clauses, number)


def _match(place: Place) -> Match:
    values: dict[str, tuple[Any, ...]] = {}
    for name in place.fields() or {}:
        own = _UPPER.sub(lambda found: f"_{found[1].lower()}", str(name))
        if own not in FIELDS:
            raise place.wrong(f"has the condition {str(name)!r:.60}, which ztflow does not know")
        read = next(reader for ending, reader in _READERS if own.endswith(ending))
        values[own] = tuple(read(item) for item in place.get(str(name)).items())
    return Match(**values)


def _text(place: Place) -> TextMatch:
    if place.value == TextKind.PRESENCE:
        return TextMatch(TextKind.PRESENCE)
    fields = place.fields([kind.value for kind in TextKind]) or {}
    if len(fields) != 1:
        raise place.wrong(f"must be one of {', '.join(TextKind)} with a text")
    kind = TextKind(next(iter(fields)))
    return TextMatch(kind) if kind is TextKind.PRESENCE else TextMatch(kind, place.get(kind).text(""))


def _account(place: Place) -> ServiceAccount:
    place.fields({"namespace", "serviceAccount", "service_account"})
    name = place.get("serviceAccount") if place.get("serviceAccount").value else place.get("service_account")
    return ServiceAccount(place.get("namespace").text(""), name.text(""))


def _network(place: Place) -> Any:
    try:
        return ip_network(place.text(""), strict=False)
    except ValueError:
        raise place.wrong(f"is no range of addresses: {place.value!r:.60}") from None


def _port(place: Place) -> int:
    if isinstance(place.value, int) and 0 <= place.value < 65536:
        return place.value
    raise place.wrong(f"is no port: {place.value!r:.60}")


_READERS = (
    ("service_accounts", _account), ("principals", _text), ("namespaces", _text), ("_ips", _network), ("_ports", _port),
)  # fmt: skip
"""How the name of a condition ends, and what reads its values."""
