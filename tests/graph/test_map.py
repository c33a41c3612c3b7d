"""The map: nothing overlaps, nothing escapes, nothing is fetched, and what is not drawn is counted."""

from __future__ import annotations

import json
from base64 import b64encode
from hashlib import sha256
from html.parser import HTMLParser
from itertools import combinations
from xml.etree import ElementTree as ET

import pytest
from flow_strategies import HOSTILE, flows, quick
from flows_by_hand import flow, table
from hypothesis import given
from hypothesis import strategies as st

from ztflow.aggregate.measures import MEASURE_NAMES
from ztflow.graph import LEVELS, build_graph
from ztflow.graph.formats import write_graph
from ztflow.graph.formats.boxes import box_attribute, edge_class
from ztflow.graph.formats.map.columns import map_columns, packed
from ztflow.graph.formats.map.placing import EDGES_DRAWN, VERTICES_DRAWN, lay_out, short_name
from ztflow.model.tables import Flows
from ztflow.text.escapes import visible


class Page(HTMLParser):
    """What a browser would make of a page: elements with attributes, text, and the content of scripts."""

    def __init__(self, text):
        super().__init__()
        self.elements, self.scripts, self.texts, self._open = [], [], [], []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        self._open.append(tag)
        if tag == "script":
            self.scripts.append("")

    def handle_endtag(self, tag):
        if tag in self._open:
            while self._open.pop() != tag:
                pass

    def handle_data(self, data):
        if "script" in self._open:
            self.scripts[-1] += data
        else:
            self.texts.append(data)

    def of(self, tag):
        return [attributes for name, attributes in self.elements if name == tag]


@pytest.fixture(scope="module")
def hostile():
    rows = [
        flow(src_pod=f"evil/{name}", dst_pod="data/db-0", src_node=name, src_zone=name, verdict="denied")
        for name in HOSTILE
        if name
    ]
    return build_graph(Flows(table(*rows)))


def test_hostile_names_stay_text(hostile):
    page = Page(write_graph(hostile, "html"))
    assert len(page.of("script")) == 2, "the data and the page's own program"
    assert {tag for tag, _ in page.elements} <= {
        "html", "head", "meta", "title", "style", "body", "header", "h1", "p", "nav", "label", "input", "svg", "g",
        "path", "rect", "text", "tspan", "polygon", "circle", "span", "select", "option", "button", "main", "div",
        "section", "h2", "table", "thead", "tbody", "tr", "th", "td", "script", "aside", "output", "noscript", "caption",
    }  # fmt: skip
    assert not [name for _, attributes in page.elements for name in attributes if name.startswith("on")]
    assert "evil/<script>alert(1)</script>" in "".join(page.texts)


def column(packed):
    """A column as the page's program reads it."""
    if isinstance(packed, list):
        return packed
    values, at = [packed["most"]] * packed["n"], 0
    for step, value in zip(packed["at"], packed["is"], strict=True):
        at += step
        values[at] = value
    return values


def words(packed):
    return [packed["words"][code] if code >= 0 else None for code in column(packed["codes"])]


def data_of(page_text):
    return json.loads(Page(page_text).scripts[0])


def test_the_page_carries_its_data(hostile):
    data = data_of(write_graph(hostile, "html"))
    names = [visible(name) for name in hostile]
    assert data["vertices"]["id"] == names
    assert words(data["vertices"]["node"]) == [
        None if (node := known.get("node")) is None else visible(node) for _, known in hostile.nodes(data=True)
    ]
    ends = zip(data["edges"]["source"], data["edges"]["target"], words(data["edges"]["path"]), strict=True)
    assert [(names[source], names[target], path) for source, target, path in ends] == [
        (visible(source), visible(target), key) for source, target, key in hostile.edges(keys=True)
    ]


@quick
@given(flows(), st.sampled_from(LEVELS))
def test_the_columns_are_the_edges(some, by):
    graph = build_graph(some, by)
    columns = map_columns(graph)["edges"]
    for name in set(MEASURE_NAMES) - {"first_seen", "last_seen"}:
        assert column(columns[name]) == [edge.get(name) for *_, edge in graph.edges(data=True)]


@given(st.lists(st.integers(0, 3) | st.none()))
def test_a_packed_column_is_the_column(values):
    assert column(packed(values)) == values


def test_nothing_is_fetched(hostile):
    text = write_graph(hostile, "html")
    page = Page(text)
    fetching = {"src", "href", "action", "data", "poster", "srcset", "xlink:href", "background"}
    assert not [attributes for _, attributes in page.elements if fetching & attributes.keys()]
    (policy,) = [a["content"] for a in page.of("meta") if a.get("http-equiv") == "Content-Security-Policy"]
    own = page.scripts[1]
    hashed = b64encode(sha256(own.encode()).digest()).decode()
    assert policy == (
        f"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{hashed}'; base-uri 'none'"
    ), "no script but the page's own runs, not even one that came out of a name"
    assert not [word for word in ("fetch(", "XMLHttp", "import(", "innerHTML", "eval(", "WebSocket") if word in own]
    assert "@import" not in text
    assert "url(" not in text


