"""Reported metrics that cannot be of the same predictions are refused, and those of real predictions are not."""

import math
from typing import Any

import numpy as np
import pytest
from sklearn import metrics as sk

from models_registry import task_types
from performance.snapshots.reported_metrics import ReportedMetrics, complete
from tests.api import Caller, faults
from tests.performance.snapshots.reports import GOOD, SNAPSHOTS, send_report

pytestmark = pytest.mark.django_db

BINARY = {"averaging": "binary", "positive_class": "1"}
TWO = {"0": {"recall": 0.2, "support": 50}, "1": {"recall": 0.1, "support": 50}}
UNEQUAL = {"0": {"precision": 0.9, "support": 90}, "1": {"precision": 0.1, "support": 10}}


@pytest.mark.parametrize(
    ("metrics", "options", "name"),
    [
        ({"accuracy": 1, "matthews_correlation": -0.5}, {}, "matthews_correlation"),
        ({"accuracy": 1, "cohen_kappa": -0.9}, {}, "cohen_kappa"),
        ({"accuracy": 0.9, "matthews_correlation": -0.07}, {}, "matthews_correlation"),
        ({"accuracy": 0.7, "cohen_kappa": 0.8}, {}, "cohen_kappa"),
        ({"cohen_kappa": 0.8, "matthews_correlation": 0.7}, {}, "matthews_correlation"),
        ({"cohen_kappa": -0.3, "matthews_correlation": 0.1}, {}, "matthews_correlation"),
        ({"accuracy": 1, "balanced_accuracy": 0.2}, BINARY, "balanced_accuracy"),
        ({"accuracy": 0.5, "balanced_accuracy": 0.8}, BINARY, "balanced_accuracy"),
        ({"accuracy": 0.95, "recall": 0.9, "specificity": 0.8}, BINARY, "accuracy"),
        ({"balanced_accuracy": 0.95, "recall": 0.9, "specificity": 0.8}, BINARY, "balanced_accuracy"),
        ({"accuracy": 0.5, "precision": 0.9}, {"averaging": "micro"}, "precision"),
        ({"accuracy": 0.5, "recall": 0.9}, {"averaging": "micro"}, "recall"),
        ({"accuracy": 0.5, "f1_score": 0.9}, {"averaging": "micro"}, "f1_score"),
        ({"precision": 0.5, "recall": 0.9}, {"averaging": "micro"}, "precision"),
        ({"accuracy": 0.5, "recall": 0.9}, {"averaging": "weighted"}, "recall"),
        ({"balanced_accuracy": 0.5, "recall": 0.9}, {"averaging": "macro"}, "recall"),
        ({"precision": 0.5, "recall": 0.5, "f1_score": 0.9}, {"positive_class": "1"}, "f1_score"),
        ({"log_loss": 0, "accuracy": 0.1}, {}, "accuracy"),
        ({"brier_score": 0, "accuracy": 0.9}, {"threshold": 0.5}, "accuracy"),
    ],
)
def test_metrics_of_a_classifier_that_contradict_each_other_are_refused(
    ed: Caller, metrics: dict[str, float], options: dict[str, Any], name: str
) -> None:
    report = {**GOOD, "metrics": metrics, "evaluation_options": options}

    assert faults(ed.post(SNAPSHOTS, report)) == [(f"metrics.{name}", "contradiction")]


@pytest.mark.parametrize(
    ("metrics", "options", "per_class", "name"),
    [
        ({"recall": 0.9}, BINARY, {"1": {"recall": 0.1}}, "recall"),
        ({"recall": 0.9}, {"positive_class": "1"}, {"1.0": {"recall": 0.1}}, "recall"),
        ({"precision": 0.9}, BINARY, {"1": {"precision": 0.1}}, "precision"),
        ({"f1_score": 0.9}, BINARY, {"1": {"f1_score": 0.1}}, "f1_score"),
        ({"roc_auc": 0.9}, BINARY, {"1": {"roc_auc": 0.8}}, "roc_auc"),
        ({"recall": 0.9}, {"averaging": "macro"}, TWO, "recall"),
        ({"recall": 0.15, "balanced_accuracy": 0.4}, {"averaging": "macro"}, TWO, "balanced_accuracy"),
        ({"recall": 0.9}, {}, TWO, "recall"),
        ({"precision": 0.82}, {"averaging": "macro"}, UNEQUAL, "precision"),
        ({"precision": 0.5}, {"averaging": "weighted"}, UNEQUAL, "precision"),
        (
            {"roc_auc": 0.95},
            {"averaging": "macro"},
            {"0": {"roc_auc": 0.9, "support": 90}, "1": {"roc_auc": 0.8, "support": 10}},
            "roc_auc",
        ),
    ],
)
def test_what_contradicts_the_metrics_of_classes_is_refused(
    ed: Caller, metrics: dict[str, float], options: dict[str, Any], per_class: dict[str, Any], name: str
) -> None:
    report = {**GOOD, "metrics": metrics, "evaluation_options": options, "per_class": per_class, "sample_count": 100}

    assert faults(ed.post(SNAPSHOTS, report)) == [(f"metrics.{name}", "contradiction")]


