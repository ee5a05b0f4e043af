"""Metric snapshots in the admin, and the query counts of all lists."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from allauth.mfa.models import Authenticator
from allauth.socialaccount.models import SocialAccount
from axes.models import AccessAttempt
from django.contrib import admin
from django.contrib.auth.models import Group, Permission
from django.db import connection
from django.db.models import Model
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from models_registry import task_types
from models_registry.accounts.models import ModelGrant, Organization, ServiceAccount, User
from models_registry.accounts.scopes import ALL_SCOPES
from models_registry.registry.models import RegisteredModel, Version
from models_registry.registry.promotions import promote
from models_registry.task_types.base import Direction, Metric, TaskType, WorkedExample
from models_registry.tokens.models import PersonalToken, TrustedIssuer, TrustRule
from models_registry.tokens.services import create_named_token, open_token_family
from performance.badges.models import Badge
from performance.evaluations.models import EvaluationJob
from performance.gates.models import GatePolicy, GateVerdict
from performance.snapshots.models import Dataset, MetricSnapshot, SnapshotDetail
from performance.webhooks.models import Webhook, WebhookDelivery
from tests.admin_pages import add_url, list_url, logged_in, page_url, rows, text_of
from tests.conftest import golden
from tests.factories import EXAMPLE_METRICS, completed_version, new_user, snapshot
from tests.operations import POLICY

ADMIN_MODELS = sorted(admin.site._registry, key=lambda model: model._meta.label)
METRIC_HEADERS = "Metric Value Interval Better Bounds Definition"


@pytest.fixture
def root(superuser: User) -> Client:
    return logged_in(superuser)


@pytest.fixture
def eighth_task_type() -> Iterator[TaskType]:
    """A task type that is only declared."""
    metrics = [
        Metric(
            name=f"bias_{number}",
            label=f"Bias {number}",
            direction=Direction.LOWER,
            definition="Mean of predicted minus actual.",
            source="a test",
            example=WorkedExample(given={}, value=0),
            lower=lower,
            upper=upper,
        )
        for number, (lower, upper) in enumerate([(None, None), (None, 2), (-1, None)])
    ]
    eighth = TaskType(name="guessing", label="Guessing", description="Guesses.", metrics=tuple(metrics))
    task_types.register(eighth)
    yield eighth
    task_types.unregister("guessing")


def page_text(client: Client, record: Model) -> str:
    """Return the text of a record's page."""
    response = client.get(page_url(record))
    assert response.status_code == 200
    return text_of(response.content.decode())


def listed(client: Client, **query: str) -> list[str]:
    """Return the text of each row of the list of snapshots."""
    response = client.get(list_url(MetricSnapshot), query)
    assert response.status_code == 200
    return rows(response)


def promoted_with_snapshot(organization: Organization, name: str) -> RegisteredModel:
    """Return a model with a promoted version that has the example's snapshot."""
    model = RegisteredModel.objects.create(organization=organization, name=name, task_type="classification")
    version = completed_version(model, number=1)
    snapshot(version, metrics=EXAMPLE_METRICS)
    promote(version=version, promoted_by=None, reason="")
    return model


def stock(numbers: range) -> None:
    """Create a row of each model that the admin lists, for each number."""
    for number in numbers:
        organization = Organization.objects.create(slug=f"org{number}", name=f"Organization {number}")
        model = promoted_with_snapshot(organization, f"model {number}")
        Dataset.objects.create(organization=organization, name=f"dataset {number}")
        GatePolicy.objects.create(model=model, version=1, document=POLICY)
        GateVerdict.objects.create(
            model=model, version=model.versions.get(), occasion="promotion", status="passed", document={}
        )
        user = new_user(f"user{number}")
        Badge.objects.create(model=model, created_by=user, expires_at=timezone.now())
        ModelGrant.objects.create(model=model, user=user, scope="model:read")
        EvaluationJob.objects.create(
            version=model.versions.get(), dataset_split="test", file="uploads/none.csv", requested_by=user
        )
        webhook = Webhook.objects.create(
            organization=organization, model=model, url="https://example.com", events=["gate.failed"], created_by=user
        )
        WebhookDelivery.objects.create(webhook=webhook, event="gate.failed", payload="{}")
        open_token_family(user=user, scope=ALL_SCOPES)
        Group.objects.create(name=f"group {number}")
        AccessAttempt.objects.create(username=f"user{number}", failures_since_start=1)
        Authenticator.objects.create(user=user, type="totp", data={})
        SocialAccount.objects.create(user=user, provider="https://login.example.com", uid=f"user{number}")
        account = ServiceAccount.objects.create(username=f"pipeline{number}", is_service_account=True)
        root = User.objects.get(is_superuser=True)
        for owner in (account, root):
            lifetime = timedelta(days=1)
            create_named_token(user=owner, name=f"token {number}", scopes=[], lifetime=lifetime, created_by=root)
        url = f"https://gitlab.com/{number}"
        issuer = TrustedIssuer.objects.create(issuer=url, jwks_url=f"{url}/keys", audience="registry")
        claims = {"repository": f"acme/{number}"}
        TrustRule.objects.create(
            issuer=issuer, name=f"rule {number}", service_account=account, claims=claims, scopes=["model:read"]
        )


