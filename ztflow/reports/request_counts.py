"""How many requests the logs of waypoints have, and how many of them went wrong by the waypoint's word."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from ztflow.aggregate import View
from ztflow.columns.dtypes import BoolArray
from ztflow.model.vocabulary import RequestFate, RequestOutcome
from ztflow.text.format import counted

SERVER_ERROR = 500
"""A code from here on is a server's own failure."""


@dataclass(frozen=True, slots=True)
class RequestCounts:
    """Requests in the logs of waypoints; filters on connections leave them as they are, time limits do not.

    Attributes:
        requests: Requests.
        tcp: Connections of plain TCP.
        refused: Of both, those the waypoint refused.
        failed: Those to which it got no whole answer from a server.
        gave_up: Those whose client broke off.
        server_errors: Requests that a server answered with 500 or above.
        joined: Of both, those whose connection is decided; None where nothing was joined.
    """

    requests: int
    tcp: int
    refused: int
    failed: int
    gave_up: int
    server_errors: int
    joined: int | None

    @classmethod
    def of(cls, tables: Sequence[pa.Table]) -> RequestCounts | None:
        """The counts of some requests (`aggregate.requests.SERVED`); None without any table."""
        if not tables:
            return None
        view = View(pa.concat_tables(tables))
        count, tcp = view.numbers("requests")[0], view.numbers("tcp")[0].astype(np.bool_)

        def total(mask: BoolArray) -> int:
            return int(count[mask].sum())

        answered = view.equals("outcome", RequestOutcome.ANSWERED) & (view.numbers("code")[0] >= SERVER_ERROR)
        return cls(
            total(~tcp),
            total(tcp),
            total(view.equals("outcome", RequestOutcome.REFUSED)),
            total(view.equals("outcome", RequestOutcome.FAILED)),
            total(view.equals("outcome", RequestOutcome.GAVE_UP)),
            total(answered),
            total(view.equals("fate", RequestFate.JOINED)) if view.known("fate").any() else None,
        )

    def text(self) -> str:
        """All of it as a phrase."""
        plain = f" and {counted(self.tcp, 'connection')} of plain TCP" if self.tcp else ""
        return (
            f"{self.requests:,}{plain} in logs of waypoints: {self.refused:,} refused there, {self.failed:,} failed, "
            f"{self.gave_up:,} given up by clients, {self.server_errors:,} answered with 500 or above; "
            "report waypoints has them"
        )
