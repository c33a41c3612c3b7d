"""`place_flows`: node, zone and pod of both ends of every flow, and whether they are the same.

All work is done once per distinct combination of what the flows say of an end, then spread over the rows by code.
Cost: about 0.3 µs a flow, and some microseconds per distinct end.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ztflow.columns.dictionaries import NONE, Coded, coded
from ztflow.columns.dtypes import AFTER_ALL, BEFORE_ALL, NO_TIME, BoolArray, Codes, IntArray
from ztflow.columns.gc_pause import gc_paused
from ztflow.columns.grouping import group
from ztflow.columns.timestamps import micros_of
from ztflow.model.vocabulary import FlowPath, NodeLocality, ZoneLocality
from ztflow.place.endpoints import Answer, End, MovingEnd
from ztflow.place.names import qualified, workload_of_pod
from ztflow.place.open_connections import explain_open
from ztflow.place.topology import Topology
from ztflow.place.ztunnels import NOWHERE

_CATEGORY = pa.dictionary(pa.int32(), pa.string())
_ALONGSIDE = 30_000_000
"""Microseconds two ztunnels' lines may be apart and still show that both ran at one time, so on two nodes."""

_LOCALITY = (NodeLocality.UNKNOWN.value, NodeLocality.SAME_NODE.value, NodeLocality.CROSS_NODE.value)
_ZONE_LOCALITY = (ZoneLocality.UNKNOWN.value, ZoneLocality.SAME_ZONE.value, ZoneLocality.CROSS_ZONE.value)
_MOVING_KEPT = 1 << 13
"""Ends whose answers are kept for the next flows, some KB each."""
_IDENTITY = 2
"""Position of the identity among the columns of an end: `End.owner_namespace`."""


class _Placed(NamedTuple):
    """One end of every flow: a number per row into a list of distinct answers."""

    numbers: Codes
    answers: list[Answer]
    direct: BoolArray
    """Whether the end's own half was seen."""

    def unnamed(self) -> bool:
        """Whether an own ztunnel may be known by less than its node's name."""
        return any(answer.ztunnel != NOWHERE for answer in self.answers)


def place_flows(flows: pa.Table, topology: Topology) -> pa.Table:
    """Fill where both ends are.

    Args:
        flows: Columns `schema.FLOWS`. `src_node` and `dst_node` may hold what a shipper said; they are kept.
        topology: What is known of places; with the halves of these flows (`learn`) it knows most; without
            any, the flows themselves tell it which ztunnel wrote of which pod.

    Returns:
        The table with `src_node, dst_node, src_zone, dst_zone, src_pod, dst_pod, locality_evidence` filled where they
        were null, `src_workload` and `dst_workload` as `with_workloads` says, `locality` and `zone_locality`
        where they were null or `unknown`, and `unpaired_reason` `still_open` where the inventory shows the missing
        side's connection open.
    """
    if not flows.num_rows:
        return flows
    with gc_paused():
        if not topology.has_halves:
            topology.learn_from_flows(flows)
        topology.settle()
        src, dst = (_place_end(flows, side, topology) for side in ("src", "dst"))
        locality, zone_locality = _localities(flows, src, dst, topology)
        for side, end in (("src", src), ("dst", dst)):
            flows = _fill(flows, f"{side}_node", [topology.name(answer.place) for answer in end.answers], end.numbers)
            flows = _fill(flows, f"{side}_zone", [answer.zone for answer in end.answers], end.numbers)
            flows = _fill(flows, f"{side}_pod", [answer.pod for answer in end.answers], end.numbers)
        flows = with_workloads(flows, topology.register.owners)
        flows = _fill(flows, "locality_evidence", *_evidence(src, dst))
        if topology.inventory.connections:
            flows = explain_open(flows, topology.inventory, topology.register)
        flows = _fill(flows, "locality", _LOCALITY, locality, replaceable=NodeLocality.UNKNOWN)
        return _fill(flows, "zone_locality", _ZONE_LOCALITY, zone_locality, replaceable=ZoneLocality.UNKNOWN)


