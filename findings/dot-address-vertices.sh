#!/usr/bin/env bash
# pydot and graphviz take the port of an address for a port of a DOT vertex: three vertices go out, five others come back.
# Needs bash, python3 and a package index; installs networkx==3.6.1 pydot==4.0.1 graphviz==0.21 into a temporary folder, which it removes. Takes some 20 s.
# Exits 1 when the behaviour is not the one described.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check networkx==3.6.1 pydot==4.0.1 graphviz==0.21
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
import sys
import warnings

import graphviz
import networkx as nx
import pydot

warnings.simplefilter("ignore")  # pydot calls pyparsing by its old names
graph = nx.DiGraph([("10.0.0.1:8080", "10.0.0.2:80"), ("10.0.0.1:9090", "10.0.0.2:80")])
print("networkx", nx.__version__, "pydot", pydot.__version__, "graphviz", graphviz.__version__)
text = nx.nx_pydot.to_pydot(graph).to_string()
print(text)
back = nx.nx_pydot.from_pydot(pydot.graph_from_dot_data(text)[0])
print("pydot, vertices:", len(graph), "->", len(back), sorted(back))

drawn = graphviz.Digraph()
drawn.node("10.0.0.1:8080")
drawn.edge("10.0.0.1:8080", "client")
print(drawn.source)
whole, parted = '"10.0.0.1:8080"\n' in drawn.source, '"10.0.0.1":8080 -> client' in drawn.source
print("graphviz: node() keeps the name whole:", whole, "- edge() parts it:", parted)
sys.exit(0 if not set(back) & set(graph) and whole and parted else "the behaviour has changed")
PYTHON
