r"""What a name can hold: the one check of workloads, namespaces, services, clusters, identities and hosts.

ztunnel takes them from the control plane: names of Kubernetes objects, host names, SPIFFE identities. None of them
holds a blank, a control character, the time of day, a `key=` of the log, a quote, a bracket or the dots of an
abridgement. Where one does, the line was damaged on its way (a fold, a second time of the kubelet, a lost blank or
quote, `<snip>`), and a wrong name would be worse than no record. The same holds for an identity that has lost a part of
its form. Letters of any script pass, and a name wholly in brackets, which is how some mask it. Source: Kubernetes'
`apimachinery/pkg/util/validation` (RFC 1123 names), the SPIFFE-ID standard 2.1; istio/ztunnel `src/state/workload.rs`
at 1.24.0 takes the rest over as they come.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final, NamedTuple

from ztflow.model.schema import FIELD_BY_KEY
from ztflow.text.patterns import lazy_pattern

KNOWN_KEYS: Final = "|".join(sorted(map(re.escape, FIELD_BY_KEY), key=len, reverse=True))
"""Every key of an access line, as an alternative of a pattern, the longest first."""

STAMP: Final = r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d"
"""Date and time of day, as far as all writers of RFC 3339 agree."""

PLAIN_NAME: Final = r"[0-9A-Za-z._-]"
"""A character of the names Kubernetes gives; a name of these only can be wrong by its dots alone."""

_WRONG = lazy_pattern(
    r"(?P<control>[\x00-\x08\x0a-\x1f\x7f-\x9f])"
    r"|(?P<blank>[\s\u200b-\u200f\u2028-\u202e\u2060-\u2064\ufeff\u00ad])"
    rf"|(?P<stamp>{STAMP})"
    rf"|(?P<key>(?:{KNOWN_KEYS})=)"
    r"|(?P<dots>\.\.\.|[\u2026\u2192])"
    r"|(?P<print>[\u2010-\u2015\u2018-\u201f\u2212\u00ab\u00bb\uff02])"
    r"|(?P<mark>[$&'\",;=?\\^`{|}]|#[0-7]{3}|[<>\[\]()])"
)
_SAYS = {
    "control": "a name with a control character in it",
    "blank": "a name with a blank in it",
    "stamp": "a name with a time in it",
    "key": "a name with the next field in it",
    "dots": "a name that was abridged",
    "print": "a name with a word processor's quote or dash in it",
    "mark": "a name with a mark in it that none has",
}
_MASKED = lazy_pattern(r"<[\w.*-]+>|\[[\w.*-]+\]")
_IDENTITY = lazy_pattern(r"spiffe://[^/]+/ns/[^/]+/sa/[^/]+|NetworkGateway/.*")
_KEPT: Final = 8192


class Wrong(NamedTuple):
    """Why a text cannot be a name, and where, from 0."""

    detail: str
    offset: int


@lru_cache(maxsize=_KEPT)
def wrong_name(text: str) -> Wrong | None:
    r"""What shows that a text is no name, or not only one; None for a name.

    Examples:
        >>> wrong_name("spiffe://cluster.local/ns/shop/sa/web")
        >>> wrong_name("web-6b\n7f9c5d4-x2x9q")
        Wrong(detail='a name with a control character in it', offset=6)
    """
    for found in _WRONG.finditer(text):
        if found.lastgroup != "mark" or _MASKED.fullmatch(text) is None:
            return Wrong(_SAYS[str(found.lastgroup)], found.start())
    if ("/ns/" in text or "/sa/" in text) and _IDENTITY.fullmatch(text) is None:
        return Wrong("an identity that has lost a part of its form", 0)
    return None


_STAMPED = lazy_pattern(r"(?<=[\w.,/-])\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}(?:Z|[+-]\d\d:\d\d)(?: |\Z)")


def stamp_in_error(text: str) -> int | None:
    """Where the time of a kubelet stands in the middle of a word of an error text, from 0; None: nowhere.

    An error is free text and may quote times; only one of nine digits, directly after a word, is surely not its own.
    """
    found = _STAMPED.search(text)
    return None if found is None else found.start()
