"""Flows saved by an earlier build become flows of today."""

from __future__ import annotations

import pyarrow as pa
import pytest
from flows_by_hand import flow, table

from ztflow.errors import UsageError
from ztflow.model.earlier import is_earlier_flows, upgraded_flows
from ztflow.model.tables import FLOWS_SCHEMA, Flows

TODAY = table(flow(src_workload=None, dst_workload=None), flow(1, src_workload=None, dst_workload=None))


def earlier() -> pa.Table:
    """The same rows in the columns and types of before."""
    old = TODAY.drop_columns(["src_workload", "dst_workload"])
    old = old.rename_columns(
        [{"src_name": "src_workload", "dst_name": "dst_workload"}.get(n, n) for n in old.column_names]
    )
    types = {pa.int32(): pa.uint16()}
    return old.cast(
        pa.schema(
            [
                pa.field(f.name, pa.uint64() if f.name.endswith("_bytes") else types.get(f.type, f.type))
                for f in old.schema
            ]
        )
    )


def test_names_move_and_types_follow():
    assert is_earlier_flows(earlier())
    made = upgraded_flows(earlier())
    assert made.schema == FLOWS_SCHEMA
    assert made.to_pylist() == TODAY.to_pylist()
    assert "shop/web" in Flows(made).graph(by="workload"), "a table that was never placed is named by its names"


def test_a_table_of_today_stays_and_text_is_encoded():
    assert not is_earlier_flows(TODAY)
    plain = TODAY.cast(
        pa.schema([pa.field(f.name, pa.string() if pa.types.is_dictionary(f.type) else f.type) for f in TODAY.schema])
    )
    assert upgraded_flows(plain).to_pylist() == TODAY.to_pylist()
    assert upgraded_flows(TODAY.select(["dst_ip", "end"])).column("dst_ip").to_pylist() == ["10.0.2.1"] * 2


@pytest.mark.parametrize(
    ("column", "values", "said"),
    [("request_bytes", pa.array([2**63, 1], pa.uint64()), "int64"), ("src_port", pa.array(["http", "x"]), "int32")],
)
def test_what_no_column_holds_is_refused(column, values, said):
    old = earlier()
    with pytest.raises(UsageError, match=f"column {column} is no {said}: "):
        upgraded_flows(old.set_column(old.schema.get_field_index(column), column, values))
