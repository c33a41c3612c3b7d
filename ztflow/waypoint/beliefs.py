"""How sure it is that a connection has this chain of lines, seeing that other connections want lines too.

Every line is of one connection. So what one connection leaves to the others changes what is likely for them: belief
propagation over "each line has one owner" (Koller and Friedman, Probabilistic Graphical Models, 11.3). As it counts
evidence twice where connections could trade lines in a circle, a trade between two is tried out before anything is
called decided.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from ztflow.columns.dtypes import BoolArray, FloatArray, Index
from ztflow.waypoint.chains import Chain, allowed
from ztflow.waypoint.delays import Delays
from ztflow.waypoint.lines import Connection, Lines

_ROUNDS: Final = 40
_LONGEST: Final = 2000
"""Chains of a connection that are weighed: the likeliest."""
_OUTLIERS: Final = 0.02
"""Share of sums that may be three times as far off as the rest."""
_LEAST: Final = 1e-9
_ANYWHERE: Final = 1 / 2000
"""Density, a byte, of what was sent where the waypoint did not count it."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is known of the delays at both ends of a connection."""

    first: Delays
    last: Delays

    def of(self, connection: Connection, chains: Sequence[Chain], lines: Lines) -> FloatArray:
        """The log likelihood of each chain."""
        if not chains:
            return np.zeros(0)
        first = np.array([chain.lines[0] for chain in chains])
        last = np.array([lines.end[chain.lines].max() for chain in chains])
        up = _near(*_column(chains, "up"))
        open_ended = np.array([chain.open_ended for chain in chains])
        likely: FloatArray = np.where(open_ended, np.log(_ANYWHERE), up) + _near(*_column(chains, "down"))
        return (
            likely
            + self.first.log_density(lines.start[first] - connection.start)
            + self.last.log_density(connection.end - last)
        )


def _column(chains: Sequence[Chain], side: str) -> tuple[FloatArray, FloatArray]:
    return (
        np.array([getattr(chain, f"{side}_off") for chain in chains], float),
        np.array([getattr(chain, f"{side}_variance") for chain in chains], float),
    )


def _near(off: FloatArray, variance: FloatArray) -> FloatArray:
    variance = variance + 1 / 12

    def normal(wide: FloatArray) -> FloatArray:
        density: FloatArray = np.exp(-0.5 * off**2 / wide) / np.sqrt(2 * np.pi * wide)
        return density

    result: FloatArray = np.log((1 - _OUTLIERS) * normal(variance) + _OUTLIERS * normal(9 * variance) + _LEAST)
    return result


@dataclass(slots=True)
class Choice:
    """The chains a connection may have, likeliest first.

    Attributes:
        chains: The chains.
        weights: Their log likelihoods.
        beliefs: Their probabilities, once weighed.
    """

    chains: list[Chain]
    weights: FloatArray
    beliefs: FloatArray

    @classmethod
    def of(cls, chains: Sequence[Chain], weights: FloatArray) -> Choice:
        """Sorted, and cut to what can be weighed."""
        order = np.argsort(-weights, kind="stable")[:_LONGEST]
        return cls([chains[at] for at in order], weights[order] - weights[order[0]], np.zeros(len(order)))


def weigh(choices: Mapping[int, Choice], unknown: Sequence[Index], count: int, stray: float) -> None:
    """Fill in the beliefs.

    Args:
        choices: By connection.
        unknown: The lines each of those connections may want of whose chains nothing is known.
        count: Lines in all.
        stray: Odds that a line is of a connection that has no line in ztunnel's log.

    Cost: rounds times chains times their lines.
    """
    wanted = np.full(count, stray)
    for lines in unknown:
        share = min(0.9, _USUAL_LINES / max(len(lines), 1))
        wanted[lines] += share / (1 - share)
    parts = {name: _incidence(choice) for name, choice in choices.items()}
    message = {name: np.zeros(len(lines)) for name, (lines, _) in parts.items()}
    odds: dict[int, FloatArray] = {}
    for _ in range(_ROUNDS):
        total = wanted.copy()
        for name, (lines, holds) in parts.items():
            choice = choices[name]
            weight = choice.weights + holds @ message[name]
            belief = np.exp(weight - weight.max())
            choice.beliefs = belief / belief.sum()
            inside = holds.T @ choice.beliefs
            own = np.maximum(inside / np.maximum(1 - inside, _LEAST) * np.exp(-message[name]), _LEAST)
            odds[name] = np.sqrt(odds[name] * own) if name in odds else own
            total[lines] += odds[name]
        for name, (lines, _) in parts.items():
            message[name] = np.clip(-np.log(np.maximum(total[lines] - odds[name], _LEAST)), -25, 8)


