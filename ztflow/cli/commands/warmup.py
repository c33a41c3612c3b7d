"""`ztflow warmup`: compile ahead what big inputs are read with, and what weighs equal connections."""

from __future__ import annotations

from ztflow.cli.options import Talk, takes
from ztflow.cli.run import Run, run_command


@takes(Talk)
def warmup(talk: Talk) -> int:
    """Compile ahead what reads big inputs (10 s) and weighs equal connections (5 s); else that is done when needed."""

    def body(run: Run) -> None:
        from ztflow.cli.terminal import say
        from ztflow.errors import UsageError
        from ztflow.kernel import warmup as compile_reader
        from ztflow.pair.hmm.forward_backward import warmup as compile_lattice

        del run
        try:
            places = [compile_reader(), compile_lattice()]
        except (ImportError, RuntimeError) as error:
            raise UsageError(f"nothing to compile here: {error}; all works without it, only slower") from None
        for place in places:
            say("compiled, but there is nowhere to keep it" if place is None else f"compiled and kept in {place}")

    return run_command(talk, body)
