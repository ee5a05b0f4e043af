"""What was done to fool a gate, from the file of predictions to the verdict."""

import math
import re
from typing import Any

import pytest
from django.utils.html import escape

from models_registry import task_types
from models_registry.accounts.models import Organization, User
from tests.admin_pages import logged_in, page_url
from tests.factories import completed_version
from tests.performance.evaluations.uploads import evaluated
from tests.performance.gates.pipeline import FILES, GOOD, Pipeline, predictions, statuses

pytestmark = pytest.mark.django_db

ACCURATE = {"metric": "accuracy", "operator": ">=", "threshold": 0.85}
NO_WORSE = {"metric": "accuracy", "max_regression": 0.01}


def test_an_easier_test_set_is_not_the_same(pipeline: Pipeline) -> None:
    pipeline.version("base", promoted=True)
    pipeline.version("easy")

    assert statuses(pipeline.judge(NO_WORSE)) == ["passed"]
    [rule] = pipeline.judge(NO_WORSE, same_dataset=True)["rules"]
    assert rule["status"] == "missing"
    assert "the policy asks for the same examples" in rule["detail"]


def test_the_same_test_set_is_said_to_be_the_same(pipeline: Pipeline) -> None:
    pipeline.version("base", promoted=True)
    pipeline.version(re.sub(rb",[01]$", b",1", (FILES / "base.csv").read_bytes(), flags=re.M))

    [rule] = pipeline.judge(NO_WORSE, same_dataset=True)["rules"]

    assert (rule["status"], rule["same_dataset"]) == ("failed", True)
    assert "Both were measured on the same examples." in rule["detail"]


def test_numbers_by_hand_are_not_computed_ones(pipeline: Pipeline) -> None:
    version = pipeline.version("bad")
    assert statuses(pipeline.judge(ACCURATE, source="computed")) == ["failed"]

    path = f"{pipeline.path}/versions/{version.version_id}/snapshots"
    reported = {"dataset_split": "test", "metrics": {"accuracy": 0.99}}
    assert pipeline.caller.post(path, reported).status_code == 201
    verdict = pipeline.judge(ACCURATE, source="computed")

    assert (statuses(verdict), verdict["candidate"]["source"]) == (["missing"], "reported")
    assert "are reported, and the policy asks for computed ones" in verdict["rules"][0]["detail"]
    verdict = pipeline.judge(ACCURATE)
    assert statuses(verdict) == ["passed"]
    assert any("the metrics are reported" in warning for warning in verdict["warnings"])


def test_rows_without_prediction_are_counted(pipeline: Pipeline) -> None:
    pipeline.version("missing", "--allow-missing")

    verdict = pipeline.judge(ACCURATE, {"metric": "missing_fraction", "operator": "<=", "threshold": 0.01})

    assert statuses(verdict) == ["passed", "failed"]
    assert verdict["rules"][1]["value"] == pytest.approx(0.92)
    assert [warning for warning in verdict["warnings"] if "92.0% of the rows have no prediction" in warning]


def test_groups_alone_are_said_to_differ(pipeline: Pipeline) -> None:
    pipeline.version(GOOD, promoted=True)
    pipeline.version(predictions(40, group=True))

    [rule] = pipeline.judge(NO_WORSE)["rules"]

    assert rule["same_dataset"] is False
    assert "They were measured on different examples, weights or groups." in rule["detail"]


@pytest.mark.parametrize("left_out", ["", "1,0"])
def test_a_slice_does_not_pass_by_being_left_out(pipeline: Pipeline, left_out: str) -> None:
    rows = [f"{at},{at % 2},{at % 2},1,de" for at in range(100)]
    hidden = [f"{at},{at % 2},{left_out or ',1'},fr" for at in range(100, 200)]
    content = "\n".join(["example_id,actual,predicted,weight,country", *rows, *hidden]).encode()
    pipeline.version(content, "--allow-missing", columns='{"slices": ["country"]}')
    worst = {"metric": "worst_slice.country.accuracy", "operator": ">=", "threshold": 0.8}

    verdict = pipeline.judge(worst, {**worst, "min_sample_count": 50})

    assert statuses(verdict) == ["missing", "passed"]
    assert "The slice country='fr' has none. None of its rows has a prediction" in verdict["rules"][0]["detail"]
    assert any("'fr' (100)" in warning for warning in verdict["warnings"])


