"""Damage inside lines: quoted, framed, folded, stamped; words and keys almost right. Read as it was, or a problem."""

import json
import textwrap

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.read.support import FIXTURES, column
from ztflow.model.provenance import RECORD_NAMES
from ztflow.model.tables import Halves
from ztflow.read import StreamParser
from ztflow.read.framing.margins import Margin, margin_of

LINES = [
    line
    for line in (FIXTURES / "wrappers" / "kubectl-plain.log").read_text().splitlines()
    if "connection complete" in line
][:2]
SPREAD = [line.expandtabs(8) for line in LINES]
NAMES = (
    "src_workload",
    "src_namespace",
    "src_identity",
    "dst_service",
    "dst_workload",
    "dst_namespace",
    "dst_identity",
)


def read(text):
    parser = StreamParser()
    halves = Halves.concat([parser.feed(text.encode()), parser.finish()])
    stats = parser.stats
    assert stats.lines == stats.access + stats.other + stats.not_ours + stats.problems
    return halves, parser


def values(halves):
    return [tuple(row[name] for name in RECORD_NAMES) for row in halves.to_arrow().to_pylist()]


WHOLE = values(read("\n".join(LINES))[0])
SOME_NAMES = {row[at] for row in WHOLE for at, name in enumerate(RECORD_NAMES) if name in NAMES}


def chunks(line, width):
    return [line[at : at + width] for at in range(0, len(line), width)]


def words(line, width):
    return textwrap.wrap(line, width, break_long_words=False, break_on_hyphens=False)


MARKS = ["> ", ">> ", "> > ", ">", "| ", "# ", "// ", "; ", "-- ", " * ", "+", "│ "]


@pytest.mark.parametrize("mark", MARKS)
@pytest.mark.parametrize("broken", [chunks, words])
@settings(deadline=None, max_examples=12)
@given(width=st.integers(60, 200))
def test_quoted_and_folded(mark, broken, width):
    text = "".join(f"{mark}{part}\n" for line in SPREAD for part in broken(line, width))
    halves, parser = read(text)
    assert values(halves) == WHOLE
    assert (parser.stats.lines, parser.stats.repaired) == (2, 2)


@pytest.mark.parametrize(("left", "right"), [("│ ", " │"), ("│", "│"), ("| ", " |"), ("┃ ", " ┃"), ("", " │")])
@pytest.mark.parametrize("broken", [chunks, words])
@settings(deadline=None, max_examples=12)
@given(width=st.integers(60, 200))
def test_in_the_frame_of_a_screen(left, right, broken, width):
    text = "".join(f"{left}{part.ljust(width)}{right}\n" for line in SPREAD for part in broken(line, width))
    halves, parser = read(f"┌{'─' * width}┐\n{text}└{'─' * width}┘\n")
    assert values(halves) == WHOLE
    assert (parser.stats.access, parser.stats.not_ours, parser.stats.repaired) == (2, 2, 2)


def test_one_field_a_line_in_a_mail_with_an_abridged_record_behind():
    folded = "".join(f"> {part}\n" for part in LINES[0].replace("\t", " ").replace(" src.", "\n  src.").split("\n"))
    halves, parser = read(f'{folded}\n> error   access  connection complete\n>   src.workload="w-1"\n>   error="x"\n')
    assert values(halves) == WHOLE[:1]
    assert parser.stats.problems == 1
    assert parser.stats.not_ours == 1


def test_a_margin_is_taken_off_only_before_a_record():
    assert margin_of("> hello") is None
    assert margin_of(LINES[0]) is None
    assert margin_of(f"> {LINES[0]}") == Margin(">", 1, "")
    assert margin_of('>> {"level": "info"}') == Margin(">>", 1, "")
    assert margin_of(f"| {LINES[0]}") == Margin("|", 1, "")
    assert margin_of(f"| {LINES[0]} |") == Margin("|", 1, "|")


PLACES = st.integers(LINES[0].index("src.addr"), len(LINES[0]) - 1)
STAMPS = [
    "2026-11-23T00:37:31.213900000Z ",
    "2026-11-23T00:37:31.213900000+02:00 ",
    "2026-11-23T00:37:31.2139Z stdout F ",
    "stdout F ",
]


@pytest.mark.parametrize("stamp", STAMPS)
@settings(deadline=None, max_examples=60)
@given(at=PLACES)
def test_a_second_stamp_anywhere_in_a_line(stamp, at):
    halves, parser = read(f"{LINES[0][:at]}{stamp}{LINES[0][at:]}\n")
    assert values(halves) == WHOLE[:1]
    assert parser.stats.repaired == 1


