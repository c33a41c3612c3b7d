#!/usr/bin/env python3
"""The map page as it is seen: drives it in Chromium, holds what is drawn against the data, measures, takes pictures.

    map_page.py [--pods N] [--edges N] [--nodes N] [--pictures DIRECTORY] [--keep DIRECTORY]

Makes three pages: of a simulated cluster of 17 pods, of `--pods` pods with `--edges` edges on `--nodes` nodes, and of
names that try to break out. Ends with an error at the first thing that is not as it should be, or that takes longer or
more than it may: 1 s to open, 100 ms of processor time for whatever one does (the
least of five), 2 MB for the page. Prints what it
measured. `--pictures` saves those of docs/reference, `--keep` the pages.

Needs Chromium; Debian: `apt-get install chromium`. Not among the tests, which run where there is no browser.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
from chromium import Chromium, browser

import ztflow
from ztflow.graph.map_page import map_page
from ztflow.model.tables import FLOWS_SCHEMA, Flows
from ztflow.simulate import preset, simulate

OPEN_MS, ACT_MS, PAGE_BYTES = 1000, 100, 2_000_000
START = datetime(2026, 3, 2, 9, tzinfo=UTC)


def check(holds: bool, what: str) -> None:
    """Ends the run with an error unless something holds."""
    if not holds:
        raise SystemExit(f"not so: {what}")
    print(f"  ok  {what}")


def small(folder: Path) -> Path:
    """The page of a simulated capture."""
    simulate(preset("mixed"), seed=1).write(folder / "logs")
    flows = ztflow.read_flows(folder / "logs")
    page = folder / "small.html"
    page.write_text(map_page(flows, inputs=[str(folder / "logs")]))
    return page


def big(folder: Path, pods: int, edges: int, nodes: int) -> tuple[Path, int]:
    """The page of a big cluster: 20 connections an edge on average, and a log with a line for each."""
    rng = np.random.default_rng(1)
    rows = edges * 20
    pairs = np.unique(rng.integers(0, pods * pods, edges * 2))
    pairs = rng.permutation(pairs[pairs // pods != pairs % pods])[:edges]
    edge = np.concatenate([np.arange(edges), rng.zipf(1.3, rows) % edges])[:rows]
    source, target = pairs[edge] // pods, pairs[edge] % pods

    def words(codes: np.ndarray, names: list[str]) -> pa.Array:
        return pa.DictionaryArray.from_arrays(pa.array(codes.astype(np.int32)), pa.array(names))

    names = [f"team-{pod % 40}/service-{pod % 400}-6f4dc97cb-{pod:05x}" for pod in range(pods)]
    node_names = [f"worker-{node:02d}" for node in range(nodes)]
    zones = ["zone-a", "zone-b", "zone-c"]
    from_node, to_node = source % nodes, target % nodes
    ended = np.datetime64(START.replace(tzinfo=None), "us") + np.sort(rng.integers(0, 3_600_000_000, rows))
    verdict = (rng.random(rows) < 0.01).astype(np.int32)
    plain = rng.random(edges)[edge] < 0.05
    log = folder / "big.log"
    line = (
        'info\taccess\tconnection complete\tsrc.addr=10.0.0.1:5 src.workload="{}" dst.workload="{}" direction="outbound" bytes_sent=84 '
        'src.identity="spiffe://cluster.local/ns/team/sa/service" dst.identity="spiffe://cluster.local/ns/team/sa/service" '
        'bytes_recv=9832 duration="203ms"\n'
    )
    log.write_text("".join(line.format(names[a], names[b]) for a, b in zip(source, target, strict=True)))
    columns = {
        "start": pa.array(ended - np.timedelta64(200_000, "us")).cast(pa.timestamp("us", "UTC")),
        "end": pa.array(ended).cast(pa.timestamp("us", "UTC")),
        "src_pod": words(source, names), "dst_pod": words(target, names),
        "src_namespace": words(source % 40, [f"team-{team}" for team in range(40)]),
        "dst_namespace": words(target % 40, [f"team-{team}" for team in range(40)]),
        "src_workload": words(source % 400, [f"service-{service}" for service in range(400)]),
        "dst_workload": words(target % 400, [f"service-{service}" for service in range(400)]),
        "src_node": words(from_node, node_names), "dst_node": words(to_node, node_names),
        "src_zone": words(from_node % 3, zones), "dst_zone": words(to_node % 3, zones),
        "locality": words((from_node != to_node), ["same_node", "cross_node"]),
        "zone_locality": words((from_node % 3 != to_node % 3), ["same_zone", "cross_zone"]),
        "request_bytes": pa.array(rng.integers(50, 5_000, rows)), "response_bytes": pa.array(rng.integers(50, 90_000, rows)),
        "duration_ms": pa.array(rng.integers(1, 30_000, rows)), "mtls": pa.array(~plain),
        "path": words(plain, ["hbone", "plaintext"]), "verdict": words(verdict, ["forwarded", "denied"]),
        "policy": pa.array([None if not denied else "team-0/deny-all" for denied in verdict.tolist()]).dictionary_encode(),
        "paired": words(np.zeros(rows), ["unique"]), "outbound_file": words(np.zeros(rows), [str(log)]),
        "outbound_line": pa.array(np.arange(1, rows + 1)),
    }  # fmt: skip
    table = pa.table(
        {
            name: columns[name].cast(kind) if name in columns else pa.nulls(rows, kind)
            for name, kind in zip(FLOWS_SCHEMA.names, FLOWS_SCHEMA.types, strict=True)
        },
        schema=FLOWS_SCHEMA,
    )
    page = folder / "big.html"
    page.write_text(map_page(Flows(table), inputs=[str(log)]))
    return page, len(pairs)


HOSTILE = ('</script><script>document.title="owned"</script>', '<img src=x onerror=document.title="owned">',
           "</noscript><b>bold</b>", "a'; rm -rf /", '"quoted"', "\u202erev", "x" * 300)  # fmt: skip


def hostile(folder: Path) -> Path:
    """The page of names that try to be markup."""
    rows = [
        {
            "end": START + timedelta(seconds=number), "src_pod": f"evil/{name}", "dst_pod": "data/db-0",
            "src_namespace": "evil", "dst_namespace": "data", "src_node": name, "dst_node": "node-b", "src_zone": name,
            "verdict": "denied", "policy": name, "error_class": name, "path": "hbone", "mtls": True,
            "locality": "cross_node", "paired": "unique", "outbound_file": name, "outbound_line": 1,
        }
        for number, name in enumerate(HOSTILE)
    ]  # fmt: skip
    page = folder / "hostile.html"
    page.write_text(map_page(Flows(pa.Table.from_pylist(rows, schema=FLOWS_SCHEMA)), inputs=HOSTILE))
    return page


TEXT = "document.querySelector({}).textContent"


class Seen:
    """What a page shows, asked as a test would."""

    def __init__(self, chromium: Chromium) -> None:
        self.chromium = chromium

    def number(self, selector: str) -> int:
        """How many elements there are."""
        return int(self.chromium.run(f"document.querySelectorAll({json.dumps(selector)}).length"))

    def text(self, selector: str) -> str:
        """The text of the first."""
        return str(self.chromium.run(TEXT.format(json.dumps(selector))))

    def does(self, what: str, code: str, most: float = ACT_MS) -> None:
        """Measures an action, the same one five times; the main thread's processor time is held to a bound."""
        times = [self.chromium.timed(code) for _ in range(5)]
        clock, busy = (min(some) for some in zip(*times, strict=True))
        print(f"  {busy:6.0f} ms of processor, {clock:.0f} ms by the clock: {what}")
        if busy > most:
            raise SystemExit(f"not so: {what} within {most} ms")


