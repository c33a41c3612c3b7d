"""The live summary as one looks at it: windows, order, one pair, held, and every size of terminal."""

from __future__ import annotations

import pytest
from flows_by_hand import flow, table

from ztflow.cli import live_keys, live_lines, live_total, live_view
from ztflow.cli.live_keys import keys_of
from ztflow.cli.live_lines import LatestLines
from ztflow.cli.live_total import LiveTotal
from ztflow.cli.live_view import LiveView
from ztflow.cli.options import Grid, Reading
from ztflow.cli.output import Paper
from ztflow.cli.rows import Selection
from ztflow.model.tables import Flows
from ztflow.read import ReadBatch, ReadReport, read_inputs
from ztflow.text.escapes import visible_width
from ztflow.text.sparkline import arrow, sparkline

SIZES = [(60, 15), (80, 24), (200, 50), (20, 4), (1, 1)]

OLD = [flow(n, src_name="old", src_namespace="shop", dst_name="db", dst_namespace="data") for n in range(9)]
NEW = [
    flow(100 + n, src_name="web", src_namespace="shop", dst_name="db", dst_namespace="data", request_bytes=100_000)
    for n in range(5)
]
REFUSED = [
    flow(103, src_name="evil", src_namespace="x", dst_name="db", dst_namespace="data", verdict="denied", policy="data/no",
         error_class="policy_rejection", inbound_error="explicitly denied by: data/no")
]  # fmt: skip


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(live_view, "monotonic", clock)
    return clock


def total_of(*tables) -> LiveTotal:
    total = LiveTotal(Selection(Flows, reading=Reading(), grid=Grid({})))
    for one in tables:
        total.add(Flows(one))
    return total


@pytest.fixture
def view(clock):
    made = LiveView(LatestLines())
    made.take(total_of(table(*OLD)).answer(Flows(table(*NEW, *REFUSED))), ReadReport())
    made.painted(Paper(120, 40))
    return made


def shown(view: LiveView, width: int = 120, height: int = 40) -> str:
    return "\n".join(view.painted(Paper(width, height)))


def rows(view: LiveView) -> list[str]:
    """Sources of the table, in order."""
    lines = view.painted(Paper(120, 40))
    first = next(number for number, line in enumerate(lines) if line.startswith("SOURCE")) + 1
    return [line.removeprefix("▶ ").split()[0] for line in lines[first : lines.index("", first)]]


def test_windows_show_what_was_recent(view):
    assert set(rows(view)) == {"shop/old", "shop/web", "x/evil"}
    view.press("w")
    assert "window: 1 min" in shown(view)
    assert set(rows(view)) == {"shop/web", "x/evil"}, "the others are 90 s old"
    view.press("w")
    assert "window: 10 s" in shown(view)
    view.press("w")
    assert set(rows(view)) == {"shop/old", "shop/web", "x/evil"}


def test_log_time_goes_on_while_nothing_comes(view, clock):
    view.press("w")
    view.press("w")
    assert "shop/web" in shown(view)
    clock.now += 9
    view.quiet = False
    assert "shop/web" in shown(view), "what came is not looked at yet"
    view.quiet = True
    clock.now += 9
    assert "nothing in the last 10 s" in shown(view)


def test_the_order_is_chosen(view):
    assert rows(view) == ["shop/old", "shop/web", "x/evil"]
    view.press("s")
    assert "sort: bytes" in shown(view)
    assert rows(view)[0] == "shop/web"
    view.press("s")
    assert rows(view)[0] == "x/evil", "by refusals"


def test_a_pair_is_chosen_and_stays_chosen_and_is_opened(view):
    view.press(live_keys.DOWN)
    view.press(live_keys.DOWN)
    assert "▶ shop/web" in shown(view)
    view.press("s")
    assert "▶ shop/web" in shown(view), "wherever it stands"
    view.press(live_keys.ENTER)
    text = shown(view)
    assert "shop/web → data/db" in text
    assert "5 connections" in text
    assert text.count("12:50:3") == 5, "its connections, with their time"
    assert "x/evil" not in text
    view.press(live_keys.DOWN)
    assert "shop/web → data/db" not in shown(view), "the next pair, without going back"
    view.press(live_keys.BACK)
    assert set(rows(view)) == {"shop/old", "shop/web", "x/evil"}
    assert "▶" in shown(view)
    view.press(live_keys.BACK)
    assert "▶" not in shown(view)


