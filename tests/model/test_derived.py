"""Columns made of others: exact, and unknown where what they are made of is."""

from __future__ import annotations

import pytest
from flows_by_hand import flow, table

from ztflow.errors import UsageError
from ztflow.model.tables import Flows

BIGGEST = 2**63 - 1
ROWS = Flows(
    table(
        flow(src_ip="fd00::1", request_bytes=None, duration_ms=0),
        flow(outbound_file=None, outbound_line=None, request_bytes=BIGGEST, response_bytes=BIGGEST),
        flow(request_bytes=None, response_bytes=None, src_port=None, inbound_file=None, inbound_line=None),
    )
)


def test_bytes_are_exact_and_unknown_where_both_ways_are():
    assert ROWS.select("bytes")["bytes"].to_pylist() == [9832, 2 * BIGGEST, None]
    assert ROWS.select("bytes_per_s")["bytes_per_s"].to_pylist()[::2] == [None, None]
    assert ROWS.sort("-bytes")["request_bytes"].to_pylist()[0] == BIGGEST


def test_ids_and_addresses_are_those_of_the_row():
    assert ROWS.select("id")["id"].to_pylist() == ["a.log:1", "b.log:2", "a.log:1"] == [row.id for row in ROWS]
    assert ROWS.select("src_addr")["src_addr"].to_pylist() == [row.src_addr for row in ROWS]
    assert ROWS.select("src_addr")["src_addr"].to_pylist()[0] == "[fd00::1]:50000"
    assert Flows().select("id", "bytes", "src_addr", "time").num_rows == 0


def test_a_place_that_several_flows_have_is_told():
    assert ROWS.all_at("a.log:1") == [0, 2]
    with pytest.raises(UsageError, match="2 flows have the line"):
        ROWS.at("a.log:1")
    for place in ("a.log:9", "a.log", "a.log:x", ":"):
        with pytest.raises(UsageError, match="no flow has the line"):
            ROWS.at(place)
    with pytest.raises(UsageError, match="did you mean 'src_addr'"):
        ROWS.select("src_adr")
