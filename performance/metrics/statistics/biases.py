"""Estimate by how much averages over many classes exceed the true ones on average.

It is half the sum over the cells of their share times the second derivative of the metric, divided by the number of
examples: Cochran (1977), Sampling Techniques, 3rd edition, section 6.8, has it for ratios. All sizes are effective
numbers of examples.
"""

from performance.metrics.statistics.margins import Margins


def of_weighted_precision(margins: Margins, size: float) -> float:
    """Return how much the weighted precision is too high.

    If chance puts more right examples into a class, it has both a greater weight and a higher precision.
    """
    scale, total = size / margins.total, 0.0
    for right, column in zip(margins.diagonal, margins.columns, strict=True):
        if column * scale > 1:
            total += right / column * (1 - right / column) / (1 - 1 / (column * scale))
    return total / size


def of_macro_f1_score(margins: Margins, size: float) -> float:
    """Return how much the macro F1 is too high. It is negative: F1 grows less than in proportion to right examples."""
    scale, total = size / margins.total, 0.0
    for right, row, column in zip(margins.diagonal, margins.rows, margins.columns, strict=True):
        if both := row + column:
            total -= 2 * right * (both - 2 * right) / both / both / (both * scale)
    return total / len(margins.rows)


OF_AVERAGES = {("precision", "weighted"): of_weighted_precision, ("f1_score", "macro"): of_macro_f1_score}
