"""The figures of pairing: one home each, passed down to every stage, and time distances that follow from each other."""

from __future__ import annotations

import ast
from collections import defaultdict
from datetime import timedelta
from pathlib import Path

import pytest
from halves_by_hand import connection, table

import ztflow
from ztflow.pair import Pairer
from ztflow.pair.hmm.forward_backward import Beam
from ztflow.pair.parameters import DEFAULTS
from ztflow.pair.reach import REACH

PACKAGE = Path(ztflow.__file__).parent


def constants():
    """Modules that define each constant of the tree."""
    found = defaultdict(list)
    for path in sorted(PACKAGE.rglob("*.py")):
        for node in ast.parse(path.read_text()).body:
            targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
            names = [
                n.id for target in targets if target is not None for n in ast.walk(target) if isinstance(n, ast.Name)
            ]
            for name in names:
                if name.lstrip("_").isupper():
                    found[name].append(str(path.relative_to(PACKAGE)))
    return found


def test_a_constant_of_pairing_has_one_meaning_in_the_tree():
    every = constants()
    assert "SPAN" in every
    here = {name for name, paths in every.items() if any(path.startswith("pair/") for path in paths)}
    assert {name: paths for name, paths in every.items() if name in here and len(paths) > 1} == {}


def nested(parameters, path=()):
    """All figures of a parameter object, by path."""
    for name, value in parameters._asdict().items():
        if hasattr(value, "_fields") and not isinstance(value, Beam):
            yield from nested(value, (*path, name))
        else:
            yield (*path, name), type(parameters)


def test_every_figure_says_what_it_is_and_where_it_is_from():
    for path, owner in nested(DEFAULTS):
        assert f"        {path[-1]}: " in owner.__doc__, f"{owner.__name__}.{path[-1]}"


def test_distances_follow_from_the_base_ones():
    far = REACH._replace(far_ends=3 * REACH.far_ends)
    more = far.far_ends - REACH.far_ends
    assert far.settle == REACH.settle + more
    assert far.recent == REACH.recent + more
    assert far.for_clocks == REACH.for_clocks + 3 * more
    assert far.for_isolation == REACH.for_isolation + 3 * more
    assert REACH.frontier(10 * REACH.epoch) == 10 * REACH.epoch - 2 * REACH.epoch
    assert far.frontier(10 * REACH.epoch) < REACH.frontier(10 * REACH.epoch)
    for one in (REACH, far):  # what a stage still asks for is not forgotten before it does
        assert one.for_isolation > one.for_clocks > one.settle > max(one.near_gap, one.far_gap, one.fresh_gap)
        assert one.frontier(0) <= -(one.settle + one.far_ends)


def flows(parameters, rows):
    pairer = Pairer(window=timedelta(0), parameters=parameters)
    pairer.push(table(rows))
    return list(pairer.finish().rows())


def burst(count, apart=0.0005):
    return [half for n in range(count) for half in connection(n * apart, duration=5, line=n + 1)]


CUT = connection(line=1, response=5000, out={"bytes_recv": 1200})
"""A reset that leaves no error."""
LATE = connection(line=1, inn={"duration_ms": 178 + 40_000})
LATE[1]["time"] += 20_000_000
LATE[0]["duration_ms"] = LATE[1]["duration_ms"]


@pytest.mark.parametrize(
    ("stage", "changed", "rows", "column"),
    [
        ("isolated", {"moved_bytes": 0.5}, connection(), "confidence"),
        ("late_or_cut", {"silent": 0.3}, CUT, "confidence"),
        ("reach", {"partner": 1_000_000}, LATE, "paired"),
        ("matching", {"unique": 2.0}, burst(6), "paired"),
        ("segments", {"largest": 6, "look_back": 3, "carried": 1}, burst(12), "confidence"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_changed_figure_reaches_its_stage(stage, changed, rows, column):
    tried = DEFAULTS._replace(**{stage: getattr(DEFAULTS, stage)._replace(**changed)})
    assert [f[column] for f in flows(tried, rows)] != [f[column] for f in flows(DEFAULTS, rows)]


@pytest.mark.parametrize("changed", [{"beam": Beam(1, 0.5)}, {"exponent": 0.1}, {"shifts": ()}])
def test_a_changed_figure_reaches_the_hidden_markov_model(changed):
    posterior = DEFAULTS.matching.posterior._replace(**changed)
    tried = DEFAULTS._replace(matching=DEFAULTS.matching._replace(posterior=posterior))
    rows = burst(12, apart=0.00002)
    assert [f["confidence"] for f in flows(tried, rows)] != [f["confidence"] for f in flows(DEFAULTS, rows)]
