"""The map as one HTML file: no network access; the program in it draws, and without scripts there is a still picture.

The page carries its data as columns of JSON (`#graph`, see `columns` and `details`). A content security policy forbids
every request, and every script but the page's own by its hash.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence
from functools import cache
from hashlib import sha256
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from ztflow.graph.formats.boxes import box_attribute
from ztflow.graph.formats.edge_list import edge_rows
from ztflow.graph.formats.map.columns import map_columns
from ztflow.graph.formats.map.svg import STYLE, svg_map
from ztflow.text.escapes import visible
from ztflow.text.format import Unit, bytes_text, html_table, json_text, share_text

if TYPE_CHECKING:
    import networkx as nx

_PROGRAM = (
    "columns", "text", "shapes", "tree", "links", "layout", "draw", "matrix", "command", "panel", "table", "moves",
    "main", "controls",
)  # fmt: skip
"""Its parts, in the order they are read; they share one scope."""

_STILL_EDGES = 300
"""Edges of the still picture; with more it is left out, so that the page stays small."""
_STILL_ROWS = 50


def to_html(graph: nx.MultiDiGraph[str]) -> str:
    """The map as a self-contained page; of flows, `graph.map_page` makes one that also tells time and lines."""
    return page(graph, map_columns(graph))


def page(
    graph: nx.MultiDiGraph[str], columns: dict[str, Any], inputs: Sequence[str] = (), above: str = "", below: str = ""
) -> str:
    """The page of a graph.

    Args:
        graph: The graph.
        columns: The data the page carries.
        inputs: What the command line read and by which inventories, as its words, for the commands the page offers.
        above: HTML to put above the map, escaped where it was made.
        below: Likewise below it.
    """
    import jinja2
    from markupsafe import Markup

    here = files("ztflow.graph.formats.map")
    program = _program()
    hashed = b64encode(sha256(program.encode()).digest()).decode()
    # In a script element only `<` could end it or open a comment; JSON may write it as a code.
    data = json_text(columns | {"inputs": [visible(name) for name in inputs]}).replace("<", "\\u003c")
    template = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, keep_trailing_newline=True)
    return template.from_string(here.joinpath("page.html.j2").read_text("utf-8")).render(
        by=visible(str(graph.graph.get("by", "vertex"))),
        facts=[visible(fact) for fact in _facts(graph)],
        program_hash=f"sha256-{hashed}",
        style=Markup(STYLE + here.joinpath("page.css").read_text("utf-8")),  # noqa: S704 - a file of the package
        above=Markup(above),  # noqa: S704 - as its description asks
        below=Markup(below),  # noqa: S704 - likewise
        still=Markup(_still(graph)),  # noqa: S704 - escaped where it is made
        data=Markup(data),  # noqa: S704 - no `<` is left
        program=Markup(program),  # noqa: S704 - a file of the package
    )


@cache
def _program() -> str:
    here = files("ztflow.graph.formats.map").joinpath("program")
    parts = "\n".join(here.joinpath(f"{name}.js").read_text("utf-8") for name in _PROGRAM)
    return f'"use strict";\n(() => {{\n{parts}}})();\n'


def totals(graph: nx.MultiDiGraph[str]) -> dict[str, int]:
    """Sums over all edges of the counts a header needs."""
    names = (
        "flows", "request_bytes", "response_bytes", "bytes_unknown", "same_node", "cross_node", "locality_unknown",
        "denied", "failed", "plaintext", "plaintext_refused", "left_mesh", "mtls_unknown",
    )  # fmt: skip
    every = [attributes for _, _, attributes in graph.edges(data=True)]
    return {name: sum(attributes.get(name, 0) for attributes in every) for name in names}


def _facts(graph: nx.MultiDiGraph[str]) -> list[str]:
    """The capture in one paragraph: window, sizes, locality with its unknown share, what was refused."""
    sums = totals(graph)
    flows = sums["flows"]
    known = graph.graph
    facts = []
    if "first_seen" in known:
        facts.append(f"{known['first_seen']} to {known['last_seen']}")
    facts.append(f"{flows:,} connections, {bytes_text(sums['request_bytes'] + sums['response_bytes'])} payload")
    if sums["bytes_unknown"]:
        facts.append(f"bytes unknown for {sums['bytes_unknown']:,}")
    if "paired_flows" in known:
        facts.append(f"{known['paired_flows']:,} with both halves seen, {known['unpaired_halves']:,} with one")
    if flows:
        shares = (("same_node", "same node"), ("cross_node", "cross node"), ("locality_unknown", "node unknown"))
        facts.append(", ".join(f"{word} {share_text(sums[name] / flows)}" for name, word in shares))
    facts.append(f"{sums['denied']:,} denied, {sums['failed']:,} failed, {sums['plaintext']:,} plaintext")
    for name, text in (("plaintext_refused", "plaintext refused"), ("left_mesh", "left the mesh")):
        if sums[name]:
            facts.append(f"{sums[name]:,} {text}")
    if sums["mtls_unknown"]:
        facts.append(f"encryption unknown for {sums['mtls_unknown']:,}")
    facts.append(f"{graph.number_of_nodes():,} vertices, {graph.number_of_edges():,} edges")
    return facts


_COLUMNS: tuple[tuple[str, str, Unit], ...] = (
    ("source", "Source", Unit.TEXT), ("target", "Destination", Unit.TEXT), ("path", "Path", Unit.TEXT),
    ("flows", "Connections", Unit.COUNT), ("request_bytes", "Request", Unit.BYTES),
    ("response_bytes", "Response", Unit.BYTES), ("denied", "Denied", Unit.COUNT), ("failed", "Failed", Unit.COUNT),
    ("plaintext", "Plaintext", Unit.COUNT),
)  # fmt: skip


def _still(graph: nx.MultiDiGraph[str]) -> str:
    """What is shown without scripts: the picture where it is small, and the busiest edges."""
    rows = sorted(edge_rows(graph), key=lambda row: -(row["flows"] or 0))
    table = html_table(
        [title for _, title, _ in _COLUMNS],
        [[row[name] for name, _, _ in _COLUMNS] for row in rows[:_STILL_ROWS]],
        units=[unit for _, _, unit in _COLUMNS],
        hidden=max(len(rows) - _STILL_ROWS, 0),
    )
    picture = svg_map(graph, box_attribute(graph), style=False) if len(rows) <= _STILL_EDGES else ""
    return picture + table
