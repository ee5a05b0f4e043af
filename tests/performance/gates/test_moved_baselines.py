"""Baselines and test sets that move after a version was promoted, from the file of predictions to the verdict."""

from typing import Any

import pytest
from django.utils import timezone

from performance.snapshots.models import SnapshotDetail
from tests.factories import completed_version
from tests.performance.gates.pipeline import GOOD, POOR, Pipeline, predictions, statuses

pytestmark = pytest.mark.django_db

LIMIT = {"metric": "accuracy", "max_regression": 0.01}
BEST = LIMIT | {"against": "best"}
CONFIDENT = {"confidence": 0.95}
CODE = "changed_predictions"


def test_evaluating_the_best_version_again_does_not_lower_the_bar(pipeline: Pipeline) -> None:
    promoted = pipeline.version(GOOD, promoted=True)
    pipeline.version(POOR)
    asked = (LIMIT, BEST, LIMIT | CONFIDENT, BEST | CONFIDENT)
    assert statuses(pipeline.judge(*asked)) == ["failed"] * 4

    pipeline.evaluate(promoted, POOR)
    verdict = pipeline.judge(*asked)

    told = "Earlier predictions of this version for the same examples were others: accuracy was 0.92."
    assert pipeline.warnings("ver-00001") == [{"code": CODE, "detail": told}]
    assert f"ver-00001: {told}" in verdict["warnings"]
    assert statuses(verdict) == ["passed", "failed", "passed", "failed"]
    assert [rule["baseline_value"] for rule in verdict["rules"]] == [0.5, 0.92, 0.5, 0.92]
    newest, best = sorted(verdict["baselines"], key=lambda each: len(each["warnings"]), reverse=True)
    assert ([each["code"] for each in newest["warnings"]], best["warnings"]) == ([CODE], [])
    assert verdict["warnings"].count(f"ver-00001: {told}") == 1


def test_many_evaluations_do_not_hide_the_first_predictions(pipeline: Pipeline) -> None:
    promoted = pipeline.version(GOOD, promoted=True)
    pipeline.evaluate(promoted, POOR)
    pipeline.evaluate(promoted, predictions(249))
    pipeline.evaluate(promoted, predictions(249))

    [warning] = pipeline.warnings("ver-00001")

    assert warning["detail"].endswith("were others: accuracy was between 0.5 and 0.92.")
    assert statuses(pipeline.judge(BEST)) == ["passed"], "a version is not compared with itself"
    pipeline.version(POOR)
    assert statuses(pipeline.judge(BEST)) == ["failed"]


def test_slices_and_classes_of_the_best_version_are_kept_too(pipeline: Pipeline) -> None:
    def sliced(content: bytes) -> bytes:
        header, *rows = content.splitlines()
        return b"\n".join([header + b",c", *(row + (b",x" if at % 3 else b",y") for at, row in enumerate(rows))])

    flag = '--columns={"slices": ["c"]}'
    promoted = pipeline.version(sliced(GOOD), flag, promoted=True)
    pipeline.evaluate(promoted, sliced(POOR), flag)
    pipeline.version(sliced(POOR), flag)
    names = ("slice.c.x.recall", "worst_slice.c.recall", "per_class.1.precision", "specificity")

    verdict = pipeline.judge(*({"metric": name, "max_regression": 0.01} for name in names), against="best")

    assert statuses(verdict) == ["failed"] * 4
    assert all(rule["baseline_value"] > 0.9 for rule in verdict["rules"])


def test_the_same_predictions_again_are_no_news(pipeline: Pipeline) -> None:
    version = pipeline.version(GOOD, promoted=True)
    header, *rows = GOOD.splitlines()

    pipeline.evaluate(version, b"\n".join([header, *reversed(rows)]))
    assert pipeline.warnings("ver-00001") == []
    pipeline.evaluate(version, predictions(40, ids=False))
    pipeline.evaluate(version, GOOD, averaging="macro")
    assert pipeline.warnings("ver-00001") == []


