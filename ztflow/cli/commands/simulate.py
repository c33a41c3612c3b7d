"""`ztflow simulate`: writes logs as ztunnel would, and which lines belong together."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from ztflow.cli.options import COUNT, OUTPUT, Talk, Word, message_options, option
from ztflow.cli.run import Run, run_command

if TYPE_CHECKING:
    from ztflow.simulate import Scenario


def _scenarios() -> Iterable[str]:
    from ztflow.simulate import PRESETS

    return PRESETS


def _wrappers() -> Iterable[str]:
    from ztflow.simulate.scenario import LOG_WRAPPERS

    return LOG_WRAPPERS


@option(
    OUTPUT,
    "--scenario",
    metavar="NAME",
    type=Word(_scenarios),
    default="mixed",
    help="What to simulate; --list prints the scenarios.",
)
@option(OUTPUT, "--seed", metavar="N", type=COUNT, default=0, help="The same scenario and seed give the same bytes.")
@option(OUTPUT, "--connections", metavar="N", type=COUNT, help="How many connections, at the scenario's rate.")
@option(
    OUTPUT,
    "--duration",
    metavar="SECONDS",
    type=float,
    help="Length of the log, at the scenario's rate unless --connections is given too.",
)
@option(OUTPUT, "--release", metavar="X.Y.Z", help="ztunnel release that writes the log: 1.22.0 or later.")
@option(
    OUTPUT,
    "--format",
    "-o",
    metavar="FORMAT",
    type=Word(("plain", "json")),
    help="plain or json, as ztunnel writes them.",
)
@option(
    OUTPUT,
    "--wrapper",
    metavar="NAME",
    type=Word(_wrappers),
    help="files (one per ztunnel; the default with --output), cri, stern (the default on stdout), stern-json, "
    "kubectl-prefix.",
)
@option(OUTPUT, "--output", metavar="DIR", file=True, help="Write logs, inventories and truth.tsv to a directory.")
@option(OUTPUT, "--live", is_flag=True, help="Print lines in real time, with current timestamps.")
@option(
    OUTPUT,
    "--speed",
    metavar="FACTOR",
    type=float,
    default=1.0,
    help="With --live: how many times as fast as real time.",
)
@option(OUTPUT, "--list", "listed", is_flag=True, help="List the scenarios.")
@message_options
def simulate(
    *, scenario: str, seed: int, connections: int | None, duration: float | None, release: str | None,
    format: str | None, wrapper: str | None, output: str | None, live: bool, speed: float, listed: bool,  # noqa: A002
    talk: Talk,
) -> int:  # fmt: skip
    """Generate logs with known truth for demos, tests and benchmarks."""

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
            scenario, connections, duration, release, format,
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
    """The scenario with what was asked for on top; the dataclass refuses invalid values."""
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
    from ztflow.cli.destinations import destination
    from ztflow.simulate import PRESETS

    width = max(map(len, PRESETS))
    with destination(None) as stream:
        for name, scenario in PRESETS.items():
            stream.write(f"{name.ljust(width)}  {scenario.about}\n".encode())


def _write(scenario: Scenario, seed: int, directory: str) -> None:
    from ztflow.cli.output import say
    from ztflow.simulate import simulate as make

    capture = make(scenario, seed)
    capture.write(directory)
    count = len(capture.files)
    log = capture.request_log
    requests = "" if log is None else f", {len(log.line_of):,} requests in {log.name},"
    say(
        f"{capture.connections.count:,} connections, {capture.access_lines:,} access lines in {count} "
        f"{'file' if count == 1 else 'files'}{requests} under {directory}"
    )


def _print(scenario: Scenario, seed: int) -> None:
    from ztflow.cli.destinations import destination
    from ztflow.simulate import simulate as make

    capture = make(scenario, seed)
    with destination(None) as stream:
        for file in capture.files:
            for content in capture.content(file):
                stream.write(content)
        if capture.request_log is not None:
            stream.write(b"".join(capture.request_log.lines))


def _play(scenario: Scenario, seed: int, speed: float) -> None:
    from datetime import UTC, datetime

    from ztflow.cli.destinations import destination
    from ztflow.simulate import simulate as make
    from ztflow.simulate.live import play

    with destination(None) as stream:
        for lines in play(make(scenario, seed, begin=datetime.now(UTC)), speed=speed):
            stream.write(b"".join(lines))
            stream.flush()
