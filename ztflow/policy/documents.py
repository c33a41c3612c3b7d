"""Reading a decoded Kubernetes object with a name for every place, so that what is wrong in it can be told.

The API server refuses what is refused here (unknown fields, values of another type), so nothing of it would ever reach
ztunnel.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any

from ztflow.errors import UsageError
from ztflow.text.nearest import nearest

GROUP = "security.istio.io/"
"""How the `apiVersion` of Istio's policies begins."""


@dataclass(frozen=True, slots=True)
class Place:
    """A value inside a document.

    Attributes:
        value: The value; None where it is absent.
        document: File and name of the document.
        path: Where in it.
    """

    value: Any
    document: str
    path: str

    def wrong(self, what: str) -> UsageError:
        """An error about this place."""
        return UsageError(f"{self.document}: {self.path} {what}")

    def get(self, name: str) -> Place:
        """A field of an object; absent in what is absent."""
        return Place((self.fields() or {}).get(name), self.document, f"{self.path}.{name}" if self.path else name)

    def fields(self, known: Collection[str] | None = None) -> dict[str, Any] | None:
        """The fields of an object, None where it is absent.

        Raises:
            UsageError: If it is none, or has a field that is not `known`.
        """
        if self.value is None:
            return None
        if not isinstance(self.value, dict):
            raise self.wrong(f"must be an object, not {self.value!r:.60}")
        unknown = [] if known is None else [str(name) for name in self.value if name not in known]
        if unknown and known is not None:
            near = nearest(unknown[0], known)
            hint = f"; did you mean {near}?" if near else f"; it may be {', '.join(sorted(known))}"
            raise self.wrong(f"has no field {unknown[0]!r:.60}{hint}")
        return self.value

    def items(self) -> Iterator[Place]:
        """The items of a list; none where it is absent.

        Raises:
            UsageError: If it is no list.
        """
        if self.value is None:
            return
        if not isinstance(self.value, list):
            raise self.wrong(f"must be a list, not {self.value!r:.60}")
        for number, item in enumerate(self.value):
            yield Place(item, self.document, f"{self.path}[{number}]")

    def texts(self) -> tuple[str, ...]:
        """The items of a list of texts.

        Raises:
            UsageError: If it is none. YAML reads `8080` as a number: the API server refuses it, `"8080"` is right.
        """
        return tuple(item.text("") for item in self.items())

    def text(self, default: str) -> str:
        """A text.

        Raises:
            UsageError: If it is something else.
        """
        if self.value is None:
            return default
        if not isinstance(self.value, str):
            raise self.wrong(f'must be text: write "{self.value!s:.60}" with quotes')
        return self.value

    def word(self, words: Collection[str], default: str) -> str:
        """A text of a closed list.

        Raises:
            UsageError: If it is something else.
        """
        text = self.text(default)
        if text not in words:
            raise self.wrong(f"cannot be {text!r:.60}; it is one of {', '.join(words)}")
        return text

    def labels(self) -> tuple[tuple[str, str], ...] | None:
        """`matchLabels` of a selector, in order; None without a selector, empty for `{}`.

        Raises:
            UsageError: If it selects by something else.
        """
        if self.fields({"matchLabels"}) is None:
            return None
        chosen = self.get("matchLabels")
        return tuple(sorted((str(name), chosen.get(str(name)).text("")) for name in chosen.fields() or {}))


def named(document: dict[str, Any], source: str) -> tuple[Place, str | None, str]:
    """A document as a place, its namespace (None where it does not say) and its name.

    Raises:
        UsageError: If it has no name.
    """
    whole = Place(document, source or "document", "")
    meta = whole.get("metadata")
    name = meta.get("name").text("")
    kind = document.get("kind")
    if not name:
        raise UsageError(f"{whole.document}: a {kind} without metadata.name")
    namespace = meta.get("namespace").text("") or None
    shown = f"{source}: {kind} {namespace or ''}/{name}" if source else f"{kind} {namespace or ''}/{name}"
    return Place(document, shown, ""), namespace, name
