"""The cost of an upload, and the size of what is stored, are bounded for any content."""

import json
import resource
from typing import Any

import pytest

from models_registry.accounts.models import User
from models_registry.registry.models import RegisteredModel
from performance.evaluations.models import EvaluationJob, MisclassifiedExample
from performance.metrics.sandbox import runner
from performance.metrics.sandbox.runner import Limits
from performance.snapshots.models import SnapshotDetail
from tests.api import Caller, faults
from tests.performance.evaluations.uploads import evaluated, parquet, upload, work

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("_storage_of_its_own")]
WRONG = "/models/mdl-7f3a19bc92/performance/misclassifications"


def refused(user: User, content: bytes, **fields: Any) -> Any:
    """Return the problem of an evaluation that failed because of its predictions."""
    done = evaluated(user, content, "predictions", **fields)
    assert done["state"] == "failed", done
    assert (done["problem"]["status"], done["problem"]["code"]) == (422, "unprocessable_predictions")
    return done["problem"]


def child_seconds() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


class TestNames:
    def test_a_column_of_the_file_has_a_name_of_bounded_length(self, editor: User) -> None:
        name = "c" * 201
        problem = refused(editor, f"actual,predicted,{name}\na,b,1\n".encode())

        assert "201 characters; the limit is 200" in problem["detail"]
        assert problem["column"] == "c" * 200

    @pytest.mark.parametrize(
        "columns",
        [
            {"actual": "a" * 201},
            {"attributes": ["a" * 201]},
            {"attributes": ["a"] * 21},
            {"scores": {"a": "s" * 201}},
            {"scores": {"l" * 1001: "s"}},
            {"scores": {str(number): "s" for number in range(1001)}},
            {"scores": {f"{number:065d}": "s" for number in range(1000)}},
        ],
    )
    def test_columns_are_bounded_and_the_field_is_named(self, editor: User, columns: dict[str, Any]) -> None:
        [(field, _)] = faults(upload(editor, columns=json.dumps(columns)))

        assert field == "columns"
        assert not EvaluationJob.objects.exists()

    def test_a_positive_class_is_bounded(self, editor: User) -> None:
        assert faults(upload(editor, positive_class="y" * 1001)) == [("positive_class", "max_length")]


class TestIds:
    def test_ids_of_examples_are_bounded(self, editor: User) -> None:
        rows = f"example_id,actual,predicted\nfirst,a,b\n{'x' * 501},a,b\n"
        problem = refused(editor, rows.encode())

        assert (problem["row"], problem["column"]) == (2, "example_id")
        assert "at most 500 characters" in problem["detail"]

    @pytest.mark.parametrize(
        ("task_type", "rows", "column"),
        [
            ("regression", "example_id,actual,predicted\n{},1,2\n", "example_id"),
            ("forecasting", "series_id,actual,predicted\n{},1,2\n", "series_id"),
            ("ranking", "query_id,relevance,score\n{},1,0.5\n", "query_id"),
        ],
    )
    def test_ids_of_other_kinds_are_bounded(
        self, editor: User, model: RegisteredModel, task_type: str, rows: str, column: str
    ) -> None:
        RegisteredModel.objects.filter(pk=model.pk).update(task_type=task_type)

        problem = refused(editor, rows.format("x" * 501).encode())

        assert (problem["row"], problem["column"]) == (1, column)

    def test_ids_of_bounded_length_are_accepted(self, editor: User) -> None:
        assert evaluated(editor, f"example_id,actual,predicted\n{'é' * 500},a,a\n".encode())["state"] == "succeeded"


