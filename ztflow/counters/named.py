"""Files of counters as a user names them: whose they are and when they were made, which no scrape says itself."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from glob import glob
from pathlib import Path

from ztflow.counters.scrapes import MOMENT, Scrape, TimeFrom, is_exposition, parse_scrape
from ztflow.errors import SourceError, UsageError
from ztflow.model.provenance import micros_from_time
from ztflow.place.inventory.files import unpacked
from ztflow.read.limits import INVENTORY_BYTES
from ztflow.read.sources.naming import origin_of_path
from ztflow.text.patterns import lazy_pattern

_SECOND = 1_000_000

_GIVEN = lazy_pattern(r"(?:(?P<pod>[^=/]+)=)?(?P<file>.+?)(?:@(?P<time>[^@/]+))?", re.DOTALL)
_RFC3339 = lazy_pattern(r"(\d{4})-?(\d\d)-?(\d\d)[T_ -](\d\d)[:.-]?(\d\d)[:.-]?(\d\d)(?:\.(\d{1,9}))?Z?(?![0-9])")
_UNIX = lazy_pattern(r"(?<![0-9])(\d{10})(?:\.(\d{1,9})|(\d{3}|\d{6}|\d{9}))?(?![0-9])")


def read_scrapes(*given: str) -> list[Scrape]:
    """The scrapes in some files.

    Args:
        given: Each `[POD=]FILE[@TIME]`; a file may be compressed, a folder (all counters in it), or a pattern. TIME is
            RFC 3339 or seconds since 1970.

    Returns:
        One scrape a ztunnel and file, in the order given.

    Raises:
        SourceError: A file cannot be read, or holds no counters of a ztunnel.
        UsageError: A TIME that is none.
    """
    return [scrape for one in given for scrape in _read(one)]


def _read(given: str) -> Iterator[Scrape]:
    path, pod, time = _split(given)
    for file in _files(path):
        yield from _scrapes(file, pod, time)


def _split(given: str) -> tuple[str, str | None, tuple[int, int] | None]:
    """File, pod, time and its precision. A name that exists is never taken apart."""
    if _exists(given):
        return given, None, None
    found = _GIVEN.fullmatch(given)
    if found is None:
        raise UsageError("--metrics: no file is named; give [POD=]FILE[@TIME]")
    pod, path, time = found["pod"], found["file"], found["time"]
    if time is not None and (_exists(f"{path}@{time}")):
        path, time = f"{path}@{time}", None
    if pod is not None and _exists(f"{pod}={path}"):
        path, pod = f"{pod}={path}", None
    if time is None:
        return path, pod, None
    read = _time_in(time, whole=True)
    if read is None:
        raise UsageError(f"--metrics: {time!r} is no time; write 2026-11-29T07:25:49.7Z or seconds since 1970")
    return path, pod, read


def _exists(path: str) -> bool:
    try:
        return Path(path).exists()
    except (OSError, ValueError):
        return False


def _files(path: str) -> list[str]:
    if Path(path).is_dir():
        found = sorted(str(file) for file in Path(path).rglob("*") if file.is_file() and _holds_counters(file))
        if not found:
            raise SourceError(path, "no file of counters in this folder", hint="scrape port 15020 of each ztunnel pod")
        return found
    matched = [] if _exists(path) else sorted(glob(path, recursive=True))  # noqa: PTH207 - the pattern may be absolute
    return matched or [path]


def _holds_counters(file: Path) -> bool:
    try:
        with file.open("rb") as opened:
            head = opened.read(1 << 16)
        return is_exposition(head) or is_exposition(unpacked(str(file), file.read_bytes()[:INVENTORY_BYTES]))
    except (OSError, SourceError):
        return False


def _scrapes(file: str, pod: str | None, time: tuple[int, int] | None) -> list[Scrape]:
    try:
        with Path(file).open("rb") as opened:
            data = opened.read(INVENTORY_BYTES + 1)
            modified = Path(file).stat().st_mtime_ns // 1000
    except (OSError, ValueError) as fault:
        reason = fault.strerror if isinstance(fault, OSError) and fault.strerror else str(fault)
        raise SourceError(file, reason, hint="--metrics takes [POD=]FILE[@TIME]") from fault
    if len(data) > INVENTORY_BYTES:
        raise SourceError(file, "too large for counters of a ztunnel", hint="give one scrape a file")
    named = _time_in(Path(file).name)
    when = (
        (*time, TimeFrom.GIVEN) if time
        else (*named, TimeFrom.FILE_NAME) if named
        else (modified, _SECOND, TimeFrom.FILE_TIME)
    )  # fmt: skip
    found = parse_scrape(unpacked(file, data), file, pod or origin_of_path(file).pod)
    for scrape in found:
        scrape.time, scrape.precision, scrape.time_from = when
    return found


def _time_in(text: str, *, whole: bool = False) -> tuple[int, int] | None:
    """A time in a text, microseconds since 1970, and how exactly it is given."""
    look = "fullmatch" if whole else "search"
    if found := getattr(_RFC3339, look)(text):
        year, month, day, hour, minute, second = map(int, found.groups()[:6])
        try:
            moment = datetime(year, month, day, hour, minute, second, tzinfo=UTC)
        except ValueError:
            return None
        return micros_from_time(moment) + _fraction(found[7]), _exactness(found[7])
    if found := getattr(_UNIX, look)(text):
        digits = found[2] or found[3]
        return int(found[1]) * _SECOND + _fraction(digits), _exactness(digits)
    return None


def _fraction(digits: str | None) -> int:
    return int((digits or "").ljust(6, "0")[:6])


def _exactness(digits: str | None) -> int:
    step: int = _SECOND // 10 ** len(digits or "")
    return max(MOMENT, step)
