"""Every export format carries every name there can be, and nothing in a name breaks out of it."""

from __future__ import annotations

import csv
import io
import json
import re
from collections import Counter
from itertools import pairwise
from xml.etree import ElementTree as ET

import networkx as nx
import pydot
import pytest
from flow_strategies import HOSTILE, flows, quick
from flows_by_hand import flow, table
from hypothesis import given, settings
from hypothesis import strategies as st

from ztflow.errors import UsageError
from ztflow.graph import LEVELS, UNKNOWN, build_graph, columns
from ztflow.graph.build import graph_columns
from ztflow.graph.formats import GRAPH_WRITERS, STREAMED, write_graph
from ztflow.graph.formats.mermaid import quoted as mermaid_quoted
from ztflow.graph.formats.xml_copy import xml_text
from ztflow.model.tables import Flows
from ztflow.text.escapes import visible

NAMES = [name for name in HOSTILE if name]


@pytest.fixture(scope="module")
def hostile():
    """One edge from every hostile name to a plain one, on a node with a hostile name."""
    rows = [
        flow(src_pod=f"evil/{name}", src_node=name, dst_pod="data/db-0", policy=name, verdict="denied", src_zone=name,
             locality=("same_node", "cross_node", "unknown")[number % 3])
        for number, name in enumerate(NAMES)
    ]  # fmt: skip
    return build_graph(Flows(table(*rows)))


@pytest.fixture(scope="module")
def plain():
    return build_graph(Flows(table(flow(), flow(dst_node=None, locality="unknown", request_bytes=None))))


@quick
@given(flows(), st.sampled_from(LEVELS), st.sampled_from(sorted(GRAPH_WRITERS)))
def test_every_format_writes_every_graph_the_same_way_twice(some, by, name):
    graph = build_graph(some, by)
    text = write_graph(graph, name)
    assert text == write_graph(graph, name)
    text.encode()
    assert text.endswith("\n")


@pytest.mark.parametrize("name", GRAPH_WRITERS)
def test_no_control_or_format_character_passes(hostile, name):
    text = write_graph(hostile, name).replace("\n", "")
    # XML has its own rules for what it can hold; everywhere else only printable text stands.
    allowed = {"\t", "\u202e", "\u200b", "\u2028", "\x85"} if name in ("graphml", "gexf") else set()
    assert {char for char in text if not char.isprintable()} <= allowed


def test_json_is_node_link_data(plain):
    data = json.loads(write_graph(plain, "json"))
    assert set(data) == {"directed", "multigraph", "graph", "nodes", "edges"}
    assert data["nodes"][0]["id"] == "data/db-6f4dc97cb-swdlb"
    wanted = {"source", "target", "flows", "request_bytes", "response_bytes", "same_node", "cross_node",
              "locality_unknown", "denied", "failed", "plaintext"}  # fmt: skip
    assert wanted <= set(data["edges"][0])
    read = nx.node_link_graph(data)
    assert (read.is_directed(), read.is_multigraph(), read.graph) == (True, True, plain.graph)
    assert list(read.nodes(data=True)) == list(plain.nodes(data=True))
    assert list(read.edges(keys=True, data=True)) == list(plain.edges(keys=True, data=True))


def test_json_gives_hostile_names_back(hostile):
    data = json.loads(write_graph(hostile, "json"))
    assert {node["id"] for node in data["nodes"]} == set(hostile)
    assert [(edge["source"], edge["target"], edge["key"]) for edge in data["edges"]] == list(hostile.edges(keys=True))


@pytest.mark.parametrize("name", ["graphml", "gexf"])
def test_xml_formats_read_back(hostile, name):
    text = write_graph(hostile, name)
    ET.fromstring(text)
    read = nx.parse_graphml(text) if name == "graphml" else nx.read_gexf(io.BytesIO(text.encode()))
    assert set(read) == {xml_text(vertex) for vertex in hostile}
    assert read.number_of_edges() == hostile.number_of_edges()
    assert sum(data["flows"] for *_, data in read.edges(data=True)) == len(NAMES)


def test_xml_names_stay_different():
    assert len({xml_text(name) for name in HOSTILE}) == len(HOSTILE)
    assert xml_text("a\x00b") == "a\\u{0}b"
    assert xml_text("plain/name-0.x") == "plain/name-0.x"


