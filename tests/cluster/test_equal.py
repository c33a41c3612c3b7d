"""The same flows and counts as one process makes, whatever the blocks, the parts and the order; in this process."""

from __future__ import annotations

import gzip
import re
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from here import Here, assert_equal, rows
from hypothesis import given, settings
from hypothesis import strategies as st
from truth import CAPTURED, logs

import ztflow
from ztflow.api import iter_flows, whole
from ztflow.cli.added_up import folded
from ztflow.cluster import Reading, plan
from ztflow.cluster.copies import may_hold_copies
from ztflow.cluster.parsing import Times
from ztflow.cluster.progress import SHARE_READ
from ztflow.errors import SourceError
from ztflow.graph import build_graph
from ztflow.graph.build import shape_of as graph_shape
from ztflow.model.tables import Flows, Halves
from ztflow.place import read_inventory
from ztflow.read import ReadReport
from ztflow.reports import make_report, summary
from ztflow.reports.folding import SUMMARY, shape_of

PODS = CAPTURED / "1.29.5-json" / "pods.txt"


def flows_by(inputs, *, block=60_000, part=700, workers=2, inventory=None, on_error=None, progress=None):
    reading = Reading(
        [*map(str, inputs)], inventory, Here(workers), block=block, rows=part, on_error=on_error, progress=progress
    )
    return whole(Flows, reading.flows(), reading.report), reading


@pytest.fixture(scope="module")
def one():
    return ztflow.read_flows(*logs("1.29.5-json"), inventory=PODS)


@settings(max_examples=2, deadline=None)
@given(st.integers(20_000, 400_000), st.integers(400, 3_000), st.integers(1, 4), st.permutations(logs("1.29.5-json")))
def test_any_blocks_any_parts_any_order_of_inputs(one, block, part, workers, inputs):
    many, _ = flows_by(inputs, block=block, part=part, workers=workers, inventory=read_inventory(PODS))
    assert_equal(many, one)


@pytest.mark.parametrize("run", ["1.22.0-json", "1.29.5-multinetwork", "1.31.0-head-envoy-1.39"])
def test_trace_ids_networks_and_chains_through_waypoints(run):
    many, reading = flows_by(logs(run))
    assert_equal(many, ztflow.read_flows(*logs(run), inventory=None))
    assert reading.shuffled > 0


