"""The map as one HTML file: no network access, works without scripts, better with them.

The page carries its data as JSON (`#graph`, the shape of `-o json`). A content security policy forbids every request.
"""

from __future__ import annotations

from html import escape
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from ztflow.graph.formats.boxes import CLASS_TEXT, box_attribute, edge_class
from ztflow.graph.formats.edge_list import edge_rows
from ztflow.graph.formats.map.placing import lay_out
from ztflow.graph.formats.map.svg import STYLE, hidden_note, svg_map
from ztflow.graph.formats.node_link import edge_objects, node_objects
from ztflow.text.escapes import visible
from ztflow.text.format import bytes_text, hidden_text, json_text, share_text

if TYPE_CHECKING:
    import networkx as nx

_TABLE_ROWS = 500
"""Edges listed below the map."""

_BOXINGS = ("node", "zone", "namespace")

_POLICY = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; base-uri 'none'"


def to_html(graph: nx.MultiDiGraph[str]) -> str:
    """The map as a self-contained page: boxes by node, search, tooltips, edge kinds to switch, a table of edges."""
    here = files("ztflow.graph.formats.map")
    boxings = _boxings(graph)
    drawings = [lay_out(graph, boxing) for boxing in boxings]
    maps = "\n".join(
        f'<div class="map" data-box="{escape(str(boxing))}"{" hidden" if number else ""}>'
        f"{svg_map(graph, boxing, drawing=drawings[number], style=False)}</div>"
        for number, boxing in enumerate(boxings)
    )
    hidden = hidden_note(drawings[0])
    if hidden:
        hidden = f"<p>On the map: {escape(hidden)}. A coarser level, such as workload or namespace, draws clearer.</p>"
    # In a script element only `<` could end it or open a comment; JSON may write it as a code.
    data = json_text({"nodes": list(node_objects(graph)), "edges": list(edge_objects(graph))}).replace("<", "\\u003c")
    by = visible(str(graph.graph.get("by", "vertex")))
    return "\n".join(
        [
            "<!doctype html>",
            '<html lang="en"><head><meta charset="utf-8">',
            f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">',
            '<meta name="viewport" content="width=device-width,initial-scale=1">',
            f"<title>ztflow: traffic by {escape(by)}</title>",
            f"<style>{STYLE}{here.joinpath('page.css').read_text('utf-8')}</style></head><body>",
            f"<header><h1>Traffic by {escape(by)}</h1>{_facts(graph)}{hidden}</header>",
            f'<nav aria-label="Map controls">{_controls(graph, boxings)}</nav>',
            f'<main id="stage">{maps}</main><div id="tip" role="tooltip" hidden></div>',
            _table(graph),
            f'<script type="application/json" id="graph">{data}</script>',
            f"<script>{here.joinpath('page.js').read_text('utf-8')}</script>",
            "</body></html>\n",
        ]
    )


def _boxings(graph: nx.MultiDiGraph[str]) -> list[str | None]:
    """Ways to box this graph, the best first."""
    best = box_attribute(graph)
    others = [
        name
        for name in _BOXINGS
        if name not in (best, graph.graph.get("by"))
        and any(name in attributes for _, attributes in graph.nodes(data=True))
    ]
    return [best, *others]


def totals(graph: nx.MultiDiGraph[str]) -> dict[str, int]:
    """Sums over all edges of the counts a header needs."""
    names = (
        "flows", "request_bytes", "response_bytes", "bytes_unknown", "same_node", "cross_node", "locality_unknown",
        "denied", "failed", "plaintext", "mtls_unknown",
    )  # fmt: skip
    found = dict.fromkeys(names, 0)
    for _, _, attributes in graph.edges(data=True):
        for name in names:
            found[name] += attributes.get(name, 0)
    return found


def _facts(graph: nx.MultiDiGraph[str]) -> str:
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
    if sums["mtls_unknown"]:
        facts.append(f"encryption unknown for {sums['mtls_unknown']:,}")
    return "<p>" + " · ".join(escape(visible(str(fact))) for fact in facts) + "</p>"


def _controls(graph: nx.MultiDiGraph[str], boxings: list[str | None]) -> str:
    kinds: dict[str, int] = dict.fromkeys(CLASS_TEXT, 0)
    refused = 0
    for _, _, attributes in graph.edges(data=True):
        kinds[edge_class(attributes)] += 1
        refused += bool(attributes.get("denied", 0) + attributes.get("failed", 0))
    parts = [
        '<label>Search <input id="search" type="search" placeholder="pod, namespace, node…" autocomplete="off"></label>'
    ]
    if len(boxings) > 1:
        options = "".join(f'<option value="{escape(str(name))}">{escape(str(name))}</option>' for name in boxings)
        parts.append(f'<label>Box by <select id="boxing">{options}</select></label>')
    for kind, text in CLASS_TEXT.items():
        if kinds[kind]:
            parts.append(
                f'<label class="key {kind}"><input type="checkbox" data-kind="{kind}" checked>'
                f'<svg class="ztmap" width="34" height="10" aria-hidden="true"><g class="edge {kind}">'
                f'<path d="M1 5H33" stroke-width="3"/></g></svg>{text} ({kinds[kind]:,})</label>'
            )
    if refused:
        parts.append(f'<label><input type="checkbox" id="refused"> only denied or failed ({refused:,})</label>')
    parts.append('<button id="fit" type="button">Fit</button><span id="count" role="status"></span>')
    return "".join(parts)


_COLUMNS: tuple[tuple[str, str, bool], ...] = (
    ("source", "Source", False), ("target", "Destination", False), ("path", "Path", False),
    ("flows", "Connections", True), ("request_bytes", "Request", True), ("response_bytes", "Response", True),
    ("duration_p95_ms", "p95 ms", True), ("same_node", "Same node", True), ("cross_node", "Cross node", True),
    ("locality_unknown", "Node unknown", True), ("denied", "Denied", True), ("failed", "Failed", True),
    ("plaintext", "Plaintext", True),
)  # fmt: skip


def _table(graph: nx.MultiDiGraph[str]) -> str:
    numbered = list(enumerate(edge_rows(graph)))
    numbered.sort(key=lambda item: (-item[1]["flows"], item[0]))
    heads = "".join(
        f'<th scope="col" class="{"n" if number else ""}"><button type="button">{title}</button></th>'
        for _, title, number in _COLUMNS
    )
    rows = []
    for number, row in numbered[:_TABLE_ROWS]:
        cells = "".join(_cell(name, row[name], number=right) for name, _, right in _COLUMNS)
        rows.append(f'<tr data-e="{number}">{cells}</tr>')
    more = ""
    if len(numbered) > _TABLE_ROWS:
        more = f"<p>{escape(hidden_text(len(numbered) - _TABLE_ROWS, 'edges'))} not listed.</p>"
    return (
        f'<section><h2>Edges</h2><table id="edges"><thead><tr>{heads}</tr></thead><tbody>'
        + "\n".join(rows)
        + f"</tbody></table>{more}</section>"
    )


def _cell(name: str, value: Any, *, number: bool) -> str:
    if value is None:
        return f'<td class="{"n" if number else ""}" data-n="-1">-</td>'
    if name.endswith("_bytes"):
        return f'<td class="n" data-n="{value}" title="{value:,} B">{bytes_text(value)}</td>'
    if number:
        return f'<td class="n" data-n="{value}">{value:,}</td>'
    return f"<td>{escape(visible(str(value)))}</td>"
