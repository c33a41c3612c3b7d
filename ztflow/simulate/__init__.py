"""Simulated captures: logs as ztunnel would write them, and the truth about every connection.

`simulate("storm", seed=1)` gives a `Capture`; `.write(directory)` writes logs, inventories and `truth.tsv`.
"""

from __future__ import annotations

from ztflow.simulate.capture import TRUTH_COLUMNS, Capture
from ztflow.simulate.kinds import Kind
from ztflow.simulate.l7.settings import Http
from ztflow.simulate.model import simulate
from ztflow.simulate.presets import PRESETS, preset
from ztflow.simulate.scenario import Clocks, Delays, Faults, Scenario, Shape

__all__ = [
    "PRESETS",
    "TRUTH_COLUMNS",
    "Capture",
    "Clocks",
    "Delays",
    "Faults",
    "Http",
    "Kind",
    "Scenario",
    "Shape",
    "preset",
    "simulate",
]
