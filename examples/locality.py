"""Which hops stay on a node, and which cross: `python examples/locality.py INPUT…`.

An input is a log, or a folder with logs and what kubectl says of pods and nodes.

    $ python examples/locality.py fixtures/captured/1.29.5-json
    same_node     45 connections  19.2%    2,322,654 bytes
    cross_node   184 connections  78.6%   40,460,176 bytes
    unknown        5 connections   2.1%            0 bytes

    0 of 19 stay   shop/web → data/db, 32,982,156 bytes cross
    3 of 20 stay   shop/cart → shop/web, 2,805,051 bytes cross
    0 of 4 stay    monitoring/prober → data/db, 601,338 bytes cross
    0 of 60 stay   monitoring/prober → shop/cart, 634,819 bytes cross
    8 of 15 stay   shop/cart → data/db, 403,509 bytes cross
    0 of 4 stay    shop/cart → shop/cart, 201,754 bytes cross
    0 of 7 stay    shop/web → shop/cart, 402,496 bytes cross
    1 of 2 stay    shop/cart → legacy/legacy, 752 bytes cross
    0 of 1 stay    legacy/legacy → shop/cart, 702 bytes cross
    4 of 21 stay   shop/web → shop/web, 1,806,773 bytes cross
"""

from __future__ import annotations

import sys

import ztflow


def main(inputs: list[str]) -> None:
    flows = ztflow.read_flows(*inputs)
    report = flows.report("locality")
    for name, part in report.nodes.items():
        share = "-" if part.flows_share is None else f"{part.flows_share:.1%}"
        print(f"{name:<10} {part.flows:>5} connections {share:>6} {part.bytes:>12,} bytes")
    print()
    for pair in report.pairs[:10]:
        known = pair.measures.same_node + pair.measures.cross_node
        stays = "unknown" if not known else f"{pair.measures.same_node} of {known} stay"
        print(f"{stays:<14} {pair.source} → {pair.target}, {pair.cross_node_bytes:,} bytes cross")


if __name__ == "__main__":
    main(sys.argv[1:])
