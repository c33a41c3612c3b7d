"""Requests as rows, and added up in bounded memory: nothing is lost, whatever is no longer told apart."""

from __future__ import annotations

import io

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from ztflow.aggregate.requests import COARSER, SERVED, RequestSums, added_up, served
from ztflow.read import read_inputs

LINE = (
    '[2026-11-29T08:40:{second:02}.000Z] "GET /{path} HTTP/1.1" {code} {flags} {details} - "-" {received} {sent} {took} 3 '
    '"-" "-" "-" "h" "{server}" inbound-vip|80|http|cart.shop.svc.cluster.local - 10.96.0.2:80 {client}:40000 - default\n'
)


def lines(count, **of):
    said = {"code": 200, "flags": "-", "details": "via_upstream", "client": "10.0.0.5", "server": "10.0.0.9:80"} | of
    return [
        LINE.format(
            second=number % 60, path=number, received=number, sent=2 * number, took=number % 300,
            **{name: value(number) if callable(value) else value for name, value in said.items()},
        )
        for number in range(count)
    ]  # fmt: skip


def requests_in(text):
    return pa.concat_tables([batch.requests for batch in read_inputs([io.BytesIO(text.encode())]) if batch.requests])


@pytest.fixture(scope="module")
def many():
    """Requests of 40 clients, with details that are always others."""
    return requests_in("".join(lines(400, client=lambda n: f"10.0.1.{n % 40}", details=lambda n: f"why_{n}")))


def whole(rows):
    return {name: pc.sum(rows[name]).as_py() for name in ("requests", "received", "sent")} | {
        "first": pc.min(rows["first"]).as_py(), "last": pc.max(rows["last"]).as_py()
    }  # fmt: skip


@pytest.mark.parametrize("most", [1, 5, 50, 300, 20_000])
def test_no_request_is_lost_when_fewer_are_told_apart(many, most):
    sums = RequestSums(most)
    for start in range(0, len(many), 90):
        sums.add(many.slice(start, 90))
        sums.rows()
    rows = sums.rows()
    assert rows.schema == SERVED
    assert whole(rows) == whole(served(many))
    assert len(rows) <= max(most, 1)
    assert (sums.given_up == ()) == (most == 20_000)


def test_what_is_given_up_first_matters_least(many):
    sums = RequestSums(100)
    sums.add(many)
    rows = sums.rows()
    assert sums.given_up == (*COARSER[0], *COARSER[1])
    by_client = added_up(rows)["client_ip"].value_counts()
    assert len(by_client) == 40
    assert rows["outcome"].unique().to_pylist() == ["own_answer"], "told before the details were given up"


def test_parts_add_up_as_the_whole(many):
    whole_at_once, in_parts = RequestSums(), RequestSums()
    whole_at_once.add(many)
    for start in range(0, len(many), 7):
        in_parts.add(many.slice(start, 7))
        in_parts.rows()
    assert sorted(map(str, in_parts.rows().to_pylist())) == sorted(map(str, whole_at_once.rows().to_pylist()))


def test_durations_keep_two_digits():
    table = requests_in("".join(lines(300)))
    sums = RequestSums()
    sums.add(table)
    exact = sorted(table["duration_ms"].to_pylist())
    rows = sums.rows().select(["duration_ms", "requests"]).to_pylist()
    rounded = sorted(row["duration_ms"] for row in rows for _ in range(row["requests"]))
    assert all(abs(one - other) <= max(1, one) / 64 for one, other in zip(exact, rounded, strict=True))


def test_a_line_without_a_server_or_a_service_is_a_row_too():
    row = served(requests_in(lines(1, server="-", details="route_not_found", flags="NR", code=404)[0])).to_pylist()[0]
    assert (row["upstream"], row["outcome"], row["host"]) == (None, "failed", "cart.shop.svc.cluster.local")
    assert (row["client_pod"], row["server_pod"], row["fate"]) == (None, None, None)
