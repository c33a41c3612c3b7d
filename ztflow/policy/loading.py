"""Policies from files: Kubernetes YAML or JSON, a ztunnel's `/config_dump`, or its static configuration."""

from __future__ import annotations

from collections.abc import Sequence

from ztflow.policy.convert import Mesh
from ztflow.policy.model import PolicySet


def load_policies(paths: Sequence[str], mesh: Mesh | None = None) -> PolicySet:
    """All policies of some files, as the ztunnels have them.

    Args:
        paths: Files, `-` for standard input. Each holds YAML of one or more documents, objects or lists
            (`kubectl get authorizationpolicies,peerauthentications -A -o yaml|json`), a `config_dump`, what
            `istioctl ztunnel-config policies|all -o json|yaml` prints, or ztunnel's static configuration (`policies:`
            with `!Exact`). Formats are told by content; files may be compressed.
        mesh: For documents that are converted; see `convert`.

    Raises:
        UsageError: If a file cannot be read or holds no policy: what, where, what to try.
    """
    raise NotImplementedError
