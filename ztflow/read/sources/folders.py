"""Which files of a folder or an archive are read, told by their names: logs, archives in it, inventories beside them.

Layouts looked at: istio/istio `tools/bug-report`, kubernetes-sigs/kind `pkg/cluster/internal/providers/common/logs.go`
(`kind export logs`), kubernetes/kubectl `pkg/cmd/clusterinfo/clusterinfo_dump.go`, openshift/oc
`pkg/cli/admin/{inspect,mustgather}`.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ztflow.errors import SourceError
from ztflow.model.provenance import NOBODY
from ztflow.read.sources.naming import POD_NAME, origin_of_path
from ztflow.text.patterns import lazy_pattern

_PACKED = r"(?:\.(?:gz|bz2|xz|zst|zstd|lz4))?"
_LOG = lazy_pattern(r"\.(?:log|jsonl|ndjson)(?:[.~-]|$)|^logs\.txt(?:\.|$)", re.IGNORECASE)
_TEXT = lazy_pattern(rf"^[^.]+\.(?:txt|out){_PACKED}$", re.IGNORECASE)
_MAYBE = lazy_pattern(r"\.(?:txt|json|csv|tsv|parquet|pq|out|gz|bz2|xz|zst|zstd|lz4)(?:\.|$)|^[^.]+$", re.IGNORECASE)
_ARCHIVE = lazy_pattern(rf"\.(?:tar{_PACKED}|t[gbx]z|tbz2|tzst|zip)$", re.IGNORECASE)
_NO_LOG = lazy_pattern(r"\.(?:tmp|ya?ml|md|html?|py|sh|pdf|png|jpe?g|pem|crt|key|pb|sock|pid|lock)$", re.IGNORECASE)

_LISTS = frozenset({
    "pods", "pod", "nodes", "node", "workloads", "workload", "endpointslices", "endpointslice", "inventory",
})  # fmt: skip
_LIST = lazy_pattern(rf"([^.]*)(?:\.(?:txt|out|wide|json|ya?ml|csv|tsv)){{0,2}}{_PACKED}", re.IGNORECASE)
_OBJECT = lazy_pattern(
    rf"(?:^|/)(?:core/(?:pods|nodes)|pods/[^/]+|discovery\.k8s\.io/endpointslices)/[^/]+\.(?:ya?ml|json){_PACKED}$"
)
_DUMP = lazy_pattern(rf"ztunnel[^/]*\.json{_PACKED}$|ztunnel[^/]*/(?:ztunnel_)?config_dump[^/]*$", re.IGNORECASE)


def is_log_name(path: str) -> bool:
    """Whether a file of a folder or an archive is a log by its name."""
    name = _base(path)
    if name is None or _NO_LOG.search(name):
        return False
    return _LOG.search(name) is not None or (_TEXT.match(name) is not None and POD_NAME.search(name) is not None)


def may_be_log(path: str) -> bool:
    """Whether a file may be a log where none is called one."""
    name = _base(path)
    return name is not None and _MAYBE.search(name) is not None and _NO_LOG.search(name) is None


def is_archive_name(path: str) -> bool:
    """Whether a file is an archive by its name."""
    name = _base(path)
    return name is not None and _ARCHIVE.search(name) is not None


def is_inventory_name(path: str) -> bool:
    """Whether a file may be an inventory by its name: its content decides.

    `pods.txt`, `get-pods-wide.json`, `cluster/nodes`, `k8s-resources` of a bug report, an object of `oc adm inspect`,
    a ztunnel's `config_dump`.
    """
    name = _base(path)
    if name is None:
        return False
    if _OBJECT.search(path) or _DUMP.search(path):
        return True
    listed = _LIST.fullmatch(name)
    if listed is None:
        return False
    stem = listed[1].lower()
    words = re.split(r"[-_ ]", stem)
    return stem == "k8s-resources" or any(word in _LISTS or word.endswith(("pods", "nodes")) for word in words)


def _base(path: str) -> str | None:
    """A file's own name; None for hidden ones and what macOS puts into archives."""
    name = path.rsplit("/", 1)[-1]
    return None if name.startswith(".") or "__MACOSX/" in path else name


@dataclass(slots=True)
class Skipped:
    """Files of a directory that do not look like logs, and so were not read."""

    names: list[str] = field(default_factory=list)


@dataclass(slots=True)
class File:
    """One file below a folder.

    Attributes:
        path: With the folder in front.
        size: Bytes on disk.
        modified: Its time, microseconds since 1970.
    """

    path: str
    size: int
    modified: int


def files_below(
    folder: str, names: dict[str, set[str]], fail: Callable[[SourceError], None], matters: Callable[[str], bool]
) -> list[File]:
    """Every regular file below a folder, in order of path, each once however many links lead to it.

    Of several links the one whose path names a pod is taken, else the file itself.

    Args:
        folder: Where to look; hidden files and folders are left out.
        names: Filled with the names of the files in each folder.
        fail: Called with what cannot be looked at: the rest goes on.
        matters: Whether it has to be said that a file with this name cannot be read.
    """
    best: dict[tuple[int, int], tuple[bool, bool, File]] = {}
    """By device and inode: whether the path names a pod, whether it is no link, the file."""
    for parent, folders, files in os.walk(folder, onerror=lambda error: fail(unreadable(error))):
        folders[:] = sorted(one for one in folders if not one.startswith("."))
        here = parent.rstrip("/")
        names[here] = set(files)
        for name in sorted(one for one in files if not one.startswith(".")):
            path = f"{here}/{name}"
            try:
                about = Path(path).stat()
            except OSError as error:
                if matters(path):
                    fail(unreadable(error, path))
                continue
            if not stat.S_ISREG(about.st_mode):
                if matters(path):
                    fail(no_file(path))
                continue
            identity = (about.st_dev, about.st_ino)
            known = best.get(identity)
            this = (origin_of_path(path) is not NOBODY, not Path(path).is_symlink())
            if known is None or this > known[:2]:
                best[identity] = (*this, File(path, about.st_size, about.st_mtime_ns // 1000))
    return [file for _, _, file in best.values()]


def beside_of(path: str, names: Mapping[str, set[str]]) -> frozenset[str]:
    """Names of the files beside the folder `pods` or `containers` a path goes through (`naming.origin_of_path`)."""
    for folder in ("pods", "containers"):
        above, found, _ = path.rpartition(f"/{folder}/")
        if found:
            return frozenset(names.get(above, ()))
    return frozenset()


def no_file(path: str) -> SourceError:
    """The error for what is neither a file nor a folder, where nobody named it: opening it may wait for ever."""
    return SourceError(path, "is no file", hint="a pipe is read when it is named itself")


def unreadable(error: OSError, path: str | None = None) -> SourceError:
    """The error for a file or folder that cannot be looked at."""
    path = path or str(error.filename)
    if isinstance(error, FileNotFoundError) and Path(path).is_symlink():
        return SourceError(path, "is a link to nothing")
    hint = "are you allowed to read it?" if isinstance(error, PermissionError) else ""
    text = error.strerror or str(error)
    return SourceError(path, text[:1].lower() + text[1:], hint=hint)