def test_a_test_set_without_its_hard_examples_is_not_the_same(pipeline: Pipeline) -> None:
    def predictions(of_hard: str) -> bytes:
        rows = (f"{at},{at % 2},{of_hard if at < 40 else at % 2}" for at in range(400))
        return "\n".join(["example_id,actual,predicted", *rows]).encode()

    pipeline.version(predictions("7"), promoted=True)
    pipeline.version(predictions(""), "--allow-missing")

    [rule] = pipeline.judge(NO_WORSE)["rules"]
    assert (rule["status"], rule["same_dataset"]) == ("passed", False)
    assert "They were measured on different examples, weights or groups." in rule["detail"]
    [rule] = pipeline.judge(NO_WORSE, same_dataset=True)["rules"]
    assert rule["status"] == "missing"
    assert "without the 10% that have no prediction" in rule["detail"]


def test_predictions_prove_that_the_same_rows_have_none(pipeline: Pipeline) -> None:
    def predictions(*, missing: range, wrong: int) -> bytes:
        predicted = {at: at % 2 if at >= wrong else 1 - at % 2 for at in range(400) if at not in missing}
        rows = (f"{at},{at % 2},{predicted.get(at, '')}" for at in range(400))
        return "\n".join(["example_id,actual,predicted", *rows]).encode()

    def judge(*, confidence: bool) -> tuple[str, bool | None]:
        rule = NO_WORSE | ({"confidence": 0.95} if confidence else {}) | {"max_regression": 0.5}
        [found] = pipeline.judge(rule, same_dataset=True)["rules"]
        return found["status"], found["same_dataset"]

    older = predictions(missing=range(390, 400), wrong=8)
    pipeline.version(older, "--allow-missing", promoted=True)
    pipeline.version(older, "--allow-missing")
    assert judge(confidence=False) == ("passed", True)  # the same predictions

    pipeline.version(predictions(missing=range(380, 390), wrong=9), "--allow-missing")
    assert judge(confidence=True) == ("missing", None)
    pipeline.version(predictions(missing=range(390, 400), wrong=9), "--allow-missing")
    assert judge(confidence=False) == ("missing", None)
    assert judge(confidence=True) == ("passed", True)  # it is compared row by row


def test_identical_predictions_are_no_worse(pipeline: Pipeline) -> None:
    pipeline.version("same", promoted=True)
    pipeline.version("same")

    [rule] = pipeline.judge({"metric": "accuracy", "max_regression": 0.004, "confidence": 0.95})["rules"]

    assert rule["status"] == "passed", rule["detail"]
    assert pipeline.caller.post(f"{pipeline.path}/versions/ver-00002/promote").status_code == 200


def test_identical_predictions_are_no_worse_by_any_measure(pipeline: Pipeline) -> None:
    rows = [f"{at},{at % 2},{(at + (at % 11 == 0)) % 2},{'d' if at % 9 == 0 else 'f'}" for at in range(500)]
    file, reordered = ("\n".join(["example_id,actual,predicted,c", *each]).encode() for each in (rows, rows[::-1]))
    sliced = '--columns={"slices": ["c"]}'
    of_all = ("accuracy", "recall", "matthews_correlation", "per_class.1.precision", "per_class.0.recall")

    def judge(*names: str) -> list[tuple[str, str]]:
        limits = [{"metric": name, "max_regression": 0, "confidence": 0.95} for name in names]
        return [(rule["status"], rule["interval"]["method"]) for rule in pipeline.judge(*limits)["rules"]]

    pipeline.version(file, sliced, promoted=True)
    pipeline.version(file, sliced)
    of_slices = ("slice.c.d.accuracy", "slice.c.f.recall")
    assert judge(*of_all, *of_slices) == [("passed", "identical")] * 7
    pipeline.version(reordered, sliced)
    assert judge(*of_all) == [("passed", "identical")] * 5
    assert judge(*of_slices) == [("failed", "independent")] * 2  # whether an example is in the same slice is unknown


def test_a_flattering_positive_class_is_refused_by_a_pin(pipeline: Pipeline) -> None:
    pipeline.version("all-negative", positive_class="0")
    rule = {"metric": "f1_score", "operator": ">=", "threshold": 0.9}
    assert statuses(pipeline.judge(rule)) == ["passed"]

    [found] = pipeline.judge(rule, evaluation={"positive_class": "1"})["rules"]

    assert found["status"] == "missing"
    assert (
        "for the positive class '0', and the policy asks for an evaluation for the positive class '1'"
        in (found["detail"])
    )


