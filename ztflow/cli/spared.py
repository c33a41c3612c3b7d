"""What libraries load or make when they are imported, and this process does without.

Only for ztflow's own process: in a program that uses ztflow as a library somebody may want it.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib import import_module
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any


def spare() -> None:
    """Have the modules named in `_INSTEAD` not be imported, unless what would import them is there already.

    - pandas takes longer to import than everything a small capture needs. pyarrow asks for it the first time it is
      handed a Python list (`pa.array` wants to know whether it is a Series) and does without when it is not there;
      nothing the command line does turns a table into a DataFrame. Measured with pyarrow 26 and pandas 3.1: 0.13 s.
    - pyarrow parses the documentation of its options to write docstrings for 286 compute functions, each time it is
      imported. Measured: 0.03 of 0.05 s.
    - numpy's masked arrays are imported to find out whether an array is one. Until somebody makes one none is.
      Measured: 0.03 s.
    """
    if not {"pandas", "pyarrow", "numpy"} & sys.modules.keys():
        sys.meta_path.insert(0, _Spared())


class _Spared:
    """Finds what is there instead of the modules that are spared.

    Not derived from `importlib.abc.MetaPathFinder`, whose module alone takes 20 ms to import.
    """

    def find_spec(self, name: str, _path: Any = None, _target: Any = None, /) -> ModuleSpec | None:
        make = _INSTEAD.get(name)
        return None if make is None else ModuleSpec(name, _Loader(make))  # type: ignore[arg-type]  # has its methods


class _Loader:
    def __init__(self, make: Callable[[str], ModuleType]) -> None:
        self._make = make

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        return self._make(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        """Nothing is left to do."""


def _not_here(name: str) -> ModuleType:
    raise ModuleNotFoundError(f"{name} is not wanted in this process", name=name)


class _NoDocumentation(ModuleType):
    """Takes the place of numpydoc's parser, and finds no parameters in any text."""

    @staticmethod
    def NumpyDocString(_text: str) -> dict[str, list[Any]]:  # noqa: N802 - as it is called there
        """What there is in a docstring."""
        return {"Parameters": []}


class _NoMaskedArrays(ModuleType):
    """Takes the place of `numpy.ma` until more is asked than whether an array is masked."""

    class MaskedArray:
        """No array is one."""

    @staticmethod
    def is_masked(_array: Any) -> bool:
        """Whether an array hides values."""
        return False

    def __getattr__(self, name: str) -> Any:
        if sys.modules.get(self.__name__) is self:  # and not while it is being made
            del sys.modules[self.__name__], _INSTEAD[self.__name__]
            vars(self).update(vars(import_module(self.__name__)))
            return getattr(self, name)
        raise AttributeError(name)


_INSTEAD: dict[str, Callable[[str], ModuleType]] = {
    "pandas": _not_here,
    "pyarrow.vendored.docscrape": _NoDocumentation,
    "numpy.ma": _NoMaskedArrays,
}
