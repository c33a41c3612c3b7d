"""When the kernel is used, where its code is kept, and that nothing breaks when it cannot be."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import tempfile
import time

import pytest

from ztflow.jit import cache
from ztflow.jit.cache import KERNEL, Cache
from ztflow.kernel import policy
from ztflow.kernel.policy import COLD_FROM, WARM_FROM, Policy


@pytest.fixture
def home(tmp_path, monkeypatch):
    """Empty places for compiled code."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temp"))
    (tmp_path / "temp").mkdir()
    return tmp_path


@pytest.fixture
def compiler(monkeypatch):
    """Stands in for the process that compiles; the list holds what was started."""
    started = []

    class Process:
        def __init__(self, command, **_):
            started.append(command)
            self.running = True

        def poll(self):
            return None if self.running else 0

    monkeypatch.setattr(policy.subprocess, "Popen", Process)
    return started


def finish(code: bytes = b"compiled"):
    """What a compilation leaves."""
    KERNEL.keep("name", code)
    KERNEL.good()


def loaded(code: str, **environment: str) -> str:
    """What a fresh Python prints."""
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60,
        env={**os.environ, **environment},
    ).stdout.strip()  # fmt: skip


def test_importing_and_asking_load_nothing_heavy():
    code = (
        "import sys; from ztflow.kernel import POLICY; "
        f"print(POLICY.ready({WARM_FROM - 1}), sorted({{'numba', 'pyarrow', 'numpy', 'llvmlite'}} & set(sys.modules)))"
    )
    assert loaded(code) == "False []"


def test_a_small_input_never_asks_for_the_code(home, compiler):
    decide = Policy()
    assert not decide.ready(WARM_FROM - 1)
    assert not (home / "home").exists()


def test_a_cold_cache_waits_for_nobody(home, compiler):
    decide = Policy()
    assert not decide.ready(WARM_FROM)
    assert not compiler
    started = time.monotonic()
    assert not decide.ready(COLD_FROM)
    assert not decide.ready(COLD_FROM * 100)
    assert time.monotonic() - started < 1
    assert [command[1:] for command in compiler] == [["-m", "ztflow.kernel.warmup"]]


def test_two_processes_do_not_compile_at_once(home, compiler):
    assert not Policy().ready(COLD_FROM)
    assert not Policy().ready(COLD_FROM)
    assert len(compiler) == 1


def test_a_compilation_that_died_is_tried_again(home, compiler):
    assert not Policy().ready(COLD_FROM)
    mark = KERNEL.folder() / "compiling"
    os.utime(mark, (0, 0))
    assert not Policy().ready(COLD_FROM)
    assert len(compiler) == 2


def test_it_switches_over_when_the_code_is_there(home, compiler, monkeypatch):
    monkeypatch.setattr(policy, "_prove", lambda: None)
    decide = Policy()
    assert not decide.ready(COLD_FROM)
    finish()
    assert not decide.ready(COLD_FROM)  # the process that compiles is not over
    decide._compiler.running = False
    assert decide.ready(COLD_FROM)
    assert decide.ready(1)


def test_what_fails_is_not_tried_again_and_says_nothing(home, monkeypatch, capfd):
    tried = []

    def fail():
        tried.append(1)
        raise ImportError("No module named 'numba'")

    monkeypatch.setattr(policy, "_prove", fail)
    finish()
    decide = Policy()
    assert not decide.ready(COLD_FROM)
    assert not decide.ready(COLD_FROM)
    assert tried == [1]
    assert capfd.readouterr() == ("", "")


def test_it_can_be_switched_off(home, compiler, monkeypatch):
    monkeypatch.setenv(policy.SWITCH, "off")
    assert not Policy().ready(1 << 40)
    assert not compiler


def test_without_numba_a_file_is_read_all_the_same(tmp_path):
    path = tmp_path / "a.log"
    path.write_bytes(policy._SAMPLE * 100)
    code = (
        "import sys; sys.modules['numba'] = sys.modules['llvmlite'] = None\n"
        "import ztflow.kernel.policy as p; p.WARM_FROM = p.COLD_FROM = 0; p.KERNEL.is_warm = lambda: True\n"
        "import ztflow; print(len(ztflow.read_records(sys.argv[1])), p.POLICY.ready(1))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=False, timeout=60
    )
    assert (done.stdout.strip(), done.stderr) == ("100 False", "")


# ---- where it is kept -----------------------------------------------------------------------------------------------


def test_the_folder_is_private_and_named_after_everything_the_code_depends_on(home, monkeypatch):
    place = KERNEL.folder()
    assert place.parent == home / "home" / "ztflow"
    assert stat.S_IMODE(place.stat().st_mode) == 0o700
    before = place.name
    assert Cache("kernel", "kernel/*.py").folder().name != before
    for what, other in (("__version__", "99.0"), ("_processor", lambda: "another")):
        with monkeypatch.context() as patch:
            patch.setattr(cache, what, other)
            assert Cache("kernel", "kernel/*.py", "schema.py").folder().name != before
    assert Cache("kernel", "kernel/*.py", "schema.py").folder().name == before


def test_where_home_cannot_be_written_the_temporary_folder_serves(home, monkeypatch):
    (home / "home").write_text("a file where a folder should be")
    place = KERNEL.folder()
    assert place.parent.parent == home / "temp"
    assert stat.S_IMODE(place.parent.stat().st_mode) == 0o700


def test_where_nothing_can_be_written_there_is_no_folder(home, compiler, monkeypatch):
    monkeypatch.setattr(cache, "_takes_a_file", lambda place: False)
    assert KERNEL.folder() is None
    assert not KERNEL.is_warm()
    assert not Policy().ready(1 << 40)
    assert not compiler


def test_code_in_a_home_that_became_read_only_is_used_where_it_is(home, monkeypatch):
    finish()
    monkeypatch.setattr(cache, "_takes_a_file", lambda place: False)
    assert KERNEL.folder() is None
    assert KERNEL.is_warm()
    assert KERNEL.kept() == ("name", b"compiled")


def test_code_counts_only_when_it_is_finished_and_whole(home):
    assert KERNEL.kept() is None
    KERNEL.keep("name", b"compiled")
    assert not KERNEL.is_warm()
    assert KERNEL.kept() is None
    finish(b"first line\nsecond line")
    assert KERNEL.kept() == ("name", b"first line\nsecond line")
    path = KERNEL.folder() / "code.o"
    path.write_bytes(path.read_bytes()[:-1])
    assert KERNEL.kept() is None


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
    assert home / "temp" in KERNEL.folder().parents


def test_the_code_is_kept_and_linked_without_numba(tmp_path):
    code = (
        "import sys\n"
        "from ztflow.kernel import warmup; place = warmup()\n"
        "from ztflow.kernel.blocks import read_block; from ztflow.kernel.policy import _SAMPLE\n"
        "print(place, read_block(_SAMPLE * 9)[0].num_rows, 'numba' in sys.modules)"
    )
    places = []
    for _ in ("first", "again"):
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=120,
            env={**os.environ, "XDG_CACHE_HOME": str(tmp_path)},
        )  # fmt: skip
        assert done.stderr == ""
        places.append(done.stdout.split())
    assert places[0][0].startswith(str(tmp_path))
    assert places == [[places[0][0], "9", "True"], [places[0][0], "9", "False"]]