@pytest.mark.parametrize("name", ["graphml", "gexf"])
def test_xml_formats_have_unique_edge_ids_and_no_overflow(name):
    graph = build_graph(
        Flows(table(*[flow(request_bytes=2**63 - 1)] * 2, flow(path="plaintext"), flow(src_pod="a/b-0")))
    )
    root = ET.fromstring(write_graph(graph, name))
    ids = [element.get("id") for element in root.iter() if element.tag.endswith("}edge")]
    assert len(ids) == len(set(ids)) == 3
    assert "18446744073709551614" not in write_graph(graph, name), "no long holds it"


def dot_strings(text):
    """The quoted strings of a DOT file as Graphviz reads them, and what stands between them."""
    strings, rest, place = [], [], 0
    for match in re.finditer(r'"((?:[^"\\]|\\.)*)"', text, re.DOTALL):
        strings.append(match[1].replace('\\"', '"'))
        rest.append(text[place : match.start()])
        place = match.end()
    return strings, "".join([*rest, text[place:]])


def test_dot_strings_are_closed_where_they_should_be(hostile):
    strings, rest = dot_strings(write_graph(hostile, "dot"))
    assert re.fullmatch(r"[\w\s{}\[\]=;,>-]*", rest), "only DOT's own words stand outside strings"
    assert rest.count("{") == rest.count("}")
    ids = {visible(name.replace("\\", "\\\\")) for name in hostile}
    assert ids <= set(strings)
    assert len(ids) == hostile.number_of_nodes()


def test_dot_marks_nodes_and_kinds_of_edges(plain):
    text = write_graph(plain, "dot")
    assert 'label="node node-a"' in text
    assert "penwidth=2" in text
    assert "style=dashed" in write_graph(build_graph(Flows(table(flow(locality=None)))), "dot")
    assert "newrank=true" in text, "without it Graphviz loses edges between clusters"


def test_mermaid_labels_are_coded(hostile):
    text = write_graph(hostile, "mermaid")
    for line in text.splitlines()[1:]:
        assert re.fullmatch(r'\s*(?:subgraph b\d+\["[^"`<>]*"\]|end|v\d+\["[^"`<>]*"\]|'
                            r'v\d+ (?:-->|==>|-\.->)\|"[^"`<>|]*"\| v\d+|linkStyle [\d,]+ stroke:#\w+|'
                            r"classDef unknown [\w:; -]+|class v[\d,v]+ unknown)", line), line  # fmt: skip
    decoded = re.sub(r"#(\d+);", lambda match: chr(int(match[1])), text)
    assert all(f'["evil/{visible(name)}"]' in decoded for name in NAMES)
    assert mermaid_quoted("shop/web-0") == '"shop/web-0"'


def test_mermaid_says_when_it_has_more_edges_than_mermaid_draws():
    rows = [flow(src_pod=f"shop/web-{number}") for number in range(501)]
    text = write_graph(build_graph(Flows(table(*rows))), "mermaid")
    assert "%% 501 edges: to draw them, raise Mermaid's maxEdges (500)" in text


def test_csv_has_one_row_an_edge_and_no_formulas(hostile):
    rows = list(csv.DictReader(io.StringIO(write_graph(hostile, "csv"))))
    assert len(rows) == hostile.number_of_edges()
    assert {row["source"] for row in rows} == {visible(f"evil/{name}") for name in NAMES}
    assert not [cell for row in rows for cell in row.values() if cell.startswith(("=", "+", "-", "@"))]
    assert {row["source_node"].removeprefix("'") for row in rows} == {visible(name) for name in NAMES}


def test_csv_leaves_the_unknown_empty(plain):
    rows = list(csv.DictReader(io.StringIO(write_graph(plain, "csv"))))
    assert rows[0]["source_zone"] == ""
    assert rows[0]["bytes_unknown"] == "1"


