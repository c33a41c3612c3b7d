"""One pipeline: the same flows from a file, in pieces, live, and in a picture of what has come so far."""

from __future__ import annotations

from datetime import timedelta
from itertools import pairwise

import pytest
from halves_by_hand import START, connection, table
from hypothesis import given, settings
from hypothesis import strategies as st
from places_by_hand import fact, inventory, node, pod

from ztflow import api
from ztflow.filters import make_filter
from ztflow.model.provenance import NOBODY, Fact
from ztflow.model.tables import Flows, Halves
from ztflow.pair import Pairer
from ztflow.read import ReadBatch, ReadReport
from ztflow.session import GrowingSession, LiveSession, RecordSession, Session
from ztflow.session.growing import BOUNDED

KNOWN = inventory(
    pod("a/client-1", "node-1", "10.0.1.1", owner="web", owner_kind="Deployment"),
    pod("b/server-3", "node-3", "10.0.3.1"),
    node("node-1", zone="east"),
)

drawn = st.lists(
    st.fixed_dictionaries(
        {
            "end": st.one_of(st.floats(0, 150), st.sampled_from([1.0, 1.5, 40.0])),
            "client": st.sampled_from([1, 2]),
            "server": st.sampled_from([1, 3]),
            "response": st.sampled_from([0, 300]),
            "keep": st.sampled_from(["both", "both", "both", "out", "in"]),
        }
    ),
    max_size=16,
)


def lines_of(items):
    rows = []
    for line, item in enumerate(items, 1):
        facts = {name: value for name, value in item.items() if name != "keep"}
        out, inn = connection(**facts, line=line)
        rows += {"both": [out, inn], "out": [out], "in": [inn]}[item["keep"]]
    return rows


def batch(rows, facts=()):
    return ReadBatch(Halves(table(rows)), list(facts), "log")


class Kept:
    """A total that keeps the rows, so that they can be looked at."""

    def __init__(self, rows=()):
        self.rows = [*rows]

    def add(self, flows):
        self.rows += flows.rows()

    def fork(self):
        return Kept(self.rows)


def rows_of(tables):
    return sorted((row for part in tables for row in part.rows()), key=repr)


def finished(*batches, facts=()):
    with Session(KNOWN) as session:
        for rows in batches:
            assert len(session.feed(batch(rows, facts))) == 0
        return rows_of(session.finish())


def cut(rows, places):
    edges = [0, *sorted(places), len(rows)]
    return [rows[start:end] for start, end in pairwise(edges)]


def without_reasons(rows):
    """Rows of flows; of halves alone it does not matter why."""
    return sorted(({**row, "unpaired_reason": None} for row in rows), key=repr)


@settings(max_examples=15, deadline=None)
@given(drawn, st.data())
def test_any_order_and_any_cut_are_one_reading(items, data):
    rows = lines_of(items)
    arrival = data.draw(st.permutations(rows))
    cuts = data.draw(st.lists(st.integers(0, len(rows)), max_size=6))
    assert finished(*cut(arrival, cuts)) == finished(rows)


@settings(max_examples=15, deadline=None)
@given(drawn, st.booleans(), st.data())
def test_a_picture_is_at_every_moment_that_of_all_lines_and_the_last_one_to_the_letter(items, in_order, data):
    rows = lines_of(items)
    arrival = sorted(rows, key=lambda row: row["time"]) if in_order else data.draw(st.permutations(rows))
    cuts = data.draw(st.lists(st.integers(0, len(rows)), max_size=6))
    with GrowingSession(KNOWN, Kept()) as session:
        came = []
        for part in cut(arrival, cuts):
            session.feed(batch(part))
            came += part
            shown = session.picture()
            assert without_reasons(shown.rows()) == without_reasons(finished(came))
            report = session.report
            assert 2 * (report.paired_flows or 0) + (report.unpaired_halves or 0) == len(came)
        assert rows_of(session.finish()) == finished(rows)
        assert session.added == 0


