"""How long somebody waits for whatever the map's page can do: for `map_page.py`."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from chromium import Chromium
from map_seen import Seen, check, choose


def drive_speed(chromium: Chromium, seen: Seen, name: str, nodes: int, pictures: Path | None) -> None:
    """How long somebody waits for whatever can be done; and that it was done."""

    def focus(selector: str) -> None:
        chromium.run(f"document.querySelector({json.dumps(selector)}).focus()")

    def press(key: str, code: int = 0) -> Callable[[], None]:
        return lambda: chromium.key(key, code)

    down, up = press("ArrowDown", 40), press("ArrowUp", 38)

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
        press("Escape", 27)()
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
    seen.does("clear or tick a filter", click("input[data-name=cross_zone]"), runs=11)
    check(seen.number("#canvas .edge") < lines, "which leaves lines out")
    click("input[data-name=cross_zone]")()
    focus("#to")
    seen.does("move the slider of time", *[press("PageDown", 34)] * 4, press("PageUp", 33), press("PageUp", 33))
    check("in the chosen time" in seen.text("#count"), "which is told")
    press("End", 35)()
    focus("#least")
    seen.does("move the slider of least traffic", press("PageUp", 33), runs=9)
    check("below the least traffic" in seen.text("#count"), "which is told, too")
    press("Home", 36)()
    focus("#colour")
    seen.does("other colours", down, down, up, up, runs=12)
    focus("#measure")
    seen.does("other thickness", down, up)
    focus("#boxing-select")
    seen.does("other boxes", down, up)
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
    seen.does("colour the matrix anew", down, down, up, up, runs=12)
    focus("#level-select")
    seen.does("matrix of another level", down, down, up, up, runs=12)
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
