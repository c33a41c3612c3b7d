"""Policies as YAML, JSON and dumps, with swapped types and damage: understood, or one line that says what is wrong."""

from __future__ import annotations

import json
from tempfile import TemporaryDirectory
from typing import Any, Final

from hypothesis import strategies as st

from fuzz.corpus import FIXTURES, PODS, SAME_NODE, content
from fuzz.edits import WORDS, as_json, edited, edited_json
from fuzz.filters import tables
from fuzz.inventories import as_yaml, short
from fuzz.program import ran, written
from fuzz.target import Target
from ztflow.errors import UsageError
from ztflow.policy import evaluate, load_policies

_FILES: Final = tuple(
    content(path) for path in sorted((FIXTURES / "policy").rglob("*")) if path.suffix in {".json", ".yaml"}
)
_FULL: Final = {
    "apiVersion": "security.istio.io/v1",
    "kind": "AuthorizationPolicy",
    "metadata": {"name": "a", "namespace": "ambient-demo", "annotations": {"istio.io/dry-run": "true"}},
    "spec": {
        "selector": {"matchLabels": {"app": "httpbin"}},
        "targetRefs": [{"kind": "Service", "group": "", "name": "httpbin"}],
        "action": "ALLOW",
        "rules": [
            {
                "from": [
                    {"source": {"principals": ["cluster.local/ns/*"], "notPrincipals": ["*"], "namespaces": ["a*"]}},
                    {"source": {"ipBlocks": ["10.0.0.0/8"], "notIpBlocks": ["::1"], "serviceAccounts": ["a/b"]}},
                ],
                "to": [{"operation": {"ports": ["80"], "notPorts": ["90"], "methods": ["GET"]}}],
                "when": [{"key": "source.ip", "values": ["10.0.0.1"], "notValues": ["10.0.0.2"]}],
            }
        ],
    },
}
_PEER: Final = {
    "apiVersion": "security.istio.io/v1",
    "kind": "PeerAuthentication",
    "metadata": {"name": "default", "namespace": "istio-system", "creationTimestamp": "2024-06-16T12:48:51Z"},
    "spec": {
        "selector": {"matchLabels": {"app": "httpbin"}},
        "mtls": {"mode": "STRICT"},
        "portLevelMtls": {"80": {"mode": "DISABLE"}},
    },
}


_VALUES: Final[tuple[Any, ...]] = (
    _FULL, _PEER, {"kind": "List", "apiVersion": "v1", "items": [_FULL, _PEER]},
    *(short(json.loads(data)) for data in _FILES if data[:1] == b"{"),
)  # fmt: skip


def check(data: bytes) -> None:
    """Loaded and put to the flows of a log, by the library and by the command line."""
    with TemporaryDirectory() as folder:
        path = written(folder, "policy.yaml", data)
        try:
            policies = load_policies([path])
        except UsageError as error:
            assert str(error).startswith(folder), error
            return
        flows, _ = tables()
        assert len(evaluate(policies, flows).table()) == len(flows)
        ran(
            [
                "check",
                "--policy",
                path,
                "--inventory",
                str(PODS),
                str(SAME_NODE),
                "-o",
                "json" if len(data) % 2 else "table",
            ]
        )


_changed = edited_json(_VALUES)
TARGET = Target(
    st.one_of(_changed.map(as_yaml), _changed.map(as_json), edited((*map(as_yaml, _VALUES), *_FILES), WORDS)), check
)
