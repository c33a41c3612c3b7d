"""Saved flows and records come back in as they went out, whoever saved them last."""

from __future__ import annotations

import gzip
import io
import itertools
import json
import re
import subprocess
import sys

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from truth import logs

import ztflow
from ztflow.errors import SourceError
from ztflow.read import ReadReport
from ztflow.writers import open_writer

RUN = "1.29.5-json"
READ = {"flows": ztflow.read_flows, "records": ztflow.read_records}
KINDS = pytest.mark.parametrize("kind", ["flows", "records"])
FORMS = pytest.mark.parametrize("form", ["jsonl", "csv", "parquet"])


@pytest.fixture(scope="module")
def tables():
    return {kind: read(*logs(RUN)) for kind, read in READ.items()}


def saved(table, form):
    stream = io.BytesIO()
    writer = open_writer(form, stream, table.schema)
    writer.write(table.to_arrow())
    writer.close()
    return stream.getvalue()


def rows(table):
    """Rows in an order of their own, for a table may have been sorted anew."""
    return sorted(table.to_arrow().to_pylist(), key=repr)


def counts(table):
    stats = table.stats
    return stats.lines, stats.access, stats.other, stats.not_ours, stats.problems


@KINDS
@FORMS
def test_what_ztflow_saved_comes_back(tables, kind, form):
    table = tables[kind]
    again = READ[kind](io.BytesIO(saved(table, form)))
    assert rows(again) == rows(table)
    assert counts(again) == (452, 452, 0, 0, 0)
    assert saved(again, "jsonl") == saved(table, "jsonl")


@FORMS
def test_saved_records_are_paired_as_their_lines_and_keep_every_node(tables, form):
    flows = ztflow.read_flows(io.BytesIO(saved(tables["records"], form))).to_arrow()
    assert flows["src_node"].null_count + flows["dst_node"].null_count == 16
    rest = [name for name in flows.schema.names if name != "locality_evidence"]  # it is the records that tell now
    assert flows.select(rest).to_pylist() == tables["flows"].to_arrow().select(rest).to_pylist()


def pandas_ways(frame, path):
    frame.to_parquet(path)
    yield
    frame.iloc[::-1].to_parquet(path)  # with an index that is no range, which becomes a column
    yield
    frame[list(frame)[::-1]].assign(team="a").to_csv(path)
    yield
    frame.to_csv(path, index=False, sep=";", quoting=1)
    yield
    frame.rename(columns=str.upper).to_parquet(path)
    yield
    for orient, lines in (("records", True), ("records", False)):
        frame.to_json(path, orient=orient, lines=lines, date_format="iso", date_unit="us")
        yield


@KINDS
@pytest.mark.parametrize("nullable", [False, True])
def test_what_pandas_saved_again(tables, kind, nullable, tmp_path):
    path = tmp_path / "x"
    tables[kind].to_parquet(path)
    frame = tables[kind].to_pandas() if nullable else pd.read_parquet(path)
    for _ in pandas_ways(frame, path):
        again = READ[kind](path)
        assert rows(again) == rows(tables[kind])
        assert counts(again) == (452, 452, 0, 0, 0)


def retyped(array, change):
    return change(array.dictionary_decode() if pa.types.is_dictionary(array.type) else array)


CHANGES = {
    "no zone": lambda a: a.cast(pa.timestamp("us")) if pa.types.is_timestamp(a.type) else a,
    "nanoseconds": lambda a: a.cast(pa.timestamp("ns", "Europe/Berlin")) if pa.types.is_timestamp(a.type) else a,
    "epoch": lambda a: a.cast(pa.int64()) if pa.types.is_timestamp(a.type) else a,
    "floats": lambda a: a.cast(pa.float64()) if pa.types.is_integer(a.type) else a,
    "signed": lambda a: a.cast(pa.int32(), safe=False) if a.type == pa.uint16() else a,
    "wide text": lambda a: a.cast(pa.large_string()) if pa.types.is_string(a.type) else a,
    "all text": lambda a: a if pa.types.is_nested(a.type) else a.cast(pa.string()),
    "0 and 1": lambda a: a.cast(pa.int8()) if pa.types.is_boolean(a.type) else a,
    "null type": lambda a: pa.nulls(len(a)) if a.null_count == len(a) else a,
    "pairs": lambda a: (
        pa.array(a.to_pylist(), pa.list_(pa.struct({"key": pa.string(), "value": pa.string()})))
        if pa.types.is_map(a.type)
        else a
    ),
}


