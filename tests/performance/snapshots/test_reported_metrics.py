"""Reported metrics: datasets, intervals, classes, options, and what a confusion matrix says of them."""

import math
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sklearn

from models_registry import task_types
from models_registry.accounts.models import User
from models_registry.registry.models import RegisteredModel
from performance.gates.policy import stored_policy
from performance.gates.selectors import judge_version
from performance.metrics.statistics.intervals import Interval
from performance.snapshots.models import MetricSnapshot, SnapshotDetail
from performance.snapshots.reported_metrics import ReportedMetrics, complete
from performance.snapshots.services import Report, check_report
from tests.api import Caller, faults, refusal
from tests.performance.snapshots.test_snapshots import GOOD, SNAPSHOTS

MODEL = "/models/mdl-7f3a19bc92"
REPORT = f"{MODEL}/performance/report"
# Of 1,000 examples 936 are right: 60 of 100 positives, 876 of 900 negatives.
MATRIX = {"labels": ["no", "yes"], "counts": [[876, 24], [40, 60]]}
WITH_MATRIX = {"dataset_split": "test", "metrics": {"accuracy": 0.936}, "confusion_matrix": MATRIX}
DIGEST = "0123456789abcdef" * 4


@pytest.fixture
def ed(editor: User, model: RegisteredModel) -> Caller:
    return Caller(editor)


def report_of(ed: Caller, body: dict[str, Any], **query: str) -> dict[str, Any]:
    answer = ed.post(SNAPSHOTS, body)
    assert answer.status_code == 201, answer.content
    report: dict[str, Any] = ed.get(REPORT, query).json()
    return report


@pytest.mark.django_db
class TestDataset:
    def test_a_snapshot_may_name_its_dataset(self, ed: Caller) -> None:
        dataset = {"name": "october", "version": "3", "digest": DIGEST}

        body = report_of(ed, {**GOOD, "dataset": dataset}, dataset="october")

        assert body["dataset"] == dataset
        row = ed.get(SNAPSHOTS).json()["results"][0]
        assert row["dataset"] == dataset
        assert ed.get(f"{SNAPSHOTS}/{row['id']}").json()["dataset"] == dataset

    def test_what_is_unknown_of_a_dataset_is_null(self, ed: Caller) -> None:
        body = report_of(ed, {**GOOD, "dataset": {"name": "october"}}, dataset="october")

        assert body["dataset"] == {"name": "october", "version": None, "digest": None}
        assert report_of(ed, GOOD)["dataset"] is None

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
    def test_a_malformed_dataset_is_refused(self, ed: Caller, dataset: object, field: str) -> None:
        stored = MetricSnapshot.objects.count()

        assert [name for name, _ in faults(ed.post(SNAPSHOTS, {**GOOD, "dataset": dataset}))] == [field]
        assert MetricSnapshot.objects.count() == stored