def choose(selector: str, value: str, event: str = "change") -> str:
    """Code that sets a control and tells the page."""
    return (
        f"(() => {{ const one = document.querySelector({json.dumps(selector)}); one.value = {json.dumps(value)}; "
        f"one.dispatchEvent(new Event('{event}', {{bubbles: true}})); }})()"
    )


def press(selector: str) -> str:
    """Code that clicks a shape: where two lines cross, the mouse itself might meet the other."""
    return (
        (
            f"(document.querySelector({json.dumps(selector)}).dispatchEvent(new PointerEvent('pointerdown', {{bubbles: true, "
            "button: 0, buttons: 1}})), document.querySelector('#canvas').dispatchEvent(new PointerEvent('pointerup', "
            "{{bubbles: true, detail: 1}})))"
        )
        .replace("{{", "{")
        .replace("}}", "}")
    )


def tick(name: str) -> str:
    """Code that ticks or clears a filter."""
    return f"document.querySelector('input[data-name={name}]').click()"


def opened(chromium: Chromium, page: Path, name: str, most: float = OPEN_MS) -> None:
    """Opens a page three times: the first time a browser also loads itself."""
    times = [chromium.open(page) for _ in range(4)][1:]
    size = page.stat().st_size
    print(f"{name}: {size:,} bytes, opens in {min(times):.0f} to {max(times):.0f} ms")
    check(min(times) <= most, f"opens within {most} ms")
    check(size <= PAGE_BYTES, f"page of at most {PAGE_BYTES:,} bytes")
    check(chromium.complaints == [], f"the program runs: {chromium.complaints[:1]}")
    check(set(chromium.requests) == {page.resolve().as_uri()}, "nothing but the file is asked for")


