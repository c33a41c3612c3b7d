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
from collections.abc import Callable
from pathlib import Path
from statistics import median

import numpy as np
from chromium import Chromium, browser
from map_pages import HOSTILE, big, changed, hostile, small

OPEN_MS, ACT_MS, BUSY_MS, PAGE_BYTES, WHOLE_BYTES = 1000, 100, 60, 2_000_000, 5_000_000


def check(holds: bool, what: str) -> None:
    """Ends the run with an error unless something holds."""
    if not holds:
        raise SystemExit(f"not so: {what}")
    print(f"  ok  {what}")


_MOMENT = "new Promise(done => setTimeout(done, 300))"
TEXT = "document.querySelector({}).textContent"


class Seen:
    """What a page shows, asked as a test would."""

    def __init__(self, chromium: Chromium) -> None:
        self.chromium = chromium
        self.waits: dict[str, tuple[float, float]] = {}

    def number(self, selector: str) -> int:
        """How many elements there are."""
        return int(self.chromium.run(f"document.querySelectorAll({json.dumps(selector)}).length"))

    def text(self, selector: str) -> str:
        """The text of the first."""
        return str(self.chromium.run(TEXT.format(json.dumps(selector))))

    def table(self) -> str:
        """The rows of the table, which are filled when it comes to be seen."""
        self.chromium.run("document.querySelector('#edges').scrollIntoView()")
        self.chromium.run(_MOMENT)
        rows = self.text("#rows")
        self.chromium.run("scrollTo(0, 0)")
        return rows

    def does(self, what: str, *acts: Callable[[], None], undo: Callable[[], None] | None = None, runs: int = 6) -> None:
        """Times what is done with keys or mouse, one act after another, again and again; `undo` is not timed."""
        clocks, busies = [], []
        for run in range(runs):
            clock, busy = self.chromium.felt(acts[run % len(acts)])
            clocks.append(clock)
            busies.append(busy)
            if undo:
                self.chromium.felt(undo)
        self.waits[what] = (min(clocks), median(busies))
        print(
            f"  {min(clocks):4.0f} ms by the clock, median {median(clocks):.0f}; {median(busies):.0f} ms busy: {what}"
        )

    def check_waits(self) -> None:
        """Ends the run with an error at what took too long."""
        for what, (clock, busy) in self.waits.items():
            if clock > ACT_MS or busy > BUSY_MS:
                raise SystemExit(f"not so: {what} within {ACT_MS} ms by the clock and {BUSY_MS} ms of the main thread")
        print(f"  ok  each of these within {ACT_MS} ms by the clock and {BUSY_MS} ms of the main thread")

    def place(self, selector: str) -> tuple[float, float]:
        """A point of the screen at which the mouse meets the first shape a selector finds, and no other one."""
        return tuple(self.chromium.run(_PLACE.format(json.dumps(selector))))


_PLACE = """
(selector => {{
  for (const one of document.querySelectorAll(selector)) {{
    const box = one.getBoundingClientRect(), line = one.getTotalLength && one.matches(".catch");
    for (let part = 0.05; part < 1; part += 0.05) {{
      const at = line ? one.getPointAtLength(part * one.getTotalLength()).matrixTransform(one.getScreenCTM())
        : {{ x: box.x + part * box.width, y: box.y + box.height / 2 }};
      const met = document.elementFromPoint(at.x, at.y);
      if (met && (one.contains(met) || (line && one.parentElement.contains(met)))) return [at.x, at.y];
    }}
  }}
  throw Error("nowhere is met: " + selector);
}})({})
"""


def choose(selector: str, value: str, event: str = "change") -> str:
    """Code that sets a control and tells the page."""
    return (
        f"(() => {{ const one = document.querySelector({json.dumps(selector)}); one.value = {json.dumps(value)}; "
        f"one.dispatchEvent(new Event('{event}', {{bubbles: true}})); }})()"
    )


