"""Clock offsets estimated in shares, as several processes do it, are those of one that sees all."""

from __future__ import annotations

import numpy as np
import pytest
from truth import logs

import ztflow
from ztflow.pair.by_group import GroupPairer, groups_of
from ztflow.pair.clocks.shared import Evidence, offsets_of_all, shares
from ztflow.pair.exact_evidence import ConnectRequests


@pytest.fixture(scope="module", params=["with isolated pairs", "without"])
def evidence(request):
    halves = ztflow.read_records(*logs("1.29.5-json"), inventory=None).to_arrow().unify_dictionaries().combine_chunks()
    _, seen = groups_of(halves)
    found = GroupPairer(seen, ConnectRequests()).isolate(halves)[1]
    if request.param == "without":  # then epochs before, with their bursts, count
        found = Evidence(found.time[:0], found.isolated.take(slice(0, 0)), found.open)
    return found


def offsets(evidence, count):
    made = {}
    for share in shares([evidence.counts()], count):
        made |= offsets_of_all([evidence.cut(share)], share.epochs)
    return made


def told(one):
    return [np.asarray(getattr(one, name)).tolist() for name in ("ztunnel", "offset", "route", "delay", "otherwise")]


def test_any_number_of_shares_gives_the_same_offsets(evidence):
    whole = offsets(evidence, 1)
    assert len(whole) > 4
    for count in (2, 3, len(whole), 1000):
        assert len(shares([evidence.counts()], count)) == min(count, len(whole))
        parts = offsets(evidence, count)
        assert {epoch: told(one) for epoch, one in parts.items()} == {epoch: told(one) for epoch, one in whole.items()}
