"""What the mesh made of each connection's encryption: one home for reports, graphs and maps."""

from __future__ import annotations

from ztflow.aggregate.view import View
from ztflow.columns.dtypes import BoolArray
from ztflow.model.vocabulary import Paired, Verdict

ENCRYPTION: dict[str, str] = {
    "mtls": "in a tunnel of the mesh",
    "plaintext": "from or to a workload of the cluster, without a tunnel",
    "plaintext_refused": "an attempt in plaintext, refused by the server's ztunnel",
    "left_mesh": "to an address that no workload of the cluster is known for",
}
"""Each kind with its meaning; a connection of none is of unknown encryption."""


def mtls_kinds(view: View) -> dict[str, BoolArray]:
    """Rows of each of `ENCRYPTION`; a row is of one at most, and its own columns alone say of which."""
    values, known = view.numbers("mtls")
    plain = known & ~values.astype(bool)
    refused = plain & view.equals("verdict", Verdict.DENIED)
    named = view.known("dst_pod") | view.known("dst_name")
    left = plain & ~refused & ~named & view.equals("paired", Paired.OUTBOUND_ONLY)
    masks = (known & values.astype(bool), plain & ~refused & ~left, refused, left)
    return dict(zip(ENCRYPTION, masks, strict=True))
