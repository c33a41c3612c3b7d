"""Policies from files: Kubernetes YAML or JSON, a ztunnel's `/config_dump`, or its static configuration."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ztflow.errors import SourceError, UsageError
from ztflow.place.inventory.files import unpacked
from ztflow.policy.convert import Mesh, convert, is_policy
from ztflow.policy.dumps import is_dump, read_dump
from ztflow.policy.model import Note, NoteKind, PolicySet
from ztflow.text.nesting import nests_too_deep

_SUFFIXES = (".yaml", ".yml", ".json")
_HINT = (
    "give AuthorizationPolicy or PeerAuthentication documents (kubectl get authorizationpolicies,peerauthentications "
    "-A -o yaml), a ztunnel's config_dump or its static configuration"
)


@dataclass(frozen=True, slots=True)
class PolicyFiles:
    """What files hold, before istiod has converted it.

    Attributes:
        documents: AuthorizationPolicies and PeerAuthentications.
        sources: The file of each.
        dumped: Policies as ztunnels have them already.
    """

    documents: tuple[dict[str, Any], ...]
    sources: tuple[str, ...]
    dumped: PolicySet

    @classmethod
    def read(cls, paths: Sequence[str]) -> PolicyFiles:
        """Read files; arguments and errors are those of `load_policies`."""
        documents: list[dict[str, Any]] = []
        sources: list[str] = []
        dumped = PolicySet()
        for path in _files(paths):
            found = False
            for document in _decoded(path, _read(path)):
                if is_dump(document):
                    dumped = _agreeing(dumped, read_dump(document, path))
                    found = True
                for item in _objects(document):
                    if is_policy(item):
                        documents.append(item)
                        sources.append(path)
                    found |= is_policy(item) or item.get("kind") == "empty list"
            if not found:
                raise UsageError(f"{path}: holds no policy; {_HINT}")
        return cls(tuple(documents), tuple(sources), dumped)

    def converted(self, mesh: Mesh | None = None) -> PolicySet:
        """All policies as the ztunnels of a mesh have them.

        Raises:
            UsageError: If a document is not valid.
        """
        return self.dumped.joined(convert(self.documents, mesh, source=self.sources))


def load_policies(paths: Sequence[str], mesh: Mesh | None = None) -> PolicySet:
    """All policies of some files, as the ztunnels have them.

    Args:
        paths: Files, `-` for standard input, or folders with `.yaml`, `.yml` and `.json` files. Each holds YAML of one
            or more documents, objects or lists (`kubectl get authorizationpolicies,peerauthentications -A -o
            yaml|json`), a `config_dump`, what `istioctl ztunnel-config policies|all -o json|yaml` prints, or ztunnel's
            static configuration (`policies:` with `!Exact`). Formats are told by content; files may be compressed.
        mesh: For documents that are converted; see `convert`.

    Raises:
        UsageError: If a file cannot be read or holds no policy: what, where, what to try.
    """
    return PolicyFiles.read(paths).converted(mesh)


def _agreeing(known: PolicySet, more: PolicySet) -> PolicySet:
    """Two dumps together: those of two nodes hold the same policies, unless they were taken at different times."""
    before = {policy.key: policy for policy in known.policies}
    differing = [
        Note(
            NoteKind.ASSUMED, policy.key, None,
            f"differs between {before[policy.key].source} and {policy.source}: the latter is taken", policy.source,
        )
        for policy in more.policies
        if policy.key in before and before[policy.key].rules != policy.rules
    ]  # fmt: skip
    joined = known.joined(more)
    return PolicySet(joined.policies, (*joined.notes, *differing), joined.keys)


def _files(paths: Sequence[str]) -> Iterator[str]:
    for path in paths:
        if path != "-" and Path(path).is_dir():
            below = sorted(str(one) for one in Path(path).rglob("*") if one.suffix in _SUFFIXES and one.is_file())
            if not below:
                raise UsageError(f"{path}: a folder without {', '.join(_SUFFIXES)} files")
            yield from below
        else:
            yield path


def _read(path: str) -> str:
    if path == "-" and sys.stdin is None:
        raise UsageError("-: standard input is closed")
    try:
        data = sys.stdin.buffer.read() if path == "-" else Path(path).read_bytes()
        return unpacked(path, data).decode("utf-8-sig")
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror or 'cannot be read'}") from error
    except SourceError as error:
        raise UsageError(str(error)) from error
    except UnicodeDecodeError:
        raise UsageError(f"{path}: is no text; {_HINT}") from None


def _decoded(path: str, text: str) -> list[Any]:
    """The JSON or YAML documents of a file."""
    if text.lstrip()[:1] in {"{", "["}:
        found = _json(text)
        if found is not None:
            return found
    import yaml

    if nests_too_deep(text):
        raise UsageError(f"{path}: neither YAML nor JSON: it nests too deep")
    try:
        return list(yaml.load_all(text, Loader=_loader()))
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        where = "" if mark is None else f" line {mark.line + 1}:"
        raise UsageError(f"{path}:{where} neither YAML nor JSON: {error.problem or 'cannot be read'}") from None
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise UsageError(f"{path}: neither YAML nor JSON: {' '.join(str(error).split())[:120]}") from None


def _json(text: str) -> list[Any] | None:
    """The JSON values of a text, one after another; None where it is something else."""
    decoder, position, found = json.JSONDecoder(), 0, []
    text = text.strip()
    while position < len(text):
        try:
            value, position = decoder.raw_decode(text, position)
        except (ValueError, RecursionError):
            return None
        found.append(value)
        while position < len(text) and text[position].isspace():
            position += 1
    return found


def _loader() -> Any:
    """A safe loader that takes ztunnel's tagged values, `!Exact web`, for what JSON has: `{"Exact": "web"}`."""
    import yaml

    base: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

    class Loader(base):  # type: ignore[misc]  # one of two classes, both without types
        pass

    def tagged(loader: Any, tag: str, node: Any) -> dict[str, Any]:
        if isinstance(node, yaml.ScalarNode):
            return {tag: loader.construct_scalar(node)}
        if isinstance(node, yaml.SequenceNode):
            return {tag: loader.construct_sequence(node, deep=True)}
        return {tag: loader.construct_mapping(node, deep=True)}

    Loader.add_multi_constructor("!", tagged)
    return Loader


def _objects(document: Any) -> Iterator[dict[str, Any]]:
    """The Kubernetes objects in a document: itself, those of an array, the items of a list, that of a watch event.

    No deeper than that: YAML can nest a document in itself.
    """
    for one in document if isinstance(document, list) else [document]:
        if not isinstance(one, dict):
            continue
        watched = one.get("object")
        found = watched if isinstance(watched, dict) and "type" in one else one
        items = found.get("items")
        if not str(found.get("kind", "")).endswith("List") or not isinstance(items, list):
            yield found
            continue
        if not items:
            yield {"kind": "empty list"}
        # Items of an AuthorizationPolicyList, as the API itself answers, carry neither kind nor version.
        whole = {"kind": str(found["kind"]).removesuffix("List"), "apiVersion": found.get("apiVersion")}
        yield from ({**whole, **item} for item in items if isinstance(item, dict))
