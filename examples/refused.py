"""Who was refused, by which policy, and the log line that says so: `python examples/refused.py INPUT…`.

The line can be looked at with `ztflow explain FILE:LINE`.

    $ python examples/refused.py fixtures/captured/1.29.5-json
      4 denied cart → vault: policy_denied, see fixtures/captured/1.29.5-json/ztunnel-4k7rb.log:51
      3 failed web → (unknown): no_endpoint, see fixtures/captured/1.29.5-json/ztunnel-4k7rb.log:45
      3 failed web → db: refused, see fixtures/captured/1.29.5-json/ztunnel-9xw2d.log:235
      2 denied web → shut: policy_denied, see fixtures/captured/1.29.5-json/ztunnel-4k7rb.log:58
      2 failed cart → (unknown): no_endpoint, see fixtures/captured/1.29.5-json/ztunnel-m8s5v.log:65
      2 denied cart → shut: policy_denied, see fixtures/captured/1.29.5-json/ztunnel-4k7rb.log:81
      1 failed cart → db: refused, see fixtures/captured/1.29.5-json/ztunnel-m8s5v.log:57
      1 denied legacy → vault: policy_denied, see fixtures/captured/1.29.5-json/ztunnel-9xw2d.log:101
      1 failed cart → web: refused, see fixtures/captured/1.29.5-json/ztunnel-m8s5v.log:80
      1 denied legacy → shut: policy_denied, see fixtures/captured/1.29.5-json/ztunnel-m8s5v.log:82
"""

from __future__ import annotations

import sys
from collections import defaultdict

import ztflow


def main(inputs: list[str]) -> None:
    flows = ztflow.read_flows(*inputs).filter(verdict=["denied", "failed"])
    found = defaultdict(list)
    for flow in flows:
        found[flow.verdict, flow.src_workload, flow.dst_workload or flow.dst_service, flow.policy].append(flow)
    for (verdict, source, target, policy), some in sorted(found.items(), key=lambda item: -len(item[1])):
        by = f" by {policy}" if policy else f": {some[0].error_class}"
        print(f"{len(some):>3} {verdict} {source or '(unknown)'} → {target or '(unknown)'}{by}, see {some[0].id}")


if __name__ == "__main__":
    main(sys.argv[1:])
