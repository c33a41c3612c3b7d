"""Advice: least-privilege policies for ambient, drafted from connections that were seen.

`seen` counts, `judge` and `decide` say which connections a rule covers and which not (`reasons`), `selectors` which
labels select a workload. `documents` and `manifests` write it down, `folder` puts it in its place, and `earlier`
compares it with policies that are there. Nothing is ever applied to a cluster.
"""

from ztflow.policy.advice.advise import Advice, Wanted, advise
from ztflow.policy.advice.decide import Decided, Draft, Refused
from ztflow.policy.advice.documents import Document
from ztflow.policy.advice.folder import check_folder, write_folder
from ztflow.policy.advice.judge import Asked
from ztflow.policy.advice.manifests import manifest
from ztflow.policy.advice.reasons import BREAKABLE, EXPLANATIONS, WRITABLE, Reason
from ztflow.policy.advice.seen import Seen

__all__ = [
    "BREAKABLE",
    "EXPLANATIONS",
    "WRITABLE",
    "Advice",
    "Asked",
    "Decided",
    "Document",
    "Draft",
    "Reason",
    "Refused",
    "Seen",
    "Wanted",
    "advise",
    "check_folder",
    "manifest",
    "write_folder",
]
