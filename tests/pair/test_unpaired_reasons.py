"""Why a half stands alone: who was seen in which role, and since when, whatever the order of the batches."""

from __future__ import annotations

from copy import deepcopy

import numpy as np
from halves_by_hand import SECOND, START, connection, table
from hypothesis import given, settings
from hypothesis import strategies as st

from ztflow.columns.dictionaries import WordMemory, text_hash
from ztflow.pair.features.basic import basic_features
from ztflow.pair.features.full import full_features
from ztflow.pair.reach import REACH
from ztflow.pair.stages.unpaired_reasons import SeenAddresses


def told(*batches):
    knowledge = SeenAddresses()
    for rows in batches:
        halves = table(rows)
        knowledge.learn(halves, basic_features(halves, WordMemory()))
    return knowledge


def reasons(knowledge, rows):
    evidence = full_features(table(rows))
    return knowledge.reasons(evidence, np.arange(len(rows)), REACH)


seen = st.tuples(st.integers(0, 20), st.integers(1, 4), st.integers(1, 4), st.booleans(), st.booleans())


@settings(max_examples=80, deadline=None)
@given(st.lists(st.lists(seen, max_size=5), max_size=5), st.integers(0, 21))
def test_an_address_is_known_in_a_role_from_its_first_line_on(batches, until):
    first = {}
    rows = []
    for batch in batches:
        rows.append([])
        for second, client, server, is_out, is_waypoint in batch:
            dialled = {"dst_ip": f"10.0.{server}.9"} if is_waypoint else {}
            out, inn = connection(second, client=client, server=server, delay_us=0, out=dialled)
            rows[-1].append(out if is_out else inn)
            roles = [("outbound_source", out["src_ip"])] if is_out else [("inbound_destination", inn["dst_ip"])]
            roles += [("waypoint", out["dst_ip"])] if is_out and is_waypoint else []
            for role in roles:
                first[role] = min(first.get(role, 99), second)
    knowledge = told(*rows)
    at = np.array([START + until * SECOND])
    for role in ("outbound_source", "inbound_destination", "waypoint"):
        for address in (f"10.0.{n}.{m}" for n in range(1, 5) for m in (1, 9)):
            known = knowledge.known(role, np.array([text_hash(address)], np.uint64), at)
            assert known.tolist() == [first.get((role, address), 99) <= until]


def test_only_what_is_said_within_seventy_seconds_counts():
    """So the answer does not depend on how much of the log was there when it was asked."""
    lone = connection(0)[0]
    for second, reason in ((69, "partner_missing"), (71, "destination_not_captured")):
        other = connection(second, client=3)[1]
        assert reasons(told([lone], [other]), [lone]) == [reason]


def test_what_no_line_says_is_not_known():
    nameless = connection(0, inn={"dst_ip": None})[1]
    knowledge = told([nameless])
    assert not knowledge.known("inbound_destination", np.array([text_hash("10.0.2.1")], np.uint64), np.array([START]))


def test_the_more_telling_of_several_reasons_is_given():
    early = {"message": "failed", "hbone_host": None, "hbone_port": None, "error": "unknown source: 1.2.3.4"}
    rows = [
        connection(0, out=early)[0],  # plaintext by its fields, but refused before that could be known
        connection(0, out=early | {"time": None})[0],
        connection(0, out={"hbone_host": None, "hbone_port": None})[0],
        connection(0, request=0, response=0, out={"error": "io error: deadline has elapsed"})[0],
        connection(0, request=0, response=0, out={"error": "http status: 401 Unauthorized"})[0],
    ]
    assert reasons(told(rows), rows) == [
        "early_denial", "no_time", "plaintext", "connect_failed", "destination_not_captured",
    ]  # fmt: skip


def test_of_ever_new_addresses_the_oldest_are_forgotten_until_they_come_again():
    knowledge = SeenAddresses(most=8)
    known = []
    for second in range(40):
        halves = table([connection(second, client=second % 200 + 1)[0]])
        knowledge.learn(halves, basic_features(halves, WordMemory()))
        names, times = knowledge._since["outbound_source"]
        assert len(names) == len(times) <= 8
        assert (np.diff(names.astype(object)) > 0).all(), "in order, each once"
        known.append(text_hash(f"10.0.{second % 200 + 1}.1"))
    at = np.full(40, START + 99 * SECOND)
    found = knowledge.known("outbound_source", np.array(known, np.uint64), at)
    assert found[-4:].all(), "those seen last are known"
    assert not found[:30].any()


def test_what_a_copy_learns_the_original_does_not_know():
    """They share what neither changes: an earlier time of the same address is learnt by the copy alone."""
    knowledge = told([connection(30)[0]])
    copied = deepcopy(knowledge)
    halves = table([connection(10)[0], connection(10, client=3)[0]])
    copied.learn(halves, basic_features(halves, WordMemory()))
    known = np.array([text_hash("10.0.1.1"), text_hash("10.0.3.1")], np.uint64)
    at = np.full(2, START + 20 * SECOND)
    assert copied.known("outbound_source", known, at).tolist() == [True, True]
    assert knowledge.known("outbound_source", known, at).tolist() == [False, False]
    assert knowledge.known("outbound_source", known, at + 40 * SECOND).tolist() == [True, False]
