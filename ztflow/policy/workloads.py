"""What is known of the pods policies are attached to: labels and, from a ztunnel's dump, the keys of their policies."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping

from ztflow.place import Inventory
from ztflow.policy.model import Labels, Workload

_TEMPLATE_HASH = "pod-template-hash"


class Workloads:
    """Pods by name.

    Args:
        inventory: Pods with their labels (kubectl's JSON or YAML, or a table with `--show-labels`), and with
            `authorizationPolicies` where it is a ztunnel's dump.
        keys: Pod (`namespace/name`) → keys of its policies, of the dump the policies were read from
            (`PolicySet.keys`); these are taken rather than the inventory's.

    A pod that is not in the inventory has the labels of its siblings (pods of the same ReplicaSet, whose labels are
    equal because they are made of one template); labels nobody tells are unknown, never guessed. Two statements that
    contradict each other make them unknown, too.
    """

    def __init__(self, inventory: Inventory | None = None, keys: Mapping[str, frozenset[str]] | None = None) -> None:
        said: defaultdict[str, set[Labels]] = defaultdict(set)
        attached: dict[str, frozenset[str]] = {}
        names: dict[str, tuple[str, str]] = {}
        for pod in inventory.pods if inventory is not None else ():
            if pod.namespace is None:
                continue
            name = f"{pod.namespace}/{pod.name}"
            names[name] = pod.namespace, pod.name
            if pod.labels is not None:
                said[name].add(pod.labels)
            if pod.policies is not None:
                attached[name] = attached.get(name, frozenset()) | frozenset(pod.policies)
        if keys:
            attached = dict(keys)
        for name in attached:
            namespace, _, pod_name = name.partition("/")
            names.setdefault(name, (namespace, pod_name))
        self._labels = {name: labels.pop() for name, labels in said.items() if len(labels) == 1}
        self._keys = attached
        self._names = names
        self._templates = self._of_templates()
        self._ports: defaultdict[str | None, defaultdict[int, set[int]]] = defaultdict(lambda: defaultdict(set))
        for service in inventory.services if inventory is not None else ():
            for own, target in service.ports:
                self._ports[service.namespace][own].add(target)

    def _of_templates(self) -> dict[str, Labels | None]:
        """`namespace/replica-set` → the labels its pods have, None where they differ."""
        found: dict[str, Labels | None] = {}
        for name, labels in self._labels.items():
            replica_set = name.rpartition("-")[0]
            template = dict(labels).get(_TEMPLATE_HASH)
            if template and replica_set.endswith(f"-{template}"):
                found[replica_set] = labels if found.get(replica_set, labels) == labels else None
        return found

    def find(self, pod: str | None, namespace: str | None) -> Workload | None:
        """What is known of a pod (`namespace/name`), or only of its namespace; None where not even that is known."""
        if pod is not None and "/" in pod:
            own, _, name = pod.partition("/")
            labels = self._labels.get(pod)
            if labels is None:
                labels = self._templates.get(pod.rpartition("-")[0])
            return Workload(own, name, labels, self._keys.get(pod))
        return None if namespace is None else Workload(namespace)

    def targets(self, namespace: str, port: int) -> tuple[int, ...]:
        """The applications' ports behind a port that only services of a namespace have; none where it is one itself."""
        ports: Mapping[int, set[int]] = self._ports.get(namespace, {})
        if any(port in targets for targets in ports.values()):
            return ()
        return tuple(sorted(ports.get(port, ())))

    def pods(self) -> list[Workload]:
        """All pods that are known by name."""
        return [Workload(*names, self._labels.get(pod), self._keys.get(pod)) for pod, names in self._names.items()]
