"""What code, tests, fixtures and pages refer to is there: pages and their headings, files, modules and names."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

from ztflow.read.unwrap.registry import JSON_WRAPPERS, TEXT_WRAPPERS

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "ztflow"
PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]
TEXTS = [
    path
    for folder in ("ztflow", "tests", "benchmarks", "fuzz", "fixtures", "docs")
    for path in sorted((ROOT / folder).rglob("*"))
    if path.suffix in {".py", ".md"}
]

FOLDERS = "tutorial|how-to|explanation|reference"
TO_A_PAGE = re.compile(rf"(?<![\w/])(docs/(?:{FOLDERS})/[\w-]+\.md)((?:#[\w-]+(?:,? (?:and )?(?=#))?)*)")
LINK = re.compile(r"\]\(([^)\s:#]*)(?:#([^)\s]+))?\)")
CODE = re.compile(r"```.*?^ *```|``.*?``", re.DOTALL | re.MULTILINE)
QUOTED = re.compile(r"`([^`\n]+)`")
FILE = re.compile(rf"(?<=[` (])(?:ztflow|tests|benchmarks|fuzz|fixtures|docs/(?:{FOLDERS}))/[\w./-]*\w")
FILE_ENDINGS = (".md", ".py", ".log", ".txt", ".tsv", ".js", ".html")
DOTTED = re.compile(r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)+")


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def prose(path: Path) -> str:
    """A page or module without its blocks of code."""
    return CODE.sub("", path.read_text(encoding="utf-8"))


def leads_somewhere(page: Path, heading: str) -> bool:
    """Whether a page, file or folder is there, and in it the heading, if one is asked for."""
    return page.exists() and (not heading or heading in anchors(page.resolve()))


@cache
def anchors(page: Path) -> frozenset[str]:
    """The headings of a page as GitHub makes links of them."""
    text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
    heads = [
        re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    ]
    assert len(heads) == len(set(heads)), f"{name(page)} has two headings of one name"
    return frozenset(heads)


@cache
def names_of_modules() -> dict[str, frozenset[str]]:
    """Every module of ztflow by its dotted name, with the names it has: defined, imported, and its own modules."""
    found: dict[str, set[str]] = {}
    for path in PACKAGE.rglob("*.py"):
        parts = path.relative_to(ROOT).with_suffix("").parts
        own = found.setdefault(".".join(parts[: -1 if parts[-1] == "__init__" else None]), set())
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef | ast.ClassDef):
                own.add(node.name)
            if isinstance(node, ast.Name | ast.Attribute) and isinstance(node.ctx, ast.Store):
                own.add(node.id if isinstance(node, ast.Name) else node.attr)
            if isinstance(node, ast.ImportFrom):
                own.update(alias.asname or alias.name for alias in node.names)
    for dotted in list(found):
        parent, _, own_name = dotted.rpartition(".")
        if parent:
            found.setdefault(parent, set()).add(own_name)
    return {dotted: frozenset(names) for dotted, names in found.items()}


def is_there(dotted: str) -> bool:
    """Whether a dotted name that begins with a module of ztflow, with or without the packages before it, exists."""
    modules = names_of_modules()
    head, *rest = dotted.split(".")
    starts = [module for module in modules if module.rpartition(".")[2] == head]
    for module in starts:
        at = module
        left = list(rest)
        while left and f"{at}.{left[0]}" in modules:
            at = f"{at}.{left.pop(0)}"
        if all(part in modules[at] for part in left):
            return True
    return not starts


def test_every_page_that_is_named_is_there():
    missing = [
        f"{name(path)}: {page}{heading}"
        for path in TEXTS
        for page, headings in TO_A_PAGE.findall(path.read_text(encoding="utf-8"))
        for heading in re.findall(r"#[\w-]+", headings) or [""]
        if not leads_somewhere(ROOT / page, heading.removeprefix("#"))
    ]
    assert missing == []


def test_every_link_leads_to_a_page_and_its_heading():
    missing = [
        f"{name(page)}: {target}#{heading}"
        for page in PAGES
        for target, heading in LINK.findall(prose(page))
        if not leads_somewhere(page.parent / target if target else page, heading)
    ]
    assert missing == []


def test_every_file_a_page_names_is_there():
    missing = [
        f"{name(page)}: {file}"
        for page in PAGES
        for file in FILE.findall(page.read_text(encoding="utf-8"))
        if not file.endswith(".rs") and not list(ROOT.glob(f"{file}*"))
    ]
    assert missing == []


def test_every_dotted_name_is_there():
    missing = [
        f"{name(path)}: {words}"
        for path in (*PAGES, *PACKAGE.rglob("*.py"))
        for words in QUOTED.findall(prose(path))
        if DOTTED.fullmatch(words) and not words.endswith(FILE_ENDINGS) and not is_there(words)
    ]
    assert missing == []


def test_the_page_of_wrappers_has_them_in_their_order():
    page = (ROOT / "docs" / "reference" / "wrappers.md").read_text(encoding="utf-8")
    section = page.split("## Order of recognition")[1].split("\n## ")[0]
    told = re.findall(r"^\|.*\| `([\w-]+)` \|$", section, re.MULTILINE)
    assert told == [wrapper for wrapper, _ in (*TEXT_WRAPPERS, *JSON_WRAPPERS)]


def test_what_is_not_there_is_seen():
    assert TO_A_PAGE.findall("(docs/reference/inputs.md#wrappers and #repair)") == [
        ("docs/reference/inputs.md", "#wrappers and #repair")
    ]
    inputs = ROOT / "docs" / "reference" / "inputs.md"
    assert leads_somewhere(inputs, "repair")
    assert not leads_somewhere(inputs, "no-such-heading")
    assert not leads_somewhere(inputs.with_name("nothing.md"), "")
    assert is_there("ztflow.parse.scanner.scan")
    assert not is_there("ztflow.parse.scan_everything")
    assert not is_there("policy.supported")