def test_other_predictions_with_equal_metrics_are_news(pipeline: Pipeline) -> None:
    version = pipeline.version(GOOD, promoted=True)
    header, *rows = GOOD.splitlines()
    wrong, right = rows[:40], rows[40:80]  # as many of each class
    swapped = [
        b",".join([actual, other, name])
        for (actual, _, name), (_, other, _) in zip(
            (row.split(b",") for row in [*wrong, *right]), (row.split(b",") for row in [*right, *wrong]), strict=True
        )
    ]

    pipeline.evaluate(version, b"\n".join([header, *swapped, *rows[80:]]))

    [warning] = pipeline.warnings("ver-00001")
    assert (warning["code"], "accuracy was 0.92." in warning["detail"]) == (CODE, True)


def test_another_threshold_alone_is_no_other_prediction(pipeline: Pipeline) -> None:
    version = pipeline.version("thr", threshold="0.5")
    pipeline.evaluate(version, "thr", threshold="0.395")

    assert pipeline.warnings("ver-00001") == []


def test_metrics_by_hand_do_not_lower_the_bar(pipeline: Pipeline) -> None:
    promoted = pipeline.version(GOOD, promoted=True)
    pipeline.version(POOR)

    pipeline.report(promoted, metrics={"accuracy": 0.5})
    verdict = pipeline.judge(LIMIT, BEST)

    told = (
        "Earlier metrics of this version were others: accuracy was 0.92. Whether they are of the same examples is "
        "unknown."
    )
    assert pipeline.warnings("ver-00001") == [{"code": "changed_metrics", "detail": told}]
    assert f"ver-00001: {told}" in verdict["warnings"]
    assert statuses(verdict) == ["passed", "failed"]
    assert "0.92 in an earlier snapshot of the best promoted ver-00001: worse by 0.42" in verdict["rules"][1]["detail"]
    pipeline.report(promoted, metrics={"accuracy": 0.92})
    assert pipeline.warnings("ver-00001") == []


def test_a_batch_of_metrics_by_hand_is_warned_of_alike(pipeline: Pipeline) -> None:
    promoted = pipeline.version(GOOD, promoted=True)
    rows = [{"dataset_split": "test", "metrics": {"accuracy": value}} for value in (0.5, 0.92)]
    rows += [{"dataset_split": "validation", "metrics": {"accuracy": 0.5}}]

    path = f"{pipeline.path}/versions/{promoted.version_id}/snapshots:batch"
    answer = pipeline.caller.post(path, {"snapshots": rows})

    assert answer.status_code == 201, answer.content
    details = SnapshotDetail.objects.filter(snapshot__source="reported").order_by("pk")
    assert [[each["code"] for each in detail.warnings] for detail in details] == [["changed_metrics"], [], []]


def test_predictions_without_ids_may_be_of_the_same_examples(pipeline: Pipeline) -> None:
    promoted = pipeline.version(predictions(40, ids=False), promoted=True)
    pipeline.version(predictions(250, ids=False))
    pipeline.evaluate(promoted, predictions(250, ids=False))

    assert statuses(pipeline.judge(LIMIT, BEST)) == ["passed", "failed"]
    assert [each["code"] for each in pipeline.warnings("ver-00001")] == ["changed_metrics"]


def test_another_test_set_replaces_the_metrics_of_the_one_before(pipeline: Pipeline) -> None:
    promoted = pipeline.version(GOOD, promoted=True)
    pipeline.evaluate(promoted, predictions(80, first=500))
    pipeline.version(predictions(80, first=500))

    verdict = pipeline.judge(LIMIT, BEST)

    assert statuses(verdict) == ["passed", "passed"]
    [warning] = pipeline.warnings("ver-00001")
    assert warning["code"] == "changed_examples"
    assert warning["detail"] == "This version was measured on other examples before: accuracy was 0.92."
    assert f"ver-00001: {warning['detail']}" in verdict["warnings"]


