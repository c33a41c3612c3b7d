"""What bursts start from: the steps of the true pairs of five captured runs.

Printed by `python benchmarks/accuracy.py --habits` for the runs 1.22.1, 1.24.6, 1.24.6-waypoint, 1.24.6-debug and
1.29.5-storm, sizes masked: bursts of four or more. The rows and columns are those of `lattice.Counts`.
"""

from __future__ import annotations

import numpy as np

from ztflow.pair.habits import Habits
from ztflow.pair.lattice import Counts

FOLLOWS = (
    (146, 0, 95, 16),
    (747, 0, 0, 29),
    (0, 0, 0, 0),
    (13, 1, 3, 1),
    (285, 34, 0, 12),
    (9, 50, 0, 0),
    (0, 0, 0, 0),
    (52, 25, 0, 6),
    (0, 0, 0, 0),
    (52, 17, 67, 12),
    (0, 0, 0, 0),
    (37, 539, 0, 94),
)
GAPS = (
    (23, 14, 38, 1025, 116, 79, 35, 11),
    (33, 43, 18, 190, 120, 135, 94, 33),
    (16, 16, 3, 52, 18, 19, 21, 20),
    (22, 10, 6, 56, 31, 25, 14, 6),
)
OWN = (
    (0, 0, 1, 87, 835, 352, 221, 180),
    (0, 0, 4, 95, 36, 62, 89, 380),
)
BATCH = (
    (1, 1, 0, 20, 27, 47, 69, 440),
    (3, 2, 5, 578, 155, 103, 130, 711),
)

SHIPPED = Habits.counted(Counts(*(np.array(rows, np.float64) for rows in (FOLLOWS, GAPS, OWN, BATCH))))