@pytest.mark.django_db
class TestIntervals:
    def test_reported_intervals_are_stored(self, ed: Caller) -> None:
        body = report_of(ed, {**GOOD, "confidence_intervals": {"accuracy": {"lower": 0.9, "upper": 0.97}}})

        interval = {"lower": 0.9, "upper": 0.97, "level": 0.95, "method": "reported"}
        assert body["confidence_intervals"] == {"accuracy": interval}
        assert body["intervals_unavailable"] == {}

    def test_a_standard_error_becomes_an_interval(self, ed: Caller) -> None:
        metrics = {"accuracy": 0.9, "log_loss": 0.3}

        body = report_of(ed, {**GOOD, "metrics": metrics, "standard_errors": {"accuracy": 0.03, "log_loss": 0.2}})

        found = body["confidence_intervals"]
        assert {each["method"] for each in found.values()} == {"reported standard error"}
        odds, spread = math.log(9), 1.959964 * 0.03 / 0.09
        expected = [1 / (1 + math.exp(-(odds + sign * spread))) for sign in (-1, 1)]
        assert [found["accuracy"]["lower"], found["accuracy"]["upper"]] == pytest.approx(expected, abs=1e-6)
        assert found["log_loss"]["lower"] == 0  # log loss is not negative
        assert found["log_loss"]["upper"] == pytest.approx(0.3 + 1.959964 * 0.2, abs=1e-6)

    def test_a_proportion_of_a_known_number_of_examples_has_wilsons_interval(self, ed: Caller) -> None:
        body = report_of(ed, {**GOOD, "metrics": {"accuracy": 0.9, "roc_auc": 0.95}, "sample_count": 100})

        interval = body["confidence_intervals"]["accuracy"]
        assert interval["method"] == "wilson"
        assert (interval["lower"], interval["upper"]) == pytest.approx((0.825634, 0.944771), abs=1e-6)
        assert list(body["intervals_unavailable"]) == ["roc_auc"]

    def test_a_metric_without_an_interval_says_why(self, ed: Caller) -> None:
        assert "standard_errors" in report_of(ed, GOOD)["intervals_unavailable"]["accuracy"]

    @pytest.mark.parametrize(
        ("change", "field"),
        [
            ({"confidence_intervals": {"accuracy": {"lower": 0.96, "upper": 0.97}}}, "confidence_intervals.accuracy"),
            ({"confidence_intervals": {"accuracy": {"lower": 0.9, "upper": 0.94}}}, "confidence_intervals.accuracy"),
            ({"confidence_intervals": {"accuracy": {"lower": 0.95, "upper": 0.95}}}, "confidence_intervals.accuracy"),
            ({"confidence_intervals": {"accuracy": {"lower": 0.9, "upper": 1.1}}}, "confidence_intervals.accuracy"),
            ({"confidence_intervals": {"recall": {"lower": 0.9, "upper": 1}}}, "confidence_intervals.recall"),
            ({"confidence_intervals": {"x" * 500: {"lower": 0.9, "upper": 1}}}, f"confidence_intervals.{'x' * 40}"),
            (
                {"confidence_intervals": {"accuracy": {"lower": 0.99, "upper": 0.9}}},
                "confidence_intervals.accuracy.lower",
            ),
            ({"confidence_intervals": {"accuracy": {"lower": 0.9}}}, "confidence_intervals.accuracy.upper"),
            (
                {"confidence_intervals": {"accuracy": {"lower": 0.9, "upper": 1, "level": 0.9}}},
                "confidence_intervals.accuracy.level",
            ),
            ({"confidence_intervals": {"accuracy": [0.9, 1]}}, "confidence_intervals.accuracy"),
            ({"confidence_intervals": []}, "confidence_intervals"),
            ({"standard_errors": {"accuracy": 0}}, "standard_errors.accuracy"),
            ({"standard_errors": {"accuracy": -0.1}}, "standard_errors.accuracy"),
            ({"standard_errors": {"accuracy": 1e300}}, "standard_errors.accuracy"),
            ({"standard_errors": {"accuracy": "0.1"}}, "standard_errors.accuracy"),
            ({"standard_errors": {"recall": 0.1}}, "standard_errors.recall"),
            (
                {
                    "standard_errors": {"accuracy": 0.1},
                    "confidence_intervals": {"accuracy": {"lower": 0.9, "upper": 1}},
                },
                "standard_errors.accuracy",
            ),
        ],
    )
    def test_what_cannot_be_an_interval_is_refused_and_nothing_is_stored(
        self, ed: Caller, change: dict[str, Any], field: str
    ) -> None:
        stored = MetricSnapshot.objects.count(), SnapshotDetail.objects.count()

        assert [name for name, _ in faults(ed.post(SNAPSHOTS, {**GOOD, **change}))] == [field]
        assert (MetricSnapshot.objects.count(), SnapshotDetail.objects.count()) == stored

    def test_a_rule_with_confidence_judges_them(self, ed: Caller, model: RegisteredModel) -> None:
        rule = {"metric": "accuracy", "operator": ">=", "threshold": 0.9, "confidence": 0.95}
        policy = stored_policy({"dataset_split": "test", "rules": [rule]})

        def verdict(interval: dict[str, float]) -> str:
            ed.post(SNAPSHOTS, {**GOOD, "confidence_intervals": {"accuracy": interval}})
            return judge_version(model.versions.get(), policy=policy, compare=None).status

        assert verdict({"lower": 0.91, "upper": 0.97}) == "passed"
        assert verdict({"lower": 0.89, "upper": 0.97}) == "failed"


