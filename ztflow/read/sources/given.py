"""What a caller in Python may give as inputs, and the paths and streams of bytes it comes to."""

from __future__ import annotations

import io
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any, BinaryIO, TypeAlias

from ztflow.errors import UsageError

Given: TypeAlias = str | Path | BinaryIO
Source: TypeAlias = "Given | io.TextIOBase | bytes | os.PathLike[str] | Iterable[Source]"
"""A path, directory, glob or `-`; an open file, binary or of text; the log itself as text or bytes; or several."""

TEXT_NAME = "<text>"
"""What tables call an input that was given as text."""

_IN_A_LINE = "src.addr"
"""What every access line has, and no path."""


class InputName(str):
    """A text that names an input and is never the log itself, as on a command line."""

    __slots__ = ()


def given(inputs: Iterable[Source]) -> list[Given]:
    """The inputs, lists spread out, text as streams.

    Raises:
        UsageError: One is nothing that can be read; says what can.
    """
    found: list[Given] = []
    named = False
    one: Any
    for one in inputs:
        named = True
        if isinstance(one, str):
            is_log = not isinstance(one, InputName) and _is_log(one)
            found.append(_stream(one.encode("utf-8", "surrogateescape")) if is_log else one)
        elif isinstance(one, Path):
            found.append(one)
        elif isinstance(one, os.PathLike):
            found.append(Path(one))
        elif isinstance(one, bytes | bytearray):
            found.append(_stream(bytes(one)))
        elif isinstance(one, io.TextIOBase):
            found.append(_of_text(one))
        elif callable(getattr(one, "read", None)):
            found.append(one)
        elif isinstance(one, Iterable) and not hasattr(one, "to_arrow"):
            found += given(one)
        else:
            raise UsageError(f"cannot read {type(one).__name__}; give a path, an open file, the log as text, or a list")
    if named and not found:
        raise UsageError("the list of inputs is empty; give no argument at all to read standard input")
    return found


def _is_log(text: str) -> bool:
    """Whether a text is the log itself and not the name of a file."""
    if "\n" not in text and _IN_A_LINE not in text:
        return False
    try:
        return not Path(text).exists()
    except (OSError, ValueError):  # too long for a name, or with a NUL
        return True


def _stream(data: bytes) -> BinaryIO:
    return _Named(data)


class _Named(io.BytesIO):
    """Bytes with the name the tables give them."""

    name = TEXT_NAME


def _of_text(file: io.TextIOBase) -> BinaryIO:
    """The bytes below a text file, so that its encoding does not matter; what is left of any other text."""
    below = getattr(file, "buffer", None)
    if below is not None and file.seekable() and file.tell() == 0:
        binary: BinaryIO = below
        return binary
    return _stream(file.read().encode("utf-8", "surrogateescape"))