@KINDS
@pytest.mark.parametrize("change", CHANGES)
def test_columns_of_other_types(tables, kind, change, tmp_path):
    table = tables[kind].to_arrow().combine_chunks()
    other = pa.table({n: retyped(table[n].combine_chunks(), CHANGES[change]) for n in reversed(table.schema.names)})
    pq.write_table(other, tmp_path / "x", row_group_size=50)
    again = READ[kind](tmp_path / "x")
    assert rows(again) == rows(tables[kind])


def test_maps_come_back_from_all_their_forms(tmp_path):
    table = ztflow.read_records(*logs(RUN)).to_arrow().slice(0, 5).combine_chunks()
    known = [("new.key", "a, 'b'"), ("k", "")]
    for spelling in (json.dumps(dict(known)), repr(known), str(dict(known))):
        texts = pa.array([spelling, None, "", spelling, "{}"])
        pq.write_table(table.set_column(table.schema.names.index("extra"), "extra", texts), tmp_path / "x")
        assert ztflow.read_records(tmp_path / "x").to_arrow()["extra"].to_pylist() == [known, None, None, known, []]


SPOILT = {
    "bytes": ("request_bytes", "many", "bad value", "request_bytes is 'many'"),
    "less than nothing": ("request_bytes", "-1", "bad value", "request_bytes"),
    "a part of a byte": ("request_bytes", "1.5", "bad value", "request_bytes"),
    "time": ("end", "yesterday", "bad time", "end is 'yesterday'"),
    "word": ("paired", "uniqe", "bad value", "did you mean 'unique'?"),
    "name": ("src_pod", "a b", "bad value", "src_pod is a name with a blank in it"),
    "no word": ("paired", None, "missing field", "without paired"),
    "truth": ("mtls", "perhaps", "bad value", "mtls is 'perhaps'"),
}


@pytest.mark.parametrize("case", SPOILT)
@pytest.mark.parametrize("form", ["csv", "parquet", "jsonl"])
def test_a_wrong_value_is_a_problem_and_its_neighbours_are_read(tables, case, form, tmp_path):
    name, value, reason, detail = SPOILT[case]
    frame = tables["flows"].to_arrow().slice(0, 5).to_pandas()
    cells = frame[name].astype(str).astype(object)
    cells[2] = value
    frame[name] = cells
    path = tmp_path / "x"
    if form == "jsonl":
        frame.to_json(path, orient="records", lines=True, date_format="iso", date_unit="us")
    else:
        getattr(frame, f"to_{form}")(path)
    flows = ztflow.read_flows(path)
    assert len(flows) == 4
    assert flows.stats.problems == 1
    (problem,) = flows.problems
    assert (problem.source_file, problem.reason) == (str(path), reason)
    assert detail in problem.detail


@pytest.mark.parametrize(("kind", "column"), [("flows", "paired"), ("records", "direction"), ("records", "src_ip")])
def test_a_table_without_what_its_rows_need_is_a_problem_that_says_so(tables, kind, column, tmp_path):
    rest = tables[kind].to_arrow().drop_columns([column])
    pq.write_table(rest, tmp_path / "x")
    rest.drop_columns(["extra"] if kind == "records" else []).to_pandas().to_csv(tmp_path / "y")
    for path in (tmp_path / "x", tmp_path / "y"):
        again = READ[kind](path)
        assert (len(again), again.stats.problems) == (0, len(tables[kind]))
        assert f"saved table of {kind} without its column {column}" in again.problems[0].detail