def queries_of_list(client: Client, model: type[Model], *, least: int) -> list[str]:
    """Return the queries that a list of at least so many rows takes."""
    with CaptureQueriesContext(connection) as queries:
        response = client.get(list_url(model))
    assert len(rows(response)) >= least
    return [query["sql"] for query in queries.captured_queries]


class TestEveryList:
    def test_each_list_takes_the_same_number_of_queries_for_3_rows_as_for_30(
        self, root: Client, subtests: pytest.Subtests
    ) -> None:
        stock(range(3))
        for model in ADMIN_MODELS:  # kinds of records are looked up once in a process
            root.get(list_url(model))
        few = {model: queries_of_list(root, model, least=3) for model in ADMIN_MODELS}
        stock(range(3, 30))
        for model in ADMIN_MODELS:
            with subtests.test(model._meta.model_name):
                many = queries_of_list(root, model, least=30)
                assert len(many) == len(few[model]), "\n".join(many)

    def test_each_list_can_be_searched_and_leads_to_a_page_of_each_row(
        self, root: Client, subtests: pytest.Subtests
    ) -> None:
        stock(range(1))
        for model in ADMIN_MODELS:
            with subtests.test(model._meta.model_name):
                assert root.get(list_url(model), {"q": "ver-00001 nothing"}).status_code == 200
                own = {"user__is_superuser": True} if model is PersonalToken else {}
                record = model._default_manager.filter(**own).first()
                assert record is not None
                assert root.get(page_url(record)).status_code == 200


class TestTheList:
    def test_the_list_of_snapshots_shows_the_model_of_each_snapshot_and_its_first_metrics(
        self, root: Client, model: RegisteredModel
    ) -> None:
        [row] = listed(root)
        assert "Acme churn ver-001a1 promoted Test - Accuracy 0.934 · Precision 0.918 · Recall 0.924" in row

    def test_marks_only_the_snapshots_of_promoted_versions(self, root: Client, model: RegisteredModel) -> None:
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
        self, root: Client, model: RegisteredModel, empty_model: RegisteredModel, query: dict[str, str], found: int
    ) -> None:
        snapshot(model.versions.get(), metrics=EXAMPLE_METRICS, dataset_split="validation")
        snapshot(completed_version(empty_model, number=1), metrics={"rmse": 54.321})
        assert len(listed(root, **query)) == found

    def test_the_list_of_snapshots_is_filtered_by_organization(
        self, root: Client, model: RegisteredModel, outsider: User
    ) -> None:
        globex = Organization.objects.get(slug="globex")
        promoted_with_snapshot(globex, "theirs")
        [row] = listed(root, version__model__organization__id__exact=str(globex.pk))
        assert "Globex theirs" in row

    @pytest.mark.parametrize(
        ("value", "shown"),
        [(0.0, "0.000"), (1234.5678, "1234.568"), (0.00001234, "1.23e-05"), (5.4e9, "5.4e+09"), (-0.25, "-0.250")],
    )
    def test_rounds_small_and_large_metrics_sensibly(
        self, root: Client, empty_model: RegisteredModel, value: float, shown: str
    ) -> None:
        snapshot(completed_version(empty_model, number=1), metrics={"r_squared": value})
        assert f"R² {shown}" in listed(root)[0]

    def test_the_list_of_snapshots_takes_four_queries(
        self, root: Client, model: RegisteredModel, django_assert_num_queries: Any
    ) -> None:
        listed(root)
        with django_assert_num_queries(4):
            listed(root)


