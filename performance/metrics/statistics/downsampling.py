"""Curves of at most 200 points, drawn from many more, with the area that all of them have."""

from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, islice, pairwise

MAX_POINTS = 200


@dataclass(frozen=True, slots=True)
class Point:
    """A point of a curve, and the least score that counts as positive there, `None` where none does."""

    x: float
    y: float
    threshold: float | None


def trapezoid(one: Point, other: Point) -> float:
    """Return the area under a straight line between two points."""
    return (other.x - one.x) * (one.y + other.y) / 2


def downsample(points: Sequence[Point], position: Callable[[Point], float]) -> list[Point]:
    """Return some of the points, the first and the last among them, with nearly the same area under straight lines.

    `position` starts at 0 and never falls. What one line adds to the area or takes from it, later ones take back or
    add: the difference never exceeds the least tolerance for which 200 points suffice.
    """
    positions = [position(point) for point in points]
    areas = [0.0, *accumulate(trapezoid(one, other) for one, other in pairwise(points))]
    # Where no tolerance is in the way, any two steps in a row go further than this: so 200 points always suffice.
    reach = 2.04 * positions[-1] / MAX_POINTS
    found: list[Point] = []
    tolerance = 2.0**-16
    while not found or len(found) > MAX_POINTS:
        for far in (reach, 4 * reach, 16 * reach):  # a curve that jumps up and down may need some longer lines
            walk = _walk(points, positions, areas, far, tolerance)
            found = [points[at] for at in islice(walk, MAX_POINTS + 1)]
            if len(found) <= MAX_POINTS:
                break
        tolerance *= 2
    return found


def _walk(
    points: Sequence[Point], positions: Sequence[float], areas: Sequence[float], reach: float, tolerance: float
) -> Iterator[int]:
    """Yield the points to keep: each time the furthest within reach at which the area is right, or most nearly so."""
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
