"""What holds for every report: it works on any flows, hides nothing, and renders safely in every form."""

from __future__ import annotations

import json
from dataclasses import FrozenInstanceError, fields

import pytest
from flow_strategies import HOSTILE, flows, quick
from flows_by_hand import flow, table
from halves_by_hand import connection
from halves_by_hand import table as halves_table
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from ztflow.errors import UsageError
from ztflow.model.provenance import ReadStats
from ztflow.model.tables import Flows, Halves
from ztflow.reports import NEEDS_HALVES, RENDERERS, REPORTS, Prices, diff, make_report, render, summary
from ztflow.reports.model import Report

HALVES = Halves(halves_table([*connection(), *connection(1.0, client=2, server=1, line=2)]))
ALL = ("summary", "diff", *REPORTS)


def made(name, some):
    if name == "summary":
        return summary(some)
    if name == "diff":
        return diff(some, Flows())
    return make_report(name, some, halves=HALVES, prices=Prices.parse("0.01"))


@quick
@given(flows(), st.sampled_from(ALL))
def test_every_report_takes_any_flows(some, name):
    report = made(name, some)
    assert isinstance(report, Report)
    assert report.basis.flows == len(some)
    for titled in report.tables(3):
        assert titled.title
        assert len(titled.rows) <= 3 or titled.title.startswith(
            ("Capture", "Local", "Encrypted", "By path", "Ended", "Node", "Zone")
        )
        assert all(len(row) == len(titled.fields) for row in titled.rows)
    values = json.loads(render(report, "json"))
    assert values["report"] == name
    assert values["findings"] == report.findings >= 0
    assert {field.name for field in fields(report)} <= set(values)


@quick
@given(flows(), st.sampled_from(ALL), st.sampled_from(RENDERERS))
def test_every_form_is_safe_and_repeatable(some, name, form):
    text = render(made(name, some), form)
    assert text == render(made(name, some), form)
    assert all(char.isprintable() or char in "\n\u3000" for char in text)


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("form", RENDERERS)
def test_no_flows_are_a_report_too(name, form):
    text = render(made(name, Flows()), form)
    if form == "text":
        assert "unknown: no line carries a time" in text
        assert "none" in text or "no connections" in text or "0" in text


@pytest.mark.parametrize("name", ALL)
def test_results_are_frozen(name):
    with pytest.raises(FrozenInstanceError):
        made(name, Flows()).basis = None


@pytest.mark.parametrize("name", ALL)
def test_a_limit_hides_rows_only_with_a_count(name):
    rows = [
        flow(src_pod=f"shop/web{number}", dst_ip=f"10.0.0.{number}", src_node=f"node-{number}", verdict=verdict,
             error_class="refused", mtls=mtls, paired="outbound_only", unpaired_reason="partner_missing", dst_pod=None,
             locality="cross_node", zone_locality="cross_zone", src_zone=f"z{number}", dst_zone="z99", path="waypoint")
        for number in range(30) for verdict, mtls in (("denied", True), ("failed", False))
    ]  # fmt: skip
    report = made(name, Flows(table(*rows)))
    every, few = report.tables(0), report.tables(2)
    assert [titled.title for titled in every] == [titled.title for titled in few]
    for whole, part in zip(every, few, strict=True):
        assert whole.hidden == 0
        assert len(part.rows) + part.hidden == len(whole.rows)
        assert part.rows == whole.rows[: len(part.rows)]


def hostile_flows():
    rows = [
        flow(src_pod=f"evil/{text}", dst_service=text, src_node=text, policy=text, src_zone=text, dst_zone="z",
             verdict=verdict, error_class=text, inbound_error=text, mtls=mtls, paired="outbound_only",
             unpaired_reason=text, zone_locality="cross_zone", path=path, outbound_ztunnel=text)
        for text in HOSTILE
        for verdict, mtls, path in (("denied", True, "waypoint"), ("failed", False, "plaintext"))
    ]  # fmt: skip
    return Flows(table(*rows))


@pytest.mark.parametrize("name", ALL)
def test_html_is_only_our_markup(name):
    text = render(made(name, hostile_flows()), "html", limit=0)
    assert "<script" not in text
    assert "<!--" not in text
    assert "default-src 'none'" in text
    if name not in NEEDS_HALVES:
        assert "alert(1)" in text


@pytest.mark.parametrize("name", ALL)
def test_markdown_shows_names_as_they_are(name):
    text = render(made(name, hostile_flows()), "markdown", limit=0)
    html = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"]).render(text)
    tags = {part.split(">")[0].split()[0].strip("/") for part in html.split("<")[1:]}
    assert tags <= {"h1", "h2", "p", "ul", "li", "strong", "table", "thead", "tbody", "tr", "th", "td", "blockquote"}
    if name in ("summary", "denied", "failures"):
        assert "evil/&lt;script&gt;alert(1)&lt;/script&gt;" in html
        assert "evil/|pipe|" in html
        assert "evil/[a](javascript:alert(3))" in html


def test_text_is_aligned_and_ends_with_one_newline():
    text = render(summary(Flows(table(flow(), flow(src_pod="shop/한국어")))), "text")
    assert text.endswith("\n")
    assert not text.endswith("\n\n")
    assert not [line for line in text.splitlines() if line != line.rstrip()]


def test_the_basis_counts_lines_halves_and_what_is_unknown():
    stats = ReadStats(physical_lines=12, lines=10, access=5, other=3, not_ours=1, problems=1, repaired=2, duplicates=0)
    rows = [
        flow(),
        flow(3, paired="ambiguous"),
        flow(5, paired="outbound_only", locality="unknown", request_bytes=None),
    ]
    some = Flows(table(*rows), stats=stats, evicted=4)
    basis = made("traffic", some).basis
    assert (basis.halves, basis.paired_flows, basis.ambiguous_flows, basis.unpaired_halves) == (5, 2, 1, 1)
    assert (basis.locality_unknown, basis.bytes_unknown, basis.evicted) == (1, 1, 4)
    text = render(made("traffic", some), "text")
    assert "2024-06-16T12:48:51.792527Z to 2024-06-16T12:48:56.792527Z (5 s)" in text
    assert "10 read: 5 access, 3 other of ztunnel, 1 not ours, 1 problem, 2 repaired" in text
    assert "3 from 5 halves, 80.0 % of them paired, 1 flow ambiguous, 1 half alone" in text
    assert "1 flow without a known node at an end, 1 flow without a known size, 4 halves evicted" in text


def test_unknown_names_are_refused():
    with pytest.raises(UsageError, match="choose one of traffic, latency"):
        make_report("weather", Flows())
    with pytest.raises(UsageError, match="needs the access lines"):
        make_report("tunnels", Flows())
    with pytest.raises(UsageError, match="choose one of text, markdown"):
        render(summary(Flows()), "pdf")


def test_reports_show_themselves_in_a_notebook():
    shown = summary(Flows(table(flow())))._repr_html_()
    assert shown.startswith("<div>")
    assert "Who talks to whom" in shown
