#!/usr/bin/env python3
"""Plots and notebook displays as they are seen: drives them in Chromium and holds what is drawn against the names.

    plots.py [LOG…] [--pictures DIRECTORY]

Draws every kind of plot of a capture and of names that try to break out, as figures of plotly and as still pictures,
and what flows, reports and graphs show of themselves in a notebook, light and dark. Ends with an error at the first
thing that is not as it should be. `--pictures` saves what was seen.

Needs Chromium (Debian: `apt-get install chromium`) and plotly. Not among the tests, which run without a browser.
"""

from __future__ import annotations

import argparse
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from chromium import Chromium, browser
from map_pages import HOSTILE

import ztflow
from ztflow.plot.accessor import PLOTS, FlowsPlot
from ztflow.plot.charts import Bars, Chart, Curve, Ecdf, Heat, Histogram, Link, Sankey, Series, Steps
from ztflow.plot.figure import page
from ztflow.plot.picture import picture
from ztflow.text.format import Unit

NAMES = (
    *HOSTILE, "<b>bold</b>", "<a href='https://evil.example'>link</a>", "$x^2$", "a%{y}b", "&lt;i&gt;", "2024-01-01",
    "17",
)  # fmt: skip
"""Names that are markup for a browser, for plotly, or would be numbers and dates on an axis."""

TEXTS = "[...document.querySelectorAll('svg text')].map(one => one.textContent)"
MARKUP = (
    "document.querySelectorAll('svg a, svg [style*=\"bold\"] tspan, foreignObject, iframe, object, img').length"
    " + [...document.querySelectorAll('script')].filter(one => one.src).length"
)


def check(holds: bool, what: str) -> None:
    """Ends the run with an error unless something holds."""
    if not holds:
        raise SystemExit(f"not so: {what}")
    print(f"  ok  {what}")


def charts_of_names() -> dict[str, Chart]:
    """Every kind of chart, all names of which are hostile."""
    count = len(NAMES)
    starts = tuple(datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=at) for at in range(3))
    square = tuple(tuple(range(1, count + 1)) for _ in NAMES)
    series = tuple(Series(name, (1, 2, 3)) for name in NAMES)
    return {
        "time": Steps("bytes", Unit.BYTES, starts, 60, series),
        "heatmap": Heat("places", Unit.COUNT, NAMES[0], NAMES[1], NAMES, NAMES, square),
        "hist": Histogram("lives", (0, 1, 10, 100), series),
        "ecdf": Ecdf("lives", tuple(Curve(name, (1, 20), (0.5, 1)) for name in NAMES)),
        "sankey": Sankey("bytes", Unit.BYTES, NAMES, NAMES, tuple(Link(at, at, 2**70) for at in range(count))),
        "bars": Bars("bytes", Unit.BYTES, NAMES[0], NAMES, tuple(range(count))),
    }


def open_text(chromium: Chromium, folder: Path, text: str) -> None:
    """Opens a page of this text."""
    path = folder / "page.html"
    path.write_text(text, "utf-8")
    chromium.open(path)


def drive_figures(
    chromium: Chromium, folder: Path, charts: dict[str, Chart], *, hostile: bool, shots: Path | None
) -> None:
    """Each chart as a figure of plotly."""
    for kind, chart in charts.items():
        chromium.requests.clear()
        open_text(chromium, folder, page(chart))
        texts = chromium.run(TEXTS)
        what = f"plotly {kind}"
        check(len(texts) > 3 and not chromium.complaints, f"{what} is drawn, and nothing complains")
        buttons = chromium.run("[...document.querySelectorAll('.modebar-btn')].map(one => one.dataset.title || '')")
        check(
            len(buttons) > 2 and not [one for one in buttons if "hare" in one or "loud" in one],
            f"{what} is sent nowhere",
        )
        asked = [one for one in chromium.requests if not one.startswith(("file:", "data:", "blob:"))]
        check(not asked, f"{what} makes no request")
        if hostile:
            check(chromium.run(MARKUP) == 0, f"{what}: no name is markup")
            plain = {name for name in NAMES if name.isprintable() and 0 < len(name) <= 30}
            check(plain <= set(texts), f"{what}: all {len(plain)} printable names are there, letter by letter")
        if shots:
            chromium.shoot(shots / f"figure-{kind}{'-hostile' if hostile else ''}.png")
    if hostile:
        drive_pointer(chromium, folder, charts["heatmap"])


