"""The dataset, the classes and the options of reported metrics."""

from typing import Any

import numpy as np
import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from scipy.stats import binomtest
from sklearn import metrics as sk

from models_registry import task_types
from models_registry.registry.models import RegisteredModel
from performance.snapshots.models import MetricSnapshot
from performance.snapshots.reported_metrics import ReportedMetrics, complete
from performance.snapshots.services import Report, check_report
from tests.api import Caller, faults, refusal
from tests.performance.snapshots.reports import GOOD, SNAPSHOTS, WITH_MATRIX, send_report

pytestmark = pytest.mark.django_db

DIGEST = "0123456789abcdef" * 4


def test_a_snapshot_may_name_its_dataset(ed: Caller) -> None:
    dataset = {"name": "october", "version": "3", "digest": DIGEST}

    body = send_report(ed, {**GOOD, "dataset": dataset}, dataset="october")

    assert body["dataset"] == dataset
    row = ed.get(SNAPSHOTS).json()["results"][0]
    assert row["dataset"] == dataset
    assert ed.get(f"{SNAPSHOTS}/{row['id']}").json()["dataset"] == dataset


def test_what_is_unknown_of_a_dataset_is_null(ed: Caller) -> None:
    body = send_report(ed, {**GOOD, "dataset": {"name": "october"}}, dataset="october")

    assert body["dataset"] == {"name": "october", "version": None, "digest": None}
    assert send_report(ed, GOOD)["dataset"] is None


@pytest.mark.parametrize(
    ("dataset", "field"),
    [
        ("october", "dataset"),
        ({}, "dataset.name"),
        ({"name": ""}, "dataset.name"),
        ({"name": "x" * 101}, "dataset.name"),
        ({"name": "a\nb"}, "dataset.name"),
        ({"name": "x", "version": 3}, "dataset.version"),
        ({"name": "x", "digest": "abc"}, "dataset.digest"),
        ({"name": "x", "digest": DIGEST.upper()}, "dataset.digest"),
        ({"name": "x", "colour": "red"}, "dataset.colour"),
    ],
)
def test_a_malformed_dataset_is_refused(ed: Caller, dataset: object, field: str) -> None:
    stored = MetricSnapshot.objects.count()

    assert [name for name, _ in faults(ed.post(SNAPSHOTS, {**GOOD, "dataset": dataset}))] == [field]
    assert MetricSnapshot.objects.count() == stored


def test_metrics_of_classes_and_options_are_shown(ed: Caller) -> None:
    options = {"positive_class": "1", "averaging": "binary", "threshold": 0.4}

    body = send_report(ed, {**GOOD, "per_class": {"1": {"recall": 0.5, "support": 40}}, "evaluation_options": options})

    assert body["per_class"] == {"1": {"recall": 0.5, "support": 40}}
    assert body["evaluation_options"] == options
    assert (body["positive_class"], body["averaging"]) == ("1", "binary")


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"per_class": {"a": {"rmse": 1}}}, "per_class.a.rmse"),
        ({"per_class": {"a": {"recall": 1.5}}}, "per_class.a.recall"),
        ({"per_class": {"a": {"support": -1}}}, "per_class.a.support"),
        ({"per_class": {"": {"recall": 1}}}, "per_class"),
        ({"per_class": {"x" * 201: {"recall": 1}}}, "per_class"),
        ({"per_class": {"a": 1}}, "per_class.a"),
        ({"evaluation_options": {"k": 3}}, "evaluation_options.k"),
        ({"evaluation_options": {"averaging": "mean"}}, "evaluation_options.averaging"),
        ({"evaluation_options": {"threshold": "0.5"}}, "evaluation_options.threshold"),
        ({"evaluation_options": {"colour": "red"}}, "evaluation_options.colour"),
    ],
)
def test_malformed_classes_and_options_are_refused(ed: Caller, change: dict[str, Any], field: str) -> None:
    assert [name for name, _ in faults(ed.post(SNAPSHOTS, {**GOOD, **change}))] == [field]