def test_other_columns_may_be_missing(tables, tmp_path):
    kept = ["paired", "end", "duration_ms", "src_pod", "dst_pod", "src_node", "dst_node", "request_bytes"]
    pq.write_table(tables["flows"].to_arrow().select(kept), tmp_path / "x")
    again = ztflow.read_flows(tmp_path / "x").to_arrow()
    assert again.select(kept).to_pylist() == tables["flows"].to_arrow().select(kept).to_pylist()
    assert again["start"].null_count == len(again)
    pq.write_table(tables["flows"].to_arrow().drop_columns(["locality"]), tmp_path / "x")
    again = ztflow.read_flows(tmp_path / "x").to_arrow()
    assert again["locality"].to_pylist() == tables["flows"].to_arrow()["locality"].to_pylist()


def test_flows_of_an_earlier_layout_are_brought_to_todays(tables, tmp_path):
    """They had ztunnel's name of an end in its workload's column, and no column beside it."""
    table = tables["flows"].to_arrow().replace_schema_metadata()
    names = {"src_name": "src_workload", "dst_name": "dst_workload"}
    old = table.drop_columns([*names.values()])
    pq.write_table(old.rename_columns([names.get(name, name) for name in old.schema.names]), tmp_path / "x")
    assert rows(ztflow.read_flows(tmp_path / "x")) == rows(tables["flows"])
    tables["flows"].to_parquet(tmp_path / "y")
    layout = pq.read_schema(tmp_path / "y").metadata
    assert (layout[b"ztflow.layout"], layout[b"ztflow.table"]) == (b"2", b"flows")
    kept = pq.read_table(tmp_path / "y").drop_columns([*names])  # today's, without the logged names
    pq.write_table(kept, tmp_path / "z")
    again = ztflow.read_flows(tmp_path / "z").to_arrow()
    assert again["src_workload"].to_pylist() == table["src_workload"].to_pylist()
    assert again["src_name"].null_count == len(again)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("foreign", "no table of flows or records by its columns; it has a, b"),
        ("cut", "the Parquet data is damaged"),
        ("arrow", "save the table as Parquet instead"),
    ],
)
def test_what_is_no_table_of_ours_is_refused_in_a_line(tables, content, said, tmp_path):
    path = tmp_path / "flows.parquet"
    pq.write_table(pa.table({"a": [1], "b": [2]}), path)
    if content == "cut":
        path.write_bytes(saved(tables["flows"], "parquet")[:5000])
    if content == "arrow":
        path.write_bytes(b"ARROW1\0\0" + bytes(100))
    with pytest.raises(SourceError, match=said) as caught:
        ztflow.read_flows(path)
    assert "\n" not in str(caught.value)


def test_a_csv_row_of_another_length_is_a_problem(tables):
    head, first, second, *_ = saved(tables["flows"], "csv").splitlines(keepends=True)
    flows = ztflow.read_flows(io.BytesIO(head + first + b"cut,off\n" + second))
    assert (len(flows), flows.stats.problems) == (2, 1)
    assert "a row of 2 cells" in flows.problems[0].detail


def test_a_damaged_json_line_is_a_problem_and_its_neighbour_is_read(tables):
    first, second, *_ = saved(tables["records"], "jsonl").splitlines(keepends=True)
    halves = ztflow.read_records(io.BytesIO(re.sub(rb'"bytes_sent":\d+', b'"bytes_sent":"many"', first) + second))
    assert (halves.stats.access, halves.stats.problems) == (1, 1)


@FORMS
def test_saved_flows_beside_a_raw_log(tables, form, tmp_path):
    path = tmp_path / "yesterday"
    path.write_bytes(saved(tables["flows"], form))
    raw = logs("1.22.0-json")
    both = ztflow.read_flows(path, *raw)
    alone = ztflow.read_flows(*raw)
    assert len(both) == len(tables["flows"]) + len(alone)
    assert both.stats.access == 452 + alone.stats.access
    ends = both.to_arrow()["end"].to_pylist()
    assert ends == sorted(ends)
    assert rows(both) == sorted([*rows(tables["flows"]), *rows(alone)], key=repr)


