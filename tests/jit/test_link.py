"""Arguments of compiled code: declared once, written and read in the same order, whatever that order is."""

from __future__ import annotations

import sys
from typing import Annotated, NamedTuple

import llvmlite.binding
import numpy as np
import numpy.typing as npt
import pytest
from numba import njit

from ztflow.errors import CompilerError
from ztflow.jit.build import built
from ztflow.jit.link import (
    ArgumentTable,
    ArrayOf,
    ByteRow,
    FloatRow,
    FloatTable,
    Int32Row,
    Int32Table,
    IntRow,
    IntTable,
    UIntRow,
    fields_of,
    linked,
)

UInt16Table = Annotated[npt.NDArray[np.uint16], ArrayOf("uint16", 2)]


class Small(NamedTuple):
    """Some kinds of arrays and a number."""

    bytes: ByteRow
    shorts: UInt16Table
    ints: Int32Row
    factor: int
    squares: Int32Table


class Permuted(NamedTuple):
    """The same the other way round."""

    squares: Int32Table
    factor: int
    ints: Int32Row
    shorts: UInt16Table
    bytes: ByteRow


class Longer(NamedTuple):
    """The same and two more."""

    bytes: ByteRow
    more: FloatTable
    shorts: UInt16Table
    ints: Int32Row
    factor: int
    hashes: UIntRow
    squares: Int32Table


class Call(NamedTuple):
    """Something before, something behind."""

    base: int
    inner: Small
    longs: IntTable
    weights: FloatRow
    found: IntRow


def call_with(inner):
    """`Call` with another structure in the middle."""
    return NamedTuple(
        "CallWith", [("base", int), ("inner", inner), ("longs", IntTable), ("weights", FloatRow), ("found", IntRow)]
    )


@njit
def looked_at(base, inner, longs, weights, found):
    """Writes down what it sees: of each array the shape and the last number."""
    found[0] = base
    found[1], found[2] = inner.bytes.shape[0], inner.bytes[-1]
    found[3], found[4], found[5] = inner.shorts.shape[0], inner.shorts.shape[1], inner.shorts[-1, -1]
    found[6], found[7] = inner.ints.shape[0], inner.ints[-1]
    found[8] = inner.factor
    found[9], found[10], found[11] = inner.squares.shape[0], inner.squares.shape[1], inner.squares[1, 0]
    found[12], found[13], found[14] = longs.shape[0], longs.shape[1], longs[-1, 0]
    found[15], found[16] = weights.shape[0], int(weights[-1])


SEEN = [9, 3, 250, 2, 4, 65_000, 5, -3, 11, 2, 2, 7, 3, 2, 1 << 40, 2, 77]


def arguments(kind=Small):
    every = {
        "bytes": np.array([1, 2, 250], np.uint8),
        "shorts": np.full((2, 4), 65_000, np.uint16),
        "ints": np.array([1, 2, 3, 4, -3], np.int32),
        "factor": 11,
        "squares": np.array([[1, 2], [7, 8]], np.int32),
        "more": np.full((9, 9), 0.5),
        "hashes": np.full(8, 1 << 63, np.uint64),
    }
    return {
        "base": 9,
        "inner": kind(**{name: every[name] for name in kind._fields}),
        "longs": np.array([[0, 1], [2, 3], [1 << 40, 4]], np.int64),
        "weights": np.array([1.5, 77.25]),
        "found": np.zeros(len(SEEN), np.int64),
    }


@pytest.mark.parametrize("kind", [Small, Permuted, Longer])
def test_every_field_arrives_in_its_place(kind):
    """Added or permuted, no field is taken for another: caller and callee follow the declaration."""
    declared = call_with(kind)
    table, given = ArgumentTable(declared), arguments(kind)
    table.put(**given)
    linked(*built(looked_at, declared))(table)
    assert given["found"].tolist() == SEEN


def test_what_is_put_later_takes_the_place_of_what_was_there():
    run = linked(*built(looked_at, Call))
    table, given = ArgumentTable(Call), arguments()
    table.put(**given)
    table.put(base=10, longs=np.full((1, 1), 6, np.int64))
    run(table)
    assert given["found"].tolist() == [10, *SEEN[1:12], 1, 1, 6, *SEEN[15:]]


def test_a_declaration_that_is_not_the_functions_is_refused():
    swapped = NamedTuple("Swapped", [("inner", Small), ("base", int), *list(Call.__annotations__.items())[2:]])
    with pytest.raises(TypeError, match="Swapped does not declare"):
        built(looked_at, swapped)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("weights", np.zeros(3, np.float32), "weights must be float64"),
        ("weights", np.zeros((3, 1)), "weights must be float64 in 1 dimensions"),
        ("longs", np.zeros((3, 2), np.uint64), "longs must be int64"),
        ("inner", Permuted(**arguments()["inner"]._asdict()), "inner must be Small, not Permuted"),
        ("inner", arguments()["inner"]._replace(ints=np.zeros(3, np.int64)), "inner.ints must be int32"),
    ],
)
def test_what_is_not_as_declared_is_refused(name, value, message):
    with pytest.raises(TypeError, match=message):
        ArgumentTable(Call).put(**{name: value})


def test_arrays_with_gaps_are_refused():
    with pytest.raises(ValueError, match="without gaps only, and weights has some"):
        ArgumentTable(Call).put(weights=np.zeros((4, 4))[:, 1])


def test_a_call_without_all_arguments_is_refused():
    table = ArgumentTable(Call)
    table.put(**{name: value for name, value in arguments().items() if name != "longs"})
    with pytest.raises(TypeError, match="never put: longs"):
        table.address()


def test_what_no_table_can_hold_is_no_declaration():
    with pytest.raises(TypeError, match=r"Wrong\.name is no number"):
        fields_of(NamedTuple("Wrong", [("name", str)]))


def test_where_llvm_is_missing_that_is_told(monkeypatch):
    monkeypatch.setitem(sys.modules, "llvmlite.binding", None)
    with pytest.raises(CompilerError, match=r"LLVM cannot link it: .*llvmlite"):
        linked("name", b"")


def test_an_llvmlite_without_what_is_called_is_told(monkeypatch):
    monkeypatch.delattr(llvmlite.binding, "create_mcjit_compiler")
    with pytest.raises(CompilerError, match=r"LLVM cannot link it: .*create_mcjit_compiler"):
        linked("name", b"")


def test_code_without_its_function_is_told():
    _, code = built(looked_at, Call)
    with pytest.raises(CompilerError, match="does not hold its function"):
        linked("another_name", code)
