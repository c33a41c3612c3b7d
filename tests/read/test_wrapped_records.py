"""Records that a terminal, a blog or a mail program broke over lines."""

import re
import textwrap

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.read.support import FIXTURES, column
from ztflow.model.tables import Halves
from ztflow.read import StreamParser

LINES = [
    line
    for line in (FIXTURES / "wrappers" / "stern-default.log").read_text().splitlines()
    if "connection complete" in line
]
BARE = [line.split(" ", 2)[2] for line in LINES]
VALUES = (
    "time",
    "src_ip",
    "src_port",
    "dst_ip",
    "dst_port",
    "src_workload",
    "dst_identity",
    "bytes_sent",
    "duration_ms",
    "error",
)


def read(text: str):
    parser = StreamParser()
    halves = Halves.concat([parser.feed(text.encode()), parser.finish()])
    return halves, parser


def values(halves):
    return list(zip(*(column(halves, name) for name in VALUES), strict=True))


WHOLE = values(read("\n".join(BARE))[0])


def spread(line: str) -> str:
    """Tabs as a terminal shows them."""
    return line.expandtabs(8)


def hard(line: str, width: int) -> str:
    text = spread(line)
    return "\n".join(text[at : at + width] for at in range(0, len(text), width))


@settings(deadline=None, max_examples=40)
@given(st.integers(60, 200), st.booleans())
def test_hard_wrap_at_any_width(width, with_prefix):
    lines = LINES if with_prefix else BARE
    halves, parser = read("\n".join(hard(line, width) for line in lines) + "\n")
    assert values(halves) == WHOLE
    assert parser.stats.problems == parser.stats.not_ours == 0
    assert parser.stats.repaired == len(lines)
    assert parser.stats.lines == len(lines)


@settings(deadline=None, max_examples=40)
@given(st.integers(60, 200))
def test_hard_wrap_whose_blanks_at_the_break_were_lost(width):
    text = "\n".join(line.rstrip() for record in LINES for line in hard(record, width).split("\n"))
    halves, parser = read(text)
    # a blank lost inside an error text or between two head words cannot always be told; nothing may be invented
    assert {row[:9] for row in values(halves)} <= {row[:9] for row in WHOLE}
    assert parser.stats.access + parser.stats.problems == len(LINES)
    assert parser.stats.access >= len(LINES) - 1


@settings(deadline=None, max_examples=40)
@given(st.integers(70, 300), st.sampled_from(["", "    ", "  "]), st.booleans())
def test_word_wrap(width, indent, trailing):
    end = " \n" if trailing else "\n"
    wrapped = [
        end.join(
            textwrap.wrap(spread(line), width, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)
        )
        for line in LINES
    ]
    halves, parser = read("\n".join(wrapped) + "\n")
    assert values(halves) == WHOLE
    assert parser.stats.problems == 0


def test_one_field_a_line():
    text = "\n".join(re.sub(r" (?=[a-z_.]+=)", "\n  ", line.replace("\t", " ")) for line in LINES)
    assert values(read(text)[0]) == WHOLE


def test_a_record_broken_once_is_joined_as_those_before_it_were():
    """One break alone does not tell whether a blank stood there; the width of the records before does."""
    refused = BARE[0].replace("\tinfo\t", "\terror\t", 1) + ' error="connection closed due to policy rejection"'
    spread_out = spread(refused)
    width = spread_out.index("rejection") + 4
    before = spread(BARE[1]) + f' error="{"timed out " * width}"'
    text = "\n".join(hard(line, width) for line in (before, spread_out)) + "\n"
    halves, parser = read(text)
    assert column(halves, "error")[1] == "connection closed due to policy rejection"
    assert (parser.stats.access, parser.stats.problems) == (2, 0)


def test_blank_lines_between_records():
    halves, parser = read("\n\n".join(hard(line, 80) for line in LINES))
    assert values(halves) == WHOLE
    assert parser.stats.not_ours == len(LINES) - 1


def test_a_whole_record_is_not_glued_to_what_follows():
    halves, parser = read(f"{BARE[0]}\n$ kubectl get pods\nNAME READY\n{BARE[1]}\n")
    assert values(halves) == WHOLE[:2]
    assert parser.stats.not_ours == 2


@pytest.mark.parametrize("end", ['src.namespace="', "bytes_sent=", "bytes_sent=98", 'duration="17', "direction="])
def test_a_cut_record_is_a_problem_and_gives_no_numbers(end):
    cut = BARE[1][: BARE[1].index(end.rstrip("0123456789") if end[-1].isdigit() else end) + len(end)]
    halves, parser = read(f"{BARE[0]}\n{cut}\n{BARE[2]}\n")
    assert values(halves) == [WHOLE[0], WHOLE[2]]
    assert parser.stats.problems == 1
    assert parser.problems[0].line_number == 2


def test_a_cut_record_does_not_swallow_what_follows():
    cut = BARE[1][: BARE[1].index("bytes_sent=")]
    halves, parser = read(f"{cut}\nuser@host:~$ stern ztunnel\n{LINES[2]}\n{BARE[3]}\n")
    assert values(halves) == WHOLE[2:4]
    assert (parser.stats.problems, parser.stats.not_ours) == (1, 1)


def test_a_beginning_that_was_cut_off_is_a_problem():
    tail = BARE[0][BARE[0].index("dst.addr") :]
    halves, parser = read(f"{tail}\n{BARE[1]}\n")
    assert values(halves) == WHOLE[1:2]
    assert parser.stats.problems == 1


def test_an_incomplete_record_waits_and_a_pause_releases_it():
    parser = StreamParser()
    first, rest = LINES[0].split(" src.namespace", 1)
    assert len(parser.feed(first.encode() + b" \n")) == 0
    assert parser.waiting
    assert len(parser.feed(b"src.namespace" + rest.encode() + b"\n")) == 1
    assert not parser.waiting
    parser.feed(first.encode() + b"\n")
    parser.flush_idle()
    assert not parser.waiting
    assert parser.stats.problems == 1


@pytest.mark.parametrize(
    ("damage", "is_repaired"),
    [
        (lambda line: line, False),
        (lambda line: line + "\r", True),
        (lambda line: line.replace("\t", " "), True),
        (spread, True),
        (lambda line: line.replace("=", "  =").replace("\t", " "), True),
        (lambda line: line.replace('="', "=\u201c").replace('" ', "\u201d ").replace(" ", "\u00a0"), True),
        (lambda line: line.replace("&", "&amp;").replace('"', "&quot;"), True),
        (lambda line: line.replace('"', '""') + '","x"', True),
        (lambda line: line.replace('"', '\\"').replace("\t", "\\t"), True),
        (lambda line: "> " + line.replace("_", "\\_"), True),
        (lambda line: f"    {line}", True),
        (lambda line: f"2024-06-16T12:40:48.707812345Z {line[:150]}2024-06-16T12:40:48.707812346Z {line[150:]}", True),
        (lambda line: "^[[92mztunnel-fv5f8^[[0m ^[[32mistio-proxy^[[0m " + line, True),
        (lambda line: "\x1b[92mztunnel-fv5f8\x1b[0m istio-proxy " + line, False),
        (lambda line: line.replace("\t", "  ", 1).split("  ", 1)[1], True),
    ],
)  # fmt: skip
def test_damage_is_repaired_and_counted(damage, is_repaired):
    halves, parser = read(damage(BARE[0]) + "\n" + BARE[1] + "\n")
    assert parser.stats.access == 2
    assert parser.stats.repaired == int(is_repaired)
    assert column(halves, "bytes_sent")[0] == WHOLE[0][7]