def test_rows_of_one_capture_in_two_files_count_once(tables, tmp_path):
    for form in ("jsonl", "csv", "parquet"):
        (tmp_path / form).write_bytes(saved(tables["flows"], form))
    flows = ztflow.read_flows(tmp_path / "jsonl", tmp_path / "csv", tmp_path / "parquet")
    assert len(flows) == len(tables["flows"])
    assert (flows.stats.access, flows.stats.duplicates) == (3 * 452, 2 * 452)


@KINDS
def test_many_ways_to_the_same_bytes(tables, kind, tmp_path):
    whole = saved(tables[kind], "parquet")
    (tmp_path / "x.gz").write_bytes(gzip.compress(whole))
    (tmp_path / "x.zst").write_bytes(pa.compress(whole, codec="zstd", asbytes=True))
    folder = tmp_path / "folder" / "src_namespace=shop"
    folder.mkdir(parents=True)
    (folder / "part-0.parquet").write_bytes(whole)
    for source in (tmp_path / "x.gz", tmp_path / "x.zst", tmp_path / "folder"):
        assert rows(READ[kind](source)) == rows(tables[kind])


def test_columns_in_the_names_of_folders(tables, tmp_path):
    table = tables["flows"].to_arrow()
    names = table["src_namespace"].to_pylist()
    for name in set(names):
        folder = tmp_path / "out" / f"src_namespace={'__HIVE_DEFAULT_PARTITION__' if name is None else name}"
        folder.mkdir(parents=True)
        kept = table.filter(pa.array([one == name for one in names])).drop_columns(["src_namespace"])
        pq.write_table(kept, folder / "part-0.parquet")
    assert rows(ztflow.read_flows(tmp_path / "out")) == rows(tables["flows"])


def test_saved_flows_in_a_folder_of_logs_are_left_out_and_named(tables, tmp_path):
    """They are most likely of these logs, and would count twice."""
    for log in logs(RUN):
        (tmp_path / log.name).write_bytes(log.read_bytes())
    (tmp_path / "flows.jsonl").write_bytes(saved(tables["flows"], "jsonl"))
    (tmp_path / "flows.parquet").write_bytes(saved(tables["flows"], "parquet"))
    report = ReadReport()
    parts = list(ztflow.iter_flows(tmp_path, inventory=None, report=report))
    assert sum(map(len, parts)) == len(tables["flows"])
    assert sorted(report.skipped) == [str(tmp_path / name) for name in ("flows.jsonl", "flows.parquet")]


def test_answers_that_need_lines_refuse_flows(tables, tmp_path):
    path = tmp_path / "flows"
    path.write_bytes(saved(tables["flows"], "parquet"))
    with pytest.raises(SourceError, match="holds saved flows, and this answer needs access lines"):
        ztflow.read_records(path)


def ztflow_said(*words, given=b""):
    command = [sys.executable, "-m", "ztflow", *words]
    return subprocess.run(command, input=given, capture_output=True, timeout=120, check=False)


@pytest.mark.parametrize(
    ("form", "follow"), [*itertools.product(["jsonl", "csv", "parquet"], [False, True])]
)  # fmt: skip
def test_every_form_comes_back_through_a_pipe(tables, form, follow):
    words = ["flows", "-o", "jsonl", *(["-f"] if follow else [])]
    done = ztflow_said(*words, given=saved(tables["flows"], form))
    assert (done.returncode, done.stderr) == (0, b"")
    assert sorted(done.stdout.splitlines()) == sorted(saved(tables["flows"], "jsonl").splitlines())


@pytest.mark.parametrize("words", [["summary"], ["graph", "-o", "json"], ["report", "traffic"]])
def test_every_answer_is_that_of_the_log(tables, words, tmp_path):
    path = tmp_path / "flows"
    path.write_bytes(saved(tables["flows"], "parquet"))
    first, again = (ztflow_said(*words, *map(str, inputs)) for inputs in (logs(RUN), [path]))
    assert first.returncode == again.returncode == 0
    told = [re.sub(rb"^lines .*\n", b"", done.stdout, count=1, flags=re.MULTILINE) for done in (first, again)]
    assert told[0] == told[1]
