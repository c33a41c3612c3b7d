"""Puts faults into a copy of the code, one at a time, and tells which of them no test notices.

    python benchmarks/mutate.py                                    # every fault of benchmarks/mutations.py
    python benchmarks/mutate.py --only diff                        # those whose name or file has this in it
    python benchmarks/mutate.py --generate ztflow/pair/stages/isolated.py --seed 1 --count 20 [--tests FILE]

`--generate` makes faults by itself: a comparison turned, a number one more or less, a `not` or a statement dropped.
Some of these change nothing that can be seen; a survivor there is a question, one of the table is a hole.

Reads the working tree, writes only to a temporary copy of it. Prints each fault with the test that noticed it. Exit
code 0: every fault was noticed; 1: some survive; 2: the table does not fit the code, or tests fail without any fault.

Own code: mutmut and cosmic-ray know generated faults only; the table, its reasons and its tests would be ours anyway.
"""

from __future__ import annotations

import argparse
import ast
import os
import random
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from copy import deepcopy
from pathlib import Path
from time import monotonic

from mutations import MUTATIONS, Mutation

ROOT = Path(__file__).resolve().parents[1]
COPIED = (
    "ztflow", "tests", "fixtures", "docs", "benchmarks", "examples", ".github", "pyproject.toml", "LICENSE",
    "README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md",
)  # fmt: skip
PATIENCE = 600
"""Seconds a run of tests may take; a fault that makes them go on for ever is noticed as well."""
TURNED = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.In: ast.NotIn, ast.NotIn: ast.In,
}  # fmt: skip


def copy_to(folder: Path) -> None:
    """Copy what tests need."""
    for name in COPIED:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy2(source, folder / name)


def run(command: Sequence[str], folder: Path) -> subprocess.CompletedProcess[str]:
    """Run Python in the copy, so that `ztflow` is the copy's."""
    environment = os.environ | {"PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run(
        [sys.executable, *command],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )


def failures(tests: Sequence[str], folder: Path) -> str:
    """What pytest says of the first test that fails; empty when none does.

    Raises:
        SystemExit: pytest did not run any test.
    """
    options = ["-q", "-x", "-p", "no:randomly", "-p", "no:cacheprovider", "--tb=line"]
    try:
        done = run(["-m", "pytest", *options, *tests], folder)
    except subprocess.TimeoutExpired:
        return f"not done after {PATIENCE} s"
    if done.returncode in {0, 1, 2}:  # 2: not even collected, as the fault breaks the import
        return done.stdout if done.returncode else ""
    raise SystemExit(f"pytest could not run {' '.join(tests)}:\n{done.stdout}{done.stderr}")


def first_failed(said: str) -> str:
    """The test that failed, of all pytest said; its last line where none did, but all broke."""
    lines = said.strip().splitlines()
    return next((line.partition(" - ")[0] for line in lines if line.startswith(("FAILED ", "ERROR "))), lines[-1])


def generated(file: str, tests: Sequence[str], seed: int, count: int) -> list[tuple[Mutation, str]]:
    """Some of all generic faults of a module, each with the whole text it makes."""
    text = (ROOT / file).read_text()
    found = []
    for node, new in faults(ast.parse(text)):
        lines = text.encode().splitlines(keepends=True)
        start = sum(map(len, lines[: node.lineno - 1])) + node.col_offset
        stop = sum(map(len, lines[: (node.end_lineno or node.lineno) - 1])) + (node.end_col_offset or 0)
        data = text.encode()
        old = data[start:stop].decode()
        changed = (data[:start] + new.encode() + data[stop:]).decode()
        try:
            ast.parse(changed)
        except SyntaxError:  # a number in a pattern of `case` cannot be a sum
            continue
        shown = " ".join(f"{node.lineno}: {old} -> {new}".split())
        found.append((Mutation(shown[:110], file, old, new, tuple(tests), ""), changed))
    return random.Random(seed).sample(found, min(count, len(found)))


