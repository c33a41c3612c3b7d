"""How the cost of each road grows: `python benchmarks/growth.py [ROAD]... [--list] [--most 1.4]`.

A road is one way input of some kind is worked off. Each is run on inputs that double in size, and the exponent of its
processor seconds is printed: 1 is linear, 2 quadratic. A road above its bound fails the run (exit 1).

The exponent is that of the last doublings, each size timed as the best of three, so that neither what is made once nor
noise counts. Sizes begin where a run takes some milliseconds and end after a second or at `--largest`, if a road passes
so far; what is too steep goes on, so that a climb that ends is told from one that does not.

Roads: equal connections in all forms (`equal-…`), text that cannot be read at once (`text-…`), and what else is read or
written (`inventory-…`, `filter-…`, `explain-…`, `archive-…`, `loki-…`, `table-…`).
"""

from __future__ import annotations

import argparse
import io
import json
import math
import random
import sys
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import process_time

import ztflow
from ztflow.parse.explanation import explain
from ztflow.place.inventory.found import read_inventory
from ztflow.read.stream import StreamParser
from ztflow.writers import open_writer

MOST = 1.4
"""Largest exponent that passes: logarithms and arrays beyond the caches make linear work look like 1.2 or 1.3."""
ENOUGH = 1.0
"""Processor seconds after which no larger size is tried, if the road passes."""
MUCH = 12.0
"""Processor seconds after which no larger size is tried of a road that looks too steep; a short climb ends before."""
LEAST = 0.02
"""Seconds below which a time says nothing."""
START = datetime(2026, 1, 1, tzinfo=UTC)

Road = Callable[[int], Callable[[], object]]
"""Makes the input of a size, and gives what works it off."""
ROADS: dict[str, Road] = {}


