"""What the reader has learned from earlier lines of the same input."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from ztflow.origin import NOBODY, Origin
from ztflow.read.limits import PREFIXES


@dataclass(slots=True)
class Memory:
    """Learned from earlier lines; bounded.

    Attributes:
        prefixes: Wrapper prefix, exactly as it stands before the line → who it names. Only prefixes without a time.
        names: Names before a line (`POD C`, `NS POD C`) → who they mean; tells continuation lines from noise.
        section: Writer of bare lines from here on: a START marker, `Found 3 pods, using pod/X`.
        common: Labels printed once for all lines of a Loki query.
        columns: Header of the CSV being read.
        hosts: Hosts seen in its `Host` column, when it has one; None otherwise.
        changes: How often a prefix or names were learned.
    """

    prefixes: dict[str, Origin] = field(default_factory=dict)
    names: dict[str, Origin] = field(default_factory=dict)
    section: Origin = NOBODY
    common: Origin = NOBODY
    columns: list[str] | None = None
    hosts: set[str] | None = None
    changes: int = 0

    def learn_prefix(self, prefix: str, origin: Origin) -> None:
        """Remember a prefix that is the same on every line of its writer."""
        self._learn(self.prefixes, prefix, origin)

    def learn_names(self, names: str, origin: Origin) -> None:
        """Remember names that were seen before a line of ztunnel."""
        self._learn(self.names, names, origin)

    def _learn(self, known: dict[str, Origin], text: str, origin: Origin) -> None:
        if len(known) < PREFIXES and known.get(text) != origin:
            known[text] = origin
            self.changes += 1

    def copy(self) -> Memory:
        """The same memory, to be changed apart from this one."""
        return replace(self, prefixes=dict(self.prefixes), names=dict(self.names), hosts=self.hosts and set(self.hosts))
