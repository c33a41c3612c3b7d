"""One pipeline for files, pipes and live views: read batches in, placed flows (or access lines) out.

Every session has the same verbs. `feed` takes what was read and gives what is certain by then, `finish` gives the rest;
`advance` tells those that pair live input that it was quiet for a while. They differ only in what they wait for:

- `Session`: finite input. Nothing comes before the end, because what the last line says of a node may place the first
  connection; what does not fit in memory waits on disk.
- `LiveSession`: an input that goes on. A flow comes as soon as no line within the window can change it.
- `GrowingSession`: an input that is looked at before its end, however long it goes on: `picture` at any time, equal to
  what a `Session` fed with the same lines gives, but for the flows that were too many and went into a total.
- `RecordSession`: access lines without pairing, of finite or live input.

These are four classes and not one with modes, because a mode would be asked for in every method; topology, owners and
counts are in one base, `Pipeline`. All of them count into one `read.ReadReport`.
"""

from __future__ import annotations

from ztflow.session.growing import LINES_KEPT, GrowingSession, Total
from ztflow.session.pairing import LIVE_WINDOW, LiveSession, Pipeline, Session
from ztflow.session.records import RecordSession, no_flows

__all__ = [
    "LINES_KEPT",
    "LIVE_WINDOW",
    "GrowingSession",
    "LiveSession",
    "Pipeline",
    "RecordSession",
    "Session",
    "Total",
    "no_flows",
]
