"""Datasets: their declaration, and reads of performance by the name of one."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection

from models_registry.accounts.models import Organization, User
from models_registry.registry.models import RegisteredModel
from performance.evaluations.models import MisclassifiedExample
from performance.snapshots.models import Dataset, DatasetVersion, MetricSnapshot, SnapshotDetail
from performance.snapshots.selectors import summary_statement
from tests.api import Caller, faults, refusal
from tests.conftest import PinnedQueries, golden
from tests.factories import EVALUATED_AT, completed_version, snapshot

pytestmark = pytest.mark.django_db
READ = "/models/mdl-7f3a19bc92/performance"
MATRIX = {"labels": ["no", "yes"], "counts": [[3, 1], [1, 3]]}
PATHS = (
    "summary",
    "report",
    "confusion-matrix",
    "misclassifications",
    "residuals",
    "curves",
    "history?metric=accuracy",
    "compare",
    "badge.svg?metric=accuracy",
)


@pytest.fixture
def vera(viewer: User, model: RegisteredModel) -> Caller:
    return Caller(viewer)


@pytest.fixture
def october(model: RegisteredModel) -> MetricSnapshot:
    """A newer snapshot of the promoted version, of another dataset than the primary one."""
    version = model.versions.get()
    newer = EVALUATED_AT + timedelta(days=1)
    stored = snapshot(version, metrics={"accuracy": 0.25}, dataset="october", evaluated_at=newer, source="computed")
    SnapshotDetail.objects.create(snapshot=stored, confusion_matrix=MATRIX)
    MisclassifiedExample.objects.create(snapshot=stored, rank=1, actual="yes", predicted="no", attributes={})
    return stored


def read(caller: Caller, path: str, **query: str) -> Any:
    route, _, given = path.partition("?")
    return caller.get(f"{READ}/{route}", {**dict(pair.split("=") for pair in given.split("&") if pair), **query})


def test_without_a_name_the_primary_dataset_is_read(vera: Caller, october: MetricSnapshot) -> None:
    assert vera.get(f"{READ}/summary").json() == golden("summary")
    assert vera.get(f"{READ}/report").json()["metrics"]["accuracy"] == 0.9341
    assert [each["value"] for each in read(vera, "history?metric=accuracy").json()["results"]] == [0.9341]


def test_a_named_dataset_is_read(vera: Caller, october: MetricSnapshot) -> None:
    assert read(vera, "summary", dataset="october").json()["metrics"]["accuracy"] == 0.25
    assert read(vera, "report", dataset="october").json()["metrics"]["accuracy"] == 0.25
    assert read(vera, "confusion-matrix", dataset="october").json()["counts"] == MATRIX["counts"]
    assert len(read(vera, "misclassifications", dataset="october").json()["results"]) == 1
    assert read(vera, "curves", dataset="october").status_code == 200
    assert [each["value"] for each in read(vera, "history?metric=accuracy", dataset="october").json()["results"]] == [
        0.25
    ]
    assert b"0.250" in read(vera, "badge.svg?metric=accuracy", dataset="october").content


def test_two_versions_are_compared_on_the_same_dataset(
    vera: Caller, model: RegisteredModel, october: MetricSnapshot
) -> None:
    snapshot(completed_version(model, 418), metrics={"accuracy": 0.5}, dataset="october")

    body = read(vera, "compare", version_id="ver-001a2", dataset="october").json()

    assert (body["metrics"]["accuracy"]["value"], body["metrics"]["accuracy"]["baseline_value"]) == (0.5, 0.25)
    assert refusal(read(vera, "compare", version_id="ver-001a2")) == (404, "snapshot_not_found")


@pytest.mark.parametrize("path", [path for path in PATHS if path.partition("?")[0] not in ("residuals", "history")])
def test_a_dataset_without_a_snapshot_is_a_404_that_names_those_with_one(
    vera: Caller, october: MetricSnapshot, path: str
) -> None:
    answer = read(vera, path, dataset="november")

    assert refusal(answer) == (404, "snapshot_not_found")
    assert "'november'" in answer.json()["detail"]
    assert "'october'" in answer.json()["detail"]
    assert "the primary dataset" in answer.json()["detail"]


def test_a_404_lists_no_dataset_of_another_split_or_version(
    vera: Caller, model: RegisteredModel, october: MetricSnapshot
) -> None:
    snapshot(model.versions.get(), metrics={"accuracy": 0.5}, dataset="held out", dataset_split="train")
    completed_version(model, 418)

    detail = read(vera, "summary", dataset="november", dataset_split="train").json()["detail"]

    assert "'held out'" in detail
    assert "october" not in detail
    detail = read(vera, "summary", dataset="november", version_id="ver-001a2").json()["detail"]
    assert detail.endswith("Ask for another split, or evaluate it on this one first.")


@pytest.mark.parametrize(
    "path",
    ["summary", "report", "confusion-matrix", "curves", "slices?by=country", "compare", "badge.svg?metric=accuracy"],
)
def test_without_a_primary_dataset_a_404_names_the_others(vera: Caller, model: RegisteredModel, path: str) -> None:
    version = completed_version(model, 418)
    for name in ("october", "april", "october"):
        snapshot(version, metrics={"accuracy": 0.5}, dataset=name)

    answer = read(vera, path, version_id="ver-001a2")

    assert refusal(answer) == (404, "snapshot_not_found")
    assert answer.json()["detail"] == (
        "ver-001a2 has no metrics for the split test. It has some for 'april', 'october'. "
        "Name one as `dataset`; without it, the primary dataset is read."
    )


def test_the_baseline_of_a_comparison_has_the_same_404(vera: Caller, model: RegisteredModel) -> None:
    snapshot(completed_version(model, 418), metrics={"accuracy": 0.5}, dataset="october")

    answer = read(vera, "compare", version_id="ver-001a1", baseline_version_id="ver-001a2")

    assert refusal(answer) == (404, "snapshot_not_found")
    assert "ver-001a2 has no metrics for the split test. It has some for 'october'." in answer.json()["detail"]


def test_a_404_names_at_most_twenty_datasets(vera: Caller, model: RegisteredModel) -> None:
    version = completed_version(model, 418)
    MetricSnapshot.objects.bulk_create(
        MetricSnapshot(
            version=version, dataset_split="test", dataset=f"d{at:02d}", metrics={}, evaluated_at=EVALUATED_AT
        )
        for at in range(30)
    )

    detail = read(vera, "summary", version_id="ver-001a2").json()["detail"]

    assert "'d19', others. " in detail
    assert "d20" not in detail


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    ("name", "code"), [("", "blank"), ("x" * 101, "max_length"), ("a\0b", "null_characters_not_allowed")]
)
def test_an_invalid_name_is_a_400(vera: Caller, path: str, name: str, code: str) -> None:
    assert faults(read(vera, path, dataset=name)) == [("dataset", code)]


def test_a_verdict_has_the_dataset_of_its_policy(vera: Caller) -> None:
    assert [field for field, _ in faults(read(vera, "badge.svg", dataset="october"))] == ["dataset"]


def test_a_summary_of_a_named_dataset_is_one_statement(
    vera: Caller, october: MetricSnapshot, pinned_queries: PinnedQueries
) -> None:
    read(vera, "summary", dataset="october")
    with pinned_queries("summary"):
        read(vera, "summary", dataset="october")


@pytest.mark.skipif("connection.vendor == 'sqlite'", reason="the plan is PostgreSQL's")
@pytest.mark.parametrize("promoted", [True, False])
def test_the_newest_snapshot_is_found_by_one_index(october: MetricSnapshot, promoted: bool) -> None:
    compiled = summary_statement(promoted=promoted).compiled("default")
    values = {"user": 1, "family": None, "model": "mdl-7f3a19bc92", "number": 417, "split": "test", "dataset": "x"}
    versions = [completed_version(october.version.model, number) for number in range(500, 550)]
    MetricSnapshot.objects.bulk_create(
        MetricSnapshot(version=version, dataset_split="test", dataset="x", metrics={}, evaluated_at=EVALUATED_AT)
        for version in versions * 20
    )
    with connection.cursor() as cursor:
        cursor.execute(f"ANALYZE {MetricSnapshot._meta.db_table}")
        cursor.execute("SET LOCAL enable_seqscan = off")
        cursor.execute(f"EXPLAIN {compiled.sql}", compiled.bind(values, connection))
        plan = "\n".join(line for (line,) in cursor.fetchall())

    assert plan.count("using snapshot_newest_of_dataset on") == 1
    assert "Sort" not in plan


DATASETS = "/organizations/acme/datasets"
DIGEST = "0123456789abcdef" * 4


class TestDeclared:
    def test_a_dataset_is_declared_and_listed(self, editor: User, model: RegisteredModel) -> None:
        ed = Caller(editor)

        answer = ed.post(DATASETS, {"name": "october", "description": "The examples of October."})

        assert answer.status_code == 201
        body = answer.json()
        assert list(body.items()) == [
            ("name", "october"),
            ("description", "The examples of October."),
            ("versions", []),
            ("created_by", "ed"),
            ("created_at", body["created_at"]),
        ]
        assert ed.get(DATASETS).json()["results"] == [body]

    def test_a_snapshot_declares_a_new_name_and_adds_its_version(self, editor: User, model: RegisteredModel) -> None:
        ed = Caller(editor)
        body = {"dataset_split": "test", "metrics": {"accuracy": 0.9}}
        snapshots = "/models/mdl-7f3a19bc92/versions/ver-001a1/snapshots"
        for dataset in (
            {"name": "october"},
            {"name": "october", "version": "2", "digest": DIGEST},
            {"name": "october", "version": "2", "digest": DIGEST},
            {"name": "october", "version": "3"},
            {"name": "april"},
        ):
            assert ed.post(snapshots, {**body, "dataset": dataset}).status_code == 201

        april, october = ed.get(DATASETS).json()["results"]

        assert (april["name"], april["versions"], april["created_by"]) == ("april", [], "ed")
        assert [(each["version"], each["digest"]) for each in october["versions"]] == [("3", None), ("2", DIGEST)]

    def test_only_the_newest_versions_are_listed(self, vera: Caller, model: RegisteredModel) -> None:
        for name in ("april", "october"):
            dataset = Dataset.objects.create(organization=model.organization, name=name)
            DatasetVersion.objects.bulk_create(DatasetVersion(dataset=dataset, version=f"{at}") for at in range(30))

        listed = vera.get(DATASETS).json()["results"]

        newest = [f"{at}" for at in range(29, 9, -1)]
        assert [[each["version"] for each in dataset["versions"]] for dataset in listed] == [newest, newest]

    def test_a_list_makes_a_constant_number_of_queries(
        self, vera: Caller, model: RegisteredModel, pinned_queries: PinnedQueries
    ) -> None:
        for at in range(7):
            Dataset.objects.create(organization=model.organization, name=f"{at}")

        with pinned_queries("list of datasets"):
            answer = vera.get(DATASETS, {"page_size": 3})
        assert [each["name"] for each in answer.json()["results"]] == ["0", "1", "2"]
        assert [each["name"] for each in vera.get(answer.json()["next"].partition("/api/v1")[2]).json()["results"]] == [
            "3",
            "4",
            "5",
        ]

    def test_a_taken_name_is_a_conflict(self, editor: User, model: RegisteredModel) -> None:
        ed = Caller(editor)
        ed.post(DATASETS, {"name": "october"})

        assert refusal(ed.post(DATASETS, {"name": "october"})) == (409, "conflict")
        assert Dataset.objects.count() == 1

    def test_a_repeated_request_is_answered_as_before(self, editor: User, model: RegisteredModel) -> None:
        ed = Caller(editor)
        first = ed.post(DATASETS, {"name": "october"}, Idempotency_Key="once")

        again = ed.post(DATASETS, {"name": "october"}, Idempotency_Key="once")

        assert (again.status_code, again.json()) == (201, first.json())
        assert again["Idempotency-Replayed"] == "true"

    @pytest.mark.parametrize(
        ("body", "field"),
        [
            ({}, "name"),
            ({"name": ""}, "name"),
            ({"name": 1}, "name"),
            ({"name": "x" * 101}, "name"),
            ({"name": "a\nb"}, "name"),
            ({"name": "x", "description": 1}, "description"),
            ({"name": "x", "versions": []}, "versions"),
        ],
    )
    def test_a_malformed_one_is_refused(
        self, editor: User, model: RegisteredModel, body: dict[str, Any], field: str
    ) -> None:
        assert [name for name, _ in faults(Caller(editor).post(DATASETS, body))] == [field]
        assert not Dataset.objects.exists()

    def test_datasets_of_others_are_not_listed(self, vera: Caller, outsider: User, model: RegisteredModel) -> None:
        Dataset.objects.create(organization=Organization.objects.get(slug="globex"), name="theirs")

        assert vera.get(DATASETS).json()["results"] == []
        assert refusal(vera.get("/organizations/globex/datasets")) == (403, "permission_denied")