def test_leaving_out_a_row_does_not_lower_the_bar(pipeline: Pipeline) -> None:
    promoted = pipeline.version(GOOD, promoted=True)
    pipeline.evaluate(promoted, POOR)
    pipeline.version(predictions(249, rows=499))

    assert statuses(pipeline.judge(BEST)) == ["failed"]


def test_earlier_metrics_count_only_if_they_are_known_to_be_comparable(pipeline: Pipeline) -> None:
    promoted = pipeline.version(GOOD, promoted=True)
    pipeline.report(promoted, metrics={"accuracy": 0.99})
    pipeline.evaluate(promoted, "thr", threshold="0.5")
    pipeline.evaluate(promoted, GOOD)
    pipeline.version(GOOD)

    for required in ({}, {"source": "computed"}, {"same_dataset": True}):
        verdict = pipeline.judge(BEST, **required)
        assert (statuses(verdict), verdict["rules"][0]["baseline_value"]) == (["passed"], 0.92)


def test_a_report_without_a_digest_can_be_corrected(pipeline: Pipeline) -> None:
    promoted, candidate = (completed_version(pipeline.model, number=number) for number in (1, 2))
    for version, accuracy in ((promoted, 0.99), (promoted, 0.9), (candidate, 0.92)):
        pipeline.report(version, metrics={"accuracy": accuracy})
    assert pipeline.caller.post(f"{pipeline.path}/versions/ver-00001/promote").status_code == 200

    verdict = pipeline.judge(BEST)

    assert (statuses(verdict), verdict["rules"][0]["baseline_value"]) == (["passed"], 0.9)


def test_metrics_from_before_a_version_was_completed_do_not_count(pipeline: Pipeline) -> None:
    promoted = pipeline.version(GOOD)
    pipeline.evaluate(promoted, predictions(10), split="validation")
    promoted.completed_at = timezone.now()  # as if all that had happened in training
    promoted.save()
    pipeline.evaluate(promoted, GOOD, split="validation")
    assert pipeline.caller.post(f"{pipeline.path}/versions/ver-00001/promote").status_code == 200
    pipeline.evaluate(pipeline.version(GOOD), GOOD, split="validation")

    verdict = pipeline.judge(BEST, dataset_split="validation")

    assert (statuses(verdict), verdict["rules"][0]["baseline_value"], verdict["warnings"]) == (["passed"], 0.92, [])


def test_an_easier_test_set_of_the_same_name_and_version_is_told(pipeline: Pipeline) -> None:
    def judge() -> Any:
        return pipeline.judge({"metric": "accuracy", "operator": ">=", "threshold": 0.9}, dataset="churn-x")

    pipeline.version("base", dataset="churn-x@1")
    assert judge()["warnings"] == []
    pipeline.version("base", dataset="churn-x@2")
    pipeline.version("base", "--split=train", dataset="churn-x@1")  # another split has other examples
    pipeline.version("easy", dataset="churn-x@1")
    [warning] = pipeline.judge(LIMIT, dataset="churn-x")["candidate"]["warnings"]

    digest = str(SnapshotDetail.objects.order_by("pk")[0].examples_digest)[:12]
    told = f"The dataset 'churn-x', version '1', had other examples, weights or groups before (digest {digest})."
    assert warning == {"code": "changed_dataset", "detail": told}
    assert judge()["warnings"] == [f"ver-00004: {told}"]
    pipeline.version("base", dataset="churn-x@1")
    assert judge()["warnings"] == []
    pipeline.report(
        completed_version(pipeline.model, number=6),
        metrics={"accuracy": 0.99},
        dataset={"name": "churn-x", "version": "1", "digest": "ab" * 32},
    )
    assert f"ver-00006: {told}" in judge()["warnings"]
