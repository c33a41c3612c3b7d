"""Long and twisted text: read or refused in time that grows with its length, never with its square.

Nothing is measured: a pattern that backtracks would take minutes for these, and did.
"""

import contextlib

import pytest

from ztflow.errors import ParseError
from ztflow.model.provenance import RECORD_NAMES, LogLine
from ztflow.parse import Outcome, fact_of, outcome, scan, was_damaged

T = "2024-11-05T12:00:01.013201Z"
HEADS = [
    "",
    f"{T}\tinfo\taccess\tconnection complete\t",
    f'{T}\tinfo\taccess\tconnection complete\terror="',
    f"{T} info ",
    f"{T}  INFO ",
    "INFO ",
    f"{T}\tinfo\tstate:",
    f"{T}\tinfo\tztunnel\trunning with config: ",
    f"{T}\tinfo\tztunnel\tversion: ",
    f"{T}\tdebug\tproxy::inbound\treceived request\tconn=",
    f"{T}  INFO ztunnel::proxy::inbound: connection to ",
    f"{T}  INFO outbound{{id=a}}: ztunnel::proxy::outbound: failed dur=",
    '{"scope":"access",',
]
UNITS = [
    "a",
    " ",
    "\t",
    "{",
    '"',
    "\\",
    "=",
    ":",
    "access ",
    "src.addr= ",
    'direction="inbound" ',
    "é",
    "a:",
    "a::b",
    "{}",
    "a=1 ",
    'x=" ',
    "[",
    "<",
]


@pytest.mark.parametrize("head", HEADS)
def test_long_repetitions(head):
    for unit in UNITS:
        line = LogLine(head + unit * (60_000 // len(unit)), 1)
        with contextlib.suppress(ParseError):
            row = scan(line.text)
            assert row is None or len(row) == len(RECORD_NAMES)
        with contextlib.suppress(ParseError):
            assert isinstance(outcome(line)[0], Outcome)
        assert was_damaged(line.text) in {True, False}
        fact_of(line, "-")
