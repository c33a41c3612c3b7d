"""The pieces behind the commands: selection, what is repainted, what is said."""

from __future__ import annotations

import io
import json
import os
import sys
from datetime import UTC, datetime, timedelta

import pytest
from flows_by_hand import flow, table

from ztflow.cli import live_screen, progress
from ztflow.cli.live_screen import LiveScreen
from ztflow.cli.options import Grid, Reading, Rows
from ztflow.cli.output import Paper, is_aside, say
from ztflow.cli.progress import ProgressBar
from ztflow.cli.rows import Selection
from ztflow.cli.run import FINDINGS, OK, USAGE
from ztflow.model.tables import Flows
from ztflow.writers.text import fit_end

ROWS = table(
    *[
        flow(n * 10, src_name=f"web-{n % 3}", request_bytes=n, dst_service="db" if n % 2 else "web",
             dst_name="web-0" if n == 4 else "db", dst_namespace="shop" if n == 4 else "data", line=None)
        for n in range(12)
    ],
    flow(end=None, request_bytes=99),
)  # fmt: skip


def selection(rows: Rows | None = None, *, grid: dict[str, list[str]] | None = None, **reading: object) -> Selection:
    return Selection(Flows, reading=Reading(**reading), grid=Grid(grid or {}), rows=rows)


def sizes(tables) -> list[int]:
    return [row["request_bytes"] for part in tables for row in part.rows()]


CHOICES = [
    {}, {"rows": Rows(first=5)}, {"rows": Rows(last=5)}, {"rows": Rows(first=0)}, {"rows": Rows(last=0)}, {"rows": Rows(last=50)},
    {"since": "45s"}, {"until": "45s"}, {"since": "2024-06-16T12:49:00Z"}, {"since": "90s", "until": "30s"},
    {"grid": {"from_pod": ["web-1"]}}, {"grid": {"from_service": ["web"]}}, {"grid": {"not_used": []}},
    {"grid": {"service": ["db"]}, "rows": Rows(last=2)}, {"grid": {"filter": ["request_bytes > 3"]}, "rows": Rows(first=2)},
    {"since": "2024-06-16T12:49:00Z", "rows": Rows(last=2)},
]  # fmt: skip


@pytest.mark.parametrize("choice", CHOICES)
@pytest.mark.parametrize("cut", [1, 3, 5, 13])
def test_the_cut_of_finished_input_does_not_show(choice, cut):
    whole = selection(**choice).apply(Flows(ROWS))
    parts = [Flows(ROWS.slice(start, cut)) for start in range(0, 13, cut)]
    assert sizes(selection(**choice).finished(parts, Flows)) == sizes([whole])


def test_rows_without_a_time_stay_whatever_the_limits():
    assert sizes([selection(since="1s").apply(Flows(ROWS))]) == [11, 99]
    assert sizes([selection(until="2020-01-01").apply(Flows(ROWS))]) == [99]


def test_a_capture_without_any_time_has_no_last_moment():
    timeless = Flows(table(flow(end=None)))
    assert len(selection(since="5m").apply(timeless)) == 1


def test_live_limits_count_from_now_and_the_first_n_end_the_stream():
    now = datetime.now(UTC)
    live = [Flows(table(flow(end=now - timedelta(minutes=age), request_bytes=age))) for age in (20, 3, 2, 1)]
    assert sizes(selection(since="10m").stream(live)) == [3, 2, 1]
    taken = iter(live)
    assert sizes(selection(Rows(first=2)).stream(taken)) == [20, 3]
    assert len(list(taken)) == 2, "nothing more is read"
    assert sizes(selection(Rows(first=0)).stream(live)) == []


def test_live_filters_remember_who_serves_what():
    server = Flows(table(flow(dst_name="web-0", dst_namespace="shop", dst_service="web.shop.svc")))
    client = Flows(table(flow(request_bytes=7)))
    asked = {"from_service": ["web.shop"]}
    assert sizes(selection(grid=asked).stream([server, client])) == [84, 7]
    assert sizes(selection(grid=asked).stream([client, server])) == [84], "what a later line tells comes too late"


def test_owners_reach_the_filter():
    chosen = selection(grid={"from_workload": ["frontend"]})
    rows = Flows(table(flow(src_workload="frontend"), flow(src_name="x")))
    assert len(chosen.apply(rows)) == 1
    assert [len(part) for part in chosen.stream([rows])] == [1]


class Terminal(io.StringIO):
    def isatty(self):
        return True


