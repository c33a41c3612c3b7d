"""The page for a colleague: every part is there, nothing in a name is markup, and it stays small."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser

import pytest
from flow_strategies import HOSTILE
from flows_by_hand import PLAIN, flow, table

import ztflow
from ztflow.model.tables import Flows
from ztflow.page import incident_page
from ztflow.page.cells import table_of
from ztflow.reports import NEEDS_HALVES, REPORTS, diff, make_report
from ztflow.reports.tables import titled
from ztflow.text.format import Unit


class Elements(HTMLParser):
    """Tags with their attributes, and all text outside scripts and styles."""

    def __init__(self, text):
        super().__init__()
        self.found, self.text, self.source, self._open = [], "", text, ""
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))
        self._open = tag

    def handle_endtag(self, tag):
        self._open = ""

    def handle_data(self, data):
        if self._open not in {"script", "style"}:
            self.text += data


BEFORE = Flows(table(flow(), flow(dst_pod="data/old-0")))


@pytest.fixture(scope="module")
def made():
    rows = [
        flow(src_pod=f"evil/{name}", src_node=name, src_zone=name, verdict="denied", policy=name, outbound_file=name)
        for name in HOSTILE
        if name
    ]
    rows += [flow(), flow(request_bytes=10**9, duration_ms=10**7), flow(**PLAIN)]
    some = Flows(table(*rows))
    return some, Elements(incident_page(some, before=BEFORE, inputs=["logs"]))


def test_every_part_is_there(made):
    some, page = made
    links = {facts["href"].removeprefix("#") for tag, facts in page.found if tag == "a"}
    places = {facts["id"] for _, facts in page.found if "id" in facts}
    assert links <= places, "every link of the contents leads somewhere"
    assert {
        "What-changed",
        "Last-refused-connections",
        "Biggest-connections",
        "Longest-connections",
        "screen",
    } <= places
    for name in set(REPORTS) - NEEDS_HALVES:
        assert make_report(name, some).title in page.text


def test_the_map_tells_what_changed_at_its_own_level(made):
    some, page = made
    data = json.loads(page.source.partition('id="graph">')[2].partition("</script>")[0])
    changes = {" ".join(edge.changes) for edge in diff(BEFORE, some, "pod").edges}
    assert "gone" in changes
    assert set(data["edges"]["change"]["words"]) == changes


def test_names_are_text_and_nothing_is_fetched(made):
    _, page = made
    assert [tag for tag, _ in page.found if tag in {"img", "link", "iframe", "object"}] == []
    assert len([tag for tag, _ in page.found if tag == "script"]) == 2, "the data and the page's own program"
    assert not [name for _, facts in page.found for name in facts if name.startswith("on") or name == "src"]
    assert "evil/<script>alert(1)</script>" in page.text


def test_connections_are_the_ones_they_say(made):
    _, page = made
    biggest = page.text.partition("Biggest connections")[2].partition("Biggest connections")[2]
    assert biggest.index("1.0 GB") < biggest.index("84 B")


def test_bars_tell_the_share_of_the_most_in_a_column():
    rows = [("a", 200, None, 5), ("b", 50, 3, 0), ("c", 1, -3, 1000)]
    columns = [("name", Unit.TEXT), ("flows", Unit.COUNT), ("change", Unit.COUNT), ("p95", Unit.MS)]
    shown = table_of(titled("t", columns, rows))
    assert [[cell.mark.bar for cell in row] for row in shown.rows] == [
        [None, 100, None, None], [None, 25, None, None], [None, 1, None, None]
    ], "not where a number may be negative, nor for a time; never none of something"  # fmt: skip
    assert [re.findall(r"bottom/(\d+)% ", row[1].mark.style) for row in shown.rows] == [["100"], ["25"], ["1"]]
    assert [cell.text for cell in shown.rows[0]] == ["a", "200", "-", "5 ms"]
    assert [cell.mark.bar for cell in table_of(titled("t", columns, rows[:1])).rows[0]] == [None] * 4


def test_places_by_places_are_heat():
    columns = [("from \\ to", Unit.TEXT), ("a", Unit.COUNT), ("b", Unit.COUNT)]
    shown = table_of(titled("t", columns, [("a", 10, 40), ("b", 0, 1)]))
    assert [[tuple(cell.mark) for cell in row[1:]] for row in shown.rows] == [
        [(None, 25), (None, 100)], [(None, 0), (None, 2)]
    ]  # fmt: skip
    assert re.findall(r" (\d+)%,transparent", shown.rows[0][2].mark.style) == ["70"], "so that the number can be read"


def test_a_long_cell_has_lines_and_only_an_overlong_one_is_cut():
    shown = table_of(titled("t", [("name", Unit.TEXT)], [("x" * 5000,), ("y" * 500,), ("z",)]))
    assert [len(row[0].text) for row in shown.rows] == [1000, 500, 1]
    assert [row[0].long for row in shown.rows] == [True, True, False]


def test_an_empty_capture_has_a_page():
    page = Elements(incident_page(Flows()))
    assert "Nothing to tell" in page.text


def test_a_real_capture_has_its_lines_and_is_small():
    some = ztflow.read_flows("fixtures/seed/cross-node.log")
    text = incident_page(some)
    assert f">fixtures/seed/cross-node.log:{some[0].outbound_line}</td>" in text
    assert len(text) < 500_000
