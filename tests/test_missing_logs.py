"""A node whose log is missing is said on top of every answer, whatever tells it; and nothing is said when all are there."""

from __future__ import annotations

import pytest
from truth import CAPTURED, logs

import ztflow
from ztflow.model.notices import notice_lines
from ztflow.reports import render, summary

RUN = "1.29.5-json"


def told(*paths, inventory=()):
    flows = ztflow.read_flows(*paths, inventory=inventory)
    return [line for line in notice_lines(flows.notices) if "missing" in line], flows


def without_node(path, folder):
    """The log of a ztunnel of which no line tells the node."""
    made = folder / path.name
    kept = [line for line in path.read_text().splitlines(keepends=True) if "localNode" not in line]
    made.write_text("".join(kept))
    return made


@pytest.fixture(scope="module")
def bare(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bare")
    return [without_node(path, folder) for path in logs(RUN)]


@pytest.mark.parametrize("inventory", [[], [CAPTURED / RUN / "pods.txt"]])
@pytest.mark.parametrize("run", [RUN, "1.29.5-multinetwork", "../policy/1.31.0-head-strict-stale"])
def test_nothing_is_said_of_a_whole_capture(run, inventory):
    assert told(*logs(run), inventory=inventory)[0] == []


def test_an_inventory_names_what_is_missing():
    (line,), flows = told(logs(RUN)[0], inventory=[CAPTURED / RUN / "pods.txt"])
    assert line.startswith("only the log of node-a is in here; the log of node-b and node-c is missing; ")
    text = render(summary(flows), "text")
    assert text.index("node-b and node-c is missing") < text.index("Who talks to whom")
    (line,), _ = told(*logs(RUN)[:2], inventory=[CAPTURED / RUN / "pods.txt"])
    assert "only the log of node-a and node-b is in here; the log of node-c is missing" in line


def test_without_an_inventory_the_halves_that_wait_tell_it(bare):
    (line,), flows = told(bare[0])
    assert line.startswith("only the log of ztunnel-4k7rb is in here; that of a node or of several is missing; ")
    waiting = sum(row["unpaired_reason"] == "destination_not_captured" for row in flows.rows())
    assert f"{waiting:,} halves of connections wait for a partner from there" in line


def test_kubectl_tells_how_many_it_found(bare, tmp_path):
    one = tmp_path / "all.log"
    one.write_text("Found 3 pods, using pod/ztunnel-4k7rb\n" + bare[0].read_text())
    (line,), flows = told(one)
    assert "kubectl logs found 3 pods and printed ztunnel-4k7rb only" in line
    assert flows.stats.not_ours == 1, "it is counted as before"
    assert told(one, *bare[1:])[0] == [], "the others were read too"


@pytest.mark.parametrize(
    "line", ["Found 3 pods", "Found 3 pods, using pod/", "Found x pods, using pod/a", "Found 1 pods, using pod/a"]
)
def test_other_words_of_other_programs_say_nothing(bare, tmp_path, line):
    one = tmp_path / "all.log"
    one.write_text(f"{line}\n" + "".join(path.read_text() for path in bare))
    assert told(one)[0] == []


def test_the_paired_share_is_of_what_can_have_a_partner():
    flows = ztflow.read_flows(*logs("1.29.5-storm"))
    basis = summary(flows).basis
    assert basis.apart == {
        "waypoint_hop": 1486, "waypoint_source": 1486, "source_not_captured": 120, "plaintext": 32, "early_denial": 2,
    }  # fmt: skip
    assert basis.pairable_halves == basis.halves - 3126
    assert basis.paired_share == pytest.approx(2 * 5332 / 10670)
    text = render(summary(flows), "text")
    assert "99.9 % of the 10,670 that can have a partner here paired, 6 halves alone; apart: 1,486 waypoint hop" in text
