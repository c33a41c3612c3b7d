"""What each report tells apart, so that `aggregate.fold.Fold` can add up the rest: reports of more than fits in memory.

A report with a shape here takes what the fold of that shape gives (`FoldedFlows`), and says exactly what it says of the
connections themselves; tests hold that for any connections. What a report newly looks at has to be in its shape.
"""

from __future__ import annotations

from ztflow.aggregate import View
from ztflow.aggregate.encryption import mtls_kinds
from ztflow.aggregate.fold import LIFE, Shape, Together, Where
from ztflow.aggregate.timeline import TIMED
from ztflow.columns.dtypes import BoolArray
from ztflow.model.vocabulary import REFUSED, GraphLevel
from ztflow.reports.egress import outside
from ztflow.reports.latency import LIVES, beyond

_BASIS = ("unpaired_reason",)
_PORTS = ("hbone_port", "dst_port")
_CAUSE = (
    *_PORTS, "error_class", "policy", "inbound_error", "outbound_error", "src_identity", "dst_service", "src_ip",
    "src_name", "src_service_account", "locality_evidence",
)  # fmt: skip
"""What `refusals` looks at."""


def _refused(view: View) -> BoolArray:
    return view.equals("verdict", *REFUSED)


def _asked(view: View) -> BoolArray:
    found: BoolArray = view.numbers("request_bytes")[0] > 0
    return found


def _told(view: View) -> BoolArray:
    found: BoolArray = view.numbers("response_bytes")[0] > 0
    return found


def _plain(view: View) -> BoolArray:
    return mtls_kinds(view)["plaintext"]


def _nodes(by: str) -> tuple[Together, ...]:
    """What rows of pairs at a level look at: on which nodes their two ends are, each by itself."""
    pair, nodes = (by,), (by, GraphLevel.NODE)
    return Together(nodes, pair), Together(pair, nodes)


def _of_refusals(*more: str, each: tuple[str, ...] = (), plain: bool = False, kept: tuple[Together, ...] = ()) -> Shape:
    where = (Where(_refused, _CAUSE, (GraphLevel.NODE,)), Where(_plain, (*_PORTS, "dst_service")))
    return Shape(
        levels=(GraphLevel.WORKLOAD,),
        same=(*_BASIS, *more),
        known=("src_pod", "src_name", "dst_service"),
        where=where if plain else where[:1],
        kept=kept,
        each=each,
    )


_SEAT = (GraphLevel.POD, GraphLevel.NODE)
_ENDS = (GraphLevel.WORKLOAD, GraphLevel.ZONE, GraphLevel.POD)
SUMMARY = _of_refusals("path", each=LIFE, kept=_nodes(GraphLevel.WORKLOAD))
_SHAPES = {
    "locality": Shape(
        levels=(GraphLevel.WORKLOAD, GraphLevel.NODE, GraphLevel.ZONE, GraphLevel.CLUSTER),
        same=(*_BASIS, "path", "dst_service"),
        known=("src_cluster", "dst_cluster"),
        kept=(Together(source=_ENDS), Together(target=_ENDS)),
        each=LIFE,
    ),
    "mtls": _of_refusals("path", each=LIFE, plain=True),
    "denied": _of_refusals(),
    "failures": _of_refusals(),
    "egress": Shape(
        levels=(GraphLevel.WORKLOAD,),
        same=_BASIS,
        known=("dst_service",),
        where=(Where(outside, (*_PORTS, "dst_ip", "dst_service")),),
        each=LIFE,
    ),
    "identities": Shape(
        levels=(GraphLevel.WORKLOAD,),
        same=(*_BASIS, "src_identity", "dst_identity"),
        known=("src_pod", "src_name"),
    ),
}


def compared(by: str) -> Shape:
    """What `diff` tells apart at a level; what of its two captures is told apart is the same."""
    return Shape(levels=(by,), same=_BASIS, each=LIFE)


def shape_of(name: str, by: str = "workload") -> Shape | None:
    """What a report tells apart; None for one that needs the connections themselves.

    Args:
        name: One of `REPORTS`.
        by: Level of its names, where it has one.

    Raises:
        UsageError: `by` is no level.
    """
    match name:
        case "traffic":
            return Shape(
                levels=(by,),
                same=(*_BASIS, "dst_service"),
                targets=(("dst_service", GraphLevel.POD),),
                kept=(*_nodes(by), Together(_SEAT, (), "dst_service"), Together((), _SEAT, "dst_service")),
                each=(*LIFE, *TIMED),
            )
        case "latency":
            return Shape(
                levels=(by,),
                same=(*_BASIS, "path", *_PORTS),
                known=("inbound_duration_ms",),
                # Sums of both ways do not tell whether any carried both.
                where=(Where(_asked), Where(_told), Where(beyond)),
                each=LIVES,
            )
    return _SHAPES.get(name)
