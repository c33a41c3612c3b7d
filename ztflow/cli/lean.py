"""Starting fast: what a process that only runs one command can do without."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType


class _NotHere(MetaPathFinder):
    """Answers every question for one module with "not installed"."""

    def __init__(self, name: str) -> None:
        self._name = name

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None, /
    ) -> ModuleSpec | None:
        del path, target
        if fullname == self._name:
            raise ModuleNotFoundError(f"{self._name} is not wanted in this process", name=self._name)
        return None


def spare_pandas() -> None:
    """Keep pyarrow from importing pandas, which takes longer than everything a small capture needs.

    pyarrow asks for pandas the first time it is handed a Python list (`pa.array` wants to know whether it is a Series)
    and does without when it is not there; nothing the command line does turns a table into a DataFrame. Measured with
    pyarrow 26 and pandas 3.1: 0.13 of 0.65 s for a capture of four lines. Only for a process of our own: in somebody
    else's, `to_pandas` would fail afterwards.
    """
    if "pandas" not in sys.modules and "pyarrow" not in sys.modules:
        sys.meta_path.insert(0, _NotHere("pandas"))