@pytest.mark.parametrize("end", ["\n", "\r\n", "\n  "])
@settings(deadline=None, max_examples=60)
@given(at=PLACES)
def test_a_line_end_anywhere_in_a_text(end, at):
    halves, parser = read(json.dumps({"log": LINES[0][:at] + end + LINES[0][at:] + "\n", "stream": "stdout"}) + "\n")
    # indented inside a key, the fold cannot be told from a blank that was put in
    assert values(halves) == WHOLE[: parser.stats.access]
    assert parser.stats.repaired == parser.stats.access == 1 - parser.stats.problems
    assert parser.stats.access or end == "\n  "


@pytest.mark.parametrize(
    "end",
    [
        "2026-11-23T00:37:33.913641000Z", " 2026-11-23T00:37:33.913641000Z", "\t2026-11-23T00:37:33Z", " 2026-11-23 00:37:33.913",
        " [2026-11-23T00:37:33+02:00]", ",Nov 23, 2026 @ 00:37:33.913", " 23/Nov/2026:00:37:33 +0000", " 1795565000000000000", " 1795565000.123",
    ],
)  # fmt: skip
def test_a_viewers_time_at_the_end(end):
    halves, parser = read(f"{LINES[0]}{end}\n")
    assert values(halves) == WHOLE[:1]
    assert parser.stats.repaired == 1


BARE = LINES[0].replace('src.workload="', "src.workload=").replace('" src.namespace="', " src.namespace=", 1).replace(
    '" src.identity', " src.identity"
)  # fmt: skip


def test_a_blank_lost_between_two_fields():
    for lost in (" src.namespace=", " src.identity=", " dst.addr=", " bytes_recv="):
        halves, parser = read(BARE.replace(lost, lost.strip()) + "\n")
        assert values(halves) == WHOLE[:1]
        assert parser.stats.repaired == 1


WORDS = [
    ("\taccess\t", "\tacces\t"), ("\taccess\t", "\tacess\t"), ("\taccess\t", "\tAccess\t"), ("\taccess\t", "\taccsse\t"),
    ("connection complete", "conection complete"), ("connection complete", "connection completed"), ("connection complete", "Connection Complete"),
    ("connection complete", "connection  complete"), ("connection complete", "connectioncomplete"), ("\tinfo\t", "\tinof\t"),
    ("\taccess\t", "access\t"), ("access\tconnection complete", "acess\tconection complet"), ("src.addr=", "src.adr="), ("direction=", "dirction="),
]  # fmt: skip


@pytest.mark.parametrize(("right", "wrong"), WORDS)
def test_a_damaged_word(right, wrong):
    halves, parser = read(LINES[0].replace(right, wrong) + "\n")
    assert values(halves) == WHOLE[:1]
    assert parser.stats.repaired == 1


def test_a_damaged_key_that_a_line_may_lack_is_kept_aside_and_counted():
    halves, parser = read(LINES[0].replace("dst.namespace=", "dst.namespce=") + "\n")
    assert column(halves, "dst_namespace") == [None]
    assert dict(column(halves, "extra")[0]) == {"dst.namespce": column(read(LINES[0])[0], "dst_namespace")[0]}
    assert parser.stats.repaired == 1


@pytest.mark.parametrize("word", ["http access", "proxy", "state"])
def test_another_scope_is_no_damage(word):
    _, parser = read(LINES[0].replace("\taccess\tconnection complete", f"\t{word}\trequest complete") + "\n")
    assert parser.stats.access == parser.stats.problems == 0


@pytest.mark.parametrize("dots", ["...", "\u2026", " ... ", " \u2026 ", "[...]"])
@settings(deadline=None, max_examples=60)
@given(at=PLACES, size=st.integers(0, 200))
def test_an_abridged_line_is_a_problem(dots, at, size):
    halves, parser = read(f"{LINES[0][:at]}{dots}{LINES[0][at + size :]}\n")
    assert len(halves) == 0
    assert parser.stats.problems == 1


DEBRIS = st.sampled_from(["\n", "\t", " ", "\x00", "\u00a0", "...", *STAMPS, "\x1b[0m", '"', "> ", " | ", "src.addr="])


@settings(deadline=None, max_examples=300)
@given(PLACES, st.integers(0, 3), DEBRIS, st.booleans())
def test_no_name_is_ever_made_up(at, lost, debris, in_json):
    text = LINES[0][:at] + debris + LINES[0][at + lost :]
    halves, parser = read((json.dumps({"log": text}) if in_json else text) + "\n" + LINES[1] + "\n")
    assert parser.stats.access + parser.stats.problems >= 2
    found = {name for column_name in NAMES for name in column(halves, column_name)} - SOME_NAMES - {None}
    # letters that were lost are lost; what was put in is never part of a name
    assert not [name for name in found if debris.strip() and debris.strip() in name]
    assert not [name for name in found if any(char.isspace() or not char.isprintable() for char in name)]
