"""Compute intervals of metrics of several cells of a confusion matrix, by simulation with a fixed seed.

The cells are drawn from two confidence distributions. The pessimistic one has a fraction of an error more than was
seen, and its 2.5% quantile is the lower end. The optimistic one has half a right example more in each class, and its
97.5% quantile is the upper end. With one proportion, such a pair lies between the intervals of Jeffreys and of Clopper
& Pearson. Combining several: Fay, Proschan & Brittain (2015), Combining one-sample confidence procedures for inference
in the two-sample case, doi:10.1111/biom.12231

The simulation needs the cells alone, so its cost doesn't depend on the number of examples.
"""

import math
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from operator import add

from performance.metrics.statistics.confidence import CONFIDENCE_LEVEL
from performance.metrics.statistics.intervals import Interval
from performance.metrics.statistics.margins import MarginMetric, Margins

METHOD = "melded"
DRAWS = 500
MAX_GAMMAS = 600  # of each draw
EXTRA = 0.5  # examples
SEED = 20260313


@dataclass(frozen=True, slots=True)
class EffectiveCell:
    """A cell with examples: their effective number, and the weight of each."""

    row: int
    column: int
    size: float
    unit: float


@dataclass(frozen=True)
class Melding:
    """The distributions of the margins of a confusion matrix.

    `units` are the weights of an effective example of each class, 0 for a class without examples.
    """

    cells: Sequence[EffectiveCell]
    units: Sequence[float]

    @property
    def is_feasible(self) -> bool:
        """Whether there are few enough cells and at least two classes."""
        return len(self.units) > 1 and len(self.cells) + 3 * len(self.units) <= MAX_GAMMAS

    def interval(self, metric: MarginMetric, value: float, *, errors_by_class: bool) -> Interval:
        """Return the interval of a metric around its value.

        The pessimistic distribution has half an error more in each class if `errors_by_class`, as an average over
        classes needs, else one in all classes together.
        """
        lower = sorted(metric(pessimistic[errors_by_class]) for pessimistic, _ in self._draws)
        upper = sorted(metric(optimistic) for _, optimistic in self._draws)
        rank = math.floor((1 - CONFIDENCE_LEVEL) / 2 * DRAWS)
        return Interval(min(lower[rank], value), max(upper[-1 - rank], value), METHOD)

    @cached_property
    def _draws(self) -> list[tuple[tuple[Margins, Margins], Margins]]:
        return list(self._simulate(random.Random(SEED)))  # noqa: S311  (a simulation)

    def _simulate(self, source: random.Random) -> Iterator[tuple[tuple[Margins, Margins], Margins]]:
        """Yield the pessimistic margins with one error more in all and in each class, and the optimistic ones."""
        classes = len(self.units)
        in_all = 1 / classes
        for _ in range(DRAWS):
            diagonal, rows, columns = [0.0] * classes, [0.0] * classes, [0.0] * classes
            for cell in self.cells:
                weight = source.gammavariate(cell.size, 1.0) * cell.unit
                rows[cell.row] += weight
                columns[cell.column] += weight
                if cell.row == cell.column:
                    diagonal[cell.row] += weight
            right = [source.gammavariate(EXTRA, 1.0) * unit for unit in self.units]
            wrong_as = [(row + source.randrange(1, classes)) % classes for row in range(classes)]
            few = [source.gammavariate(in_all, 1.0) * unit for unit in self.units]
            more = [source.gammavariate(EXTRA - in_all, 1.0) * unit if in_all < EXTRA else 0.0 for unit in self.units]
            many = [one + other for one, other in zip(few, more, strict=True)]
            yield (
                (
                    _with_errors(diagonal, rows, columns, few, wrong_as),
                    _with_errors(diagonal, rows, columns, many, wrong_as),
                ),
                Margins(_sum(diagonal, right), _sum(rows, right), _sum(columns, right)),
            )


def _with_errors(
    diagonal: Sequence[float],
    rows: Sequence[float],
    columns: Sequence[float],
    errors: Sequence[float],
    wrong_as: Sequence[int],
) -> Margins:
    """Return the margins with more errors, one for each class, and the classes that they are predicted as."""
    predicted = list(columns)
    for column, error in zip(wrong_as, errors, strict=True):
        predicted[column] += error
    return Margins(diagonal, _sum(rows, errors), predicted)


def _sum(left: Sequence[float], right: Sequence[float]) -> list[float]:
    return list(map(add, left, right))