def test_metrics_that_rule_each_other_out_are_refused(ed: Caller) -> None:
    binary = {"averaging": "binary", "positive_class": "yes"}
    scores = {"precision": 0.9, "recall": 0.8, "f1_score": 0.5}

    answer = ed.post(SNAPSHOTS, {**GOOD, "metrics": scores, "evaluation_options": binary})

    assert faults(answer) == [("metrics.f1_score", "contradiction")]
    assert "from precision and recall of one class follows 0.847059" in answer.json()["errors"][0]["detail"]
    assert faults(ed.post(SNAPSHOTS, {**GOOD, "per_class": {"yes": scores}})) == [
        ("per_class.yes.f1_score", "contradiction")
    ]
    send_report(ed, {**GOOD, "metrics": scores})  # the averages of all classes may be so
    send_report(ed, {**GOOD, "metrics": {**scores, "f1_score": 0.85}, "evaluation_options": binary})


@pytest.mark.parametrize(
    ("metrics", "refused"),
    [
        ({"rmse": 1.0, "mae": 1.2}, ["mae"]),
        ({"rmse": 0.27, "mae": 0.271}, []),  # both are rounded
        ({"mae": 0.5, "bias": -0.6}, ["bias"]),
        ({"rmse": 0.5, "bias": -0.6}, ["bias"]),
        ({"max_error": 0.5, "mae": 0.6}, ["mae"]),
        ({"r_squared": 0.9, "explained_variance": 0.8}, ["r_squared"]),
        ({"rmse": 3.0, "median_absolute_error": 4.0, "max_error": 2.0}, ["rmse", "median_absolute_error"]),
    ],
)
def test_errors_that_rule_each_other_out_are_refused(metrics: dict[str, float], refused: list[str]) -> None:
    errors = complete(task_types.get("regression"), ReportedMetrics(metrics))

    assert [(field, code) for field, code, _ in errors] == [(f"metrics.{name}", "contradiction") for name in refused]


def test_a_stricter_overlap_finds_no_more_objects() -> None:
    metrics = {"map_50": 0.6, "map_75": 0.7, "map_50_95": 0.8}

    errors = complete(task_types.get("object_detection"), ReportedMetrics(metrics))

    assert {field for field, _, _ in errors} == {"metrics.map_75", "metrics.map_50_95"}
    assert not complete(task_types.get("object_detection"), ReportedMetrics({**metrics, "map_50": 0.8}))


def test_the_positive_class_that_the_model_declares_holds(ed: Caller, model: RegisteredModel) -> None:
    RegisteredModel.objects.filter(pk=model.pk).update(positive_class="no")

    assert send_report(ed, {**WITH_MATRIX, "metrics": {"recall": 0.973}})["positive_class"] == "no"
    answer = ed.post(SNAPSHOTS, {**WITH_MATRIX, "evaluation_options": {"positive_class": "yes"}})
    assert faults(answer) == [("evaluation_options.positive_class", "contradiction")]


THREE: dict[str, Any] = {"labels": ["no", "x", "yes"], "counts": [[94, 1, 0], [0, 0, 0], [4, 1, 0]]}


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"evaluation_options": {"averaging": "weighted"}}, "evaluation_options.averaging"),
        ({"metrics": {"accuracy": 0.94}, "confusion_matrix": THREE}, "evaluation_options.averaging"),
        ({"per_class": {label: {"recall": 0.5} for label in THREE["labels"]}}, "per_class"),
        ({"per_class": {label: {"recall": 0.5} for label in ("no", "x")}}, "per_class"),
    ],
)
def test_averages_over_classes_are_refused_if_the_model_declares_its_positive_class(
    ed: Caller, model: RegisteredModel, change: dict[str, Any], field: str
) -> None:
    send_report(ed, {**GOOD, **change})
    RegisteredModel.objects.filter(pk=model.pk).update(positive_class="yes")

    assert faults(ed.post(SNAPSHOTS, {**GOOD, **change})) == [(field, "contradiction")]


def test_a_report_by_the_declared_positive_class_is_binary(ed: Caller, model: RegisteredModel) -> None:
    RegisteredModel.objects.filter(pk=model.pk).update(positive_class="yes")

    assert send_report(ed, GOOD)["evaluation_options"] == {"positive_class": "yes", "averaging": "binary"}
    weighted = {"metrics": {"recall": 0.936}}  # of the two classes; that of the positive one is .6
    assert faults(ed.post(SNAPSHOTS, {**WITH_MATRIX, **weighted})) == [("metrics.recall", "contradiction")]