def test_another_positive_class_is_not_compared(pipeline: Pipeline) -> None:
    pipeline.version("all-negative", promoted=True)
    pipeline.version("all-negative", positive_class="0")

    [rule] = pipeline.judge({"metric": "f1_score", "max_regression": 0})["rules"]

    assert rule["status"] == "missing"
    assert "'0'" in rule["detail"]
    assert "'1'" in rule["detail"]


def test_another_threshold_is_not_compared(pipeline: Pipeline) -> None:
    pipeline.version("thr", promoted=True, threshold="0.5")
    pipeline.version("thr", threshold="0.395")

    rule, of_scores = pipeline.judge(
        {"metric": "accuracy", "max_regression": 0}, {"metric": "roc_auc", "max_regression": 0}
    )["rules"]

    assert rule["status"] == "missing"
    assert "at the threshold 0.395" in rule["detail"]
    assert "at the threshold 0.5" in rule["detail"]
    assert of_scores["status"] == "passed"
    answer = pipeline.caller.get(f"{pipeline.path}/performance/compare", {"version_id": "ver-00002"})
    compared = answer.json()["metrics"]["accuracy"]
    assert compared["direction"] == "inconclusive"
    assert "at the threshold 0.395" in compared["detail"]
    [rule] = pipeline.judge(ACCURATE, evaluation={"threshold": 0.5})["rules"]
    assert rule["status"] == "missing"


def test_another_k_is_not_compared(admin: User, acme: Organization) -> None:
    pipeline = Pipeline(admin, acme, "ranking")
    pipeline.version("rank-good", promoted=True, k="3")
    pipeline.version("rank-bad", k="20")

    recall, ndcg = pipeline.judge(
        {"metric": "recall_at_k", "max_regression": 0.01}, {"metric": "ndcg", "max_regression": 0.01}
    )["rules"]

    assert recall["status"] == "missing"
    assert "with k = 20" in recall["detail"]
    assert "with k = 3" in recall["detail"]
    assert ndcg["status"] == "failed"
    [pinned] = pipeline.judge({"metric": "ndcg", "operator": ">=", "threshold": 0}, evaluation={"k": 3})["rules"]
    assert pinned["status"] == "missing"


SLICED = b"actual,predicted,c\n" + b"1,1,x\n0,0,x\n1,0,y\n0,0,y\n" * 5
OTHERWISE = [
    ("classification", SLICED, "recall", {"averaging": "macro"}, {"averaging": "binary"}, "with {} averaging"),
    ("classification", SLICED, "recall", {"averaging": "micro"}, {"averaging": "weighted"}, "with {} averaging"),
    ("classification", SLICED, "recall", {"positive_class": "1"}, {"positive_class": "0"}, "the positive class '{}'"),
    ("classification", "thr", "precision", {"threshold": "0.5"}, {"threshold": "0.4"}, "at the threshold {}"),
    ("ranking", "rank-good", "recall_at_k", {"k": "3"}, {"k": "20"}, "with k = {}"),
]


@pytest.mark.parametrize(("task_type", "file", "metric", "first", "second", "text"), OTHERWISE)
def test_a_file_that_is_evaluated_otherwise_is_compared_nowhere(
    admin: User,
    acme: Organization,
    task_type: str,
    file: str | bytes,
    metric: str,
    first: dict[str, Any],
    second: dict[str, Any],
    text: str,
) -> None:
    pipeline = Pipeline(admin, acme, task_type)
    columns: dict[str, Any] = {"columns": '{"slices": ["c"]}'} if file == SLICED else {}
    pipeline.version(file, promoted=True, **first, **columns)
    pipeline.version(file, **second, **columns)
    slices = [f"worst_slice.c.{metric}", f"slice.c.x.{metric}"] if columns else []

    rules = pipeline.judge(*({"metric": name, "max_regression": 0.9} for name in (metric, *slices)))["rules"]
    path = f"{pipeline.path}/performance/compare"
    compared = pipeline.caller.get(path, {"version_id": "ver-00002"}).json()["metrics"][metric]

    assert [rule["status"] for rule in rules] == ["missing"] * len(rules)
    assert compared["direction"] == "inconclusive"
    for option in (*first.values(), *second.values()):
        assert all(text.format(option) in each["detail"] for each in (*rules, compared))


