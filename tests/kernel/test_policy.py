"""When the kernel is used, what is said when it cannot be, and that nothing breaks then."""

from __future__ import annotations

import os
import subprocess
import sys
import time
import warnings

import pytest

from ztflow.errors import CompilerError, SlowPathWarning
from ztflow.jit import cache
from ztflow.kernel import policy
from ztflow.kernel.engine import KERNEL
from ztflow.kernel.policy import COLD_FROM, WARM_FROM, Policy


@pytest.fixture
def home(empty_cache):
    return empty_cache


@pytest.fixture
def compiler(monkeypatch):
    """Stands in for the process that compiles; the list holds what was started."""
    started = []

    class Process:
        def __init__(self, command, **_):
            started.append(command)
            self.running, self.code = True, 0

        def poll(self):
            return None if self.running else self.code

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


# ---- what is said ---------------------------------------------------------------------------------------------------


def said(decide: Policy, size: int) -> list[str]:
    """What is warned of when an input of this size is read slowly, asked more than once."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert not decide.ready(size)
        assert not decide.ready(size)
        assert not decide.ready(size + 1)
    assert all(issubclass(each.category, SlowPathWarning) for each in caught)
    return [str(each.message) for each in caught]


SLOW = "reading takes about 4 times as long"


def test_what_fails_is_not_tried_again_and_is_said_once(home, monkeypatch):
    tried = []

    def fail():
        tried.append(1)
        raise CompilerError("LLVM cannot link it: No module named 'llvmlite'")

    monkeypatch.setattr(policy, "_prove", fail)
    finish()
    why = "LLVM cannot link it: No module named 'llvmlite'"
    assert said(Policy(), WARM_FROM) == [f"the compiled reader is not used: {why}; {SLOW}"]
    assert tried == [1]


def test_a_bug_is_not_taken_for_a_machine_that_cannot(home, monkeypatch):
    def wrong():
        raise ZeroDivisionError

    monkeypatch.setattr(policy, "_prove", wrong)
    finish()
    with pytest.raises(ZeroDivisionError):
        Policy().ready(WARM_FROM)


def test_a_missing_numba_is_said_when_the_input_would_pay_for_compiling(home, compiler, monkeypatch):
    monkeypatch.setitem(sys.modules, "numba", None)
    assert said(Policy(), COLD_FROM - 2) == []
    assert said(Policy(), COLD_FROM) == [f"the compiled reader is not used: numba not installed; {SLOW}"]
    assert not compiler


def test_a_cache_that_cannot_be_written_is_said(home, compiler, monkeypatch):
    monkeypatch.setattr(cache, "_takes_a_file", lambda place: False)
    (line,) = said(Policy(), COLD_FROM)
    assert line.startswith("the compiled reader is not used: there is no private folder it could be kept in")
    assert not compiler


def test_a_damaged_cache_is_said_and_made_anew_in_the_background(home, compiler, monkeypatch):
    monkeypatch.setattr(policy, "_prove", lambda: None)
    finish()
    path = KERNEL.folder() / "code.o"
    path.write_bytes(path.read_bytes()[:-1])
    decide = Policy()
    (line,) = said(decide, WARM_FROM)
    assert line.startswith(f"the compiled reader in {path.parent} is damaged; it is compiled anew in the background")
    assert len(compiler) == 1
    finish()
    decide._compiler.running = False
    assert decide.ready(WARM_FROM)


@pytest.mark.parametrize("code", [0, 1])
def test_a_background_compilation_that_failed_is_said(home, compiler, code):
    decide = Policy()
    assert said(decide, COLD_FROM) == []
    decide._compiler.running, decide._compiler.code = False, code
    assert said(decide, COLD_FROM) == [
        f"the compiled reader is not used: compiling it in the background failed; `ztflow warmup` says why; {SLOW}"
    ]


def test_a_background_compilation_that_does_not_start_is_said(home, monkeypatch):
    def fail(*_, **__):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(policy.subprocess, "Popen", fail)
    (line,) = said(Policy(), COLD_FROM)
    assert "does not start: [Errno 13] Permission denied" in line


def test_it_can_be_switched_off(home, compiler, monkeypatch):
    monkeypatch.setenv(policy.SWITCH, "off")
    assert not Policy().ready(1 << 40)
    assert not compiler


def without_numba(tmp_path, program: str) -> tuple[str, str]:
    """What a Python without Numba prints, on stdout and stderr; to it, 4 kB are a big input."""
    path = tmp_path / "a.log"
    path.write_bytes(policy._SAMPLE * 1000)
    code = (
        "import sys; sys.modules['numba'] = sys.modules['llvmlite'] = None\n"
        f"import ztflow.kernel.policy as p; p.WARM_FROM = p.COLD_FROM = 4096\n{program}"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=False, timeout=60,
        env={**os.environ, "XDG_CACHE_HOME": str(tmp_path), "PYTHONWARNINGS": "ignore"},
    )  # fmt: skip
    return done.stdout.strip(), done.stderr


def test_without_numba_a_file_is_read_all_the_same(tmp_path):
    program = "import ztflow; print(len(ztflow.read_records(sys.argv[1])), p.POLICY.ready(1))"
    assert without_numba(tmp_path, program) == ("1000 False", "")


def test_the_command_line_says_it_in_one_line(tmp_path):
    program = "from ztflow.cli import main; sys.exit(main(['records', sys.argv[1], '-o', 'csv']))"
    out, err = without_numba(tmp_path, program)
    assert len(out.splitlines()) == 1001
    assert err == f"ztflow: the compiled reader is not used: numba and llvmlite not installed; {SLOW}\n"


def test_the_command_line_is_silent_about_a_small_input(tmp_path):
    program = "p.COLD_FROM = 1 << 30; from ztflow.cli import main; sys.exit(main(['records', sys.argv[1]]))"
    assert without_numba(tmp_path, program)[1] == ""


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
            [sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=300,
            env={**os.environ, "XDG_CACHE_HOME": str(tmp_path)},
        )  # fmt: skip
        assert done.stderr == ""
        places.append(done.stdout.split())
    assert places[0][0].startswith(str(tmp_path))
    assert places == [[places[0][0], "9", "True"], [places[0][0], "9", "False"]]
