"""What moving bytes between zones costs: a price for each direction, given by the user, never built in."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from math import inf

from ztflow.errors import UsageError

GB = 10**9
"""Bytes in the gigabyte clouds bill by."""


@dataclass(frozen=True, slots=True)
class Price:
    """Money for each GB that leaves one zone for another.

    Attributes:
        egress: Charged to the sending side.
        ingress: Charged to the receiving side.
    """

    egress: float
    ingress: float


@dataclass(frozen=True, slots=True)
class Prices:
    """Prices between zones.

    Attributes:
        default: For every pair of two zones the table does not name; None leaves those without a price.
        table: (sending zone, receiving zone) → price.
        currency: What the numbers are in.
    """

    default: Price | None = None
    table: Mapping[tuple[str, str], Price] = field(default_factory=dict)
    currency: str = "USD"

    def of(self, sender: str, receiver: str) -> Price | None:
        """The price for bytes from one zone to another; free inside a zone unless the table says otherwise."""
        named = self.table.get((sender, receiver))
        if named is not None:
            return named
        return Price(0.0, 0.0) if sender == receiver else self.default

    @classmethod
    def parse(cls, text: str) -> Prices:
        """Prices from a short text: `0.01` (each direction), `0.02:0` (egress:ingress), `0.01 EUR`.

        Raises:
            UsageError: The text is none of these.
        """
        match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)(?::(\d+(?:\.\d+)?))?\s*([A-Za-z]{3})?\s*", text, re.ASCII)
        if match is None:
            raise UsageError(
                f"{text!r} is no price; write 0.01, or egress:ingress as 0.02:0, with a currency as 0.01 EUR"
            )
        egress = float(match[1])
        price = Price(egress, egress if match[2] is None else float(match[2]))
        if inf in {price.egress, price.ingress}:
            raise UsageError(f"the price of {len(text)} digits is too large")
        return cls(price, {}, (match[3] or "USD").upper())

    @classmethod
    def from_csv(cls, text: str) -> Prices:
        """Prices from CSV with the columns `from_zone,to_zone,egress_per_gb` and maybe `ingress_per_gb,currency`.

        A row with `*` for both zones is the default; without `ingress_per_gb` the receiving side pays nothing.

        Raises:
            UsageError: It is no CSV, a column is missing, a price is no number, or currencies differ.
        """
        reader = csv.DictReader(io.StringIO(text))
        try:
            return cls._of_rows(reader)
        except csv.Error as error:
            raise UsageError(f"line {reader.line_num + 1} of the price table is no CSV: {error}") from error

    @classmethod
    def _of_rows(cls, reader: csv.DictReader[str]) -> Prices:
        missing = {"from_zone", "to_zone", "egress_per_gb"} - set(reader.fieldnames or ())
        if missing:
            raise UsageError(f"the price table lacks the column {', '.join(sorted(missing))}")
        default: Price | None = None
        table: dict[tuple[str, str], Price] = {}
        currencies = set()
        for row in reader:
            where = f"line {reader.line_num} of the price table"
            try:
                price = Price(float(row["egress_per_gb"]), float(row.get("ingress_per_gb") or 0))
            except (TypeError, ValueError):
                raise UsageError(f"{where}: a price is no number") from None
            if not (0 <= price.egress < inf and 0 <= price.ingress < inf):
                raise UsageError(f"{where}: a price is negative, infinite or no number")
            currencies.add((row.get("currency") or "USD").strip().upper())
            zones = ((row["from_zone"] or "").strip(), (row["to_zone"] or "").strip())
            if not all(zones):
                raise UsageError(f"{where}: a zone is missing")
            if zones == ("*", "*"):
                default = price
            else:
                table[zones] = price
        if len(currencies) > 1:
            raise UsageError(f"the price table mixes currencies: {', '.join(sorted(currencies))}")
        return cls(default, table, currencies.pop() if currencies else "USD")
