"""Keeps compiled code on disk between runs, in a private folder; folders long unused are deleted.

Compiled code is executed when it is loaded. So only a file of this user (or root) in a folder of theirs is, neither of
which another can write to or is a link, and only while every byte of it is as it was written: a file starts with a
checksum of all that follows and of the fingerprint. Whatever else is found is compiled anew. A folder's name holds the
fingerprint of everything the code depends on (ztflow, the sources it is made from, Numba, Python, the processor), so
that nothing stale is ever loaded. Several installations may share the place: each uses its own folder, and one that
none has used for `UNUSED_DAYS` is deleted when the next compilation is finished.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import platform
import re
import shutil
import stat
import sys
import tempfile
import time
from contextlib import closing, suppress
from pathlib import Path

from ztflow.files.placing import NewFile
from ztflow.files.scratch import Scratch
from ztflow.version import __version__

READY = "ready"
"""File in the folder that says the compilation was finished and its result passed its test."""

UNUSED_DAYS = 30
"""Folders that nothing was loaded from for so long are deleted: they are of older versions."""
_DAY = 24 * 3600.0

_CODE = "code.o"
"""File with a line that is its checksum, a line that names its function, and the object code."""

_CODE_BYTES = 64 << 20
"""A larger file is none of ours (the reader has 1 MB) and is not read into memory."""


def _processor() -> str:
    """Text that differs between processors with different instructions."""
    try:
        with Path("/proc/cpuinfo").open(encoding="ascii", errors="replace") as file:
            wanted = ("model name", "flags", "Features", "CPU implementer", "CPU part")
            told = [line for line in file.read(65536).partition("\n\n")[0].splitlines() if line.startswith(wanted)]
    except OSError:
        told = [platform.processor()]
    return f"{platform.machine()} {' '.join(told)}"


def _homes() -> list[Path]:
    """Folders to try, the best first."""
    if sys.platform == "win32":
        usual = os.environ.get("LOCALAPPDATA") or "~/AppData/Local"
    elif sys.platform == "darwin":
        usual = "~/Library/Caches"
    else:
        usual = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    homes = []
    expanded = Path(usual).expanduser()
    if expanded.is_absolute():
        homes.append(expanded / "ztflow")
    user = os.getuid() if hasattr(os, "getuid") else os.environ.get("USERNAME", "user")
    return [*homes, Path(tempfile.gettempdir()) / f"ztflow-{user}"]


class Cache:
    """Where one piece of compiled code is kept.

    Args:
        name: What its folders are called.
        sources: Modules it is made from; a package means all its modules.
    """

    def __init__(self, name: str, *sources: str) -> None:
        self._name = name
        self._sources = (*sources, __package__)
        self._fingerprint: str | None = None

    def fingerprint(self) -> str:
        """Short text that changes with everything the code depends on. Cost: about 1 ms, once."""
        if self._fingerprint is None:
            digest = hashlib.sha256()
            for path in self.sources():
                digest.update(path.read_bytes())
            numba = importlib.util.find_spec("numba")
            if numba is not None and numba.origin is not None:
                digest.update(f"{numba.origin} {Path(numba.origin).stat().st_mtime_ns}".encode())
            package = Path(__file__).parent.parent
            digest.update(f"{package} {__version__} {sys.implementation.cache_tag} {_processor()}".encode())
            self._fingerprint = digest.hexdigest()[:16]
        return self._fingerprint

    def sources(self) -> list[Path]:
        """The files the code is made from.

        Raises:
            ModuleNotFoundError: If a module is not there: its name is wrong.
        """
        found: list[Path] = []
        for name in self._sources:
            spec = importlib.util.find_spec(name)
            if spec is None or spec.origin is None:
                raise ModuleNotFoundError(name)
            origin = Path(spec.origin)
            found += [origin] if spec.submodule_search_locations is None else sorted(origin.parent.glob("*.py"))
        return found

    def folder(self) -> Path | None:
        """The folder to compile into, made when it is not there; None when there is nowhere to write."""
        name = f"{self._name}-{self.fingerprint()}"
        return next((home / name for home in _homes() if _made(home) and _made(home / name)), None)

    def finished(self) -> Path | None:
        """The folder of a finished compilation; it may be one that cannot be written, as in a read-only image."""
        for home in _homes():
            place = home / f"{self._name}-{self.fingerprint()}"
            if _is_private(home) and _is_private(place) and _is_own(place / READY) and (place / _CODE).is_file():
                return place
        return None

    def kept(self) -> tuple[str, bytes] | None:
        """Symbol and object code of a finished compilation; None when there is none, or it is damaged."""
        place = self.finished()
        if place is None:
            return None
        checksum, _, signed = _own_bytes(place / _CODE).partition(b"\n")
        if checksum != self._checksum(signed):
            return None
        _note_use(place / READY)
        symbol, _, code = signed.partition(b"\n")
        return symbol.decode(), code

    def _checksum(self, signed: bytes) -> bytes:
        """Of name and code; that of another version, or of another processor, is another."""
        return hashlib.sha256(self.fingerprint().encode() + signed).hexdigest().encode()

    def keep(self, symbol: str, code: bytes) -> None:
        """Write object code down where there is a place to; it counts once it is called `good`."""
        place = self.folder()
        if place is None:
            return
        signed = f"{symbol}\n".encode() + code
        try:
            with Scratch(place) as scratch:
                file = NewFile(scratch, str(place / _CODE), mode=0o600)
                with closing(file.stream):
                    file.stream.write(self._checksum(signed) + b"\n" + signed)
                    file.put(place / _CODE, replace=True)
        except OSError:  # a full disk: what was there before is outdated or damaged
            with suppress(OSError):
                (place / _CODE).unlink(missing_ok=True)

    def good(self) -> Path | None:
        """Mark the kept code as tested, and delete what is outdated.

        Returns:
            Where it is kept; None when there is nowhere to keep it.
        """
        place = self.folder()
        if place is None:
            return None
        try:
            if not (place / _CODE).is_file():
                return None
            if not _is_own(place / READY):
                (place / READY).unlink(missing_ok=True)
            (place / READY).touch(mode=0o600)
        except OSError:
            return None
        self._delete_outdated(place)
        return place

    def _delete_outdated(self, used: Path) -> None:
        """Delete our own folders beside this one that nothing was loaded from for `UNUSED_DAYS`.

        A process that compiles into one right now has changed it since; one that reads from it has read it whole, or
        finds nothing and compiles anew.
        """
        ours = re.compile(rf"{re.escape(self._name)}-[0-9a-f]{{16}}")
        with suppress(OSError):
            for place in list(used.parent.iterdir()):
                if place != used and ours.fullmatch(place.name) and _is_private(place) and _is_unused(place):
                    shutil.rmtree(place, ignore_errors=True)


def _note_use(ready: Path) -> None:
    """Write down, once a day at most, that a folder is in use: in the time of its mark."""
    with suppress(OSError):
        if time.time() - ready.stat().st_mtime > _DAY:
            os.utime(ready)


def _is_unused(place: Path) -> bool:
    """Whether neither a folder nor anything in it was written for `UNUSED_DAYS`; one that changes meanwhile is used."""
    try:
        last = max(path.lstat().st_mtime for path in (place, *place.iterdir()))
    except OSError:
        return False
    return time.time() - last > UNUSED_DAYS * _DAY


def _made(place: Path) -> bool:
    """Whether a folder is there that only this user can write to; made if need be."""
    try:
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError:
        return False
    return _is_private(place) and os.access(place, os.W_OK | os.X_OK) and _takes_a_file(place)


def _takes_a_file(place: Path) -> bool:
    """Whether a file can really be written: a full or read-only file system tells only then."""
    try:
        with tempfile.TemporaryFile(dir=place):
            return True
    except OSError:
        return False


def _is_private(place: Path) -> bool:
    """Whether a folder belongs to this user or to root, is no link, and no other user can write to it."""
    try:
        about = place.lstat()
    except OSError:
        return False
    return stat.S_ISDIR(about.st_mode) and _is_closed_to_others(about)


def _is_own(file: Path) -> bool:
    """Whether a plain file belongs to this user or to root, has no other name, and no other user can write to it."""
    try:
        about = file.lstat()
    except OSError:
        return False
    return _is_own_file(about)


def _is_own_file(about: os.stat_result) -> bool:
    return stat.S_ISREG(about.st_mode) and about.st_nlink == 1 and _is_closed_to_others(about)


def _is_closed_to_others(about: os.stat_result) -> bool:
    if not hasattr(os, "getuid"):
        return True
    return about.st_uid in {os.getuid(), 0} and not about.st_mode & (stat.S_IWGRP | stat.S_IWOTH)


def _own_bytes(path: Path) -> bytes:
    """What a file holds that `_is_own` says yes to; nothing of any other. Looked at is what was opened."""
    flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    try:
        with open(os.open(path, flags), "rb") as file:  # noqa: PTH123 - a descriptor
            about = os.fstat(file.fileno())
            return file.read() if _is_own_file(about) and about.st_size <= _CODE_BYTES else b""
    except OSError:
        return b""