class TestThePage:
    def test_lays_out_every_metric_that_the_task_type_declares(self, root: Client, model: RegisteredModel) -> None:
        page = page_text(root, MetricSnapshot.objects.get())
        assert METRIC_HEADERS in page
        for metric in task_types.get("classification").metrics:
            better = f"{metric.direction} is better"
            bounds = "0 or more" if metric.name == "log_loss" else "0 to 1"
            value = repr(EXAMPLE_METRICS[metric.name])
            assert f"{metric.label} {value} {better} {bounds} {metric.definition}" in page

    def test_the_page_of_a_snapshot_says_which_metrics_were_not_recorded(
        self, root: Client, empty_model: RegisteredModel
    ) -> None:
        page = page_text(root, snapshot(completed_version(empty_model, number=1), metrics={"mae": 41.5}))
        assert page.count("not recorded") == 3
        assert "41.5 lower is better 0 or more" in page

    def test_the_page_of_a_snapshot_links_to_its_model_and_version(self, root: Client, model: RegisteredModel) -> None:
        record = MetricSnapshot.objects.get()
        body = root.get(page_url(record)).content.decode()
        assert f'href="{page_url(model)}"' in body
        assert f'href="{page_url(record.version)}"' in body
        text = text_of(body)
        assert (
            "Organization Acme Dataset split Test Model churn Sample count - Version churn ver-001a1 Evaluated at"
            in text
        )
        assert "Promotion promoted" in text
        assert "Task type Classification" in text

    def test_the_page_of_a_snapshot_shows_a_task_type_that_is_only_declared(
        self, root: Client, acme: Organization, eighth_task_type: TaskType
    ) -> None:
        model = RegisteredModel.objects.create(organization=acme, name="hunch", task_type="guessing")
        record = snapshot(completed_version(model, number=1), metrics={"bias_0": -0.5})
        page = page_text(root, record)
        assert "Bias 0 -0.5 lower is better any Mean of predicted minus actual." in page
        assert "Bias 1 not recorded lower is better 2 or less" in page
        assert "Bias 2 not recorded lower is better -1 or more" in page
        assert "Bias 0 -0.500" in listed(root)[0]
        assert len(listed(root, version__model__task_type__exact="guessing")) == 1

    def test_the_page_of_a_snapshot_names_an_unknown_task_type(self, root: Client, model: RegisteredModel) -> None:
        RegisteredModel.objects.filter(pk=model.pk).update(task_type="astrology")
        record = MetricSnapshot.objects.get()
        page = page_text(root, record)
        assert "There is no task type 'astrology'; use one of classification," in page
        assert METRIC_HEADERS not in page
        assert "There is no task type 'astrology'" in listed(root)[0]
        assert "There is no task type 'astrology'" in page_text(root, record.version)

    def test_the_page_of_a_snapshot_draws_what_an_evaluation_left_to_draw(
        self, root: Client, model: RegisteredModel
    ) -> None:
        record = snapshot(completed_version(model, number=418), metrics=EXAMPLE_METRICS, source="computed")
        hostile = "</title><script>alert(1)</script>"
        curves = {**golden("curves")["curves"], "roc": {hostile: golden("curves")["curves"]["roc"]["yes"]}}
        SnapshotDetail.objects.create(snapshot=record, curves=curves)
        body = root.get(page_url(record)).content.decode()
        assert [title in body for title in ("ROC curve", "Precision-recall curve", "Calibration")] == [True] * 3
        assert 'points="0.00,100.00 25.00,25.00 100.00,0.00"' in body
        assert "alert(1)" in body
        assert hostile not in body
        assert "Residuals" not in text_of(body)

    def test_gives_metrics_in_six_digits_with_their_intervals_and_further_ones(
        self, root: Client, empty_model: RegisteredModel
    ) -> None:
        record = snapshot(completed_version(empty_model, number=1), metrics={"rmse": 55.527133962670135})
        within = {"lower": 46.965890807864035, "upper": 62.93433333912756, "level": 0.95, "method": "moments"}
        SnapshotDetail.objects.create(
            snapshot=record,
            further_metrics={"bias": -3.015177528089885},
            custom_metrics={"cost": 1234567.8912345678},
            confidence_intervals={"rmse": within},
        )
        page = page_text(root, record)
        assert "RMSE 55.5271 46.9659 to 62.9343 (95%) lower is better 0 or more" in page
        assert "Bias -3.01518 closer to zero is better any" in page
        assert "RMSE 55.53, 95% interval 46.97 to 62.93" in page
        assert "cost 1.23457e+06" in page
        assert not re.search(r"\d\.\d{7}", page.split("Metric snapshots", 1)[1])

    def test_the_page_of_a_snapshot_shows_the_confusion_matrix_and_what_is_known_of_each_class(
        self, root: Client, model: RegisteredModel
    ) -> None:
        record = snapshot(completed_version(model, number=418), metrics=EXAMPLE_METRICS)
        hostile = "<script>alert(1)</script>"
        SnapshotDetail.objects.create(
            snapshot=record,
            confusion_matrix={"labels": ["no", hostile], "counts": [[30, 10], [0, 0]]},
            per_class={"no": {"precision": 1.0, "recall": 0.75, "support": 40.0}, hostile: {"support": 0.0}},
        )
        body = root.get(page_url(record)).content.decode()
        matrix = body.split('id="confusion-matrix"', 1)[1].split("</table>", 1)[0]
        assert f"actual \\ predicted no {hostile} no 30 10 {hostile} 0 0" in text_of(matrix).replace("&lt;", "<")
        assert matrix.count('scope="col"') == 3
        assert matrix.count('scope="row"') == 2
        assert re.findall(r"/ (\d+)%\)", matrix) == ["48", "28", "0", "0"]
        classes = text_of(body.split('id="classes"', 1)[1].split("</table>", 1)[0])
        assert f"Class Precision Recall Support {hostile} 0 no 1 0.75 40" in classes
        assert hostile not in body

    @pytest.mark.parametrize(("classes", "scrolled", "shown"), [(20, False, 20), (21, True, 21), (52, True, 50)])
    def test_scrolls_past_20_classes_and_counts_those_past_50(
        self, root: Client, model: RegisteredModel, classes: int, scrolled: bool, shown: int
    ) -> None:
        record = snapshot(completed_version(model, number=418), metrics=EXAMPLE_METRICS)
        labels = [f"class {number:03}" for number in range(classes)]
        SnapshotDetail.objects.create(
            snapshot=record,
            confusion_matrix={"labels": labels, "counts": [[1] * classes] * classes},
            per_class={label: {"support": 1.0} for label in labels},
        )
        body = root.get(page_url(record)).content.decode()
        for name in ("confusion-matrix", "classes"):
            part = body.split(f'id="{name}"', 1)[1].split("</div>", 1)[0]
            assert ("max-height" in part) == scrolled
            assert part.count('scope="row"') == shown
        assert body.count("2 more classes are available from the API.") == (2 if classes == 52 else 0)

    def test_the_page_of_a_snapshot_without_curves_has_no_chart(
        self, root: Client, empty_model: RegisteredModel
    ) -> None:
        record = snapshot(completed_version(empty_model, number=1), metrics={"mae": 41.5})
        assert 'id="charts"' not in root.get(page_url(record)).content.decode()

    def test_the_page_of_a_snapshot_takes_four_queries(
        self, root: Client, model: RegisteredModel, django_assert_num_queries: Any
    ) -> None:
        record = MetricSnapshot.objects.get()
        root.get(page_url(record))
        with django_assert_num_queries(4):  # session, user, snapshot and slices
            root.get(page_url(record))

    def test_the_page_of_a_snapshot_is_read_only(self, root: Client, model: RegisteredModel) -> None:
        record = MetricSnapshot.objects.get()
        assert root.get(add_url(MetricSnapshot)).status_code == 403
        assert root.post(page_url(record), {"sample_count": 1}).status_code == 403
        assert root.post(f"{page_url(record).removesuffix('change/')}delete/", {"post": "yes"}).status_code == 403
        assert 'name="_save"' not in root.get(page_url(record)).content.decode()

    def test_the_page_of_a_snapshot_is_open_to_staff_who_may_view_snapshots(self, model: RegisteredModel) -> None:
        staff = new_user("stan", is_staff=True)
        record = MetricSnapshot.objects.get()
        assert logged_in(staff).get(page_url(record)).status_code == 403
        staff.user_permissions.add(Permission.objects.get(codename="view_metricsnapshot"))
        assert METRIC_HEADERS in page_text(logged_in(staff), record)


