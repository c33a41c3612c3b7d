"""Damage that made a wrong name, a wrong pod or a lost line: several lines on one physical line, cut ends, re-held lines."""

from __future__ import annotations

import pytest

from tests.read.support import column
from ztflow.model.tables import Halves
from ztflow.read import StreamParser

HEAD = "2026-11-23T00:37:30.769382Z\t"
ACCESS = (
    HEAD + "info\taccess\tconnection complete\tsrc.addr=10.244.2.17:38404 "
    'src.workload="prober-59f8c7d6b-h5j6k" src.namespace="monitoring" '
    'src.identity="spiffe://cluster.local/ns/monitoring/sa/prober" dst.addr=10.244.1.12:15008 '
    'dst.hbone_addr=10.244.1.12:8080 dst.workload="cart-5f4d8b7c9-l2n4p" dst.namespace="shop" '
    'dst.identity="spiffe://cluster.local/ns/shop/sa/cart" direction="inbound" bytes_sent=1148 bytes_recv=1012 '
    'duration="14ms"'
)
OTHER = HEAD + "info\tproxy::inbound\tlistener established\taddress=[::]:15006 transparent=true"
JSON = (
    '{"level":"info","time":"2026-11-23T00:30:00.848563Z","scope":"access","message":"connection complete",'
    '"src.addr":"10.244.2.17:50990","src.workload":"prober-59f8c7d6b-h5j6k","src.namespace":"monitoring",'
    '"dst.addr":"10.244.1.12:15008","direction":"inbound","bytes_sent":361,"bytes_recv":225,"duration":"3ms"}'
)


def read(text: str):
    parser = StreamParser("a.log")
    halves = Halves.concat([parser.feed(text.encode()), parser.finish()])
    stats = parser.stats
    assert stats.lines == stats.access + stats.other + stats.not_ours + stats.problems
    return halves, stats


def pods(halves: Halves) -> list[str | None]:
    return column(halves, "ztunnel_pod")


@pytest.mark.parametrize(
    ("prefix", "pod"),
    [
        ("[ztunnel-4k7rb/istio-proxy] ", "ztunnel-4k7rb"),
        ("[ztunnel-4k7rb:istio-proxy] ", "ztunnel-4k7rb"),
        ("[istio-system/ztunnel-4k7rb/istio-proxy] ", "ztunnel-4k7rb"),
        ("[ztunnel-4k7rb] ", "ztunnel-4k7rb"),
        ("[a/b] ", None),
    ],
)
def test_names_in_one_bracket(prefix, pod):
    halves, _ = read(prefix + ACCESS + "\n")
    assert pods(halves) == [pod]


@pytest.mark.parametrize("prefix", ["[pod/{}/istio-proxy] ", " {} istio-proxy "])
@pytest.mark.parametrize("first", [ACCESS, OTHER])
def test_a_line_glued_behind_another_has_its_own_pod(prefix, first):
    one, two = (prefix.format(pod) for pod in ("ztunnel-4k7rb", "ztunnel-9xw2d"))
    halves, stats = read(one.lstrip() + first + two + ACCESS + "\n")
    assert pods(halves)[-1] == "ztunnel-9xw2d"
    assert stats.access == (2 if first is ACCESS else 1)


def test_objects_behind_names_on_one_line():
    halves, stats = read(f"ztunnel-4k7rb istio-proxy {JSON} ztunnel-9xw2d istio-proxy {JSON}\n")
    assert stats.access == 2
    assert pods(halves) == ["ztunnel-4k7rb", "ztunnel-9xw2d"]


def test_objects_behind_heads_of_a_runtime_on_one_line():
    head = "2026-11-23T00:37:30.769382123Z stdout F "
    assert read(head + JSON + head + JSON + "\n")[1].access == 2


@pytest.mark.parametrize(("first", "second"), [(ACCESS, JSON), (JSON, ACCESS)])
@pytest.mark.parametrize("between", ["", " "])
def test_plain_and_json_lines_glued(first, second, between):
    assert read(first + between + second + "\n")[1].access == 2


@pytest.mark.parametrize("cut", [ACCESS[:230], ACCESS[:190], ACCESS[:-30]])
def test_the_next_line_behind_a_cut_one(cut):
    """The cut leaves a quote open; the head of a whole access line is in no value."""
    halves, stats = read(cut + ACCESS + "\n")
    assert (stats.access, stats.problems) == (1, 1)
    assert column(halves, "src_workload") == ["prober-59f8c7d6b-h5j6k"]


def test_a_line_that_is_held_again_is_not_forgotten():
    long = 'ess","message":' + JSON.partition('"message":')[2]
    short = "on complete" + JSON.partition("connection complete")[2].replace(".17:50990", ".1:1")
    assert read(f"{long}\n{short}\n")[1].problems == 2
    assert read(f"{long}\n{short}\n{ACCESS}\n")[1].problems == 2


def test_each_line_of_json_that_lost_its_beginning_is_a_problem():
    end = JSON.partition("connection complete")[2]
    assert read(f"{JSON[:-1]}\n{end[:-1]}\n{end}\n{end}\n")[1].problems == 4
