"""Which ztunnel wrote a file, as far as its name tells.

Sources: kubernetes/kubernetes `pkg/kubelet/kuberuntime/{helpers,legacy}.go` (`/var/log/pods`, `/var/log/containers`),
istio/istio `tools/bug-report` (`proxies/NS/POD/`), kubernetes/kubectl `clusterinfo_dump.go` (`NS/POD/logs.txt`).
No path names the node.
"""

from __future__ import annotations

import re

from ztflow.model.provenance import NOBODY, Origin

_SUFFIX = "(?:[bcdfghjklmnpqrstvwxz2456789]{5}|(?=[a-z]*[0-9])[a-z0-9]{5})"
"""A random name ending: letters Kubernetes draws from (no vowels, no 0, 1, 3), or five with a digit among them.

Five letters that may be a word are none: `ztunnel-debug.log`.
"""

POD_NAME = re.compile(rf"(?<![A-Za-z0-9.-])((?:[a-z0-9]+-)*ztunnel(?:-[a-z0-9]+)*-{_SUFFIX})(?![A-Za-z0-9])")
"""A pod of a ztunnel DaemonSet, also a revisioned or renamed one, wherever it is in a text."""

_PODS = re.compile(r"pods/([^/_]+)_([^/_]+)_[^/]+/([^/]+)/\d+\.log[^/]*$")
_CONTAINERS = re.compile(r"([a-z0-9][a-z0-9.-]*)_([a-z0-9-]+)_([a-z0-9-]+)-[0-9a-f]{64}\.log")
_PROXIES = re.compile(r"proxies/([^/]+)/([^/]+)/[^/]*\.log[^/]*$")
_DUMP = re.compile(r"(?:^|/)([^/]+)/([^/]+)/logs\.txt[^/]*$")


def origin_of_path(path: str) -> Origin:
    """Pod, namespace and container as far as a path tells; `NOBODY` when it does not.

    Examples:
        >>> origin_of_path("captures/ztunnel-4k7rb.log.gz").pod
        'ztunnel-4k7rb'
    """
    if "://" in path:
        return NOBODY
    path = path.replace("\\", "/")
    if found := _PODS.search(path):
        return Origin(pod=found[2], namespace=found[1], container=found[3])
    if found := _CONTAINERS.search(path):
        return Origin(pod=found[1], namespace=found[2], container=found[3])
    if found := _PROXIES.search(path) or _DUMP.search(path):
        return Origin(pod=found[2], namespace=found[1])
    name = path.rsplit("/", 1)[-1]
    pods = set(POD_NAME.findall(name))
    if len(pods) != 1 or name.count("ztunnel") > 1:
        return NOBODY
    return Origin(pod=pods.pop())