def half(
    direction: str, us: int, *, client: int = 1, request: int = 100, response: int = 300, duration: int = 5,
    port: int = 40000, error: str = "",
) -> str:  # fmt: skip
    """One access line that ends so many microseconds after the start."""
    time = (START + timedelta(microseconds=us)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    sent, received = (request, response) if direction == "outbound" else (response, request)
    return (
        f"{time}\tinfo\taccess\tconnection complete\tsrc.addr=10.1.0.{client}:{port} "
        f'src.workload="c{client}" src.namespace="a" src.identity="spiffe://cluster.local/ns/a/sa/c{client}" '
        f"dst.addr=10.2.0.9:15008 dst.hbone_addr=10.2.0.9:8080 "
        f'dst.service="web.a.svc.cluster.local" dst.workload="s" dst.namespace="a" '
        f'dst.identity="spiffe://cluster.local/ns/a/sa/s" direction="{direction}" '
        f'bytes_sent={sent} bytes_recv={received} duration="{duration}ms"{error}'
    )


# ---- equal connections


def equal(name: str, of: Callable[[random.Random, int, int], Iterator[str]]) -> None:
    """A road of pairing: `of` gives the halves of one connection by its number and how many there are."""

    def road(size: int) -> Callable[[], object]:
        chance = random.Random(5)
        lines = [line for number in range(size) for line in of(chance, number, size)]
        lines.sort(key=lambda line: line[:27])
        halves = ztflow.StreamParser("equal.log").feed(("\n".join(lines) + "\n").encode())

        def work() -> None:
            ztflow.Pairer().finish(halves)

        return work

    ROADS[f"equal-{name}"] = road


def both(out: int, inn: int, chance: random.Random, **more: int) -> Iterator[str]:
    """Both halves, with these ends."""
    yield half("inbound", inn, **more)  # type: ignore[arg-type]
    yield half("outbound", out, port=chance.randint(32768, 60999), **more)  # type: ignore[arg-type]


def around(chance: random.Random, width: int) -> tuple[int, int]:
    """Ends anywhere within a width, the outbound one a little later."""
    end = chance.randrange(width)
    return end + chance.randint(100, 400), end


equal("instant", lambda chance, _n, _size: both(0, 0, chance))
equal("later", lambda chance, _n, _size: both(200, 0, chance))
equal("durations", lambda chance, _n, _size: both(0, 0, chance, duration=chance.randint(1, 50)))
equal("millisecond", lambda chance, _n, _size: both(*around(chance, 1000), chance))
equal("second", lambda chance, _n, _size: both(*around(chance, 1_000_000), chance))
equal("rate", lambda chance, n, _size: both(n * 100 + chance.randint(100, 400), n * 100, chance))
equal("no-bytes", lambda chance, _n, _size: both(0, 0, chance, request=0, response=0))
equal("clients", lambda chance, n, _size: both(0, 0, chance, client=1 + n % 7))
equal("moments", lambda chance, n, _size: both((n % 40) * 220_000, (n % 40) * 220_000, chance))
equal("small-groups", lambda chance, n, _size: both((n // 20) * 300_000, (n // 20) * 300_000, chance))
equal("one-side", lambda _chance, _n, _size: iter([half("outbound", 0)]))
equal(
    "half-missing",
    lambda chance, n, _size: (
        iter([half("outbound", 0, port=chance.randint(32768, 60999))]) if n % 2 else both(0, 0, chance)
    ),
)
equal(
    "other-sizes",
    lambda _chance, _n, _size: iter([half("inbound", 0), half("outbound", 0, request=105)]),
)
equal(
    "reset",
    lambda chance, _n, _size: iter(
        [
            half("inbound", end := chance.randrange(1_000_000)),
            half("outbound", end + chance.randint(0, 900), request=105, error=' error="connection reset"'),
        ]
    ),
)


# ---- text


def text(name: str, of: Callable[[int], str]) -> None:
    """A road of reading: `of` gives the text."""

    def road(size: int) -> Callable[[], object]:
        data = of(size).encode() + b"\n"

        def work() -> None:
            parser = StreamParser("text.log")
            for at in range(0, len(data), 1 << 16):
                parser.feed(data[at : at + (1 << 16)])
            parser.finish()

        return work

    ROADS[f"text-{name}"] = road


WHOLE = half("outbound", 1_000_000)
TIMELESS = WHOLE.partition("\t")[2].replace("\t", " ")
FIELDS = WHOLE.partition("connection complete\t")[2]
OBJECT = {"level": "info", "time": WHOLE[:27], "scope": "access", "message": "connection complete", "src.addr": "1:1"}


def lines_of(what: str, width: int, size: int) -> str:
    """A text again and again, folded at a fixed column, so many lines of it."""
    folded = [what[at : at + width] for at in range(0, len(what), width)]
    return "\n".join((folded * (size // len(folded) + 1))[:size])


def each(line: str) -> Callable[[int], str]:
    """The same line again and again."""
    return lambda size: "\n".join([line] * size)


def long(head: str, part: str, tail: str = "") -> Callable[[int], str]:
    """One line with a part of it repeated; never longer than what is kept of a line."""
    return lambda size: head + part * min(size, 900_000 // len(part)) + tail


text("no-time", each(TIMELESS))
text("no-head", each(FIELDS))
for column in (30, 80):
    text(f"folded-{column}", lambda size, column=column: lines_of(WHOLE.replace("\t", " "), column, size))
    text(f"folded-{column}-no-time", lambda size, column=column: lines_of(TIMELESS, column, size))
    text(f"folded-{column}-no-head", lambda size, column=column: lines_of(FIELDS, column, size))
text("quoted", lambda size: lines_of("> " + TIMELESS, 78, size).replace("\n", "\n> "))
text("fields-apart", lambda size: "\n".join((TIMELESS.split() * (size // 15 + 1))[:size]))
text("starts", each(TIMELESS[:170]))
text("heads", each("info access connection complete"))
text("levels", each("info"))
text("start-and-words", lambda size: WHOLE[:200] + "\nlorem ipsum dolor" * size)
text("start-and-keys", lambda size: WHOLE[:200] + '\nsrc.workload="a"' * size)
text("ends", each('duration="5ms"'))
text("open-quotes", each(TIMELESS[:160] + ' src.workload="abc'))
text("no-end", each(WHOLE.partition(" duration=")[0]))
text("margins", lambda size: "\n".join("> " * (1 + n % 8) + WHOLE[:150] for n in range(size)))
text("frames", each(f"│ {TIMELESS[:100]} │"))
text("columns", each(f"{'info':10}{'access':10}{'connection complete':30}{FIELDS[:40]:50}"))
text("config", lambda size: f"{WHOLE[:27]}\tinfo\tztunnel\trunning with config: " + "\n a:" * size)
text("runtime-parts", each(f"{WHOLE[:27]} stdout P {WHOLE[:100]}"))
text("json-open", each('{"level":"info","message":"connection complete",'))
text("json-nested", each('{"a":'))
text("json-no-end", lambda size: "\n".join(json.dumps(OBJECT, indent=1).split("\n")[:-1] * (size // 6 + 1)))
text("json-no-start", lambda size: "\n".join(json.dumps(OBJECT, indent=1).split("\n")[1:] * (size // 6 + 1)))
text("json-array-open", lambda size: "[" + '\n{"log":"x"},' * size)
text("json-string-open", each('{"log":"' + TIMELESS.replace('"', '\\"')[:200]))
text("json-ends", each('"}'))
text("long-json", long("", '{"a":'))
text("long-objects", long("", '{"level":"info","a":"b" '))
text("long-keys", long(WHOLE, ' a="b"'))
text("long-near-keys", long("info access connection complete ", "src.adr=1.2.3.4:5 "))
text("long-quotes", long(WHOLE, ' a="'))
text("long-backslashes", long(WHOLE + ' a="', "\\"))
text("long-marks", long("", "> | ", WHOLE))
text("long-times", long("", WHOLE[:28], WHOLE))
text("long-blanks", long(WHOLE[:100], " ", "x"))
text("long-escapes", long("", "\x1b]", WHOLE))


# ---- the rest


def inventory(name: str, of: Callable[[int], str], ending: str) -> None:
    """A road of inventories: `of` gives the text of a file."""

    def road(size: int) -> Callable[[], object]:
        folder = tempfile.TemporaryDirectory()
        path = Path(folder.name) / f"inventory{ending}"
        path.write_text(of(size))

        def work() -> object:
            return folder, read_inventory(path)

        return work

    ROADS[f"inventory-{name}"] = road


AFTER = "   1/1   Running   0   1d   10.0.0.1   n1   <none>   <none>\n"
HEADER = "NAMESPACE   NAME   READY   STATUS   RESTARTS   AGE   IP   NODE   NOMINATED NODE   READINESS GATES\n"


def address(number: int) -> str:
    """All but the first part of an address."""
    return f"{number >> 16}.{number >> 8 & 255}.{number & 255}"


def pods(size: int) -> str:
    """`kubectl get pods -A -o wide`."""
    return HEADER + "".join(f"a   p{n}{AFTER.replace('0.0.1', address(n))}" for n in range(size))


inventory("pods", pods, ".txt")
inventory("long-row", lambda size: HEADER + "a   " + "p " * size + AFTER, ".txt")
inventory("long-name", lambda size: HEADER + "a   " + "p" * size + AFTER, ".txt")
inventory("cut-rows", lambda size: HEADER + "\n".join(["a   p   1/1   Run…"] * size), ".txt")
inventory(
    "addresses",
    lambda size: "ip,pod,namespace,node\n" + "".join(f"10.{address(n)},p{n},a,n\n" for n in range(size)),
    ".csv",
)


def rows_of(size: int) -> ztflow.Halves:
    """Halves that differ in their client."""
    lines = (half("outbound", n, client=n % 250, port=n % 60000) for n in range(size))
    return StreamParser("rows.log").feed(("\n".join(lines) + "\n").encode())


def filtered(size: int) -> Callable[[], object]:
    """So many rows, by as many alternatives as an expression may have."""
    words = " or ".join(f'src_workload == "c{n}"' for n in range(300))
    halves = rows_of(size)
    return lambda: ztflow.make_filter(words).apply(halves)


def explained(size: int) -> Callable[[], object]:
    """A line of so many keys."""
    line = WHOLE + ' k="v"' * size
    return lambda: str(explain(line))


def archived(size: int) -> Callable[[], object]:
    """An archive of so many small members."""
    folder = tempfile.TemporaryDirectory()
    path = Path(folder.name) / "logs.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for number in range(size):
            archive.writestr(f"pods/ztunnel-{number}.log", f"{half('outbound', number)}\n{WHOLE}\n")
    return lambda: (folder, ztflow.read_records(path))


def answered(size: int) -> Callable[[], object]:
    """A query result of Loki with so many lines."""
    values = [[str(1_767_225_600_000_000_000 + n), half("outbound", n)] for n in range(size)]
    data = json.dumps({"data": {"result": [{"stream": {"pod": "ztunnel-x"}, "values": values}]}}).encode() + b"\n"

    def work() -> None:
        parser = StreamParser("answer.json")
        parser.feed(data)
        parser.finish()

    return work


def written(form: str) -> Road:
    """A table of so many rows."""

    def road(size: int) -> Callable[[], object]:
        table = rows_of(size).to_arrow()

        def work() -> None:
            writer = open_writer(form, io.BytesIO(), table.schema)
            writer.write(table)
            writer.close()

        return work

    return road


ROADS |= {
    "filter-rows": filtered, "explain-keys": explained, "archive-members": archived, "loki-answer": answered,
    "table-wide": written("wide"), "table-jsonl": written("jsonl"), "table-csv": written("csv"),
}  # fmt: skip


def seconds(work: Callable[[], object]) -> float:
    """Processor seconds, the best of three where that is quick."""
    best = math.inf
    for _ in range(3):
        began = process_time()
        work()
        best = min(best, process_time() - began)
        if best > ENOUGH / 2:
            break
    return best


def exponent(road: Road, largest: int, most: float) -> tuple[float, int, float]:
    """The exponent of a road's last doublings, and the largest size with its seconds."""
    size, grown = 250, 0.0
    road(size)()  # What is compiled and loaded once.
    if seconds(road(size)) > ENOUGH / 4:
        size = 32  # or there would be no doublings before the end
    times: list[tuple[int, float]] = []
    while size <= largest and (not times or times[-1][1] < (MUCH if grown > most else ENOUGH)):
        times.append((size, seconds(road(size))))
        said = [(size, time) for size, time in times if time >= LEAST] or times[-2:]
        first, last = said[max(0, len(said) - 4)], said[-1]
        grown = 0.0 if first == last else math.log(last[1] / first[1]) / math.log(last[0] / first[0])
        size *= 2
    return grown, *times[-1]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("roads", nargs="*", help="roads, or beginnings of their names; all")
    parser.add_argument("--list", action="store_true", help="only print the roads")
    parser.add_argument("--most", type=float, default=MOST, help="largest exponent that passes")
    parser.add_argument("--largest", type=int, default=128_000, help="largest size")
    given = parser.parse_args()
    names = [name for name in ROADS if not given.roads or name.startswith(tuple(given.roads))]
    if given.list or not names:
        print("\n".join(ROADS))
        return 0 if names else 2
    failed = []
    print(f"{'road':24} {'exponent':>8} {'size':>8} {'seconds':>8} {'µs each':>8}")
    for name in names:
        grown, size, last = exponent(ROADS[name], given.largest, given.most)
        print(f"{name:24} {grown:8.2f} {size:8} {last:8.2f} {1e6 * last / size:8.1f}", flush=True)
        if grown > given.most:
            failed.append(name)
    if failed:
        print(f"grow too fast: {', '.join(failed)}", file=sys.stderr)
    return int(bool(failed))


if __name__ == "__main__":
    sys.exit(main())
