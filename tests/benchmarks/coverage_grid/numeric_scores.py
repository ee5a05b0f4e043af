"""Sum scores with NumPy as the statements of `performance.metrics.statistics.scores` do.

That both give the same intervals is tested in `tests.performance.metrics`.
"""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
from scipy import stats

from performance.metrics.statistics.intervals import effective_sample_size
from performance.metrics.statistics.means import Mean
from performance.metrics.statistics.scores import EXAMPLES, Scores, Units

Numbers = npt.NDArray[np.float64]


def mean_of(values: Numbers, weight: Numbers | None = None) -> Mean:
    """Return a weighted mean as its sums."""
    w = np.ones(len(values)) if weight is None else weight
    squares = w * w
    sums = (w.sum(), squares.sum(), w @ values, squares @ values, squares @ values**2)
    return Mean(*map(float, sums))


def scores_of(
    units: Units,
    deviations: Mapping[str, Numbers],
    weight: Numbers | None = None,
    of_examples: Mapping[str, Numbers] | None = None,
) -> dict[str, Scores]:
    """Return the scores of metrics, from the deviation of each unit, and of each example of groups."""
    count, examples = len(next(iter(deviations.values()))), of_examples or {}
    w = np.ones(count) if weight is None else weight
    size = effective_sample_size(float(w.sum()), float((w * w).sum())) if units is EXAMPLES else float(count)
    return {
        name: Scores(
            units,
            size,
            mean_of(each, w),
            float(w**3 @ each**3),
            float(each.min()),
            float(each.max()),
            (examples[name] ** 2).mean() ** 1.5 / np.sqrt(len(examples[name])) if name in examples else 0.0,
        )
        for name, each in deviations.items()
    }


def student_ends(values: Numbers) -> tuple[Numbers, Numbers]:
    """Return the ends of Student's interval of a mean, each as an array of one."""
    margin = stats.t.ppf(0.975, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values))
    return np.array([values.mean() - margin]), np.array([values.mean() + margin])