def drive_small(chromium: Chromium, page: Path, pictures: Path | None) -> None:
    """Everything there is to do, on a page where it can all be counted."""
    seen = Seen(chromium)
    data = json.loads(page.read_text().partition('id="graph">')[2].partition("</script>")[0])
    edges, vertices = len(data["edges"]["source"]), len(data["vertices"]["id"])
    opened(chromium, page, "17 pods")
    check(seen.number("#canvas .vertex") == vertices, f"all {vertices} vertices are drawn")
    check(seen.number("#canvas .edge") == edges, f"all {edges} edges are drawn")
    check(seen.number("#canvas .lock.plaintext") > 0, "plaintext has its open lock")
    check(seen.number("#canvas .badge") > 0, "refusals have their badge")
    if pictures:
        chromium.shoot(pictures / "map.png")
    for name in ("mtls", "untold", "waypoint"):
        if seen.number(f"input[data-name={name}]"):
            chromium.run(tick(name))
    check(0 < seen.number("#canvas .edge") < edges, "the filter leaves plaintext only")
    check(seen.number("#canvas .lock") == seen.number("#canvas .lock.plaintext"), "and its locks are all open")
    for name in ("mtls", "untold", "waypoint"):
        if seen.number(f"input[data-name={name}]"):
            chromium.run(tick(name))
    chromium.run(choose("#colour", "encryption"))
    check(seen.number("#canvas .edge.plaintext") > 0, "colours by encryption")
    chromium.run(choose("#colour", "distance"))
    chromium.run(choose("#least", "60", "input"))
    check(seen.number("#canvas .edge") < edges, "least traffic hides small edges")
    check("below the least traffic" in seen.text("#count"), "and their number is told")
    chromium.run(choose("#least", "0", "input"))
    before = seen.text("#rows")
    chromium.run(choose("#to", "10", "input"))
    check(seen.text("#rows") != before, "the slider of time changes the figures")
    check("in the chosen time" in seen.text("#count"), "and it is told")
    chromium.run(choose("#to", "99", "input"))

    chromium.click("#search")
    chromium.write("vault")
    check("1 of" in seen.text("#panel .found h2"), "a search finds vault")
    check(seen.number("#canvas .vertex.hit") == 1, "one vertex is marked")
    check(seen.number("#canvas .vertex.dim") > 0, "and others are dimmed")
    chromium.key("Enter", 13)
    check("vault" in seen.text("#panel h2"), "Enter goes to it")
    check(0 < seen.number("#canvas .vertex") < vertices, "with its neighbours alone")
    if pictures:
        chromium.shoot(pictures / "map-focus.png")
    chromium.key("Escape", 27)
    chromium.key("Escape", 27)
    check(seen.number("#canvas .vertex") == vertices, "Escape goes back to the whole map")

    chromium.run(press("#canvas .edge.refused .catch"))
    check("→" in seen.text("#panel h2"), "a click on an edge shows it")
    check(seen.number("#panel .refusals li") > 0, "with why it was refused")
    check(seen.number("#panel .spark .all") == 1, "its traffic over time")
    check("access" in seen.text("#panel .sample pre"), "and lines of the log")
    check(".log:" in seen.text("#panel .sample .place"), "which say where they stand")
    told = str(chromium.run("document.querySelector('#panel .copy').value"))
    check(told.startswith("ztflow flows ") and "--from-" in told, f"the command: {told}")
    if pictures:
        chromium.shoot(pictures / "map-edge.png")
    chromium.key("Escape", 27)
    chromium.run("document.querySelector('#canvas .vertex').focus()")
    chromium.key("Enter", 13)
    check(seen.number("#panel .figures") == 1, "Enter selects a vertex")
    chromium.key("f")
    check(not chromium.run("document.querySelector('#back').hidden"), "F focuses it")
    chromium.key("Escape", 27)
    wide = chromium.run("document.querySelector('#canvas').viewBox.baseVal.width")
    chromium.key("+")
    check(chromium.run("document.querySelector('#canvas').viewBox.baseVal.width") < wide, "+ zooms in")
    chromium.key("0")
    box = "#canvas .box[data-item] .head .grip"
    shown = seen.number("#canvas .vertex")
    chromium.click(box)
    check(seen.number("#canvas .vertex.group") == 1, "a click on a box's head closes it")
    check(seen.number("#canvas .vertex") < shown, "in place of what it held")
    chromium.click("#canvas .vertex.group .marker")
    check(seen.number("#canvas .vertex") == shown, "and opens it again")
    x = chromium.run("Number(document.querySelector('#canvas .vertex rect').getAttribute('x'))")
    place = chromium.run("(() => { const b = document.querySelector('#canvas .vertex rect').getBoundingClientRect(); return [b.x + 9, b.y + 9]; })()")  # fmt: skip
    chromium.mouse("mousePressed", *place, button="left", buttons=1, clickCount=1)
    chromium.mouse("mouseMoved", place[0] + 60, place[1] + 40, button="left", buttons=1)
    chromium.mouse("mouseReleased", place[0] + 60, place[1] + 40, button="left")
    check(
        chromium.run("Number(document.querySelector('#canvas .vertex rect').getAttribute('x'))") > x,
        "a vertex can be dragged",
    )
    chromium.key("m")
    check(seen.number("#canvas .cell") > 0, "M shows the matrix")
    chromium.key("m")
    paper = "getComputedStyle(document.body).backgroundColor"
    chromium.dark(True)
    check(chromium.run(paper) == "rgb(20, 24, 29)", "dark where the system is")
    if pictures:
        chromium.click("#fit")
        chromium.shoot(pictures / "map-dark.png")
    chromium.key("t")
    check(chromium.run(paper) == "rgb(255, 255, 255)", "T makes it light")
    chromium.dark(False)
    check(chromium.complaints == [], f"no complaint of the program: {chromium.complaints[:1]}")


