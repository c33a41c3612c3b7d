"""What the map page knows of the flows themselves: time, refusals, lines of the log; all of it bounded."""

from __future__ import annotations

import json
from itertools import accumulate
from pathlib import Path

from flow_strategies import flows, quick
from flows_by_hand import PLAIN, flow, table
from hypothesis import given

import ztflow
from ztflow.aggregate import View
from ztflow.graph.build import build_graph, build_grouped
from ztflow.graph.formats.map import details as detail_bounds
from ztflow.graph.formats.map.columns import Since
from ztflow.graph.formats.map.details import details
from ztflow.graph.map_page import map_columns_of, map_page
from ztflow.model.tables import Flows


def column(packed):
    if isinstance(packed, list):
        return packed
    values = [packed["most"]] * packed["n"]
    for at, value in zip(accumulate(packed["at"]), packed["is"], strict=True):
        values[at] = value
    return values


def words(packed):
    return [packed["words"][code] if code >= 0 else None for code in column(packed["codes"])]


def data_of(page):
    return json.loads(page.partition('id="graph">')[2].partition("</script>")[0])


def details_of(some):
    graph, view, groups = build_grouped(some, "pod")
    return graph, details(view, groups)


@quick
@given(flows())
def test_every_connection_is_in_one_step_of_its_edge_and_every_refusal_in_one_row(some):
    graph, found = details_of(some)
    edges = [edge for *_, edge in graph.edges(data=True)]
    time, sums, bad = found["time"], [0] * len(edges), [0] * len(edges)
    if time["steps"]:
        for cell, count in zip(accumulate(time["cells"]), column(time["flows"]), strict=True):
            sums[cell // time["steps"]] += count
        for cell, count in zip(accumulate(time["bad_cells"]), column(time["bad"]), strict=True):
            bad[cell // time["steps"]] += count
    assert sum(sums) + time["timeless"] == len(some)
    if not time["timeless"]:
        assert sums == [edge["flows"] for edge in edges]
        assert bad == [edge["denied"] + edge["failed"] for edge in edges]
    refused = [0] * len(edges)
    for edge, count in zip(found["refusals"]["edge"], found["refusals"]["flows"], strict=True):
        refused[edge] += count
    assert refused == [edge["denied"] + edge["failed"] for edge in edges]


def test_steps_are_in_time():
    rows = [flow(seconds) for seconds in (0, 0, 10, 59.9)]
    time = details_of(Flows(table(*rows)))[1]["time"]
    assert time["steps"] == 60
    assert list(accumulate(time["cells"])) == [0, 10, 59]
    assert column(time["flows"]) == [2, 1, 1]
    assert (time["first"], time["span"]) == (1718542131792527, 59_900_001), "microseconds"


def test_a_refusal_says_why():
    rows = [
        flow(verdict="denied", error_class="denied_by_policy", policy="data/deny-all"),
        flow(verdict="denied", error_class="denied_by_policy", policy="data/deny-all"),
        flow(verdict="failed", error_class="connection_reset"),
        flow(),
    ]
    found = details_of(Flows(table(*rows)))[1]["refusals"]
    assert found["flows"] == [2, 1]
    assert words(found["error_class"]) == ["denied_by_policy", "connection_reset"]
    assert words(found["policy"]) == ["data/deny-all", None]


def test_refused_and_big_connections_are_the_ones_shown(monkeypatch):
    rows = [flow(request_bytes=size, outbound_line=size) for size in range(1, 9)]
    rows.append(flow(request_bytes=0, outbound_line=99, verdict="denied"))
    shown = details_of(Flows(table(*rows)))[1]["samples"]
    assert column(shown["outbound_line"]) == [99, 8, 7, 6, 5]
    rows += [flow(dst_pod=f"data/other-{number}") for number in range(5)]
    monkeypatch.setattr(detail_bounds, "_SAMPLES", 4)
    shown = details_of(Flows(table(*rows)))[1]["samples"]
    assert len(set(shown["edge"])) == 4, "each of another edge, before a second one of any"


def test_the_page_has_the_lines_themselves():
    log = "fixtures/seed/cross-node.log"
    data = data_of(map_page(ztflow.read_flows(log), inputs=[log]))
    assert data["inputs"] == [log]
    shown = data["samples"]
    assert words(shown["outbound_file"])[0] == log
    lines = Path(log).read_text().splitlines()
    assert [shown["lines"][number] for number in shown["shown"][0]] == [
        lines[column(shown[f"{side}_line"])[0] - 1] for side in ("outbound", "inbound")
    ]


def test_lines_are_bounded_and_only_those_of_ztunnel(tmp_path, monkeypatch):
    secret, log = tmp_path / "secret", tmp_path / "a.log"
    secret.write_text("root:x:0:0\n")
    log.write_text("src.addr=1 \x1b[31m" + "y" * 5000 + "\nsrc.addr=2\nsrc.addr=3\n")
    rows = [
        flow(
            dst_pod=f"data/db-{line}",
            outbound_file=str(log),
            outbound_line=line,
            inbound_file=str(secret),
            inbound_line=1,
        )
        for line in (1, 2, 3, 4)
    ]
    shown = details_of(Flows(table(*rows)))[1]["samples"]
    assert sorted(len(line) for line in shown["lines"]) == [10, 10, 1000]
    assert shown["lines"][0].startswith("src.addr=1 \\u{1b}[31m")
    assert "root" not in "".join(shown["lines"]), "a saved table may name any file"
    monkeypatch.setattr(detail_bounds, "_LINES", 25)
    assert details_of(Flows(table(*rows)))[1]["samples"]["lines"] == ["src.addr=2", "src.addr=3"]


def test_what_cannot_be_read_again_is_left_out():
    rows = [flow(outbound_file=name, inbound_file="-") for name in ("gone.log", "x" * 5000, "nul\0", "<pipe>")]
    shown = details_of(Flows(table(*rows)))[1]["samples"]
    assert shown["lines"] == []
    assert "gone.log" in words(shown["outbound_file"])


def test_the_columns_it_is_made_of_are_enough():
    some = Flows(table(flow(), flow(src_pod="shop/web-1", **PLAIN)))
    kept = some.with_rows(some.to_arrow().select(map_columns_of("pod")))
    assert map_page(kept) == map_page(some)


def test_what_changed_is_told_and_what_is_gone_comes_last_as_it_was():
    before = Flows(table(flow(), flow(dst_pod="data/old-0", dst_namespace="old"), flow(dst_pod="data/old-0")))
    now = Flows(table(flow(), flow(src_pod="shop/z-0")))
    pairs = {("shop/web-0", "data/old-0"): ("gone",), ("shop/z-0", "data/db-6f4dc97cb-swdlb"): ("new", "newly_denied")}
    data = data_of(map_page(now, since=Since(build_graph(before), pairs)))
    names, edges = data["vertices"]["id"], data["edges"]
    told = [
        (names[source], names[target], change, flows)
        for source, target, change, flows in zip(
            edges["source"], edges["target"], words(edges["change"]), column(edges["flows"]), strict=True
        )
    ]
    assert told == [
        ("shop/web-0", "data/db-6f4dc97cb-swdlb", None, 1),
        ("shop/z-0", "data/db-6f4dc97cb-swdlb", "new newly_denied", 1),
        ("shop/web-0", "data/old-0", "gone", 2),
    ]
    assert names[-1] == "data/old-0", "after those of the capture itself"
    assert max(data["samples"]["edge"]) < 2, "only of the capture itself"
    assert "change" not in data_of(map_page(now))["edges"]


def test_an_empty_capture_has_a_page():
    data = data_of(map_page(Flows()))
    assert data["time"]["steps"] == 0
    assert data["samples"]["edge"] == data["refusals"]["edge"] == []


def test_groups_are_the_edges_in_the_order_of_the_graph():
    some = Flows(table(flow(), flow(src_pod="a/z-0"), flow(**PLAIN), flow(src_pod="a/z-0", request_bytes=7)))
    graph, view, groups = build_grouped(some, "pod")
    assert isinstance(view, View)
    names = [(source, target) for source, target in graph.edges()]
    sources = [
        row[0] or f"{row[1]}/{row[2]}" for row in view.rows(groups.first, "src_pod", "src_namespace", "src_name")
    ]
    assert [source for source, _ in names] == sources
