"""Rows put together from fragments are those made cell by cell, whatever the columns hold and however often."""

from __future__ import annotations

import io
import json
import math

import numpy as np
import orjson
import pyarrow as pa
import pytest
from flow_strategies import HOSTILE, flows, quick
from flows_by_hand import flow, table
from halves_by_hand import connection
from halves_by_hand import table as halves_table
from hypothesis import given, settings
from hypothesis import strategies as st

from ztflow.model.provenance import join_host_port
from ztflow.model.tables import FLOWS_SCHEMA
from ztflow.text.escapes import csv_cell, json_printable
from ztflow.text.format import time_text
from ztflow.writers import open_writer
from ztflow.writers.fragments import Fragment, rows_of
from ztflow.writers.jsonl import ADDRESSES


def written(form, rows):
    stream = io.BytesIO()
    writer = open_writer(form, stream, rows.schema)
    writer.write(rows)
    writer.close()
    return stream.getvalue().decode()


def number_text(value):
    return str(value) if type(value) is int else pa.scalar(value).cast(pa.string()).as_py()


def json_by_hand(rows):
    lines = []
    for row in rows.to_pylist():
        values = {}
        for name, value in row.items():
            values[name] = None
            if value is not None and not (isinstance(value, float) and not math.isfinite(value)):
                values[name] = time_text(value) if name in ("start", "end", "time") else value
                if isinstance(value, float):
                    values[name] = orjson.Fragment(number_text(value))
            key, host = ADDRESSES.get(name, ("", ""))
            if host:
                values[key] = join_host_port(row[host], value)
        lines.append(json_printable(orjson.dumps(values).decode()) + "\n")
    return "".join(lines)


def csv_by_hand(rows):
    lines = [",".join(rows.column_names)]
    for row in rows.to_pylist():
        cells = []
        for name, value in row.items():
            if name in ("start", "end"):
                cells.append("" if value is None else time_text(value))
            else:
                cells.append("" if value is None else csv_cell(value) if isinstance(value, str) else number_text(value))
        lines.append(",".join(cells))
    return "\n".join(lines) + "\n"


@quick
@given(flows(40), st.sampled_from([1, 30]))
def test_flows(some, times):
    rows = pa.concat_tables([some.to_arrow()] * times)
    assert written("jsonl", rows) == json_by_hand(rows)
    assert written("csv", rows) == csv_by_hand(rows)


@pytest.mark.parametrize("seed", range(6))
def test_many_rows_of_few_and_of_many_values(seed):
    """Enough rows for fragments to be joined, by as many combinations as make them stand alone again."""
    rng = np.random.default_rng(seed)
    names = ["web", "", *HOSTILE, *(f"pod-{number}" for number in range(300))]
    ips = ["10.0.0.1", "fd00::1", "not an address", '"', *(f"10.1.{n}.{n}" for n in range(200))]

    def some(values, share):
        known = rng.random(3000) >= share
        return [
            values[int(place)] if told else None
            for place, told in zip(rng.integers(0, len(values), 3000), known, strict=True)
        ]

    share = [0, 0.1, 0.9][seed % 3]
    texts = {field.name for field in FLOWS_SCHEMA if pa.types.is_dictionary(field.type)}
    columns = {name: some(names[: rng.integers(1, len(names))], share) for name in texts}
    columns |= {name: some(ips, share) for name in ("src_ip", "dst_ip", "hbone_host")}
    columns |= {f"{name}_port": rng.integers(0, [4, 65536][seed % 2], 3000).tolist() for name in ("src", "dst")}
    columns |= {"hbone_port": some([0, 443, 65535], share), "request_bytes": some([0, 1, 2**63 - 1], share)}
    columns |= {"mtls": some([True, False], share), "alternatives": some(range(3), share)}
    columns |= {
        "confidence": some([0.5, 1.0, 1e-7, 0.1 + 0.2], share),
        "duration_ms": rng.integers(-5, 9e9, 3000).tolist(),
    }
    arrays = [
        pa.array(columns[field.name], pa.string()).dictionary_encode()
        if field.name in texts
        else pa.array(columns.get(field.name, [None] * 3000), field.type)
        for field in FLOWS_SCHEMA
    ]
    rows = pa.Table.from_arrays(arrays, schema=FLOWS_SCHEMA)
    assert written("jsonl", rows) == json_by_hand(rows)
    assert [json.loads(line)["src_port"] for line in written("jsonl", rows).splitlines()] == columns["src_port"]
    assert written("csv", rows) == csv_by_hand(rows)


def test_values_of_a_long_run_that_no_row_has_are_not_looked_at():
    row = table(flow())
    grown = pa.DictionaryArray.from_arrays(
        pa.array([70_000], pa.int32()), [f"pod-{n}" for n in range(70_000)] + ["web"]
    )
    place = FLOWS_SCHEMA.get_field_index("src_name")
    rows = row.set_column(place, FLOWS_SCHEMA.field(place), grown)
    assert json.loads(written("jsonl", rows))["src_name"] == "web"


def test_extra_keys_of_records():
    rows = halves_table([connection(out={"extra": extra})[0] for extra in (None, [], [("a", "b")])])
    assert [json.loads(line).get("extra") for line in written("jsonl", rows).splitlines()] == [None, {}, {"a": "b"}]


@settings(deadline=None)
@given(st.lists(st.lists(st.text(max_size=3), min_size=1, max_size=5), max_size=6), st.integers(1, 40), st.randoms())
def test_any_fragments(kinds, rows, rng):
    fragments, wanted = [], [""] * rows
    for texts in kinds:
        if len(texts) == 1:
            fragments.append(texts[0])
            chosen = texts * rows
        else:
            codes = [rng.randrange(len(texts)) for _ in range(rows)]
            chosen = [texts[code] for code in codes]
            coded = rng.random() < 0.7
            fragments.append(
                Fragment(pa.array(texts), np.array(codes, np.int32)) if coded else Fragment(pa.array(chosen))
            )
        wanted = [before + text for before, text in zip(wanted, chosen, strict=True)]
    assert bytes(rows_of(fragments, rows)).decode() == "".join(wanted)