def drive_pointer(chromium: Chromium, folder: Path, chart: Chart) -> None:
    """What a figure tells where the mouse points is a name, too."""
    open_text(chromium, folder, page(chart))
    box = chromium.run(
        "(({x, y, width, height}) => [x, y, width, height])"
        "(document.querySelector('.nsewdrag').getBoundingClientRect())"
    )
    place = NAMES.index("<b>bold</b>")
    side = len(NAMES)
    x = box[0] + box[2] * (place + 0.5) / side
    for step in range(3):
        chromium.mouse("mouseMoved", x + step, box[1] + box[3] * (place + 0.5) / side)
    told = chromium.run(
        "new Promise(done => setTimeout(() => done([...document.querySelectorAll('.hoverlayer text')].map(one => "
        "one.textContent).join(' ')), 300))"
    )
    check("<b>bold</b> → <b>bold</b>" in told, "what is told where the mouse points is text")


def drive_pictures(chromium: Chromium, folder: Path, charts: dict[str, Chart], shots: Path | None) -> None:
    """Each chart as a still picture, in a light page and in a dark one."""
    for kind, chart in charts.items():
        open_text(chromium, folder, f"<!doctype html><meta charset=utf-8>{picture(chart).svg}")
        check(chromium.run(MARKUP) == 0 and not chromium.complaints, f"picture {kind}: no name is markup")
        wide = chromium.run(
            "(() => { const all = document.querySelector('svg').getBoundingClientRect(); return [...document."
            "querySelectorAll('svg text')].filter(one => { const box = one.getBoundingClientRect(); return box.left < "
            "all.left - 1 || box.right > all.right + 1 || box.bottom > all.bottom + 1; })"
            ".map(one => one.textContent); })()"
        )
        check(not wide, f"picture {kind}: no text is cut {wide or ''}")
        ground = "getComputedStyle(document.querySelector('svg > rect')).fill"
        light = chromium.run(ground)
        chromium.dark(True)
        check(chromium.run(ground) != light, f"picture {kind}: dark where the system is")
        if shots:
            chromium.shoot(shots / f"picture-{kind}-dark.png")
        chromium.dark(False)


def drive_notebook(chromium: Chromium, folder: Path, flows: ztflow.Flows, shots: Path | None) -> None:
    """What flows, a report, a graph and a plot show of themselves, under JupyterLab's two themes."""
    shown: list[Any] = [flows.head(3), flows.report("locality"), flows.graph(by="node"), flows.plot.svg.heatmap()]
    body = "".join(f"<div>{one._repr_html_()}</div>" for one in shown)
    found = {}
    themes = {"light": ("true", "#fff", "#222", "#1976d2"), "dark": ("false", "#111", "#ddd", "#64b5f6")}
    for theme, (light, paper, ink, brand) in themes.items():
        style = f"background:{paper};color:{ink};--jp-brand-color1:{brand}"
        open_text(
            chromium,
            folder,
            f'<!doctype html><meta charset=utf-8><body data-jp-theme-light="{light}" style="{style}">{body}',
        )
        heads = chromium.run("[...document.querySelector('table').querySelectorAll('th')].map(one => one.textContent)")
        check(len(heads) == 9, f"notebook, {theme}: flows have nine columns, {', '.join(heads)}")
        found[theme] = chromium.run(
            "['td[style*=gradient]', 'td[style*=color-mix]'].map(one => getComputedStyle(document.querySelector(one))."
            "background).concat([...document.querySelectorAll('svg.ztmap > rect')]"
            ".map(one => getComputedStyle(one).fill))"
        )
        keys = chromium.run("[...document.querySelectorAll('p')].map(one => one.textContent).join(' ')")
        check("cross node" in keys and "thicker" in keys, f"notebook, {theme}: the graph has its legend")
        if shots:
            chromium.shoot(shots / f"notebook-{theme}.png")
    pairs = list(zip(found["light"], found["dark"], strict=True))
    check(
        len(pairs) > 2 and all(one != other for one, other in pairs),
        "notebook: bars, heat and pictures go with the theme",
    )


def main() -> None:
    """Drives all of them."""
    options = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    options.add_argument("logs", nargs="*", default=["fixtures/captured/1.29.5-storm"])
    options.add_argument("--pictures", type=Path)
    chosen = options.parse_args()
    if chosen.pictures:
        chosen.pictures.mkdir(parents=True, exist_ok=True)
    flows = ztflow.read_flows(*chosen.logs)
    plain: FlowsPlot[Chart] = FlowsPlot(flows.to_arrow(), flows.owners, lambda chart: chart)
    of_flows = {kind: plain(kind) for kind in PLOTS}
    with tempfile.TemporaryDirectory() as temporary, browser(1000, 760) as chromium:
        folder = Path(temporary)
        chromium.dark(False)
        drive_figures(chromium, folder, of_flows, hostile=False, shots=chosen.pictures)
        chromium.size(1000, 1500)
        drive_figures(chromium, folder, charts_of_names(), hostile=True, shots=chosen.pictures)
        drive_pictures(chromium, folder, of_flows, chosen.pictures)
        drive_pictures(chromium, folder, charts_of_names(), None)
        drive_notebook(chromium, folder, flows, chosen.pictures)
    print("all as it should be")


if __name__ == "__main__":
    main()
