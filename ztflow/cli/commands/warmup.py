"""`ztflow warmup`: compile ahead what big inputs are read with."""

from __future__ import annotations

from ztflow.cli.options import Talk, takes
from ztflow.cli.run import Run, run_command


@takes(Talk)
def warmup(talk: Talk) -> int:
    """Compile ahead what big inputs are read with (about 10 s); without it the first big input does that aside."""

    def body(run: Run) -> None:
        from ztflow.cli.terminal import say
        from ztflow.errors import UsageError
        from ztflow.kernel import warmup as compile_ahead

        del run
        try:
            place = compile_ahead()
        except (ImportError, RuntimeError) as error:
            raise UsageError(f"nothing to compile here: {error}; big inputs are read without it, only slower") from None
        say("compiled, but there is nowhere to keep it" if place is None else f"compiled and kept in {place}")

    return run_command(talk, body)
