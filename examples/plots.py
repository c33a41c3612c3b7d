"""Every kind of plot as a still picture, written to a folder: `python examples/plots.py FOLDER INPUT…`.

Without `.svg` the same calls give figures of plotly: `flows.plot.sankey().write_html("sankey.html")`.

    $ python examples/plots.py build/plots fixtures/captured/1.29.5-json
    bytes-over-time
    same-or-cross-node
    node-to-node
    zone-to-zone
    lives
    lives-ecdf
    namespaces
    who-is-denied
    crossing-most
"""

from __future__ import annotations

import sys
from pathlib import Path

import ztflow


def main(folder: Path, inputs: list[str]) -> None:
    flows = ztflow.read_flows(*inputs)
    plot = flows.plot.svg
    pictures = {
        "bytes-over-time": plot.time(by="workload", every="10s"),
        "same-or-cross-node": plot.time(by="locality", value="flows"),
        "node-to-node": plot.heatmap(by="node", value="bytes"),
        "zone-to-zone": plot.heatmap(by="zone", value="bytes"),
        "lives": plot.hist(by="locality"),
        "lives-ecdf": plot.ecdf(by="locality"),
        "namespaces": plot.sankey(by="namespace"),
        "who-is-denied": plot.sankey(by="workload", value="denied"),
        "crossing-most": flows.report("locality").plot.svg("by pair", column="crossing nodes"),
    }
    folder.mkdir(parents=True, exist_ok=True)
    for name, picture in pictures.items():
        picture.save(folder / f"{name}.svg")
    print(*pictures, sep="\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