def test_kinds_of_edges_are_told_apart():
    some = [flow(locality=place, dst_pod=f"data/db-{number}") for number, place in enumerate(
        ["same_node", "cross_node", "unknown"])]  # fmt: skip
    graph = build_graph(Flows(table(*some, flow(dst_pod="data/db-0", locality="cross_node"))))
    assert {edge_class(data) for *_, data in graph.edges(data=True)} == {"mixed", "cross_node", "unknown"}
    kinds = {a["data-k"] for a in Page(write_graph(graph, "svg")).of("g") if "data-k" in a}
    assert kinds == {"mixed", "cross_node", "unknown"}


def test_the_header_states_the_unknown_share():
    graph = build_graph(Flows(table(flow(), flow(locality="unknown", dst_node=None), flow(request_bytes=None))))
    text = "".join(Page(write_graph(graph, "html")).texts)
    assert "node unknown 33.3 %" in text
    assert "bytes unknown for 1" in text
    assert "2024-06-16T12:48:51.792527Z" in text


def test_boxes_are_nodes_then_zones_then_namespaces():
    assert box_attribute(build_graph(Flows(table(flow())))) == "node"
    assert box_attribute(build_graph(Flows(table(flow(src_node=None, dst_node=None, src_zone="z"))))) == "zone"
    assert box_attribute(build_graph(Flows(table(flow(src_node=None, dst_node=None))))) == "namespace"
    assert box_attribute(build_graph(Flows(table(flow(src_zone="z"))), "node")) == "zone"
    assert box_attribute(build_graph(Flows(table(flow())), "node")) is None
    by_workload = build_graph(Flows(table(flow())), "workload")
    assert box_attribute(by_workload) == "namespace", "a workload runs on many nodes, by chance on one"


@quick
@given(flows(), st.sampled_from(LEVELS))
def test_the_layout_places_every_vertex_once_and_without_overlap(some, by):
    graph = build_graph(some, by)
    drawing = lay_out(graph, box_attribute(graph))
    pills = [pill for box in drawing.boxes for pill in box.pills]
    assert sorted(pill.vertex for pill in pills) == sorted(graph)
    assert len(drawing.links) == graph.number_of_edges()
    for box in drawing.boxes:
        assert box.x >= 0
        assert box.x + box.width <= drawing.width
        assert box.y + box.height <= drawing.height
        for pill in box.pills:
            assert box.x <= pill.x
            assert pill.x + pill.width <= box.x + box.width
    for one, two in combinations(pills, 2):
        assert one.x + one.width <= two.x or two.x + two.width <= one.x or abs(one.y - two.y) >= 24


def test_a_big_graph_is_cut_to_its_busiest_part_and_says_so():
    rows = [flow(src_pod=f"shop/web-{number}") for number in range(600)] + [flow(src_pod="shop/busy-0")] * 3
    graph = build_graph(Flows(table(*rows)))
    drawing = lay_out(graph, "node")
    assert sum(len(box.pills) for box in drawing.boxes) == VERTICES_DRAWN
    assert drawing.hidden_vertices == 602 - VERTICES_DRAWN
    assert drawing.hidden_edges == 601 - (VERTICES_DRAWN - 1)
    assert drawing.links[-1].source == "shop/busy-0", "the busiest is drawn last, on top"
    note = f"{drawing.hidden_edges} more edges"
    assert len(data_of(write_graph(graph, "html"))["vertices"]["id"]) == 602, "the page has them all"
    assert note in write_graph(graph, "svg")
    assert VERTICES_DRAWN < EDGES_DRAWN


def test_long_names_lose_their_middle():
    assert short_name("n" * 20) == "n" * 20
    assert short_name("namespace/" + "x" * 60 + "-swdlb") == "namespace/xxxxxxxxxxx…xxxxxx-swdlb"


def test_svg_is_a_document_of_its_own(hostile):
    root = ET.fromstring(write_graph(hostile, "svg"))
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    titles = [element.text for element in root.iter() if element.tag.endswith("}title")]
    assert any("<script>alert(1)</script>" in title for title in titles)


def test_an_empty_graph_is_an_empty_map():
    assert "no connections" in write_graph(build_graph(Flows()), "svg")
    assert "0 connections" in "".join(Page(write_graph(build_graph(Flows()), "html")).texts)


def test_notebooks_get_a_map_and_a_table_without_scripts(hostile):
    shown = hostile._repr_html_()
    page = Page(shown)
    assert not page.of("script")
    assert page.of("svg")
    assert page.of("table")
    assert "thicker: more connections" in "".join(page.texts)
    assert f"… and {hostile.number_of_edges() - 20} more rows" in "".join(page.texts)