def place_ztunnels(halves: pa.Table, topology: Topology) -> pa.Table:
    """Fill `ztunnel_node` of access lines where it is null: the end whose half a ztunnel wrote is on its node.

    Args:
        halves: Columns `schema.HALVES`.
        topology: What is known of places, with these lines (`learn`).
    """
    unknown = pc.is_null(halves.column("ztunnel_node")).to_numpy()
    if not unknown.any():
        return halves
    with gc_paused():
        topology.settle()
        direction = coded(halves, "direction")
        micros = micros_of(halves.column("time"))
        numbers = np.zeros(halves.num_rows, np.int32)
        names: list[str | None] = [None]
        for side, word in (("src", "outbound"), ("dst", "inbound")):
            rows = np.flatnonzero(unknown & direction.mask(word))
            if not len(rows):
                continue
            ztunnel, nothing = coded(halves, "ztunnel_pod"), Coded.nulls(halves.num_rows)
            file = coded(halves, "source_file").where(~ztunnel.known())
            said = [coded(halves, f"{side}_{fact}") for fact in ("namespace", "workload", "identity", "ip")]
            columns = [*said, ztunnel, file, nothing, nothing, coded(halves, f"{side}_cluster")]
            own, other = np.ones(len(rows), np.bool_), np.zeros(len(rows), np.bool_)
            answers, chosen = _by_end([column.take(rows) for column in columns], own, other, micros[rows], topology)
            numbers[rows] = chosen + len(names)
            names += [topology.name(answer.place) for answer in answers]
        return _fill(halves, "ztunnel_node", names, numbers)


def _place_end(flows: pa.Table, side: str, topology: Topology) -> _Placed:
    """Answers for one end: by its own ztunnel alone where that settles it, else once per distinct end."""
    half = "outbound" if side == "src" else "inbound"
    ztunnel, node = coded(flows, f"{half}_ztunnel"), coded(flows, f"{side}_node")
    seen = pc.is_valid(flows.column(f"{half}_line")).to_numpy() | ztunnel.known()
    answers, numbers, settled = _by_ztunnel(ztunnel, node, topology)
    pod, name = coded(flows, f"{side}_pod"), coded(flows, f"{side}_name")
    nameless = ~name.known()
    if topology.register.by_ip:  # an inventory may have the pod of an address the line gives no name for
        nameless &= ~coded(flows, f"{side}_ip").known()
    rows = np.flatnonzero(~(settled & seen & (pod.known() | nameless)))
    if len(rows):
        columns = [
            coded(flows, f"{side}_namespace"),
            name,
            coded(flows, f"{side}_identity"),
            coded(flows, f"{side}_ip"),
            ztunnel,
            coded(flows, f"{half}_file").where(~ztunnel.known()),
            node,
            pod,
            coded(flows, f"{side}_cluster"),
        ]
        elsewhere = coded(flows, "path").mask(FlowPath.DOUBLE_HBONE)[rows]
        micros = micros_of(pc.coalesce(flows.column("end"), flows.column("start")))[rows]
        more, chosen = _by_end([column.take(rows) for column in columns], seen[rows], elsewhere, micros, topology)
        numbers[rows] = chosen + len(answers)
        answers = answers + more
    return _Placed(numbers, answers, seen)


def _by_ztunnel(ztunnel: Coded, node: Coded, topology: Topology) -> tuple[list[Answer], Codes, BoolArray]:
    """Answers from the ztunnel that wrote the end's half; the rows they settle, with zone unless pods have zones."""
    groups = group([ztunnel.part, node.part], len(ztunnel.codes))
    words = (column.texts(groups.first) for column in (ztunnel, node))
    answers = [topology.of_ztunnel(pod, shipped) for pod, shipped in zip(*words, strict=True)]
    zones = topology.register.knows_pod_zones
    settled = [a.place != NOWHERE and (a.zone is not None or not zones) for a in answers]
    return answers, groups.codes.astype(np.int32), np.array(settled, np.bool_)[groups.codes]