class TestExamples:
    def test_names_of_attributes_are_stored_once(self, editor: User) -> None:
        names = [f"{number:02d}{'n' * 198}" for number in range(20)]
        rows = {"actual": ["a"] * 1000 + ["b"], "predicted": ["b"] * 1001, **{name: ["v"] * 1001 for name in names}}

        done = evaluated(editor, parquet(rows), "predictions", columns=json.dumps({"attributes": names}))

        assert done["state"] == "succeeded"
        assert SnapshotDetail.objects.get(snapshot=done["snapshot"]["id"]).attribute_names == names
        examples = MisclassifiedExample.objects.filter(snapshot=done["snapshot"]["id"])
        assert examples.count() == 1000
        assert {json.dumps(each.attributes) for each in examples} == {json.dumps(["v"] * 20)}
        [first] = Caller(editor).get(f"{WRONG}?page_size=1").json()["results"]
        assert first["attributes"] == dict.fromkeys(names, "v")

    def test_examples_of_an_older_release_are_read_unchanged(self, editor: User) -> None:
        done = evaluated(editor)
        MisclassifiedExample.objects.create(
            snapshot_id=done["snapshot"]["id"], rank=2, actual="a", predicted="b", attributes={"country": "NL"}
        )

        assert Caller(editor).get(WRONG).json()["results"][1]["attributes"] == {"country": "NL"}

    def test_the_texts_of_all_are_bounded_and_the_worst_are_kept(self, editor: User) -> None:
        names = [f"a{number}" for number in range(20)]
        rows = {
            "example_id": [f"{number:04d}" for number in range(1001)],
            "actual": ["a"] * 1000 + ["b"],
            "predicted": ["b"] * 1001,
            **{name: ["v" * 5000] * 1001 for name in names},
        }
        content = parquet(rows, compression="zstd")
        assert len(content) < 100_000

        done = evaluated(editor, content, "predictions", columns=json.dumps({"attributes": names}))

        examples = MisclassifiedExample.objects.filter(snapshot=done["snapshot"]["id"]).order_by("rank")
        stored = sum(len(json.dumps(each.attributes)) for each in examples)
        assert stored < 5_000_000
        assert [each.example_id for each in examples] == [f"{number:04d}" for number in range(len(examples))]
        assert len(examples) == 2**22 // (20_000 + 4 + 2)


@pytest.mark.once
class TestCost:
    def test_a_thousand_labels_are_evaluated_in_seconds(self, editor: User) -> None:
        labels = [str(number) for number in range(1000)]
        rows = {"actual": labels * 200, "predicted": (labels[7:] + labels[:7]) * 100 + labels * 100}
        before = child_seconds()

        done = evaluated(editor, parquet(rows), "predictions")

        assert done["state"] == "succeeded"
        assert child_seconds() - before < 30  # it took 150

    def test_a_thousand_classes_with_scores_are_evaluated(self, editor: User) -> None:
        labels = [f"{number:03d}" for number in range(990)]
        scores = {
            f"score_{label}": [1.0 if at == row else 0.0 for row in range(990)] for at, label in enumerate(labels)
        }
        before = child_seconds()

        done = evaluated(editor, parquet({"actual": labels, "predicted": labels, **scores}), "predictions")

        assert done["state"] == "succeeded", done["problem"]
        assert done["snapshot"]["metrics"]["roc_auc"] == 1
        assert child_seconds() - before < 120

    def test_more_scores_than_are_allowed_are_refused_before_they_are_read(
        self, editor: User, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        rows = {"actual": ["a", "b", "c"], "predicted": ["a", "b", "c"]}
        scores = {f"score_{label}": [0.5, 0.25, 0.25] for label in "abc"}
        upload(editor, parquet({**rows, **scores}), "predictions")
        monkeypatch.setattr(
            "performance.evaluations.tasks.Job", lambda **given: runner.Job(**given, limits=Limits(scores=8))
        )

        assert work()

        problem = Caller(editor).get(f"/evaluations/{EvaluationJob.objects.get().pk}").json()["problem"]
        assert problem["code"] == "unprocessable_predictions"
        assert "3 rows with the scores of 3 classes, 9 scores; 8 are the most" in problem["detail"]

    def test_a_header_of_many_columns_is_refused_at_once(self, editor: User) -> None:
        names = ",".join(f"{number:x}" for number in range(150_000))
        before = child_seconds()

        problem = refused(editor, f"actual,predicted,{names}\n".encode())

        assert "150,002 columns; the limit is 10,000" in problem["detail"]
        assert child_seconds() - before < 20