def test_a_clock_that_is_off_and_a_log_that_is_split_over_files(tmp_path):
    late, *others = logs("1.29.5-json")
    seconds = re.sub(r'(?<="time":")[^"]+', _later, late.read_text()).splitlines(keepends=True)
    parts = []
    for at in range(3):
        part = tmp_path / f"ztunnel-4k7rb.log.{at}"
        part.write_text("".join(seconds[at * len(seconds) // 3 : (at + 1) * len(seconds) // 3]))
        parts.append(part)
    inputs = [*parts, *others]
    many, _ = flows_by(inputs)
    one = ztflow.read_flows(*inputs, inventory=None)
    assert_equal(many, one)
    assert len(one) < len(ztflow.read_flows(*logs("1.29.5-json"), inventory=None)) * 1.1, "most pairs are found"


def _later(time):
    """The time by a clock that is ahead."""
    moved = datetime.fromisoformat(time[0]) + timedelta(seconds=0.4)
    return moved.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def test_one_group_of_all(tmp_path):
    line = (
        "2024-06-16T12:00:{at:09.6f}Z\tinfo\taccess\tconnection complete\tsrc.addr=10.0.0.1:{port} "
        'src.workload="a" src.namespace="x" src.identity="spiffe://cluster.local/ns/x/sa/a" dst.addr=10.0.0.2:{to} '
        'dst.hbone_addr=10.0.0.2:80 dst.workload="b" dst.namespace="x" direction="{direction}" bytes_sent={sent} '
        'bytes_recv={received} duration="{duration}ms"\n'
    )
    text = ""
    for at in range(300):
        for direction, offset, counts in (("inbound", 0.0, (5, 7)), ("outbound", 0.0002, (7, 5))):
            text += line.format(
                at=at * 0.15 + offset, port=40_000 + at, to=15008, direction=direction, sent=counts[0],
                received=counts[1], duration=at % 5,
            )  # fmt: skip
    log = tmp_path / "ztunnel-4k7rb.log"
    log.write_text(text)
    many, _ = flows_by([log], block=60_000, part=200)
    assert many.stats.access == 600
    assert_equal(many, ztflow.read_flows(log, inventory=None))


def test_wrappers_that_teach_records_that_go_on_and_files_that_are_one_block(tmp_path):
    inputs = [
        *sorted((CAPTURED.parent / "wrappers").glob("*"))[:12],
        *sorted((CAPTURED.parent / "wrapped").glob("*.log"))[:4],
    ]
    errors, others = [], []
    one = ztflow.read_flows(*inputs, inventory=None, on_error=errors.append)
    many, _ = flows_by(inputs, block=4_000, on_error=others.append)
    assert_equal(many, one)
    assert [*map(str, errors)] == [*map(str, others)]


def test_copies_in_another_file_are_left_out(tmp_path):
    log = logs("1.29.5-json")[0]
    again = tmp_path / "again.log"
    again.write_bytes(log.read_bytes()[: log.stat().st_size // 2])
    packed = tmp_path / "ztunnel-4k7rb.log.gz"
    packed.write_bytes(gzip.compress(log.read_bytes()))
    many, _ = flows_by([log, again, packed])
    assert many.stats.duplicates > 0
    assert_equal(many, ztflow.read_flows(log, again, packed, inventory=None))


@pytest.mark.parametrize("bytes_a_line", [120, 100_000])
def test_more_and_fewer_lines_than_their_bytes_made_expect(monkeypatch, one, bytes_a_line):
    monkeypatch.setattr(plan, "_LINE_BYTES", bytes_a_line)
    many, reading = flows_by(logs("1.29.5-json"), block=200_000, part=2_000, inventory=read_inventory(PODS))
    assert_equal(many, one)
    assert reading.shuffled > 0


def test_a_file_that_begins_again_in_the_middle(tmp_path):
    lines = logs("1.29.5-json")[0].read_text().splitlines(keepends=True)
    log = tmp_path / "ztunnel-4k7rb.log"
    log.write_text("".join([*lines, *lines[len(lines) // 2 :]]))
    many, _ = flows_by([log])
    assert many.stats.duplicates > 0
    assert_equal(many, ztflow.read_flows(log, inventory=None))


def test_ztunnels_that_are_behind_each_other_are_no_sign_of_copies():
    def times(first, last, back=False, **turns):
        return Times(first, last, turns, back=back, traced=False)

    ahead, behind = times(0, 9_000_000, a=(8_000_000, 9_000_000), b=(0, 10)), times(20, 30, b=(20, 30))
    assert not may_hold_copies([[ahead, behind]])
    assert may_hold_copies([[ahead, times(0, 10, a=(0, 10))]]), "this one was further"
    assert may_hold_copies([[times(0, 9, back=True, a=(0, 9))]])
    assert may_hold_copies([[ahead], [behind]]), "two inputs of one ztunnel and time"
    assert not may_hold_copies([[ahead], [times(20, 30, c=(20, 30))]])


def test_progress_goes_on_behind_reading(one):
    seen = []
    many, _ = flows_by(
        logs("1.29.5-json"), inventory=read_inventory(PODS), progress=lambda done, total: seen.append((done, total))
    )
    assert_equal(many, one)
    size = sum(log.stat().st_size for log in logs("1.29.5-json"))
    assert {total for _, total in seen} == {size}
    done = [share / size for share, _ in seen]
    assert done == sorted(done)
    assert done[-1] == 1
    assert sum(SHARE_READ + 0.01 < one < 0.99 for one in done) >= 4


def test_a_folder_with_a_file_twice(tmp_path, one):
    written = "ztunnel-4k7rb_istio-system_istio-proxy-" + "0a1b" * 16
    for folder in ("pods/istio-system_ztunnel-4k7rb_0a1b/istio-proxy/0.log", f"containers/{written}.log"):
        (tmp_path / folder).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / folder).write_bytes(logs("1.29.5-json")[0].read_bytes())
    many, reading = flows_by([tmp_path])
    report = ReadReport()
    once = whole(Flows, iter_flows(tmp_path, inventory=None, report=report), report)
    assert_equal(many, once)
    assert reading.report.copies == report.copies != []


def test_access_lines_are_the_same_too():
    inputs = logs("1.29.5-json")
    one = ztflow.read_records(*inputs, inventory=PODS)
    reading = Reading([*map(str, inputs)], read_inventory(PODS), Here(), block=90_000, rows=5_000)
    many = whole(Halves, reading.records(), reading.report)
    assert rows(many) == rows(one)
    times = many.to_arrow()["time"].to_pylist()
    assert times == sorted(times)


def test_numbers_stay_whole_numbers(one):
    many, _ = flows_by(logs("1.29.5-json"), inventory=read_inventory(PODS))
    for frame in (many, one):
        kinds = {field.name: str(field.type) for field in frame.to_arrow().schema}
        assert (kinds["src_port"], kinds["request_bytes"], kinds["mtls"]) == ("int32", "int64", "bool")
    assert many.to_arrow()["inbound_duration_ms"].null_count > 0
    assert str(many.to_pandas()["inbound_duration_ms"].dtype) == "Int64"


def test_an_input_that_is_not_there(tmp_path):
    missing = tmp_path / "missing.log"
    with pytest.raises(SourceError, match="no such file"):
        flows_by([missing])
    errors = []
    many, _ = flows_by([missing, logs("1.29.5-json")[0]], on_error=errors.append)
    assert [error.source for error in errors] == [str(missing)]
    assert len(many)


def test_no_input_gives_no_flows(tmp_path):
    empty = tmp_path / "empty.log"
    empty.write_text("")
    many, _ = flows_by([empty])
    assert len(many) == 0


def test_a_data_set_in_folders_of_hours_written_where_the_flows_are(tmp_path, one):
    reading = Reading([*map(str, logs("1.29.5-json"))], read_inventory(PODS), Here(), block=90_000, rows=1_000)
    files = reading.save(str(tmp_path / "flows"))
    assert files
    assert {Path(file).parent.name for file in files} <= {
        f"hour={time.strftime('%Y-%m-%dT%H')}" for time in one.to_arrow()["end"].to_pylist() if time
    }
    again = ztflow.read_flows(*files, inventory=None)
    assert rows(again) == rows(one)
    report = ReadReport()
    whole(Flows, iter_flows(*logs("1.29.5-json"), inventory=PODS, report=report), report)
    counts = ("paired_flows", "ambiguous_flows", "unpaired_halves", "logs", "written", "stats")
    assert [getattr(reading.report, name) for name in counts] == [getattr(report, name) for name in counts]


@pytest.mark.parametrize("name", ["summary", "traffic", "latency", "graph"])
def test_answers_added_up_where_the_flows_are(one, name):
    shape = {"summary": SUMMARY, "graph": graph_shape("workload")}.get(name) or shape_of(name)
    reading = Reading([*map(str, logs("1.29.5-json"))], read_inventory(PODS), Here(), block=90_000, rows=1_000)
    many = folded(shape, reading.folded(shape), reading.report, iter)
    assert many.to_arrow().num_rows < len(many) == len(one)
    if name == "graph":
        made, plain = (build_graph(some, "workload") for some in (many, one))
        assert list(made.edges(data=True)) == list(plain.edges(data=True))
    else:
        made, plain = (summary(some) if name == "summary" else make_report(name, some) for some in (many, one))
        assert made.tables() == plain.tables()
    report = ReadReport()
    whole(Flows, iter_flows(*logs("1.29.5-json"), inventory=PODS, report=report), report)
    counts = ("paired_flows", "ambiguous_flows", "unpaired_halves", "logs", "written", "stats")
    assert [getattr(reading.report, name) for name in counts] == [getattr(report, name) for name in counts]