@pytest.mark.django_db
class TestConfusionMatrix:
    def test_what_follows_from_it_is_added(self, ed: Caller) -> None:
        body = report_of(ed, WITH_MATRIX)

        metrics = body["metrics"]
        assert metrics["recall"] == 0.6
        assert metrics["precision"] == pytest.approx(60 / 84)
        assert metrics["specificity"] == pytest.approx(876 / 900)
        assert metrics["balanced_accuracy"] == pytest.approx((0.6 + 876 / 900) / 2)
        of_matrix = {name for name, value in metrics.items() if value is not None}
        assert of_matrix <= body["confidence_intervals"].keys()
        assert (body["positive_class"], body["averaging"]) == ("yes", "binary")
        assert body["per_class"]["no"] == pytest.approx(
            {"precision": 876 / 916, "recall": 876 / 900, "f1_score": 2 * 876 / 1816, "support": 900}
        )

    def test_a_contradiction_is_refused_with_both_numbers(self, ed: Caller) -> None:
        answer = ed.post(SNAPSHOTS, {**WITH_MATRIX, "metrics": {"accuracy": 0.5}})

        assert faults(answer) == [("metrics.accuracy", "contradiction")]
        detail = answer.json()["errors"][0]["detail"]
        assert "0.5" in detail
        assert "0.936" in detail

    @pytest.mark.parametrize("accuracy", [0.936, 0.94, 0.9360000001])
    def test_a_rounded_value_is_no_contradiction(self, ed: Caller, accuracy: float) -> None:
        assert report_of(ed, {**WITH_MATRIX, "metrics": {"accuracy": accuracy}})["metrics"]["accuracy"] == accuracy

    @pytest.mark.parametrize("accuracy", [1, 0.9, 0.93, 0.935, 0.937, 0.9361])
    def test_a_value_that_does_not_round_so_is_one(self, ed: Caller, accuracy: float) -> None:
        answer = ed.post(SNAPSHOTS, {**WITH_MATRIX, "metrics": {"accuracy": accuracy}})

        assert faults(answer) == [("metrics.accuracy", "contradiction")]

    @pytest.mark.parametrize(
        ("metrics", "averaging", "positive"),
        [
            ({"recall": 0.6}, "binary", "yes"),
            ({"recall": 0.973}, "binary", "no"),
            ({"recall": 0.787}, "macro", None),
            ({"recall": 0.936, "specificity": 0.936}, "micro", None),
        ],
    )
    def test_the_averaging_is_the_one_that_agrees(
        self, ed: Caller, metrics: dict[str, float], averaging: str, positive: str | None
    ) -> None:
        body = report_of(ed, {**WITH_MATRIX, "metrics": metrics})

        options = {"averaging": averaging} | ({"positive_class": positive} if positive else {})
        assert body["evaluation_options"] == options

    def test_a_value_that_agrees_with_no_averaging_is_refused(self, ed: Caller) -> None:
        answer = ed.post(SNAPSHOTS, {**WITH_MATRIX, "metrics": {"recall": 0.99}})

        assert faults(answer) == [("metrics.recall", "contradiction")]

    @pytest.mark.parametrize(
        ("change", "field"),
        [
            ({"evaluation_options": {"positive_class": "maybe"}}, "evaluation_options.positive_class"),
            ({"metrics": {"recall": 0.6}, "evaluation_options": {"averaging": "macro"}}, "metrics.recall"),
            ({"metrics": {"recall": 0.6}, "evaluation_options": {"positive_class": "no"}}, "metrics.recall"),
            ({"per_class": {"yes": {"recall": 0.9}}}, "per_class.yes.recall"),
            ({"per_class": {"maybe": {"recall": 0.9}}}, "per_class.maybe"),
            ({"per_class": {"yes": {"support": 99}}}, "per_class.yes.support"),
        ],
    )
    def test_options_and_classes_must_agree_with_it(self, ed: Caller, change: dict[str, Any], field: str) -> None:
        answer = ed.post(SNAPSHOTS, {**WITH_MATRIX, **change})

        assert faults(answer) == [(field, "contradiction")]

    def test_binary_averaging_needs_two_classes(self, ed: Caller) -> None:
        matrix = {"labels": ["a", "b", "c"], "counts": [[1, 0, 0], [0, 1, 0], [0, 0, 1]]}
        body = {**GOOD, "metrics": {"accuracy": 1}, "confusion_matrix": matrix}

        answer = ed.post(SNAPSHOTS, {**body, "evaluation_options": {"averaging": "binary"}})

        assert faults(answer) == [("evaluation_options.averaging", "contradiction")]
        assert report_of(ed, body)["averaging"] == "weighted"


