"""`docs/reference/python.md`, made from the public names: `python tests/support/python_reference.py` writes it.

Public is what is in `__all__` of `ztflow` and of the modules in `MODULES`; signatures and docstrings are the program's.
"""

from __future__ import annotations

import ast
import inspect
import re
import sys
import textwrap
from collections.abc import Callable, Iterator
from enum import Enum
from functools import cache
from importlib import import_module
from itertools import pairwise
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "python.md"
WIDTH = 110

MODULES = {
    "ztflow": (
        ("Read a log", ("read_flows", "read_records", "iter_flows", "iter_records", "follow_flows", "follow_records",
                        "read_capture", "loki_url", "ReadReport", "ReadStats", "Problem")),
        ("Tables and rows", ("Flows", "Halves", "Flow", "AccessRecord")),
        ("Filter, graph, report", ("make_filter", "Filter", "build_graph", "write_graph", "make_report")),
        ("Place", ("read_inventory", "Inventory", "Topology", "place_flows")),
        ("Step by step", ("parse_line", "explain", "StreamParser", "Pairer")),
        ("Errors", ("ZtflowError", "InputError", "ParseError", "Reason", "SourceError", "InventoryError",
                    "OutputError", "UsageError", "SlowPathWarning",
                    "RenamedColumnWarning")),
    ),
    "ztflow.reports": None,
    "ztflow.plot": None,
    "ztflow.policy": None,
    "ztflow.simulate": None,
    "ztflow.testing": None,
}  # fmt: skip
"""Public modules; the names of the first in the order of the page, under their headings."""

MEMBERS = {
    "Topology": ("learn", "at", "pod", "owner_of", "owners", "ztunnels", "contradictions"),
    "AccessRecord": ("src_addr", "dst_addr", "hbone_addr"),
    "Flow": ("src_addr", "dst_addr", "hbone_addr"),
    "ReadReport": ("stats", "problems"),
}
"""Public members of classes that have others, which serve the rest of ztflow. Of other classes all are public."""

LISTED_ONCE = frozenset({"Report"})
"""Classes whose members stand under them alone, not again under each class that inherits from them."""

HEAD = """# Python

<!-- Made by `python tests/support/python_reference.py` from the docstrings; edit those instead. -->

What is on this page is public: it changes only with a line in the [changelog](../../CHANGELOG.md). **What is not listed
here may change in any release**, whatever its name. Names of `ztflow` are loaded when first used.

A guide to the same functions is [in a notebook](../how-to/notebook.md); what the columns mean is in [fields](fields.md).
"""

SECTIONS = ("Args", "Attributes", "Returns", "Yields", "Raises", "Examples")
LISTS = {"Args": "", "Attributes": "Attributes", "Raises": "Raises"}


def page() -> str:
    """The page as Markdown."""
    return "\n".join([HEAD, aliases(), *[part for name in MODULES for part in of_module(name)]])


def aliases() -> str:
    """What the names of types in the signatures mean."""
    tree = ast.parse(inspect.getsource(sys.modules[import_module("ztflow").read_flows.__module__]))
    return "In signatures\n\n" + "".join(
        f"- `{ast.unparse(node.target)}` is `{ast.unparse(node.value)}`\n"
        for node in tree.body
        if isinstance(node, ast.AnnAssign) and node.value and ast.unparse(node.annotation) == "TypeAlias"
    )


def of_module(name: str) -> Iterator[str]:
    module = import_module(name)
    groups = MODULES[name]
    public = [own for own in module.__all__ if own != "__version__"]
    if groups is None:
        yield f"## `{name}`\n\n{markdown(inspect.getdoc(module) or '')}\n"
        for own in sorted(public, key=lambda one: (not inspect.isroutine(getattr(module, one)), one)):
            yield from of_name(module, own)
        return
    told = [own for _, names in groups for own in names]
    assert sorted(told) == sorted(public), f"give these a place on the page: {set(told) ^ set(public)}"
    for heading, names in groups:
        yield f"## {heading}\n"
        for own in names:
            yield from of_name(module, own)


def of_name(module: ModuleType, name: str) -> Iterator[str]:
    thing = getattr(module, name)
    dotted = f"{module.__name__}.{name}"
    yield f"### `{dotted}`\n"
    if isinstance(thing, type):
        yield from of_class(dotted, thing)
    elif callable(thing):
        yield code(signature(dotted, thing))
        yield markdown(inspect.getdoc(thing) or "") + "\n"
    else:
        words = sorted(thing) if isinstance(thing, frozenset) else thing
        told = " ".join([flat(told_below(module).get(name, "")), ", ".join(f"`{word}`" for word in words)])
        yield told.strip() + "\n"


def of_class(dotted: str, kind: type) -> Iterator[str]:
    name = kind.__name__
    if issubclass(kind, Enum):
        yield markdown(inspect.getdoc(kind) or "") + "\n"
        texts = told_below(kind)
        yield (
            "\n".join(f"- `{member.value}`: {flat(texts.get(member.name, ''))}".rstrip(": ") for member in kind) + "\n"
        )
        return
    if not hasattr(kind, "model_fields") and not inspect.isabstract(kind) and not issubclass(kind, Exception):
        yield code(signature(dotted, kind))
    yield markdown(inspect.getdoc(kind) or "") + "\n"
    for own, member in members(kind):
        if name in MEMBERS and own not in MEMBERS[name]:
            continue
        text = markdown(inspect.getdoc(member) or "")
        if isinstance(member, property):
            yield f"**`.{own}`**: `{inspect.signature(member.fget).return_annotation}`\n\n{text}\n"
        else:
            plain = member.__func__ if isinstance(member, classmethod | staticmethod) else member
            yield f"**`.{own}`**\n\n{code(signature('.' + own, plain))}\n{text}\n"