def drive_big(chromium: Chromium, page: Path, pods: int, edges: int, nodes: int, pictures: Path | None) -> None:
    """Reach and speed at a size no picture can show at once."""
    seen = Seen(chromium)
    opened(chromium, page, f"{pods:,} pods, {edges:,} edges")
    check(seen.number("#canvas .vertex") <= 90, "opens at a level that can be read")
    check(seen.number("#canvas .edge") <= 300, "with lines that can be told apart")
    check(seen.number("#canvas .vertex.group") == nodes, f"the {nodes} nodes")
    if pictures:
        chromium.shoot(pictures / "map-big.png")
    data = json.loads(page.read_text().partition('id="graph">')[2].partition("</script>")[0])
    used = np.bincount([*data["edges"]["source"], *data["edges"]["target"]])
    rare = sorted(np.flatnonzero(used).tolist(), key=lambda vertex: used[vertex])[:: max(len(used) // 25, 1)]
    for vertex in rare:
        name = data["vertices"]["id"][vertex]
        chromium.run(choose("#search", name, "input"))
        chromium.run("document.querySelector('#panel .found button').click()")
        near = {
            a + b - vertex
            for a, b in zip(data["edges"]["source"], data["edges"]["target"], strict=True)
            if vertex in (a, b)
        }
        drawn = seen.number("#canvas .vertex")
        if drawn != len(near) + 1:
            raise SystemExit(f"not so: {name} is drawn with its {len(near)} neighbours, but {drawn} vertices")
    check(True, f"{len(rare)} pods, the rarest among them, are found and drawn with all their neighbours")
    chromium.run("document.querySelector('#back').click()")
    seen.does("search, a letter more", choose("#search", "service-1", "input"))
    chromium.run(choose("#search", "", "input"))
    seen.does("go to a pod and lay out its neighbours", "document.querySelector('#back').click();" + choose("#search", data["vertices"]["id"][7], "input") + ";document.querySelector('#panel .found button').click()")  # fmt: skip
    chromium.run("document.querySelector('#back').click()")
    chromium.run(choose("#search", "", "input"))
    seen.does("clear or tick a filter", tick("plaintext"))
    if not chromium.run("document.querySelector('input[data-name=plaintext]').checked"):
        chromium.run(tick("plaintext"))
    seen.does("move the slider of time", choose("#to", "30", "input"))
    chromium.run(choose("#to", "99", "input"))
    seen.does("move the slider of least traffic", choose("#least", "30", "input"))
    chromium.run(choose("#least", "0", "input"))
    chromium.run(press("#canvas .vertex.group .marker"))
    check(seen.number("#canvas .vertex") > nodes + 20, "a box opens in place")
    check("bundles" in seen.text("#count") or seen.number("#canvas .edge") <= 300, "and lines are bundled")
    if pictures:
        chromium.key("Escape", 27)
        chromium.shoot(pictures / "map-open.png")
    seen.does(
        "close or open a box of a hundred pods",
        "document.querySelector('#canvas .box.inner') ? "
        + press("#canvas .box.inner .marker") + " : " + press("#canvas .vertex.group .marker"),
    )  # fmt: skip
    chromium.key("Escape", 27)
    chromium.key("m")
    check(seen.number("#canvas .cell") > nodes, "the matrix of nodes")
    if pictures:
        chromium.shoot(pictures / "map-matrix.png")
    seen.does("colour the matrix anew", choose("#colour", "encryption"))
    seen.does("matrix of workloads", choose("#level-select", "workload"))
    seen.does("select a cell", press("#canvas .cell"))
    check("→" in seen.text("#panel h2"), "a cell shows its figures")
    check(chromium.complaints == [], f"no complaint of the program: {chromium.complaints[:1]}")


def drive_hostile(chromium: Chromium, page: Path) -> None:
    """Names stay text, whatever is done with them."""
    seen = Seen(chromium)
    opened(chromium, page, "hostile names")
    check(
        seen.number("img, b, body script:not(#graph)") == 1,
        "no element came out of a name, only the page's own program",
    )
    check(chromium.run("document.title") == "ztflow: traffic by pod", "no name was run")
    names = chromium.run("[...document.querySelectorAll('#canvas .vertex')].map(one => one.getAttribute('aria-label'))")
    check(any(HOSTILE[0] in name for name in names), "names are shown as they are")
    for number in range(seen.number("#canvas .vertex")):
        chromium.run(f"document.querySelectorAll('#canvas .vertex')[{number}].focus(); document.activeElement.dispatchEvent(new KeyboardEvent('keydown', {{key: 'Enter', bubbles: true}}))")  # fmt: skip
    chromium.key("m")
    check(seen.number("img, b, body script:not(#graph)") == 1, "nor after each was selected")
    chromium.run(choose("#view", "map"))
    chromium.run(choose("#search", "rm -rf", "input"))
    chromium.run("document.querySelector('#panel .found button').click()")
    told = str(chromium.run("document.querySelector('#panel .copy').value"))
    check("'evil/a'\\''; rm -rf /'" in told, "a command quotes what it is given")
    check(chromium.complaints == [], f"no complaint of the program: {chromium.complaints[:1]}")


def main() -> None:
    options = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    options.add_argument("--pods", type=int, default=2000)
    options.add_argument("--edges", type=int, default=10_000)
    options.add_argument("--nodes", type=int, default=20)
    options.add_argument("--pictures", type=Path)
    options.add_argument("--keep", type=Path)
    chosen = options.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = chosen.keep or Path(temporary)
        folder.mkdir(exist_ok=True)
        with browser(1360, 960) as chromium:
            chromium.dark(False)
            drive_small(chromium, small(folder), chosen.pictures)
        with browser(1360, 960) as chromium:
            page, edges = big(folder, chosen.pods, chosen.edges, chosen.nodes)
            drive_big(chromium, page, chosen.pods, edges, chosen.nodes, chosen.pictures)
        with browser(1360, 960) as chromium:
            drive_hostile(chromium, hostile(folder))


if __name__ == "__main__":
    main()
