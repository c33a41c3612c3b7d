#!/usr/bin/env python3
"""The map page as it is seen: drives it in Chromium, holds what is drawn against the data, measures, takes pictures.

    map_page.py [--pods N] [--edges N] [--nodes N] [--pictures DIRECTORY] [--keep DIRECTORY]

Makes three maps: of a simulated cluster of 17 pods, of `--pods` pods with `--edges` edges on `--nodes` nodes, and of
names that try to break out; and the page for a colleague of the big cluster. Ends with an error at the first thing that
is not as it should be, or that takes longer or more than it may: 1 s to open, 100 ms for whatever one does, 2 MB for a
map, 5 MB for the page for a colleague. `--pictures` saves those of docs/reference/pictures, `--keep` the pages.

What one does is done with keys and mouse, and timed as Chromium itself times what a person waits (Event Timing, see
`Chromium.felt`): from the input to the presentation of the first frame that answers it. A loop over animation frames
in the page would tell other than that: it waits for a second frame that nobody waits for, and sees nothing of the
rastering. By the clock the least of several runs counts, as other programs on the machine only ever make it longer; the
median is told beside it. Of the processor time of the page's main thread, which they change little, the median counts:
60 ms at most, which leaves room for rastering and the next tick of the screen. Opening is the least of three.

Needs Chromium; Debian: `apt-get install chromium`. Not among the tests, which run where there is no browser.
"""

from __future__ import annotations

import argparse
import json
import shlex
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

import numpy as np
from chromium import Chromium, browser
from map_pages import HOSTILE, big, changed, hostile, small
from map_seen import CHANGES, KINDS, Seen, check, choose, enter, press, tick
from map_speed import drive_speed

OPEN_MS, PAGE_BYTES, WHOLE_BYTES = 1000, 2_000_000, 5_000_000


def opened(chromium: Chromium, page: Path, name: str, most: float = OPEN_MS) -> None:
    """Opens a page three times: the first time a browser also loads itself."""
    times = [chromium.open(page) for _ in range(4)][1:]
    size = page.stat().st_size
    clock, busy = (min(some) for some in zip(*times, strict=True))
    print(f"{name}: {size:,} bytes, opens in {clock:.0f} ms by the clock, {busy:.0f} ms of processor")
    check(clock <= most, f"opens within {most} ms")
    check(size <= PAGE_BYTES, f"page of at most {PAGE_BYTES:,} bytes")
    check(chromium.complaints == [], f"the program runs: {chromium.complaints[:1]}")
    check(set(chromium.requests) == {page.resolve().as_uri()}, "nothing but the file is asked for")


def check_command(seen: Seen, folder: Path) -> None:
    """Runs the command that the panel offers, and holds what it lists against the panel's figure."""
    told = str(seen.chromium.run("document.querySelector('#panel .copy').value"))
    words = [sys.executable, "-m", "ztflow", *shlex.split(told)[1:], "-o", "jsonl"]
    listed = subprocess.run(words, cwd=folder, capture_output=True, text=True, check=True).stdout.splitlines()
    check(f"{len(listed):,}" == seen.text("#panel .figures td"), f"the command lists just these: {told}")


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
    kinds = json.loads(chromium.run(KINDS))
    check(
        {"mtls", "plaintext", "plaintext_refused", "left_mesh"} <= set(kinds),
        f"every encryption can be left out: {kinds}",
    )
    for alone in ("plaintext", "plaintext_refused", "left_mesh"):
        others = [name for name in kinds if name != alone]
        for name in others:
            chromium.run(tick(name))
        check(0 < seen.number("#canvas .edge") < edges, f"the filter leaves {alone} only")
        check(seen.number("#canvas .lock") == seen.number(f"#canvas .lock.{alone}"), "and its signs are all alike")
        chromium.run(press("#canvas .lock .sign"))
        check_command(seen, page.parent)
        chromium.key("Escape", 27)
        for name in others:
            chromium.run(tick(name))
    chromium.run(choose("#colour", "encryption"))
    check(seen.number("#canvas .edge.plaintext") > 0, "colours by encryption")
    chromium.run(choose("#colour", "distance"))
    chromium.run(choose("#least", "60", "input"))
    check(seen.number("#canvas .edge") < edges, "least traffic hides small edges")
    check("below the least traffic" in seen.text("#count"), "and their number is told")
    chromium.run(choose("#least", "0", "input"))
    before = seen.table()
    chromium.run(choose("#to", "10", "input"))
    check(seen.table() != before, "the slider of time changes the figures")
    check("in the chosen time" in seen.text("#count"), "and it is told")
    for end, step in (("#from", "2"), ("#to", "7")):
        chromium.run(choose(end, step, "input"))
    chromium.run(press("#canvas .edge .catch"))
    check_command(seen, page.parent)
    chromium.key("Escape", 27)
    chromium.run(choose("#from", "0", "input"))
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
    check(seen.number("#canvas .edge:not(.dim)") == 1, "which alone stands out")
    check(seen.number("#panel .refusals li") > 0, "with why it was refused")
    check(seen.number("#panel .spark .all") == 1, "its traffic over time")
    check("access" in seen.text("#panel .sample pre"), "and lines of the log")
    check(".log:" in seen.text("#panel .sample .place"), "which say where they stand")
    check_command(seen, page.parent)
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
    place = chromium.run(
        "(box => [box.x + 9, box.y + 9])(document.querySelector('#canvas .vertex rect').getBoundingClientRect())"
    )
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
    chromium.run(choose("#search", "", "input"))
    drive_speed(chromium, seen, data["vertices"]["id"][7], nodes, pictures)
    check(chromium.complaints == [], f"no complaint of the program: {chromium.complaints[:1]}")