def members(kind: type) -> list[tuple[str, Any]]:
    """Public methods and properties of a class and of what it inherits from ztflow, in the order they are written."""
    found: dict[str, Any] = {}
    ours = [base for base in kind.__mro__ if base.__module__.startswith("ztflow")]
    for base in reversed([base for base in ours if base is kind or base.__name__ not in LISTED_ONCE]):
        for name, member in vars(base).items():
            if not name.startswith("_") and isinstance(member, FunctionType | property | classmethod | staticmethod):
                found.pop(name, None)
                found[name] = member
    return list(found.items())


def signature(name: str, thing: Callable[..., Any]) -> str:
    """Name, parameters and result; one parameter a line where they do not fit on one."""
    try:
        of = inspect.signature(thing)
    except ValueError:
        return f"{name}(…)"
    texts, star = [], False
    for own, parameter in of.parameters.items():
        if own in {"self", "cls"} or own.startswith("_"):
            continue
        if parameter.kind is parameter.KEYWORD_ONLY and not star:
            texts.append("*")
        star = star or parameter.kind in {parameter.KEYWORD_ONLY, parameter.VAR_POSITIONAL}
        texts.append(one_parameter(parameter))
    back = "" if isinstance(thing, type) or not isinstance(of.return_annotation, str) else f" -> {of.return_annotation}"
    line = f"{name}({', '.join(texts)}){back}"
    return line if len(line) <= WIDTH else f"{name}(\n" + "".join(f"    {text},\n" for text in texts) + f"){back}"


def one_parameter(parameter: inspect.Parameter) -> str:
    stars = {parameter.VAR_POSITIONAL: "*", parameter.VAR_KEYWORD: "**"}.get(parameter.kind, "")
    kind = parameter.annotation
    text = stars + parameter.name
    if kind is not parameter.empty:
        text += f": {kind if isinstance(kind, str) else getattr(kind, '__forward_arg__', None) or inspect.formatannotation(kind)}"
    if parameter.default is not parameter.empty:
        default = repr(parameter.default)
        text += " = " + ("…" if "<" in default or len(default) > 30 else default)
    return text


def code(text: str) -> str:
    return f"```python\n{text}\n```\n"


def markdown(text: str) -> str:
    """A docstring of Google's style as Markdown: sections as lists, examples as code, pages as links."""
    parts = re.split(rf"^({'|'.join(SECTIONS)}):\n", text, flags=re.MULTILINE)
    out = [linked(parts[0].strip())]
    for name, body in zip(parts[1::2], parts[2::2], strict=True):
        inside, rest = indented(body)
        if name == "Examples":
            out.append(code(inside).strip())
        elif name in LISTS:
            heading = LISTS[name]
            out += [*([f"{heading}:"] if heading else []), entries(linked(inside))]
        else:
            out.append(f"{name}: {linked(inside)}")
        out += [linked(rest)] if rest else []
    return "\n\n".join(part for part in out if part)


def indented(body: str) -> tuple[str, str]:
    """The indented beginning of a section, and what comes after it."""
    lines = body.splitlines()
    end = next((at for at, line in enumerate(lines) if line and not line.startswith(" ")), len(lines))
    return textwrap.dedent("\n".join(lines[:end])).strip(), "\n".join(lines[end:]).strip()


def entries(inside: str) -> str:
    return "\n".join(re.sub(r"^(\*{0,2}[\w]+): ?", r"- `\1`: ", line) if line[:1] != " " else line
                     for line in inside.splitlines())  # fmt: skip


def linked(text: str) -> str:
    return re.sub(r"`?docs/([\w-]+)/([\w-]+)\.md((?:#[\w-]+)?)`?", r"[\2](../\1/\2.md\3)", text)


def flat(text: str) -> str:
    return " ".join(text.split())


@cache
def told_below(of: type | ModuleType) -> dict[str, str]:
    """The text below each assignment in the body of a class or module, by name."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(of)))
    body = tree.body if isinstance(of, ModuleType) else tree.body[0].body  # type: ignore[attr-defined]
    found = {}
    for node, below in pairwise(body):
        aim = (
            node.target
            if isinstance(node, ast.AnnAssign)
            else node.targets[0]
            if isinstance(node, ast.Assign)
            else None
        )
        if isinstance(aim, ast.Name) and isinstance(below, ast.Expr) and isinstance(below.value, ast.Constant):
            found[aim.id] = str(below.value.value)
    if isinstance(of, ModuleType):
        for node in body:
            # A module that imports from its own package would ask for that package, which asks for the module.
            if isinstance(node, ast.ImportFrom) and node.module and not of.__name__.startswith(node.module):
                others = told_below(import_module(node.module)) if node.module.startswith("ztflow.") else {}
                found |= {one.name: others[one.name] for one in node.names if one.name in others}
    return found


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
