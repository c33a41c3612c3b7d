"""The same flows, however the same halves come: in one batch or many, in any order within the allowed lateness."""

from __future__ import annotations

from datetime import timedelta

from halves_by_hand import connection, plaintext, refusal, table
from hypothesis import given, settings
from hypothesis import strategies as st

from ztflow.pair import Pairer

LATENESS = timedelta(seconds=3)

connections = st.lists(
    st.fixed_dictionaries(
        {
            "end": st.one_of(st.floats(0, 200), st.floats(50, 50.01), st.sampled_from([1.0, 2.0, 2.5])),
            "client": st.sampled_from([1, 2]),
            "server": st.sampled_from([1, 3]),
            "response": st.sampled_from([0, 300, 301]),
            "request": st.sampled_from([0, 100]),
            "duration": st.integers(0, 20),
            "delay_us": st.integers(-500, 5000),
            "keep": st.sampled_from(["both", "both", "both", "out", "in"]),
            "cut": st.sampled_from([0, 0, 0, 5_000_000]),
            "asked": st.sampled_from([None, None, None, "10.9.9.8", "10.9.9.9"]),
            "plain": st.sampled_from([None, None, "accepted", "refused"]),
        }
    ),
    max_size=40,
)


def halves_of(items):
    rows = []
    for line, drawn in enumerate(items, 1):
        item = dict(drawn)
        keep, cut, asked, plain = (item.pop(name) for name in ("keep", "cut", "asked", "plain"))
        if plain is not None:
            out, inn = plaintext(**item, line=line, refused=plain == "refused")
        elif asked is None:
            out, inn = connection(**item, line=line)
        else:  # refused before it was tracked: no bytes, and one line without figures
            del item["request"], item["response"]
            out, inn = refusal(**item, asked=asked, line=line)
        out["time"] += cut
        out["duration_ms"] += cut // 1000
        rows += {"both": [out, inn], "out": [out], "in": [inn]}[keep]
    return rows


def run(batches):
    pairer = Pairer(window=LATENESS)
    parts = [pairer.push(table(batch)) for batch in batches]
    parts.append(pairer.finish())
    rows = [row for part in parts for row in part.rows()]
    return sorted(rows, key=lambda r: (r["end"], str(r["outbound_line"]), str(r["inbound_line"]), r["paired"]))


@settings(max_examples=60, deadline=None)
@given(connections, st.data())
def test_any_cut_any_order_within_the_allowed_lateness(items, data):
    rows = sorted(halves_of(items), key=lambda row: row["time"])
    delays = data.draw(st.lists(st.integers(0, 2_900_000), min_size=len(rows), max_size=len(rows)))
    arrival = [row for _, row in sorted(zip(delays, rows, strict=True), key=lambda p: p[1]["time"] + p[0])]
    cuts = sorted(data.draw(st.lists(st.integers(0, len(rows)), max_size=8)))
    batches = [arrival[a:b] for a, b in zip([0, *cuts], [*cuts, len(arrival)], strict=True)]
    assert run(batches) == run([rows])


@settings(max_examples=60, deadline=None)
@given(connections)
def test_every_half_comes_out_once_and_no_byte_is_lost(items):
    rows = halves_of(items)
    flows = run([rows])
    paired = [f for f in flows if f["unpaired_reason"] is None]
    assert 2 * len(paired) + len(flows) - len(paired) == len(rows)
    for direction, side in (("outbound", "outbound_line"), ("inbound", "inbound_line")):
        expected = sorted(r["line_number"] for r in rows if r["direction"] == direction)
        assert sorted(f[side] for f in flows if f[side] is not None) == expected
    for flow in paired:
        out = next(r for r in rows if r["direction"] == "outbound" and r["line_number"] == flow["outbound_line"])
        assert (flow["request_bytes"], flow["response_bytes"]) == (out["bytes_sent"], out["bytes_recv"])
