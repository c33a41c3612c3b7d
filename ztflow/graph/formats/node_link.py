"""JSON: `{"nodes": [{"id", …}], "edges": [{"source", "target", "key", …}], …}`, networkx's node-link shape.

Read back with `networkx.node_link_graph(data)`, which learns from the data that edges have a direction and may be
parallel.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import pyarrow.compute as pc

from ztflow.aggregate.measures import TIMES
from ztflow.graph.columns import AnyGraph, GraphColumns, joined
from ztflow.text.format import json_text


def node_objects(graph: AnyGraph) -> Iterable[dict[str, Any]]:
    """Vertices as JSON objects."""
    for vertex, attributes in graph.nodes(data=True):
        yield {"id": vertex, **attributes}


def json_pieces(graph: AnyGraph) -> Iterator[bytes]:
    """The graph as node-link JSON, one vertex or edge a line."""
    nodes = ",\n".join(json_text(node) for node in node_objects(graph))
    about = json_text(dict(graph.graph))
    yield f'{{"directed":true,"multigraph":true,"graph":{about},\n"nodes":[\n{nodes}\n],"edges":[\n'.encode()
    between = b""
    for lines in _lines_of(graph) if isinstance(graph, GraphColumns) else _lines(graph):
        yield between + lines
        between = b",\n"
    yield b"\n]}\n"


def _lines(graph: AnyGraph) -> Iterator[bytes]:
    for source, target, key, attributes in graph.edges(keys=True, data=True):
        yield json_text({"source": source, "target": target, "key": key, **attributes}).encode()


def _lines_of(graph: GraphColumns) -> Iterator[bytes]:
    """As `_lines`, some thousand lines at a time, joined in columns."""
    names, keys = ([json_text(text) for text in texts] for texts in (graph.names, graph.keys))
    paths = [f',"path":{text}}}' for text in keys[:-1]] + ["}"]  # of an edge without a path none is told
    for places in graph.portions():
        source, target, key = graph.texts(places, names, keys)
        parts = [',\n{"source":', source, ',"target":', target, ',"key":', key]
        quote = ""
        for name, texts in graph.measured.arrow(places):
            before, quote = quote, '"' if name in TIMES else ""
            if texts.null_count:  # then nothing is told, not even the name
                parts += [before, pc.binary_join_element_wise(f',"{name}":{quote}', texts, quote, "")]
                quote = ""
            else:
                parts += [f'{before},"{name}":{quote}', texts]
        *_, path = graph.texts(places, names, paths)
        yield joined([*parts, quote, path])[2:]


def to_json(graph: AnyGraph) -> str:
    """`json_pieces` as one text."""
    return b"".join(json_pieces(graph)).decode()
