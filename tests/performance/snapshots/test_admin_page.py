"""The page of a snapshot in the admin: its metrics, charts and classes."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from django.test import Client

from models_registry import task_types
from models_registry.accounts.models import Organization
from models_registry.registry.models import RegisteredModel
from models_registry.task_types.base import Direction, Metric, TaskType, WorkedExample
from performance.snapshots.models import MetricSnapshot, SnapshotDetail
from tests.admin_pages import page_url, text_of
from tests.conftest import golden
from tests.factories import EXAMPLE_METRICS, completed_version, snapshot
from tests.performance.snapshots.snapshot_pages import METRIC_HEADERS, listed, page_text


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


def test_the_page_has_every_metric_that_the_task_type_declares(root: Client, model: RegisteredModel) -> None:
    page = page_text(root, MetricSnapshot.objects.get())
    assert METRIC_HEADERS in page
    for metric in task_types.get("classification").metrics:
        better = f"{metric.direction} is better"
        bounds = "0 or more" if metric.name == "log_loss" else "0 to 1"
        value = repr(EXAMPLE_METRICS[metric.name])
        assert f"{metric.label} {value} {better} {bounds} {metric.definition}" in page


def test_the_page_of_a_snapshot_says_which_metrics_were_not_recorded(
    root: Client, empty_model: RegisteredModel
) -> None:
    page = page_text(root, snapshot(completed_version(empty_model, number=1), metrics={"mae": 41.5}))
    assert page.count("not recorded") == 3
    assert "41.5 lower is better 0 or more" in page


def test_the_page_of_a_snapshot_links_to_its_model_and_version(root: Client, model: RegisteredModel) -> None:
    record = MetricSnapshot.objects.get()
    body = root.get(page_url(record)).content.decode()
    assert f'href="{page_url(model)}"' in body
    assert f'href="{page_url(record.version)}"' in body
    text = text_of(body)
    assert (
        "Organization Acme Dataset split Test Model churn Sample count - Version churn ver-001a1 Evaluated at" in text
    )
    assert "Promotion promoted" in text
    assert "Task type Classification" in text


def test_the_page_of_a_snapshot_shows_a_task_type_that_is_only_declared(
    root: Client, acme: Organization, eighth_task_type: TaskType
) -> None:
    model = RegisteredModel.objects.create(organization=acme, name="hunch", task_type="guessing")
    record = snapshot(completed_version(model, number=1), metrics={"bias_0": -0.5})
    page = page_text(root, record)
    assert "Bias 0 -0.5 lower is better any Mean of predicted minus actual." in page
    assert "Bias 1 not recorded lower is better 2 or less" in page
    assert "Bias 2 not recorded lower is better -1 or more" in page
    assert "Bias 0 -0.500" in listed(root)[0]
    assert len(listed(root, version__model__task_type__exact="guessing")) == 1


def test_the_page_of_a_snapshot_names_an_unknown_task_type(root: Client, model: RegisteredModel) -> None:
    RegisteredModel.objects.filter(pk=model.pk).update(task_type="astrology")
    record = MetricSnapshot.objects.get()
    page = page_text(root, record)
    assert "There is no task type 'astrology'; use one of classification," in page
    assert METRIC_HEADERS not in page
    assert "There is no task type 'astrology'" in listed(root)[0]
    assert "There is no task type 'astrology'" in page_text(root, record.version)


def test_the_page_of_a_snapshot_draws_what_an_evaluation_left_to_draw(root: Client, model: RegisteredModel) -> None:
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


def test_the_page_has_metrics_in_six_digits_with_their_intervals_and_further_ones(
    root: Client, empty_model: RegisteredModel
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
    root: Client, model: RegisteredModel
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
def test_the_page_scrolls_past_20_classes_and_counts_those_past_50(
    root: Client, model: RegisteredModel, classes: int, scrolled: bool, shown: int
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


def test_the_page_of_a_snapshot_without_curves_has_no_chart(root: Client, empty_model: RegisteredModel) -> None:
    record = snapshot(completed_version(empty_model, number=1), metrics={"mae": 41.5})
    assert 'id="charts"' not in root.get(page_url(record)).content.decode()


def test_the_page_of_a_snapshot_takes_four_queries(
    root: Client, model: RegisteredModel, django_assert_num_queries: Any
) -> None:
    record = MetricSnapshot.objects.get()
    root.get(page_url(record))
    with django_assert_num_queries(4):  # session, user, snapshot and slices
        root.get(page_url(record))