def test_another_scale_of_a_forecast_is_another_test_set(admin: User, acme: Organization) -> None:
    pipeline = Pipeline(admin, acme, "forecasting")
    pipeline.version("fc-base", promoted=True)
    pipeline.version("fc-scale10")

    [rule] = pipeline.judge({"metric": "mase", "max_regression": 0}, same_dataset=True)["rules"]

    assert rule["status"] == "missing"


def test_one_class_has_no_interval_and_a_warning(pipeline: Pipeline) -> None:
    pipeline.version("oneclass")

    verdict = pipeline.judge({"metric": "balanced_accuracy", "operator": ">=", "threshold": 0.5, "confidence": 0.95})

    assert statuses(verdict) == ["missing"]
    assert any("class" in warning for warning in verdict["warnings"])


def test_scores_of_the_other_class_are_warned_of(pipeline: Pipeline) -> None:
    rows = [f"{at},{at % 2},{at % 2},{0.2 + 0.6 * (at % 2) + at / 1000}" for at in range(90)]
    version = pipeline.version("\n".join(["example_id,actual,predicted,score", *rows]).encode(), positive_class="0")

    warning = "ROC AUC is below 0.5: the scores may be those of the other class, not of the positive class '0'."
    assert f"{version.version_id}: {warning}" in pipeline.judge(ACCURATE)["warnings"]
    report = pipeline.caller.get(f"{pipeline.path}/performance/report?version_id={version.version_id}").json()
    assert report["warnings"] == [{"code": "scores_of_other_class", "detail": warning}]
    page = logged_in(pipeline.admin).get(page_url(version.snapshots.get()))
    assert escape(warning) in page.content.decode()


def test_an_effective_sample_size_that_is_missing_says_why(pipeline: Pipeline) -> None:
    rows = [f"{at},{at % 2},{at % 2},{at % 9}" for at in range(90)]
    pipeline.version("\n".join(["example_id,actual,predicted,group", *rows]).encode())

    [rule] = pipeline.judge({"metric": "effective_sample_size", "operator": ">=", "threshold": 5})["rules"]

    assert rule["status"] == "missing"
    assert "It is unknown how much its groups differ" in rule["detail"]


def test_a_value_that_is_missing_says_why(pipeline: Pipeline) -> None:
    version = pipeline.version("base", promoted=True)
    names = (
        "roc_auc",
        "custom.latency",
        "per_class.7.recall",
        "train_overlap",
        "slice.c.x.recall",
        "worst_slice.c.recall",
    )
    asked = [{"metric": name, "operator": ">=", "threshold": 0.5} for name in names]

    verdict = pipeline.judge(*asked)
    found = [rule["detail"].partition("for the split test. ")[2] for rule in verdict["rules"]]

    sliced = "It was evaluated without slices by this attribute: name the column in `slices`."
    assert statuses(verdict) == ["missing"] * len(names)
    assert found == [
        "There is no score of the positive class.",
        "Evaluations of predictions have no custom metrics: report it.",
        "Nothing was measured of '7'.",
        "It needs stored predictions with ids: evaluate the train split first, then this one.",
        sliced,
        sliced,
    ]
    reported = {"dataset_split": "test", "metrics": {"accuracy": 0.9}}
    path = f"{pipeline.path}/versions/{version.version_id}/snapshots"
    [stored] = pipeline.caller.get(path).json()["results"]
    assert stored["metrics_unavailable"]["roc_auc"] == found[0]
    pipeline.version("base")
    compared = pipeline.caller.get(f"{pipeline.path}/performance/compare", {"version_id": "ver-00002"}).json()
    assert compared["metrics"]["roc_auc"]["detail"] == (
        f"The version has no roc_auc. {found[0]} The baseline has no roc_auc. {found[0]}"
    )
    assert pipeline.caller.post(path, reported).status_code == 201
    path = f"{pipeline.path}/performance/gate?version_id={version.version_id}"
    reasons = [
        rule["detail"].partition("for the split test. ")[2]
        for rule in pipeline.caller.post(path, {"rules": asked}).json()["rules"]
    ]
    assert reasons == ["It was not reported."] * 4 + ["Only evaluations of predictions have slices."] * 2


