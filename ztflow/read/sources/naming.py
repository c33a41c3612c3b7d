"""Which ztunnel wrote a file, as far as its path, a tag made of one, or a container's name tells.

Sources: kubernetes/kubernetes `pkg/kubelet/kuberuntime/{helpers,legacy}.go` (`/var/log/pods`, `/var/log/containers`),
Mirantis/cri-dockerd `core/naming.go` (`k8s_CONTAINER_POD_NS_UID_N`), istio/istio `tools/bug-report`
(`proxies/NS/POD/`), kubernetes/kubectl `clusterinfo_dump.go` (`NS/POD/logs.txt`), openshift/oc
`pkg/cli/admin/inspect/pod.go` (`namespaces/NS/pods/POD/`), kubernetes-sigs/kind
`pkg/cluster/internal/providers/common/logs.go` (`NODE/pods/`), derailed/k9s `internal/view/log.go`
(`NS-POD-NANOS.log`).
"""

from __future__ import annotations

import re
from collections.abc import Collection

from ztflow.model.provenance import NOBODY, Origin
from ztflow.text.patterns import lazy_pattern

_DRAWN = "[bcdfghjklmnpqrstvwxz2456789]{5}"
"""What Kubernetes draws the ends of names from: no vowels, no 0, 1, 3."""

_SUFFIX = rf"(?:{_DRAWN}|(?=[a-z]*[0-9])[a-z0-9]{{5}})"
"""A random name ending: five drawn letters, or five with a digit among them.

Five letters that may be a word are none: `ztunnel-debug.log`.
"""

POD_NAME = lazy_pattern(rf"(?<![A-Za-z0-9.-])((?:[a-z0-9]+-)*ztunnel(?:-[a-z0-9]+)*-{_SUFFIX})(?![A-Za-z0-9])")
"""A pod of a ztunnel DaemonSet, also a revisioned or renamed one, wherever it is in a text."""

ends_like_pod = lazy_pattern(rf"[a-z0-9][a-z0-9.-]*-{_DRAWN}").fullmatch
"""Whether a whole name ends in what Kubernetes draws for a pod."""

KIND_FILES = frozenset({
    "alternatives.log", "containerd.log", "images.log", "inspect.json", "journal.log", "kubelet.log",
    "kubernetes-version.txt", "serial.log",
})  # fmt: skip
"""What `kind export logs` writes beside a node's `pods` and `containers`; two of them show its layout."""

_LONGEST = 4096
"""Longest path of Linux (PATH_MAX): what is longer is none."""

_PODS = lazy_pattern(r"(?:(?:^|/)([^/]+)/)?pods/([^/_]+)_([^/_]+)_[^/]+/([^/]+)/\d+\.log[^/]*$")
_PODS_TAG = lazy_pattern(r"pods\.([a-z0-9-]+)_([a-z0-9.-]+)_[0-9a-f-]{32,36}\.([a-z0-9-]+)\.\d+\.log")
_CONTAINERS = lazy_pattern(r"(?<![a-z0-9.-])([a-z0-9][a-z0-9.-]*+)_([a-z0-9-]+)_([a-z0-9-]+)-[0-9a-f]{64}(?:\.log|$)")
_ABOVE_CONTAINERS = lazy_pattern(r"(?:^|/)([^/]+)/containers/[^/]+$")
_DOCKER = lazy_pattern(r"k8s_([a-z0-9-]+)_([a-z0-9.-]+)_([a-z0-9-]+)_[0-9a-f-]{32,36}_\d+")
_INSPECT = lazy_pattern(r"namespaces/([^/]+)/pods/([^/]+)/(?:([^/]+)/\3/logs/)?")
_PROXIES = lazy_pattern(r"proxies/([^/]+)/([^/]+)/[^/]*\.log[^/]*$")
_DUMP = lazy_pattern(rf"(?:^|/)([^/]+)/([a-z0-9.-]+-{_SUFFIX})/logs\.txt[^/]*$")
_KIND_NODE = lazy_pattern(r"[a-z0-9.-]+-(?:control-plane|worker)\d*")
_K9S = lazy_pattern(r"-\d{13,19}(?=\.|$)")
_LAST_FOLDER = lazy_pattern(r".*(?:containers|pods)\.", re.DOTALL)
_ENDS = lazy_pattern(rf"-(?=({_SUFFIX})(?![A-Za-z0-9]))")


