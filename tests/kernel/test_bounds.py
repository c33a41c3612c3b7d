"""No load leaves the buffer: the bytes are beside a page whose access kills the process."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

PROGRAM = Path(__file__).parents[1] / "support" / "guarded_bytes.py"


def _run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(PROGRAM), *arguments], capture_output=True, text=True, check=False, timeout=400
    )


def test_the_fence_is_there() -> None:
    done = _run("trespass")
    assert -done.returncode in {signal.SIGSEGV, signal.SIGBUS}
    assert not done.stdout


def test_no_load_leaves_the_buffer() -> None:
    done = _run("7", "4000")
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 1000


def test_addresses_stay_whole_numbers() -> None:
    """Numba makes a float of a signed and an unsigned number; an address that is one is no address any more."""
    from numba.core.dispatcher import Dispatcher

    from ztflow.kernel import (
        dictionaries,
        endpoint_fields,
        fields,
        json_around,
        json_envelope,
        json_tree,
        json_values,
        lines,
        prefix_or_envelope,
    )
    from ztflow.kernel.entry import object_code

    object_code()
    signatures = [
        str(signature)
        for module in (
            prefix_or_envelope,
            dictionaries,
            endpoint_fields,
            fields,
            json_around,
            json_envelope,
            json_tree,
            json_values,
            lines,
        )
        for function in vars(module).values()
        if isinstance(function, Dispatcher)
        for signature in function.nopython_signatures
    ]
    assert signatures
    assert not [one for one in signatures if "float" in one]
