"""The folder an advice is written to: drafts as YAML, and what got no rule as `refused.jsonl`.

Each file is put in its place whole (`files.placing`), and none before all are known to be allowed there. A file that
is there is replaced only if it is a draft of ours that nobody has edited. `kubectl apply -f FOLDER` takes `.yaml`,
`.yml` and `.json` there and nothing below: so drafts are in the folder itself, what goes further (`default-deny`,
`strict`) is in folders of its own, and the name of the list of refusals ends in `.jsonl`.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from ztflow.errors import OutputError, UsageError
from ztflow.files.placing import Placed, told
from ztflow.policy.advice.manifests import is_untouched
from ztflow.read.sources.files import find_inputs

REFUSED_FILE = "refused.jsonl"
"""Name of the list of connections without a rule."""

REFUSED_MARK = '{"written_by":"ztflow advise"'
"""How that list begins."""

_BELOW = ("", "default-deny", "strict")


def check_folder(folder: str, inputs: Sequence[str]) -> None:
    """Refuse a folder that holds what is read, or lies where inputs are found.

    Args:
        folder: Where to write.
        inputs: Everything that is read: logs, inventories, policies.

    Raises:
        UsageError: The folder is no place for the advice.
    """
    place = Path(os.path.realpath(folder))
    if place.exists() and not place.is_dir():
        raise UsageError(f"--output {folder}: is a file; advise writes a folder")
    named = [name for name in inputs if name != "-"]
    found = [one.path for one in find_inputs(named, on_error=lambda _: None) if one.path is not None]
    for path in map(os.path.realpath, [*named, *found]):
        if place == Path(path) or place in Path(path).parents:
            raise UsageError(f"--output {folder}: {path} is read and lies there; write to another folder")
        if os.path.isdir(path) and Path(path) in place.parents:  # noqa: PTH112 - text from realpath
            raise UsageError(f"--output {folder}: lies in {path}, which is read; write to another folder")


def write_folder(folder: str, files: Mapping[str, str], *, replace: bool = False) -> list[str]:
    """Put files in their places.

    Args:
        folder: Where to; made if it is not there.
        files: Name (with the folder below, where it has one) → text.
        replace: Whether to replace files that are there, whatever they are.

    Returns:
        Drafts of ours that are there and are not among the files: of an earlier advice.

    Raises:
        OutputError: A file is in the way, or something cannot be written.
    """
    place = Path(folder)
    for name in files:
        if not replace and not _is_ours(place / name):
            raise OutputError(
                str(place / name),
                "a file is there that is no untouched draft of ztflow advise",
                "use --replace to overwrite it, or another folder",
            )
    left = sorted(name for name in _drafts(place) if name not in files)
    for parent in (place, *sorted({(place / name).parent for name in files} - {place})):
        with told(str(parent)):
            parent.mkdir(exist_ok=True)
    for name, text in files.items():
        path = place / name
        with Placed(str(path)) as placed:
            placed.stream.write(text.encode())
    return left


def _is_ours(path: Path) -> bool:
    """Whether nothing of somebody else's would be lost by replacing a file."""
    if not os.path.lexists(path):
        return True
    text = _text(path)
    return text is not None and (is_untouched(text) or (path.name == REFUSED_FILE and text.startswith(REFUSED_MARK)))


def _drafts(place: Path) -> Iterator[str]:
    for below in _BELOW:
        for path in (place / below).glob("*.yaml"):
            if _is_ours(path):
                yield str(path.relative_to(place))


def _text(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return None
