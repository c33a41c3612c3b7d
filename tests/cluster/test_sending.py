"""Tables that go from one worker to another."""

from __future__ import annotations

import pickle

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from truth import logs

import ztflow
from ztflow.cluster.sending import Sent

WHOLE = [pa.int8(), pa.int16(), pa.int32(), pa.int64(), pa.uint16(), pa.uint64()]
ENDS = [0, 127, 128, 32_767, 32_768, 2**31 - 1, 2**31, 2**63 - 1]


def sent(table):
    """A table, and the bytes it was sent as."""
    buffers = []
    data = pickle.dumps(Sent.of(table), protocol=5, buffer_callback=buffers.append)
    came = pickle.loads(data, buffers=[bytes(one) for one in buffers]).table
    came.validate(full=True)
    return came, len(data) + sum(one.raw().nbytes for one in buffers)


@pytest.fixture(scope="module")
def flows():
    return ztflow.read_flows(*logs("1.29.5-json"), inventory=None).to_arrow()


@settings(max_examples=30, deadline=None)
@given(st.sampled_from(WHOLE), st.data())
def test_whole_numbers_of_any_type_arrive_as_they_were(kind, data):
    bits, signed = kind.bit_width, pa.types.is_signed_integer(kind)
    least, most = (-(1 << bits - 1), (1 << bits - 1) - 1) if signed else (0, (1 << bits) - 1)
    ends = st.sampled_from([one for end in ENDS for one in (end, -end, -end - 1) if least <= one <= most])
    values = data.draw(st.lists(st.none() | ends | st.integers(least, most), max_size=20))
    column = pa.array(values, kind)
    table = pa.table({"a": column, "b": pa.array([f"{one}" for one in values]).dictionary_encode()})
    start = data.draw(st.integers(0, len(values)))
    for one in (table, table.slice(start)):
        came, _ = sent(one)
        assert came.equals(one)
        assert came.schema.equals(one.schema)


@pytest.mark.parametrize("words", [1, 127, 128, 129, 32_768, 32_769])
def test_words_of_any_number_arrive_as_they_were(words):
    table = pa.table({"a": pa.array([*map(str, range(words)), None]).dictionary_encode()})
    came, _ = sent(table)
    assert came.equals(table)
    assert came.schema.equals(table.schema)


def test_flows_are_sent_as_fewer_bytes_and_arrive_as_they_were(flows):
    came, size = sent(flows)
    assert came.schema.equals(flows.schema)
    assert came.to_pylist() == flows.to_pylist()
    assert size < 0.6 * flows.combine_chunks().nbytes


def test_a_slice_is_sent_without_the_rest_of_its_table(flows):
    some = flows.combine_chunks().slice(100, 50)
    came, size = sent(some)
    assert came.to_pylist() == some.to_pylist()
    assert size < flows.nbytes / 2


def test_no_rows(flows):
    came, _ = sent(flows.slice(0, 0))
    assert came.schema.equals(flows.schema)
    assert came.num_rows == 0


def test_a_client_gets_it_without_buffers_beside_the_bytes(flows):
    assert pickle.loads(pickle.dumps(Sent.of(flows), protocol=4)).table.to_pylist() == flows.to_pylist()
