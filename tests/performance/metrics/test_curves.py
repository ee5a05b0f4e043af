"""The curves of classification compared with scikit-learn: their areas, points and numbers of points."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics as sk

from performance.metrics.result import Evaluation
from performance.metrics.tasks import classification
from tests.performance.metrics.tables import EACH_EVALUATES, evaluate_columns, evaluate_file
from tests.performance.metrics.test_classification import MEASURED

Drawn = list[dict[str, Any]]


def area(curve: Drawn, x: str, y: str) -> float:
    """Return the area under the straight lines between the points."""
    return float(np.trapezoid([point[y] for point in curve], [point[x] for point in curve]))


def check(found: Evaluation, label: str, truth: Any, scores: Any, weights: Any = None) -> None:
    """Check both curves of a label: each point is one of scikit-learn's, and the area is that of all points."""
    curves: Any = found.curves
    roc, precision_recall = curves["roc"][label], curves["precision_recall"][label]
    for curve in (roc, precision_recall):
        assert 2 <= len(curve) <= 200
    first, last = roc[0], roc[-1]
    assert (first["false_positive_rate"], first["true_positive_rate"], first["threshold"]) == (0, 0, None)
    assert (last["false_positive_rate"], last["true_positive_rate"]) == (1, 1)
    whole = sk.roc_auc_score(truth, scores, sample_weight=weights)
    assert area(roc, "false_positive_rate", "true_positive_rate") == pytest.approx(whole, abs=1e-3)
    false, true, thresholds = sk.roc_curve(truth, scores, sample_weight=weights, drop_intermediate=False)
    at = {float(threshold): (x, y) for x, y, threshold in zip(false, true, thresholds, strict=True)}
    for point in roc[1:]:
        rates = (point["false_positive_rate"], point["true_positive_rate"])
        assert rates == pytest.approx(at[point["threshold"]], abs=1e-9)
    precision, recall, thresholds = sk.precision_recall_curve(truth, scores, sample_weight=weights)
    assert area(precision_recall, "recall", "precision") == pytest.approx(sk.auc(recall, precision), abs=1e-3)
    at = {float(each): (x, y) for x, y, each in zip(recall[:-1], precision[:-1], thresholds, strict=True)}
    for point in precision_recall[1:]:
        assert (point["recall"], point["precision"]) == pytest.approx(at[point["threshold"]], abs=1e-9)


@pytest.mark.parametrize("file", [file for file, _ in MEASURED])
def test_curves_of_the_fixtures_equal_those_of_scikit_learn(tmp_path: Path, file: Path) -> None:
    found = evaluate_file(classification.evaluate, file)
    table = np.genfromtxt(file, delimiter=",", names=True, dtype=None, encoding="utf-8", deletechars="")
    actual = table["actual"].astype(str)
    labels = found.confusion_matrix["labels"] if found.confusion_matrix else []

    for label in [found.positive_class] if found.positive_class else labels:
        scores = table["score" if found.positive_class else f"score_{label}"]
        check(found, label, actual == label, scores)
    assert sum(each["count"] for each in found.curves["calibration"]) == found.sample_count


@st.composite
def stairs(draw: st.DrawFn) -> tuple[Any, Any, Any]:
    """Labels and scores in blocks of one label or of ties, with or without weights: curves with any corners."""
    blocks = st.tuples(st.integers(0, 2), st.integers(1, draw(st.sampled_from([3, 40, 400]))))
    random = np.random.default_rng(draw(st.integers(0, 2**32)))
    labels: list[int] = [0, 1]
    scores: list[float] = [0.5, 0.5]
    for kind, length in draw(st.lists(blocks, min_size=1, max_size=40)) * draw(st.integers(1, 20)):
        labels += random.integers(0, 2, length).tolist() if kind == 2 else [kind] * length
        start = len(scores) / 1e6
        scores += [start] * length if kind == 2 else (start + np.arange(length) / 1e6).tolist()
    weights = random.choice([1e-3, 0.5, 1.0, 50.0], len(labels)) if draw(st.booleans()) else None
    return np.array(labels), np.array(scores) - draw(st.sampled_from([0.0, 3.0])), weights


@given(drawn=stairs())
@EACH_EVALUATES
@pytest.mark.usefixtures("few_draws")
def test_downsampling_preserves_the_areas_under_the_curves(tmp_path: Path, drawn: tuple[Any, Any, Any]) -> None:
    labels, scores, weights = drawn
    columns = {"actual": labels, "predicted": labels, "score": scores}

    found = evaluate_columns(
        classification.evaluate, tmp_path, columns if weights is None else {**columns, "weight": weights}
    )

    check(found, "1", labels, scores, weights)


@pytest.mark.parametrize("teeth", [3, 100, 150, 199, 200, 201, 400, 1000, 3000])
@pytest.mark.parametrize("share", [0.5, 0.01])
def test_downsampling_preserves_the_areas_of_jagged_curves(tmp_path: Path, teeth: int, share: float) -> None:
    """As many teeth as allowed points are the worst case: all inner corners may be missed, or all outer ones."""
    length = 20_000 // teeth
    positives = max(round(length * share), 1)
    labels = np.tile([1] * positives + [0] * max(length - positives, 1), teeth)
    scores = np.arange(len(labels), 0.0, -1.0)

    found = evaluate_columns(
        classification.evaluate, tmp_path, {"actual": labels, "predicted": labels, "score": scores}
    )

    check(found, "1", labels, scores)
    assert "calibration" not in found.curves


def test_only_the_twenty_largest_classes_have_curves(tmp_path: Path) -> None:
    random = np.random.default_rng(7)
    actual = np.repeat([f"c{at:02}" for at in range(25)], range(10, 35))
    scores = random.dirichlet(np.ones(25), len(actual))
    columns = {f"score_c{at:02}": scores[:, at] for at in range(25)}

    found = evaluate_columns(
        classification.evaluate, tmp_path, {"actual": actual, "predicted": actual[::-1], **columns}
    )

    heaviest = {f"c{at:02}" for at in range(5, 25)}
    assert set(found.curves["roc"]) == set(found.curves["precision_recall"]) == heaviest
    for label in heaviest:
        check(found, label, actual == label, columns[f"score_{label}"])
    for label, values in found.per_class.items():
        assert values["roc_auc"] == pytest.approx(
            sk.roc_auc_score(actual == label, columns[f"score_{label}"]), abs=1e-9
        )


def test_there_are_no_curves_without_scores(tmp_path: Path) -> None:
    assert (
        evaluate_columns(classification.evaluate, tmp_path, {"actual": ["a", "b"], "predicted": ["a", "b"]}).curves
        == {}
    )


def test_calibration_bins_have_mean_confidence_and_accuracy(tmp_path: Path) -> None:
    columns = {
        "actual": [1, 0, 1, 1],
        "predicted": [1, 1, 1, 0],
        "score": [0.9, 0.9, 0.92, 0.05],
        "weight": [1, 2, 1, 1],
    }

    sure: Any
    surest: Any
    sure, surest = evaluate_columns(classification.evaluate, tmp_path, columns).curves["calibration"]

    assert sure == {
        "lower": pytest.approx(13 / 15),
        "upper": pytest.approx(14 / 15),
        "confidence": pytest.approx((0.9 + 1.8 + 0.92) / 4),
        "accuracy": pytest.approx(0.5),
        "count": 3,
    }
    assert (surest["confidence"], surest["accuracy"], surest["count"]) == (pytest.approx(0.95), 0, 1)