def _by_end(
    columns: Sequence[Coded],
    seen: BoolArray,
    elsewhere: BoolArray,
    micros: IntArray,
    topology: Topology,
) -> tuple[list[Answer], Codes]:
    """Answers once per distinct end; rows of an end that moves get the answer of their own time."""
    flags = [(flag.astype(np.int32), 2) for flag in (seen, elsewhere)]
    groups = group([*(column.part for column in columns), *flags], len(micros))
    numbers, first = groups.codes, groups.first
    words = [column.texts(first) for column in columns]
    spaces = {identity: _namespace_of(identity) for identity in set(words[_IDENTITY])}
    words[_IDENTITY] = [spaces[identity] for identity in words[_IDENTITY]]
    ends = list(map(End._make, zip(*words, seen[first].tolist(), elsewhere[first].tolist(), strict=True)))
    topology.look_up({end.workload for end in ends if end.workload}, {end.ip for end in ends if end.ip})
    earliest, latest = np.full(len(ends), AFTER_ALL), np.full(len(ends), NO_TIME)
    np.minimum.at(earliest, numbers, micros)
    np.maximum.at(latest, numbers, micros)
    answers: list[Answer] = []
    chosen = np.zeros(len(ends), np.int32)
    moving: list[tuple[int, MovingEnd]] = []
    for number, (end, first_time, last_time) in enumerate(zip(ends, earliest.tolist(), latest.tolist(), strict=True)):
        answer = topology.lasting(end, first_time, last_time)
        if answer is None:
            moves, timed = _moves(end, topology), first_time != NO_TIME
            part = bisect_right(moves.times, first_time) if timed else -1
            if moves.times and not (timed and part == bisect_right(moves.times, last_time)):
                moving.append((number, moves))
                continue
            answer = _in_part(end, moves, part, first_time if timed else None, topology)
        chosen[number] = len(answers)
        answers.append(answer)
    result = chosen[numbers]
    if not moving:
        return answers, result
    order = np.argsort(numbers, kind="stable")
    edges = np.searchsorted(numbers[order], np.arange(len(ends) + 1))
    for number, moves in moving:
        rows = order[edges[number] : edges[number + 1]]
        at, times = micros[rows], moves.times
        segment = np.where(at == NO_TIME, -1, np.searchsorted(np.array(times), at, side="right"))
        for part in np.unique(segment).tolist():
            time = None if part < 0 else times[part - 1] if part else times[0] - 1
            result[rows[segment == part]] = len(answers)
            answers.append(_in_part(ends[number], moves, part, time, topology))
    return answers, result


def _moves(end: End, topology: Topology) -> MovingEnd:
    """When the place of an end may change. The next flows are of the same ends."""
    moves = topology.moving.get(end)
    if moves is None:
        moves = MovingEnd(topology.times(end), {})
        if len(topology.moving) < _MOVING_KEPT:
            topology.moving[end] = moves
    return moves


def _in_part(end: End, moves: MovingEnd, part: int, time: int | None, topology: Topology) -> Answer:
    """Where an end is between two times at which that may change, at `time` as all the while."""
    answer = moves.answers.get(part)
    if answer is None:
        answer = moves.answers[part] = topology.resolve(end, time)
    return answer


def _localities(flows: pa.Table, src: _Placed, dst: _Placed, topology: Topology) -> tuple[Codes, Codes]:
    """Per row 0 unknown, 1 same, 2 different: for nodes and for zones."""
    source, target = _of(src, "place"), _of(dst, "place")
    other_cluster = _other_cluster(flows)
    known = (source != NOWHERE) & (target != NOWHERE)
    same = (source == target) & known
    unsure = ~same
    if src.unnamed() or dst.unnamed():
        own = _of(src, "ztunnel")
        same |= (own == _of(dst, "ztunnel")) & (own != NOWHERE)
    if other_cluster is not None:
        same &= ~other_cluster
        unsure = ~same & ~other_cluster
    apart = np.flatnonzero(known & unsure & ~same)
    sure = _distinct(source[apart], target[apart], topology) | (src.direct[apart] & dst.direct[apart])
    node = same.astype(np.int32)
    node[apart[sure]] = 2
    if other_cluster is not None:
        node[other_cluster] = 2
    zones = {zone: code for code, zone in enumerate(sorted({a.zone for a in src.answers + dst.answers if a.zone}))}
    if not zones:
        return node, same.astype(np.int32)
    zone_src, zone_dst = (
        np.array([zones[a.zone] if a.zone else NOWHERE for a in end.answers], np.int32)[end.numbers]
        for end in (src, dst)
    )
    both = (zone_src != NOWHERE) & (zone_dst != NOWHERE)
    zone = np.where(same | (both & (zone_src == zone_dst)), 1, np.where(both, 2, 0)).astype(np.int32)
    return node, zone


def _of(end: _Placed, what: str) -> Codes:
    values = np.array([getattr(answer, what) for answer in end.answers], np.int32)
    return values[end.numbers]


def _distinct(source: Codes, target: Codes, topology: Topology) -> BoolArray:
    """Whether two different places are two nodes for sure.

    Two names are. A node without a known name is another than that of a ztunnel that wrote at the same time; a ztunnel
    that wrote before or after may be the same node's, restarted.
    """
    count = int(max(source.max(initial=NOWHERE), target.max(initial=NOWHERE))) + 1
    named = np.array([topology.name(place) is not None for place in range(count)], np.bool_)
    result: BoolArray = named[source] & named[target]
    left = np.flatnonzero(~result)
    if len(left):
        spans = [topology.span(place) for place in range(count)]
        first = np.array([span[0] if span else AFTER_ALL for span in spans], np.float64)
        last = np.array([span[1] if span else BEFORE_ALL for span in spans], np.float64)
        a, b = source[left], target[left]
        result[left] = (first[a] <= last[b] + _ALONGSIDE) & (first[b] <= last[a] + _ALONGSIDE)
    return result