_USUAL_LINES: Final = 4
"""Lines a connection is taken to have of which nothing is known."""


def _incidence(choice: Choice) -> tuple[Index, FloatArray]:
    """The lines of a choice, and which of its chains hold which."""
    lines = np.unique(np.concatenate([chain.lines for chain in choice.chains]))
    holds = np.zeros((len(choice.chains), len(lines)))
    for row, chain in enumerate(choice.chains):
        holds[row, np.searchsorted(lines, chain.lines)] = 1
    return lines, holds


def tradable(
    decided: Mapping[int, tuple[Connection, Chain]], lines: Lines, evidence: Evidence, margin: float
) -> set[int]:
    """Connections that could trade a line for one of another and be nearly as likely.

    Args:
        decided: By name, each with its chain.
        lines: All lines.
        evidence: What tells likely from unlikely.
        margin: By how much the log likelihood of both together has to fall for the trade to be out of the question.
    """
    owner = np.full(len(lines.start), -1)
    for name, (_, chain) in decided.items():
        owner[chain.lines] = name
    owned = np.flatnonzero(owner >= 0)
    found: set[int] = set()
    for name, (connection, chain) in decided.items():
        inside = owned[
            (lines.start[owned] >= connection.earliest)
            & (lines.end[owned] <= connection.latest)
            & (owner[owned] != name)
        ]
        for mine in chain.lines.tolist():
            alike = inside[
                (lines.lane[inside] == lines.lane[mine])
                & (np.abs(lines.down[inside] - lines.down[mine]) <= 2 * allowed(lines.down_variance[[mine]])[0])
                & _sent_alike(lines, inside, mine)
            ]
            for theirs in alike.tolist():
                other_name = int(owner[theirs])
                other, other_chain = decided[other_name]
                if name in found and other_name in found:
                    continue
                one = traded(connection, chain, mine, theirs, lines)
                two = traded(other, other_chain, theirs, mine, lines)
                if one is None or two is None:
                    continue
                before = evidence.of(connection, [chain], lines)[0] + evidence.of(other, [other_chain], lines)[0]
                after = evidence.of(connection, [one], lines)[0] + evidence.of(other, [two], lines)[0]
                if before - after < margin:
                    found |= {name, other_name}
    return found


def _sent_alike(lines: Lines, inside: Index, mine: int) -> BoolArray:
    reach = 2 * allowed(lines.up_variance[[mine]])[0]
    alike: BoolArray = (np.abs(lines.up[inside] - lines.up[mine]) <= reach) | lines.open_ended[inside]
    return alike if not lines.open_ended[mine] else np.ones(len(inside), np.bool_)


def traded(connection: Connection, chain: Chain, gives: int, takes: int, lines: Lines) -> Chain | None:
    """A chain with one line for another; None where they do not follow each other, or do not fit."""
    if lines.start[takes] < connection.earliest or lines.end[takes] > connection.latest:
        return None
    path = np.sort(np.append(chain.lines[chain.lines != gives], takes))
    if not lines.shares[path[0]] and (lines.start[path[1:]] < lines.end[path[:-1]] - 1).any():
        return None
    begin = [float(one[path[0]]) for one in lines.begin]
    up = connection.up - float(lines.up[path].sum()) - begin[0]
    down = connection.down - float(lines.down[path].sum()) - begin[2]
    up_variance = float(lines.up_variance[path].sum()) + begin[1]
    down_variance = float(lines.down_variance[path].sum()) + begin[3]
    open_ended = bool(lines.open_ended[path].any())
    reach_up, reach_down = allowed(np.array([up_variance, down_variance])).tolist()
    if abs(down) > reach_down or up < -reach_up or (up > reach_up and not open_ended):
        return None
    return Chain(path, up, up_variance, down, down_variance, open_ended)