def origin_of_path(path: str, beside: Collection[str] = ()) -> Origin:
    """Pod, namespace, container and node as far as a path tells; `NOBODY` when it does not.

    Args:
        path: A file's path, the tag a shipper made of one (`kube.var.log.containers.…`), or a container's name.
        beside: Names of the files beside the folder `pods` or `containers` the path goes through. Only they tell
            `kind export logs`, where the folder above is the node, from somebody's copy of `/var/log/pods`.

    Examples:
        >>> origin_of_path("captures/ztunnel-4k7rb.log.gz").pod
        'ztunnel-4k7rb'
    """
    scheme, _, below = path.rpartition("://")
    if scheme.startswith("loki") or len(path) > _LONGEST:
        return NOBODY
    path = below
    path = path.replace("\\", "/")
    if found := _PODS.search(path):
        return Origin(pod=found[3], namespace=found[2], container=found[4], node=_node(found[1], beside))
    if found := _PODS_TAG.search(path):
        return Origin(pod=found[2], namespace=found[1], container=found[3])
    if found := _CONTAINERS.search(path):
        above = _ABOVE_CONTAINERS.search(path)
        node = _node(above[1], beside) if above else None
        return Origin(pod=_untagged(found[1]), namespace=found[2], container=found[3], node=node)
    if found := _DOCKER.search(path):
        return Origin(pod=found[2], namespace=found[3], container=found[1])
    if found := _INSPECT.search(path):
        return Origin(pod=found[2], namespace=found[1], container=found[3])
    if found := _PROXIES.search(path) or _DUMP.search(path):
        return Origin(pod=found[2], namespace=found[1])
    *folders, name = path.rsplit("/", 8)
    origin = _named(name)
    if origin is NOBODY and "ztunnel" not in name:
        pods = {folder for folder in folders if POD_NAME.fullmatch(folder) and _pod(folder) == folder}
        return Origin(pod=pods.pop()) if len(pods) == 1 else NOBODY
    return origin


def _node(above: str | None, beside: Collection[str]) -> str | None:
    """The folder above `pods` or `containers` when it is a node of `kind export logs`."""
    if above is None:
        return None
    return above if _KIND_NODE.fullmatch(above) or len(KIND_FILES.intersection(beside)) > 1 else None


def _untagged(pod: str) -> str:
    """A pod's name without the folders a tag has before it, written with dots."""
    pod = _LAST_FOLDER.sub("", pod)
    last = pod.rsplit(".", 1)[-1]
    return last if POD_NAME.fullmatch(last) else pod


def _named(name: str) -> Origin:
    """What a file's own name says, or one dotted piece of it."""
    if name.count("ztunnel") != 1:
        return NOBODY
    stamped = _K9S.search(name)
    if stamped:
        name = name[: stamped.start()]
    found = set(POD_NAME.findall(name)) or {piece for piece in name.split(".") if POD_NAME.fullmatch(piece)}
    if len(found) != 1:
        return NOBODY
    pod = _pod(found.pop())
    if pod is None:
        return NOBODY
    before, system, rest = pod.rpartition("-system-")
    if system and "ztunnel" in rest:
        return Origin(pod=rest, namespace=f"{before}-system")
    first = pod[: pod.index("ztunnel")].rstrip("-")
    if not stamped or not first:
        return Origin(pod=pod)
    # k9s joins namespace and pod with a dash: where one ends is only sure when one word is before `ztunnel`
    return NOBODY if "-" in first else Origin(pod=pod[len(first) + 1 :], namespace=first)


def _pod(name: str) -> str | None:
    """Where the pod's name ends in a longer one (`ztunnel-4k7rb-node1`); None when that is not sure."""
    start = name.index("ztunnel")
    ends = list(_ENDS.finditer(name, start))
    drawn = [found for found in ends if re.fullmatch(_DRAWN, found[1])]
    sure = drawn or ends
    return name[: sure[0].end(1)] if len(sure) == 1 else None
