"""The counts of a confusion matrix as shares."""

from collections.abc import Sequence
from enum import StrEnum
from typing import Any

Counts = Sequence[Sequence[int]]


class Normalization(StrEnum):
    """What a count is a share of: the examples that are of its class, those predicted as its class, or all."""

    ACTUAL = "actual"
    PREDICTED = "predicted"
    ALL = "all"


def rates(counts: Counts, normalization: Normalization) -> list[list[float]]:
    """Return the counts, `counts[actual][predicted]`, as shares from 0 to 1; shares of nothing are 0.

    As `normalize` of https://scikit-learn.org/stable/modules/generated/sklearn.metrics.confusion_matrix.html
    """
    if normalization is Normalization.PREDICTED:
        return _transposed(_of_rows(_transposed(counts)))
    if normalization is Normalization.ACTUAL:
        return _of_rows(counts)
    total = sum(map(sum, counts))
    return [_shares(row, total) for row in counts]


def _of_rows(counts: Counts) -> list[list[float]]:
    return [_shares(row, sum(row)) for row in counts]


def _shares(row: Sequence[int], total: int) -> list[float]:
    return [count / total if total else 0.0 for count in row]


def _transposed(rows: Sequence[Sequence[Any]]) -> list[list[Any]]:
    return [list(column) for column in zip(*rows, strict=True)]
