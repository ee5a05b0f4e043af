"""Rank the scores of many samples at once with NumPy, as the statements of `performance.metrics.statistics.roc` do.

That both give the same intervals is tested in `tests.performance.metrics`.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Numbers = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Influences:
    """A metric of each sample, and the influence of each of its examples.

    `corrected` are the influences times what corrects the variance for the number of examples.
    """

    values: Numbers
    of_examples: Numbers
    corrected: Numbers

    @property
    def variances(self) -> Numbers:
        """The variance of each sample's metric if examples are independent."""
        return np.asarray((self.corrected**2).sum(axis=1))


def ranked_influences(positive: npt.NDArray[np.bool_], score: Numbers) -> tuple[Influences, Influences]:
    """Return ROC AUC and average precision of samples, one in each row, with as many positives in each."""
    order = np.argsort(-score, axis=1)  # in any order among ties
    of, scores = np.take_along_axis(positive.astype(float), order, 1), np.take_along_axis(score, order, 1)
    apart = scores[:, 1:] != scores[:, :-1]
    edge = np.ones((len(of), 1), dtype=bool)
    is_first, is_last = np.hstack([edge, apart]), np.hstack([apart, edge])
    true_from, all_from = _at_last(of.cumsum(1), is_last), _at_last(np.ones_like(of).cumsum(1), is_last)
    true_before = _before_first(of.cumsum(1) - of, is_first)
    false_before = _before_first((1 - of).cumsum(1) - 1 + of, is_first)
    false_from = all_from - true_from
    positives, negatives = of.sum(1, keepdims=True), (1 - of).sum(1, keepdims=True)
    unbiased = [np.sqrt(size / np.maximum(size - 1, 1)) for size in (positives, negatives)]

    placement = np.where(
        of == 1, 1 - (false_from + false_before) / 2 / negatives, (true_from + true_before) / 2 / positives
    )
    area = (of * placement).sum(1, keepdims=True) / positives
    of_area = (placement - area) / np.where(of == 1, positives, negatives)

    precise = true_from / all_from
    average = (of * precise).sum(1, keepdims=True) / positives
    raised = _at_first(_upwards(of * false_from / all_from**2), is_first)
    lowered = _at_first(_upwards(of * true_from / all_from**2), is_first)
    of_average = np.where(of == 1, precise - average + raised, -lowered) / positives

    return tuple(  # type: ignore[return-value]
        Influences(value[:, 0], *(_by_example(each, order) for each in (raw, raw * correction)))
        for value, raw, correction in (
            (area, of_area, np.where(of == 1, *unbiased)),
            (average, of_average, np.broadcast_to(unbiased[0], of.shape)),
        )
    )


def _by_example(ranked: Numbers, order: npt.NDArray[np.int64]) -> Numbers:
    """Return the values in the order of the examples."""
    found = np.empty_like(ranked)
    np.put_along_axis(found, order, ranked, 1)
    return found


def _at_last(rising: Numbers, is_last: npt.NDArray[np.bool_]) -> Numbers:
    """Return, for each example, the value at the last one that is tied with it. The values never fall."""
    return np.minimum.accumulate(np.where(is_last, rising, np.inf)[:, ::-1], axis=1)[:, ::-1]


def _before_first(rising: Numbers, is_first: npt.NDArray[np.bool_]) -> Numbers:
    """Return, for each example, the value at the first one that is tied with it. The values never fall."""
    return np.asarray(np.maximum.accumulate(np.where(is_first, rising, 0.0), axis=1))


def _at_first(falling: Numbers, is_first: npt.NDArray[np.bool_]) -> Numbers:
    """Return, for each example, the value at the first one that is tied with it. The values never rise."""
    return np.asarray(np.minimum.accumulate(np.where(is_first, falling, np.inf), axis=1))


def _upwards(values: Numbers) -> Numbers:
    """Return the sum of the values of each example and of all below it."""
    return values[:, ::-1].cumsum(1)[:, ::-1]
