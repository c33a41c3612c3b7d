"""Regular expressions that are compiled when they are first used.

Compiling all that the program has takes a tenth of the time a small capture takes, and a log needs few of them.
"""

from __future__ import annotations

import re
from functools import cached_property
from typing import Any, AnyStr, cast


class _LazyPattern:
    """Looks like a `re.Pattern`, but for `isinstance`, functions of `re` and the `re` of a match."""

    def __init__(self, text: str | bytes, flags: int) -> None:
        self.pattern = text
        self._flags = flags

    @cached_property
    def _compiled(self) -> re.Pattern[Any]:
        return re.compile(self.pattern, self._flags)

    def __getattr__(self, name: str) -> Any:
        """A method or attribute of the pattern, kept so that the next use finds it at once."""
        if name.startswith("__"):
            raise AttributeError(name)
        value = getattr(self._compiled, name)
        setattr(self, name, value)
        return value


def lazy_pattern(text: AnyStr, flags: int = 0) -> re.Pattern[AnyStr]:
    """A pattern like that of `re.compile`, which is compiled by the first use of one of its methods.

    Calls after that cost what those of a compiled pattern do. A mistake in `text` is found at the first use, too.
    """
    return cast("re.Pattern[AnyStr]", _LazyPattern(text, flags))