def press(selector: str) -> str:
    """Code that clicks a shape: where two lines cross, the mouse itself might meet the other."""
    down = f"document.querySelector({json.dumps(selector)}).dispatchEvent(new PointerEvent('pointerdown', "
    up = "document.querySelector('#canvas').dispatchEvent(new PointerEvent('pointerup', "
    return f"({down}{{bubbles: true, button: 0, buttons: 1}})), {up}{{bubbles: true, detail: 1}})))"


def enter(selector: str, number: int = 0) -> str:
    """Code that gives one of the elements the focus and presses Enter."""
    return (
        f"(() => {{ const one = document.querySelectorAll({json.dumps(selector)})[{number}]; one.focus(); "
        "one.dispatchEvent(new KeyboardEvent('keydown', {key: 'Enter', bubbles: true})); })()"
    )


_NAMES = "JSON.stringify([...document.querySelectorAll('input[data-kind={}]')].map(one => one.dataset.name))"
_KINDS, _CHANGES = _NAMES.format("encryption"), _NAMES.format("change")


def tick(name: str) -> str:
    """Code that ticks or clears a filter."""
    return f"document.querySelector('input[data-name={name}]').click()"


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
    kinds = json.loads(chromium.run(_KINDS))
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


def drive_speed(chromium: Chromium, seen: Seen, name: str, nodes: int, pictures: Path | None) -> None:
    """How long somebody waits for whatever can be done; and that it was done."""

    def focus(selector: str) -> None:
        chromium.run(f"document.querySelector({json.dumps(selector)}).focus()")

    def press(key: str, code: int = 0) -> Callable[[], None]:
        return lambda: chromium.key(key, code)

    def click(selector: str) -> Callable[[], None]:
        return lambda: chromium.click_at(*seen.place(selector))

    def drag() -> None:
        x, y = seen.place("#canvas .vertex:not(.group) rect")
        chromium.mouse("mousePressed", x, y, button="left", buttons=1, clickCount=1)
        chromium.mouse("mouseMoved", x + 9, y + 9, button="left", buttons=1)

    def release() -> None:
        chromium.mouse("mouseReleased", 400, 400, button="left", clickCount=1)

    focus("#search")
    seen.does("search, a letter more", *map(press, "service-7"), runs=9)
    check(seen.number("#canvas .dim") > 0, "the search dims what it does not find")

    def sought() -> None:
        press("Escape", 27)()  # which also empties the field
        chromium.run(choose("#search", name, "input"))

    sought()
    seen.does("go to a pod and lay out its neighbours", press("Enter", 13), undo=sought)
    press("Enter", 13)()
    check("neighbours" in seen.text("#count"), "which is told")
    seen.does("back to the whole map", press("Escape", 27), undo=lambda: (sought(), press("Enter", 13)()))
    press("Escape", 27)()
    chromium.run("document.activeElement.blur()")
    chromium.run(choose("#search", "", "input"))
    lines = seen.number("#canvas .edge")
    seen.does("clear or tick a filter", click("input[data-name=cross_zone]"), runs=7)
    check(seen.number("#canvas .edge") < lines, "which leaves lines out")
    click("input[data-name=cross_zone]")()
    focus("#to")
    seen.does("move the slider of time", *[press("PageDown", 34)] * 4, press("PageUp", 33), press("PageUp", 33))
    check("in the chosen time" in seen.text("#count"), "which is told")
    press("End", 35)()
    focus("#least")
    seen.does("move the slider of least traffic", press("PageUp", 33), runs=8)
    check("below the least traffic" in seen.text("#count"), "which is told, too")
    press("Home", 36)()
    focus("#colour")
    seen.does(
        "other colours", press("ArrowDown", 40), press("ArrowDown", 40), press("ArrowUp", 38), press("ArrowUp", 38)
    )
    focus("#measure")
    seen.does("other thickness", press("ArrowDown", 40), press("ArrowUp", 38))
    focus("#boxing-select")
    seen.does("other boxes", press("ArrowDown", 40), press("ArrowUp", 38))
    chromium.run("document.activeElement.blur()")
    seen.does("select a line", click("#canvas .edge .catch"), undo=press("Escape", 27))
    seen.does("select a box", click("#canvas .vertex.group text"), undo=press("Escape", 27))
    box = "#canvas .box.inner .head"
    seen.does("open a box of a hundred pods", click("#canvas .vertex.group .marker"), undo=click(box))
    click("#canvas .vertex.group .marker")()
    check(seen.number("#canvas .vertex") > nodes + 20, "a box opens in place")
    check("bundles" in seen.text("#count") and seen.number("#canvas .edge") <= 300, "and lines are bundled")
    seen.does("select a pod", click("#canvas .vertex:not(.group) text"), undo=press("Escape", 27))
    seen.does("close a box", click(box), undo=click("#canvas .vertex.group .marker"))
    # Moves of the mouse have no clock in Event Timing, which is about single acts: the main thread's time tells.
    seen.does("drag a pod a step", drag, undo=release)
    seen.does("zoom", press("+"), press("-"))
    seen.does("light and dark", press("t"))
    press("Escape", 27)()
    seen.does("from the matrix to the map", press("m"), undo=press("m"))
    seen.does("from the map to the matrix", press("m"), undo=press("m"))
    press("m")()
    check(seen.number("#canvas .cell") > nodes, "the matrix of nodes")
    if pictures:
        chromium.shoot(pictures / "map-matrix.png")
    focus("#colour")
    seen.does(
        "colour the matrix anew",
        press("ArrowDown", 40),
        press("ArrowDown", 40),
        press("ArrowUp", 38),
        press("ArrowUp", 38),
    )
    focus("#level-select")
    seen.does(
        "matrix of another level",
        press("ArrowDown", 40),
        press("ArrowDown", 40),
        press("ArrowUp", 38),
        press("ArrowUp", 38),
    )
    chromium.run("document.activeElement.blur()")
    cells = [f"#canvas .cell:nth-of-type({number}n)" for number in (60, 70, 80)]
    seen.does("select a cell", *map(click, cells))
    check("→" in seen.text("#panel h2"), "a cell shows its figures")
    press("Escape", 27)()
    chromium.run("document.querySelector('#edges').scrollIntoView()")
    seen.does(
        "sort the table by another column", *[click(f"#heads th:nth-child({column}) button") for column in (1, 6, 8)]
    )
    check(seen.number("#rows tr") == 60, "the table has its rows")
    chromium.run("scrollTo(0, 0)")
    seen.check_waits()


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
    wide = chromium.run("parseFloat(getComputedStyle(document.querySelector('.parts .bar')).backgroundSize)")
    check(wide > 0, "bars are drawn behind numbers")
    heat = (
        "new Set([...document.querySelectorAll('.parts .heat')].map(one => getComputedStyle(one).backgroundColor)).size"
    )
    check(chromium.run(heat) > 3, "and heat in matrices")
    chromium.run(choose("#search", "service-7-", "input"))
    chromium.run("document.querySelector('#panel .found button').click()")
    check(seen.number("#canvas .vertex.hit") == 1, "the map in it works")
    links = "[...document.querySelectorAll('.contents a')].every(one => document.getElementById(one.hash.slice(1)))"
    check(chromium.run(links), "every link of the contents leads somewhere")
    check(chromium.complaints == [], f"no complaint of the program: {chromium.complaints[:1]}")
    check(set(chromium.requests) == {page.resolve().as_uri()}, "nothing but the file is asked for")


def drive_changes(chromium: Chromium, page: Path, changes: Counter[str]) -> None:
    """What changed since an earlier capture, on the map of a later one."""
    seen = Seen(chromium)
    opened(chromium, page, f"what changed: {sum(changes.values())} pairs of workloads")
    check(chromium.run("document.querySelector('#colour').value") == "change", "the map is coloured by what changed")
    for name in ("gone", "more", "less"):
        check(seen.number(f"#canvas .edge.{name}") == changes[name] > 0, f"{changes[name]} lines that say {name}")
    new = sum(number for names, number in changes.items() if names.split()[0] == "new")
    others = [name for name in json.loads(chromium.run(_CHANGES)) if name != "new"]
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
            drive_changes(chromium, *changed(folder))
        with browser(1360, 960) as chromium:
            drive_hostile(chromium, hostile(folder))


if __name__ == "__main__":
    main()