def test_a_report_is_refused_if_the_declared_class_changes_meanwhile(
    ed: Caller, model: RegisteredModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    def check_and_declare(**report: Any) -> Report:
        checked = check_report(**report)
        RegisteredModel.objects.filter(pk=model.pk).update(positive_class="no")
        return checked

    monkeypatch.setattr("performance.snapshots.snapshot_views.check_report", check_and_declare)
    before = MetricSnapshot.objects.count()
    answer = ed.post(SNAPSHOTS, WITH_MATRIX)

    assert refusal(answer) == (409, "conflict")
    assert answer.json()["detail"].endswith("Report once more.")
    assert MetricSnapshot.objects.count() == before


def test_the_model_is_not_locked_while_a_report_is_checked(ed: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    with CaptureQueriesContext(connection) as queries:

        def check_unlocked(**report: Any) -> Report:
            assert not [each for each in queries.captured_queries if locks_model(each["sql"])]
            return check_report(**report)

        monkeypatch.setattr("performance.snapshots.snapshot_views.check_report", check_unlocked)
        assert ed.post(SNAPSHOTS, WITH_MATRIX).status_code == 201
    if connection.vendor == "postgresql":
        assert [each for each in queries.captured_queries if locks_model(each["sql"])]


def locks_model(sql: str) -> bool:
    return "FOR UPDATE" in sql and '"models_registry_registeredmodel"' in sql


CLASSES = {
    "no": {"recall": 0.97, "support": 900},
    "yes": {"recall": 0.6, "support": 100},
    "maybe": {"recall": 0, "support": 0},
}
OF_CLASSES = {"dataset_split": "test", "metrics": {"accuracy": 0.933}, "sample_count": 1000, "per_class": CLASSES}


@pytest.mark.parametrize(("metric", "follows"), [("accuracy", "0.933"), ("balanced_accuracy", "0.785")])
def test_what_contradicts_the_recall_of_all_classes_is_refused(ed: Caller, metric: str, follows: str) -> None:
    answer = ed.post(SNAPSHOTS, {**OF_CLASSES, "metrics": {metric: 0.9}})

    assert faults(answer) == [(f"metrics.{metric}", "contradiction")]
    assert follows in answer.json()["errors"][0]["detail"]
    weights = {"no": {"recall": 1, "support": 899.5}, "yes": {"recall": 1, "support": 100.5}}
    for fewer in (
        {"sample_count": 1001},
        {"per_class": {"no": CLASSES["no"]}},
        {"per_class": {"no": {"recall": 1}}},
        {"per_class": weights},
    ):
        assert ed.post(SNAPSHOTS, {**OF_CLASSES, "metrics": {metric: 0.9}, **fewer}).status_code == 201


def test_the_recall_of_a_class_has_an_interval_if_all_examples_are_counted(ed: Caller) -> None:
    body = send_report(ed, OF_CLASSES)

    interval = body["confidence_intervals"]["per_class.yes.recall"]
    assert interval["method"] == "wilson"
    ends = (interval["lower"], interval["upper"])
    assert ends == pytest.approx(tuple(binomtest(60, 100).proportion_ci(method="wilson")))
    assert "per_class.maybe.recall" in body["intervals_unavailable"]
    uncounted = send_report(ed, {**OF_CLASSES, "sample_count": 1001})
    assert "per_class.yes.recall" in uncounted["intervals_unavailable"]


@pytest.mark.parametrize("decimals", [2, 3, 9])
@pytest.mark.parametrize("seed", range(5))
def test_the_rounded_metrics_of_scikit_learn_do_not_contradict_each_other(ed: Caller, decimals: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    actual, predicted = random.choice(4, (2, 300), p=[0.6, 0.3, 0.08, 0.02])
    predicted = np.where(random.random(300) < 0.7, actual, predicted)
    found = sk.classification_report(actual, predicted, output_dict=True, zero_division=0)
    classes = {
        label: {
            "precision": round(each["precision"], decimals),
            "recall": round(each["recall"], decimals),
            "f1_score": round(each["f1-score"], decimals),
            "support": each["support"],
        }
        for label, each in found.items()
        if label.isdigit()
    }
    metrics = {
        "accuracy": round(found["accuracy"], decimals),
        "balanced_accuracy": round(sk.balanced_accuracy_score(actual, predicted), decimals),
    }

    report = {**OF_CLASSES, "metrics": metrics, "sample_count": 300, "per_class": classes}

    assert ed.post(SNAPSHOTS, report).status_code == 201
    wrong = {**metrics, "accuracy": metrics["accuracy"] - 0.02}
    assert faults(ed.post(SNAPSHOTS, {**report, "metrics": wrong})) == [("metrics.accuracy", "contradiction")]