def test_metrics_of_some_classes_do_not_rule_out_an_average_of_all(ed: Caller) -> None:
    report = {**GOOD, "metrics": {"recall": 0.9}, "evaluation_options": {"averaging": "macro"}, "per_class": TWO}

    for sample_count in ({}, {"sample_count": 101}):
        send_report(ed, {**report, **sample_count})


def test_a_matrix_says_how_metrics_were_averaged_beside_a_positive_class(ed: Caller) -> None:
    matrix = {"labels": ["0", "1"], "counts": [[80, 10], [2, 8]]}
    metrics = {"precision": 0.71, "recall": 0.844, "f1_score": 0.751}

    body = send_report(
        ed,
        {**GOOD, "metrics": metrics, "confusion_matrix": matrix, "evaluation_options": {"positive_class": "1"}},
    )

    assert body["averaging"] == "macro"


def test_metrics_of_the_positive_class_contradict_a_matrix_of_it(ed: Caller) -> None:
    report = {
        **GOOD,
        "metrics": {"roc_auc": 0.9},
        "confusion_matrix": {"labels": ["0", "1"], "counts": [[45, 5], [5, 45]]},
        "per_class": {"1": {"roc_auc": 0.7}},
    }

    assert faults(ed.post(SNAPSHOTS, report)) == [("metrics.roc_auc", "contradiction")]


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"per_class": {"1": {"recall": 0.5}, "1.0": {"recall": 0.5}}}, "per_class"),
        ({"per_class": {"1": {"recall": 0.5}, " 1": {"recall": 0.5}}}, "per_class"),
        ({"per_class": {"True": {"recall": 0.5}, "true": {"recall": 0.5}}}, "per_class"),
        ({"confusion_matrix": {"labels": ["1", "1.0"], "counts": [[19, 1], [0, 0]]}}, "confusion_matrix.labels"),
    ],
)
def test_a_class_that_is_given_twice_is_refused(ed: Caller, change: dict[str, Any], field: str) -> None:
    assert faults(ed.post(SNAPSHOTS, {**GOOD, **change})) == [(field, "repeated")]


@pytest.mark.parametrize(
    ("task_type", "metrics", "refused"),
    [
        ("regression", {"rmse": 0, "r_squared": 0.5}, ["r_squared"]),
        ("regression", {"mae": 0, "rmse": 5}, ["rmse"]),
        ("regression", {"max_error": 0, "mape": 0.2, "explained_variance": 0.9}, ["mape", "explained_variance"]),
        ("regression", {"rmse": 0, "mae": 0.004, "r_squared": 1, "explained_variance": 1.0}, []),  # rounded
        ("regression", {"rmse": 1, "r_squared": 1}, []),  # rounded, of a large variance
        ("regression", {"median_absolute_error": 0, "rmse": 1}, []),  # most predictions are exact
        ("regression", {"mape": 0, "mae": 1}, []),  # rounded, of large values
        ("forecasting", {"mae": 0, "wape": 1, "mase": 3}, ["mase", "wape"]),
        ("ranking", {"mrr": 0.1, "map": 0.9}, []),  # the first relevant item is the tenth, and so are all after it
    ],
)
def test_an_error_of_0_rules_out_others(task_type: str, metrics: dict[str, float], refused: list[str]) -> None:
    errors = complete(task_types.get(task_type), ReportedMetrics(metrics))

    assert [(field, code) for field, code, _ in errors] == [(f"metrics.{name}", "contradiction") for name in refused]


def test_the_errors_of_each_number_of_steps_ahead_rule_each_other_out() -> None:
    steps = {"1": {"mae": 2.0, "rmse": 1.0}, "2": {"mae": 0.0, "rmse": 1.0}, "3": {"mae": 1.0, "rmse": 2.0}}

    errors = complete(task_types.get("forecasting"), ReportedMetrics({"mae": 1.0}, per_class=steps))

    assert [field for field, _, _ in errors] == ["per_class.1.mae", "per_class.2.rmse"]


