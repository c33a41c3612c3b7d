"""Documents as YAML with comments. PyYAML writes every value; the text is read back and compared before it is used.

The first line says that the file is a draft of ours and carries the digest of the rest, so that a later run can tell a
draft nobody has touched from one that was edited.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any

import yaml

from ztflow.policy.advice.documents import Document, Path, Remarks
from ztflow.text.escapes import visible
from ztflow.text.patterns import lazy_pattern

_MARK = lazy_pattern(r"# Draft by ztflow advise, never applied by it\. sha256:([0-9a-f]{64})\n")
_WIDEST = 1 << 20
"""Characters before PyYAML folds a text: never."""


def manifest(document: Document) -> str:
    """The whole file.

    Raises:
        ValueError: The text does not read back as the object: a fault of ours, told before anything is written.
    """
    body = "".join(f"{line}\n" for line in (*_comment(document.head), *_lines(document.content, document.remarks)))
    if yaml.safe_load(body) != document.content:
        raise ValueError(f"{document.file} would not read back as it was meant")
    return f"# Draft by ztflow advise, never applied by it. sha256:{_digest(body)}\n{body}"


def is_untouched(text: str) -> bool:
    """Whether a file is a draft of ours that nobody has changed since."""
    found = _MARK.match(text)
    return found is not None and found[1] == _digest(text[found.end() :])


def _digest(body: str) -> str:
    return hashlib.sha256(body.encode()).hexdigest()


def _comment(texts: Iterator[str] | tuple[str, ...]) -> Iterator[str]:
    """Comment lines; a text of the log can neither end a comment nor hide in it."""
    for text in texts:
        yield f"# {visible(text).encode('ascii', 'backslashreplace').decode()}"


def _scalar(value: Any) -> str:
    """One value on one line."""
    style = '"' if isinstance(value, str) and not value.isprintable() else None
    text: str = yaml.safe_dump(value, default_flow_style=True, default_style=style, width=_WIDEST)
    return text.removesuffix("...\n").strip()


def _lines(value: Any, remarks: Remarks, at: Path = ()) -> Iterator[str]:
    """A mapping or list, block by block."""
    if isinstance(value, dict):
        for key, item in value.items():
            if isinstance(item, (dict, list)) and item:
                yield f"{_scalar(key)}:"
                indent = "  " if isinstance(item, dict) else ""
                yield from (indent + line for line in _lines(item, remarks, (*at, key)))
            else:
                yield f"{_scalar(key)}: {_scalar(item)}"
        return
    for number, item in enumerate(value):
        yield from _comment(tuple(remarks.get((*at, number), ())))
        inner = iter(_lines(item, remarks, (*at, number)) if isinstance(item, (dict, list)) else [_scalar(item)])
        for place, line in enumerate(inner):
            yield ("  " if place else "- ") + line
