"""AuthorizationPolicy and PeerAuthentication documents → what istiod sends ztunnel, by release.

Source: istio/istio 1.31.0-rc.0 `pilot/pkg/serviceregistry/ambient/authorization.go` (≤ 1.29 under
`…/kube/controller/ambient/`), `workloads.go`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ztflow.policy.model import PolicySet
from ztflow.policy.releases import NEWEST, Release

ROOT_NAMESPACE = "istio-system"
"""Istio's root namespace unless the mesh says otherwise (`meshConfig.rootNamespace`)."""


@dataclass(frozen=True, slots=True)
class Mesh:
    """What conversion depends on beside the documents.

    Attributes:
        istiod: Release of the control plane.
        ztunnel: Release of the ztunnels; None for the same.
        root_namespace: Where policies hold for the whole mesh.
        sends_dry_run: Whether istiod has `AMBIENT_ENABLE_DRY_RUN_AUTHORIZATION_POLICY=true`.
    """

    istiod: Release = NEWEST
    ztunnel: Release | None = None
    root_namespace: str = ROOT_NAMESPACE
    sends_dry_run: bool = False


def convert(documents: Iterable[Mapping[str, Any]], mesh: Mesh | None = None, *, source: str = "") -> PolicySet:
    """What the ztunnels of a mesh get for these documents, all of them together.

    Args:
        documents: Decoded Kubernetes objects; only AuthorizationPolicy and PeerAuthentication of the group
            `security.istio.io` are looked at. PeerAuthentications decide together, so give all of the mesh at once.
        mesh: Releases and settings; the newest release known unless given.
        source: Name of their file.

    Returns:
        The policies, and a note for everything that was dropped, erased or can never fire.

    Raises:
        UsageError: If a document is not valid: what, where, what to try.
    """
    raise NotImplementedError