class Clock:
    """Time that goes on when it is told to."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(live_screen, "monotonic", clock)
    monkeypatch.setattr(live_screen, "thread_time", clock)
    monkeypatch.setattr(progress, "monotonic", clock)
    return clock


class View:
    """Shows how often it was looked at; every look takes 0.3 s."""

    held = ended = False
    with_keys = quiet = True

    def __init__(self, clock):
        self.clock, self.looks = clock, 0

    def look(self):
        self.looks += 1
        self.clock.now += 0.3

    def painted(self, paper, said):
        return [f"picture {self.looks} of {paper.width} by {paper.height}", *said]


def test_pictures_come_when_due_and_only_when_there_is_news(clock, monkeypatch):
    shown = Terminal()
    monkeypatch.setattr(sys, "stdout", shown)
    view = View(clock)
    with LiveScreen(Paper(80, 24), view, view.look) as screen:
        screen.tick(news=True)
        assert not view.looks, "a short input is answered without a flicker"
        clock.now += 1
        screen.tick(news=False)
        assert view.looks == 1, "the first picture comes even before the first line"
        clock.now += 1.4
        screen.tick(news=True)
        assert view.looks == 1, "0.3 s of painting earn 1.5 s of reading"
        clock.now += 0.2
        screen.tick(news=False)
        assert view.looks == 2, "news that came early is not lost"
        clock.now += 9
        screen.tick(news=False)
        assert view.looks == 2
        view.held = True
        screen.tick(news=True)
        assert view.looks == 2, "the picture is held"
    assert "picture 2 of 80 by 24" in shown.getvalue()


def test_a_terminal_is_painted_in_the_size_it_has(clock, monkeypatch):
    shown, sizes = Terminal(), [(60, 15)]
    monkeypatch.setattr(sys, "stdout", shown)
    monkeypatch.setattr(live_screen, "_size", lambda: os.terminal_size(sizes[-1]))
    view = View(clock)
    with LiveScreen(Paper(80, 24), view, view.look) as screen:
        clock.now += 1
        screen.tick(news=False)
        sizes.append((200, 50))
        screen.tick(news=False)
    assert view.looks == 1, "nothing is computed anew for that"
    assert "picture 1 of 60 by 15" in shown.getvalue()
    assert "picture 1 of 200 by 50" in shown.getvalue()


def test_messages_stand_on_the_screen_and_are_said_again_after_it(clock, monkeypatch):
    shown, errors = Terminal(), Terminal()
    monkeypatch.setattr(sys, "stdout", shown)
    monkeypatch.setattr(sys, "stderr", errors)
    view = View(clock)
    with LiveScreen(Paper(80, 24), view, view.look) as screen:
        clock.now += 1
        screen.tick(news=False)
        say("gone")
        assert "ztflow: gone" in shown.getvalue()
        assert errors.getvalue() == ""
        assert is_aside(), "no progress bar is painted over it"
    assert errors.getvalue() == "ztflow: gone\n"
    assert not is_aside()


def test_no_pictures_where_there_is_no_terminal(clock):
    view = View(clock)
    with LiveScreen(Paper(), view, view.look) as screen:
        clock.now += 9
        screen.tick(news=True)
    assert not view.looks


def test_the_bar_comes_after_a_second_on_a_terminal_only(clock, monkeypatch):
    shown = Terminal()
    monkeypatch.setattr(sys, "stderr", shown)
    with ProgressBar() as bar:
        bar(10, 100)
        assert shown.getvalue() == ""
        clock.now += 2
        bar(50, 100)
        bar(100, 100)
        bar.hide()
        said = len(shown.getvalue())
        assert "reading" in shown.getvalue()
        bar(100, 100)
        assert len(shown.getvalue()) == said
    silent = io.StringIO()
    monkeypatch.setattr(sys, "stderr", silent)
    with ProgressBar() as bar:
        clock.now += 9
        bar(50, None)
    assert silent.getvalue() == ""


def test_following_a_pipe_that_ends_gives_what_the_finished_pipe_gives(cli, seed):
    data = b"".join((seed / name).read_bytes() for name in ("same-node.log", "cross-node.log"))
    for words in (["flows", "-o", "jsonl"], ["records", "-o", "jsonl"], ["graph", "-o", "json"], ["report", "traffic"],
                  ["report", "tunnels"]):  # fmt: skip
        finished, followed = cli(*words, stdin=data), cli(*words, "-f", stdin=data)
        assert (followed.code, followed.talk) == (OK, "")
        assert followed.out == finished.out
    assert cli("-f", stdin=data).out == cli(stdin=data).out


def test_the_live_summary_of_a_short_pipe_is_that_of_the_file(cli, seed):
    data = (seed / "same-node.log").read_bytes()
    live = cli(stdin=data, terminal=True)
    assert live.out == cli("--color", "auto", seed / "same-node.log", terminal=True).out


def test_live_counts_are_the_whole_inputs(cli, seed):
    result = cli("flows", "-f", "--from-pod", "nobody", "--stats=json", stdin=(seed / "same-node.log").read_bytes())
    assert result.code == OK
    assert json.loads(result.talk.splitlines()[-1])["paired_flows"] == 1
    strict = cli(
        "records",
        "-f",
        "--strict",
        stdin=b"2024-06-16T12:40:48.707707Z\tinfo\taccess\tconnection complete\tsrc.addr=10\n",
    )
    assert strict.code == FINDINGS


def test_a_full_disk_is_said_in_one_line(cli, seed):
    result = cli("flows", "--output", "/dev/full", "-o", "jsonl", seed / "same-node.log")
    assert result.code == USAGE
    (line,) = result.talk.splitlines()
    assert "No space left" in line


def test_sentences_are_cut_at_their_end():
    assert fit_end("one two three", 8) == "one two…"
    assert fit_end("one", 8) == "one"
    assert Paper(20).fact("label", "a long sentence") == "label    a long sen…"
    assert Paper(None, None, color=True).fact("label", "x", "31") == "\x1b[1mlabel    \x1b[0m\x1b[31mx\x1b[0m"
