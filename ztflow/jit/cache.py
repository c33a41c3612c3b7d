"""Keeps compiled code on disk between runs, in a private folder; folders long unused are deleted.

Compiled code is executed when it is loaded, so a folder others can write to is never used. A folder's name holds a
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
from contextlib import suppress
from pathlib import Path

from ztflow.version import __version__

READY = "ready"
"""File in the folder that says the compilation was finished and its result passed its test."""

UNUSED_DAYS = 30
"""Folders that nothing was loaded from for so long are deleted: they are of older versions."""
_DAY = 24 * 3600.0

_CODE = "code.o"
"""File with the object code behind a line that names its function and its checksum."""


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
            if _is_private(home) and _is_private(place) and (place / READY).is_file() and (place / _CODE).is_file():
                return place
        return None

    def kept(self) -> tuple[str, bytes] | None:
        """Symbol and object code of a finished compilation; None when there is none, or it is damaged."""
        place = self.finished()
        if place is None:
            return None
        try:
            head, _, code = (place / _CODE).read_bytes().partition(b"\n")
        except OSError:
            return None
        _note_use(place / READY)
        symbol, _, checksum = head.decode("ascii", "replace").partition(" ")
        return (symbol, code) if hashlib.sha256(code).hexdigest() == checksum else None

    def keep(self, symbol: str, code: bytes) -> None:
        """Write object code down where there is a place to; it counts once it is called `good`."""
        place = self.folder()
        if place is None:
            return
        try:
            with tempfile.NamedTemporaryFile(dir=place, delete=False) as file:
                file.write(f"{symbol} {hashlib.sha256(code).hexdigest()}\n".encode() + code)
            Path(file.name).replace(place / _CODE)
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
            (place / READY).touch()
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
    if not stat.S_ISDIR(about.st_mode):
        return False
    if not hasattr(os, "getuid"):
        return True
    return about.st_uid in {os.getuid(), 0} and not about.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
