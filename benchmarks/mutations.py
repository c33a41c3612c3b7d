"""Faults put into the code by hand, each with the tests that must notice it and why it matters.

`python benchmarks/mutate.py` tries them. The old text must be in its file exactly once.
"""

from __future__ import annotations

from typing import NamedTuple


class Mutation(NamedTuple):
    """One fault.

    Attributes:
        name: What is broken.
        file: Path from the project's root.
        old: Text that is replaced; unique in the file.
        new: What replaces it.
        tests: What pytest is given: paths, or paths with `::`.
        why: What a user would suffer.
    """

    name: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...]
    why: str


MUTATIONS = (
    # -- pairing: memory -----------------------------------------------------------------------------------------------
    Mutation(
        "requests unbounded",
        "ztflow/pair/exact_evidence.py",
        "for _ in range(len(self._tunnel) - REQUESTS_KEPT):",
        "for _ in range(0):",
        ("tests/pair/test_exact_evidence.py",),
        "a debug log followed for days fills the memory",
    ),
    Mutation(
        "dictionaries never compacted",
        "ztflow/pair/buffers.py",
        "if len(column.chunk(0).dictionary) > UNUSED_WORDS + 4 * table.num_rows:",
        "if False:",
        ("tests/pair/test_pairer.py",),
        "names of pods that are long gone fill the memory",
    ),
    Mutation(
        "evicted halves are not in the past",
        "ztflow/pair/pairer.py",
        "self._history.add(unmatched.features.basic(index).exact_key, unmatched.features.time[index])",
        "pass",
        ("tests/pair/test_pairer.py",),
        "what had a neighbour looks alone, and a wrong pair is called unique",
    ),
    # -- pairing: rules ------------------------------------------------------------------------------------------------
    Mutation(
        "a cut crowd is trusted",
        "ztflow/pair/assignment/segments.py",
        "torn: float = 0.4",
        "torn: float = 1.0",
        ("tests/pair/test_crowd.py",),
        "runs of wrong pairs claim to be right",
    ),
    Mutation(
        "nothing is carried over a cut",
        "ztflow/pair/assignment/segments.py",
        "carried: int = 640",
        "carried: int = 1",
        ("tests/pair/test_crowd.py",),
        "partners on either side of a cut are lost",
    ),
    Mutation(
        "clocks: contradictions keep their weight",
        "ztflow/pair/clocks/solving.py",
        "weight = 1 / (spread * np.maximum(off, spread))",
        "weight = 1 / spread**2",
        ("tests/pair/test_clocks.py",),
        "one wrong measurement puts every clock off",
    ),
    Mutation(
        "what repeats within seconds is taken for fresh",
        "ztflow/pair/reach.py",
        "fresh_past: int = 8_000_000",
        "fresh_past: int = 800_000",
        ("tests/pair/test_isolated.py",),
        "halves of two probes are paired at once and called unique",
    ),
    Mutation(
        "a silent reset pairs although others would fit",
        "ztflow/pair/stages/late_or_cut.py",
        "if silent and alternatives:",
        "if False:",
        ("tests/pair/test_late_or_cut.py",),
        "unequal connections are paired on nearness alone",
    ),
    Mutation(
        "a half is given up after one reach",
        "ztflow/pair/stages/per_epoch.py",
        "index[features.time[index] + 2 * reach.partner < watermark]",
        "index[features.time[index] + reach.partner < watermark]",
        ("tests/pair/test_per_epoch.py", "tests/pair/test_any_cut.py"),
        "flows depend on how the input was cut",
    ),
    Mutation(
        "overtaking is not allowed for",
        "ztflow/pair/assignment/matching.py",
        "confidence = chance * (1 - _overtaken(piece.candidates, rows, columns, parameters))",
        "confidence = chance",
        ("tests/pair/test_matching.py",),
        "confidence is higher than the share that is right",
    ),
    Mutation(
        "two unknown tunnels are one",
        "ztflow/pair/stages/isolated.py",
        "proved = (tunnel != 0) & (tunnel == other)",
        "proved = tunnel == other",
        ("tests/pair/test_decisions.py",),
        "pairs are called exact without any proof",
    ),
    Mutation(
        "default rates give way at once",
        "ztflow/pair/hmm/transition_rates.py",
        "prior: float = 200.0",
        "prior: float = 2.0",
        ("tests/pair/test_transition_rates.py", "tests/pair/test_matching.py"),
        "a small burst overrules what was measured on many",
    ),
    Mutation(
        "a refusal of another address is a partner",
        "ztflow/pair/features/early_denials.py",
        'here = (accepted == 0) | (accepted == per_word(part.column("dst_ip"), text_hash, np.uint64))',
        "here = np.ones(len(part), np.bool_)",
        ("tests/pair/test_early_denials.py",),
        "refused requests are paired with somebody else's",
    ),
    Mutation(
        "order of arrival decides ties",
        "ztflow/pair/features/full.py",
        "if len(tied):\n        part = order[tied]\n        order[tied] = part[",
        "if False:\n        part = order[tied]\n        order[tied] = part[",
        ("tests/pair/test_full.py",),
        "the same log gives other flows when its files are read in another order",
    ),
    # -- reading -------------------------------------------------------------------------------------------------------
    Mutation(
        "a pipe never gathers",
        "ztflow/read/sources/pipes.py",
        "return max(0.0, self._taken + _GATHER - monotonic()) if self._size else None",
        "return 0.0 if self._size else None",
        ("tests/read/test_pipes.py",),
        "a busy pipe is worked off line by line",
    ),
    Mutation(
        "the width of wrapped records is never learned",
        "ztflow/read/stream.py",
        "self._width = max(pending.widths[:-1])",
        "pass",
        ("tests/read/test_wrapped_records.py",),
        "texts of records broken once get a blank inside a word",
    ),
    Mutation(
        "any step back in time is a re-run",
        "ztflow/read/duplicates.py",
        "REPLAY_GAP = 50_000",
        "REPLAY_GAP = 0",
        ("tests/read/test_overlap.py",),
        "lines that truly stand twice are dropped as copies",
    ),
    Mutation(
        "a file rewritten past its old end is not noticed",
        "ztflow/read/rotated.py",
        "FINGERPRINT: Final = 512",
        "FINGERPRINT: Final = 0",
        ("tests/read/test_following.py::test_truncation_written_past_the_old_end_between_two_looks",),
        "the beginning of a rewritten log is lost",
    ),
    Mutation(
        "progress has no total",
        "ztflow/read/inputs.py",
        "self._total = None if None in sizes else sum(size for size in sizes if size is not None)",
        "self._total = None",
        ("tests/read/test_sources.py",),
        "the bar never says how long it takes",
    ),
    Mutation(
        "every month has 31 days",
        "ztflow/kernel/fields.py",
        "short = 30 if month in (4, 6, 9, 11) else 31",
        "short = 31",
        ("tests/kernel/test_equal_to_scanner.py",),
        "big inputs are read by other rules than small ones",
    ),
    # -- placing -------------------------------------------------------------------------------------------------------
    Mutation(
        "ztunnels must write at the very same time",
        "ztflow/place/placement.py",
        "_ALONGSIDE = 30_000_000",
        "_ALONGSIDE = 0",
        ("tests/place/test_placement.py",),
        "cross-node traffic of quiet nodes is called unknown",
    ),
    Mutation(
        "owners of all namespaces are one",
        "ztflow/place/register.py",
        'f"{namespace}/{name}": pod.owner',
        'f"{name}": pod.owner',
        ("tests/place/test_topology.py",),
        "workloads are named after another namespace's",
    ),
    Mutation(
        "one vote more is a majority",
        "ztflow/place/ztunnels.py",
        "if ranked[0][1] > 2 * ranked[1][1]:",
        "if ranked[0][1] > ranked[1][1]:",
        ("tests/place/test_topology.py", "tests/place/test_placement.py"),
        "a ztunnel is put on a node half of its pods contradict",
    ),
    Mutation(
        "finished pods keep their address",
        "ztflow/place/inventory/facts.py",
        'return self.phase in {"Succeeded", "Failed"} or self.end is not None',
        "return False",
        ("tests/place/test_topology.py", "tests/place/test_placement.py"),
        "connections are given to a pod that had ended",
    ),
    # -- reports -------------------------------------------------------------------------------------------------------
    Mutation(
        "diff: chance ignores the windows' lengths",
        "ztflow/reports/diff.py",
        "chance = exp(-new.flows * told[0] / told[1])",
        "chance = exp(-new.flows)",
        ("tests/reports/test_diff.py",),
        "what a short window could not see is called new for sure",
    ),
    Mutation(
        "diff: chance ignores the windows' lengths, other way",
        "ztflow/reports/diff.py",
        "chance = exp(-old.flows * told[1] / told[0])",
        "chance = exp(-old.flows)",
        ("tests/reports/test_diff.py",),
        "what a short window could not see is called gone for sure",
    ),
    Mutation(
        "diff: locality moves by chance",
        "ztflow/reports/diff.py",
        "if abs(a - b) < _SHIFT or abs(a - b) < _SIGMAS * deviation:",
        "if abs(a - b) < _SHIFT:",
        ("tests/reports/test_diff.py",),
        "a handful of connections raises a finding, hence the exit code",
    ),
    Mutation(
        "clocks: a finding ignores its spread",
        "ztflow/reports/clocks.py",
        "abs(row.offset_ms) > max(OFF_MS, row.spread_ms)",
        "abs(row.offset_ms) > OFF_MS",
        ("tests/reports/test_clocks.py",),
        "slow connections raise a finding about clocks that are right",
    ),
    Mutation(
        "a refusal shows its first text",
        "ztflow/reports/refusals.py",
        "order = np.lexsort((view.order(), view.seen()[1]))",
        "order = np.lexsort((view.order(), -view.seen()[1]))",
        ("tests/reports/test_denied.py",),
        "the words shown are those of a policy that is no longer there",
    ),
    Mutation(
        "egress counts what only servers saw",
        "ztflow/reports/egress.py",
        '& view.equals("paired", Paired.OUTBOUND_ONLY)',
        "",
        ("tests/reports/test_egress.py",),
        "plaintext that came in is reported as going out",
    ),
    Mutation(
        "a share of nothing is nought",
        "ztflow/reports/model.py",
        "return part / whole if whole else None",
        "return part / whole if whole else 0.0",
        ("tests/reports/test_mtls.py",),
        "0 % is claimed where nothing is known",
    ),
    Mutation(
        "pods that are only clients are no neighbours",
        "ztflow/reports/remedies.py",
        "        (ends.source, zones.source, pods.source),\n",
        "",
        ("tests/reports/test_locality.py",),
        "advice is given that overloads the few servers seen",
    ),
)
"""What is broken, by room."""
