"""Lines of inputs, found again by name and number."""

from __future__ import annotations

import gzip
import tarfile

import pytest

from ztflow.errors import SourceError
from ztflow.read.raw_lines import place_of, raw_lines, readable_lines


@pytest.fixture
def inputs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.log").write_bytes(b"one\r\ntwo \xff\nthree")
    (tmp_path / "b.log.gz").write_bytes(gzip.compress(b"x\ny\n"))
    with tarfile.open("logs.tar", "w") as archive:
        archive.add("a.log", "in/a.log")
        archive.add("b.log.gz", "in/b.log.gz")


@pytest.mark.usefixtures("inputs")
def test_lines_of_files_and_of_members_come_as_they_are():
    places = [("a.log", 3), ("a.log", 1), ("b.log.gz", 2), ("logs.tar/in/a.log", 2), ("logs.tar/in/b.log.gz", 1)]
    assert list(map(raw_lines(places).get, places)) == [b"three", b"one\r", b"y", b"two \xff", b"x"]
    assert raw_lines([("-", 2)], {"-": "a.log"}) == {("-", 2): b"two \xff"}


@pytest.mark.usefixtures("inputs")
@pytest.mark.parametrize(
    ("place", "said"),
    [(("a.log", 4), "has no line 4"), (("no.log", 1), "it is not there"), (("-", 1), "from a pipe"),
     (("logs.tar/in/c.log", 1), "has no line 1")],
)  # fmt: skip
def test_what_is_not_there_is_said_or_left_out(place, said):
    with pytest.raises(SourceError, match=said):
        raw_lines([("a.log", 1), place])
    assert readable_lines([("a.log", 1), place]) == {("a.log", 1): "one"}


@pytest.mark.usefixtures("inputs")
def test_a_place_is_a_file_and_a_line(tmp_path):
    (tmp_path / "c:7").write_bytes(b"")
    assert place_of("a.log:12") == ("a.log", 12)
    for text in ("a.log", "a.log:0", "a.log:x", ":3", "c:7", "loki://host:3100", "a.log:" + "9" * 40):
        assert place_of(text) is None
