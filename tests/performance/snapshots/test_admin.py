"""The list of snapshots in the admin, and who may read and change snapshots and evaluations there."""

from datetime import UTC, datetime
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.test import Client
from django.utils import timezone

from models_registry.accounts.models import Organization, User
from models_registry.registry.models import RegisteredModel, Version
from performance.evaluations.models import EvaluationJob
from performance.snapshots.models import MetricSnapshot
from tests.admin_pages import add_url, list_url, logged_in, page_url, rows
from tests.factories import EXAMPLE_METRICS, completed_version, new_user, snapshot
from tests.performance.snapshots.snapshot_pages import METRIC_HEADERS, listed, page_text, promoted_with_snapshot


def test_the_list_of_snapshots_shows_the_model_of_each_snapshot_and_its_first_metrics(
    root: Client, model: RegisteredModel
) -> None:
    [row] = listed(root)
    assert "Acme churn ver-001a1 promoted Test - Accuracy 0.934 · Precision 0.918 · Recall 0.924" in row


def test_the_list_marks_only_the_snapshots_of_promoted_versions(root: Client, model: RegisteredModel) -> None:
    newer = completed_version(model, number=418)
    snapshot(newer, metrics={"accuracy": 0.5}, evaluated_at=datetime(2026, 4, 1, tzinfo=UTC))
    newest, oldest = listed(root)
    assert "ver-001a2 Test Accuracy 0.500" in newest.replace(" - ", " ")
    assert "promoted" not in newest
    assert "promoted" in oldest


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({}, 3),
        ({"dataset_split__exact": "validation"}, 1),
        ({"version__model__task_type__exact": "regression"}, 1),
        ({"promoted": "yes"}, 2),
        ({"q": "churn"}, 2),
        ({"q": "mdl-7f3a19bc92"}, 2),
        ({"q": "ver-00001"}, 1),
        ({"q": "CHURN 7f3a"}, 2),
        ({"q": "churn nothing"}, 0),
        ({"evaluated_at_from_0": "2026-01-01", "evaluated_at_from_1": "00:00"}, 3),
        ({"evaluated_at_to_0": "2026-01-01", "evaluated_at_to_1": "00:00"}, 0),
    ],
)
def test_the_list_of_snapshots_is_filtered_by_split_task_type_promotion_and_date_and_searched(
    root: Client, model: RegisteredModel, empty_model: RegisteredModel, query: dict[str, str], found: int
) -> None:
    snapshot(model.versions.get(), metrics=EXAMPLE_METRICS, dataset_split="validation")
    snapshot(completed_version(empty_model, number=1), metrics={"rmse": 54.321})
    assert len(listed(root, **query)) == found


def test_the_list_of_snapshots_is_filtered_by_organization(
    root: Client, model: RegisteredModel, outsider: User
) -> None:
    globex = Organization.objects.get(slug="globex")
    promoted_with_snapshot(globex, "theirs")
    [row] = listed(root, version__model__organization__id__exact=str(globex.pk))
    assert "Globex theirs" in row


@pytest.mark.parametrize(
    ("value", "shown"),
    [(0.0, "0.000"), (1234.5678, "1234.568"), (0.00001234, "1.23e-05"), (5.4e9, "5.4e+09"), (-0.25, "-0.250")],
)
def test_the_list_rounds_small_and_large_metrics_sensibly(
    root: Client, empty_model: RegisteredModel, value: float, shown: str
) -> None:
    snapshot(completed_version(empty_model, number=1), metrics={"r_squared": value})
    assert f"R² {shown}" in listed(root)[0]


def test_the_list_of_snapshots_takes_four_queries(
    root: Client, model: RegisteredModel, django_assert_num_queries: Any
) -> None:
    listed(root)
    with django_assert_num_queries(4):
        listed(root)


def test_the_page_of_a_snapshot_is_read_only(root: Client, model: RegisteredModel) -> None:
    record = MetricSnapshot.objects.get()
    assert root.get(add_url(MetricSnapshot)).status_code == 403
    assert root.post(page_url(record), {"sample_count": 1}).status_code == 403
    assert root.post(f"{page_url(record).removesuffix('change/')}delete/", {"post": "yes"}).status_code == 403
    assert 'name="_save"' not in root.get(page_url(record)).content.decode()


def test_the_page_of_a_snapshot_is_open_to_staff_who_may_view_snapshots(model: RegisteredModel) -> None:
    staff = new_user("stan", is_staff=True)
    record = MetricSnapshot.objects.get()
    assert logged_in(staff).get(page_url(record)).status_code == 403
    staff.user_permissions.add(Permission.objects.get(codename="view_metricsnapshot"))
    assert METRIC_HEADERS in page_text(logged_in(staff), record)


def test_evaluations_are_listed_with_their_state_and_why_one_failed(
    root: Client, model: RegisteredModel, editor: User
) -> None:
    job = EvaluationJob.objects.create(
        version=model.versions.get(),
        dataset_split="test",
        file="uploads/none.csv",
        requested_by=editor,
        state="failed",
        due_at=None,
        finished_at=timezone.now(),
        problem={"code": "unprocessable_predictions", "detail": "Row 2 has no <b>label</b>."},
    )
    [row] = rows(root.get(list_url(EvaluationJob)))
    assert "churn ver-001a1 Test failed 0% ed Row 2 has no <b>label</b>." in row
    assert "Row 2 has no <b>label</b>." in page_text(root, job)


def test_evaluations_are_read_only(root: Client, model: RegisteredModel) -> None:
    job = EvaluationJob.objects.create(version=model.versions.get(), dataset_split="test", file="uploads/x.csv")
    assert root.get(add_url(EvaluationJob)).status_code == 403
    assert root.post(page_url(job), {"state": "succeeded"}).status_code == 403


def test_the_page_of_a_version_lists_the_versions_snapshots(root: Client, model: RegisteredModel) -> None:
    record = MetricSnapshot.objects.get()
    response = root.get(page_url(record.version))
    assert rows(response)[0].startswith("test at 2026-03-13 14:22 test Accuracy 0.934")
    assert f'href="{page_url(record)}"' in response.content.decode()


def test_the_page_of_a_version_takes_the_same_number_of_queries_however_many_there_are(
    root: Client, model: RegisteredModel, django_assert_num_queries: Any
) -> None:
    version = Version.objects.get()
    root.get(page_url(version))
    for _ in range(30):
        snapshot(version, metrics=EXAMPLE_METRICS)
    with django_assert_num_queries(5):
        root.get(page_url(version))