def test_a_difference_without_an_interval_says_why(admin: User, acme: Organization) -> None:
    pipeline = Pipeline(admin, acme, "regression")
    limit = {"metric": "rmse", "max_regression": 1, "confidence": 0.95}

    def predictions(count: int) -> bytes:
        rows = (f"{at},{at % 7},{at % 7 + (at % 5 - 2) / 10}" for at in range(count))
        return "\n".join(["example_id,actual,predicted", *rows]).encode()

    pipeline.version(predictions(300), promoted=True)
    pipeline.version(predictions(30))
    [few] = pipeline.judge(limit)["rules"]
    pipeline.version(predictions(300))
    [of_baseline] = pipeline.judge(limit, against="ver-00002")["rules"]

    why = (
        "An interval needs at least 50 examples, not 30. Use `mae` or `median_absolute_error`, which have an interval."
    )
    assert (few["status"], of_baseline["status"]) == ("missing", "missing")
    assert few["detail"].endswith(f"the 95% interval of the difference that is required. {why}")
    assert of_baseline["detail"].endswith(f"the 95% interval of the difference that is required. Of ver-00002: {why}")


def test_the_same_predictions_in_another_order_are_no_worse(admin: User, acme: Organization) -> None:
    pipeline = Pipeline(admin, acme, "regression")
    names = [metric.name for metric in task_types.get("regression").metrics]
    rows = [f"{at},{3 + math.sin(at)!r},{3 + math.sin(at) + math.cos(at * at) / 3!r}" for at in range(500)]
    files = ("\n".join(["example_id,actual,predicted", *each]).encode() for each in (rows, reversed(rows)))
    versions = [pipeline.version(file, promoted=at == 0) for at, file in enumerate(files)]
    before, now = ([version.snapshots.get().metrics[name] for name in names] for version in versions)
    assert before != now, "sums of doubles depend on the order"

    limits = [{"metric": name, "max_regression": 0, **more} for name in names for more in ({}, {"confidence": 0.95})]
    query = {"version_id": versions[1].version_id}
    compared = pipeline.caller.get(f"{pipeline.path}/performance/compare", query).json()["metrics"].values()

    assert {*statuses(pipeline.judge(*limits))} == {"passed"}
    assert {(each["direction"], each["difference"]) for each in compared} == {("unchanged", 0.0)}


def test_copies_of_two_examples_are_refused(pipeline: Pipeline) -> None:
    version = completed_version(pipeline.model, number=1)
    path = f"{pipeline.path}/versions/{version.version_id}/evaluations"

    job = evaluated(pipeline.admin, (FILES / "copies.csv").read_bytes(), path=path)

    assert job["state"] == "failed"
    assert "'a'" in job["problem"]["detail"]


def test_examples_without_weight_do_not_count(pipeline: Pipeline) -> None:
    pipeline.version("zero-weights")

    verdict = pipeline.judge(
        {"metric": "sample_count", "operator": ">=", "threshold": 1000},
        {"metric": "effective_sample_size", "operator": ">=", "threshold": 1000},
    )

    assert statuses(verdict) == ["failed", "failed"]
    assert [rule["value"] for rule in verdict["rules"]] == [2, 2]


def test_three_positives_decide_nothing_about_f1(pipeline: Pipeline) -> None:
    pipeline.version("f1-3pos")

    [rule] = pipeline.judge({"metric": "f1_score", "operator": ">=", "threshold": 0.9, "confidence": 0.95})["rules"]

    assert (rule["status"], rule["value"]) == ("failed", 1)
    assert rule["interval"]["lower"] < 0.75


@pytest.mark.parametrize("metric", ["matthews_correlation", "cohen_kappa", "f1_score", "roc_auc"])
def test_two_right_rows_decide_nothing(pipeline: Pipeline, metric: str) -> None:
    pipeline.version("two-perfect")

    verdict = pipeline.judge({"metric": metric, "operator": ">=", "threshold": 0.8, "confidence": 0.95})

    assert statuses(verdict) in (["failed"], ["missing"])


@pytest.mark.parametrize("metric", ["ndcg", "map", "mrr", "recall_at_k"])
def test_two_perfect_queries_decide_nothing(admin: User, acme: Organization, metric: str) -> None:
    pipeline = Pipeline(admin, acme, "ranking")
    pipeline.version("two-queries")

    verdict = pipeline.judge({"metric": metric, "operator": ">=", "threshold": 0.8, "confidence": 0.95})

    assert statuses(verdict) in (["failed"], ["missing"])
