"""The tables of sample sizes in the documentation say what the intervals of the product need."""

from functools import cache

import pytest
from scipy.stats import binom

from docs.hooks import tables
from performance.metrics.paired.matrices import RightAlone, accuracy_difference
from performance.metrics.statistics.intervals import wilson
from tests.e2e.test_docs import rows

FOR_NINE_OF_TEN = 2.7


@cache
def sizes(name: str) -> dict[tuple[float, float], int]:
    """Return the sample sizes of a table, by the share of its row and the margin of its column."""
    shares = [float(row[0].rstrip("%")) / (100 if "%" in row[0] else 1) for row in rows(tables.TABLES[name]())]
    return {
        (share, margin): int(cell.replace(",", ""))
        for share, row in zip(shares, rows(tables.TABLES[name]()), strict=True)
        for margin, cell in zip(tables.MARGINS, row[1:], strict=True)
    }


def keeps_limit(size: int, better: float, worse: float, limit: float) -> bool:
    interval = accuracy_difference(RightAlone.of_equal_weights(size, better, worse))
    return interval is not None and interval.lower >= -limit


@pytest.mark.parametrize("cell", sizes("paired-sample-sizes"))
def test_a_limit_on_regression_needs_as_many_examples_as_the_table_says(cell: tuple[float, float]) -> None:
    share, limit = cell
    size = sizes("paired-sample-sizes")[cell]

    alone = share / 2  # of each version
    assert keeps_limit(size, alone * size, alone * size, limit)
    assert not keeps_limit(size - 1, alone * (size - 1), alone * (size - 1), limit)


@pytest.mark.parametrize("cell", [(0.8, 0.05), (0.9, 0.02), (0.95, 0.01), (0.99, 0.01)])
def test_half_of_all_test_sets_of_the_size_pass_a_threshold_and_nine_of_ten_larger_ones(
    cell: tuple[float, float],
) -> None:
    share, margin = cell

    def passing(size: int) -> float:
        """Return the probability that the lower end of Wilson's interval keeps the threshold."""
        ends = ((right, wilson(right / size, size)) for right in range(size + 1))
        least = next(right for right, interval in ends if interval and interval.lower >= share - margin)
        return float(binom.sf(least - 1, size, share))

    size = sizes("sample-sizes")[cell]
    assert 0.45 < passing(size) < 0.6
    assert passing(round(FOR_NINE_OF_TEN * size)) > 0.89


@pytest.mark.parametrize("cell", [(0.02, 0.05), (0.05, 0.02), (0.1, 0.05), (0.18, 0.05)])
def test_half_of_all_test_sets_of_the_size_pass_a_limit_and_nine_of_ten_larger_ones(cell: tuple[float, float]) -> None:
    share, limit = cell

    def passing(size: int) -> float:
        """Return the probability of all numbers of examples that either version alone is right about that pass."""
        total = 0.0
        for differing in range(int(binom.ppf(1 - 1e-6, size, share)) + 1):
            passes = [keeps_limit(size, differing - worse, worse, limit) for worse in range(differing + 1)]
            chance = sum(binom.pmf(worse, differing, 0.5) for worse, passed in enumerate(passes) if passed)
            total += float(binom.pmf(differing, size, share) * chance)
        return total

    size = sizes("paired-sample-sizes")[cell]
    assert 0.45 < passing(size) < 0.6
    assert passing(round(FOR_NINE_OF_TEN * size)) > 0.89
