"""A line behind any head that programs print is the line without it: same record, the right writer or none."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.read.envelopes_for_lines import (
    ATTRIBUTES,
    ENDINGS,
    GO,
    LOGFMT,
    OUTPUTS,
    SYSLOG,
    detailed,
    pairs,
    record,
)
from tests.read.lines_for_envelopes import FAILED, LINE, LINES, OLD, POD, holds, read, said
from tests.read.support import FIXTURES, column, table
from tests.read.support import read as read_fixture
from ztflow.model.provenance import LogLine
from ztflow.read.unwrap.content import Memory
from ztflow.read.unwrap.endings import parted
from ztflow.read.unwrap.registry import TEXT_WRAPPERS


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("line", LINES)
def test_what_a_viewer_put_behind_a_line(line, ending):
    holds(line + ending, line)
    holds(f"\u2502 {line}{ending}", line)


@pytest.mark.parametrize("line", LINES)
def test_names_that_a_template_put_behind_a_line(line):
    for ending in (
        f" {POD}",
        f" <- {POD}",
        f" ({POD})",
        f" [istio-system/{POD}]",
        f" (node-b/istio-system/{POD}/istio-proxy)",
    ):
        rows, stats, _ = read(line + ending)
        assert said(rows) == said(read(line)[0])
        assert [row["ztunnel_pod"] for row in rows] == [POD]
        assert stats.problems == 0


def test_lines_glued_behind_each_other():
    other = "2026-11-23T00:37:31.983285Z\tinfo\txds::client\tstream established"
    holds(LINE + FAILED + OLD + LINE, LINE, FAILED, OLD, LINE)
    rows, stats, _ = read(LINE + other + FAILED)
    assert (len(rows), stats.other, stats.problems) == (2, 1, 0)
    rows, stats, _ = read(other + FAILED)
    assert (len(rows), stats.other, stats.problems) == (1, 1, 0)


def test_a_line_that_an_error_quotes_is_not_glued():
    quotes = FAILED.replace("none allowed", "2026-11-23T00:37:31.983285Z info access")
    holds(f"{quotes} |", quotes)
    holds(LINE + quotes + LINE, LINE, quotes, LINE)


def test_lines_glued_with_names_before_or_behind_each():
    pods = (POD, "ztunnel-4k7rb", "ztunnel-m8s5v")
    for made in (
        "".join(f"{line} (istio-system/{pod})" for line, pod in zip(LINES, pods, strict=True)),
        "".join(f"{pod} istio-proxy {line}" for line, pod in zip(LINES, pods, strict=True)),
        "".join(f"[pod/{pod}/istio-proxy] {line}" for line, pod in zip(LINES, pods, strict=True)),
    ):
        rows, stats, _ = read(made)
        assert said(rows) == said(read("\n".join(LINES))[0])
        assert [row["ztunnel_pod"] for row in rows] == list(pods)
        assert stats.problems == 0


def test_a_damaged_line_among_glued_ones_is_one_problem():
    rows, stats, _ = read(LINE + FAILED.replace(' direction="inbound"', "") + OLD)
    assert (len(rows), stats.problems) == (2, 1)


START = "==== START logs for container istio-proxy of pod istio-system/ztunnel-4k7rb ===="
END = "==== END logs for container istio-proxy of pod istio-system/ztunnel-4k7rb ===="


@pytest.mark.parametrize("chunk", [13, 97, 1 << 20])
def test_a_marker_counts_as_a_whole_line_or_glued_behind_one(chunk):
    inside = FAILED.replace("none allowed", START)
    bare = f"{OLD} error={START}"
    for text, pods in (
        (f"{inside}\n{LINE}", [None, None]),
        (f"{bare}\n{LINE}", [None, None]),
        (f"{START}\n{inside}\n{LINE}{END}\n{LINE}", ["ztunnel-4k7rb", "ztunnel-4k7rb", None]),
        (f"{LINE}{START}\n{LINE}", [None, "ztunnel-4k7rb"]),
    ):
        rows, stats, _ = read(text, chunk=chunk)
        assert [row["ztunnel_pod"] for row in rows] == pods
        assert stats.problems == 0


@pytest.mark.parametrize("prefix", [
    "[node-a] ", "[INFO] ", "node-a prod ", "web-1 app ", "[stdout] ", "[level/info/x] ", "daemon/worker[17]: ", "a/b[c]: ", "relay01 forwarded ", "Nov 29 07:04:16 ztunnel: ",
    "prod node-a ztunnel-plain ", "[k8s] [ztunnel] ",
])  # fmt: skip
def test_words_before_a_line_are_no_pod(prefix):
    holds(prefix + LINE, LINE)


@pytest.mark.parametrize("prefix", [f"INFO {POD} ", f"stdout {POD} ", f"[{POD}] ", f"{POD}: ", f"app/{POD}: "])
def test_words_beside_a_pod_are_no_node_and_no_namespace(prefix):
    holds(prefix + LINE, LINE, pod=POD)


@pytest.mark.parametrize("ending", [f" (istio-system/{POD}/istio-proxy/node-b)", f" ({POD}/a/b/c)"])
def test_four_names_behind_a_line_in_another_order(ending):
    rows, *_ = read(LINE + ending)
    assert [(row["ztunnel_pod"], row["ztunnel_node"]) for row in rows] == [(POD, None)]


NAME = st.from_regex(r"[a-z][a-z0-9-]{0,20}[a-z0-9]", fullmatch=True)
ERROR = st.text(st.characters(codec="ascii", exclude_characters='"\\\x7f', min_codepoint=32), min_size=1, max_size=60)


@st.composite
def any_line(draw: st.DrawFn) -> str:
    error = draw(st.none() | ERROR.map(str.strip).filter(bool))
    level = "info" if error is None else "error"
    fields = [
        f"src.addr=10.{draw(st.integers(0, 255))}.0.1:{draw(st.integers(1, 65535))}",
        f'src.workload="{draw(NAME)}" src.namespace="{draw(NAME)}"',
        f'dst.addr=[fd00::{draw(st.integers(1, 9999))}]:15008 dst.service="{draw(NAME)}.svc"',
        f'direction="{draw(st.sampled_from(["inbound", "outbound"]))}"',
        f"bytes_sent={draw(st.integers(0, 2**40))} bytes_recv={draw(st.integers(0, 99))}",
        f'duration="{draw(st.integers(0, 10**6))}ms"',
    ]
    if error is not None:
        fields.append(f'error="{error}"')
    return f"2026-11-23T00:37:{draw(st.integers(10, 59))}.078761Z\t{level}\taccess\tconnection complete\t" + " ".join(
        fields
    )


def behind_heads() -> list:
    heads = [lambda line, head=head: [head + line] for head in (*SYSLOG, "", "\u2502 ", "[x] ")]
    heads += [lambda line, made=made: [made(record(line))] for made in OUTPUTS.values()]
    heads += [lambda line, made=made: [made(record(line, "P"))] for made in OUTPUTS.values()]
    heads += [lambda line, form=form: [form.format(pod=POD, line=GO(line))] for form in LOGFMT]
    heads += [lambda line: [line + pairs(ATTRIBUTES)], lambda line: detailed(line).split("\n")]
    heads += [lambda line, ending=ending: [line + ending] for ending in ENDINGS]
    heads += [
        lambda line, head=head: [
            f"{head}2026-11-23T00:37:38.078762764Z stdout {tag} {part}"
            for tag, part in (("P", line[: len(line) // 2]), ("F", line[len(line) // 2 :]))
        ]
        for head in (*SYSLOG, "x ", "Nov 29 07:04:16 ")
    ]
    return heads


@given(any_line(), st.sampled_from(behind_heads()), st.integers(60, 1000))
@settings(max_examples=300, deadline=None)
def test_any_line_behind_any_head_is_the_line_or_a_problem(line, head, chunk):
    alone = read(line)[0]
    rows, stats, _ = read("\n".join(head(line)), chunk=chunk)
    assert len(rows) + stats.problems == 1
    assert said(rows) == said(alone)[: len(rows)]
    assert {row["ztunnel_pod"] for row in rows} <= {POD, None}
    assert {row["ztunnel_node"] for row in rows} <= {"node-b", None}


SHIPPERS = FIXTURES / "shippers"


@pytest.mark.parametrize("row", table(SHIPPERS / "README.tsv"), ids=lambda row: row["file"])
def test_as_programs_printed_it(row):
    halves, report, _ = read_fixture(SHIPPERS / row["file"])
    assert (report.stats.access, report.stats.problems) == (int(row["access"]), 0)
    assert report.stats.cut_times == int(row["cut_times"])
    for names, name in (("pods", "ztunnel_pod"), ("nodes", "ztunnel_node")):
        assert {one for one in column(halves, name) if one} == set(filter(None, row[names].split(",")))
    for name in ("src_workload", "dst_workload", "src_identity", "dst_identity"):
        assert not [one for one in column(halves, name) if one and ("2026" in one or "stdout" in one)]


def test_every_sample_is_in_the_table():
    assert {path.name for path in SHIPPERS.iterdir()} == {
        "README.tsv", *(row["file"] for row in table(SHIPPERS / "README.tsv"))
    }  # fmt: skip


SEEDS = (
    "Nov 29 07:04:16 node-a ", "<14>1 2026-11-29T06:49:21Z a b c d [x ", '[0] tail.0: [[1.5, {}], {"log"=>"',
    '1795394247.5,"', '"time":1\t"log":"', 'a=b msg="', "ResourceLog #0 ", "x log.file.path=", "[a] ", "\u2502 ",
    "2026-11-23T00:37:38.078761Z#011info#011", f"{LINE} ",
)  # fmt: skip
FILLS = (
    "a", "ab-", "ztunnel-", '"', "\\", "=", "a=b ", '"a"=>', "{", "[", "#011", "2026-11-23T00:37:38.078761Z\tinfo\t", "\t",
    "k8s.a", "log.file.path= ", '","', ' duration="', "==== ", "2026-11-23T00:37:38Z stdout P ", "k8s_", "a/",
)  # fmt: skip


@pytest.mark.parametrize("seed", SEEDS)
def test_hostile_text_costs_nothing_special(seed):
    memory = Memory(padded=["TIMESTAMP", "POD", "MESSAGE"], attributes={})
    for fill in FILLS:
        text = seed + fill * (20_000 // len(fill))
        for _, reader in TEXT_WRAPPERS:
            begin = time.process_time()
            reader(text, memory)
            assert time.process_time() - begin < 0.5, (reader.__name__, fill)
        begin = time.process_time()
        parted(LogLine(text, 1))
        assert time.process_time() - begin < 0.5, fill
