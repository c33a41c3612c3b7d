"""Which reader's proposal is taken, and the record of those that were not: what `ztflow explain` tells."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from ztflow.read.unwrap.content import Content, Cut
from ztflow.read.unwrap.marks import is_marked, marked_leaves

TAKEN = "taken"
_NOTHING = "its shape, but nothing in it reads as a line"
_OTHER_SHAPE = "not its shape"


class Tried(NamedTuple):
    """One reader on one text or object.

    Attributes:
        name: The reader's name in `WRAPPERS`.
        shape: What it reads, in one line.
        verdict: `TAKEN`, or why not.
    """

    name: str
    shape: str
    verdict: str


class Proposals:
    """Decides on the proposals for one text or object after the other.

    Attributes:
        layers: The readers tried on each text and object, in order; None to keep no record of them.
    """

    def __init__(self) -> None:
        self.layers: list[list[Tried]] | None = None

    def begin(self) -> None:
        """The next text or object."""
        if self.layers is not None:
            self.layers.append([])

    def takes(self, found: list[Content] | None, name: str, reader: Callable[..., Any], *, marked: bool) -> bool:
        """Whether a proposal is taken: where there are marks of an access line, only if they are in it.

        Args:
            found: What the reader proposes; None when the text or object has not its shape.
            name: The reader's name in `WRAPPERS`.
            reader: The reader, for its docstring.
            marked: Whether the text or object shows the marks of an access line.
        """
        taken = any(map(_is_promising if marked else _is_something, found or ()))
        if self.layers is not None:
            shape = (reader.__doc__ or name).strip().split("\n")[0]
            self.layers[-1].append(Tried(name, shape, TAKEN if taken else _OTHER_SHAPE if found is None else _NOTHING))
        return taken


def _is_something(one: Content) -> bool:
    return bool(one.text or one.value or one.problem) or one.part is not Cut.WHOLE or one.final


def _is_promising(one: Content) -> bool:
    if one.value is not None:
        return any(True for _ in marked_leaves(one.value))
    return one.part is not Cut.WHOLE or one.final or bool(one.problem) or is_marked(one.text)
