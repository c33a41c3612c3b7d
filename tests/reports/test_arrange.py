"""Tables as they are wanted: which, which columns, in which order; as CSV and JSON lines."""

from __future__ import annotations

import csv
import io
import json

import pytest
from flow_strategies import HOSTILE
from flows_by_hand import flow, table

from ztflow.errors import UsageError
from ztflow.model.tables import Flows
from ztflow.reports import Arrangement, egress, render, top, traffic

ROWS = Flows(
    table(
        *[flow(duration_ms=life, src_pod=f"shop/{name}-0") for name, life in (("b", 5), ("a", 7), ("c", None))],
        flow(90, src_pod="x/y-0", duration_ms=5, verdict="failed"),
    )
)


def column(text, at=0):
    return [line.split()[at] for line in text.splitlines() if line.startswith(("shop/", "x/"))]


def test_order_is_by_several_keys_unknown_last():
    wanted = Arrangement(columns=("source", "p95"), sort=("-p95", "source"))
    text = render(traffic(ROWS), "text", arrangement=wanted)
    assert column(text) == ["shop/a", "shop/b", "x/y", "shop/c"]
    assert column(render(traffic(ROWS), "text", arrangement=Arrangement(("source", "p95"), ("p95", "-source")))) == [
        "x/y", "shop/b", "shop/a", "shop/c",
    ]  # fmt: skip


def test_the_first_of_an_order_are_shown_and_the_others_are_those_left():
    text = render(top(ROWS, "pair"), "text", limit=1, arrangement=Arrangement(sort=("-failed",)))
    assert column(text) == ["x/y"]
    assert "(3 others)" in text


def test_only_tables_with_all_columns_are_shown():
    text = render(traffic(ROWS), "text", arrangement=Arrangement(columns=("source", "conns")))
    assert text.count("SOURCE  CONNS") == 1
    assert "Load by endpoint" not in text
    only = render(traffic(ROWS), "text", arrangement=Arrangement(table="each"))
    assert "Who talks" not in only
    assert "Each 2 s" in only


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        (Arrangement(columns=("sorce",)), "--columns: no column 'sorce'; did you mean 'source'"),
        (Arrangement(sort=("-p59",)), "--sort: no column 'p59'; did you mean 'p95'"),
        (Arrangement(table="who walks"), "did you mean 'Who talks to whom'"),
        (Arrangement(table="~~"), "there are 'Top talkers by workload'"),
    ],
)
def test_what_is_not_there_is_refused_with_the_nearest(wanted, said):
    with pytest.raises(UsageError, match=said):
        render(traffic(ROWS), "text", arrangement=wanted)


def test_rows_for_programs_are_plain_and_whole():
    rows = [json.loads(line) for line in render(top(ROWS, "pair"), "jsonl").splitlines()]
    assert [row["source"] for row in rows] == ["shop/a", "shop/b", "shop/c", "x/y"]
    assert rows[0]["request"] == 84
    assert isinstance(rows[0]["bytes_per_s"], float)
    cut = [json.loads(line) for line in render(top(ROWS, "pair"), "jsonl", limit=1).splitlines()]
    assert (cut[1]["source"], cut[1]["conns"]) == ("(others)", 3)
    found = list(csv.DictReader(io.StringIO(render(traffic(ROWS, every="1m"), "csv"))))
    assert sum(map(int, found[0]["bytes_over_time"].split())) == int(found[0]["sent"]) + int(found[0]["received"])


def test_json_of_an_arrangement_holds_the_tables():
    made = json.loads(render(egress(ROWS), "json", arrangement=Arrangement(sort=("-conns",))))
    assert [table["title"] for table in made["tables"]] == [table.title for table in egress(ROWS).tables()]


@pytest.mark.parametrize("form", ["csv", "jsonl"])
def test_hostile_names_stay_in_their_cell(form):
    some = Flows(table(*[flow(src_pod=f"evil/{text}", dst_pod=f"{text}/x") for text in HOSTILE]))
    text = render(top(some, "pair"), form)
    assert len(text.splitlines()) == len(top(some, "pair").pairs) + (form == "csv")
    assert all(char.isprintable() or char in "\n\u3000" for char in text)
    assert not any(cell.startswith("=") for line in text.splitlines() for cell in line.split(","))


def test_a_narrow_terminal_leaves_out_what_is_to_spare_and_says_so():
    text = render(top(ROWS, "pair"), "text", width=80)
    assert max(map(len, text.split("Rates are")[0].splitlines())) <= 80
    assert "--columns and a wider terminal also show" in text
    assert "SHARE OF CONNS" in render(top(ROWS, "pair"), "text", width=200)