def test_an_opened_pair_says_what_was_refused(view):
    view.press(live_keys.END)
    view.press(live_keys.END)
    view.press(live_keys.ENTER)
    text = shown(view)
    assert "x/evil → data/db" in text
    assert "data/no" in text
    assert "1 denied" in text


def test_an_opened_pair_has_its_last_lines(clock, seed):
    lines, report = LatestLines(), ReadReport()
    for batch in read_inputs([str(seed / "cross-node.log")], report=report):
        lines.note(batch)
    import ztflow

    flows = ztflow.read_flows(seed / "cross-node.log")
    view = LiveView(lines)
    view.take(total_of().answer(flows), report)
    view.press("s")
    shown(view)
    view.press(live_keys.ENTER)
    text = shown(view, 4000)
    assert text.count("access  connection complete  src.addr=") == 2
    assert 'direction="inbound"' in text


def test_held_means_that_nothing_changes(view, clock):
    view.press("p")
    before = shown(view)
    clock.now += 30
    assert shown(view) == before
    assert "held" in before
    view.press(" ")
    assert "held" not in shown(view)


def test_q_ends_and_any_key_leaves_the_help(view):
    view.press("?")
    assert "sort by the next column" in shown(view)
    view.press(live_keys.DOWN)
    assert "SOURCE" in shown(view)
    assert not view.ended
    view.press("q")
    assert view.ended


@pytest.mark.parametrize(("width", "height"), SIZES)
@pytest.mark.parametrize("keys", [[], ["w"], ["down", "enter"], ["?"], ["p"], ["w", "w", "end", "enter"]])
def test_it_fits_any_terminal(view, width, height, keys):
    shown(view)
    for key in keys:
        view.press(key)
        view.painted(Paper(width, height), ["ztflow: something was said"])
    lines = view.painted(Paper(width, height), ["ztflow: something was said"])
    assert len(lines) <= height
    if width >= 60:
        assert max(map(visible_width, lines)) <= width
        assert "quit" in lines[-1]
        assert "something was said" in lines[-2]


def test_nothing_yet_is_no_crash(clock):
    view = LiveView(LatestLines())
    for key in ["down", "enter", "w", "s", "p", "back", "x"]:
        view.press(key)
        assert view.painted(Paper(80, 24))
    view.take(total_of().answer(Flows()), ReadReport())
    view.press("enter")
    assert "no connection yet" in shown(view) or "held" in shown(view)


def test_the_latest_rows_and_lines_are_bounded(seed, monkeypatch):
    monkeypatch.setattr(live_total, "LATEST_KEPT", 20)
    total, lines = total_of(*[table(*OLD)] * 8, table(*OLD * 5)), LatestLines()
    assert 20 <= sum(map(len, total.answer(Flows()).latest)) <= 40
    monkeypatch.setattr(live_lines, "LATEST_LINES", 200)
    [batch] = [batch for batch in read_inputs([str(seed / "cross-node.log")]) if batch]
    for _ in range(500):
        lines.note(ReadBatch(batch.halves, [], batch.source_file))
    assert 200 <= sum(one.num_rows for one in lines._tables) <= 400
    assert len(lines._tables) < 70, "small ones are joined"


def test_keys_are_told_apart():
    assert keys_of(b"q\x1b[A\x1bOB\x1b[6~\r\x1b\x7f\x1b[99;5u\xc3\xa9\x00?") == [
        "q", "up", "down", "pgdn", "enter", "back", "back", "?"
    ]  # fmt: skip


def test_bars_and_arrows():
    assert sparkline([]) == ""
    assert sparkline([0, 0]) == "··"
    assert sparkline([1, 1000]) == "▁█", "little is not nothing"
    assert arrow([5, 1]) == "↘"
