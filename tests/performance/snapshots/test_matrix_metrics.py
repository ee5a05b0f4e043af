"""The metrics that follow from a reported confusion matrix are those of scikit-learn."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sklearn

from models_registry import task_types
from performance.metrics.statistics.intervals import Interval
from performance.snapshots.reported_metrics import ReportedMetrics, complete

labels = st.integers(2, 5).flatmap(
    lambda size: st.lists(st.tuples(st.integers(0, size - 1), st.integers(0, size - 1)), min_size=2, max_size=40)
)


@settings(max_examples=60, deadline=None)
@given(labels, st.sampled_from(["macro", "weighted", "micro"]))
def test_metrics_of_a_matrix_are_scikit_learns(pairs: list[tuple[int, int]], averaging: str) -> None:
    actual, predicted = [str(one) for one, _ in pairs], [str(other) for _, other in pairs]
    names = sorted({*actual, *predicted, "0", "1"})
    counts = sklearn.confusion_matrix(actual, predicted, labels=names).tolist()
    reported = ReportedMetrics({}, matrix={"labels": names, "counts": counts}, options={"averaging": averaging})

    assert complete(task_types.get("classification"), reported) == []

    kwargs: dict[str, Any] = {"labels": names, "average": averaging, "zero_division": 0}
    expected = {
        "accuracy": sklearn.accuracy_score(actual, predicted),
        "precision": sklearn.precision_score(actual, predicted, **kwargs),
        "recall": sklearn.recall_score(actual, predicted, **kwargs),
        "f1_score": sklearn.f1_score(actual, predicted, **kwargs),
    }
    if len({*actual, *predicted}) > 1:  # else scikit-learn warns
        expected["matthews_correlation"] = sklearn.matthews_corrcoef(actual, predicted)
    assert {name: reported.metrics[name] for name in expected} == pytest.approx(expected, abs=1e-9)
    for name, interval in reported.intervals.items():
        assert isinstance(interval, Interval)
        assert interval.lower < interval.upper, name