def drive_dense(chromium: Chromium, page: Path) -> None:
    """Sixty nodes, each of which calls most others: no picture, but a matrix."""
    seen = Seen(chromium)
    opened(chromium, page, "60 nodes")
    check(seen.text("#count").startswith("60 rows"), "opens with the matrix of nodes")
    check(seen.number("#canvas .matrix .row") == 60, "a row each")
    chromium.run(choose("#view", "map"))
    check("see the matrix" in seen.text("#count"), "the map says how many lines it leaves out")
    check(seen.number("#canvas .edge") <= 300, "and draws no more than can be told apart")
    chromium.send("Emulation.setEmulatedMedia", media="print")
    check(
        chromium.run("getComputedStyle(document.querySelector('nav .row')).display") == "none", "print has no controls"
    )
    chromium.send("Emulation.setEmulatedMedia", media="")


def drive_whole(chromium: Chromium, page: Path, pictures: Path | None) -> None:
    """The page for a colleague: its parts around a map that works."""
    seen = Seen(chromium)
    size = page.stat().st_size
    print(f"the page for a colleague, of the same: {size:,} bytes, opens in {chromium.open(page)[0]:.0f} ms")
    check(size <= WHOLE_BYTES, f"page of at most {WHOLE_BYTES:,} bytes")
    if pictures:
        chromium.shoot(pictures / "page.png")
    wide = chromium.run(
        "parseFloat(getComputedStyle(document.querySelector('.parts td[style*=linear-gradient]')).backgroundSize)"
    )
    check(wide > 0, "bars are drawn behind numbers")
    cells = "[...document.querySelectorAll('.parts td[style*=color-mix]')]"
    heat = f"new Set({cells}.map(one => getComputedStyle(one).backgroundColor)).size"
    check(chromium.run(heat) > 3, "and heat in matrices")
    chromium.run(choose("#search", "service-7-", "input"))
    chromium.run("document.querySelector('#panel .found button').click()")
    check(seen.number("#canvas .vertex.hit") == 1, "the map in it works")
    links = "[...document.querySelectorAll('.contents a')].every(one => document.getElementById(one.hash.slice(1)))"
    check(chromium.run(links), "every link of the contents leads somewhere")
    check(chromium.complaints == [], f"no complaint of the program: {chromium.complaints[:1]}")
    check(set(chromium.requests) == {page.resolve().as_uri()}, "nothing but the file is asked for")


def drive_changes(chromium: Chromium, page: Path, changes: Counter[str], pictures: Path | None) -> None:
    """What changed since an earlier capture, on the map of a later one."""
    seen = Seen(chromium)
    opened(chromium, page, f"what changed: {sum(changes.values())} pairs of workloads")
    check(chromium.run("document.querySelector('#colour').value") == "change", "the map is coloured by what changed")
    if pictures:
        chromium.run("document.querySelector('#screen').scrollIntoView()")
        chromium.shoot(pictures / "map-changes.png")
    for name in ("gone", "more", "less"):
        check(seen.number(f"#canvas .edge.{name}") == changes[name] > 0, f"{changes[name]} lines that say {name}")
    new = sum(number for names, number in changes.items() if names.split()[0] == "new")
    others = [name for name in json.loads(chromium.run(CHANGES)) if name != "new"]
    for name in others:
        chromium.run(tick(name))
    check(seen.number("#canvas .edge") >= new > 0, f"the filter leaves the {new} that are new")
    check(seen.number("#canvas .edge.gone") == 0, "and none that is gone")
    for name in others:
        chromium.run(tick(name))
    chromium.run(press("#canvas .edge.gone .catch"))
    check(seen.text("#panel .figures td") == "0", "what is gone has no connections")
    check("before, and gone now" in seen.text("#panel .figures"), "but had some")
    check(seen.number("#panel .copy") == 0, "and no command lists them")
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
        chromium.run(enter("#canvas .vertex", number))
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
            page, whole, edges = big(folder, chosen.pods, chosen.edges, chosen.nodes)
            drive_big(chromium, page, chosen.pods, edges, chosen.nodes, chosen.pictures)
        with browser(1360, 960) as chromium:
            drive_dense(chromium, big(folder / "dense", 600, 9000, 60)[0])
        with browser(1360, 960) as chromium:
            drive_whole(chromium, whole, chosen.pictures)
        with browser(1360, 960) as chromium:
            drive_changes(chromium, *changed(folder), chosen.pictures)
        with browser(1360, 960) as chromium:
            drive_hostile(chromium, hostile(folder))


if __name__ == "__main__":
    main()