@pytest.mark.django_db
class TestClassesAndOptions:
    def test_metrics_of_classes_and_options_are_shown(self, ed: Caller) -> None:
        options = {"positive_class": "1", "averaging": "binary", "threshold": 0.4}

        body = report_of(
            ed, {**GOOD, "per_class": {"1": {"recall": 0.5, "support": 40}}, "evaluation_options": options}
        )

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
    def test_malformed_ones_are_refused(self, ed: Caller, change: dict[str, Any], field: str) -> None:
        assert [name for name, _ in faults(ed.post(SNAPSHOTS, {**GOOD, **change}))] == [field]

    def test_values_that_rule_each_other_out_are_refused(self, ed: Caller) -> None:
        binary = {"averaging": "binary", "positive_class": "yes"}
        scores = {"precision": 0.9, "recall": 0.8, "f1_score": 0.5}

        answer = ed.post(SNAPSHOTS, {**GOOD, "metrics": scores, "evaluation_options": binary})

        assert faults(answer) == [("metrics.f1_score", "contradiction")]
        assert "from precision and recall follows 0.847059" in answer.json()["errors"][0]["detail"]
        assert faults(ed.post(SNAPSHOTS, {**GOOD, "per_class": {"yes": scores}})) == [
            ("per_class.yes.f1_score", "contradiction")
        ]
        report_of(ed, {**GOOD, "metrics": scores})  # the averages of all classes may be so
        report_of(ed, {**GOOD, "metrics": {**scores, "f1_score": 0.85}, "evaluation_options": binary})

    @pytest.mark.parametrize(
        ("metrics", "refused"),
        [
            ({"rmse": 1.0, "mae": 1.2}, ["mae"]),
            ({"rmse": 0.27, "mae": 0.271}, []),  # both are rounded
            ({"mae": 0.5, "bias": -0.6}, ["bias"]),
            ({"r_squared": 0.9, "explained_variance": 0.8}, ["r_squared"]),
            ({"rmse": 3.0, "median_absolute_error": 4.0, "max_error": 2.0}, ["rmse", "median_absolute_error"]),
        ],
    )
    def test_errors_that_rule_each_other_out_are_refused(self, metrics: dict[str, float], refused: list[str]) -> None:
        errors = complete(task_types.get("regression"), ReportedMetrics(metrics))

        assert [(field, code) for field, code, _ in errors] == [
            (f"metrics.{name}", "contradiction") for name in refused
        ]

    def test_the_positive_class_that_the_model_declares_holds(self, ed: Caller, model: RegisteredModel) -> None:
        RegisteredModel.objects.filter(pk=model.pk).update(positive_class="no")

        assert report_of(ed, {**WITH_MATRIX, "metrics": {"recall": 0.973}})["positive_class"] == "no"
        answer = ed.post(SNAPSHOTS, {**WITH_MATRIX, "evaluation_options": {"positive_class": "yes"}})
        assert faults(answer) == [("evaluation_options.positive_class", "contradiction")]

    def test_a_report_is_refused_if_the_declared_class_changes_meanwhile(
        self, ed: Caller, model: RegisteredModel, monkeypatch: pytest.MonkeyPatch
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

    def test_the_model_is_not_locked_while_a_report_is_checked(
        self, ed: Caller, monkeypatch: pytest.MonkeyPatch
    ) -> None:
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