@settings(max_examples=15, deadline=None)
@given(drawn, st.data())
def test_a_live_session_gives_what_a_finished_one_does(items, data):
    rows = sorted(lines_of(items), key=lambda row: row["time"])
    cuts = data.draw(st.lists(st.integers(0, len(rows)), max_size=6))
    with LiveSession(KNOWN) as session:
        parts = [session.feed(batch(part)) for part in cut(rows, cuts)]
        parts += session.finish()
    told = ("end", "outbound_line", "inbound_line", "paired", "confidence", "unpaired_reason")
    assert sorted(repr([row[name] for name in told]) for part in parts for row in part.rows()) == sorted(
        repr([row[name] for name in told]) for row in finished(rows)
    )
    assert all(part.owners == {"a/client-1": "web"} for part in parts)


def test_half_of_a_pair_waits_and_is_not_called_alone():
    out, inn = connection(10, line=1)
    with GrowingSession(None, Kept()) as session:
        session.feed(batch([out]))
        (waiting,) = session.picture().rows()
        assert (waiting["paired"], waiting["unpaired_reason"]) == ("outbound_only", None)
        session.feed(batch([inn]))
        (pair,) = session.picture().rows()
        assert pair["paired"] == "unique"
        session.feed(batch([connection(20, line=2)[0]]))
        alone = [row for row in next(session.finish()).rows() if row["inbound_line"] is None]
        assert [row["unpaired_reason"] is None for row in alone] == [False]


def test_ztunnels_seen_at_one_time_only_later_are_on_two_nodes_in_the_next_picture():
    """Placing looked once before the second ztunnel wrote on; what that look found must not stay."""
    drawn = [(0, 1, 1, "both"), (0, 2, 1, "both"), (51, 2, 3, "in"), (66, 1, 1, "both"), (68, 2, 1, "both")]
    items = [{"end": end, "client": client, "server": server, "keep": keep} for end, client, server, keep in drawn]
    rows = sorted(lines_of(items), key=lambda row: row["time"])
    with GrowingSession(KNOWN, Kept()) as session:
        session.feed(batch(rows[:5]))
        session.picture()
        session.feed(batch(rows[5:]))
        assert rows_of(session.finish()) == finished(rows)


def test_silence_decides_what_waited():
    with LiveSession(window=timedelta(seconds=5)) as session:
        assert len(session.feed(batch(connection(10)))) == 0
        assert len(session.advance(timedelta(seconds=4))) == 0
        assert len(session.advance(timedelta(seconds=6))) == 1
    with GrowingSession(None, Kept(), window=timedelta(seconds=5)) as session:
        session.feed(batch([connection(10)[0]]))
        assert session.picture().to_arrow()["unpaired_reason"].null_count == 1
        session.advance(timedelta(seconds=300))
        assert session.picture().to_arrow()["unpaired_reason"].null_count == 0


@pytest.fixture
def pushed(monkeypatch):
    """Halves that were given to a pairer, each time they were."""
    counted = []
    push = Pairer.push

    def counting(self, halves, **more):
        counted.append(halves.num_rows)
        return push(self, halves, **more)

    monkeypatch.setattr(Pairer, "push", counting)
    return counted


def test_each_line_is_paired_once_however_often_one_looks(pushed):
    with GrowingSession(None, Kept()) as session:
        for n in range(20):
            session.feed(batch(connection(n, line=n + 1)))
            assert len(session.picture()) == n + 1
    assert sum(pushed) == 40


def test_lines_out_of_order_are_paired_anew_once_a_picture_and_only_those_since_the_mark(pushed):
    lines = [connection(n, line=n + 1) for n in range(60)]
    with GrowingSession(None, Kept(), kept=40) as session:
        for both in lines[:50]:
            session.feed(batch(both))
        before = sum(pushed)
        assert before == 100, "two marks were set on the way, and nothing was paired twice"
        for late in (connection(45, line=98), connection(46, line=99)):
            session.feed(batch(late))
        assert sum(pushed) == before, "nothing is paired until somebody looks"
        assert len(session.picture()) + session.added == 52
        assert sum(pushed) - before <= 40 + 4
        session.picture()
        for both in lines[50:]:
            session.feed(batch(both))
        assert session.report.evicted == 0
        assert sum(pushed) - before <= 40 + 4 + 20


