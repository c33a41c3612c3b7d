"""What a page of the map shows, asked and driven as a person would: for `map_page.py`."""

from __future__ import annotations

import json
from collections.abc import Callable
from statistics import median

from chromium import Chromium

Act = Callable[[], None]
ACT_MS, BUSY_MS = 100, 60


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

    def does(
        self, what: str, *acts: Callable[[], None], undo: Callable[[], None] | None = None, runs: int = 10
    ) -> None:
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
KINDS, CHANGES = _NAMES.format("encryption"), _NAMES.format("change")


def tick(name: str) -> str:
    """Code that ticks or clears a filter."""
    return f"document.querySelector('input[data-name={name}]').click()"