def classifier_report(seed: int, averaging: str) -> dict[str, Any]:
    """Return the metrics of random predictions, as scikit-learn computes them, of all classes and of each."""
    random = np.random.default_rng(seed)
    size = 2 if averaging == "binary" else int(random.integers(2, 5))
    total = int(random.choice([8, 60, 800]))
    shares = random.dirichlet(np.full(size, random.choice([0.3, 3])))
    actual = random.choice(size, total, p=shares)
    scores = random.dirichlet(np.ones(size), total) + random.choice([0, 0.5, 2, 9]) * np.eye(size)[actual]
    scores /= scores.sum(1, keepdims=True)
    predicted = scores.argmax(1)
    weight = random.uniform(0.01, 10, total) if random.random() < 0.5 else None
    kwargs: dict[str, Any] = {"sample_weight": weight, "zero_division": 0, "labels": range(size)}
    names = ("precision", "recall", "f1_score", "support")
    of_all = sk.precision_recall_fscore_support(actual, predicted, average=averaging, **kwargs)
    of_each = sk.precision_recall_fscore_support(actual, predicted, average=None, **kwargs)
    metrics = {
        "accuracy": sk.accuracy_score(actual, predicted, sample_weight=weight),
        **dict(zip(names[:3], of_all[:3], strict=True)),
        "log_loss": sk.log_loss(actual, np.clip(scores, 1e-15, 1), sample_weight=weight, labels=range(size)),
        "brier_score": float(np.average(((scores - np.eye(size)[actual]) ** 2).sum(1) / (2 if size == 2 else 1))),
        "balanced_accuracy": np.mean(of_each[1][of_each[3] > 0]),
        "matthews_correlation": sk.matthews_corrcoef(actual, predicted, sample_weight=weight),
        "cohen_kappa": sk.cohen_kappa_score(actual, predicted, sample_weight=weight),
    }
    if averaging == "binary":
        metrics["specificity"] = of_each[1][0]
    if averaging in ("binary", "macro") and size == 2 and len(set(actual)) == 2:
        metrics["roc_auc"] = sk.roc_auc_score(actual, scores[:, 1], sample_weight=weight)
    per_class = {
        str(label): {name: float(of_each[at][label]) for at, name in enumerate(names)} for label in range(size)
    }
    return {
        "metrics": {name: float(value) for name, value in metrics.items() if not math.isnan(value)},
        "per_class": per_class,
        "sample_count": total,
        "is_weighted": weight is not None,
    }


@pytest.mark.filterwarnings("ignore")  # scikit-learn warns of one class
@pytest.mark.parametrize("averaging", ["binary", "macro", "weighted", "micro"])
@pytest.mark.parametrize("seed", range(25))
def test_metrics_of_real_predictions_do_not_contradict_each_other(averaging: str, seed: int) -> None:
    report = classifier_report(seed, averaging)
    options = {"averaging": averaging} | ({"positive_class": "1"} if averaging == "binary" else {})
    for decimals in (2, 3, 4, 15):
        metrics = {name: round(value, decimals) for name, value in report["metrics"].items()}
        per_class = {
            label: {name: value if name == "support" else round(value, decimals) for name, value in each.items()}
            for label, each in report["per_class"].items()
        }
        recalls = {label: {"recall": each["recall"]} for label, each in per_class.items()}
        for classes in ({}, per_class, recalls):
            reported = ReportedMetrics(
                dict(metrics), sample_count=report["sample_count"], per_class=classes, options=dict(options)
            )

            assert complete(task_types.get("classification"), reported) == []


@pytest.mark.parametrize("seed", range(10))
def test_errors_of_real_predictions_do_not_contradict_each_other(seed: int) -> None:
    random = np.random.default_rng(seed)
    actual = random.normal(50, 20, 40)
    error = random.standard_t(2, 40) * random.choice([0.0, 0.3, 5.0]) + random.choice([0, 0.5])
    weight = random.uniform(0.1, 5, 40)
    metrics = {
        "rmse": sk.root_mean_squared_error(actual, actual + error, sample_weight=weight),
        "mae": sk.mean_absolute_error(actual, actual + error, sample_weight=weight),
        "r_squared": sk.r2_score(actual, actual + error, sample_weight=weight),
        "mape": sk.mean_absolute_percentage_error(actual, actual + error, sample_weight=weight),
        "explained_variance": sk.explained_variance_score(actual, actual + error, sample_weight=weight),
        "max_error": sk.max_error(actual, actual + error),
        "bias": np.average(error, weights=weight),
    }
    for decimals in (2, 3, 4, 15):
        rounded = {name: round(float(value), decimals) for name, value in metrics.items()}

        assert complete(task_types.get("regression"), ReportedMetrics(rounded)) == []