def _other_cluster(flows: pa.Table) -> BoolArray | None:
    """Rows whose two ends name two clusters; None where no row names both."""
    src, dst = coded(flows, "src_cluster"), coded(flows, "dst_cluster")
    if not src.size or not dst.size:
        return None
    numbers = {word: code for code, word in enumerate(dict.fromkeys(src.words + dst.words))}
    left, right = (
        np.array([*(numbers[word] for word in end.words), NOWHERE], np.int32)[end.codes] for end in (src, dst)
    )
    result: BoolArray = (left != right) & (left != NOWHERE) & (right != NOWHERE)
    return result


def _evidence(src: _Placed, dst: _Placed) -> tuple[list[str | None], Codes]:
    """`source; destination` for every row, `-` for an end without evidence, null where neither has any."""
    words = sorted({answer.evidence for answer in src.answers + dst.answers if answer.evidence is not None})
    code: dict[str | None, int] = {word: number for number, word in enumerate([*words, None])}
    size = len(words) + 1
    left, right = (
        np.array([code[answer.evidence] for answer in end.answers], np.int32)[end.numbers] for end in (src, dst)
    )
    texts: list[str | None] = [
        None if a is None and b is None else f"{a or '-'}; {b or '-'}" for a in (*words, None) for b in (*words, None)
    ]
    return texts, left * np.int32(size) + right


def _fill(
    flows: pa.Table, name: str, words: Sequence[str | None], numbers: Codes, *, replaceable: str | None = None
) -> pa.Table:
    """Put `words[number]` into a column where it is null (or holds a replaceable word)."""
    column = flows.column(name)
    if not column.null_count and replaceable is None:
        return flows
    new = [word for word in dict.fromkeys(words) if word is not None]
    if not new and replaceable is None:
        return flows
    old = coded(flows, name)
    dictionary, places = old.with_words(new)
    place_of = dict(zip(new, places, strict=True))
    codes = np.array([-1 if word is None else place_of[word] for word in words], np.int32)[numbers]
    kept = old.known()
    if replaceable is not None:
        kept &= ~old.mask(replaceable)
    if kept.any():
        codes = np.where(kept, old.codes, codes)
    filled = pa.DictionaryArray.from_arrays(pa.array(codes, mask=codes < 0), dictionary)
    return flows.set_column(flows.schema.get_field_index(name), pa.field(name, _CATEGORY), filled)


def with_workloads(flows: pa.Table, owners: Mapping[str, str]) -> pa.Table:
    """Fill `src_workload` and `dst_workload`, as graphs, reports and filters use them; the one place they are made in.

    A stated owner is always taken; else what the column holds; else what the pattern of the name tells.

    Args:
        flows: Columns `schema.FLOWS`, with the pods that are known.
        owners: Pod (`namespace/name`) → the workload that owns it, as an inventory states it.

    Cost: a pass over codes and rows, and Python once per distinct end.
    """
    for side in ("src", "dst"):
        flows = _fill_workload(flows, side, owners)
    return flows


def _fill_workload(flows: pa.Table, side: str, owners: Mapping[str, str]) -> pa.Table:
    pod, held = coded(flows, f"{side}_pod"), coded(flows, f"{side}_workload")
    parts = [pod, held]
    podless = ~pod.known()
    if podless.any():
        parts += [coded(flows, f"{side}_{name}").where(podless) for name in ("namespace", "name")]
    groups = group([part.part for part in parts], flows.num_rows)
    found = list(_workloads([part.texts(groups.first) for part in parts], owners))
    distinct = {word: code for code, word in enumerate(dict.fromkeys(word for word in found if word is not None))}
    codes = np.array([NONE if word is None else distinct[word] for word in found], np.int32)[groups.codes]
    name = f"{side}_workload"
    filled = Coded(codes, pa.array(list(distinct), pa.string())).array()
    return flows.set_column(flows.schema.get_field_index(name), flows.schema.field(name), filled)


def _workloads(ends: Sequence[list[str | None]], owners: Mapping[str, str]) -> Iterator[str | None]:
    for pod, held, *logged in zip(*ends, strict=True):
        end = pod or (qualified(*logged) if logged else None)
        owner = owners.get(end) if end else None
        yield owner or held or (workload_of_pod(end, owners)[0] if end else None)


def _namespace_of(identity: str | None) -> str | None:
    """The namespace in `spiffe://<trust domain>/ns/<namespace>/sa/<service account>`."""
    if identity is None:
        return None
    parts = identity.split("/")
    return parts[4] if len(parts) > 5 and parts[3] == "ns" else None
