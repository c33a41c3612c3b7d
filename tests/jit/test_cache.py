"""Where compiled code is kept: private, whole, named after all it depends on, and not for ever."""

from __future__ import annotations

import os
import shutil
import stat
import time
from pathlib import Path

import pytest

from ztflow.jit import cache
from ztflow.jit.cache import UNUSED_DAYS, Cache
from ztflow.kernel.engine import KERNEL
from ztflow.pair.hmm import forward_backward
from ztflow.pair.hmm.jit import FUNCTIONS

SOME = Cache("some", "ztflow.model.schema")
DAY = 24 * 3600


@pytest.fixture(autouse=True)
def home(empty_cache):
    return empty_cache


def finish(code: bytes = b"compiled"):
    """What a compilation leaves."""
    SOME.keep("name", code)
    SOME.good()


def test_the_folder_is_private_and_named_after_everything_the_code_depends_on(home, monkeypatch):
    place = SOME.folder()
    assert place.parent == home / "home" / "ztflow"
    assert stat.S_IMODE(place.stat().st_mode) == 0o700
    before = place.name
    assert Cache("some", "ztflow.columns.timestamps").folder().name != before
    for what, other in (("__version__", "99.0"), ("_processor", lambda: "another")):
        with monkeypatch.context() as patch:
            patch.setattr(cache, what, other)
            assert Cache("some", "ztflow.model.schema").folder().name != before
    assert Cache("some", "ztflow.model.schema").folder().name == before


def test_where_home_cannot_be_written_the_temporary_folder_serves(home, monkeypatch):
    (home / "home").write_text("a file where a folder should be")
    place = SOME.folder()
    assert place.parent.parent == home / "temp"
    assert stat.S_IMODE(place.parent.stat().st_mode) == 0o700


def test_where_nothing_can_be_written_there_is_no_folder(home, monkeypatch):
    monkeypatch.setattr(cache, "_takes_a_file", lambda place: False)
    assert SOME.folder() is None
    SOME.keep("name", b"compiled")
    assert SOME.good() is None
    assert SOME.finished() is None


def test_code_in_a_home_that_became_read_only_is_used_where_it_is(home, monkeypatch):
    finish()
    monkeypatch.setattr(cache, "_takes_a_file", lambda place: False)
    assert SOME.folder() is None
    assert SOME.finished()
    assert SOME.kept() == ("name", b"compiled")


def test_code_counts_only_when_it_is_finished_and_whole(home):
    assert SOME.kept() is None
    SOME.keep("name", b"compiled")
    assert not SOME.finished()
    assert SOME.kept() is None
    finish(b"first line\nsecond line")
    assert SOME.kept() == ("name", b"first line\nsecond line")
    path = SOME.folder() / "code.o"
    path.write_bytes(path.read_bytes()[:-1])
    assert SOME.kept() is None


def test_whatever_byte_is_changed_the_code_is_not_used_and_can_be_kept_anew(home):
    """Also in the head: a wrong name of a function would end the process."""
    finish(bytes(range(256)))
    path = SOME.folder() / "code.o"
    whole = path.read_bytes()
    for at in range(len(whole)):
        for change in (0x01, 0x20, 0xFF):
            path.write_bytes(whole[:at] + bytes([whole[at] ^ change]) + whole[at + 1 :])
            assert SOME.kept() is None, f"byte {at}"
    for other in (b"", b"\n", b"\n\n", whole + b"\0", b"\0" + whole, *(whole[:end] for end in range(len(whole)))):
        path.write_bytes(other)
        assert SOME.kept() is None
    finish(bytes(range(256)))
    assert SOME.kept() == ("name", bytes(range(256)))


def test_code_of_another_version_is_not_used_whatever_folder_it_is_in(home):
    finish()
    other = Cache("some", "ztflow.columns.timestamps")
    other.keep("name", b"other")
    other.good()
    shutil.copy(other.folder() / "code.o", SOME.folder() / "code.o")
    assert SOME.kept() is None


def replaced_by_a_link(path):
    path.rename(path.with_name("elsewhere"))
    path.symlink_to("elsewhere")


def given_a_second_name(path):
    path.with_name("elsewhere").hardlink_to(path)


def given_away(path):
    os.chown(path, 12345, -1)


def made_a_pipe(path):
    path.unlink()
    os.mkfifo(path, 0o600)


NOT_OURS = {
    "link": replaced_by_a_link,
    "second name": given_a_second_name,
    "group": lambda path: path.chmod(0o660),
    "others": lambda path: path.chmod(0o602),
    "pipe": made_a_pipe,
    **({"owner": given_away} if os.getuid() == 0 else {}),
}


