"""Rates: sums by the time the capture covers, which is said beside them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from ztflow.model.tables import Flows
from ztflow.reports.model import Basis
from ztflow.text.format import duration_text, time_text


@dataclass(frozen=True, slots=True)
class Span:
    """The time that rates are over.

    Attributes:
        first: First start of a connection of the capture, within `since` and `until`.
        last: Last end.
    """

    first: datetime | None
    last: datetime | None

    @classmethod
    def of(cls, flows: Flows, basis: Basis) -> Span:
        """That of everything that was read, whatever filters left; of these flows where they were not read."""
        first, last = flows.span
        return cls(first, last) if first is not None else cls(basis.first_seen, basis.last_seen)

    @property
    def seconds(self) -> float:
        """Its length; 0 where it is not known."""
        return 0.0 if self.first is None or self.last is None else (self.last - self.first).total_seconds()

    def rate(self, amount: int) -> float | None:
        """So much a second; None where there is no time to divide by."""
        return amount / self.seconds if self.seconds > 0 else None

    def note(self) -> str:
        """The sentence that says what rates are over."""
        if self.first is None or self.last is None or not self.seconds:
            return "No rates: the connections cover no time to divide by."
        length = duration_text((self.last - self.first) / timedelta(milliseconds=1))
        return (
            f"Rates are over {length}, from the first start ({time_text(self.first)}) to the last end of a connection "
            "in the capture, filtered or not."
        )
