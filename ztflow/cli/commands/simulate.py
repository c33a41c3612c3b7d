"""`ztflow simulate`: logs as ztunnel would write them, with known truth."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from ztflow.cli.options import OUTPUT, Talk, takes
from ztflow.cli.run import Run, run_command

if TYPE_CHECKING:
    from ztflow.simulate import Scenario


@takes(Talk)
def simulate(
    scenario: Annotated[
        str,
        typer.Option("--scenario", metavar="NAME", help="What happens; --list says what there is.",
                     rich_help_panel=OUTPUT),
    ] = "mixed",
    seed: Annotated[
        int,
        typer.Option("--seed", metavar="N", min=0, help="The same scenario and seed give the same bytes.",
                     rich_help_panel=OUTPUT),
    ] = 0,
    connections: Annotated[
        int | None,
        typer.Option("--connections", metavar="N", min=0, help="How many, at the scenario's rate.",
                     rich_help_panel=OUTPUT),
    ] = None,
    duration: Annotated[
        float | None,
        typer.Option("--duration", metavar="SECONDS", help="For how long, at the scenario's rate unless --connections "
                     "is given too.", rich_help_panel=OUTPUT),
    ] = None,
    release: Annotated[
        str | None,
        typer.Option("--release", metavar="X.Y.Z", help="Whose layout and words: 1.22.0 or later.",
                     rich_help_panel=OUTPUT),
    ] = None,
    log_format: Annotated[
        str | None,
        typer.Option("--format", "-o", metavar="FORMAT", help="plain or json, as ztunnel writes it.",
                     rich_help_panel=OUTPUT),
    ] = None,
    wrapper: Annotated[
        str | None,
        typer.Option("--wrapper", metavar="NAME", help="files (one a ztunnel; with --output the default), cri, stern "
                     "(on stdout the default), stern-json, kubectl-prefix.", rich_help_panel=OUTPUT),
    ] = None,
    output: Annotated[
        str | None,
        typer.Option("--output", metavar="DIR", help="Write logs, inventories and truth.tsv into a directory.",
                     rich_help_panel=OUTPUT),
    ] = None,
    live: Annotated[
        bool, typer.Option("--live", help="Print each line when it happens, with the time of the clock.",
                           rich_help_panel=OUTPUT),
    ] = False,
    speed: Annotated[
        float, typer.Option("--speed", metavar="FACTOR", help="With --live: faster or slower than the clock.",
                            rich_help_panel=OUTPUT),
    ] = 1.0,
    listed: Annotated[bool, typer.Option("--list", help="Name the scenarios.", rich_help_panel=OUTPUT)] = False,
    *,
    talk: Talk,
) -> int:  # fmt: skip
    """Simulated logs with known truth, for demos, tests and benchmarks."""

    def body(run: Run) -> None:
        del run
        from ztflow.errors import UsageError

        if live and output is not None:
            raise UsageError("--live prints as time passes; it cannot go with --output")
        if speed <= 0:
            raise UsageError("--speed must be positive")
        if listed:
            _print_scenarios()
            return
        chosen = _scenario(
            scenario, connections, duration, release, log_format,
            wrapper or ("files" if output is not None else "stern"),
        )  # fmt: skip
        if output is not None:
            _write(chosen, seed, output)
        elif live:
            _play(chosen, seed, speed)
        else:
            _print(chosen, seed)

    return run_command(talk, body)


def _scenario(
    name: str, connections: int | None, duration: float | None, release: str | None, log_format: str | None,
    wrapper: str,
) -> Scenario:  # fmt: skip
    """The scenario with what was asked for on top; the dataclass refuses what means nothing."""
    from dataclasses import replace
    from typing import Any

    from ztflow.errors import UsageError
    from ztflow.simulate import preset

    chosen = preset(name)
    if duration is not None and duration <= 0:
        raise UsageError("--duration must be positive")
    if connections is not None and duration is not None:
        chosen = replace(chosen, connections=connections, duration=duration)
    elif connections is not None:
        chosen = chosen.scaled(connections)
    elif duration is not None:
        chosen = chosen.lasting(duration)
    changes: dict[str, Any] = {"wrapper": wrapper}
    if release is not None:
        changes["release"] = release
    if log_format is not None:
        changes["format"] = log_format
    return replace(chosen, **changes)


def _print_scenarios() -> None:
    from ztflow.simulate import PRESETS

    width = max(map(len, PRESETS))
    for name, scenario in PRESETS.items():
        print(f"{name.ljust(width)}  {scenario.about}")


def _write(scenario: Scenario, seed: int, directory: str) -> None:
    from ztflow.cli.terminal import say
    from ztflow.simulate import simulate as make

    capture = make(scenario, seed)
    capture.write(directory)
    count = len(capture.files)
    say(
        f"{capture.connections.count:,} connections, {capture.access_lines:,} access lines in {count} "
        f"{'file' if count == 1 else 'files'} under {directory}"
    )


def _print(scenario: Scenario, seed: int) -> None:
    from ztflow.cli.output import destination
    from ztflow.simulate import simulate as make

    capture = make(scenario, seed)
    with destination(None) as stream:
        for file in capture.files:
            for content in capture.content(file):
                stream.write(content)


def _play(scenario: Scenario, seed: int, speed: float) -> None:
    from datetime import UTC, datetime

    from ztflow.cli.output import destination
    from ztflow.simulate import simulate as make
    from ztflow.simulate.live import play

    with destination(None) as stream:
        for lines in play(make(scenario, seed, begin=datetime.now(UTC)), speed=speed):
            stream.write(b"".join(lines))
            stream.flush()
