"""The assignment that costs least, in plain loops: each row by the shortest augmenting path (Jonker and Volgenant)."""

from __future__ import annotations

from typing import NamedTuple

from ztflow.columns.dtypes import FloatArray
from ztflow.jit.link import FloatRow, IntRow

UNREACHED = 1e300
"""More than any path costs."""


class Assigned(NamedTuple):
    """What is assigned, and room to work in; rows and columns are those of the smaller and the larger side.

    Attributes:
        column: Column of each row.
        row: Row of each column, or -1.
        row_price: Dual of each row.
        column_price: Dual of each column.
        shortest: Cost of the shortest path to each column.
        path: The row before each column on it.
        left: Columns not reached yet.
        reached: Columns reached, in turn.
    """

    column: IntRow
    row: IntRow
    row_price: FloatRow
    column_price: FloatRow
    shortest: FloatRow
    path: IntRow
    left: IntRow
    reached: IntRow


def assign(cost: FloatArray, rows: int, columns: int, found: Assigned) -> bool:
    """Assign the smaller side of a table to the larger one; true where rows and columns changed places for that."""
    turned = rows > columns
    few, many = (columns, rows) if turned else (rows, columns)
    for column in range(many):
        found.row[column] = -1
        found.column_price[column] = 0.0
    for row in range(few):
        found.row_price[row] = 0.0
        found.column[row] = -1
    for row in range(few):
        augment(cost, turned, many, row, found)
    return turned


def augment(cost: FloatArray, turned: bool, many: int, start: int, found: Assigned) -> None:
    """Assign one more row."""
    for column in range(many):
        found.left[column] = column
        found.shortest[column] = UNREACHED
    left, reached, row, least, end = many, 0, start, 0.0, -1
    while end < 0:
        nearest, lowest = -1, UNREACHED
        base = least - found.row_price[row]
        for place in range(left):
            column = found.left[place]
            reduced = base + (cost[column, row] if turned else cost[row, column]) - found.column_price[column]
            if reduced < found.shortest[column]:
                found.shortest[column] = reduced
                found.path[column] = row
            shortest = found.shortest[column]
            if shortest < lowest or (shortest == lowest and found.row[column] < 0):
                lowest, nearest = shortest, place
        least = lowest
        column = found.left[nearest]
        left -= 1
        found.left[nearest] = found.left[left]
        if found.row[column] < 0:
            end = column
        else:
            found.reached[reached] = column
            reached += 1
            row = found.row[column]
    found.row_price[start] += least
    for place in range(reached):
        column = found.reached[place]
        found.row_price[found.row[column]] += least - found.shortest[column]
        found.column_price[column] -= least - found.shortest[column]
    column, row = end, -1
    while row != start:
        row = found.path[column]
        found.row[column] = row
        before = found.column[row]
        found.column[row] = column
        column = before


def partner_in(found: Assigned, turned: bool, out: int) -> int:
    """The column of a row of the table, or -1."""
    return int(found.row[out] if turned else found.column[out])
