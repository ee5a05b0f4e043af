"""Reduce a curve to at most 200 points, and preserve the area under it."""

from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, islice, pairwise

MAX_POINTS = 200


@dataclass(frozen=True, slots=True)
class Point:
    """A point of a curve, and the lowest score that counts as positive there; `None` if no score does."""

    x: float
    y: float
    threshold: float | None


def trapezoid(one: Point, other: Point) -> float:
    """Return the area under the straight line between two points."""
    return (other.x - one.x) * (one.y + other.y) / 2


def downsample(points: Sequence[Point], position: Callable[[Point], float]) -> list[Point]:
    """Return some of the points, including the first and the last, with nearly the same area under straight lines.

    A line adds to the area or removes from it, and later lines compensate. The difference never exceeds the smallest
    tolerance for which 200 points suffice.

    Args:
        points: the points, from left to right.
        position: returns how far along the curve a point is. It is 0 for the first point, and never falls.
    """
    positions = [position(point) for point in points]
    areas = [0.0, *accumulate(trapezoid(one, other) for one, other in pairwise(points))]
    # Unless the tolerance prevents it, any two steps in a row go further than this, so 200 points always suffice.
    reach = 2.04 * positions[-1] / MAX_POINTS
    selected: list[Point] = []
    tolerance = 2.0**-16
    while not selected or len(selected) > MAX_POINTS:
        for far in (reach, 4 * reach, 16 * reach):  # a jagged curve may need a few longer lines
            walk = _walk(points, positions, areas, far, tolerance)
            selected = [points[at] for at in islice(walk, MAX_POINTS + 1)]
            if len(selected) <= MAX_POINTS:
                break
        tolerance *= 2
    return selected


def _walk(
    points: Sequence[Point], positions: Sequence[float], areas: Sequence[float], reach: float, tolerance: float
) -> Iterator[int]:
    """Yield the indexes of the points to keep.

    Each is the furthest one in reach for which the area is right, or else the one for which it is most nearly right.
    """
    at, excess = 0, 0.0
    yield at
    while at < len(points) - 1:
        furthest = max(bisect_right(positions, positions[at] + reach) - 1, at + 1)
        excesses = {
            to: excess + trapezoid(points[at], points[to]) - (areas[to] - areas[at]) for to in range(furthest, at, -1)
        }
        least = min(excesses, key=lambda to: abs(excesses[to]))
        at = next((to for to, size in excesses.items() if abs(size) <= tolerance), least)
        excess = excesses[at]
        yield at
