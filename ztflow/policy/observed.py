"""What the log says the destination's ztunnel made of each connection: let in, refused, or not told."""

from __future__ import annotations

import numpy as np

from ztflow.aggregate import View
from ztflow.columns.dtypes import BoolArray
from ztflow.model.vocabulary import FlowPath, Verdict
from ztflow.policy.connections import inbound_seen


def refused_by_policy(view: View) -> BoolArray:
    """Connections a policy refused or cut: the server's line says so, or the client's says 401."""
    return view.equals("verdict", Verdict.DENIED)


def let_in(view: View) -> BoolArray:
    """Connections the server's ztunnel let in.

    The server's line without a policy's refusal says so, however the connection ended; so does a client's line of a
    tunnel to it that ended well. A client's plaintext line does not: it ends well also where the server refused it.
    """
    on_its_way = view.known("path")
    told_by_server = inbound_seen(view) & on_its_way & ~view.equals("verdict", Verdict.DENIED, Verdict.UNKNOWN)
    tunnel = view.equals("path", FlowPath.HBONE, FlowPath.DOUBLE_HBONE)
    result: BoolArray = np.asarray(told_by_server | (tunnel & view.equals("verdict", Verdict.FORWARDED)))
    return result
