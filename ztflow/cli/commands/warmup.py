"""`ztflow warmup`: compiles ahead the reader of big inputs and the pairing of equal connections."""

from __future__ import annotations

from ztflow.cli.options import Talk, message_options
from ztflow.cli.run import Run, run_command


@message_options
def warmup(talk: Talk) -> int:
    """Precompile the fast paths (about 30 s, once). Optional: otherwise done on first use."""

    def body(run: Run) -> None:
        from ztflow.cli.output import say
        from ztflow.errors import CompilerError, UsageError
        from ztflow.kernel import warmup as compile_reader
        from ztflow.pair.hmm.forward_backward import warmup as compile_lattice

        del run
        try:
            places = [compile_reader(), compile_lattice()]
        except CompilerError as error:
            raise UsageError(f"cannot be compiled here: {error}; all works without it, only slower") from None
        for place in places:
            say("compiled, but there is nowhere to keep it" if place is None else f"compiled and kept in {place}")

    return run_command(talk, body)