def test_a_late_line_is_told_once_and_finds_its_partner():
    pairs = [connection(n * 2, line=n + 1) for n in range(6)]
    with GrowingSession(KNOWN, Kept()) as session:
        came = [half for both in pairs[1:] for half in both] + pairs[0][:1]
        session.feed(batch(came))
        session.picture()
        session.feed(batch(pairs[0][1:]))
        assert without_reasons(session.picture().rows()) == without_reasons(finished([*came, *pairs[0][1:]]))


def test_streams_that_lag_all_the_time_cost_one_more_pairing(pushed):
    with GrowingSession(None, Kept()) as session:
        for n in range(20):
            out, inn = connection(n * 2, line=n + 1)[0], connection(max(0, n - 2) * 2, line=n + 1)[1]
            session.feed(batch([out]))
            session.feed(batch([inn]))
            session.picture()
    assert sum(pushed) <= 40 + 10


def test_small_batches_do_not_stay_small():
    with GrowingSession(None, Kept()) as session:
        for n in range(200):
            session.feed(batch([connection(n / 100, line=n + 1)[0]]))
        assert len(session._since.small) < 70
        assert session._since.rows == 200
        assert len(session.picture()) == 200


def decided(rows):
    return sorted((row for row in rows if row["paired"] not in {"outbound_only", "inbound_only"}), key=repr)


@settings(max_examples=25, deadline=None)
@given(drawn, st.booleans(), st.integers(4, 40), st.integers(1, 8), st.data())
def test_picture_and_total_are_every_line_once_wherever_the_bounds_fall(items, in_order, kept, flows_kept, data):
    rows = lines_of(items)
    arrival = sorted(rows, key=lambda row: row["time"]) if in_order else data.draw(st.permutations(rows))
    cuts = data.draw(st.lists(st.integers(0, len(rows)), max_size=6))
    with GrowingSession(KNOWN, Kept(), kept=kept, flows_kept=flows_kept, at_once=2) as session:
        came = []
        for part in cut(arrival, cuts):
            session.feed(batch(part))
            came += part
            shown = [*session.picture().rows(), *session.total.rows]
            lines = [row[f"{side}_line"] for row in shown for side in ("outbound", "inbound")]
            assert sorted(line for line in lines if line is not None) == sorted(row["line_number"] for row in came)
            report = session.report
            assert (report.paired_flows or 0) + (report.unpaired_halves or 0) == len(shown)
            assert 2 * (report.paired_flows or 0) + (report.unpaired_halves or 0) == len(came)
            assert session.added == len(session.total.rows)
        (last,) = session.finish()
        if kept >= len(rows):
            found = [*last.rows(), *session.total.rows]
            assert len(found) == len(finished(rows))
            told = ("end", "outbound_line", "inbound_line", "paired", "unpaired_reason")
            assert sorted(repr([row[name] for name in told]) for row in found) == sorted(
                repr([row[name] for name in told]) for row in finished(rows)
            )


def test_memory_is_bounded_and_what_is_not_kept_is_added_up_once():
    with GrowingSession(None, Kept(), kept=40, flows_kept=30, at_once=10) as session:
        for n in range(120):
            session.feed(
                batch(connection(n * 2, line=n + 1, out={"src_workload": f"w-{n}"}, inn={"src_workload": f"w-{n}"}))
            )
            assert session._since.rows <= 40
            assert sum(part.num_rows for part in session._rows) <= 30
            if n % 9 == 0:
                shown = [*session.picture().rows(), *session.total.rows]
                assert sorted(row["outbound_line"] for row in shown if row["outbound_line"]) == list(range(1, n + 2))
                words = [word for part in session._rows for word in part["src_name"].chunk(0).dictionary]
                assert len(words) <= 64, "names that no row has are let go"
        (last,) = session.finish()
    assert last.to_arrow()["outbound_line"].to_pylist()[-1] == 120
    assert session.added + len(last) == 120