@pytest.mark.parametrize("name", ["code.o", "ready"])
@pytest.mark.parametrize("damage", NOT_OURS)
def test_a_file_that_another_could_have_written_is_never_used_and_is_replaced(home, name, damage):
    finish()
    path = SOME.folder() / name
    NOT_OURS[damage](path)
    assert SOME.kept() is None
    finish()
    assert SOME.kept() == ("name", b"compiled")
    assert stat.S_ISREG(path.lstat().st_mode)


def test_what_is_kept_is_private_whatever_the_usual_permissions_are(home):
    before = os.umask(0)
    try:
        finish()
    finally:
        os.umask(before)
    place = SOME.folder()
    assert {stat.S_IMODE(path.stat().st_mode) for path in place.iterdir()} == {0o600}
    assert sorted(path.name for path in place.iterdir()) == ["code.o", "ready"]
    assert SOME.kept() == ("name", b"compiled")


@pytest.mark.parametrize("damage", ["open", "link"])
def test_a_folder_others_can_write_is_never_used(home, damage):
    theirs = home / "home" / "ztflow"
    if damage == "open":
        theirs.mkdir(parents=True)
        theirs.chmod(0o777)
    else:
        (home / "elsewhere").mkdir()
        theirs.parent.mkdir()
        theirs.symlink_to(home / "elsewhere")
    assert home / "temp" in SOME.folder().parents


def test_a_full_disk_leaves_nothing_that_is_half_there(home, monkeypatch):
    finish()

    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    SOME.keep("name", b"newer")
    assert SOME.good() is None
    assert SOME.kept() is None


# ---- what it is made from --------------------------------------------------------------------------------------------


def test_all_that_is_compiled_is_part_of_the_fingerprint():
    sources = forward_backward.TRELLIS_CODE.sources()
    assert {Path(function.__code__.co_filename) for function in FUNCTIONS} <= set(sources)
    package = Path(cache.__file__).parents[1]
    assert set(KERNEL.sources()) == {
        package / "model" / "schema.py", package / "model" / "vocabulary.py",
        package / "parse" / "values.py",
        *(package / "kernel").glob("*.py"), *(package / "jit").glob("*.py"),
    }  # fmt: skip


def test_a_module_that_is_not_there_is_no_source():
    with pytest.raises(ModuleNotFoundError, match="no_such_module"):
        Cache("some", "ztflow.no_such_module").fingerprint()


# ---- what is outdated ------------------------------------------------------------------------------------------------


def beside(name: str, days: float) -> Path:
    """A finished folder of another version, last used so many days ago."""
    place = SOME.folder().parent / name
    place.mkdir(mode=0o700)
    for path in (place / "code.o", place / "ready", place):
        if path != place:
            path.touch()
        os.utime(path, (time.time() - days * DAY,) * 2)
    return place


def test_a_folder_unused_for_long_is_deleted_when_a_compilation_is_finished(home):
    old = beside(f"some-{'0' * 16}", UNUSED_DAYS + 1)
    recent = beside(f"some-{'1' * 16}", UNUSED_DAYS - 1)
    finish()
    assert not old.exists()
    assert recent.exists()
    assert SOME.kept() == ("name", b"compiled")


@pytest.mark.parametrize("name", [f"other-{'0' * 16}", "some-thing", f"some-{'0' * 17}"])
def test_what_is_not_its_own_stays(home, name):
    other = beside(name, 1000)
    finish()
    assert other.exists()


def test_a_folder_others_can_write_or_that_is_a_link_stays(home):
    opened = beside(f"some-{'0' * 16}", 1000)
    opened.chmod(0o777)
    elsewhere = beside("elsewhere", 1000)
    link = elsewhere.with_name(f"some-{'1' * 16}")
    link.symlink_to(elsewhere)
    finish()
    assert opened.exists()
    assert (link / "ready").exists()


def test_a_compilation_under_way_in_an_old_folder_stays(home):
    old = beside(f"some-{'0' * 16}", 1000)
    (old / "compiling").touch()
    os.utime(old, (0, 0))
    finish()
    assert old.exists()


def test_loading_says_that_a_folder_is_in_use(home):
    finish()
    place = SOME.folder()
    for path in (*place.iterdir(), place):
        os.utime(path, (0, 0))
    assert SOME.kept() == ("name", b"compiled")
    newer = Cache("some", "ztflow.columns.timestamps")
    newer.keep("name", b"newer")
    newer.good()
    assert SOME.kept() == ("name", b"compiled")


def test_a_folder_deleted_while_it_is_in_use_is_compiled_anew(home):
    finish()
    shutil.rmtree(SOME.folder())
    assert SOME.kept() is None
    finish()
    assert SOME.kept() == ("name", b"compiled")
