"""Datasets, columns and options of an evaluation."""

import json
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from models_registry.accounts.models import User
from models_registry.registry.models import RegisteredModel
from performance.evaluations.models import EvaluationJob
from performance.snapshots.models import MetricSnapshot
from tests.api import Caller, faults, refusal
from tests.factories import completed_version
from tests.performance.evaluations.uploads import GOOD, evaluated, parquet, upload

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("finished_uploads_are_deleted")]


def test_an_evaluation_names_its_dataset_and_options(editor: User) -> None:
    done = evaluated(editor, dataset='{"name": "churn-2026-10", "version": "3"}', threshold="0.65")

    assert done["state"] == "succeeded", done["problem"]
    stored = MetricSnapshot.objects.get(source="computed")
    assert (stored.dataset, stored.detail.dataset_version) == ("churn-2026-10", "3")
    assert len(stored.detail.examples_digest or "") == 64
    assert stored.detail.evaluation_options == {
        "positive_class": "yes",
        "averaging": "binary",
        "threshold": 0.65,
        "allow_missing": False,
        "columns": {"actual": "actual", "score": "score", "example_id": "example_id"},
    }


@pytest.mark.parametrize(
    "dataset",
    [
        *("churn", "[]", "{}", '{"name": ""}', '{"name": "a", "digest": "b"}', '{"name": 1}'),
        *('{"name": " "}', '{"name": "a "}', '{"name": "a", "version": "b\\nc"}'),
    ],
)
def test_a_dataset_must_be_an_object_with_a_name(editor: User, dataset: str) -> None:
    answer = upload(editor, dataset=dataset)

    assert refusal(answer) == (400, "invalid_body")
    assert answer.json()["errors"][0]["field"] == "dataset"


def test_a_declared_positive_class_holds_for_every_upload(editor: User, model: RegisteredModel) -> None:
    RegisteredModel.objects.update(positive_class="no")

    assert evaluated(editor)["state"] == "succeeded"
    assert MetricSnapshot.objects.get(source="computed").detail.positive_class == "no"
    answer = upload(editor, positive_class="yes")
    assert refusal(answer) == (400, "invalid_body")
    assert "declares the positive class 'no', not 'yes'" in answer.json()["detail"]


# The model finds no positive: with another label somewhere, averages over classes would hide it.
ALL_NEGATIVE = [("1", "0")] * 5 + [("0", "0")] * 95
STRAY = [
    ({"actual": ["0"], "predicted": ["x"]}, {}),
    ({"actual": ["x"], "predicted": ["0"]}, {}),
    ({"score_0": [1.0] * 100, "score_1": [0.0] * 100, "score_x": [0.0] * 100}, {}),
    ({"p": [0.5] * 100, "q": [0.0] * 100}, {"scores": {"0": "p", "1": "p", "x": "q"}}),
]


def all_negative(more: dict[str, list[Any]]) -> bytes:
    """Return predictions of the negative class alone, with more rows of labels or more columns."""
    table = {"actual": [actual for actual, _ in ALL_NEGATIVE], "predicted": [label for _, label in ALL_NEGATIVE]}
    return parquet({**more, **{name: [*cells, *more.get(name, [])] for name, cells in table.items()}})


@pytest.mark.parametrize(("more", "columns"), STRAY)
def test_another_label_does_not_replace_the_declared_positive_class_by_averages(
    editor: User, more: dict[str, list[Any]], columns: dict[str, Any]
) -> None:
    content, named = all_negative(more), json.dumps(columns)
    assert evaluated(editor, content, "p.parquet", columns=named)["snapshot"]["metrics"]["f1_score"] > 0.9
    RegisteredModel.objects.update(positive_class="1")

    problem = evaluated(editor, content, "p.parquet", columns=named)["problem"]

    assert (problem["status"], problem["code"]) == (422, "unprocessable_predictions")
    assert "There are 3 classes, '0', '1', 'x', so '1' cannot be the positive one of two." in problem["detail"]
    assert evaluated(editor, all_negative({}), "p.parquet")["snapshot"]["metrics"]["f1_score"] == 0


@pytest.mark.parametrize("averaging", ["macro", "weighted", "micro"])
def test_a_declared_positive_class_allows_no_average_over_classes(
    editor: User, model: RegisteredModel, averaging: str
) -> None:
    assert upload(editor, averaging=averaging).status_code == 202
    RegisteredModel.objects.update(positive_class="yes")

    answer = upload(editor, averaging=averaging)

    assert faults(answer) == [("averaging", "contradicts_model")]
    assert "declares the positive class 'yes'" in answer.json()["detail"]
    assert upload(editor, averaging="binary").status_code == 202


