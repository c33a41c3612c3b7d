"""Full features: the key of halves one of which does not say its identity."""

from __future__ import annotations

import numpy as np
import pytest
from halves_by_hand import connection, refusal, table

from ztflow.pair.features.full import canonical_order, full_features


def keys(rows):
    """Blocking key and loose key of the two halves."""
    features = full_features(table(rows))
    return features.blocking_key.tolist(), features.without_identity.tolist()


def test_halves_of_one_connection_have_one_key():
    (out, inn), (loose_out, loose_inn) = keys(connection())
    assert out == inn
    assert loose_out == loose_inn != out


def test_a_half_that_does_not_say_its_identity_has_the_loose_key_of_the_other():
    (out, inn), (loose_out, loose_inn) = keys(connection(inn={"src_identity": None}))
    assert out != inn
    assert loose_out == loose_inn


def test_across_networks_no_key_leaves_out_the_identity():
    named = {"hbone_host": "echo.other.global"}
    (out, inn), (loose_out, loose_inn) = keys(connection(out=named, inn=named | {"src_identity": None}))
    assert (loose_out, loose_inn) == (out, inn)
    assert out != inn


def test_the_key_of_a_refused_request_has_no_identity():
    halves = refusal(inn={"error": "unknown destination: 10.9.9.9", "error_class": "unknown_destination"})
    (out, inn), (loose_out, loose_inn) = keys(halves)
    assert out == inn == loose_out == loose_inn


@pytest.mark.parametrize("seed", range(5))
def test_what_ends_together_is_in_order_of_what_it_says_not_of_its_arrival(seed):
    lines = [half for n in range(6) for half in connection(0, request=n // 2, client=n % 3 + 1, line=n + 1)]

    def ordered(arrival):
        halves = table([lines[place] for place in arrival])
        order = canonical_order(np.zeros(len(lines), np.int64), np.arange(len(lines)), halves)
        return [(halves["line_number"][row].as_py(), halves["direction"][row].as_py()) for row in order.tolist()]

    assert ordered(np.random.default_rng(seed).permutation(len(lines))) == ordered(range(len(lines)))
