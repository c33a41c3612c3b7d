"""Releases of istiod and ztunnel, and from which one a rule of theirs holds.

Source of each: the comment behind it (istio/istio and istio/ztunnel at their release tags).
"""

from __future__ import annotations

from typing import NamedTuple

from ztflow.errors import UsageError
from ztflow.text.patterns import lazy_pattern

_RELEASE = lazy_pattern(r"v?(\d{1,3})\.(\d{1,3})(?:\.(\d{1,4}))?(?:-[0-9A-Za-z.-]+)?")


class Release(NamedTuple):
    """`major.minor.patch`; a release without a patch is the last of its line."""

    major: int
    minor: int
    patch: int = 9999

    @classmethod
    def parse(cls, text: str) -> Release:
        """`1.29`, `1.29.5` or `1.31.0-rc.0`.

        Raises:
            UsageError: If it is no release.
        """
        found = _RELEASE.fullmatch(text.strip())
        if found is None:
            raise UsageError(f"{text!r} is no release; write it as 1.29 or 1.29.5")
        major, minor, patch = found.groups()
        return cls(int(major), int(minor)) if patch is None else cls(int(major), int(minor), int(patch))

    def __str__(self) -> str:
        return f"{self.major}.{self.minor}" + ("" if self.patch == 9999 else f".{self.patch}")


NEWEST_RELEASE = Release(1, 31)
"""The newest release whose rules are known here; what is assumed where nothing says otherwise."""

SERVICE_ACCOUNTS = Release(1, 25, 0)
"""First with `serviceAccounts`, istiod and ztunnel; an older ztunnel does not know the field and drops it."""

DRY_RUN_HELD_BACK = Release(1, 25, 2)
"""First istiod that reads `istio.io/dry-run`, and then sends nothing; an older one sends the policy as a real one."""

DRY_RUN = Release(1, 29, 0)
"""First ztunnel that knows `dryRun`, and first istiod that can send it; an older ztunnel enforces what it gets."""

KEEPS_OLD_CONNECTIONS = Release(1, 24, 0)
"""First ztunnel that does not cut open connections when a policy comes that selects workloads."""

NAMES_POLICY = Release(1, 24, 0)
"""First ztunnel whose refusals name the DENY policy."""
