"""Grouping connections: the one aggregation behind graphs and reports.

Rows become integer group codes (`View`), ends become vertices of a level (`vertices`), and a group becomes one
`Measures`. Work per row is done by Arrow and numpy on codes; Python runs once per distinct end or group.
"""

from __future__ import annotations

from ztflow.aggregate.levels import LEVELS, UNKNOWN, Vertex, Vertices, check_level, ends_columns, vertices
from ztflow.aggregate.measures import Measures, measure, scalars
from ztflow.aggregate.view import View
from ztflow.columns.dictionaries import Coded
from ztflow.columns.grouping import Groups

__all__ = [
    "LEVELS",
    "UNKNOWN",
    "Coded",
    "Groups",
    "Measures",
    "Vertex",
    "Vertices",
    "View",
    "check_level",
    "ends_columns",
    "measure",
    "scalars",
    "vertices",
]
