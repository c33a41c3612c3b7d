"""The map as SVG: boxes, vertices and edges, readable without scripts or style sheets from elsewhere."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from math import log10
from typing import TYPE_CHECKING, Any

from ztflow.aggregate import UNKNOWN
from ztflow.graph.formats.boxes import CLASS_TEXT, box_attribute, edge_class
from ztflow.graph.formats.map.placing import Box, Drawing, Link, Pill, lay_out
from ztflow.text.escapes import visible
from ztflow.text.format import bytes_text, duration_text, hidden_text

if TYPE_CHECKING:
    import networkx as nx

_LIGHT = (
    "--ink:#1f2933;--muted:#5b6570;--paper:#ffffff;--box:#f5f7f9;--line:#c3ccd5;--pill:#ffffff;--same_node:#12805c;"
    "--cross_node:#c2570c;--cross_zone:#8b2fc9;--mixed:#8a6d0b;--unknown:#7b8794;--bad:#c0262d;--accent:#1d5fbf"
)
_DARK = (
    "--ink:#e4e7eb;--muted:#9aa5b1;--paper:#14181d;--box:#1c2229;--line:#3e4c59;--pill:#262d35;--same_node:#3fc796;"
    "--cross_node:#f2994a;--cross_zone:#c792ea;--mixed:#e0bf4a;--unknown:#9aa5b1;--bad:#ff6b6b;--accent:#7db4ff"
)
# A page that says which of the two it is (this page's own button, JupyterLab, VS Code) is believed over the system.
_SAYS_LIGHT = ':root[data-theme=light] .ztmap,[data-jp-theme-light="true"] .ztmap,.vscode-light .ztmap'
_SAYS_DARK = ':root[data-theme=dark] .ztmap,[data-jp-theme-light="false"] .ztmap,.vscode-dark .ztmap'

PALETTE = f"""
.ztmap{{{_LIGHT};
font-family:ui-monospace,SFMono-Regular,Menlo,Consolas,"DejaVu Sans Mono",monospace;font-size:11px}}
@media(prefers-color-scheme:dark){{.ztmap{{{_DARK}}}}}
{_SAYS_LIGHT}{{{_LIGHT}}}
{_SAYS_DARK}{{{_DARK}}}
@media print{{.ztmap{{{_LIGHT}}}}}
.ztmap text{{fill:var(--ink);dominant-baseline:central}}
"""
"""Colours in light and dark, and the font: of the map and of other pictures."""

STYLE = f"""{PALETTE}
.ztmap .box rect{{fill:var(--box);stroke:var(--line)}}.ztmap .box.none rect{{stroke-dasharray:6 5;fill:none}}
.ztmap .box.inner rect{{fill:var(--paper);fill-opacity:.5}}.ztmap .box rect.grip{{fill:transparent;stroke:none}}
.ztmap .box text{{font-weight:bold;font-size:13px}}
.ztmap .box tspan{{font-weight:normal;fill:var(--muted);font-size:11px}}
.ztmap .marker{{fill:var(--muted)}}
.ztmap .vertex rect{{fill:var(--pill);stroke:var(--line)}}.ztmap .vertex.nameless rect{{stroke-dasharray:4 3}}
.ztmap .vertex.group text{{font-weight:bold}}.ztmap .vertex.group rect{{fill:var(--box);stroke-width:1.5}}
.ztmap .vertex.refused rect{{stroke:var(--bad)}}.ztmap .vertex tspan{{fill:var(--muted);font-weight:normal}}
.ztmap .vertex.hit rect,.ztmap .vertex:focus-visible rect,.ztmap .head:focus-visible .grip{{stroke:var(--accent);
stroke-width:2.5}}
.ztmap .edge path{{fill:none;stroke:var(--c);stroke-opacity:.72}}
.ztmap .crowded .edge path,.ztmap.crowded .edge path{{stroke-opacity:.35}}
.ztmap .edge path.catch{{visibility:hidden;pointer-events:stroke;stroke-width:11}}
.ztmap .edge:hover path.line{{stroke-opacity:1}}
.ztmap .edge.bundle path.line,.ztmap.crowded .edge.bundle path.line{{stroke-opacity:.6;stroke-dasharray:none}}
.ztmap .edge .tip{{fill:var(--c);stroke:none}}
.ztmap .same_node{{--c:var(--same_node)}}.ztmap .cross_node{{--c:var(--cross_node)}}
.ztmap .cross_zone{{--c:var(--cross_zone)}}
.ztmap .mixed{{--c:var(--mixed)}}.ztmap .mixed path.line{{stroke-dasharray:12 3}}
.ztmap .unknown,.ztmap .untold{{--c:var(--unknown)}}
.ztmap .unknown path.line,.ztmap .untold path.line{{stroke-dasharray:3 4}}
.ztmap .mtls,.ztmap .fine{{--c:var(--same_node)}}.ztmap .waypoint{{--c:var(--accent)}}
.ztmap .plaintext,.ztmap .denied{{--c:var(--bad)}}.ztmap .failed,.ztmap .plaintext_refused{{--c:var(--cross_node)}}
.ztmap .new{{--c:var(--same_node)}}.ztmap .gone{{--c:var(--bad)}}.ztmap .more{{--c:var(--accent)}}
.ztmap .less{{--c:var(--accent)}}.ztmap .gone path.line,.ztmap .less path.line{{stroke-dasharray:8 4}}
.ztmap .newly_denied{{--c:var(--bad)}}.ztmap .newly_failed{{--c:var(--cross_node)}}.ztmap .locality{{--c:var(--mixed)}}
.ztmap .newly_plaintext{{--c:var(--cross_zone)}}.ztmap .same{{--c:var(--unknown)}}
.ztmap .left_mesh{{--c:var(--cross_zone)}}.ztmap .plaintext_refused path.line{{stroke-dasharray:8 4}}
.ztmap.ztmap .edge.dim path.line{{stroke-opacity:.06}}.ztmap .edge.dim .tip{{fill-opacity:.12}}
.ztmap .vertex.dim>*{{fill-opacity:.25;stroke-opacity:.25}}
.ztmap .edge.refused circle{{fill:var(--paper);stroke:var(--bad);stroke-width:1.5}}
.ztmap .edge.refused text,.ztmap .badge text{{fill:var(--bad);font-size:9px;font-weight:bold;text-anchor:middle}}
.ztmap .badge circle{{fill:var(--paper);stroke:var(--bad);stroke-width:1.5}}
.ztmap .lock .ring{{fill:var(--paper);stroke:var(--c)}}.ztmap .lock.mixed .sign{{fill-opacity:.25}}
.ztmap .lock .sign{{fill:var(--c);stroke:var(--c);stroke-width:1.3}}.ztmap .lock text{{text-anchor:middle}}
.ztmap .lock.plaintext .sign,.ztmap .lock.plaintext_refused .sign,.ztmap .lock.left_mesh .sign{{fill:none}}
.ztmap .matrix .field{{fill:var(--box);stroke:var(--line)}}.ztmap .cell{{fill:var(--c)}}
.ztmap .corners{{fill:var(--bad);pointer-events:none}}.ztmap .matrix .row{{text-anchor:end}}
.ztmap .matrix .axes{{fill:var(--muted)}}
"""
"""Same-node and cross-node edges differ in colour and the unknown ones in dashes, for light and dark pages."""


_CROWDED = 300
"""Edges beyond which they are drawn fainter, so that names stay readable."""


def to_svg(graph: nx.MultiDiGraph[str]) -> str:
    """The map as one SVG document, vertices boxed by node where nodes are known."""
    return svg_map(graph, box_attribute(graph), document=True) + "\n"


def svg_map(
    graph: nx.MultiDiGraph[str],
    attribute: str | None,
    *,
    drawing: Drawing | None = None,
    document: bool = False,
    style: bool = True,
) -> str:
    """The map as an `<svg>` element.

    Args:
        graph: The graph.
        attribute: Vertex attribute that boxes vertices.
        drawing: Its layout, if made before.
        document: Whether it is to be a file of its own.
        style: Whether to carry `STYLE` along; a page that has it once needs no copies.
    """
    drawing = drawing or lay_out(graph, attribute)
    names = {vertex: number for number, vertex in enumerate(graph.nodes)}
    edges = {edge: number for number, edge in enumerate(graph.edges(keys=True))}
    space = ' xmlns="http://www.w3.org/2000/svg"' if document else ""
    foot = 26 if drawing.hidden_edges or drawing.hidden_vertices else 0
    width, height = max(drawing.width, 360), max(drawing.height, 60) + foot
    label = escape(visible(_summary(graph)))
    size = f'viewBox="0 0 {width:.0f} {height:.0f}" width="{width:.0f}" height="{height:.0f}"'
    parts = [f'<svg{space} class="ztmap" role="img" aria-label="{label}" {size}>']
    if style:
        parts.append(f"<style>{STYLE}</style>")
    if document:
        parts.append('<rect width="100%" height="100%" style="fill:var(--paper)"/>')
    parts.extend(_box(box, attribute) for box in drawing.boxes)
    parts.append('<g class="edges crowded">' if len(drawing.links) > _CROWDED else '<g class="edges">')
    numbered = [(link, edges[(link.source, link.target, link.key)]) for link in drawing.links]
    parts.extend(_edge(link, number, names) for link, number in numbered)
    parts.append('</g><g class="vertices">')
    marked = [(link, number) for link, number in numbered if _refused(link.attributes)]
    refused = {link.target for link, _ in marked}
    for box in drawing.boxes:
        parts.extend(
            _vertex(pill, names[pill.vertex], graph.nodes[pill.vertex], refused=pill.vertex in refused)
            for pill in box.pills
        )
    parts.append('</g><g class="marks">')
    parts.extend(_mark(link, number, names) for link, number in marked)
    parts.append("</g>")
    if not graph.number_of_nodes():
        parts.append(f'<text x="{width / 2:.0f}" y="30" text-anchor="middle">no connections</text>')
    if foot:
        parts.append(f'<text x="24" y="{height - 16:.0f}">{escape(hidden_note(drawing))}</text>')
    parts.append("</svg>")
    return "\n".join(parts)


def hidden_note(drawing: Drawing) -> str:
    """What is not drawn, as a sentence; empty when everything is."""
    notes = []
    if drawing.hidden_edges:
        notes.append(hidden_text(drawing.hidden_edges, "edges"))
    if drawing.hidden_vertices:
        notes.append(hidden_text(drawing.hidden_vertices, "vertices"))
    return f"{', '.join(notes)} not drawn (the busiest are)" if notes else ""


def _summary(graph: nx.MultiDiGraph[str]) -> str:
    return (
        f"traffic map by {graph.graph.get('by', 'vertex')}: {graph.number_of_nodes():,} vertices, "
        f"{graph.number_of_edges():,} edges"
    )


def _refused(attributes: Mapping[str, Any]) -> int:
    return int(attributes.get("denied", 0)) + int(attributes.get("failed", 0))


def _box(box: Box, attribute: str | None) -> str:
    if attribute is None:
        return ""
    none = box.title is None
    title = f"no single {attribute}" if box.title is None else visible(box.title)
    word = "" if none else f"{attribute} "
    return (
        f'<g class="box{" none" if none else ""}"><rect x="{box.x:.0f}" y="{box.y:.0f}" width="{box.width:.0f}" '
        f'height="{box.height:.0f}" rx="10"/><text x="{box.x + 16:.0f}" y="{box.y + 22:.0f}">'
        f"<tspan>{escape(word)}</tspan>{escape(title)}</text></g>"
    )


def _vertex(pill: Pill, number: int, attributes: Mapping[str, Any], *, refused: bool) -> str:
    nameless = " nameless" if pill.vertex == UNKNOWN or attributes.get("unknown") else ""
    facts = "\n".join(
        f"{name}: {visible(str(value))}" for name, value in attributes.items() if name not in ("unknown", "unnamed")
    )
    namespace, slash, name = pill.text.partition("/")
    shown = f"<tspan>{escape(namespace)}/</tspan>{escape(name)}" if slash else escape(pill.text)
    return (
        f'<g class="vertex{nameless}{" refused" if refused else ""}" data-v="{number}" tabindex="0">'
        f"<title>{escape(visible(pill.vertex))}\n{escape(facts)}</title>"
        f'<rect x="{pill.x:.1f}" y="{pill.y:.1f}" width="{pill.width}" height="24" rx="12"/>'
        f'<text x="{pill.x + 11:.1f}" y="{pill.middle:.1f}">{shown}</text></g>'
    )


def edge_facts(attributes: Mapping[str, Any]) -> list[str]:
    """What to say about an edge, one line each."""
    request, response = (bytes_text(attributes.get(name, 0)) for name in ("request_bytes", "response_bytes"))
    lines = [
        f"{attributes.get('flows', 0):,} connections ({attributes.get('path', 'path unknown')})",
        f"request {request}, response {response}",
    ]
    if attributes.get("bytes_unknown"):
        lines.append(f"bytes unknown for {attributes['bytes_unknown']:,}")
    if "duration_p95_ms" in attributes:
        median, high = attributes.get("duration_p50_ms", 0), attributes["duration_p95_ms"]
        lines.append(f"duration median {duration_text(median)}, p95 {duration_text(high)}")
    told = (
        ("same_node", "same node"), ("cross_node", "cross node"), ("locality_unknown", "node unknown"),
        ("denied", "denied"), ("failed", "failed"), ("plaintext", "plaintext"),
        ("plaintext_refused", "plaintext refused"), ("left_mesh", "left the mesh"),
    )  # fmt: skip
    lines.append(", ".join(f"{attributes[name]:,} {word}" for name, word in told if attributes.get(name)))
    return [visible(line) for line in lines if line]


def stroke_width(flows: int) -> float:
    """Width of an edge by its connections: logarithmic, 1.2 to 6 pixels."""
    return round(min(1.2 + 1.1 * log10(max(flows, 1)), 6), 2)


def _edge(link: Link, number: int, names: Mapping[str, int]) -> str:
    width = stroke_width(link.attributes.get("flows", 1))
    tip, back = 5 + width, -link.curve.heading
    x, y = link.curve.x3, link.curve.y3
    base, half = x + back * tip, tip * 0.55
    return _edge_group(
        link,
        number,
        names,
        f'<path class="line" d="{link.curve.path}" stroke-width="{width}"/>'
        f'<polygon class="tip" points="{x:.1f},{y:.1f} {base:.1f},{y - half:.1f} {base:.1f},{y + half:.1f}"/>',
    )


def _mark(link: Link, number: int, names: Mapping[str, int]) -> str:
    """How many were denied or failed, half way along the edge."""
    bad, (x, y) = _refused(link.attributes), link.curve.middle
    count = f"{bad}" if bad < 100 else "99+"
    shape = f'<circle cx="{x:.1f}" cy="{y:.1f}" r="7"/><text x="{x:.1f}" y="{y:.1f}">{count}</text>'
    return _edge_group(link, number, names, shape)


def _edge_group(link: Link, number: int, names: Mapping[str, int], shapes: str) -> str:
    """Shapes that belong to an edge: the page's program finds them by their data."""
    kind = edge_class(link.attributes)
    ends = f"{visible(link.source)} → {visible(link.target)}"
    facts = "\n".join([ends, CLASS_TEXT[kind], *edge_facts(link.attributes)])
    refused = " refused" if _refused(link.attributes) else ""
    return (
        f'<g class="edge {kind}{refused}" data-e="{number}" data-s="{names[link.source]}" '
        f'data-t="{names[link.target]}" data-k="{kind}"><title>{escape(facts)}</title>{shapes}</g>'
    )
