"""Order and statistics of a few numbers, in plain loops: compiled code has no memory of its own to sort in."""

from __future__ import annotations

from ztflow.columns.dtypes import FloatArray, IntArray


def sort(values: FloatArray | IntArray, count: int, order: IntArray, room: IntArray) -> None:
    """Fill in the places of the first values in rising order, equal ones as they came; `room` is as long as `order`."""
    for place in range(count):
        order[place] = place
    width = 1
    while width < count:
        for start in range(0, count, 2 * width):
            middle, stop = min(start + width, count), min(start + 2 * width, count)
            left, right = start, middle
            for at in range(start, stop):
                if left < middle and (right >= stop or values[order[left]] <= values[order[right]]):
                    room[at] = order[left]
                    left += 1
                else:
                    room[at] = order[right]
                    right += 1
        for place in range(count):
            order[place] = room[place]
        width *= 2


def middle_of(values: FloatArray, order: IntArray, count: int) -> float:
    """The median of the first values, whose order is given: `group_statistics.middle`."""
    half = count // 2
    if count % 2:
        return float(values[order[half]])
    return float((values[order[half - 1]] + values[order[half]]) / 2)


def quantile_of(values: FloatArray, order: IntArray, count: int, share: float) -> float:
    """A quantile of the first values, whose order is given: `group_statistics.quantile`."""
    place = share * (count - 1)
    at = int(place)
    below, above = float(values[order[at]]), float(values[order[min(at + 1, count - 1)]])
    part = place - at
    return above - (above - below) * (1 - part) if part >= 0.5 else below + (above - below) * part