def test_cytoscape_is_what_networkx_reads(hostile):
    data = json.loads(write_graph(hostile, "cytoscape"))
    read = nx.cytoscape_graph(data)
    assert (read.is_directed(), read.is_multigraph(), read.graph) == (True, True, hostile.graph)
    assert list(read) == list(hostile)
    assert list(read.edges(keys=True)) == list(hostile.edges(keys=True))
    assert all(known.items() <= read.nodes[vertex].items() for vertex, known in hostile.nodes(data=True))
    elements = data["elements"]
    assert {edge["classes"] for edge in elements["edges"]} == {"same_node", "cross_node", "unknown"}
    assert len({one["data"]["id"] for kind in elements.values() for one in kind}) == len(read) + len(read.edges)


ADDRESSES = (
    "10.0.0.1:8080",
    "10.0.0.1:9090",
    "10.0.0.1",
    "[fd00::1]:443",
    "a:b:c",
    "svc.ns:http",
    'a"b',
    "x\\",
    "node",
)


@pytest.fixture(scope="module")
def addresses():
    """Vertices whose names hold what formats read otherwise, two edges between each and the next."""
    graph = nx.MultiDiGraph(by="pod")
    for number, (source, target) in enumerate(pairwise((*ADDRESSES, ADDRESSES[0]))):
        graph.add_node(source, node=f"n{number % 2}")
        graph.add_edge(source, target, "hbone", flows=number, request_bytes=1)
        graph.add_edge(source, target, "plaintext", flows=number)
    return graph


READERS = {
    "json": lambda text: nx.node_link_graph(json.loads(text)),
    "cytoscape": lambda text: nx.cytoscape_graph(json.loads(text)),
    "graphml": lambda text: nx.read_graphml(io.BytesIO(text.encode())),
    "gexf": lambda text: nx.read_gexf(io.BytesIO(text.encode())),
    "dot": lambda text: nx.nx_pydot.from_pydot(pydot.graph_from_dot_data(text)[0]),
}


@pytest.mark.filterwarnings("ignore:.*deprecated:DeprecationWarning")  # of pydot's calls to pyparsing
@pytest.mark.parametrize("name", READERS)
def test_no_reader_loses_a_vertex_or_a_parallel_edge(addresses, name):
    read = READERS[name](write_graph(addresses, name))
    assert read.is_directed()
    assert read.is_multigraph()
    assert (len(read), read.number_of_edges()) == (len(ADDRESSES), 2 * len(ADDRESSES))
    flows = Counter(
        str(edge.get("flows", edge.get("label"))).strip('"').split(" ")[0] for *_, edge in read.edges(data=True)
    )
    assert flows == {str(number): 2 for number in range(len(ADDRESSES))}


def test_networkx_draws_parallel_edges(plain):
    """What `networkx.display` does with a key, to bend the edges between two vertices apart."""
    (key,) = {key for *_, key in plain.edges(keys=True)}
    assert key == "hbone"
    assert key % 4 in range(4)


@pytest.mark.parametrize("name", GRAPH_WRITERS)
def test_the_unknown_vertex_is_in_every_format(name):
    graph = build_graph(Flows(table(flow(src_node=None))), "node")
    assert visible(UNKNOWN) in write_graph(graph, name)


def test_an_unknown_format_is_refused():
    with pytest.raises(UsageError, match="choose one of json, dot, mermaid"):
        write_graph(build_graph(Flows()), "png")
    with pytest.raises(UsageError):
        build_graph(Flows()).export("png")


@settings(quick, max_examples=40)
@given(flows(12), st.sampled_from(LEVELS), st.sampled_from(sorted(STREAMED)), st.integers(1, 3))
def test_columns_are_written_as_the_graph_is(some, by, name, at_once):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(columns, "EDGES_AT_ONCE", at_once)
        written = b"".join(STREAMED[name](graph_columns(some, by)))
    assert written.decode() == write_graph(build_graph(some, by), name)


def test_columns_hold_sums_and_names_of_any_size():
    huge = {"request_bytes": 2**63 - 1, "src_pod": 'a/"b\\c\u2028,=\n', "dst_node": 'n"1', "path": None}
    some = Flows(table(flow(**huge), flow(**huge), flow(**huge, start=None, end=None, duration_ms=None), flow()))
    for name in STREAMED:
        written = b"".join(STREAMED[name](graph_columns(some, "pod"))).decode()
        assert written == write_graph(build_graph(some, "pod"), name)
        assert name == "dot" or str(3 * (2**63 - 1)) in written