def test_an_evaluation_takes_columns_and_options(editor: User) -> None:
    content = b"label,guess,p,country\nno,no,0.2,CH\nno,yes,0.7,FR\nyes,yes,0.9,CH\nyes,,0.6,FR\n"
    columns = {"actual": "label", "predicted": "guess", "score": "p", "attributes": ["country"]}
    options = {"positive_class": "no", "averaging": "binary", "allow_missing": "true"}
    done = evaluated(editor, content, columns=json.dumps(columns), **options)

    assert done["state"] == "succeeded", done["problem"]
    assert done["snapshot"]["sample_count"] == 3
    report = Caller(editor).get("/models/mdl-7f3a19bc92/performance/report").json()
    assert (report["row_count"], report["sample_count"], report["positive_class"]) == (4, 3, "no")
    [worst] = Caller(editor).get("/models/mdl-7f3a19bc92/performance/misclassifications").json()["results"]
    assert worst["attributes"] == {"country": "FR"}


def test_an_evaluation_takes_a_threshold_instead_of_predictions(editor: User) -> None:
    done = evaluated(editor, b"actual,score\nno,0.2\nyes,0.4\nyes,0.9\nno,0.3\n", threshold="0.35")
    assert done["snapshot"]["metrics"]["accuracy"] == 1


@pytest.mark.parametrize(
    ("fields", "fault"),
    [
        ({"file": None}, ("file", "required")),
        ({"file": "text"}, ("file", "invalid")),
        ({"dataset_split": None}, ("dataset_split", "required")),
        ({"dataset_split": "Test"}, ("dataset_split", "invalid_choice")),
        ({"columns": "{"}, ("columns", "invalid")),
        ({"columns": "[]"}, ("columns", "invalid")),
        ({"columns": '{"actual": 1}'}, ("columns", "invalid")),
        ({"columns": '{"label": "x"}'}, ("columns", "invalid")),
        ({"columns": '{"actual": "a\\u0000b"}'}, ("columns", "invalid")),
        ({"columns": '{"scores": ["a"]}'}, ("columns", "invalid")),
        ({"columns": '{"attributes": ' + json.dumps(["x"] * 21) + "}"}, ("columns", "invalid")),
        ({"positive_class": "a\0b"}, ("positive_class", "null_characters_not_allowed")),
        ({"averaging": "samples"}, ("averaging", "invalid_choice")),
        ({"threshold": "nan"}, ("threshold", "invalid")),
        ({"threshold": "1e999"}, ("threshold", "invalid")),
        ({"allow_missing": "yes"}, ("allow_missing", "invalid_choice")),
        ({"k": "0"}, ("k", "min_value")),
        ({"k": "1_0"}, ("k", "invalid")),
        ({"positive_class": "\ufffd"}, ("positive_class", "invalid")),
        ({"metrics": "{}"}, ("metrics", "unknown_field")),
        ({"other": SimpleUploadedFile("x.csv", b"x")}, ("other", "unknown_field")),
        ({"dataset_split": ["test", "train"]}, ("dataset_split", "repeated_field")),
        ({"file": [SimpleUploadedFile("x.csv", GOOD), SimpleUploadedFile("y.csv", GOOD)]}, ("file", "repeated_field")),
    ],
)
def test_a_form_that_is_not_valid_is_refused_by_field(editor: User, fields: Any, fault: tuple[str, str]) -> None:
    assert faults(upload(editor, **fields)) == [fault]
    assert not EvaluationJob.objects.exists()


def test_an_option_that_means_nothing_for_the_task_type_is_refused(editor: User, empty_model: RegisteredModel) -> None:
    completed_version(empty_model, number=1)
    path = f"/models/{empty_model.pk}/versions/ver-00001/evaluations"
    answer = upload(editor, path=path, averaging="macro", threshold="0.5", allow_missing="true")
    assert faults(answer) == [("averaging", "not_available"), ("threshold", "not_available")]
    answer = upload(editor, path=path, columns='{"query": "q", "actual": "y"}')
    assert faults(answer) == [("columns.query", "not_available")]
    assert not EvaluationJob.objects.exists()
