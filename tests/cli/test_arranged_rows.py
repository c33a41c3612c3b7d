"""Rows in an order, with columns that were named, and the lines of the log behind them; one flow and one line in words."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ztflow import read_flows


@pytest.fixture
def logs(monkeypatch, seed):
    monkeypatch.chdir(seed)
    return ["same-node.log", "cross-node.log", "ingress-wrapped.log"]


def rows(result):
    assert result.code == 0, result.talk
    return [json.loads(line) for line in result.lines]


def test_rows_are_sorted_and_cut_in_that_order(cli, logs):
    sort = ["flows", *logs, "-o", "jsonl", "--columns", "id,duration,bytes"]
    longest = rows(cli(*sort, "--sort", "-duration", "--first", "2"))
    assert [row["duration"] for row in longest] == [2331, 2166]
    assert list(longest[0]) == ["id", "duration", "bytes"]
    shortest = rows(cli(*sort, "--sort=-duration,id", "--last", "1"))
    assert [row["duration"] for row in shortest] == [61]
    by_two = rows(cli(*sort, "--sort", "bytes", "--sort", "-id"))
    assert [row["id"] for row in by_two][:2] == ["same-node.log:4", "cross-node.log:4"]


def test_the_first_of_an_order_do_not_depend_on_where_rows_are_cut(cli, logs, monkeypatch):
    command = ["flows", *logs, "-o", "jsonl", "--sort", "-bytes,id", "--columns", "id", "--first", "2"]
    whole = cli(*command).out
    monkeypatch.setattr("ztflow.cli.rows._CUT_AT", 0)
    assert cli(*command).out == whole


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--columns", "duratoin"], "--columns: no column 'duratoin'; did you mean 'duration'?"),
        (["--sort", "-byte"], "--sort: no column 'byte'; did you mean 'bytes'?"),
        (["--sort", "end", "-f"], "--sort needs an end"),
        (["-o", "raw", "-f"], "not possible while they come"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_read(cli, options, said):
    result = cli("flows", "no-such-file.log", *options)
    assert result.code == 2
    assert said in result.talk


@pytest.mark.parametrize("form", ["csv", "table", "wide", "jsonl", "parquet"])
def test_columns_are_the_same_in_every_form(cli, logs, form):
    result = cli("flows", *logs, "-o", form, "--columns", "src_addr,end,mtls,confidence,request_bytes")
    if form == "parquet":
        import io

        import pyarrow.parquet as pq

        made = pq.read_table(io.BytesIO(result.data))
        assert made.column_names == ["src_addr", "end", "mtls", "confidence", "request_bytes"]
        assert made.schema.metadata is None, "a part of the columns is not marked as flows to be read again"
        return
    shown = json.loads(result.lines[0]) if form == "jsonl" else result.lines[0]
    assert list(shown) == ["src_addr", "end", "mtls", "confidence", "request_bytes"] if form == "jsonl" else True
    assert form != "csv" or shown == "src_addr,end,mtls,confidence,request_bytes"
    assert form not in {"table", "wide"} or shown.split() == (
        ["SRC", "ADDR", "END", "MTLS", "CONFIDENCE", "REQUEST", "BYTES"]
    )
    assert len(result.lines) == 4 + (form != "jsonl")


def test_columns_fit_a_terminal(cli, logs):
    shown = cli(
        "flows",
        *logs,
        "--columns",
        "id,src_name,dst_name,duration,bytes",
        "--color=never",
        terminal=True,
        size=(80, 24),
    )
    assert max(map(len, shown.lines)) <= 80
    assert "2.3s" in shown.out


def test_raw_lines_are_read_again_as_the_same_flows(cli, logs):
    logs = logs[:2]  # a record of the third is cut into several lines, of which raw has the first
    raw = cli("flows", *logs, "-o", "raw", "--to-port", "80")
    assert raw.code == 0
    again = cli("flows", "-", "-o", "csv", "--columns", "end,bytes", stdin=raw.data)
    assert again.out == cli("flows", *logs, "-o", "csv", "--columns", "end,bytes", "--to-port", "80").out
    log = Path(logs[0]).read_bytes()
    assert all(line in log for line in cli("records", logs[0], "-o", "raw").data.splitlines())
    piped = cli("flows", "-o", "raw", stdin=log)
    assert piped.data == cli("flows", logs[0], "-o", "raw").data
    assert len(piped.lines) == 2


def test_raw_lines_cannot_act_on_a_terminal(cli, tmp_path, seed):
    line = (seed / "same-node.log").read_bytes().splitlines()[3].replace(b"httpbin.ambient", b"http\x1b[31mbin.ambient")
    (tmp_path / "a.log").write_bytes(line + b"\n")
    shown = cli("records", tmp_path / "a.log", "-o", "raw", terminal=True)
    assert shown.lines
    assert "\x1b[31m" not in shown.out
    assert b"\x1b[31m" in cli("records", tmp_path / "a.log", "-o", "raw").data


def test_one_flow_with_its_lines(cli, logs):
    shown = cli("show", "same-node.log:3", *logs)
    assert shown.code == 0
    assert shown.lines[0].startswith("same-node.log:4  ambient-demo/doks-debug-rdhgq → ambient-demo/httpbin")
    assert "The client's side: same-node.log:4" in shown.lines
    assert "The server's side: same-node.log:3" in shown.lines
    assert 'direction="outbound" bytes_sent=84' in shown.out
    assert "no other partner is likely" in shown.out
    assert cli("show", "./same-node.log:4", "same-node.log").out == cli("show", "same-node.log:4").out
    (made,) = rows(cli("show", "cross-node.log:3", "-o", "json"))
    assert [line["line"] for line in made["lines"]] == [4, 3]
    flows = read_flows("cross-node.log")
    assert made["lines"][0]["text"] == flows.lines(flows.at("cross-node.log:3"))[0]
    assert made["id"] == flows[0].id


def test_a_flow_that_is_not_there(cli, logs):
    missing = cli("show", "same-node.log:1")
    assert missing.code == 2
    assert "no flow has the line same-node.log:1; `ztflow explain same-node.log:1`" in missing.talk
    assert "a flow is named by FILE:LINE" in cli("show", *logs).talk


def test_a_line_in_words(cli, logs):
    told = cli("explain", "same-node.log:3")
    assert "called ambient-demo/httpbin-6f4dc97cb-swdlb" in told.out
    assert "The client sent 84 B (bytes_recv) and got 9.8 kB (9,832 B) back (bytes_sent)." in " ".join(
        line.strip() for line in told.lines
    )
    assert told.out == cli("explain", "-", stdin=Path(logs[0]).read_bytes().splitlines()[2]).out
    assert cli("explain", "same-node.log:99").code == 3
