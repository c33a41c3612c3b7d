"""Writing one table behind: the order, the end, and what goes wrong."""

from __future__ import annotations

import pyarrow as pa
import pytest

from ztflow.cli.destinations import finished
from ztflow.cli.output import Behind


class Notes:
    """A writer that notes what it is asked to do, and breaks when told."""

    def __init__(self, breaks_at=None):
        self.seen = []
        self.breaks_at = breaks_at

    def write(self, table):
        if len(self.seen) == self.breaks_at:
            raise BrokenPipeError
        self.seen.append(table.num_rows)

    def close(self):
        self.seen.append("closed")

    def abandon(self):
        self.seen.append("abandoned")


def rows(count):
    return pa.table({"x": list(range(count))})


def test_tables_are_written_in_order_and_all_before_the_end():
    notes = Notes()
    behind = Behind(notes)
    for count in (3, 1, 2):
        behind.write(rows(count))
    behind.close()
    assert notes.seen == [3, 1, 2, "closed"]


def test_a_reader_that_has_gone_is_noticed_with_the_next_batch_even_an_empty_one():
    behind = Behind(Notes(breaks_at=1))
    behind.write(rows(1))
    behind.write(rows(2))
    with pytest.raises(BrokenPipeError):
        behind.write(rows(0))
    behind.close()


def test_what_breaks_last_is_told_at_the_end_and_the_output_is_not_finished():
    notes = Notes(breaks_at=0)
    with pytest.raises(BrokenPipeError), finished(Behind(notes)) as behind:
        behind.write(rows(1))
    assert notes.seen == ["abandoned"]
