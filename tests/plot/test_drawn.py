"""Figures and pictures show the charts' numbers and names, and no name of a log is anything but text."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from xml.etree import ElementTree as ET

import plotly.graph_objects as go
import pytest
from flow_strategies import HOSTILE
from flows_by_hand import flow, table

from ztflow.errors import UsageError
from ztflow.model.tables import Flows
from ztflow.plot.accessor import PLOTS
from ztflow.plot.charts import Bars, life_marks
from ztflow.plot.figure import page, text_of
from ztflow.plot.groups import VALUES
from ztflow.plot.picture import _marks, picture
from ztflow.text.escapes import visible
from ztflow.text.format import Unit

SVG = "{http://www.w3.org/2000/svg}"


def words_of(made):
    """Every text a figure holds."""
    if isinstance(made, dict):
        return [word for value in made.values() for word in words_of(value)]
    if isinstance(made, list):
        return [word for value in made for word in words_of(value)]
    return [made] if isinstance(made, str) else []


@pytest.mark.parametrize("kind", PLOTS)
def test_a_figure_holds_no_markup_of_a_log(hostile, kind):
    options = {"by": "namespace", "top": 100} if kind != "heatmap" else {"by": "node", "top": 100}
    made = json.loads(hostile.plot(kind, **options).to_json())
    words = words_of(
        {"data": made["data"], "layout": {key: made["layout"][key] for key in made["layout"] if key != "template"}}
    )
    names = [word for word in words if "script" in word]
    assert names
    for word in words:
        # What plotly is to break lines and lift notes by is ours; a name in a template cannot refer to anything.
        rest = re.sub(r"<br>|</?sup>|<extra>|</extra>|%\{(customdata|hovertext|text|label|x|y(:[^}]*)?)\}", "", word)
        assert not re.search(r"[<$]|%\{", rest), word
        assert rest.isprintable()


def test_plotly_shows_a_name_as_it_is():
    assert text_of("<b>$1</b>&lt;") == "&lt;b&gt;&#36;1&lt;/b&gt;&amp;lt;"
    assert text_of("new\nline") == "new\\nline"


def test_a_figure_has_times_in_utc_and_says_so(storm):
    made = storm.plot.time(value="flows", every="5s")
    assert made.layout.xaxis.title.text == "UTC"
    assert {start.tzinfo for bar in made.data for start in bar.x} == {None}
    start = min(storm["end"].to_pylist())
    assert abs((made.data[0].x[0] - start.replace(tzinfo=None)).total_seconds()) <= 5
    assert sum(sum(bar.y) for bar in made.data) == len(storm)


def test_equal_names_stay_apart_and_numbers_stay_names(hostile):
    made = hostile.plot.heatmap(by="node", top=100)
    shown = list(made.layout.xaxis.ticktext)
    assert "17" in shown
    assert "2024-01-01" in shown
    assert made.layout.xaxis.type == "linear"
    assert len(made.data[0].z) == len(shown) == len(set(made.data[0].x))


def test_sums_past_64_bits_are_drawn(hostile):
    assert max(map(max, hostile.plot.heatmap(by="node", value="bytes").data[0].z)) >= 2**64 - 2
    assert json.loads(hostile.plot.sankey(by="namespace").to_json())["data"][0]["type"] == "sankey"


def test_a_figure_offers_to_send_itself_nowhere(storm):
    assert "sendChartToCloud" in storm.plot.hist().layout.modebar.remove
    text = page(Bars("t</title><b>", Unit.COUNT, "x", ("a",), (1,)))
    assert "default-src 'none'" in text
    assert "</title><b>" not in text
    assert not re.search(r"<(script|link|img)[^>]* (src|href)=", text.partition("<body>")[0])
    assert not re.search(r'<script[^>]* src="', text)


def test_without_plotly_the_message_says_what_to_do(storm, monkeypatch):
    monkeypatch.setitem(sys.modules, "plotly.graph_objects", None)
    with pytest.raises(UsageError, match=r"pip install 'ztflow\[plot\]'.*\.svg"):
        storm.plot()
    assert "<svg" in storm.plot.svg().svg


def test_plotly_is_loaded_for_figures_only():
    code = "import sys, ztflow; flows = ztflow.Flows(); flows.plot.svg(); flows.plot; print('plotly' in sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout == "False\n"


def parsed(svg):
    root = ET.fromstring(svg)
    return root, [element.text or "" for element in root.iter(f"{SVG}text")]


@pytest.mark.parametrize("kind", PLOTS)
def test_a_picture_is_whole_and_names_are_text(hostile, kind):
    options = {"by": "node" if kind == "heatmap" else "namespace", "top": 100}
    root, texts = parsed(hostile.plot.svg(kind, **options).svg)
    allowed = {f"{SVG}{tag}" for tag in ("svg", "style", "rect", "text", "g", "path", "title")}
    assert {element.tag for element in root.iter()} <= allowed
    assert not [name for element in root.iter() for name in element.attrib if name.startswith("on") or "href" in name]
    short = [visible(name) for name in HOSTILE if 0 < len(visible(name)) <= 30]
    assert set(short) <= set(texts)


def test_a_picture_draws_every_number_at_its_height():
    flows = Flows(table(flow(0), flow(1), flow(1), flow(2)))
    root, texts = parsed(flows.plot.svg.time(by=None, value="flows", every="1s").svg)
    bars = [rect for rect in root.iter(f"{SVG}rect") if rect.find(f"{SVG}title") is not None]
    heights = [float(bar.get("height")) for bar in bars]
    assert heights == [heights[0], 2 * heights[0], heights[0]]
    assert len({float(bar.get("y")) + float(bar.get("height")) for bar in bars}) == 1, "they stand on one line"
    assert "2024-06-16, UTC" in texts
    assert "12:48:52" in texts


def test_bands_of_a_sankey_are_as_wide_as_their_numbers(storm):
    made = storm.plot.svg.sankey(by="workload", value="flows", top=4)
    root, _ = parsed(made.svg)
    bands = {}
    for path in root.iter(f"{SVG}path"):
        title = path.find(f"{SVG}title")
        if title is not None:
            width = float(re.search(r"v([\d.]+)", path.get("d"))[1])
            bands[title.text] = width / int(title.text.rpartition(": ")[2].replace(",", ""))
    wide = [share for told, share in bands.items() if int(told.rpartition(": ")[2].replace(",", "")) > 30]
    assert len(wide) > 1
    assert max(wide) == pytest.approx(min(wide), rel=0.1)


@pytest.mark.parametrize("kind", PLOTS)
def test_nothing_is_drawn_of_nothing(kind):
    _, texts = parsed(Flows().plot.svg(kind).svg)
    assert "There are no connections." in texts
    assert isinstance(Flows().plot(kind), go.Figure)


def test_a_picture_is_dark_where_the_page_is_and_is_written_whole(storm, tmp_path):
    made = storm.plot.svg.heatmap(by="zone")
    assert "prefers-color-scheme:dark" in made.svg
    assert '[data-jp-theme-light="false"]' in made.svg
    assert made._repr_html_() == made.svg
    made.save(tmp_path / "zones.svg")
    assert (tmp_path / "zones.svg").read_text() == made.svg + "\n"


@pytest.mark.parametrize("most", [0, 1, 3, 7, 99, 1001, 2**70])
@pytest.mark.parametrize("unit", [Unit.COUNT, Unit.BYTES])
def test_an_axis_reaches_beyond_the_most_in_few_round_steps(most, unit):
    found = _marks(most, unit)
    assert found[0][0] == 0
    assert found[-1][0] >= most
    assert 2 <= len(found) <= 8
    assert len({text for _, text in found}) == len(found)


def test_an_axis_of_lives_has_a_place_for_nothing():
    assert life_marks(250) == [(0, "0"), (1, "1 ms"), (10, "10 ms"), (100, "100 ms")]


def test_values_are_told_in_words_that_fit_a_title(storm):
    for value, (what, _) in VALUES.items():
        assert storm.plot.svg.time(value=value).svg.count(what[1:]) >= 1
    assert picture(Bars("t", Unit.COUNT, "x", (), ())).svg.endswith("</svg>")