def faults(tree: ast.AST) -> Iterator[tuple[ast.expr | ast.stmt, str]]:
    """Every node that can be broken, and what takes its place."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.JoinedStr):  # positions inside are not those of the file before Python 3.12
            continue
        if isinstance(node, ast.Compare) and type(node.ops[0]) in TURNED:
            turned = deepcopy(node)
            turned.ops[0] = TURNED[type(node.ops[0])]()
            yield node, f"({ast.unparse(turned)})"
        elif isinstance(node, ast.UnaryOp) and isinstance(node.op, (ast.Not, ast.Invert)):
            yield node, f"({ast.unparse(node.operand)})"
        elif isinstance(node, ast.Constant) and type(node.value) in {int, float}:
            yield from ((node, f"({node.value!r} {sign} 1)") for sign in "+-")
        elif isinstance(node, (ast.AugAssign, ast.Raise)) or (
            isinstance(node, ast.Expr) and isinstance(node.value, ast.Call)
        ):
            yield node, "pass"
        yield from faults(node)


def tried(faulty: Sequence[tuple[Mutation, str]]) -> int:
    """Try each in one copy; print the table. How many survive.

    Raises:
        SystemExit: The copy is not what the tests import, or they fail without a fault.
    """
    survivors = 0
    with tempfile.TemporaryDirectory(prefix="ztflow-mutate-") as name:
        folder = Path(name).resolve()
        copy_to(folder)
        imported = run(["-c", "import ztflow; print(ztflow.__file__)"], folder).stdout.strip()
        if not Path(imported).is_relative_to(folder):
            raise SystemExit(f"tests would import {imported}, not the copy in {folder}")
        sound: set[tuple[str, ...]] = set()
        for mutation, changed in faulty:
            if mutation.tests not in sound and (said := failures(mutation.tests, folder)):
                raise SystemExit(f"a test fails without any fault:\n{said}")
            sound.add(mutation.tests)
            path, since = folder / mutation.file, monotonic()
            before = path.read_text()
            path.write_text(changed)
            said = failures(mutation.tests, folder)
            path.write_text(before)
            survivors += not said
            told = f"{'killed' if said else 'SURVIVES':<9}{monotonic() - since:6.1f} s"
            print(f"{told}  {mutation.file}  {mutation.name}")
            if why := first_failed(said) if said else mutation.why:
                print(f"{'':<10}{why}", flush=True)
    print(f"{len(faulty)} faults, {survivors} survive")
    return survivors


def from_table(only: str) -> list[tuple[Mutation, str]]:
    """The faults of the table, each with the whole text it makes.

    Raises:
        SystemExit: Some do not fit the code.
    """
    chosen = [mutation for mutation in MUTATIONS if only in mutation.name or only in mutation.file]
    texts = [(ROOT / mutation.file).read_text() for mutation in chosen]
    stale = [m.name for m, text in zip(chosen, texts, strict=True) if text.count(m.old) != 1]
    if stale:
        raise SystemExit(f"the text to replace does not stand exactly once in its file: {'; '.join(stale)}")
    return [(m, text.replace(m.old, m.new)) for m, text in zip(chosen, texts, strict=True)]


def main() -> int:
    """Try what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", help="faults of the table with this in their name or file")
    parser.add_argument("--generate", metavar="MODULE", help="make faults in this module")
    parser.add_argument("--tests", nargs="+", help="what must notice generated ones (default: tests of the same room)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--count", type=int, default=20)
    given = parser.parse_args()
    try:
        if given.generate:
            tests = given.tests or [str(Path("tests", *Path(given.generate).parts[1:2]))]
            faulty = generated(given.generate, tests, given.seed, given.count)
        else:
            faulty = from_table(given.only)
        return min(tried(faulty), 1)
    except SystemExit as error:
        print(error, file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
