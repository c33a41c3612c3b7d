"""Tables as Parquet files: whole or not at all."""

from __future__ import annotations

import errno
import os
import resource
import stat
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest

import ztflow
from ztflow.errors import OutputError

SEED = Path(__file__).parents[2] / "fixtures" / "seed" / "cross-node.log"


@pytest.fixture(scope="module")
def flows():
    return ztflow.read_flows(SEED)


def test_a_file_is_replaced_by_a_whole_one_that_keeps_its_mode(flows, tmp_path):
    place = tmp_path / "flows.parquet"
    place.write_bytes(b"old")
    place.chmod(0o640)
    flows.to_parquet(place)
    assert pq.read_table(place).equals(flows.to_arrow())
    assert stat.S_IMODE(place.stat().st_mode) == 0o640
    assert [path.name for path in tmp_path.iterdir()] == ["flows.parquet"]


def test_without_room_the_old_file_stands(tmp_path):
    place = tmp_path / "flows.parquet"
    place.write_bytes(b"old")
    code = f"""
import ztflow
from ztflow.errors import OutputError
flows = ztflow.read_flows({str(SEED)!r})
try:
    flows.to_parquet({str(place)!r})
except OutputError as error:
    print(error)
"""
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (200, 200)),
    )  # fmt: skip
    assert run.stdout == f"cannot write {place}: {os.strerror(errno.EFBIG)}\n"
    assert place.read_bytes() == b"old"
    assert [path.name for path in tmp_path.iterdir()] == ["flows.parquet"]


@pytest.mark.parametrize("where", ["a/folder/that/is/not/there", "."])
def test_a_place_that_is_none_is_said(flows, tmp_path, where):
    with pytest.raises(OutputError, match="cannot write"):
        flows.to_parquet(tmp_path / where)


def test_a_device_is_written_and_stays(flows):
    before = Path(os.devnull).stat().st_rdev
    flows.to_parquet(os.devnull)
    assert Path(os.devnull).stat().st_rdev == before
    assert Path(os.devnull).is_char_device()
