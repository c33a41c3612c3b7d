"""Names a filter asks for that no row has: whether they were there, and what was there instead."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Generic, TypeVar

from ztflow.text.nearest import nearest
from ztflow.text.patterns import lazy_pattern

Subject = TypeVar("Subject")

_KEPT = 2_000
"""Names that are kept to choose from; rows may have any number of them."""
_SHOWN = 8
_NUMBERS = lazy_pattern(r"[0-9.]+$|[0-9a-fA-F]*:")
"""Ports and addresses: that one is spelled much like another says nothing."""


class Asked(Generic[Subject]):
    """The values of one condition.

    Args:
        what: What they are, to be read after `no`: `namespace`, `src_workload`.
        values: As they were written; None needs no name to be there.
        make: Makes the test a value puts to what is compared: an end, the text of a cell.
        lacking: What to say where the rows have no such name at all.
    """

    def __init__(
        self, what: str, values: Sequence[str | None], make: Callable[[str | None], Callable[[Subject], bool]],
        lacking: str = "",
    ) -> None:  # fmt: skip
        self._what = what
        self._tests = [(value, make(value)) for value in values]
        self._found: set[str | None] = {None}
        self._there: dict[str, None] = {}
        self._across: dict[str | None, str] = {}
        self._lacking = lacking

    @property
    def complete(self) -> bool:
        """Whether every value was found."""
        return all(value in self._found for value, _ in self._tests)

    def passes(self, subject: Subject, name: str | None) -> bool:
        """Whether one of the values is that of a row, which is called so.

        A value that was found once is not asked for again where another has decided.
        """
        if name is not None and len(self._there) < _KEPT:
            self._there[name] = None
        passed = False
        for value, test in self._tests:
            if not (passed and value in self._found) and test(subject):
                self._found.add(value)
                passed = True
        return passed

    def across(self, subject: Subject, option: str) -> None:
        """Note the values the other end of a row has, and the option that looks there."""
        for value, test in self._tests:
            if value not in self._found and value not in self._across and test(subject):
                self._across[value] = option

    def remarks(self) -> Iterator[str]:
        """A line for each value that no row had."""
        for value, _ in self._tests:
            if value is None or value in self._found:
                continue
            if value in self._across:
                yield f"no {self._what} {value!r}; the other end has it: {self._across[value]} {value}"
            elif self._there:
                yield f"no {self._what} {value!r}; {self._instead(value)}"
            else:
                yield f"no {self._what} {value!r}, nor any other: it is not known{self._lacking}"

    def _instead(self, value: str) -> str:
        """The names there are, the nearest first."""
        by_form = {_form(name, value): name for name in reversed(self._there) if not _NUMBERS.match(name)}
        form = nearest(value, by_form)
        near = None if form is None else by_form[form]
        others = sorted(
            (name for name in self._there if name != near),
            key=lambda name: (int(name) if name.isdecimal() else -1, name),
        )
        meant = f"did you mean {near}? " if near else ""
        if not others:
            return meant.strip() or "there is none"
        more = f" and {len(others) - _SHOWN:,} more" if len(others) > _SHOWN else ""
        begin = "There" if near else "there"
        are = "is" if len(others) == 1 else "are"
        also = " also" if near else ""
        return f"{meant}{begin} {are}{also} {', '.join(others[:_SHOWN])}{more}"


def _form(name: str, value: str) -> str:
    """A name in the form in which the value is written: without its namespace, without the rest of a hostname."""
    if "/" not in value:
        name = name.rpartition("/")[2]
    return name if "." in value else name.partition(".")[0]
