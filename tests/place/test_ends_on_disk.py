"""Ends that do not fit in memory: the answers are those of ends that do; what is given up is bounded and counted."""

from hypothesis import given, settings
from hypothesis import strategies as st
from places_by_hand import at, fact, halves, inventory, pod, seen

from ztflow.place import Topology
from ztflow.place.ends_on_disk import SCHEMA, EndsOnDisk
from ztflow.place.sightings import Sightings

NAMES = ("shop/web-6f4dc97cb-swdlb", "shop/web-6f4dc97cb-x2k4p", "shop/db-0", "trade/db-0", "trade/api", None)
IPS = ("10.0.0.1", "10.0.0.2", "10.0.0.3", None)
WRITERS = ({}, {"ztunnel_node": "node-s"}, {"source_file": "bare.log"})

sighting = st.tuples(
    st.sampled_from(("src", "dst")), st.sampled_from(NAMES), st.sampled_from(IPS),
    st.sampled_from(("zt-1", "zt-2", "zt-3", None)), st.integers(0, 60), st.sampled_from(WRITERS),
)  # fmt: skip
FACTS = [
    fact("local_node", 0, "zt-1", node="node-1"),
    fact("pod_here", 3, None, file="bare.log", namespace="shop", name="db-0"),
    fact("local_node", 0, None, file="bare.log", node="node-b"),
]
KNOWN = inventory(pod("shop/db-0", "node-2", "10.0.0.3"), pod("trade/api", "node-3", "10.0.0.2"))


def answers(topology):
    names = [name.split("/") for name in NAMES if name]
    times = (None, at(5), at(30), at(60))
    return (
        topology.ztunnels(),
        topology.contradictions,
        [topology.pod(*name, time) for name in names for time in times],
        [topology.at(ip, time) for ip in IPS if ip for time in times],
    )


@settings(deadline=None, max_examples=20)
@given(st.lists(st.lists(sighting, min_size=1, max_size=8), min_size=1, max_size=6), st.booleans(), st.integers(0, 6))
def test_answers_are_the_same_by_way_of_the_disk(batches, known, most):
    tables = [
        halves(*(seen(side, name, ip, ztunnel, second, **more) for side, name, ip, ztunnel, second, more in batch))
        for batch in batches
    ]
    topologies = [Topology(KNOWN if known else None, FACTS, most=bound) for bound in (most, 10_000)]
    for topology in topologies:
        for table in tables:
            topology.learn((), table)
    little, whole = map(answers, topologies)
    assert little == whole
    assert not any(topology.forgotten for topology in topologies)


def of_pods(first, count, writer="zt-1"):
    return halves(
        *(seen("src", f"shop/web-{n}", f"10.1.{n >> 8}.{n & 255}", writer, n) for n in range(first, first + count))
    )


def test_input_that_goes_on_forgets_what_was_seen_first_and_counts_it():
    sightings = Sightings(most=100)
    assert not sightings.pods
    for first in range(0, 2000, 20):
        sightings.observe(of_pods(first, 20))
        assert len(sightings.pods) <= 100
        assert len(sightings.addresses) <= 100
    assert ("shop", "web-1999") in sightings.pods
    assert "10.1.7.207" in sightings.addresses
    assert sightings.forgotten == 2000 - len(sightings.pods)
    assert set(sightings.pods_of(("pod", "zt-1"))) == set(sightings.pods)


def test_input_that_goes_on_never_waits_on_disk_not_even_if_much_comes_at_once():
    sightings = Sightings(most=100, goes_on=True)
    sightings.observe(of_pods(0, 1000))
    assert sightings.pods
    for first in range(1000, 3000, 500):
        sightings.observe(of_pods(first, 500))
    assert sightings._away is None
    assert ("shop", "web-2999") in sightings.pods
    assert sightings.forgotten > 1000


def test_finite_input_keeps_few_ends_in_memory_and_finds_all():
    sightings = Sightings(most=100)
    for first in range(0, 3000, 50):
        sightings.observe(of_pods(first, 50))
        assert sum(len(batch.first) for batch in sightings._pending) <= 400
    sightings.look_up({"web-7", "web-2500"}, {"10.1.0.9"})
    assert {name for _, name in sightings.pods} == {"web-7", "web-9", "web-2500"}
    assert sightings.addresses["10.1.0.9"] == {(("pod", "zt-1"), ("shop", "web-9")): [at(9), at(9)]}
    assert not sightings.forgotten


def test_of_ztunnels_without_end_so_many_are_known(monkeypatch):
    monkeypatch.setattr("ztflow.place.sightings._LEAST", 10)
    sightings = Sightings(most=20)
    for number in range(50):
        sightings.observe(of_pods(number, 1, f"zt-{number}"))
    assert len(sightings.ztunnels) == 10
    assert sightings.forgotten == 40


def test_files_of_ends_are_merged_and_go():
    ends = EndsOnDisk()
    row = dict.fromkeys(SCHEMA.names) | {"namespace": "shop", "workload": "db-0", "pod": "zt-1"}
    for number in range(40):
        ends.put(SCHEMA.empty_table().from_pylist([row | {"first": number, "last": number}], SCHEMA))
    assert len(ends._files) == 1
    [span] = [row for number in range(16) for row in ends.part(number).to_pylist()]
    assert (span["first"], span["last"]) == (0, 39)
    path = ends._files[0].path
    assert path.exists()
    del ends
    assert not path.exists()
