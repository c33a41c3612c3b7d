"""What `read_flows` and its like take beside paths: lists, text files, the log itself."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

import ztflow
from ztflow.errors import SourceError, UsageError

LOG = Path(__file__).parents[1] / "fixtures" / "seed" / "cross-node.log"
TEXT = LOG.read_text(encoding="utf-8")
WANTED = [(flow.src_name, flow.outbound_line) for flow in ztflow.read_flows(LOG)]


@pytest.mark.parametrize(
    "given",
    [[LOG], [[str(LOG)]], TEXT, TEXT.encode(), io.StringIO(TEXT), io.BytesIO(TEXT.encode()), (one for one in [LOG])],
    ids=lambda given: type(given).__name__,
)
def test_the_same_flows_however_given(given):
    assert [(flow.src_name, flow.outbound_line) for flow in ztflow.read_flows(given)] == WANTED


def test_an_open_text_file_whatever_its_encoding(tmp_path):
    (tmp_path / "utf16.log").write_text(TEXT, encoding="utf-16")
    with (tmp_path / "utf16.log").open(encoding="utf-16") as file:
        assert len(ztflow.read_flows(file)) == 1
    with LOG.open(encoding="ascii") as file:
        assert len(ztflow.read_records(file)) == 2
    with LOG.open(encoding="utf-8") as file:
        file.readline()
        assert len(ztflow.read_records(file)) == 2, "what is left of a file that was begun"


def test_one_line_is_a_log_and_no_path():
    line = next(line for line in TEXT.splitlines() if "outbound" in line)
    records = ztflow.read_records(line)
    assert [record.source_file for record in records] == ["<text>"]
    assert len(ztflow.read_records(line, TEXT)) == 2, "a line that is there twice counts once"


def test_a_text_without_a_line_is_a_path():
    with pytest.raises(SourceError, match="no such file"):
        ztflow.read_flows("nowhere.log")


@pytest.mark.parametrize("given", [None, 3, ztflow.Flows()], ids=["none", "number", "flows"])
def test_what_cannot_be_read(given):
    with pytest.raises(UsageError, match=r"cannot read .*; give a path"):
        ztflow.read_flows(given)


def test_no_input_in_a_list_is_not_standard_input():
    with pytest.raises(UsageError, match="the list of inputs is empty"):
        ztflow.read_flows([])
