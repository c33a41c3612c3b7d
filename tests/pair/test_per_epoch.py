"""What waits long: it is given up when nothing that could still come would change the answer, and not before."""

from __future__ import annotations

from datetime import timedelta

import pytest
from halves_by_hand import connection, table

from ztflow.pair import Pairer


def lines(flows):
    return [(row["outbound_line"], row["inbound_line"]) for row in flows.rows()]


def waited(*seconds, rows):
    """What a pairer gives when the log moves on to each of these seconds."""
    pairer = Pairer(window=timedelta(0))
    start = table(rows).column("time")[0].value
    first = lines(pairer.push(table(rows)))
    return [first, *(lines(pairer.push(table([]), before=start + second * 1_000_000)) for second in seconds)]


def test_a_lone_half_waits_for_seventy_seconds_of_log():
    """A dead peer is noticed after 35 s, and what would then take its partner away after as many more."""
    *before, after = waited(36, 50, 68, 76, rows=connection(0)[:1])
    assert [flow for given in before for flow in given] == []
    assert after == [(1, None)]


@pytest.mark.parametrize(("later", "paired"), [(34, True), (37, False)])
def test_a_partner_may_end_half_a_minute_later(later, paired):
    """The client's node died: the server's ztunnel closes when the pings stay unanswered."""
    out, inn = connection(later, duration=1000 * later + 5000, delay_us=-later * 1_000_000)
    out["duration_ms"] = 5000
    pairer = Pairer(window=timedelta(0))
    flows = [flow for rows in ([out], [inn]) for flow in lines(pairer.push(table(rows)))] + lines(pairer.finish())
    assert flows == ([(1, 1)] if paired else [(1, None), (None, 1)])


def test_what_is_matched_in_the_backlog_is_gone_from_it():
    pairer = Pairer(window=timedelta(0))
    rows = [half for n in range(20) for half in connection(n * 0.00001, line=n + 1)]
    pairer.push(table(rows))
    assert pairer.pending == 40
    flows = pairer.push(table([]), before=table(rows).column("time")[0].value + 30_000_000)
    assert len(flows) == 20
    assert pairer.pending == 0
    assert len(pairer.finish()) == 0
