"""Copies the graph with values that GraphML and GEXF can hold."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ztflow.text.patterns import lazy_pattern

if TYPE_CHECKING:
    import networkx as nx

_NOT_XML = lazy_pattern("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]|\\\\")
"""Characters XML 1.0 cannot hold, not even as references; and the backslash, so that escaping stays reversible."""

_LONG = 2**63


def xml_text(text: str) -> str:
    r"""`text` with what XML 1.0 cannot hold written as `\u{…}`, and `\` as `\\`; different names stay different."""
    return _NOT_XML.sub(lambda match: "\\\\" if match[0] == "\\" else f"\\u{{{ord(match[0]):x}}}", text)


def xml_copy(graph: nx.MultiDiGraph[str]) -> nx.MultiDiGraph[str]:
    """A copy of the graph: names as `xml_text`, edges numbered `e0`, `e1`, …, integers that fit their declared type.

    Edge keys are paths, which repeat; both formats want ids that do not. An attribute of which
    one value exceeds 64 bits becomes a float throughout.
    """
    import networkx as nx

    too_big = {
        name
        for _, _, attributes in graph.edges(data=True)
        for name, value in attributes.items()
        if isinstance(value, int) and value >= _LONG
    }

    def scalar(name: str, value: object) -> object:
        if isinstance(value, str):
            return xml_text(value)
        return float(value) if name in too_big and isinstance(value, int) else value

    copy: nx.MultiDiGraph[str] = nx.MultiDiGraph()
    copy.graph.update({name: scalar(name, value) for name, value in graph.graph.items()})
    for vertex, attributes in graph.nodes(data=True):
        copy.add_node(xml_text(vertex), **{name: scalar(name, value) for name, value in attributes.items()})
    for number, (source, target, attributes) in enumerate(graph.edges(data=True)):
        values = {name: scalar(name, value) for name, value in attributes.items()}
        copy.add_edge(xml_text(source), xml_text(target), key=f"e{number}", **values)
    return copy