def test_saved_flows_are_added_up_though_no_line_comes():
    with Session(KNOWN) as session:
        session.feed(batch([half for n in range(20) for half in connection(n * 2, line=n + 1)]))
        saved = api.whole(Flows, session.finish(), session.report)
    with GrowingSession(None, Kept(), flows_kept=50, at_once=20) as session:
        for n in range(1, 8):
            session.feed(ReadBatch(Halves(), [], "saved", saved.to_arrow()))
            held = [*session.picture().rows(), *session.total.rows]
            assert len(held) == 20 * n
            assert sum(part.num_rows for part in session._old) <= 50
        (last,) = session.finish()
    assert len(last) + session.added == 140
    assert session.report.paired_flows == 140


def test_lines_that_wait_on_disk_are_paired_anew_like_others(monkeypatch):
    monkeypatch.setattr("ztflow.session.growing.SMALL_TABLE", 1)
    pairs = [connection(n * 2, line=n + 1) for n in range(40)]
    with GrowingSession(KNOWN, Kept(), flows_kept=5, at_once=3, memory=BOUNDED._replace(halves=1)) as session:
        for late in (pairs[20:30], pairs[:20], pairs[30:]):
            for both in late:
                session.feed(batch(both))
            session.picture()
        (last,) = session.finish()
        found = decided([*last.rows(), *session.total.rows])
    assert [row["outbound_line"] for row in found] == [row["outbound_line"] for row in decided(finished(*pairs))]


def test_old_releases_stay_when_lines_are_paired_anew():
    said = [Fact(kind, START + second * 1_000_000, NOBODY, "log", 1 + second,
                 {"trace_id": "one", "direction": way, "path": "hbone", "dst_ip": "10.0.0.9", "dst_port": 80})
            for second, (kind, way) in enumerate([("legacy_start", "outbound"), ("legacy_end", "outbound")])]  # fmt: skip
    with GrowingSession(None, Kept(), flows_kept=2, at_once=2, kept=12) as session:
        session._legacy = type(session._legacy)()
        session.feed(batch([], said))
        session.feed(
            batch([], [Fact("legacy_start", START + 900_000_000, NOBODY, "log", 9, said[0].values | {"trace_id": "x"})])
        )
        for n in range(6):
            session.feed(batch(connection(n * 10, line=n + 2)))
        session.feed(batch(connection(1, line=50)))
        session.picture()
        (last,) = session.finish()
        rows = [*last.rows(), *session.total.rows]
    assert [row["outbound_line"] for row in rows].count(1) == 1
    assert len(rows) == 1 + 1 + 7


def test_a_line_that_comes_late_across_a_mark_is_told_once():
    with GrowingSession(None, Kept(), kept=10) as session:
        for n in range(1, 14):
            session.feed(batch(connection(n * 10, line=n)))
            session.feed(batch([connection(0, line=100 + n)[0]]))
            session.picture()
        report = ReadReport.of([session.report])
        list(session.finish())
    assert 2 * (report.paired_flows or 0) + (report.unpaired_halves or 0) == 39


def test_owners_travel_with_the_rows():
    with Session(KNOWN) as session:
        session.feed(batch(connection(1)))
        flows = next(session.finish())
    assert "a/web" in flows.graph(by="workload")
    picked = make_filter(from_workload="web").apply(flows)
    assert len(picked) == 1
    for made in (picked, type(flows).concat([type(flows)(), flows]), flows.with_rows(flows.to_arrow().slice(0, 1))):
        assert made.owners == {"a/client-1": "web"}
    assert len(make_filter(not_from_workload="web").apply(flows)) == 0
    assert "a/web" in type(flows)(flows.to_arrow()).graph(by="workload"), "rows hold their workloads"


def test_old_releases_are_paired_whatever_the_cut():
    def message(kind, seconds, direction, trace="one"):
        values = {"trace_id": trace, "direction": direction, "path": "hbone", "dst_ip": "10.0.0.9", "dst_port": 80}
        return Fact(kind, START + seconds * 1_000_000, NOBODY, "log", seconds + 1, values)

    said = [message("legacy_start", 0, "outbound"), message("legacy_start", 1, "inbound"),
            message("legacy_start", 200, "outbound", "two"), message("legacy_end", 300, "outbound")]  # fmt: skip
    with Session() as whole, Session() as cut_up, GrowingSession(None, Kept()) as growing:
        whole.feed(batch([], said))
        for one in said:
            cut_up.feed(batch([], [one]))
            growing.feed(batch([], [one]))
            assert len(growing.picture()) == 1 + (said.index(one) > 1)
        results = [rows_of(session.finish()) for session in (whole, cut_up, growing)]
    assert sorted(row["paired"] for row in results[0]) == ["exact", "outbound_only"]
    assert results[0] == results[1] == results[2]


