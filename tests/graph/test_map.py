"""The map: nothing overlaps, nothing escapes, nothing is fetched, and what is not drawn is counted."""

from __future__ import annotations

import json
from html.parser import HTMLParser
from itertools import combinations
from xml.etree import ElementTree as ET

import pytest
from flow_strategies import HOSTILE, flows, quick
from flows_by_hand import flow, table
from hypothesis import given
from hypothesis import strategies as st

from ztflow.graph import LEVELS, build_graph
from ztflow.graph.formats import write_graph
from ztflow.graph.formats.boxes import box_attribute, edge_class
from ztflow.graph.formats.map.placing import EDGES_DRAWN, VERTICES_DRAWN, lay_out, short_name
from ztflow.model.tables import Flows


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
        "section", "h2", "table", "thead", "tbody", "tr", "th", "td", "script",
    }  # fmt: skip
    assert not [name for _, attributes in page.elements for name in attributes if name.startswith("on")]
    assert "evil/<script>alert(1)</script>" in "".join(page.texts)


def test_the_page_carries_its_data(hostile):
    page = Page(write_graph(hostile, "html"))
    data = json.loads(page.scripts[0])
    assert {node["id"] for node in data["nodes"]} == set(hostile)
    assert len(data["edges"]) == hostile.number_of_edges()
    # What the page's program joins by number must be what it means.
    vertices = {int(a["data-v"]) for a in page.of("g") if "data-v" in a}
    assert vertices == set(range(hostile.number_of_nodes()))
    for attributes in page.of("g"):
        if "data-e" in attributes:
            edge = data["edges"][int(attributes["data-e"])]
            assert data["nodes"][int(attributes["data-s"])]["id"] == edge["source"]
            assert data["nodes"][int(attributes["data-t"])]["id"] == edge["target"]


def test_nothing_is_fetched(hostile):
    text = write_graph(hostile, "html")
    page = Page(text)
    fetching = {"src", "href", "action", "data", "poster", "srcset", "xlink:href", "background"}
    assert not [attributes for _, attributes in page.elements if fetching & attributes.keys()]
    (policy,) = [a["content"] for a in page.of("meta") if a.get("http-equiv") == "Content-Security-Policy"]
    assert "default-src 'none'" in policy
    own = page.scripts[1]
    assert not [word for word in ("fetch(", "XMLHttp", "import(", "innerHTML", "eval(", "WebSocket") if word in own]
    assert "@import" not in text
    assert "url(" not in text


def test_kinds_of_edges_are_told_apart():
    some = [flow(locality=place, dst_pod=f"data/db-{number}") for number, place in enumerate(
        ["same_node", "cross_node", "unknown"])]  # fmt: skip
    graph = build_graph(Flows(table(*some, flow(dst_pod="data/db-0", locality="cross_node"))))
    assert {edge_class(data) for *_, data in graph.edges(data=True)} == {"mixed", "cross_node", "unknown"}
    page = Page(write_graph(graph, "html"))
    kinds = {a["data-k"] for a in page.of("g") if "data-k" in a}
    assert kinds == {"mixed", "cross_node", "unknown"} == {a["data-kind"] for a in page.of("input") if "data-kind" in a}


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
    maps = [a["data-box"] for a in Page(write_graph(build_graph(Flows(table(flow(src_zone="z")))), "html")).of("div")
            if "data-box" in a]  # fmt: skip
    assert maps == ["node", "zone", "namespace"]


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
    assert note in "".join(Page(write_graph(graph, "html")).texts)
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
    assert f"… and {hostile.number_of_edges() - 20} more rows" in "".join(page.texts)
