"""What can be read from names: whether a pod name is unique, a pod's workload, labels that hold a zone."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Literal

from ztflow.text.patterns import lazy_pattern

ZONE_LABELS = {
    "zone": ("topology.kubernetes.io/zone", "failure-domain.beta.kubernetes.io/zone"),
    "region": ("topology.kubernetes.io/region", "failure-domain.beta.kubernetes.io/region"),
}
"""Well-known labels, newest first (kubernetes api core/v1/well_known_labels.go)."""

_RANDOM = "[bcdfghjklmnpqrstvwxz2456789]{5}"
"""What Kubernetes appends to a generated name (apimachinery pkg/util/rand: no vowels, no 0, 1, 3)."""

_TEMPLATE_HASH = "[4-9bcdf]{1,10}"
"""A pod template hash: the digits of a 32-bit number through `SafeEncodeString`, so ten letters only."""

_REPLICA_SET = lazy_pattern(rf"(.+)-{_TEMPLATE_HASH}-{_RANDOM}")
_REPLICA_SET_LOOSE = lazy_pattern(r"(.+)-(?=[a-z]*\d[a-z]*\d)(?=\d*[a-z])[a-z0-9]{8,10}-[a-z0-9]{5}")
"""That shape in redacted or constructed names: a middle part that mixes letters with two digits or more."""
_CRON_JOB = lazy_pattern(rf"(.+)-(?:\d{{8}}|\d{{10}})(?:-\d+)?-{_RANDOM}")
_INDEXED_JOB = lazy_pattern(rf"(.+)-\d{{1,5}}-{_RANDOM}")
_GENERATED = lazy_pattern(rf"(.+)-{_RANDOM}")
_UNIQUE = lazy_pattern(f"{_GENERATED.pattern}|{_REPLICA_SET_LOOSE.pattern}")
_STATEFUL_SET = lazy_pattern(r"(.+)-(?:0|[1-9]\d{0,4})")

How = Literal["owner", "name pattern", "as logged"]
"""How a workload is known: stated by an inventory, read off the pod's name, or the name itself."""


def port_of(text: object) -> int | None:
    """The port that a number, or a text of plain digits, is; None for anything else."""
    digits = str(text)
    return int(digits) if digits.isascii() and digits.isdigit() and len(digits) < 6 and int(digits) < 1 << 16 else None


def workload_of_name(pod: str) -> tuple[str, How]:
    """The workload a pod name belongs to by its pattern.

    Patterns, in this order: CronJob (`name-28636900-x7k2q`), Deployment (`name-6f4dc97cb-swdlb`), indexed Job
    (`name-3-x7k2q`), DaemonSet, Job or bare ReplicaSet (`name-x7k2q`), StatefulSet (`name-0`).

    Returns:
        (workload, `name pattern`), or (pod, `as logged`) when no pattern fits.
    """
    if "-" not in pod:  # which every pattern has
        return pod, "as logged"
    for pattern in (_CRON_JOB, _REPLICA_SET, _REPLICA_SET_LOOSE, _INDEXED_JOB, _GENERATED, _STATEFUL_SET):
        match = pattern.fullmatch(pod)
        if match is not None:
            return match[1], "name pattern"
    return pod, "as logged"


_remembered = lru_cache(maxsize=1 << 15)(workload_of_name)
"""Names come back with every address, every batch and every report."""


def workload_of_pod(pod: str, owners: Mapping[str, str]) -> tuple[str, How]:
    """The workload of a pod: its stated owner, else what the pattern of its name tells.

    Args:
        pod: `namespace/name`, or a name alone.
        owners: Pod (`namespace/name`) → the workload that owns it.
    """
    owner = owners.get(pod)
    if owner:
        return owner, "owner"
    _, slash, name = pod.partition("/")
    return _remembered(name if slash else pod)


def qualified(namespace: str | None, name: str | None) -> str | None:
    """`namespace/name`, as far as both are known; None without a name."""
    return f"{namespace}/{name}" if namespace and name else name


def deployment_of_replica_set(replica_set: str, template_hash: str | None) -> tuple[str, str]:
    """(kind, name) of what owns a ReplicaSet: the Deployment when its name ends in a template hash."""
    if template_hash and replica_set.endswith(f"-{template_hash}"):
        return "Deployment", replica_set[: -len(template_hash) - 1]
    match = re.fullmatch(rf"(.+)-(?:{_TEMPLATE_HASH}|(?=[a-z]*\d)[a-z0-9]{{8,10}})", replica_set)
    return ("Deployment", match[1]) if match else ("ReplicaSet", replica_set)


def cron_job_of_job(job: str) -> tuple[str, str]:
    """(kind, name) of what owns a Job: the CronJob when its name ends in a schedule time."""
    match = re.fullmatch(r"(.+)-(?:\d{8}|\d{10})", job)
    return ("CronJob", match[1]) if match else ("Job", job)


@lru_cache(maxsize=1 << 14)
def is_unique_name(pod: str) -> bool:
    """Whether a pod name is never given again, so that it always means one pod on one node.

    True for generated names; False for StatefulSet pods and names given by hand.
    """
    return _UNIQUE.fullmatch(pod) is not None


def says_gateway(name: str) -> bool:
    """Whether a pod or service account is a gateway by its name; these speak HBONE themselves, without a ztunnel."""
    return "gateway" in name or "ingress" in name or "waypoint" in name
