"""Normalize the counts of a confusion matrix."""

from collections.abc import Iterable, Sequence
from enum import StrEnum

Counts = Sequence[Sequence[int]]


class Normalization(StrEnum):
    """The examples that a count is divided by: those of its actual class, those of its predicted class, or all."""

    ACTUAL = "actual"
    PREDICTED = "predicted"
    ALL = "all"


def normalize_counts(
    counts: Counts, normalization: Normalization, *, column_totals: Sequence[int] | None = None
) -> list[list[float]]:
    """Return the counts, `counts[actual][predicted]`, as shares from 0 to 1; a share of nothing is 0.

    See `normalize` of https://scikit-learn.org/stable/modules/generated/sklearn.metrics.confusion_matrix.html

    Args:
        counts: rows of the matrix.
        normalization: what each count is divided by.
        column_totals: the column sums of the whole matrix if `counts` holds only some of its rows.
    """
    if normalization is Normalization.ACTUAL:
        return [_shares(row, sum(row)) for row in counts]
    totals = column_sums(counts) if column_totals is None else column_totals
    if normalization is Normalization.PREDICTED:
        return [[_share(*pair) for pair in zip(row, totals, strict=True)] for row in counts]
    return [_shares(row, sum(totals)) for row in counts]


def column_sums(counts: Iterable[Sequence[int]]) -> list[int]:
    """Return the sum of each column. The rows are read one by one."""
    rows = iter(counts)
    sums = list(next(rows, []))
    for row in rows:
        sums = [total + count for total, count in zip(sums, row, strict=True)]
    return sums


def _shares(row: Sequence[int], total: int) -> list[float]:
    return [_share(count, total) for count in row]


def _share(count: int, total: int) -> float:
    return count / total if total else 0.0