class TestRecords:
    """Access lines name the node of their ztunnel by the evidence that places flows, in the same order."""

    def nodes(self, known, rows, facts=(), **options):
        with RecordSession(known, **options) as session:
            parts = [session.feed(batch(rows, facts)), *session.finish()]
        return [row["ztunnel_node"] for part in parts for row in part.rows()]

    def test_without_an_inventory_the_shipper_and_the_log_name_a_node(self):
        rows = connection(inn={"ztunnel_node": "shipped"})
        said = [fact("local_node", 0, "ztunnel-1", node="started")]
        assert self.nodes(None, rows) == ["shipped", None]
        assert self.nodes(None, rows, said) == ["shipped", "started"]
        assert self.nodes(KNOWN, rows, said) == ["shipped", "started"]

    def test_the_shipper_then_the_inventory_then_start_up_lines_then_its_pods(self):
        own = pod("istio-system/ztunnel-1", "stated")
        said = [fact("local_node", 0, "ztunnel-1", node="started")]
        out = connection()[:1]
        assert self.nodes(inventory(own), [out[0] | {"ztunnel_node": "shipped"}], said) == ["shipped"]
        assert self.nodes(inventory(own), out, said) == ["stated"]
        assert self.nodes(KNOWN, out, said) == ["started"]
        assert self.nodes(KNOWN, out) == ["node-1"]

    def test_a_name_that_two_namespaces_have_is_settled_by_its_pods(self):
        twice = inventory(pod("istio-system/ztunnel-1", "x"), pod("other/ztunnel-1", "y"), *KNOWN.pods)
        assert self.nodes(twice, connection()[:1]) == ["node-1"]

    def test_a_pod_that_moved_is_where_it_was_then(self):
        moved = inventory(
            pod("a/db-0", "first", "10.0.1.1", start=0, end=100),
            pod("a/db-0", "second", "10.0.1.1", start=101, end=300),
        )
        nameless = {"src_workload": "db-0", "ztunnel_pod": None, "source_file": "all.log"}
        rows = [connection(seconds, out=nameless)[0] for seconds in (50, 200)]
        assert self.nodes(moved, rows) == ["first", "second"]

    def test_live_lines_are_named_as_they_come(self):
        assert self.nodes(KNOWN, connection()[:1], live=True) == ["node-1"]

    def test_they_are_the_nodes_of_the_flows(self, tmp_path):
        pods, nodes = tmp_path / "pods.csv", {}
        pods.write_text("ip,pod,namespace,node\n10.244.1.10,web-6b7f9c5d4-x2x9q,shop,node-a\n")
        files = [f"fixtures/captured/1.29.5-json/ztunnel-{name}.log" for name in ("4k7rb", "9xw2d", "m8s5v")]
        for row in api.read_records(*files, inventory=pods).rows():
            nodes[row["source_file"], row["line_number"]] = row["ztunnel_node"]
        assert set(nodes.values()) == {"node-a", "node-b", "node-c"}, (
            "one by the inventory, two by their start-up lines"
        )
        for flow in api.read_flows(*files, inventory=pods).rows():
            for side, half in (("src", "outbound"), ("dst", "inbound")):
                if flow[f"{half}_line"] is not None:
                    assert nodes[flow[f"{half}_file"], flow[f"{half}_line"]] == flow[f"{side}_node"]


def test_since_and_until_are_one_rule_for_records_and_flows():
    files = [f"fixtures/seed/{name}.log" for name in ("same-node", "cross-node")]
    for read in (api.read_records, api.read_flows):
        everything = read(*files)
        times = sorted(time for time in everything.to_arrow()[everything.time].to_pylist() if time is not None)
        assert len(read(*files, since=times[-1], until=times[-1])) == times.count(times[-1])
        assert len(read(*files, since=times[-1] - times[0])) == len(everything)
        assert len(read(*files, until=times[-1] - times[0])) == times.count(times[0])
