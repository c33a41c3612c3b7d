"""What is known of the pods policies are attached to: labels and, from a ztunnel's dump, the keys of their policies."""

from __future__ import annotations

from collections.abc import Mapping

from ztflow.place import Inventory
from ztflow.policy.model import Workload


class Workloads:
    """Pods by name and by address.

    Args:
        inventory: Pods with their labels (kubectl's JSON or YAML, or a table with `--show-labels`), and with
            `authorizationPolicies` where it is a ztunnel's dump.
        keys: Pod (`namespace/name`) → keys of its policies, of the dump the policies were read from
            (`PolicySet.keys`); these are taken rather than the inventory's.

    A pod that is not in the inventory has the labels of its siblings (pods of the same ReplicaSet, whose labels are
    equal because they are made of one template); labels nobody tells are unknown, never guessed.
    """

    def __init__(self, inventory: Inventory | None = None, keys: Mapping[str, frozenset[str]] | None = None) -> None:
        raise NotImplementedError

    def find(self, pod: str | None, namespace: str | None) -> Workload | None:
        """What is known of a pod (`namespace/name`), or only of its namespace; None where not even that is known."""
        raise NotImplementedError

    def pods(self) -> list[Workload]:
        """All pods of the inventory."""
        raise NotImplementedError
