"""Policies: what ztunnel makes of AuthorizationPolicies and PeerAuthentications, and of recorded connections with them.

`loading` reads files, `convert` does what istiod does, `evaluate` what ztunnel does; `model` says what a policy is.
"""

from ztflow.policy.convert import Mesh, convert
from ztflow.policy.evaluate import Decision, Evaluation, Outcome, Why, evaluate
from ztflow.policy.loading import PolicyFiles, load_policies
from ztflow.policy.matching import Missing
from ztflow.policy.model import Note, NoteKind, Policy, PolicySet, Workload
from ztflow.policy.releases import NEWEST_RELEASE, Release
from ztflow.policy.workloads import Workloads

__all__ = [
    "NEWEST_RELEASE",
    "Decision",
    "Evaluation",
    "Mesh",
    "Missing",
    "Note",
    "NoteKind",
    "Outcome",
    "Policy",
    "PolicyFiles",
    "PolicySet",
    "Release",
    "Why",
    "Workload",
    "Workloads",
    "convert",
    "evaluate",
    "load_policies",
]