class TestEvaluations:
    def test_evaluations_are_listed_with_their_state_and_why_one_failed(
        self, root: Client, model: RegisteredModel, editor: User
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

    def test_evaluations_are_read_only(self, root: Client, model: RegisteredModel) -> None:
        job = EvaluationJob.objects.create(version=model.versions.get(), dataset_split="test", file="uploads/x.csv")
        assert root.get(add_url(EvaluationJob)).status_code == 403
        assert root.post(page_url(job), {"state": "succeeded"}).status_code == 403


class TestTheVersionPage:
    def test_the_page_of_a_version_lists_the_versions_snapshots(self, root: Client, model: RegisteredModel) -> None:
        record = MetricSnapshot.objects.get()
        response = root.get(page_url(record.version))
        assert rows(response)[0].startswith("test at 2026-03-13 14:22 test Accuracy 0.934")
        assert f'href="{page_url(record)}"' in response.content.decode()

    def test_the_page_of_a_version_takes_the_same_number_of_queries_however_many_there_are(
        self, root: Client, model: RegisteredModel, django_assert_num_queries: Any
    ) -> None:
        version = Version.objects.get()
        root.get(page_url(version))
        for _ in range(30):
            snapshot(version, metrics=EXAMPLE_METRICS)
        with django_assert_num_queries(5):
            root.get(page_url(version))
